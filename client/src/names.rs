//! The names that Apache's clients accept.

use crate::ClientError;

/// Topic from whose route a topic that does not exist yet is made.
pub const DEFAULT_TOPIC: &str = "TBW102";
/// Before the name of a group: the topic of its messages to consume again.
pub const RETRY_PREFIX: &str = "%RETRY%";

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
