//! Producer, consumer and admin client for RocketMQ clusters.

mod client;
mod error;
pub mod name_server;
pub mod names;
pub mod route;

pub use client::{Client, ClientOptions};
pub use error::ClientError;
