//! Looking up single messages.

use serde::{Deserialize, Serialize};

/// Header field of a `QUERY_MESSAGE` that looks for a unique key. Not part of the typed header.
pub const UNIQUE_KEY_QUERY: &str = "_UNIQUE_KEY_QUERY";

/// `QUERY_MESSAGE` (12).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryMessageRequestHeader {
    pub topic: String,
    pub key: String,
    pub max_num: i32,
    /// Milliseconds since the epoch, as the next.
    pub begin_timestamp: i64,
    pub end_timestamp: i64,
}

/// Answer to `QUERY_MESSAGE` (12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryMessageResponseHeader {
    pub index_last_update_timestamp: i64,
    /// Spelled in lower case after the first letter on the wire.
    #[serde(rename = "indexLastUpdatePhyoffset")]
    pub index_last_update_phyoffset: i64,
}

/// `VIEW_MESSAGE_BY_ID` (33).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewMessageRequestHeader {
    /// Commit-log offset, in bytes.
    pub offset: i64,
    pub topic: Option<String>,
}
