//! A broker in this process, over real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot do without may end it"
)]

mod clients;
mod messages;
mod tools;
mod transactions;
mod vocabulary;
