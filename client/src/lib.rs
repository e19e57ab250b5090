//! Producer, consumer and admin client for RocketMQ clusters.

mod client;
pub mod consumer;
mod error;
mod expression;
mod heartbeat;
mod incoming;
pub mod message;
pub mod name_server;
pub mod names;
pub mod producer;
pub mod pull;
pub mod route;
mod unique_key;
pub mod verdict;

pub use client::{Client, ClientOptions};
pub use error::ClientError;
pub use expression::Expression;

#[cfg(test)]
mod tests;
