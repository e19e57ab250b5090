//! From a record to what is derived from it: its unit in the consume queue and its index keys.
//!
//! The same code serves fresh appends (before they have an offset), recovery, and the rebuilding of
//! deleted queues, so that derived files come out the same whichever way they were made.

use remoting::protocol::message::properties;
use remoting::protocol::message::record::Record;
use remoting::protocol::message::sys_flag;
use remoting::protocol::message::tags::java_hash;
use remoting::protocol::names::SCHEDULE_TOPIC;

use crate::index::key_hash;

/// Keys of one message that are indexed at most. A message of 32 KiB of properties could name
/// thousands, each costing three writes.
const KEYS_MAX: usize = 1024;

/// What goes into the tags code of a queue unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TagsRule {
    /// The hash of the tags.
    Code(i64),
    /// The delivery time: this many milliseconds after the store time.
    DelayMs(i64),
}

impl TagsRule {
    /// The tags code of a message stored at this time.
    pub(crate) fn code(self, store_timestamp: i64) -> i64 {
        match self {
            Self::Code(code) => code,
            Self::DelayMs(delay) => store_timestamp.saturating_add(delay),
        }
    }
}

/// What is derived from a record's content alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Derived {
    /// Whether it has a place in its queue: prepared and rolled-back messages have none.
    pub(crate) in_queue: bool,
    /// Its tags code.
    pub(crate) tags: TagsRule,
}

/// Derives from a record; hashes of its index keys are added to `keys`, if they are wanted.
pub(crate) fn derive(
    record: &Record<'_>,
    delay_levels_ms: &[i64],
    keys: Option<&mut Vec<i32>>,
) -> Derived {
    let transaction = record.sys_flag & sys_flag::TRANSACTION_MASK;
    let [tags, delay_level, unique_key, user_keys] = properties::pick(
        record.properties,
        [
            properties::TAGS,
            properties::DELAY,
            properties::UNIQUE_KEY,
            properties::KEYS,
        ],
    );
    if let Some(keys) = keys
        && transaction != sys_flag::TRANSACTION_ROLLBACK
    {
        let all = unique_key.into_iter();
        let all = all.chain(user_keys.unwrap_or_default().split(' '));
        let all = all.filter(|key| !key.is_empty()).take(KEYS_MAX);
        keys.extend(all.map(|key| key_hash(record.topic, key)));
    }
    let tags = match delay_level {
        Some(level) if record.topic == SCHEDULE_TOPIC => {
            TagsRule::DelayMs(delay_of_level(level, delay_levels_ms))
        }
        _ => TagsRule::Code(i64::from(java_hash(tags.unwrap_or_default()))),
    };
    let in_queue = transaction == 0 || transaction == sys_flag::TRANSACTION_COMMIT;
    Derived { in_queue, tags }
}

/// Delay of a level as the property `DELAY` names it: beyond the highest counts as the highest,
/// an unknown one as a second.
fn delay_of_level(level: &str, delay_levels_ms: &[i64]) -> i64 {
    const UNKNOWN_LEVEL_MS: i64 = 1000;
    let level: i64 = level.parse().unwrap_or(0);
    let level = usize::try_from(level.min(delay_levels_ms.len() as i64)).unwrap_or(0);
    let index = level.checked_sub(1);
    index
        .and_then(|index| delay_levels_ms.get(index))
        .copied()
        .unwrap_or(UNKNOWN_LEVEL_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remoting::protocol::message::record::RecordFields;

    fn derive_from(topic: &str, sys_flag: i32, properties: &str) -> (Derived, Vec<i32>) {
        let host = "127.0.0.1:1".parse().unwrap();
        let fields = RecordFields {
            sys_flag,
            ..RecordFields::plain(topic, b"x", properties.as_bytes(), host)
        };
        let mut bytes = Vec::new();
        fields.encode_into(&mut bytes).unwrap();
        let mut keys = Vec::new();
        let record = Record::parse(&bytes).unwrap();
        (derive(&record, &[1000, 5000], Some(&mut keys)), keys)
    }

    #[test]
    fn tags_delays_and_transactions() {
        let code = TagsRule::Code;
        for (topic, sys_flag, properties, in_queue, tags) in [
            ("T", 0, "", true, code(0)),
            (
                "T",
                0,
                "TAGS\u{1}order-created\u{2}",
                true,
                code(-392_709_271),
            ),
            (
                "T",
                0,
                "TAGS\u{1}a\u{2}TAGS\u{1}TagA\u{2}",
                true,
                code(2_598_919),
            ),
            (
                "T",
                0,
                "DELAY\u{1}2\u{2}TAGS\u{1}TagA\u{2}",
                true,
                code(2_598_919),
            ),
            ("T", 4, "", false, code(0)),
            ("T", 8, "", true, code(0)),
            ("T", 0xC, "", false, code(0)),
            (
                SCHEDULE_TOPIC,
                0,
                "DELAY\u{1}2\u{2}",
                true,
                TagsRule::DelayMs(5000),
            ),
            (
                SCHEDULE_TOPIC,
                0,
                "DELAY\u{1}9\u{2}",
                true,
                TagsRule::DelayMs(5000),
            ),
            (
                SCHEDULE_TOPIC,
                0,
                "DELAY\u{1}0\u{2}",
                true,
                TagsRule::DelayMs(1000),
            ),
            (
                SCHEDULE_TOPIC,
                0,
                "DELAY\u{1}-7\u{2}",
                true,
                TagsRule::DelayMs(1000),
            ),
            (
                SCHEDULE_TOPIC,
                0,
                "DELAY\u{1}x\u{2}",
                true,
                TagsRule::DelayMs(1000),
            ),
            (SCHEDULE_TOPIC, 0, "", true, code(0)),
        ] {
            let (derived, _) = derive_from(topic, sys_flag, properties);
            assert_eq!(
                derived,
                Derived { in_queue, tags },
                "{topic} {sys_flag} {properties:?}"
            );
        }
    }

    #[test]
    fn the_unique_key_comes_first_and_empty_tokens_do_not_count() {
        let properties = "KEYS\u{1}key1  key2 \u{2}UNIQ_KEY\u{1}7F01\u{2}";
        let expected = ["7F01", "key1", "key2"].map(|key| key_hash("TopicTest", key));
        assert_eq!(derive_from("TopicTest", 0, properties).1, expected);
        assert_eq!(derive_from("TopicTest", 4, properties).1.len(), 3);
        assert!(derive_from("TopicTest", 0xC, properties).1.is_empty());
        assert!(derive_from("TopicTest", 0, "").1.is_empty());
    }
}
