//! What is known about a cluster at one moment. A server that did not answer is data here, not an exception.

use std::time::Instant;

/// A value, or the reason why it could not be learnt. Never a zero in its place.
pub type Known<T> = Result<T, String>;

/// One round of asking everybody.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub taken: Instant,
    /// By cluster, name and id.
    pub brokers: Vec<Broker>,
    /// By name; without the topics that RocketMQ uses for itself.
    pub topics: Vec<Topic>,
    /// By name.
    pub groups: Vec<Group>,
    /// Lists that are incomplete, and why.
    pub missing: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Broker {
    pub cluster: String,
    pub name: String,
    /// 0 is the master.
    pub id: i64,
    pub address: String,
    pub runtime: Known<Runtime>,
}

/// What a broker says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Runtime {
    pub version: String,
    /// Messages per second, averaged by the broker.
    pub in_per_second: f64,
    pub out_per_second: f64,
    /// Of the partition with the commit log, 0 to 1.
    pub disk_used: Option<f64>,
}

#[derive(Debug, Clone)]
pub struct Topic {
    pub name: String,
    pub stats: Known<TopicStats>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TopicStats {
    pub brokers: usize,
    pub queues: usize,
    /// Stored and not yet deleted.
    pub messages: i64,
    /// Sum of the queues' ends: grows with each message.
    pub ends: i64,
    /// A broker of this topic did not answer: the figures are lower bounds.
    pub incomplete: bool,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub name: String,
    pub progress: Known<Progress>,
    /// Consumers connected.
    pub members: Known<usize>,
}

/// How far a group has come, over all its topics.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub topics: usize,
    pub lag: i64,
    /// Messages per second, averaged by the brokers.
    pub out_per_second: f64,
    pub incomplete: bool,
}
