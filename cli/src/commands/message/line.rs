//! A message as people and programs read it: on one line, or as a row.

use std::collections::BTreeMap;

use clap::ValueEnum;
use client::message::MessageExt;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{CliError, Result};
use crate::output::{Output, row};
use crate::time;

row! {
    struct MessageRow named by message_id {
        message_id: String,
        topic: String,
        broker: String,
        queue_id: i32,
        queue_offset: i64,
        offset_message_id: String as wide,
        born_time: Option<String> as wide,
        store_time: Option<String>,
        tag: Option<String>,
        keys: Option<String>,
        reconsume_times: i32 as wide,
        properties: BTreeMap<String, String> as wide,
        body: Option<String>,
        body_hex: Option<String> as wide,
    }
}

impl From<&MessageExt> for MessageRow {
    fn from(message: &MessageExt) -> Self {
        let line = MessageLine::from(message);
        Self {
            message_id: line.message_id,
            topic: line.topic,
            broker: line.broker,
            queue_id: line.queue_id,
            queue_offset: line.queue_offset,
            offset_message_id: message.offset_message_id.clone(),
            born_time: line.born_time,
            store_time: line.store_time,
            tag: line.tag,
            keys: line.keys,
            reconsume_times: message.reconsume_times,
            properties: line.properties,
            body: line.body,
            body_hex: line.body_hex,
        }
    }
}

/// What is printed of a message that is read; as JSON, these are the field names.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct MessageLine {
    pub(crate) topic: String,
    pub(crate) broker: String,
    pub(crate) queue_id: i32,
    pub(crate) queue_offset: i64,
    pub(crate) message_id: String,
    pub(crate) born_time: Option<String>,
    pub(crate) store_time: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) keys: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
    /// The text, or `null` if the body is no UTF-8.
    pub(crate) body: Option<String>,
    /// The body in hexadecimal digits, if it is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body_hex: Option<String>,
}

impl From<&MessageExt> for MessageLine {
    fn from(message: &MessageExt) -> Self {
        let (body, body_hex) = Self::body(&message.body);
        Self {
            topic: message.topic.clone(),
            broker: message.queue.broker_name.clone(),
            queue_id: message.queue.queue_id,
            queue_offset: message.queue_offset,
            message_id: message.message_id().to_owned(),
            born_time: time::rfc3339(message.born_timestamp),
            store_time: time::rfc3339(message.store_timestamp),
            tag: message.tags().map(str::to_owned),
            keys: message.keys().map(str::to_owned),
            properties: message.properties.clone(),
            body,
            body_hex,
        }
    }
}

impl MessageLine {
    /// As one line of JSON.
    pub(crate) fn json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|e| CliError::failed("cannot write a message as JSON").because(&e))
    }

    /// Splits a body into one of the two fields.
    pub(crate) fn body(bytes: &[u8]) -> (Option<String>, Option<String>) {
        match std::str::from_utf8(bytes) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (
                None,
                Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
            ),
        }
    }

    /// `TIME  BROKER:QUEUE:OFFSET  TAG  KEYS  BODY`, separated by tabs; `-` for no tag and no keys.
    pub(crate) fn text(&self) -> String {
        let Self {
            broker,
            queue_id,
            queue_offset,
            ..
        } = self;
        self.text_at(&format!("{broker}:{queue_id}:{queue_offset}"))
    }

    /// As [`Self::text`], with a place in other words.
    pub(crate) fn text_at(&self, place: &str) -> String {
        let or_dash = |text: &Option<String>| {
            visible(
                text.as_deref()
                    .filter(|text| !text.is_empty())
                    .unwrap_or("-"),
            )
        };
        let body = self.body.as_deref().map_or_else(
            || format!("0x{}", self.body_hex.as_deref().unwrap_or_default()),
            visible,
        );
        format!(
            "{}\t{place}\t{}\t{}\t{body}",
            or_dash(&self.store_time),
            or_dash(&self.tag),
            or_dash(&self.keys)
        )
    }
}

/// Strangers wrote this: it must neither break the line nor command the terminal.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => shown.push_str("\\\\"),
            letter if letter.is_control() => shown.extend(letter.escape_default()),
            letter => shown.push(letter),
        }
    }
    shown
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Store time, broker:queue:offset, tag, keys, body; separated by tabs
    Line,
    /// One JSON object per line
    #[value(alias = "jsonl")]
    Json,
    /// Only the body, as it is, and a line end
    Body,
}

/// Prints messages as they come.
pub(crate) struct Printer<'a> {
    pub(crate) output: &'a Output,
    pub(crate) format: Format,
    /// How many more are wanted; `None`: all.
    pub(crate) left: Option<u64>,
}

impl Printer<'_> {
    /// True: that was the last one wanted.
    pub(crate) fn print(&mut self, message: &MessageExt) -> Result<bool> {
        match self.format {
            Format::Line => self.output.line(&MessageLine::from(message).text())?,
            Format::Json => self.output.line(&MessageLine::from(message).json()?)?,
            Format::Body => self.output.raw(&[&message.body[..], b"\n"].concat())?,
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Ok(self.left == Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8]) -> MessageLine {
        let (body, body_hex) = MessageLine::body(bytes);
        MessageLine {
            topic: "orders".to_owned(),
            broker: "broker-a".to_owned(),
            queue_id: 3,
            queue_offset: 42,
            message_id: "7F000001".to_owned(),
            born_time: None,
            store_time: Some("2026-01-31T12:00:00.000+00:00".to_owned()),
            tag: Some("paid".to_owned()),
            keys: None,
            properties: BTreeMap::new(),
            body,
            body_hex,
        }
    }

    #[test]
    fn one_line_whatever_the_body() {
        for (body, shown) in [
            (&b"hello"[..], "hello"),
            ("grüße 你好".as_bytes(), "grüße 你好"),
            (b"two\nlines\ttab", "two\\nlines\\ttab"),
            (b"C:\\x", "C:\\\\x"),
            (b"\x1b[2J", "\\u{1b}[2J"),
            (b"\xff\x00", "0xff00"),
            (b"", ""),
        ] {
            let expected =
                format!("2026-01-31T12:00:00.000+00:00\tbroker-a:3:42\tpaid\t-\t{shown}");
            assert_eq!(line(body).text(), expected);
        }
    }

    #[test]
    fn json_says_which_kind_of_body() {
        let json = |bytes| serde_json::to_value(line(bytes)).unwrap();
        assert_eq!(json(b"hello")["body"], "hello");
        assert!(json(b"hello").get("body_hex").is_none());
        assert_eq!(json(b"\xff")["body_hex"], "ff");
        assert!(json(b"\xff")["body"].is_null());
    }
}
