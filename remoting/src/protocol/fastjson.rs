//! fastjson dialect.
