//! Users and what they may do.

use serde::{Deserialize, Serialize};

/// `UPDATE_AND_CREATE_ACL_CONFIG` (50).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutAccountRequestHeader {
    pub access_key: String,
    pub secret_key: Option<String>,
    pub white_remote_address: Option<String>,
    pub admin: bool,
    pub default_topic_perm: Option<String>,
    pub default_group_perm: Option<String>,
    /// Separated by commas: `TopicA=DENY,TopicB=PUB|SUB`.
    pub topic_perms: Option<String>,
    pub group_perms: Option<String>,
}

/// `DELETE_ACL_CONFIG` (51).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteAccountRequestHeader {
    pub access_key: String,
}

/// Answer to `GET_BROKER_CLUSTER_ACL_INFO` (52).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AclVersionResponseHeader {
    /// `AclFileVersions` as JSON.
    pub all_acl_file_version: Option<String>,
    pub broker_name: String,
    pub broker_addr: String,
    pub cluster_name: String,
}

/// `UPDATE_GLOBAL_WHITE_ADDRS_CONFIG` (53).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GlobalWhiteAddrsRequestHeader {
    /// Separated by commas.
    pub global_white_addrs: String,
    pub acl_file_full_path: Option<String>,
}

/// `AUTH_CREATE_USER` (3001) to `AUTH_GET_USER` (3004).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserRequestHeader {
    pub username: String,
}

/// `AUTH_LIST_USER` (3005).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ListUsersRequestHeader {
    pub filter: Option<String>,
}

/// `AUTH_CREATE_ACL` (3006), `AUTH_UPDATE_ACL` (3007), `AUTH_GET_ACL` (3009).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SubjectRequestHeader {
    pub subject: String,
}

/// `AUTH_DELETE_ACL` (3008).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteAclRequestHeader {
    pub subject: String,
    pub policy_type: Option<String>,
    /// Absent: all resources.
    pub resource: Option<String>,
}

/// `AUTH_LIST_ACL` (3010).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListAclsRequestHeader {
    pub subject_filter: Option<String>,
    pub resource_filter: Option<String>,
}
