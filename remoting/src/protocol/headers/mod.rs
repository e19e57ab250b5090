//! Headers
