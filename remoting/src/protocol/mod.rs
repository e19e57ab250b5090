//! The protocol without I/O: frames, headers, bodies and the message format, as bytes and values.
//!
//! Invariant: nothing here opens a socket, reads a clock or panics on what a peer sent.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic))]

pub mod body;
mod cast;
pub mod codes;
pub mod command;
pub mod ext_fields;
pub mod fastjson;
pub mod frame;
pub mod headers;
mod json_scan;
pub mod message;
pub mod names;
pub mod properties;
pub mod version;
