//! The words all integration tests speak: start a name server and a broker (ours or Apache's, from the same
//! `.properties`), run a client program against them, stop or kill them, look at what they said.
//!
//! Everything blocks, every wait has a deadline, every process dies with the value that holds it. Nothing here uses the
//! crates under test: a wrong codec must not agree with itself.

pub mod client_programs;
pub mod cluster;
pub mod folder;
pub mod mq;
pub mod ports;
pub mod process;
pub mod shell;
pub mod terminal;
pub mod wait;
pub mod wire;

pub use cluster::{Broker, BrokerConfig, Maker, Namesrv};
pub use folder::Folder;
pub use process::Process;
