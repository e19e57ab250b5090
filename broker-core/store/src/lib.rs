//! Commit log, consume queues and index in Apache RocketMQ's file format.
//!
//! [`Store`] is the door: open, append, read, positions, shut down. Behind it one thread writes the
//! log (`writer`), one syncs it (`flush`), one keeps the index (`index_feed`), and one does what can
//! wait (`upkeep`): queue files, checkpoint, retention.

pub mod clock;
pub mod fs;
pub mod inspect;
pub mod json_file;

mod api;
mod append_queue;
mod checkpoint;
mod chosen_records;
mod cold_part;
mod commit_log;
mod common_blocks;
mod config;
mod consume_queue;
mod consume_queues;
mod dispatch;
mod error;
mod flush;
mod guards;
mod index;
mod index_feed;
mod lock;
mod log_scan;
mod reading;
mod recovery;
mod retention;
mod shared;
mod signal;
mod store;
mod tail;
mod upkeep;
mod writer;

pub use api::*;
pub use clock::Clock;
pub use config::{FlushMode, RetentionRules, StoreConfig};
pub use error::StoreError;
pub use store::Store;
