//! Pulling messages.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// `sys_flag` bit: `commit_offset` is valid.
pub const PULL_FLAG_COMMIT_OFFSET: i32 = 1;
/// `sys_flag` bit: wait for a message if there is none.
pub const PULL_FLAG_SUSPEND: i32 = 2;
/// `sys_flag` bit: the subscription stands in the header.
pub const PULL_FLAG_SUBSCRIPTION: i32 = 4;

/// `PULL_MESSAGE` (11), `LITE_PULL_MESSAGE` (361).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullMessageRequestHeader<'a> {
    #[serde(borrow)]
    pub consumer_group: Cow<'a, str>,
    #[serde(borrow)]
    pub topic: Cow<'a, str>,
    pub queue_id: i32,
    /// First message wanted, counted in messages of this queue.
    pub queue_offset: i64,
    pub max_msg_nums: i32,
    #[serde(default)]
    pub sys_flag: i32,
    #[serde(default)]
    pub commit_offset: i64,
    /// How long to wait for a message.
    #[serde(default)]
    pub suspend_timeout_millis: i64,
    #[serde(borrow)]
    pub subscription: Option<Cow<'a, str>>,
    #[serde(default)]
    pub sub_version: i64,
    /// `TAG` or `SQL92`; absent means `TAG`.
    #[serde(borrow)]
    pub expression_type: Option<Cow<'a, str>>,
    /// Since 5.x.
    pub max_msg_bytes: Option<i32>,
    #[serde(borrow)]
    pub bname: Option<Cow<'a, str>>,
}

/// Answer to a pull, whatever its code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullMessageResponseHeader {
    /// 0: the master.
    pub suggest_which_broker_id: i64,
    pub next_begin_offset: i64,
    pub min_offset: i64,
    pub max_offset: i64,
    /// Since 5.x.
    pub offset_delta: Option<i64>,
}
