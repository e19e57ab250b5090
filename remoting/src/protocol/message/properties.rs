//! The property string of a message: `name 0x01 value 0x02`, repeated.
//!
//! The last `0x02` is there or not, by version of the producer; both are read. Entries without
//! exactly one `0x01` are dropped, as Java does; of a repeated name the last value counts.

pub const KEYS: &str = "KEYS";
pub const TAGS: &str = "TAGS";
/// `false`: the sender does not wait for flush and replication.
pub const WAIT: &str = "WAIT";
/// Delay level.
pub const DELAY: &str = "DELAY";
pub const RETRY_TOPIC: &str = "RETRY_TOPIC";
pub const REAL_TOPIC: &str = "REAL_TOPIC";
pub const REAL_QUEUE_ID: &str = "REAL_QID";
/// `true`: a half message.
pub const TRANSACTION_PREPARED: &str = "TRAN_MSG";
/// How often a half message has been asked for.
pub const TRANSACTION_CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
/// Queue offset of the half message of which this one is a copy.
pub const TRANSACTION_PREPARED_QUEUE_OFFSET: &str = "TRAN_PREPARED_QUEUE_OFFSET";
/// Seconds for which the producer is not asked.
pub const CHECK_IMMUNITY_TIME_IN_SECONDS: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
/// Client id of the producer that a reply is for.
pub const REPLY_TO_CLIENT: &str = "REPLY_TO_CLIENT";
pub const PUSH_REPLY_TIME: &str = "PUSH_REPLY_TIME";
pub const PRODUCER_GROUP: &str = "PGROUP";
pub const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
pub const RECONSUME_TIME: &str = "RECONSUME_TIME";
pub const MAX_RECONSUME_TIMES: &str = "MAX_RECONSUME_TIMES";
pub const MSG_REGION: &str = "MSG_REGION";
pub const TRACE_ON: &str = "TRACE_ON";
/// The id the producer gave the message.
pub const UNIQUE_KEY: &str = "UNIQ_KEY";
pub const CLUSTER: &str = "CLUSTER";
pub const INSTANCE_ID: &str = "INSTANCE_ID";
pub const TIMER_DELAY_SEC: &str = "TIMER_DELAY_SEC";
pub const TIMER_DELAY_MS: &str = "TIMER_DELAY_MS";
pub const TIMER_DELIVER_MS: &str = "TIMER_DELIVER_MS";

/// Longest property string: its length field is a signed 16-bit integer.
pub const MAX_BYTES: usize = 32_767;

const NAME_END: u8 = 1;
const PROPERTY_END: u8 = 2;

/// All properties in order. What is not UTF-8 is dropped.
pub fn iter(properties: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    entries(properties).filter_map(|entry| {
        let entry = str::from_utf8(entry).ok()?;
        let at = memchr::memchr(NAME_END, entry.as_bytes())?;
        let (name, value) = (entry.get(..at)?, entry.get(at + 1..)?);
        is_value(value.as_bytes()).then_some((name, value))
    })
}

fn is_value(bytes: &[u8]) -> bool {
    memchr::memchr(NAME_END, bytes).is_none()
}

fn entries(properties: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = properties;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(PROPERTY_END, rest).unwrap_or(rest.len());
        let entry = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(entry)
    })
}

/// The value of one property.
#[inline]
pub fn get<'a>(properties: &'a [u8], name: &str) -> Option<&'a str> {
    let [value] = pick(properties, [name]);
    value
}

/// The values of some properties. Of the others only the ends are looked for.
// Inlined, so that each name is compared as a constant.
#[inline]
pub fn pick<'a, const N: usize>(properties: &'a [u8], names: [&str; N]) -> [Option<&'a str>; N] {
    let mut values = [None; N];
    for entry in entries(properties) {
        for (name, place) in names.iter().zip(&mut values) {
            let rest = entry.strip_prefix(name.as_bytes());
            let Some(value) = rest.and_then(|rest| rest.strip_prefix(&[NAME_END])) else {
                continue;
            };
            if is_value(value)
                && let Ok(value) = str::from_utf8(value)
            {
                *place = Some(value);
            }
        }
    }
    values
}

/// Appends a property to a property string, closing the one before if it was left open.
pub fn append(properties: &mut Vec<u8>, name: &str, value: &str) {
    if properties.last().is_some_and(|&b| b != PROPERTY_END) {
        properties.push(PROPERTY_END);
    }
    properties.extend_from_slice(name.as_bytes());
    properties.push(NAME_END);
    properties.extend_from_slice(value.as_bytes());
    properties.push(PROPERTY_END);
}

/// Copies a property string without the properties of some names; everything else stays as it was.
pub fn copy_without(properties: &[u8], names: &[&str], out: &mut Vec<u8>) {
    for entry in properties.split_inclusive(|&b| b == PROPERTY_END) {
        let is_named = |name: &&str| {
            let rest = entry.strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.first() == Some(&NAME_END))
        };
        if !names.iter().any(is_named) {
            out.extend_from_slice(entry);
        }
    }
}

/// Renders properties.
pub fn encode<K: AsRef<str>, V: AsRef<str>>(
    properties: impl IntoIterator<Item = (K, V)>,
) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in properties {
        append(&mut out, name.as_ref(), value.as_ref());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_is_as_tolerant_as_java() {
        for (text, expected) in [
            ("", vec![]),
            ("a\u{1}1\u{2}", vec![("a", "1")]),
            ("a\u{1}1\u{2}b\u{1}2", vec![("a", "1"), ("b", "2")]),
            (
                "a\u{1}\u{2}junk\u{2}b\u{1}x\u{1}y\u{2}c\u{1}3\u{2}",
                vec![("a", ""), ("c", "3")],
            ),
        ] {
            assert_eq!(
                iter(text.as_bytes()).collect::<Vec<_>>(),
                expected,
                "{text:?}"
            );
        }
        assert_eq!(get(b"a\x011\x02a\x012\x02", "a"), Some("2"));
        assert_eq!(get(b"aa\x011\x02", "a"), None);
        assert_eq!(get(b"a\x011\x02a\x01\xff\x02", "a"), Some("1"));
        assert_eq!(
            pick(b"a\x011\x02b\x012", ["b", "c", "a"]),
            [Some("2"), None, Some("1")]
        );
    }

    #[test]
    fn adding_and_removing_keep_the_rest() {
        let mut out = Vec::new();
        copy_without(
            b"WAIT\x01true\x02WAITING\x011\x02DELAY\x013\x02KEYS\x01k",
            &[WAIT, DELAY],
            &mut out,
        );
        assert_eq!(out, b"WAITING\x011\x02KEYS\x01k");
        append(&mut out, CLUSTER, "c");
        assert_eq!(out, b"WAITING\x011\x02KEYS\x01k\x02CLUSTER\x01c\x02");
        assert_eq!(encode([("a", "1"), ("b", "")]), b"a\x011\x02b\x01\x02");
    }
}
