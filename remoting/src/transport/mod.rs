//! Sockets around the protocol: who listens, who is connected, who is called.
//!
//! One task per connection reads, handles and writes, so that answers to one batch of requests
//! leave in one write without waking anybody. Handlers are synchronous and short; whatever may
//! take longer goes to a [`workers::Workers`] pool and answers later through a
//! [`answer::ReplyHandle`].

pub mod answer;
pub mod connection;
pub mod listener;
pub mod router;
pub mod rpc;
pub mod tls;
pub mod workers;

#[cfg(test)]
mod tests;
