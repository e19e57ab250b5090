//! The custom header fields of each request and response: one plain struct each.
//!
//! Field names are Apache's, in camel case on the wire. A field is an `Option` where real clients
//! leave it out; Java never enforces a field, so a missing required one is answered, not cut.

pub mod acl;
pub mod admin;
pub mod client;
pub mod controller;
pub mod namesrv;
pub mod offset;
pub mod pull;
pub mod query;
pub mod send;
pub mod upkeep;
