//! The names that Apache's clients accept.

pub use remoting::protocol::names::{DEFAULT_TOPIC, DLQ_PREFIX, RETRY_PREFIX};

use remoting::protocol::names::SCHEDULE_TOPIC;

use crate::ClientError;

const MAX_TOPIC_BYTES: usize = 127;
const MAX_GROUP_BYTES: usize = 255;

/// Checks the name of a topic.
///
/// # Errors
/// [`ClientError::Invalid`].
pub fn check_topic(topic: &str) -> Result<(), ClientError> {
    check("topic", topic, MAX_TOPIC_BYTES)
}

/// Checks the name of a producer or consumer group.
///
/// # Errors
/// [`ClientError::Invalid`].
pub fn check_group(group: &str) -> Result<(), ClientError> {
    check("group", group, MAX_GROUP_BYTES)
}

/// Whether RocketMQ has a topic for itself: retry and dead-letter topics, templates, internal logs.
/// A name equal to a cluster or broker is such a topic too, but only the cluster knows those.
pub fn is_system_topic(topic: &str) -> bool {
    const NAMES: [&str; 9] = [
        DEFAULT_TOPIC,
        "AUTO_CREATE_TOPIC_KEY",
        "SELF_TEST_TOPIC",
        SCHEDULE_TOPIC,
        "BenchmarkTest",
        "OFFSET_MOVED_EVENT",
        "TRANS_CHECK_MAX_TIME_TOPIC",
        "DefaultHeartBeatSyncerTopic",
        "CHECKPOINT_TOPIC",
    ];
    NAMES.contains(&topic)
        || topic.starts_with(RETRY_PREFIX)
        || topic.starts_with(DLQ_PREFIX)
        || topic.to_ascii_lowercase().starts_with("rmq_sys_")
        || topic.ends_with("_REPLY_TOPIC")
}

/// Whether RocketMQ or its tools have a consumer group for themselves.
pub fn is_system_group(group: &str) -> bool {
    const NAMES: [&str; 4] = [
        "TOOLS_CONSUMER",
        "FILTERSRV_CONSUMER",
        "SELF_TEST_C_GROUP",
        "__MONITOR_CONSUMER",
    ];
    NAMES.contains(&group) || group.starts_with("CID_RMQ_SYS_") || group.starts_with("CID_ONS")
}

fn check(what: &'static str, name: &str, limit: usize) -> Result<(), ClientError> {
    let problem = if name.is_empty() {
        "it is empty".to_owned()
    } else if name.len() > limit {
        format!("it is longer than {limit} bytes")
    } else if let Some(bad) = name
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"%|-_".contains(*c))
    {
        format!("{bad:?} is not allowed, only letters, digits, %, |, - and _ are")
    } else {
        return Ok(());
    };
    Err(ClientError::invalid(what, name, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_apache_does() {
        for good in ["T", "%RETRY%g-1", "a_b|c"] {
            assert!(check_topic(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a.b", "标签", &"x".repeat(128)] {
            assert!(check_topic(bad).is_err(), "{bad}");
        }
        assert!(check_group(&"x".repeat(255)).is_ok());
        assert!(check_group(&"x".repeat(256)).is_err());
    }
}
