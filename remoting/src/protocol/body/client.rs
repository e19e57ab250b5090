//! Producers and consumers: heartbeats, connections, queue locks.

use std::collections::BTreeMap;

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
    #[serde(deserialize_with = "consume_from_where")]
    pub consume_from_where: String,
    /// `CONSUME_PASSIVELY` (push), `CONSUME_ACTIVELY` (pull), `CONSUME_POP`.
    #[serde(deserialize_with = "consume_type")]
    pub consume_type: String,
    pub group_name: String,
    /// `CLUSTERING` or `BROADCASTING`.
    #[serde(deserialize_with = "message_model")]
    pub message_model: String,
    pub subscription_data_set: Vec<SubscriptionData>,
    pub unit_mode: bool,
}

fn consume_from_where<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const NAMES: [&str; 6] = [
        "CONSUME_FROM_LAST_OFFSET",
        "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
        "CONSUME_FROM_MIN_OFFSET",
        "CONSUME_FROM_MAX_OFFSET",
        "CONSUME_FROM_FIRST_OFFSET",
        "CONSUME_FROM_TIMESTAMP",
    ];
    enum_name(deserializer, &NAMES)
}

fn consume_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    enum_name(
        deserializer,
        &["CONSUME_ACTIVELY", "CONSUME_PASSIVELY", "CONSUME_POP"],
    )
}

fn message_model<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    enum_name(deserializer, &["BROADCASTING", "CLUSTERING"])
}

/// The name of an enum's value, which may be sent as its ordinal: the C++ client does so.
fn enum_name<'de, D: Deserializer<'de>>(
    deserializer: D,
    names: &[&str],
) -> Result<String, D::Error> {
    let sent = String::deserialize(deserializer)?;
    let named = sent
        .parse()
        .ok()
        .and_then(|ordinal: usize| names.get(ordinal));
    Ok(named.map_or(sent, |name| (*name).to_owned()))
}

/// What a group wants of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionData {
    pub class_filter_mode: bool,
    /// Java hashes of the tags.
    pub code_set: Vec<i32>,
    /// `TAG` or `SQL92`.
    pub expression_type: Option<String>,
    pub sub_string: String,
    /// Milliseconds since the epoch.
    pub sub_version: i64,
    pub tags_set: Vec<String>,
    pub topic: String,
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
    /// Of consumers of 5.x that pop. Ours do not.
    #[serde(skip_serializing)]
    pub mq_pop_table: QueueMap<PopProcessQueueInfo>,
    pub mq_table: QueueMap<ProcessQueueInfo>,
    pub properties: BTreeMap<String, String>,
    pub status_table: BTreeMap<String, serde_json::Value>,
    pub subscription_set: Vec<SubscriptionData>,
    /// What an application of 5.x adds itself. Ours do not.
    #[serde(skip_serializing)]
    pub user_consumer_info: BTreeMap<String, String>,
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

/// A queue as a consumer sees it that pops.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PopProcessQueueInfo {
    /// Apache's spelling.
    pub droped: bool,
    /// Milliseconds since the epoch.
    pub last_pop_timestamp: i64,
    pub wait_ack_count: i32,
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

    /// As the C++ client 1.2 sends it.
    #[test]
    fn a_heartbeat_may_hold_ordinals_and_texts_for_numbers() {
        let json = br#"{"clientID":"1@DEFAULT","consumerDataSet":[{"consumeFromWhere":4,"consumeType":1,"groupName":"g",
            "messageModel":1,"subscriptionDataSet":[{"subString":"*","subVersion":"1795597286024","topic":"t"},
            {"codeSet":["65",-66],"subString":"A","subVersion":"2","tagsSet":["A"],"topic":"u"}]}],
            "producerDataSet":[{"groupName":"p"}]}"#;
        let heartbeat: HeartbeatData = fastjson::from_slice(json).unwrap();
        let consumer = &heartbeat.consumer_data_set[0];
        assert_eq!(consumer.consume_from_where, "CONSUME_FROM_FIRST_OFFSET");
        assert_eq!(consumer.consume_type, "CONSUME_PASSIVELY");
        assert_eq!(consumer.message_model, "CLUSTERING");
        let [all, tagged] = &consumer.subscription_data_set[..] else {
            panic!("{consumer:?}");
        };
        assert_eq!(all.sub_version, 1_795_597_286_024);
        assert_eq!(tagged.code_set, [65, -66]);
    }
}
