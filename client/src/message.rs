//! Messages as applications give and get them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::message::compression;
use remoting::protocol::message::id::offset_message_id;
use remoting::protocol::message::properties;
use remoting::protocol::message::record::Record;

use crate::error::ClientError;
use crate::names::check_topic;

/// Largest body a client sends, in bytes, before compression.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub body: Bytes,
    /// What consumers filter by.
    pub tags: Option<String>,
    /// What the message can be found by.
    pub keys: Vec<String>,
    /// The application's own properties.
    pub properties: BTreeMap<String, String>,
    /// From 1: how late the message is delivered, by the brokers' table of levels. 0: at once.
    pub delay_level: i32,
    /// Whether the broker answers only when it has flushed and replicated as it is configured to.
    pub wait_store_ok: bool,
    /// The application's own number.
    pub flag: i32,
}

impl Message {
    pub fn new(topic: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            body: body.into(),
            tags: None,
            keys: Vec::new(),
            properties: BTreeMap::new(),
            delay_level: 0,
            wait_store_ok: true,
            flag: 0,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ClientError> {
        check_topic(&self.topic)?;
        let invalid = |what, value: &str, problem: String| {
            Err(ClientError::invalid(what, value.to_owned(), problem))
        };
        if self.body.is_empty() {
            return invalid("message for", &self.topic, "its body is empty".to_owned());
        }
        if self.body.len() > MAX_BODY_BYTES {
            let problem = format!(
                "its body of {} bytes exceeds {MAX_BODY_BYTES}",
                self.body.len()
            );
            return invalid("message for", &self.topic, problem);
        }
        let texts = self
            .properties
            .iter()
            .flat_map(|(name, value)| [name, value])
            .chain(&self.tags)
            .chain(&self.keys);
        for text in texts {
            if text.contains(['\u{1}', '\u{2}']) {
                let problem = "the characters 1 and 2 separate properties".to_owned();
                return invalid("property", text, problem);
            }
        }
        if self.properties.contains_key("") {
            return invalid("property", "", "it has no name".to_owned());
        }
        Ok(())
    }

    /// The property string that is sent and stored.
    pub(crate) fn encode_properties(&self, unique_key: &str) -> Result<String, ClientError> {
        let mut out = String::new();
        let mut append = |name: &str, value: &str| {
            out.extend([name, "\u{1}", value, "\u{2}"]);
        };
        for (name, value) in &self.properties {
            if name != properties::UNIQUE_KEY {
                append(name, value);
            }
        }
        if !self.keys.is_empty() {
            append(properties::KEYS, &self.keys.join(" "));
        }
        append(properties::UNIQUE_KEY, unique_key);
        append(properties::WAIT, bool_text(self.wait_store_ok));
        if self.delay_level != 0 {
            append(properties::DELAY, &self.delay_level.to_string());
        }
        if let Some(tags) = &self.tags {
            append(properties::TAGS, tags);
        }
        if out.len() > properties::MAX_BYTES {
            let problem = format!(
                "its properties take {} bytes, {} are allowed",
                out.len(),
                properties::MAX_BYTES
            );
            return Err(ClientError::invalid("message for", &self.topic, problem));
        }
        Ok(out)
    }
}

pub(crate) fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// A message that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageExt {
    pub topic: String,
    /// Where it was read from; for a message consumed again the topic differs from `topic`.
    pub queue: MessageQueue,
    /// Counted in messages of its queue.
    pub queue_offset: i64,
    /// Where it stands in the broker's commit log, in bytes.
    pub commit_log_offset: i64,
    /// Length of the stored record in bytes.
    pub store_size: usize,
    /// See [`remoting::protocol::message::sys_flag`]. Still says that the body was compressed when stored.
    pub sys_flag: i32,
    pub flag: i32,
    pub body_crc: i32,
    /// Milliseconds since the epoch, by the producer's clock.
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    /// Milliseconds since the epoch, by the broker's clock.
    pub store_timestamp: i64,
    pub store_host: SocketAddr,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    pub properties: BTreeMap<String, String>,
    /// Decompressed.
    pub body: Bytes,
    /// Why `body` is still compressed: it cannot be decompressed.
    pub body_problem: Option<String>,
    /// The id that names the message's place in a broker's log.
    pub offset_message_id: String,
}

