//! How far consumer groups are, and the file of it, `config/consumerOffset.json`.
//!
//! Offsets are committed many times a second and saved every few seconds; a crash makes groups
//! consume again what they committed since.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

use remoting::protocol::body::group::ConsumerOffsetWrapper;

use crate::config::BrokerConfig;
use crate::table_file::{TableError, TableFile};

/// Queues with an offset, over all groups. Commits are not checked against anything, so a client
/// could make up any number of them.
const ENTRIES_MAX: usize = 4_000_000;

/// Between topic and group in the file's keys. No topic has it in its name.
const SEPARATOR: char = '@';

type Queues = BTreeMap<i32, Place>;

/// Where a group is in a queue.
#[derive(Debug)]
struct Place {
    /// The next offset to be consumed.
    next: i64,
    /// The next offset to be pulled, as far as is known since the start.
    pulled: AtomicI64,
}

impl Place {
    fn at(offset: i64) -> Self {
        Self {
            next: offset,
            pulled: AtomicI64::new(offset),
        }
    }
}

/// The next offset of each queue, by topic and group.
#[derive(Debug)]
pub(crate) struct Offsets {
    file: TableFile,
    table: RwLock<Table>,
    dirty: AtomicBool,
}

#[derive(Debug, Default)]
struct Table {
    topics: HashMap<Box<str>, HashMap<Box<str>, Queues>>,
    entries: usize,
}

impl Offsets {
    pub(crate) fn open(config: &BrokerConfig) -> Result<Self, TableError> {
        let file = TableFile::new(config.table_path("consumerOffset.json"));
        let loaded: ConsumerOffsetWrapper = file.load()?;
        let mut table = Table::default();
        for (key, queues) in loaded.offset_table {
            let Some((topic, group)) = key.split_once(SEPARATOR) else {
                continue;
            };
            for (queue_id, offset) in queues {
                if let Ok(queue_id) = i32::try_from(queue_id) {
                    table.put(group, topic, queue_id, offset);
                }
            }
        }
        Ok(Self {
            file,
            table: RwLock::new(table),
            dirty: AtomicBool::new(false),
        })
    }

    /// The offset a group continues at, if it has ever committed one.
    pub(crate) fn query(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.read(|table| Some(table.place(group, topic, queue_id)?.next))
    }

    /// The offset a group continues at, and the one it pulls from next, as far as is known: what lies between is under way.
    pub(crate) fn progress(&self, group: &str, topic: &str, queue_id: i32) -> Option<(i64, i64)> {
        self.read(|table| {
            let place = table.place(group, topic, queue_id)?;
            Some((place.next, place.pulled.load(Ordering::Relaxed)))
        })
    }

    /// Notes what a group pulls from next. Of a group that has never committed, nothing is kept.
    pub(crate) fn note_pulled(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        self.read(|table| {
            if let Some(place) = table.place(group, topic, queue_id) {
                place.pulled.store(offset, Ordering::Relaxed);
            }
        });
    }

    /// All offsets of a group in a topic.
    pub(crate) fn queues(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.read(|table| {
            let groups = table.topics.get(topic);
            let queues = groups.and_then(|groups| groups.get(group));
            let queues = queues.into_iter().flatten();
            queues.map(|(&id, place)| (id, place.next)).collect()
        })
    }

    /// Notes where a group continues.
    pub(crate) fn commit(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        self.change(|table| table.put(group, topic, queue_id, offset));
    }

    /// The topics in which a group has offsets, in order.
    pub(crate) fn topics_of_group(&self, group: &str) -> Vec<String> {
        self.read(|table| {
            let topics = table
                .topics
                .iter()
                .filter(|(_, groups)| groups.contains_key(group));
            let mut topics: Vec<_> = topics.map(|(topic, _)| topic.to_string()).collect();
            topics.sort_unstable();
            topics
        })
    }

    /// The groups that have offsets in a topic, in order.
    pub(crate) fn groups_of_topic(&self, topic: &str) -> Vec<String> {
        self.read(|table| {
            let groups = table.topics.get(topic).into_iter().flat_map(HashMap::keys);
            let mut groups: Vec<_> = groups.map(ToString::to_string).collect();
            groups.sort_unstable();
            groups
        })
    }

    pub(crate) fn remove_topic(&self, topic: &str) {
        self.change(|table| {
            let removed = table.topics.remove(topic).unwrap_or_default();
            table.entries -= removed.values().map(BTreeMap::len).sum::<usize>();
            !removed.is_empty()
        });
    }

    pub(crate) fn remove_queue(&self, topic: &str, queue_id: i32) {
        self.change(|table| {
            let groups = table.topics.get_mut(topic).into_iter().flatten();
            let removed = groups.filter_map(|(_, queues)| queues.remove(&queue_id));
            let removed = removed.count();
            table.entries -= removed;
            removed > 0
        });
    }

    pub(crate) fn remove_group(&self, group: &str) {
        self.change(|table| {
            let mut removed = 0;
            for groups in table.topics.values_mut() {
                removed += groups.remove(group).map_or(0, |queues| queues.len());
            }
            table.topics.retain(|_, groups| !groups.is_empty());
            table.entries -= removed;
            removed > 0
        });
    }

    /// Lets a group continue where another one is.
    pub(crate) fn clone_offsets(&self, from: &str, to: &str, topic: &str) {
        let queues = self.queues(from, topic);
        self.change(|table| {
            queues
                .into_iter()
                .fold(false, |changed, (queue_id, offset)| {
                    table.put(to, topic, queue_id, offset) || changed
                })
        });
    }

