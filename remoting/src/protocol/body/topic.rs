//! Topics: their configuration, their routes, lists of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::queue_map::IntMap;

/// Permission bit: sends may create topics after this one.
pub const PERM_INHERIT: i32 = 1;
/// Permission bit: producers may send.
pub const PERM_WRITE: i32 = 2;
/// Permission bit: consumers may pull.
pub const PERM_READ: i32 = 4;

/// What changed when: a table with the same version is the same table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataVersion {
    /// Counts the changes.
    pub counter: i64,
    /// Since 5.x.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_version: Option<i64>,
    /// Of the last change, milliseconds since the epoch.
    pub timestamp: i64,
}

/// A topic on one broker. 4.x knows no attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfig {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    pub order: bool,
    /// 4 read, 2 write, 1 inherit.
    pub perm: i32,
    pub read_queue_nums: i32,
    /// `SINGLE_TAG` or `MULTI_TAG`.
    pub topic_filter_type: String,
    pub topic_name: String,
    pub topic_sys_flag: i32,
    pub write_queue_nums: i32,
}

impl Default for TopicConfig {
    /// Apache's defaults of the class.
    fn default() -> Self {
        Self {
            attributes: BTreeMap::new(),
            order: false,
            perm: PERM_READ | PERM_WRITE,
            read_queue_nums: 16,
            topic_filter_type: "SINGLE_TAG".to_owned(),
            topic_name: String::new(),
            topic_sys_flag: 0,
            write_queue_nums: 16,
        }
    }
}

/// Body of `UPDATE_AND_CREATE_TOPIC_LIST` (18).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateTopicListRequestBody {
    pub topic_config_list: Vec<TopicConfig>,
}

/// All topics of a broker: answer to `GET_ALL_TOPIC_CONFIG` (21), `topics.json`, and part of a
/// registration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigSerializeWrapper {
    pub data_version: DataVersion,
    pub topic_config_table: BTreeMap<String, TopicConfig>,
}

/// Where a topic is: answer to `GET_ROUTEINFO_BY_TOPIC` (105).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicRouteData {
    pub broker_datas: Vec<BrokerData>,
    pub filter_server_table: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_topic_conf: Option<String>,
    pub queue_datas: Vec<QueueData>,
}

/// A broker name and the addresses behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerData {
    /// Broker id → `ip:port`; 0 is the master.
    pub broker_addrs: IntMap<String>,
    pub broker_name: String,
    pub cluster: String,
}

/// The queues a topic has on one broker name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueData {
    pub broker_name: String,
    pub perm: i32,
    pub read_queue_nums: i32,
    pub topic_sys_flag: Option<i32>,
    /// The same as `topic_sys_flag`, as programs up to 4.8 and all Go clients spell it.
    pub topic_syn_flag: Option<i32>,
    pub write_queue_nums: i32,
}

/// Names of topics: answer to the list requests of name server and broker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicList {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_addr: Option<String>,
    pub topic_list: Vec<String>,
}
