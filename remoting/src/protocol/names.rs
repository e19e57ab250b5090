//! Names of topics that servers and clients know by heart.

/// Template of the topics that sends create.
pub const DEFAULT_TOPIC: &str = "TBW102";
/// Before the name of a group: the topic in which its failed messages come back.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Before the name of a group: the topic of dead letters, in which its messages end that it could not consume.
pub const DLQ_PREFIX: &str = "%DLQ%";
/// Where messages with a delay level are kept until they are due, a queue for each level.
pub const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";
