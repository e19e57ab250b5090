//! Clusters and their brokers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::topic::BrokerData;

/// Answer to `GET_BROKER_CLUSTER_INFO` (106).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterInfo {
    /// Broker name → addresses.
    pub broker_addr_table: BTreeMap<String, BrokerData>,
    /// Cluster → broker names.
    pub cluster_addr_table: BTreeMap<String, Vec<String>>,
}

/// Answer to `GET_BROKER_MEMBER_GROUP` (901).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerMemberGroupBody {
    pub broker_member_group: BrokerData,
}
