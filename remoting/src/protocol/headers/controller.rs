//! Controllers and containers of 5.x.

use serde::{Deserialize, Serialize};

/// Answer to `CONTROLLER_GET_METADATA_INFO` (1005).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ControllerMetadataResponseHeader {
    pub group: Option<String>,
    pub controller_leader_id: Option<String>,
    pub controller_leader_address: Option<String>,
    pub is_leader: bool,
    /// `id:host:port`, separated by semicolons.
    pub peers: Option<String>,
}

/// `CONTROLLER_ELECT_MASTER` (1002).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElectMasterRequestHeader {
    pub cluster_name: String,
    pub broker_name: String,
    pub broker_id: i64,
    /// This broker, or none.
    pub designate_elect: bool,
    /// Milliseconds since the epoch.
    pub invoke_time: i64,
}

/// Answer to `CONTROLLER_ELECT_MASTER` (1002).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ElectMasterResponseHeader {
    pub master_broker_id: Option<i64>,
    pub master_address: Option<String>,
    pub master_epoch: Option<i32>,
    pub sync_state_set_epoch: Option<i32>,
}

/// `CLEAN_BROKER_DATA` (1011).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanBrokerDataRequestHeader {
    pub cluster_name: Option<String>,
    pub broker_name: String,
    /// Ids separated by semicolons; absent: all.
    pub broker_controller_ids_to_clean: Option<String>,
    pub is_clean_living_broker: bool,
    /// Milliseconds since the epoch.
    pub invoke_time: i64,
}

/// `ADD_BROKER` (902).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddBrokerRequestHeader {
    /// On the container's host.
    pub config_path: String,
}

/// `REMOVE_BROKER` (903).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoveBrokerRequestHeader {
    pub broker_name: String,
    pub broker_cluster_name: String,
    pub broker_id: i64,
}
