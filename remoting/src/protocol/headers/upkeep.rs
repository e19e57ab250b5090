//! What a broker is told to do with its store.

use serde::{Deserialize, Serialize};

/// `RESET_MASTER_FLUSH_OFFSET` (908).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MasterFlushOffsetHeader {
    /// In bytes of the commit log.
    pub master_flush_offset: i64,
}

/// `SET_COMMITLOG_READ_MODE` (2004).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadAheadRequestHeader {
    /// `0` normal, `1` random.
    #[serde(rename = "READ_AHEAD_MODE")]
    pub mode: String,
}

/// `EXPORT_ROCKSDB_CONFIG_TO_JSON` (355).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportRocksdbRequestHeader {
    /// `topics;subscriptionGroups;consumerOffsets`, or some of them.
    pub config_type: String,
}

/// `CHECK_ROCKSDB_CQ_WRITE_PROGRESS` (354).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckRocksdbQueuesRequestHeader {
    /// Empty: all topics.
    pub topic: String,
    /// Messages stored since, milliseconds since the epoch.
    pub check_store_time: i64,
}