impl MessageExt {
    /// Takes over a record read from the broker of this name.
    pub fn from_record(record: &Record<'_>, broker_name: &str) -> Self {
        let (body, body_problem) = match compression::decompress(record.sys_flag, record.body) {
            Ok(body) => (Bytes::from(body.into_owned()), None),
            Err(error) => (Bytes::copy_from_slice(record.body), Some(error.to_string())),
        };
        Self {
            topic: record.topic.to_owned(),
            queue: MessageQueue {
                broker_name: broker_name.to_owned(),
                queue_id: record.queue_id,
                topic: record.topic.to_owned(),
            },
            queue_offset: record.queue_offset,
            commit_log_offset: record.physical_offset,
            store_size: record.total_size,
            sys_flag: record.sys_flag,
            flag: record.flag,
            body_crc: record.body_crc,
            born_timestamp: record.born_timestamp,
            born_host: record.born_host,
            store_timestamp: record.store_timestamp,
            store_host: record.store_host,
            reconsume_times: record.reconsume_times,
            prepared_transaction_offset: record.prepared_transaction_offset,
            properties: properties::iter(record.properties)
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body,
            body_problem,
            offset_message_id: offset_message_id(record.store_host, record.physical_offset),
        }
    }

    /// The value of a property, one of RocketMQ's own included.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    /// The tag: messages have one, whatever the name says.
    pub fn tags(&self) -> Option<&str> {
        self.property(properties::TAGS)
    }

    /// The keys, separated by blanks.
    pub fn keys(&self) -> Option<&str> {
        self.property(properties::KEYS)
    }

    /// The id its producer gave it.
    pub fn unique_key(&self) -> Option<&str> {
        self.property(properties::UNIQUE_KEY)
    }

    /// The id users see: the producer's, or else the one that names its place.
    pub fn message_id(&self) -> &str {
        self.unique_key().unwrap_or(&self.offset_message_id)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use remoting::protocol::message::record::RecordFields;
    use remoting::protocol::message::sys_flag;

    /// A message as `broker-a` hands it out.
    pub(crate) fn stored(topic: &str, sys_flag: i32, body: &[u8], properties: &[u8]) -> MessageExt {
        let mut bytes = Vec::new();
        RecordFields {
            queue_id: 3,
            flag: 7,
            sys_flag,
            born_timestamp: 1,
            born_host: ([10, 0, 0, 2], 1).into(),
            ..RecordFields::plain(topic, body, properties, ([10, 0, 0, 1], 10_911).into())
        }
        .encode_into(&mut bytes)
        .unwrap();
        MessageExt::from_record(&Record::parse(&bytes).unwrap(), "broker-a")
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        let message = Message {
            tags: Some("A".to_owned()),
            keys: vec!["k1".to_owned(), "k2".to_owned()],
            properties: BTreeMap::from([("p".to_owned(), "v".to_owned())]),
            delay_level: 3,
            wait_store_ok: false,
            ..Message::new("T", "body")
        };
        message.check().unwrap();
        let text = message.encode_properties("ID").unwrap();
        assert_eq!(
            text,
            "p\u{1}v\u{2}KEYS\u{1}k1 k2\u{2}UNIQ_KEY\u{1}ID\u{2}WAIT\u{1}false\u{2}DELAY\u{1}3\u{2}TAGS\u{1}A\u{2}"
        );
        let zipped = compression::compress_zlib(&b"body".repeat(2000), 5).unwrap();
        let read = stored("T", sys_flag::COMPRESSED, &zipped, text.as_bytes());
        assert_eq!(read.body, b"body".repeat(2000));
        assert_eq!(read.message_id(), "ID");
        assert_eq!(read.keys(), Some("k1 k2"));
        assert_eq!(read.queue.broker_name, "broker-a");
        assert_eq!(read.offset_message_id, "0A00000100002A9F0000000000000000");
        let damaged = stored("T", sys_flag::COMPRESSED, b"not zlib", b"");
        assert_eq!(damaged.body, &b"not zlib"[..]);
        assert!(damaged.body_problem.is_some());
        assert_eq!(damaged.message_id(), damaged.offset_message_id);
    }

    #[test]
    fn messages_that_brokers_would_refuse_are_not_sent() {
        let with = |name: &str, value: &str| Message {
            properties: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            ..Message::new("T", "x")
        };
        for bad in [
            Message::new("T", ""),
            Message::new("bad topic", "x"),
            Message::new("T", vec![0; MAX_BODY_BYTES + 1]),
            with("a\u{1}", ""),
            with("a", "\u{2}"),
            with("", "x"),
        ] {
            assert!(bad.check().is_err());
        }
        assert!(
            with("a", &"x".repeat(40_000))
                .encode_properties("ID")
                .is_err()
        );
    }
}
