//! The topics of this broker and their file, `config/topics.json`.
//!
//! A change is on the disk before anybody sees it, so that no message is in a topic that a crash
//! could take back. Changes are made one at a time; looking up waits for none of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use remoting::protocol::body::topic::{
    DataVersion, PERM_INHERIT, PERM_READ, PERM_WRITE, TopicConfig, TopicConfigSerializeWrapper,
};

use crate::config::BrokerConfig;
use crate::names::{
    self, AUTO_CREATE_TOPIC_KEY, BENCHMARK_TEST, OFFSET_MOVED_EVENT, RETRY_PREFIX, SCHEDULE_TOPIC,
    SELF_TEST_TOPIC, TBW102,
};
use crate::table_file::{TableError, TableFile};

/// Queues of the schedule topic at least: one for each of Apache's delay levels.
const SCHEDULE_QUEUES: usize = 18;
const BENCHMARK_QUEUES: i32 = 1024;
const CLUSTER_TOPIC_QUEUES: i32 = 16;
/// In `topicSysFlag`: the topic belongs to a unit.
const UNIT: i32 = 1;

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    file: TableFile,
    /// System topics named after this broker and its cluster.
    own: [String; 3],
    current: RwLock<Table>,
    changing: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Table {
    version: DataVersion,
    topics: BTreeMap<String, Arc<TopicConfig>>,
}

/// A topic with as many queues to read as to write.
pub(crate) fn topic(name: &str, queues: i32, perm: i32) -> TopicConfig {
    TopicConfig {
        topic_name: name.to_owned(),
        read_queue_nums: queues,
        write_queue_nums: queues,
        perm,
        ..TopicConfig::default()
    }
}

/// `topicSysFlag` of a retry or dead-letter topic.
pub(crate) fn retry_sys_flag(unit_mode: bool) -> i32 {
    if unit_mode { 2 } else { 0 }
}

impl Topics {
    /// Reads the table and adds the topics that every broker has. What the file says of them counts.
    pub(crate) fn open(config: &BrokerConfig, now: i64) -> Result<Self, TableError> {
        let file = TableFile::new(config.table_path("topics.json"));
        let loaded: TopicConfigSerializeWrapper = file.load()?;
        let cluster = config.broker_cluster_name.clone();
        let own = [
            format!("{cluster}_REPLY_TOPIC"),
            cluster,
            config.broker_name.clone(),
        ];
        let mut table = Table {
            version: loaded.data_version,
            ..Table::default()
        };
        if table.version.timestamp == 0 {
            table.version.timestamp = now;
        }
        for system in system_topics(config, &own) {
            table
                .topics
                .insert(system.topic_name.clone(), Arc::new(system));
        }
        for (name, mut topic) in loaded.topic_config_table {
            topic.topic_name.clone_from(&name);
            table.topics.insert(name, Arc::new(topic));
        }
        Ok(Self {
            file,
            own,
            current: RwLock::new(table),
            changing: Mutex::default(),
        })
    }

