//! Consumer groups: configuration and offsets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::client::SubscriptionData;
use super::queue_map::{IntMap, QueueMap};
use super::topic::DataVersion;

/// A consumer group on one broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupConfig {
    pub broker_id: i64,
    pub consume_broadcast_enable: bool,
    pub consume_enable: bool,
    pub consume_from_min_enable: bool,
    pub group_name: String,
    pub notify_consumer_ids_changed_enable: bool,
    pub retry_max_times: i32,
    pub retry_queue_nums: i32,
    pub which_broker_when_consume_slowly: i64,
}

impl Default for SubscriptionGroupConfig {
    /// Apache's defaults.
    fn default() -> Self {
        Self {
            broker_id: 0,
            consume_broadcast_enable: true,
            consume_enable: true,
            consume_from_min_enable: true,
            group_name: String::new(),
            notify_consumer_ids_changed_enable: true,
            retry_max_times: 16,
            retry_queue_nums: 1,
            which_broker_when_consume_slowly: 1,
        }
    }
}

/// Body of `UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST` (225).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupList {
    pub group_config_list: Vec<SubscriptionGroupConfig>,
}

/// All groups of a broker: answer to `GET_ALL_SUBSCRIPTIONGROUP_CONFIG` (201), `subscriptionGroup.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupWrapper {
    pub data_version: DataVersion,
    pub subscription_group_table: BTreeMap<String, SubscriptionGroupConfig>,
}

/// All consumer offsets of a broker: answer to `GET_ALL_CONSUMER_OFFSET` (43), `consumerOffset.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerOffsetWrapper {
    /// `topic@group` → queue id → next offset.
    pub offset_table: BTreeMap<String, IntMap<i64>>,
}

/// Answer to `QUERY_TOPIC_CONSUME_BY_WHO` (300).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupList {
    pub group_list: Vec<String>,
}

/// Body of `RESET_CONSUMER_CLIENT_OFFSET` (220), answer to `INVOKE_BROKER_TO_RESET_OFFSET` (222).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResetOffsetBody {
    pub offset_table: QueueMap<i64>,
}

/// Answer of a consumer to `GET_CONSUMER_STATUS_FROM_CLIENT` (221).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerStatusBody {
    pub message_queue_table: QueueMap<i64>,
}

/// Answer to `QUERY_CORRECTION_OFFSET` (308): by queue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CorrectionOffsets {
    pub correction_offsets: IntMap<i64>,
}

/// Answer to `QUERY_SUBSCRIPTION_BY_CONSUMER` (345).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuerySubscriptionResponseBody {
    pub group: String,
    /// Absent when no member of the group subscribes the topic now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
    pub topic: String,
}
