//! Users and what they may do: accounts of 4.x, users and policies of 5.x.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::topic::DataVersion;

/// A user of 5.x: body of `AUTH_CREATE_USER` (3001), `AUTH_UPDATE_USER` (3002), answer to `AUTH_GET_USER` (3004).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// `enable` or `disable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_status: Option<String>,
    /// `Super` or `Normal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_type: Option<String>,
    pub username: String,
}

/// What a subject of 5.x may do: body of `AUTH_CREATE_ACL` (3006), `AUTH_UPDATE_ACL` (3007), answer to `AUTH_GET_ACL`
/// (3009).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AclInfo {
    pub policies: Vec<PolicyInfo>,
    /// `User:NAME`.
    pub subject: String,
}

/// Policies of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyInfo {
    pub entries: Vec<PolicyEntryInfo>,
    /// `Custom` or `Default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_type: Option<String>,
}

/// What may be done with a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyEntryInfo {
    pub actions: Vec<String>,
    /// `Allow` or `Deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// `Topic:NAME`, `Group:NAME*`, `Cluster:NAME`.
    pub resource: String,
    pub source_ips: Option<Vec<String>>,
}

/// An account of 4.x.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlainAccessConfig {
    pub access_key: Option<String>,
    pub admin: bool,
    pub default_group_perm: Option<String>,
    pub default_topic_perm: Option<String>,
    pub group_perms: Option<Vec<String>>,
    pub secret_key: Option<String>,
    pub topic_perms: Option<Vec<String>>,
    pub white_remote_address: Option<String>,
}

/// Answer to `GET_BROKER_CLUSTER_ACL_CONFIG` (54), up to 4.9.4.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AclConfig {
    pub global_white_addrs: Vec<String>,
    pub plain_access_configs: Vec<PlainAccessConfig>,
}

/// By file, in the header of the answer to `GET_BROKER_CLUSTER_ACL_INFO` (52).
pub type AclFileVersions = BTreeMap<String, DataVersion>;
