//! Producers and consumers: heartbeats, connections, queue locks.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::queue_map::{MessageQueue, QueueMap};

/// Body of `HEART_BEAT` (34).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeartbeatData {
    #[serde(rename = "clientID")]
    pub client_id: String,
    pub consumer_data_set: Vec<ConsumerData>,
    pub producer_data_set: Vec<ProducerData>,
}

/// A producer group of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerData {
    pub group_name: String,
}

/// A consumer group of a client. The texts are Apache's enum names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerData {
    /// `CONSUME_FROM_LAST_OFFSET`, `CONSUME_FROM_FIRST_OFFSET`, `CONSUME_FROM_TIMESTAMP`, …
    pub consume_from_where: String,
    /// `CONSUME_PASSIVELY` (push), `CONSUME_ACTIVELY` (pull), `CONSUME_POP`.
    pub consume_type: String,
    pub group_name: String,
    /// `CLUSTERING` or `BROADCASTING`.
    pub message_model: String,
    pub subscription_data_set: Vec<SubscriptionData>,
    pub unit_mode: bool,
}

/// What a group wants of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionData {
    pub class_filter_mode: bool,
    /// Java hashes of the tags.
    #[serde(deserialize_with = "hashes")]
    pub code_set: Vec<i32>,
    /// `TAG` or `SQL92`.
    pub expression_type: Option<String>,
    pub sub_string: String,
    /// Milliseconds since the epoch.
    pub sub_version: i64,
    pub tags_set: Vec<String>,
    pub topic: String,
}

/// The Go client sends its hashes as texts (`["65","66"]`), which fastjson reads as numbers.
fn hashes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Hash {
        Number(i32),
        Text(String),
    }
    let read = |hash| match hash {
        Hash::Number(hash) => Ok(hash),
        Hash::Text(text) => text.parse().map_err(D::Error::custom),
    };
    Vec::deserialize(deserializer)?
        .into_iter()
        .map(read)
        .collect()
}

impl Default for SubscriptionData {
    fn default() -> Self {
        Self {
            class_filter_mode: false,
            code_set: Vec::new(),
            expression_type: Some("TAG".to_owned()),
            sub_string: String::new(),
            sub_version: 0,
            tags_set: Vec::new(),
            topic: String::new(),
        }
    }
}

/// Answer to `GET_CONSUMER_LIST_BY_GROUP` (38).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerIdList {
    pub consumer_id_list: Vec<String>,
}

/// Body of `LOCK_BATCH_MQ` (41), `UNLOCK_BATCH_MQ` (42).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LockBatchRequestBody {
    pub client_id: String,
    pub consumer_group: String,
    pub mq_set: Vec<MessageQueue>,
}

/// Answer to `LOCK_BATCH_MQ` (41).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LockBatchResponseBody {
    #[serde(rename = "lockOKMQSet")]
    pub lock_ok_mq_set: Vec<MessageQueue>,
}

/// Body of `CHECK_CLIENT_CONFIG` (46).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckClientConfigBody {
    pub client_id: String,
    pub group: String,
    pub subscription_data: SubscriptionData,
}

/// One connection of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientConnection {
    pub client_addr: String,
    pub client_id: String,
    /// Apache's name of the language.
    pub language: String,
    pub version: i32,
}

/// Answer to `GET_CONSUMER_CONNECTION_LIST` (203).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerConnection {
    pub connection_set: Vec<ClientConnection>,
    pub consume_from_where: Option<String>,
    pub consume_type: Option<String>,
    pub message_model: Option<String>,
    /// By topic.
    pub subscription_table: BTreeMap<String, SubscriptionData>,
}

/// Answer to `GET_PRODUCER_CONNECTION_LIST` (204).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerConnection {
    pub connection_set: Vec<ClientConnection>,
}

/// Answer to `GET_ALL_PRODUCER_INFO` (328): by group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProducerTableInfo {
    pub data: BTreeMap<String, Vec<ProducerInfo>>,
}

/// A connected producer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerInfo {
    pub client_id: String,
    pub language: String,
    /// When it was heard of last, milliseconds since the epoch.
    pub last_update_timestamp: i64,
    #[serde(rename = "remoteIP")]
    pub remote_ip: String,
    pub version: i32,
}

/// Answer of a consumer to `GET_CONSUMER_RUNNING_INFO` (307).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerRunningInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jstack: Option<String>,
    pub mq_table: QueueMap<ProcessQueueInfo>,
    pub properties: BTreeMap<String, String>,
    pub status_table: BTreeMap<String, serde_json::Value>,
    pub subscription_set: Vec<SubscriptionData>,
}

/// A queue as its consumer sees it. Offsets count messages, times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessQueueInfo {
    pub cached_msg_count: i32,
    pub cached_msg_max_offset: i64,
    pub cached_msg_min_offset: i64,
    pub cached_msg_size_in_mi_b: i32,
    pub commit_offset: i64,
    /// Apache's spelling.
    pub droped: bool,
    pub last_consume_timestamp: i64,
    pub last_lock_timestamp: i64,
    pub last_pull_timestamp: i64,
    pub locked: bool,
    pub transaction_msg_count: i32,
    pub transaction_msg_max_offset: i64,
    pub transaction_msg_min_offset: i64,
    pub try_unlock_times: i64,
}

/// Answer of a consumer to `CONSUME_MESSAGE_DIRECTLY` (309).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeMessageDirectlyResult {
    pub auto_commit: bool,
    /// `CR_SUCCESS`, `CR_LATER`, `CR_ROLLBACK`, `CR_COMMIT`, `CR_THROW_EXCEPTION`, `CR_RETURN_NULL`.
    pub consume_result: String,
    pub order: bool,
    pub remark: Option<String>,
    pub spent_time_mills: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::fastjson;

    #[test]
    fn hashes_may_be_texts() {
        for (json, expected) in [
            (&br#"{"codeSet":[65,-66]}"#[..], Some(vec![65, -66])),
            (br#"{"codeSet":["65","-66"]}"#, Some(vec![65, -66])),
            (br#"{"codeSet":null}"#, Some(vec![])),
            (br#"{}"#, Some(vec![])),
            (br#"{"codeSet":["A"]}"#, None),
        ] {
            let data = fastjson::from_slice::<SubscriptionData>(json);
            assert_eq!(data.ok().map(|data| data.code_set), expected);
        }
    }
}
