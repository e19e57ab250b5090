//! What tools ask a broker.

use serde::{Deserialize, Serialize};

/// `UPDATE_AND_CREATE_TOPIC` (17).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateTopicRequestHeader {
    pub topic: String,
    /// Sent by all clients, used by no broker.
    #[serde(default)]
    pub default_topic: String,
    pub read_queue_nums: i32,
    pub write_queue_nums: i32,
    /// 4 read, 2 write, 1 inherit.
    pub perm: i32,
    /// `SINGLE_TAG` or `MULTI_TAG`.
    pub topic_filter_type: Option<String>,
    pub topic_sys_flag: Option<i32>,
    pub order: Option<bool>,
    /// Since 5.x: `+key=value,-key`.
    pub attributes: Option<String>,
}

/// `DELETE_TOPIC_IN_BROKER` (215), `GET_TOPIC_STATS_INFO` (202), `QUERY_TOPIC_CONSUME_BY_WHO`
/// (300), `GET_TOPIC_CONFIG` (351).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TopicRequestHeader {
    pub topic: String,
}

/// `DELETE_SUBSCRIPTIONGROUP` (207).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteSubscriptionGroupRequestHeader {
    pub group_name: String,
    /// 4.9's name of what 5.x calls `clean_offset`.
    pub remove_offset: Option<bool>,
    pub clean_offset: Option<bool>,
}

/// `GET_SUBSCRIPTIONGROUP_CONFIG` (352), `QUERY_TOPICS_BY_CONSUMER` (343).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupRequestHeader {
    pub group: String,
}

/// `GET_CONSUME_STATS` (208).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumeStatsRequestHeader {
    pub consumer_group: String,
    /// Absent or blank: all topics of the group.
    pub topic: Option<String>,
}

/// Answer to `GET_BROKER_CONFIG` (26).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BrokerConfigResponseHeader {
    /// A `DataVersion` as JSON.
    pub version: Option<String>,
}

/// `QUERY_CONSUME_TIME_SPAN` (303).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConsumeTimeSpanRequestHeader {
    pub topic: String,
    pub group: String,
}

/// `CLONE_GROUP_OFFSET` (314).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloneGroupOffsetRequestHeader {
    pub src_group: String,
    pub dest_group: String,
    pub topic: Option<String>,
    pub offline: Option<bool>,
}

/// `VIEW_BROKER_STATS_DATA` (315).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerStatsDataRequestHeader {
    pub stats_name: String,
    pub stats_key: String,
}

/// `GET_BROKER_CONSUME_STATS` (317).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerConsumeStatsRequestHeader {
    #[serde(default)]
    pub is_order: bool,
}

/// `QUERY_CONSUME_QUEUE` (321).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryConsumeQueueRequestHeader {
    pub topic: String,
    pub queue_id: i32,
    pub index: i64,
    pub count: i32,
    pub consumer_group: Option<String>,
}

/// `QUERY_CORRECTION_OFFSET` (308).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryCorrectionOffsetRequestHeader {
    pub topic: String,
    /// Groups that do not count, separated by commas.
    pub filter_groups: Option<String>,
    #[serde(default)]
    pub compare_group: String,
}

/// `RESUME_CHECK_HALF_MESSAGE` (323).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResumeCheckHalfMessageRequestHeader {
    /// The offset message id of the half message, as it stands where it was given up.
    pub msg_id: String,
    /// Since 5.x.
    pub topic: Option<String>,
}

/// `QUERY_SUBSCRIPTION_BY_CONSUMER` (345).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QuerySubscriptionRequestHeader {
    pub group: String,
    pub topic: String,
}
