//! The broker: its state and its request handlers.
//!
//! One noun per module. Topics, groups, offsets, clients, locks, waiting pulls and statistics are
//! state; `handlers` have none of their own; `routes` is the whole surface on one screen; `broker`
//! owns the parts and lends itself to the handlers.

pub mod config;

mod broker;
mod clients;
mod events;
mod filter;
mod groups;
mod handlers;
mod lock_table;
mod long_polling;
mod names;
mod offsets;
mod registration;
mod routes;
mod schedule;
mod stats;
mod table_file;
mod topics;
mod transactions;

pub use broker::{RunningBroker, StartError};
