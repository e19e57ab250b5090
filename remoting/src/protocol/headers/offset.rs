//! Offsets of consumers and of queues. All count messages of a queue unless said otherwise.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// `QUERY_CONSUMER_OFFSET` (14).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryConsumerOffsetRequestHeader<'a> {
    #[serde(borrow)]
    pub consumer_group: Cow<'a, str>,
    #[serde(borrow)]
    pub topic: Cow<'a, str>,
    pub queue_id: i32,
    /// Since 5.x.
    pub set_zero_if_not_found: Option<bool>,
}

/// `UPDATE_CONSUMER_OFFSET` (15).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateConsumerOffsetRequestHeader<'a> {
    #[serde(borrow)]
    pub consumer_group: Cow<'a, str>,
    #[serde(borrow)]
    pub topic: Cow<'a, str>,
    pub queue_id: i32,
    /// Next offset to consume.
    pub commit_offset: i64,
}

/// `GET_MAX_OFFSET` (30), `GET_MIN_OFFSET` (31), `GET_EARLIEST_MSG_STORETIME` (32).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueRequestHeader {
    pub topic: String,
    pub queue_id: i32,
}

/// `SEARCH_OFFSET_BY_TIMESTAMP` (29).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchOffsetRequestHeader {
    pub topic: String,
    pub queue_id: i32,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// `LOWER` or `UPPER`, since 5.1.
    pub boundary_type: Option<String>,
}

/// Answer to all requests for an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OffsetResponseHeader {
    pub offset: i64,
}

/// Answer to `GET_EARLIEST_MSG_STORETIME` (32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EarliestStoreTimeResponseHeader {
    /// Milliseconds since the epoch, −1 if there is no message.
    pub timestamp: i64,
}
