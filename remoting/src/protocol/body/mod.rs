//! The JSON bodies of requests and responses, with Apache's keys.
//!
//! What a peer leaves out gets its default, what it adds is ignored; nulls are not written.

pub mod acl;
pub mod client;
pub mod cluster;
pub mod group;
pub mod kv;
pub mod queue_map;
pub mod register;
pub mod replicas;
pub mod stats;
pub mod topic;
