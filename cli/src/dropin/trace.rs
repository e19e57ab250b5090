//! What clients tell of their messages when tracing is on: who sent one, who consumed it.
//!
//! Entries end with character 2, their fields with character 1, in the order of Apache's encoder.

use client::message::{Message, MessageExt};
use client::producer::{SendResult, SendStatus};

use super::java;

const FIELD: char = '\u{1}';
const ENTRY: char = '\u{2}';
/// Where clients send it.
pub(super) const TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
/// A message that is neither timed nor part of a transaction.
const NORMAL_MESSAGE: &str = "0";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sent,
    Consumed,
}

/// What one client did with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) kind: Kind,
    pub(super) group: String,
    pub(super) host: String,
    /// Milliseconds since the epoch.
    pub(super) time_ms: i64,
    pub(super) cost_ms: i64,
    pub(super) success: bool,
}

/// What a trace message tells of the message with this id.
pub(super) fn read(message_id: &str, message: &MessageExt) -> Vec<Trace> {
    let host = message.born_host.ip().to_string();
    let text = String::from_utf8_lossy(&message.body);
    text.split(ENTRY)
        .filter_map(|entry| {
            let fields: Vec<&str> = entry.split(FIELD).collect();
            read_entry(message_id, &fields, &host)
        })
        .collect()
}

fn read_entry(message_id: &str, fields: &[&str], host: &str) -> Option<Trace> {
    let field = |at: usize| fields.get(at).copied();
    let number = |at| field(at)?.parse().ok();
    // Where each kind has: id, group, time, cost, and its outcome.
    let (kind, id, group, time, cost, success) = match field(0)? {
        // The outcome stands behind the place in the log, which early clients did not tell.
        "Pub" => (
            Kind::Sent,
            5,
            3,
            1,
            10,
            if fields.len() == 13 { 12 } else { 13 },
        ),
        "SubAfter" => (Kind::Consumed, 2, 8, 7, 3, 4),
        _ => return None,
    };
    (field(id)? == message_id).then(|| Trace {
        kind,
        group: field(group).unwrap_or("null").to_owned(),
        host: host.to_owned(),
        time_ms: number(time).unwrap_or(0),
        cost_ms: number(cost).unwrap_or(0),
        success: field(success) == Some("true"),
    })
}

/// The trace message of a send.
pub(super) fn sent(
    message: &Message,
    result: &SendResult,
    group: &str,
    store_host: &str,
    time_ms: i64,
    cost_ms: u128,
) -> Message {
    let keys = message.keys.join(" ");
    let fields = [
        "Pub",
        &time_ms.to_string(),
        "DefaultRegion",
        group,
        &message.topic,
        &result.message_id,
        &java::or_null(message.tags.as_ref()),
        &keys,
        store_host,
        &message.body.len().to_string(),
        &cost_ms.to_string(),
        NORMAL_MESSAGE,
        &result.offset_message_id,
        if result.status == SendStatus::SendOk {
            "true"
        } else {
            "false"
        },
        "",
    ];
    let mut body = fields.join(&FIELD.to_string());
    body.push(ENTRY);
    let mut trace = Message::new(TOPIC, body);
    trace.keys.push(result.message_id.clone());
    trace.keys.extend(message.keys.iter().cloned());
    trace
}
