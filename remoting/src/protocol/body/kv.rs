//! Plain tables of texts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Answer to `GET_BROKER_RUNTIME_INFO` (28), `GET_KVLIST_BY_NAMESPACE` (219), `REGISTER_BROKER` (103).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KvTable {
    pub table: BTreeMap<String, String>,
}
