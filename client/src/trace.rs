//! Message traces: what clients that trace have written down of a message's life.
//!
//! A client writes records into the messages of a topic ([`TRACE_TOPIC`] unless it is told otherwise), whose keys
//! are the ids and keys of the messages that the records are about. Records end with U+0002, their
//! fields are separated by U+0001; newer clients add fields at the end.

use std::collections::BTreeMap;

use crate::Admin;
use crate::admin::{Answers, Broker, KeyQuery};

/// Where clients write their traces, unless they are configured otherwise.
pub const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";

/// Between the fields of a record.
pub const FIELD_END: char = '\u{1}';
/// Behind each record.
pub const RECORD_END: char = '\u{2}';

/// One record. Times are milliseconds since the epoch, spans are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceRecord {
    Sent {
        time_ms: i64,
        group: String,
        topic: String,
        message_id: String,
        tags: String,
        keys: String,
        /// The broker, as the client knows it.
        store_host: String,
        body_bytes: i64,
        cost_ms: i64,
        success: bool,
    },
    /// A consumer begins with it.
    Began {
        time_ms: i64,
        group: String,
        request: String,
        message_id: String,
        /// How often it was tried before.
        retries: i64,
        keys: String,
    },
    /// The consumer that began with the same request has ended.
    Ended {
        request: String,
        message_id: String,
        cost_ms: i64,
        success: bool,
        /// 0 success, 1 timeout, 2 exception, 3 returned null, 4 failed.
        code: Option<i64>,
        /// Since 4.9.
        time_ms: Option<i64>,
        group: Option<String>,
    },
    /// A transaction was committed, rolled back, or left open.
    Transaction {
        time_ms: i64,
        group: String,
        topic: String,
        message_id: String,
        store_host: String,
        /// `COMMIT_MESSAGE`, `ROLLBACK_MESSAGE`, `UNKNOW`.
        state: String,
        from_check: bool,
    },
}

impl TraceRecord {
    /// Of the message that it is about.
    pub fn message_id(&self) -> &str {
        match self {
            Self::Sent { message_id, .. }
            | Self::Began { message_id, .. }
            | Self::Ended { message_id, .. }
            | Self::Transaction { message_id, .. } => message_id,
        }
    }
}

/// The records in the body of a trace message. What is no record is passed over: strangers wrote it.
pub fn read(body: &str) -> Vec<TraceRecord> {
    body.split(RECORD_END)
        .filter_map(|record| {
            let fields: Vec<&str> = record.split(FIELD_END).collect();
            record_of(&fields)
        })
        .collect()
}

/// Something that happened to a message. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub time_ms: i64,
    /// `sent`, `consumed`, `transaction`, `checked`.
    pub what: &'static str,
    pub group: String,
    /// Address of the client that wrote it down.
    pub client: String,
    pub outcome: String,
    pub cost_ms: Option<i64>,
    /// How often a consumption was tried before.
    pub retries: Option<i64>,
    pub message_id: String,
    pub topic: Option<String>,
    pub tag: Option<String>,
    pub keys: Option<String>,
    pub store_host: Option<String>,
}

/// Asks brokers for what was traced into `topic` of a message id or key: records, each with the client's address.
pub async fn of(
    admin: &Admin,
    brokers: Vec<Broker>,
    topic: &str,
    id: &str,
) -> Answers<Vec<(String, TraceRecord)>> {
    let query = KeyQuery::all(topic, id, false);
    let answers = admin.each(brokers, |admin, broker| {
        let query = query.clone();
        async move {
            let answer = admin.messages_by_key(&broker, &query).await?;
            let records = answer.messages.iter().flat_map(|message| {
                // The client is the one that sent the trace.
                let client = message.born_host.ip().to_string();
                let records = read(&String::from_utf8_lossy(&message.body));
                records
                    .into_iter()
                    .map(move |record| (client.clone(), record))
            });
            Ok(records.collect())
        }
    });
    answers.await
}