    /// Whether something has changed since the table was saved.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Relaxed)
    }

    /// Saves the table. Blocks on the disk.
    pub(crate) fn persist(&self) -> Result<(), TableError> {
        if !self.dirty.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let saved = self.file.save(&self.to_wrapper());
        if saved.is_err() {
            self.dirty.store(true, Ordering::Relaxed);
        }
        saved
    }

    /// The whole table as it is sent and saved.
    pub(crate) fn to_wrapper(&self) -> ConsumerOffsetWrapper {
        self.read(|table| {
            let mut offset_table = BTreeMap::new();
            for (topic, groups) in &table.topics {
                for (group, queues) in groups {
                    let queues = queues
                        .iter()
                        .map(|(&queue_id, place)| (i64::from(queue_id), place.next));
                    offset_table.insert(format!("{topic}{SEPARATOR}{group}"), queues.collect());
                }
            }
            ConsumerOffsetWrapper { offset_table }
        })
    }

    fn read<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Table) -> bool) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if change(&mut table) {
            self.dirty.store(true, Ordering::Relaxed);
        }
    }
}

impl Table {
    fn place(&self, group: &str, topic: &str, queue_id: i32) -> Option<&Place> {
        self.topics.get(topic)?.get(group)?.get(&queue_id)
    }

    /// Returns whether anything is different now.
    fn put(&mut self, group: &str, topic: &str, queue_id: i32, offset: i64) -> bool {
        let known = self
            .topics
            .get_mut(topic)
            .and_then(|groups| groups.get_mut(group));
        if let Some(known) = known.and_then(|queues| queues.get_mut(&queue_id)) {
            let before = std::mem::replace(&mut known.next, offset);
            if offset < before {
                // It goes on there, and drops what it has pulled beyond.
                *known.pulled.get_mut() = offset;
            }
            return before != offset;
        }
        if self.entries >= ENTRIES_MAX || topic.contains(SEPARATOR) {
            return false;
        }
        let groups = self.topics.entry(topic.into()).or_default();
        groups
            .entry(group.into())
            .or_default()
            .insert(queue_id, Place::at(offset));
        self.entries += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &tempfile::TempDir) -> Offsets {
        let root = dir.path().display().to_string();
        Offsets::open(&BrokerConfig::with(&[("storePathRootDir", &root)]).unwrap()).unwrap()
    }

    #[test]
    fn offsets_outlive_the_process_in_apaches_file() {
        let dir = tempfile::tempdir().unwrap();
        let offsets = open(&dir);
        offsets.commit("G", "T", 0, 100);
        offsets.commit("G", "T", 10, 7);
        offsets.commit("G", "%RETRY%G", 0, 1);
        assert!(offsets.is_dirty());
        offsets.persist().unwrap();
        assert!(!offsets.is_dirty());
        // The same again is no reason to write.
        offsets.commit("G", "T", 0, 100);
        assert!(!offsets.is_dirty());
        let text = std::fs::read_to_string(dir.path().join("config/consumerOffset.json")).unwrap();
        let compact: String = text.split_whitespace().collect();
        assert_eq!(
            compact,
            r#"{"offsetTable":{"%RETRY%G@G":{0:1},"T@G":{0:100,10:7}}}"#
        );

        let again = open(&dir);
        assert_eq!(again.query("G", "T", 10), Some(7));
        assert_eq!(again.query("G", "T", 1), None);
        assert_eq!(again.topics_of_group("G"), ["%RETRY%G", "T"]);
    }

    #[test]
    fn what_a_group_has_pulled_is_taken_back_with_its_offset() {
        let dir = tempfile::tempdir().unwrap();
        let offsets = open(&dir);
        let pulled = || offsets.progress("G", "T", 0).map(|(_, pulled)| pulled);
        offsets.note_pulled("G", "T", 0, 32);
        assert_eq!(pulled(), None);
        offsets.commit("G", "T", 0, 5);
        assert_eq!(pulled(), Some(5));
        offsets.note_pulled("G", "T", 0, 37);
        offsets.commit("G", "T", 0, 6);
        assert_eq!(pulled(), Some(37));
        offsets.commit("G", "T", 0, 2);
        assert_eq!(pulled(), Some(2));
    }

    #[test]
    fn topics_and_groups_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let offsets = open(&dir);
        offsets.commit("G", "T", 0, 5);
        offsets.commit("H", "T", 0, 6);
        offsets.commit("G", "U", 0, 7);
        offsets.commit("G", "not@topic", 0, 7);
        offsets.clone_offsets("G", "I", "T");
        assert_eq!(offsets.groups_of_topic("T"), ["G", "H", "I"]);
        assert_eq!(offsets.query("I", "T", 0), Some(5));
        offsets.commit("I", "T", 1, 8);
        offsets.remove_queue("T", 1);
        assert_eq!(offsets.queues("I", "T"), BTreeMap::from([(0, 5)]));
        offsets.remove_group("G");
        assert_eq!(offsets.groups_of_topic("T"), ["H", "I"]);
        assert!(offsets.groups_of_topic("U").is_empty());
        offsets.remove_topic("T");
        assert_eq!(offsets.to_wrapper(), ConsumerOffsetWrapper::default());
        assert_eq!(offsets.read(|table| table.entries), 0);
    }
}
