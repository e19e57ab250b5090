//! What is known about a cluster at one moment. A server that did not answer is data here, not an exception.
//!
//! A recording is one snapshot per line as JSON, so these names are its format.

use serde::{Deserialize, Serialize};

/// A value, or the reason why it could not be learnt. Never a zero in its place.
pub type Known<T> = Result<T, String>;

/// One round of asking everybody. Times are milliseconds since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub taken_ms: i64,
    pub name_servers: Vec<NameServer>,
    /// By cluster, name and id.
    pub brokers: Vec<Broker>,
    /// By name; without the topics that RocketMQ uses for itself, with dead-letter topics.
    pub topics: Vec<Topic>,
    /// By name.
    pub groups: Vec<Group>,
    /// Lists that are incomplete, and why.
    pub missing: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NameServer {
    pub address: String,
    /// Addresses of the brokers it knows: name servers do not talk to each other, so they can disagree.
    pub brokers: Known<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Broker {
    pub cluster: String,
    pub name: String,
    /// 0 is the master.
    pub id: i64,
    pub address: String,
    pub runtime: Known<Runtime>,
}

/// What a broker says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    pub version: String,
    /// Messages per second, averaged by the broker.
    pub in_per_second: f64,
    pub out_per_second: f64,
    /// Of the partition with the commit log, 0 to 1.
    pub disk_used: Option<f64>,
    pub commit_log_bytes: Option<i64>,
    /// Commit log that is not in the consume queues yet.
    pub dispatch_behind_bytes: Option<i64>,
    /// Not on disk yet; the broker's words.
    pub to_flush: Option<String>,
    /// How long the present writer has held the commit log's lock; a busy page cache shows here.
    pub page_cache_lock_ms: Option<i64>,
    /// Requests that wait for a thread.
    pub send_queue: Option<i64>,
    pub pull_queue: Option<i64>,
    pub boot_ms: Option<i64>,
    pub earliest_message_ms: Option<i64>,
    /// How long messages are kept.
    pub retention_ms: Option<i64>,
    pub failed_puts: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topic {
    pub name: String,
    pub asked_ms: i64,
    pub queues: Known<Vec<TopicQueue>>,
    /// A broker of this topic did not answer: sums are lower bounds.
    pub incomplete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicQueue {
    pub broker: String,
    pub id: i32,
    pub min: i64,
    pub max: i64,
    /// Store time of the last message; `None` if there is none.
    pub last_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub asked_ms: i64,
    pub queues: Known<Vec<GroupQueue>>,
    pub incomplete: bool,
    pub members: Known<Vec<Member>>,
    /// `CLUSTERING` or `BROADCASTING`; nobody knows while nobody is connected.
    pub model: Option<String>,
    /// What a broker keeps as the group's subscription: that of the member it heard last.
    pub subscriptions: Vec<Subscription>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupQueue {
    pub topic: String,
    pub broker: String,
    pub id: i32,
    /// Next offset to be written.
    pub max: i64,
    /// Next offset to be consumed.
    pub offset: i64,
    /// Store time of the last message consumed.
    pub last_ms: Option<i64>,
}

impl GroupQueue {
    pub fn lag(&self) -> i64 {
        (self.max - self.offset).max(0)
    }
}

/// A connected consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub id: String,
    pub address: String,
    pub language: String,
    pub version: String,
    /// What it says of itself, when it was asked.
    pub running: Option<Known<Running>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub subscriptions: Vec<Subscription>,
    /// The queues it owns: topic, broker, id.
    pub queues: Vec<(String, String, i32)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subscription {
    pub topic: String,
    pub expression: String,
}

impl Snapshot {
    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        let place = self
            .topics
            .binary_search_by(|topic| topic.name.as_str().cmp(name))
            .ok()?;
        self.topics.get(place)
    }

    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        let place = self
            .groups
            .binary_search_by(|group| group.name.as_str().cmp(name))
            .ok()?;
        self.groups.get(place)
    }

    /// Whether every server answered.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing.is_empty()
            && self
                .name_servers
                .iter()
                .all(|server| server.brokers.is_ok())
            && self.brokers.iter().all(|broker| broker.runtime.is_ok())
    }

    /// How long the brokers keep messages, the shortest of all.
    pub(crate) fn retention_ms(&self) -> Option<i64> {
        self.brokers
            .iter()
            .filter_map(|broker| broker.runtime.as_ref().ok()?.retention_ms)
            .min()
    }
}

impl Topic {
    /// Stored and not yet deleted.
    pub(crate) fn messages(&self) -> Known<i64> {
        let queues = self.queues.as_ref().map_err(Clone::clone)?;
        Ok(queues.iter().map(|queue| queue.max - queue.min).sum())
    }

    /// Sum of the queues' ends: grows with each message.
    pub(crate) fn ends(&self) -> Option<i64> {
        Some(
            self.queues
                .as_ref()
                .ok()?
                .iter()
                .map(|queue| queue.max)
                .sum(),
        )
    }

    pub(crate) fn last_ms(&self) -> Option<i64> {
        self.queues
            .as_ref()
            .ok()?
            .iter()
            .filter_map(|queue| queue.last_ms)
            .max()
    }
}

impl Group {
    pub(crate) fn lag(&self) -> Known<i64> {
        let queues = self.queues.as_ref().map_err(Clone::clone)?;
        Ok(queues.iter().map(GroupQueue::lag).sum())
    }

    pub(crate) fn member_count(&self) -> Option<usize> {
        self.members.as_ref().ok().map(Vec::len)
    }

    /// How far behind in time: the age of the last message consumed, in the queue that is worst.
    pub(crate) fn behind_ms(&self, now_ms: i64) -> Option<i64> {
        let queues = self.queues.as_ref().ok()?;
        let waiting = queues.iter().filter(|queue| queue.lag() > 0);
        waiting
            .filter_map(|queue| queue.last_ms)
            .map(|last| (now_ms - last).max(0))
            .max()
    }

    /// The member that says it owns a queue.
    pub(crate) fn owner(&self, queue: &GroupQueue) -> Option<&Member> {
        let owns = |member: &&Member| {
            let Some(Ok(running)) = &member.running else {
                return false;
            };
            running.queues.iter().any(|(topic, broker, id)| {
                *topic == queue.topic && *broker == queue.broker && *id == queue.id
            })
        };
        self.members.as_ref().ok()?.iter().find(owns)
    }
}