/// What became of a consumption, by the code that clients give.
fn outcome(success: bool, code: Option<i64>) -> String {
    match (success, code) {
        (true, _) => "success",
        (false, Some(1)) => "timeout",
        (false, Some(2)) => "exception",
        (false, Some(3)) => "returned nothing",
        (false, _) => "failed",
    }
    .to_owned()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The records that are about a message, or about all with a key, in the order of their times; the two of a consumption
/// are one event.
pub fn events(records: &[(String, TraceRecord)], id: &str) -> Vec<Event> {
    let has_key = |keys: &str| keys.split(' ').any(|key| key == id);
    let mut ends = BTreeMap::new();
    for (_, record) in records {
        if let TraceRecord::Ended {
            request,
            message_id,
            cost_ms,
            success,
            code,
            ..
        } = record
        {
            ends.insert((request, message_id), (*cost_ms, *success, *code));
        }
    }
    let mut events = Vec::new();
    for (client, record) in records {
        let about = |keys: &str| record.message_id() == id || has_key(keys);
        let event = match record {
            TraceRecord::Sent {
                time_ms,
                group,
                topic,
                message_id,
                tags,
                keys,
                store_host,
                cost_ms,
                success,
                ..
            } if about(keys) => Event {
                time_ms: *time_ms,
                what: "sent",
                group: group.clone(),
                client: client.clone(),
                outcome: outcome(*success, None),
                cost_ms: Some(*cost_ms),
                retries: None,
                message_id: message_id.clone(),
                topic: some(topic),
                tag: some(tags),
                keys: some(keys),
                store_host: some(store_host),
            },
            TraceRecord::Began {
                time_ms,
                group,
                request,
                message_id,
                retries,
                keys,
            } if about(keys) => {
                let end = ends.get(&(request, message_id));
                Event {
                    time_ms: *time_ms,
                    what: "consumed",
                    group: group.clone(),
                    client: client.clone(),
                    outcome: end.map_or_else(
                        || "no end traced".to_owned(),
                        |(_, success, code)| outcome(*success, *code),
                    ),
                    cost_ms: end.map(|(cost, ..)| *cost),
                    retries: Some(*retries),
                    message_id: message_id.clone(),
                    topic: None,
                    tag: None,
                    keys: some(keys),
                    store_host: None,
                }
            }
            TraceRecord::Transaction {
                time_ms,
                group,
                topic,
                message_id,
                store_host,
                state,
                from_check,
            } if about("") => Event {
                time_ms: *time_ms,
                what: if *from_check {
                    "checked"
                } else {
                    "transaction"
                },
                group: group.clone(),
                client: client.clone(),
                outcome: state.clone(),
                cost_ms: None,
                retries: None,
                message_id: message_id.clone(),
                topic: some(topic),
                tag: None,
                keys: None,
                store_host: some(store_host),
            },
            _ => continue,
        };
        events.push(event);
    }
    events.sort_by_key(|event| event.time_ms);
    events
}

fn record_of(fields: &[&str]) -> Option<TraceRecord> {
    let text = |at: usize| fields.get(at).map(|text| (*text).to_owned());
    let number = |at: usize| fields.get(at)?.parse::<i64>().ok();
    let truth = |at: usize| fields.get(at).map(|text| *text == "true");
    Some(match *fields.first()? {
        "Pub" => TraceRecord::Sent {
            time_ms: number(1)?,
            group: text(3)?,
            topic: text(4)?,
            message_id: text(5)?,
            tags: text(6)?,
            keys: text(7)?,
            store_host: text(8)?,
            body_bytes: number(9)?,
            cost_ms: number(10)?,
            // Before it, since 4.5, stands the id of the message's place.
            success: if fields.len() > 13 {
                truth(13)?
            } else {
                truth(12)?
            },
        },
        "SubBefore" => TraceRecord::Began {
            time_ms: number(1)?,
            group: text(3)?,
            request: text(4)?,
            message_id: text(5)?,
            retries: number(6)?,
            keys: text(7).unwrap_or_default(),
        },
        "SubAfter" => TraceRecord::Ended {
            request: text(1)?,
            message_id: text(2)?,
            cost_ms: number(3)?,
            success: truth(4)?,
            code: number(6),
            time_ms: number(7),
            group: text(8),
        },
        "EndTransaction" => TraceRecord::Transaction {
            time_ms: number(1)?,
            group: text(3)?,
            topic: text(4)?,
            message_id: text(5)?,
            store_host: text(8)?,
            state: text(11)?,
            from_check: truth(12)?,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_old_and_new_clients() {
        let body = [
            "Pub|1700000000000|DefaultRegion|PG|orders|ID1|paid|k1 k2|10.0.0.1:10911|5|3|0|OFFSETID|true",
            "Pub|1700000000000|DefaultRegion|PG|orders|ID2|||10.0.0.1:10911|5|3|0|false",
            "SubBefore|1700000000100|DefaultRegion|CG|REQ|ID1|2|k1 k2",
            "SubAfter|REQ|ID1|12|false|k1 k2|2|1700000000112|CG",
            "SubAfter|REQ|ID1|12|true|k1",
            "EndTransaction|1700000000200|DefaultRegion|PG|orders|ID3|||10.0.0.1:10911|2|TX|COMMIT_MESSAGE|true",
            "Pub|soon",
            "Recall|1|r",
            "",
        ]
        .join("\u{2}")
        .replace('|', "\u{1}");
        let records = read(&body);
        assert_eq!(records.len(), 6);
        let successes: Vec<bool> = records
            .iter()
            .filter_map(|record| match record {
                TraceRecord::Sent { success, .. } | TraceRecord::Ended { success, .. } => {
                    Some(*success)
                }
                _ => None,
            })
            .collect();
        assert_eq!(successes, [true, false, false, true]);
        assert_eq!(
            records[3],
            TraceRecord::Ended {
                request: "REQ".to_owned(),
                message_id: "ID1".to_owned(),
                cost_ms: 12,
                success: false,
                code: Some(2),
                time_ms: Some(1_700_000_000_112),
                group: Some("CG".to_owned()),
            }
        );
        assert!(matches!(
            &records[5],
            TraceRecord::Transaction { state, from_check: true, .. } if state == "COMMIT_MESSAGE"
        ));
        assert_eq!(records[2].message_id(), "ID1");
    }

    #[test]
    fn a_consumption_is_one_event_also_without_its_end() {
        let began = |request: &str, retries| TraceRecord::Began {
            time_ms: 10 + retries,
            group: "billing".to_owned(),
            request: request.to_owned(),
            message_id: "ID".to_owned(),
            retries,
            keys: "k1 k2".to_owned(),
        };
        let records = [
            began("R2", 1),
            began("R1", 0),
            TraceRecord::Ended {
                request: "R1".to_owned(),
                message_id: "ID".to_owned(),
                cost_ms: 7,
                success: false,
                code: Some(2),
                time_ms: None,
                group: None,
            },
        ]
        .map(|record| ("10.0.0.9".to_owned(), record));
        for wanted in ["ID", "k2"] {
            let events = events(&records, wanted);
            let shown: Vec<_> = events
                .iter()
                .map(|event| (event.retries, event.outcome.as_str(), event.cost_ms))
                .collect();
            assert_eq!(
                shown,
                [
                    (Some(0), "exception", Some(7)),
                    (Some(1), "no end traced", None)
                ]
            );
        }
        assert!(events(&records, "k").is_empty());
    }
}
