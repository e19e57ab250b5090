//! Sending messages.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::protocol::codes::RequestCode;
use crate::protocol::ext_fields::{ExtFields, HeaderError, ShortNames};

/// `SEND_MESSAGE` (10) and `SEND_REPLY_MESSAGE` (324) by these names; `SEND_MESSAGE_V2` (310),
/// `SEND_BATCH_MESSAGE` (320) and `SEND_REPLY_MESSAGE_V2` (325) by [`SEND_MESSAGE_V2_NAMES`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessageRequestHeader<'a> {
    #[serde(borrow)]
    pub producer_group: Cow<'a, str>,
    #[serde(borrow)]
    pub topic: Cow<'a, str>,
    /// The template for a topic that does not exist yet.
    #[serde(borrow, default)]
    pub default_topic: Cow<'a, str>,
    #[serde(default)]
    pub default_topic_queue_nums: i32,
    /// Negative: any queue.
    pub queue_id: i32,
    #[serde(default)]
    pub sys_flag: i32,
    /// Producer's clock, milliseconds since the epoch.
    #[serde(default)]
    pub born_timestamp: i64,
    #[serde(default)]
    pub flag: i32,
    /// The message properties as they are stored.
    #[serde(borrow)]
    pub properties: Option<Cow<'a, str>>,
    pub reconsume_times: Option<i32>,
    pub unit_mode: Option<bool>,
    /// Only for sends to a retry topic.
    pub max_reconsume_times: Option<i32>,
    /// Decides whether the body is a batch; the request code does not.
    pub batch: Option<bool>,
    /// Name of the broker that is meant, since 4.9.4.
    #[serde(borrow)]
    pub bname: Option<Cow<'a, str>>,
}

/// Long and one-letter names of [`SendMessageRequestHeader`]'s fields.
pub const SEND_MESSAGE_V2_NAMES: ShortNames = &[
    ("producerGroup", "a"),
    ("topic", "b"),
    ("defaultTopic", "c"),
    ("defaultTopicQueueNums", "d"),
    ("queueId", "e"),
    ("sysFlag", "f"),
    ("bornTimestamp", "g"),
    ("flag", "h"),
    ("properties", "i"),
    ("reconsumeTimes", "j"),
    ("unitMode", "k"),
    ("maxReconsumeTimes", "l"),
    ("batch", "m"),
    ("bname", "n"),
];

impl<'a> SendMessageRequestHeader<'a> {
    /// Reads the header of a request with this code. It gives what decoding through serde gives, which
    /// does the odd cases and words the errors; the usual ones are read in one pass without it.
    pub fn read(code: RequestCode, fields: &ExtFields<'a>) -> Result<Self, HeaderError> {
        let long_names =
            code == RequestCode::SEND_MESSAGE || code == RequestCode::SEND_REPLY_MESSAGE;
        match Self::read_usual(fields, long_names) {
            Some(header) => Ok(header),
            None if long_names => fields.decode(),
            None => fields.decode_short(SEND_MESSAGE_V2_NAMES),
        }
    }

    /// `None`: a field is missing, twice there, or not of its type, or a name is of the other spelling.
    fn read_usual(fields: &ExtFields<'a>, long_names: bool) -> Option<Self> {
        const REQUIRED: [u8; 3] = [b'a', b'b', b'e'];
        fn present(text: &str) -> Option<&str> {
            (!text.is_empty()).then_some(text)
        }
        fn bool_of(text: &str) -> bool {
            text.eq_ignore_ascii_case("true")
        }
        let mut header = Self::default();
        let mut seen = 0u32;
        for (name, value) in fields.iter() {
            let known = || SEND_MESSAGE_V2_NAMES.iter().find(|(long, _)| *long == name);
            let letter = match name.as_bytes() {
                [letter @ b'a'..=b'n'] if !long_names => *letter,
                _ => match known() {
                    Some((_, short)) if long_names => *short.as_bytes().first()?,
                    Some(_) => return None,
                    None => continue,
                },
            };
            let bit = 1 << (letter - b'a');
            if seen & bit != 0 {
                return None;
            }
            seen |= bit;
            match letter {
                b'a' => header.producer_group = value,
                b'b' => header.topic = value,
                b'c' => header.default_topic = value,
                b'd' => header.default_topic_queue_nums = value.parse().ok()?,
                b'e' => header.queue_id = value.parse().ok()?,
                b'f' => header.sys_flag = value.parse().ok()?,
                b'g' => header.born_timestamp = value.parse().ok()?,
                b'h' => header.flag = value.parse().ok()?,
                b'i' => header.properties = Some(value).filter(|text| !text.is_empty()),
                b'j' => {
                    header.reconsume_times = present(&value).map(str::parse).transpose().ok()?
                }
                b'k' => header.unit_mode = present(&value).map(bool_of),
                b'l' => {
                    header.max_reconsume_times =
                        present(&value).map(str::parse).transpose().ok()?;
                }
                b'm' => header.batch = present(&value).map(bool_of),
                _ => header.bname = Some(value).filter(|text| !text.is_empty()),
            }
        }
        let complete = REQUIRED
            .iter()
            .all(|letter| seen & (1 << (letter - b'a')) != 0);
        complete.then_some(header)
    }
}

