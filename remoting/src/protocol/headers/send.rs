//! Sending messages.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::protocol::ext_fields::ShortNames;

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
