//! The consumer groups of this broker and their file, `config/subscriptionGroup.json`.
//!
//! As with topics, a change is on the disk before anybody sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use remoting::protocol::body::group::{SubscriptionGroupConfig, SubscriptionGroupWrapper};
use remoting::protocol::body::topic::DataVersion;

use crate::config::BrokerConfig;
use crate::names::{self, SYSTEM_GROUPS};
use crate::table_file::{TableError, TableFile};

/// All groups.
#[derive(Debug)]
pub(crate) struct Groups {
    file: TableFile,
    current: RwLock<Table>,
    changing: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Table {
    version: DataVersion,
    groups: BTreeMap<String, Arc<SubscriptionGroupConfig>>,
}

impl Groups {
    /// Reads the table and adds the groups of Apache's tools.
    pub(crate) fn open(config: &BrokerConfig, now: i64) -> Result<Self, TableError> {
        let file = TableFile::new(config.table_path("subscriptionGroup.json"));
        let loaded: SubscriptionGroupWrapper = file.load()?;
        let mut table = Table {
            version: loaded.data_version,
            ..Table::default()
        };
        if table.version.timestamp == 0 {
            table.version.timestamp = now;
        }
        for name in SYSTEM_GROUPS {
            table
                .groups
                .insert(name.to_owned(), Arc::new(with_defaults(name)));
        }
        for (name, mut group) in loaded.subscription_group_table {
            group.group_name.clone_from(&name);
            table.groups.insert(name, Arc::new(group));
        }
        Ok(Self {
            file,
            current: RwLock::new(table),
            changing: Mutex::default(),
        })
    }

    /// A group by its name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        self.read(|table| table.groups.get(name).cloned())
    }

    /// All names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.read(|table| table.groups.keys().cloned().collect())
    }

    /// The whole table as it is sent and saved.
    pub(crate) fn to_wrapper(&self) -> SubscriptionGroupWrapper {
        self.read(Table::to_wrapper)
    }

    /// The group of somebody who consumes: as it is, or a new one with Apache's defaults.
    /// `Ok(None)`: it may not be created. Blocks on the disk.
    pub(crate) fn create_on_use(
        &self,
        config: &BrokerConfig,
        name: &str,
        now: i64,
    ) -> Result<Option<Arc<SubscriptionGroupConfig>>, TableError> {
        if let Some(known) = self.find(name) {
            return Ok(Some(known));
        }
        let allowed = config.auto_create_subscription_group || names::is_system_group(name);
        if !allowed || names::validate_group(name).is_err() {
            return Ok(None);
        }
        let mut group = Arc::new(with_defaults(name));
        self.change(now, |table| {
            if let Some(known) = table.groups.get(name) {
                group = known.clone();
                return false;
            }
            table.groups.insert(name.to_owned(), group.clone());
            true
        })?;
        Ok(Some(group))
    }

    /// Creates a group or replaces it.
    pub(crate) fn put(&self, group: SubscriptionGroupConfig, now: i64) -> Result<(), TableError> {
        self.change(now, |table| {
            table
                .groups
                .insert(group.group_name.clone(), Arc::new(group));
            true
        })
    }

    /// Removes a group; no error if there is none.
    pub(crate) fn delete(&self, name: &str, now: i64) -> Result<(), TableError> {
        self.change(now, |table| table.groups.remove(name).is_some())
    }

    /// Makes a change, unless `change` finds that there is none. Blocks on the disk.
    fn change(&self, now: i64, change: impl FnOnce(&mut Table) -> bool) -> Result<(), TableError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = self.read(Table::clone);
        if change(&mut table) {
            table.version.counter += 1;
            table.version.timestamp = now;
            self.file.save(&table.to_wrapper())?;
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = table;
        }
        Ok(())
    }

    fn read<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Table {
    fn to_wrapper(&self) -> SubscriptionGroupWrapper {
        SubscriptionGroupWrapper {
            data_version: self.version.clone(),
            subscription_group_table: self
                .groups
                .iter()
                .map(|(name, group)| (name.clone(), (**group).clone()))
                .collect(),
        }
    }
}

fn with_defaults(name: &str) -> SubscriptionGroupConfig {
    SubscriptionGroupConfig {
        group_name: name.to_owned(),
        ..SubscriptionGroupConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_created_on_use_if_allowed_and_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display().to_string();
        let config = BrokerConfig::with(&[("storePathRootDir", &root)]).unwrap();
        let mut closed = config.clone();
        closed.auto_create_subscription_group = false;
        let groups = Groups::open(&config, 1).unwrap();
        assert!(groups.find("TOOLS_CONSUMER").is_some());
        for (config, name, created) in [
            (&config, "G", true),
            (&config, "../G", false),
            (&closed, "H", false),
            (&closed, "G", true),
            (&closed, "CID_RMQ_SYS_TRANS", true),
        ] {
            assert_eq!(
                groups.create_on_use(config, name, 2).unwrap().is_some(),
                created,
                "{name}"
            );
        }
        let changed = SubscriptionGroupConfig {
            retry_max_times: 3,
            ..with_defaults("G")
        };
        groups.put(changed.clone(), 3).unwrap();
        groups.delete("CID_RMQ_SYS_TRANS", 4).unwrap();

        let again = Groups::open(&config, 9).unwrap();
        assert_eq!(*again.find("G").unwrap(), changed);
        assert!(again.find("CID_RMQ_SYS_TRANS").is_none());
        assert_eq!(
            again.to_wrapper().data_version,
            DataVersion {
                counter: 4,
                timestamp: 4,
                state_version: None
            }
        );
    }
}