/// Answer to a send that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessageResponseHeader {
    /// Offset message id; for a batch one per message, joined by commas.
    pub msg_id: String,
    pub queue_id: i32,
    /// Of the first message of a batch.
    pub queue_offset: i64,
    pub transaction_id: Option<String>,
    pub batch_uniq_id: Option<String>,
    #[serde(rename = "MSG_REGION")]
    pub msg_region: Option<String>,
    #[serde(rename = "TRACE_ON")]
    pub trace_on: Option<bool>,
}

/// `CONSUMER_SEND_MSG_BACK` (36).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerSendMsgBackRequestHeader {
    /// Commit-log offset of the message, in bytes.
    pub offset: i64,
    pub group: String,
    /// 0: three more than the times consumed; negative: dead letter.
    pub delay_level: i32,
    pub origin_msg_id: Option<String>,
    pub origin_topic: Option<String>,
    pub unit_mode: Option<bool>,
    pub max_reconsume_times: Option<i32>,
}

/// `END_TRANSACTION` (37), sent one-way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndTransactionRequestHeader {
    pub topic: Option<String>,
    pub producer_group: String,
    /// Queue offset of the half message.
    pub tran_state_table_offset: i64,
    /// Commit-log offset of the half message, in bytes.
    pub commit_log_offset: i64,
    /// 8 commit, 12 rollback, 0 unknown.
    pub commit_or_rollback: i32,
    pub from_transaction_check: Option<bool>,
    pub msg_id: Option<String>,
    pub transaction_id: Option<String>,
}

/// `CHECK_TRANSACTION_STATE` (39), sent one-way to a producer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckTransactionStateRequestHeader {
    /// Queue offset of the half message.
    pub tran_state_table_offset: i64,
    /// Commit-log offset of the half message, in bytes.
    pub commit_log_offset: i64,
    /// The unique key.
    pub msg_id: Option<String>,
    /// The unique key again.
    pub transaction_id: Option<String>,
    pub offset_msg_id: Option<String>,
}

/// `PUSH_REPLY_MESSAGE_TO_CLIENT` (326), sent to a producer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplyMessageRequestHeader {
    pub producer_group: String,
    pub topic: String,
    pub default_topic: String,
    pub default_topic_queue_nums: i32,
    pub queue_id: i32,
    pub sys_flag: i32,
    /// Consumer's clock, milliseconds since the epoch.
    pub born_timestamp: i64,
    pub flag: i32,
    pub properties: Option<String>,
    pub reconsume_times: Option<i32>,
    pub unit_mode: Option<bool>,
    pub born_host: String,
    pub store_host: String,
    /// Broker's clock, milliseconds since the epoch.
    pub store_timestamp: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ext_fields::ExtBuf;
    use proptest::prelude::*;

    fn both(code: RequestCode, fields: &ExtBuf) -> [Result<String, HeaderError>; 2] {
        let fields = fields.as_fields();
        let slow: Result<SendMessageRequestHeader<'_>, _> = match code {
            RequestCode::SEND_MESSAGE => fields.decode(),
            _ => fields.decode_short(SEND_MESSAGE_V2_NAMES),
        };
        let quick = SendMessageRequestHeader::read(code, &fields);
        [quick, slow].map(|header| header.map(|header| format!("{header:?}")))
    }

    proptest! {
        #[test]
        fn the_quick_way_and_serde_agree(
            chosen in prop::collection::vec((0usize..18, 0usize..9), 0..20),
            complete: bool,
            mixed: bool,
            v2: bool,
        ) {
            const VALUES: [&str; 9] = ["", "0", "-1", "7", "true", "TRUE", "x", "99999999999", "a\u{1}b\u{2}"];
            const OTHERS: [&str; 4] = ["o", "", "aa", "bornTime"];
            let code = if v2 { RequestCode::SEND_MESSAGE_V2 } else { RequestCode::SEND_MESSAGE };
            let mut fields = ExtBuf::default();
            let mut push = |at: usize, value: &str| {
                let name = match SEND_MESSAGE_V2_NAMES.get(at) {
                    Some((long, _)) if !v2 || mixed && at.is_multiple_of(3) => long,
                    Some((_, short)) => short,
                    None => OTHERS[at - SEND_MESSAGE_V2_NAMES.len()],
                };
                fields.push(name, value);
            };
            if complete {
                for (at, value) in [(0, "g"), (1, "t"), (4, "3"), (6, "1700000000000")] {
                    push(at, value);
                }
            }
            for (at, value) in chosen {
                push(at, VALUES[value]);
            }
            let [quick, slow] = both(code, &fields);
            prop_assert_eq!(quick, slow);
        }
    }

    #[test]
    fn a_usual_header_is_read_without_serde() {
        let values = [
            "G",
            "T",
            "TBW102",
            "8",
            "3",
            "0",
            "1700000000000",
            "0",
            "a\u{1}b\u{2}",
            "0",
            "false",
            "",
            "false",
            "b",
        ];
        let pairs = SEND_MESSAGE_V2_NAMES.iter().zip(values);
        let short: ExtBuf = pairs
            .clone()
            .map(|((_, short), value)| (*short, value))
            .collect();
        let long: ExtBuf = pairs.map(|((long, _), value)| (*long, value)).collect();
        let read = |fields: &ExtBuf, long_names| {
            let fields = fields.as_fields();
            SendMessageRequestHeader::read_usual(&fields, long_names)
                .map(|header| format!("{header:?}"))
        };
        assert!(read(&short, false).is_some());
        assert_eq!(read(&short, false), read(&long, true));
    }
}
