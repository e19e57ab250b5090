//! The name server: route table, KV configuration, and their handlers.
