//! Names of topics and groups: which are legal, which are the broker's own.
//!
//! Topics become folders and both become keys of tables, so nothing is created under a name that
//! was not checked here.

use remoting::protocol::names::DLQ_PREFIX;
pub(crate) use remoting::protocol::names::{DEFAULT_TOPIC as TBW102, RETRY_PREFIX, SCHEDULE_TOPIC};

/// As [`TBW102`], for clients of 4.3.0.
pub(crate) const AUTO_CREATE_TOPIC_KEY: &str = "AUTO_CREATE_TOPIC_KEY";
pub(crate) const BENCHMARK_TEST: &str = "BenchmarkTest";
pub(crate) const SELF_TEST_TOPIC: &str = "SELF_TEST_TOPIC";
pub(crate) const OFFSET_MOVED_EVENT: &str = "OFFSET_MOVED_EVENT";
/// Half messages; those that are done with; those that were given up.
pub(crate) const TRANS_HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
pub(crate) const TRANS_OP_HALF_TOPIC: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
pub(crate) const TRANS_CHECK_MAX_TIME_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Under this group the broker keeps how far it is with transactions.
pub(crate) const TRANS_GROUP: &str = "CID_RMQ_SYS_TRANS";

const TOPIC_BYTES_MAX: usize = 127;
/// As Apache's clients allow, less the prefix of the retry topic, which is a folder.
const GROUP_BYTES_MAX: usize = 255 - RETRY_PREFIX.len();

const NOT_SENDABLE: [&str; 6] = [
    SCHEDULE_TOPIC,
    TRANS_HALF_TOPIC,
    TRANS_OP_HALF_TOPIC,
    TRANS_CHECK_MAX_TIME_TOPIC,
    SELF_TEST_TOPIC,
    OFFSET_MOVED_EVENT,
];

const SYSTEM: [&str; 4] = [
    TBW102,
    AUTO_CREATE_TOPIC_KEY,
    BENCHMARK_TEST,
    "RMQ_SYS_TRACE_TOPIC",
];

/// Groups of Apache's own tools, and whether they may broadcast.
pub(crate) const SYSTEM_GROUPS: [&str; 7] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
];
const SYSTEM_GROUP_PREFIX: &str = "CID_RMQ_SYS_";

/// The topic in which a group's failed messages come back.
pub(crate) fn retry_topic(group: &str) -> String {
    format!("{RETRY_PREFIX}{group}")
}

/// The topic in which messages end that a group could not consume.
pub(crate) fn dead_letter_topic(group: &str) -> String {
    format!("{DLQ_PREFIX}{group}")
}

/// Whether clients may have a topic of this name. The error is what Apache answers.
pub(crate) fn validate_topic(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("The specified topic is blank.".to_owned());
    }
    if !is_legal(name) {
        return Err(
            "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
                .to_owned(),
        );
    }
    // A group's retry topic is as long as the group's name makes it.
    if name.len() > TOPIC_BYTES_MAX && !name.starts_with(RETRY_PREFIX) || name.len() > 255 {
        return Err("The specified topic is longer than topic max length.".to_owned());
    }
    Ok(())
}

/// Whether clients may have a group of this name.
pub(crate) fn validate_group(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("the specified group is blank".to_owned());
    }
    if !is_legal(name) {
        return Err(format!(
            "the specified group[{name}] contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
        ));
    }
    if name.len() > GROUP_BYTES_MAX {
        return Err(format!(
            "the specified group is longer than group max length {GROUP_BYTES_MAX}."
        ));
    }
    Ok(())
}

fn is_legal(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'|' | b'_' | b'-'))
}

/// Topics to which only the broker itself may write.
pub(crate) fn is_not_sendable(topic: &str) -> bool {
    NOT_SENDABLE.contains(&topic)
}

/// Topics that every broker has. Those named after this broker are known to its topic table.
pub(crate) fn is_system_topic(topic: &str) -> bool {
    SYSTEM.contains(&topic) || is_not_sendable(topic) || topic.starts_with("rmq_sys_")
}

/// Groups that need not be created.
pub(crate) fn is_system_group(group: &str) -> bool {
    SYSTEM_GROUPS.contains(&group) || group.starts_with(SYSTEM_GROUP_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_be_folders_are_checked() {
        for (name, legal) in [
            ("T", true),
            ("%RETRY%order-group_1|x", true),
            ("", false),
            (" ", false),
            ("../x", false),
            ("a.b", false),
            ("a@b", false),
            ("标签", false),
            (&"t".repeat(127), true),
            (&"t".repeat(128), false),
            (&format!("%RETRY%{}", "g".repeat(248)), true),
            (&format!("%RETRY%{}", "g".repeat(249)), false),
        ] {
            assert_eq!(validate_topic(name).is_ok(), legal, "{name}");
        }
        for (name, legal) in [
            ("G", true),
            ("", false),
            ("a/b", false),
            (&"g".repeat(248), true),
            (&"g".repeat(249), false),
        ] {
            assert_eq!(validate_group(name).is_ok(), legal, "{name}");
        }
    }
}
