//! RocketMQ's remoting protocol ([`protocol`]: bytes and values, no I/O, no clock) and its
//! sockets ([`transport`], behind the feature of that name).

pub mod protocol;
#[cfg(feature = "transport")]
pub mod transport;
