//! The live dashboard: brokers, topics and groups of a cluster, asked again every two seconds.
//!
//! `snapshot` is what is known, `app` what is looked at, `update` turns events into state, `view` turns state into a
//! screen, `keys` is the one table of keys, `poll` asks the servers, `terminal` enters and leaves the screen. Reading
//! never changes anything on a server.

mod app;
mod keys;
#[cfg(test)]
mod samples;
mod snapshot;
mod terminal;
mod update;
mod view;
