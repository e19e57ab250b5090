//! Clients and their groups; and what the broker asks its clients.

use serde::{Deserialize, Serialize};

/// `UNREGISTER_CLIENT` (35).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnregisterClientRequestHeader {
    #[serde(rename = "clientID")]
    pub client_id: String,
    pub producer_group: Option<String>,
    pub consumer_group: Option<String>,
}

/// `GET_CONSUMER_LIST_BY_GROUP` (38), `NOTIFY_CONSUMER_IDS_CHANGED` (40),
/// `GET_CONSUMER_CONNECTION_LIST` (203).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerGroupHeader {
    pub consumer_group: String,
}

/// `GET_PRODUCER_CONNECTION_LIST` (204).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerGroupHeader {
    pub producer_group: String,
}

/// `GET_CONSUMER_RUNNING_INFO` (307), to the broker and from it to the client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerRunningInfoRequestHeader {
    pub consumer_group: String,
    pub client_id: String,
    pub jstack_enable: Option<bool>,
}

/// `CONSUME_MESSAGE_DIRECTLY` (309), to the broker and from it to the client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumeMessageDirectlyRequestHeader {
    pub consumer_group: String,
    pub client_id: Option<String>,
    pub msg_id: Option<String>,
    pub broker_name: Option<String>,
}

/// `RESET_CONSUMER_CLIENT_OFFSET` (220), sent to clients; `INVOKE_BROKER_TO_RESET_OFFSET` (222).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResetOffsetRequestHeader {
    pub topic: String,
    pub group: String,
    /// Milliseconds since the epoch; −1 for the latest.
    pub timestamp: i64,
    #[serde(default)]
    pub is_force: bool,
    /// Since 5.x, with `offset`: one queue only.
    pub queue_id: Option<i32>,
    pub offset: Option<i64>,
}

/// `GET_CONSUMER_STATUS_FROM_CLIENT` (221), `INVOKE_BROKER_TO_GET_CONSUMER_STATUS` (223).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerStatusRequestHeader {
    pub topic: String,
    pub group: String,
    pub client_addr: Option<String>,
}
