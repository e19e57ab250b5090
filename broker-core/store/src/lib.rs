//! Commit log, consume queues and index in Apache RocketMQ's file format.

pub mod clock;
pub mod fs;

mod api;
mod checkpoint;
mod config;
mod consume_queue;
mod consume_queues;
mod error;
mod index;
pub mod inspect;
pub mod json_file;
mod retention;
pub mod sim;

pub use api::*;
pub use clock::Clock;
pub use config::{FlushMode, StoreConfig};
pub use error::StoreError;