    /// A topic by its name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<TopicConfig>> {
        self.read(|table| table.topics.get(name).cloned())
    }

    /// All topics, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<TopicConfig>> {
        self.read(|table| table.topics.values().cloned().collect())
    }

    pub(crate) fn data_version(&self) -> DataVersion {
        self.read(|table| table.version.clone())
    }

    /// The whole table as it is sent and saved.
    pub(crate) fn to_wrapper(&self) -> TopicConfigSerializeWrapper {
        self.read(Table::to_wrapper)
    }

    /// Whether the topic is the broker's own: nobody may create, change or delete it.
    pub(crate) fn is_system(&self, name: &str) -> bool {
        names::is_system_topic(name) || self.own.iter().any(|own| own == name)
    }

    /// Creates a topic or replaces it. Its attributes, which 4.x clients do not know, stay.
    pub(crate) fn put(&self, mut topic: TopicConfig, now: i64) -> Result<(), TableError> {
        self.change(now, |table| {
            if let Some(old) = table.topics.get(&topic.topic_name)
                && topic.attributes.is_empty()
            {
                topic.attributes.clone_from(&old.attributes);
            }
            table
                .topics
                .insert(topic.topic_name.clone(), Arc::new(topic));
            true
        })
    }

    /// The topic of this name as it is, or as it is given here. True: it is new.
    pub(crate) fn create_if_absent(
        &self,
        topic: TopicConfig,
        now: i64,
    ) -> Result<(Arc<TopicConfig>, bool), TableError> {
        let mut topic = Arc::new(topic);
        let mut created = false;
        self.change(now, |table| {
            if let Some(known) = table.topics.get(&topic.topic_name) {
                topic = known.clone();
            } else {
                table.topics.insert(topic.topic_name.clone(), topic.clone());
                created = true;
            }
            created
        })?;
        Ok((topic, created))
    }

    /// What a send to an unknown topic would create: after its template, if sends may do that.
    pub(crate) fn wanted_by_send(
        &self,
        config: &BrokerConfig,
        name: &str,
        template: &str,
        queues: i32,
        unit_mode: bool,
    ) -> Option<TopicConfig> {
        if name.starts_with(RETRY_PREFIX) {
            let flag = retry_sys_flag(unit_mode);
            return Some(TopicConfig {
                topic_sys_flag: flag,
                ..topic(name, 1, PERM_READ | PERM_WRITE)
            });
        }
        // With other templates, such as the cluster's topic, the switch has nothing to do.
        if matches!(template, TBW102 | AUTO_CREATE_TOPIC_KEY) && !config.auto_create_topic_enable {
            return None;
        }
        let template = self
            .find(template)
            .filter(|template| template.perm & PERM_INHERIT != 0)?;
        Some(TopicConfig {
            topic_sys_flag: if unit_mode { UNIT } else { 0 },
            topic_filter_type: template.topic_filter_type.clone(),
            ..topic(
                name,
                queues.min(template.write_queue_nums).max(1),
                template.perm & !PERM_INHERIT,
            )
        })
    }

    /// Removes a topic; no error if there is none.
    pub(crate) fn delete(&self, name: &str, now: i64) -> Result<(), TableError> {
        self.change(now, |table| table.topics.remove(name).is_some())
    }

    /// A new version of the same table, so that name servers take it anew.
    pub(crate) fn touch(&self, now: i64) {
        let _changing = self.changing();
        self.current
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .next_version(now);
    }

    /// Makes a change, unless `change` finds that there is none. Blocks on the disk.
    fn change(&self, now: i64, change: impl FnOnce(&mut Table) -> bool) -> Result<(), TableError> {
        let _changing = self.changing();
        let mut table = self.read(Table::clone);
        if change(&mut table) {
            table.next_version(now);
            self.file.save(&table.to_wrapper())?;
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = table;
        }
        Ok(())
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Table {
    fn next_version(&mut self, now: i64) {
        self.version.counter += 1;
        self.version.timestamp = now;
    }

    fn to_wrapper(&self) -> TopicConfigSerializeWrapper {
        TopicConfigSerializeWrapper {
            data_version: self.version.clone(),
            topic_config_table: self
                .topics
                .iter()
                .map(|(name, topic)| (name.clone(), (**topic).clone()))
                .collect(),
        }
    }
}

/// What Apache's broker creates when it boots.
fn system_topics(
    config: &BrokerConfig,
    [reply, cluster, broker]: &[String; 3],
) -> Vec<TopicConfig> {
    let usual = PERM_READ | PERM_WRITE;
    let template = |enabled| {
        if enabled {
            PERM_INHERIT | usual
        } else {
            PERM_INHERIT
        }
    };
    let levels = config.message_delay_level.0.len().max(SCHEDULE_QUEUES);
    let mut topics = vec![
        topic(SELF_TEST_TOPIC, 1, usual),
        topic(BENCHMARK_TEST, BENCHMARK_QUEUES, usual),
        topic(
            cluster,
            CLUSTER_TOPIC_QUEUES,
            template(config.cluster_topic_enable),
        ),
        topic(broker, 1, template(config.broker_topic_enable)),
        topic(OFFSET_MOVED_EVENT, 1, usual),
        topic(
            SCHEDULE_TOPIC,
            i32::try_from(levels).unwrap_or(i32::MAX),
            usual,
        ),
        topic(reply, 1, usual),
    ];
    if config.auto_create_topic_enable {
        for name in [TBW102, AUTO_CREATE_TOPIC_KEY] {
            topics.push(topic(name, config.default_topic_queue_nums, template(true)));
        }
    }
    if config.trace_topic_enable {
        topics.push(topic(&config.msg_trace_topic_name, 1, usual));
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(root: &Path, settings: &[(&str, &str)]) -> BrokerConfig {
        let root = root.display().to_string();
        let mut all = vec![
            ("storePathRootDir", root.as_str()),
            ("brokerName", "broker-a"),
            ("brokerClusterName", "c"),
        ];
        all.extend(settings);
        BrokerConfig::with(&all).unwrap()
    }

    #[test]
    fn a_new_broker_has_apaches_topics() {
        let dir = tempfile::tempdir().unwrap();
        let topics = Topics::open(&config(dir.path(), &[]), 5).unwrap();
        let found: Vec<_> = topics
            .all()
            .iter()
            .map(|t| {
                (
                    t.topic_name.clone(),
                    t.read_queue_nums,
                    t.write_queue_nums,
                    t.perm,
                )
            })
            .collect();
        let expected = [
            ("AUTO_CREATE_TOPIC_KEY", 8, 7),
            ("BenchmarkTest", 1024, 6),
            ("OFFSET_MOVED_EVENT", 1, 6),
            ("SCHEDULE_TOPIC_XXXX", 18, 6),
            ("SELF_TEST_TOPIC", 1, 6),
            ("TBW102", 8, 7),
            ("broker-a", 1, 7),
            ("c", 16, 7),
            ("c_REPLY_TOPIC", 1, 6),
        ];
        assert_eq!(
            found,
            expected.map(|(name, queues, perm)| (name.to_owned(), queues, queues, perm))
        );
        assert!(
            ["c", "broker-a", "c_REPLY_TOPIC", "TBW102", "rmq_sys_x"]
                .iter()
                .all(|name| topics.is_system(name))
        );
        assert!(!topics.is_system("T"));
        assert_eq!(
            topics.data_version(),
            DataVersion {
                counter: 0,
                timestamp: 5,
                state_version: None
            }
        );

        let without = [
            ("autoCreateTopicEnable", "false"),
            ("clusterTopicEnable", "false"),
            ("traceTopicEnable", "true"),
        ];
        let topics = Topics::open(&config(dir.path(), &without), 5).unwrap();
        assert!(topics.find("TBW102").is_none());
        assert_eq!(topics.find("c").unwrap().perm, 1);
        assert_eq!(topics.find("RMQ_SYS_TRACE_TOPIC").unwrap().perm, 6);
    }

    #[test]
    fn changes_are_counted_and_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), &[]);
        let topics = Topics::open(&config, 1).unwrap();
        topics.put(topic("T", 4, 6), 2).unwrap();
        let (known, created) = topics.create_if_absent(topic("T", 9, 6), 3).unwrap();
        assert_eq!((known.read_queue_nums, created), (4, false));
        topics.put(topic("U", 1, 6), 4).unwrap();
        topics.delete("U", 5).unwrap();
        topics.delete("U", 6).unwrap();
        topics.touch(7);
        assert_eq!(topics.data_version().counter, 4);

        let again = Topics::open(&config, 9).unwrap();
        assert_eq!(again.find("T"), topics.find("T"));
        assert!(again.find("U").is_none());
        // Touching is for name servers only.
        assert_eq!(
            again.data_version(),
            DataVersion {
                counter: 3,
                timestamp: 5,
                state_version: None
            }
        );
    }

    #[test]
    fn sends_create_topics_after_a_template() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), &[]);
        let topics = Topics::open(&config, 1).unwrap();
        topics.put(topic("plain", 4, 6), 2).unwrap();
        for (name, template, queues, expected) in [
            ("T", "TBW102", 4, Some((4, 6))),
            ("T", "AUTO_CREATE_TOPIC_KEY", 100, Some((8, 6))),
            ("T", "c", 100, Some((16, 6))),
            ("T", "TBW102", -1, Some((1, 6))),
            ("T", "plain", 4, None),
            ("T", "nothing", 4, None),
            ("%RETRY%G", "nothing", 4, Some((1, 6))),
        ] {
            let wanted = topics.wanted_by_send(&config, name, template, queues, false);
            assert_eq!(
                wanted.map(|t| (t.write_queue_nums, t.perm)),
                expected,
                "{name} after {template}"
            );
        }
        // Left over from a time when sends might create topics.
        let mut closed = config.clone();
        closed.auto_create_topic_enable = false;
        assert!(
            topics
                .wanted_by_send(&closed, "T", "TBW102", 4, false)
                .is_none()
        );
    }
}
