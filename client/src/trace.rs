//! Message traces: what clients that trace have written down of a message's life.
//!
//! A client writes records into the messages of a topic ([`TRACE_TOPIC`] unless it is told otherwise), whose keys
//! are the ids and keys of the messages that the records are about. Records end with U+0002, their
//! fields are separated by U+0001; newer clients add fields at the end.

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
}
