//! What clients tell of their messages when tracing is on, as `mqadmin` shows and writes it.

use client::message::{Message, MessageExt};
use client::producer::{SendResult, SendStatus};
use client::trace::{self, FIELD_END, RECORD_END, TRACE_TOPIC, TraceRecord};

use super::java;

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
    let records = trace::read(&String::from_utf8_lossy(&message.body));
    let about = |record: &TraceRecord| record.message_id() == message_id;
    let trace = |record: TraceRecord| {
        let (kind, group, time_ms, cost_ms, success) = match record {
            TraceRecord::Sent {
                group,
                time_ms,
                cost_ms,
                success,
                ..
            } => (Kind::Sent, group, time_ms, cost_ms, success),
            TraceRecord::Ended {
                group,
                time_ms,
                cost_ms,
                success,
                ..
            } => {
                let group = java::or_null(group);
                (
                    Kind::Consumed,
                    group,
                    time_ms.unwrap_or(0),
                    cost_ms,
                    success,
                )
            }
            TraceRecord::Began { .. } | TraceRecord::Transaction { .. } => return None,
        };
        Some(Trace {
            kind,
            group,
            host: host.clone(),
            time_ms,
            cost_ms,
            success,
        })
    };
    records
        .into_iter()
        .filter(about)
        .filter_map(trace)
        .collect()
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
    let mut body = fields.join(&FIELD_END.to_string());
    body.push(RECORD_END);
    let mut trace = Message::new(TRACE_TOPIC, body);
    trace.keys.push(result.message_id.clone());
    trace.keys.extend(message.keys.iter().cloned());
    trace
}
