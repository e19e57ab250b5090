//! The name server: route table, KV configuration, and their handlers.
//!
//! Brokers register every 30 s with all their topics; clients ask where a topic is. Routes are in
//! memory only, the KV configuration is in a file. Name servers know nothing of each other: every
//! broker registers with each of them.

mod config;
mod handlers;
mod kv_config;
mod route_table;
mod routes;
mod safe_file;
mod server;

pub use config::{ConfigError, ConfigWarning, NamesrvConfig};
pub use kv_config::KvConfigError;
pub use server::{Namesrv, StartError};
