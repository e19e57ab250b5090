//! Commit log, consume queues and index in Apache RocketMQ's file format.

pub mod clock;
pub mod fs;

mod checkpoint;
mod consume_queue;
mod consume_queues;
mod index;
pub mod inspect;
pub mod json_file;
mod retention;
pub mod sim;

pub use clock::Clock;
