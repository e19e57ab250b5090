//! What brokers, clients and tools ask a name server.

use serde::{Deserialize, Serialize};

/// `PUT_KV_CONFIG` (100).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PutKvConfigRequestHeader {
    pub namespace: String,
    pub key: String,
    pub value: String,
}

/// `GET_KV_CONFIG` (101), `DELETE_KV_CONFIG` (102).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KvKeyRequestHeader {
    pub namespace: String,
    pub key: String,
}

/// Answer to `GET_KV_CONFIG` (101).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KvValueResponseHeader {
    pub value: Option<String>,
}

/// `GET_KVLIST_BY_NAMESPACE` (219).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NamespaceRequestHeader {
    pub namespace: String,
}

/// `REGISTER_BROKER` (103).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterBrokerRequestHeader {
    pub broker_name: String,
    /// `ip:port` for clients.
    pub broker_addr: String,
    pub cluster_name: String,
    /// `ip:port` for slaves.
    #[serde(default)]
    pub ha_server_addr: String,
    /// 0: the master.
    pub broker_id: i64,
    /// The body is deflated.
    #[serde(default)]
    pub compressed: bool,
    /// CRC-32 of the body as sent, masked to 31 bits; 0: not checked.
    #[serde(default)]
    pub body_crc32: i32,
    /// Since 5.x; absent means 120,000.
    pub heartbeat_timeout_millis: Option<i64>,
    /// Since 5.x.
    pub enable_acting_master: Option<bool>,
}

/// Answer to `REGISTER_BROKER` (103).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterBrokerResponseHeader {
    pub ha_server_addr: Option<String>,
    pub master_addr: Option<String>,
}

/// `UNREGISTER_BROKER` (104), `QUERY_DATA_VERSION` (322).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerIdentityRequestHeader {
    pub broker_name: String,
    pub broker_addr: String,
    pub cluster_name: String,
    pub broker_id: i64,
}

/// Answer to `QUERY_DATA_VERSION` (322).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DataVersionResponseHeader {
    pub changed: bool,
}

/// `GET_ROUTEINFO_BY_TOPIC` (105).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteInfoRequestHeader {
    pub topic: String,
    /// Since 4.9.4: map keys must be quoted.
    pub accept_standard_json_only: Option<bool>,
}

/// `WIPE_WRITE_PERM_OF_BROKER` (205), `ADD_WRITE_PERM_OF_BROKER` (327).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerNameRequestHeader {
    pub broker_name: String,
}

/// Answer to `WIPE_WRITE_PERM_OF_BROKER` (205).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WipeWritePermResponseHeader {
    pub wipe_topic_count: i32,
}

/// Answer to `ADD_WRITE_PERM_OF_BROKER` (327).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddWritePermResponseHeader {
    pub add_topic_count: i32,
}

/// `DELETE_TOPIC_IN_NAMESRV` (216).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteTopicInNamesrvRequestHeader {
    pub topic: String,
    /// Since 4.9: only of this cluster's brokers.
    pub cluster_name: Option<String>,
}

/// `GET_TOPICS_BY_CLUSTER` (224).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TopicsByClusterRequestHeader {
    pub cluster: String,
}

/// `GET_BROKER_MEMBER_GROUP` (901).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerMemberGroupRequestHeader {
    pub cluster_name: String,
    pub broker_name: String,
}

/// `BROKER_HEARTBEAT` (904), the light heartbeat of 5.x brokers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerHeartbeatRequestHeader {
    pub cluster_name: String,
    pub broker_addr: String,
    pub broker_name: String,
    pub broker_id: Option<i64>,
    /// Apache's spelling.
    pub heartbeat_timeout_mills: Option<i64>,
}
