//! Producer, consumer and admin client for RocketMQ clusters.

mod address;
pub mod admin;
pub mod checks;
mod client;
pub mod consumer;
pub mod dead_letters;
mod error;
mod expression;
pub mod fan_out;
mod heartbeat;
mod incoming;
pub mod message;
pub mod name_server;
pub mod names;
pub mod producer;
pub mod pull;
pub mod reset;
pub mod route;
pub mod search;
mod silent;
pub mod time;
pub mod trace;
mod unique_key;
pub mod verdict;

pub use address::AddressRules;
pub use admin::Admin;
pub use client::{Client, ClientOptions};
pub use error::ClientError;
pub use expression::Expression;

#[cfg(test)]
mod tests;
