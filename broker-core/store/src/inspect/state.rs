//! In which state a store was left, and what the next start will make of it.

use std::collections::BTreeSet;

use remoting::protocol::body::topic::TopicConfigSerializeWrapper;
use remoting::protocol::fastjson;

use super::{CONFIG, OfflineStore};
use crate::StoreError;
use crate::checkpoint::Checkpoint;
use crate::commit_log::CommitLog;
use crate::fs::FileSystem;
use crate::json_file::{self, Loaded};
use crate::lock::AbortMark;
use crate::recovery::replay_start;

/// How the last run ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// In good order: nothing is left to do.
    pub(super) clean: bool,
    pub(super) checkpoint: Checkpoint,
    /// From here on the next start builds queues and index anew; the end of all offsets after a clean end.
    pub(super) replayed_from: i64,
}

impl<F: FileSystem> OfflineStore<F> {
    pub(super) fn state(&self, log: &CommitLog<F>) -> Result<State, StoreError> {
        let clean = !AbortMark::new(self.root()).stands(&self.fs)?;
        let checkpoint = Checkpoint::read(&self.fs, &self.root().join("checkpoint"))?;
        let replayed_from = if clean {
            i64::MAX
        } else {
            replay_start(log, &self.config, &checkpoint, clean)?
        };
        Ok(State {
            clean,
            checkpoint,
            replayed_from,
        })
    }

    /// The topics that exist, by the broker's table of them; `None` when there is no such table, or
    /// it cannot be read.
    pub(super) fn topics(&self) -> Result<Option<BTreeSet<String>>, StoreError> {
        let table = self.root().join(CONFIG).join("topics.json");
        let parse = |bytes: &[u8]| fastjson::from_slice::<TopicConfigSerializeWrapper>(bytes);
        let topics = match json_file::load(&self.fs, &table, parse) {
            Ok(Loaded::Main(table) | Loaded::Backup { value: table, .. }) => table,
            Ok(Loaded::Absent) | Err(json_file::LoadError::Unusable { .. }) => return Ok(None),
            Err(json_file::LoadError::File(e)) => return Err(e),
        };
        let names: BTreeSet<String> = topics.topic_config_table.into_keys().collect();
        Ok((!names.is_empty()).then_some(names))
    }
}

/// Whether a topic exists, as far as the table of topics is known. Brokers keep messages of their own in topics that are
/// not always in it.
pub(super) fn is_topic(table: Option<&BTreeSet<String>>, topic: &str) -> bool {
    let own =
        topic.starts_with("SCHEDULE_TOPIC") || topic.to_ascii_lowercase().starts_with("rmq_sys_");
    own || table.is_none_or(|table| table.contains(topic))
}
