//! What is known about a cluster at one moment. A server that did not answer is data here, not an exception.
//!
//! A recording is one snapshot per line as JSON, so these names are its format.

use serde::{Deserialize, Serialize};

/// A value, or the reason why it could not be learnt. Never a zero in its place.
pub(crate) type Known<T> = Result<T, String>;

/// One round of asking everybody. Times are milliseconds since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) taken_ms: i64,
    pub(crate) name_servers: Vec<NameServer>,
    /// By cluster, name and id.
    pub(crate) brokers: Vec<Broker>,
    /// By name; without the topics that RocketMQ uses for itself, with dead-letter topics.
    pub(crate) topics: Vec<Topic>,
    /// By name.
    pub(crate) groups: Vec<Group>,
    /// Lists that are incomplete, and why.
    pub(crate) missing: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NameServer {
    pub(crate) address: String,
    /// Addresses of the brokers it knows: name servers do not talk to each other, so they can disagree.
    pub(crate) brokers: Known<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Broker {
    pub(crate) cluster: String,
    pub(crate) name: String,
    /// 0 is the master.
    pub(crate) id: i64,
    pub(crate) address: String,
    pub(crate) runtime: Known<Runtime>,
}

/// What a broker says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Runtime {
    pub(crate) version: String,
    /// Messages per second, averaged by the broker.
    pub(crate) in_per_second: f64,
    pub(crate) out_per_second: f64,
    /// Of the partition with the commit log, 0 to 1.
    pub(crate) disk_used: Option<f64>,
    pub(crate) commit_log_bytes: Option<i64>,
    /// Commit log that is not in the consume queues yet.
    pub(crate) dispatch_behind_bytes: Option<i64>,
    /// Not on disk yet; the broker's words.
    pub(crate) to_flush: Option<String>,
    /// How long the present writer has held the commit log's lock; a busy page cache shows here.
    pub(crate) page_cache_lock_ms: Option<i64>,
    /// Requests that wait for a thread.
    pub(crate) send_queue: Option<i64>,
    pub(crate) pull_queue: Option<i64>,
    pub(crate) boot_ms: Option<i64>,
    pub(crate) earliest_message_ms: Option<i64>,
    /// How long messages are kept.
    pub(crate) retention_ms: Option<i64>,
    pub(crate) failed_puts: Option<i64>,
    /// By how much its clock is ahead of ours.
    pub(crate) ahead_ms: Option<i64>,
    /// Why it takes no messages; only our brokers say so.
    pub(crate) read_only_reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) asked_ms: i64,
    pub(crate) queues: Known<Vec<TopicQueue>>,
    /// A broker of this topic did not answer: sums are lower bounds.
    pub(crate) incomplete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopicQueue {
    pub(crate) broker: String,
    pub(crate) id: i32,
    pub(crate) min: i64,
    pub(crate) max: i64,
    /// Store time of the last message; `None` if there is none.
    pub(crate) last_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) asked_ms: i64,
    pub(crate) queues: Known<Vec<GroupQueue>>,
    pub(crate) incomplete: bool,
    pub(crate) members: Known<Vec<Member>>,
    /// `CLUSTERING` or `BROADCASTING`; nobody knows while nobody is connected.
    pub(crate) model: Option<String>,
    /// What a broker keeps as the group's subscription: that of the member it heard last.
    pub(crate) subscriptions: Vec<Subscription>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupQueue {
    pub(crate) topic: String,
    pub(crate) broker: String,
    pub(crate) id: i32,
    /// Next offset to be written.
    pub(crate) max: i64,
    /// Next offset to be consumed.
    pub(crate) offset: i64,
    /// Store time of the last message consumed.
    pub(crate) last_ms: Option<i64>,
}

impl GroupQueue {
    /// What a row for it goes by.
    pub(crate) fn key(&self) -> String {
        format!("{} {}/{}", self.topic, self.broker, self.id)
    }

    pub(crate) fn lag(&self) -> i64 {
        (self.max - self.offset).max(0)
    }
}

/// A connected consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) language: String,
    pub(crate) version: String,
    /// What it says of itself, when it was asked.
    pub(crate) running: Option<Known<Running>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) subscriptions: Vec<Subscription>,
    /// The queues it owns: topic, broker, id.
    pub(crate) queues: Vec<(String, String, i32)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) topic: String,
    pub(crate) expression: String,
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
