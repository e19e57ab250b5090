//! Building consume queues and index anew from the log.
//!
//! They are built in folders of their own beside the old ones, `consumequeue.new` and `index.new`, synced, and then put in
//! their place; the old ones stay as `consumequeue.old` and `index.old` until they are deleted or put back. A crash in
//! between leaves old and new side by side: a broker that starts then builds itself what is not there.

use std::path::{Path, PathBuf};

use super::finding::{Finding, Findings, Problem};
use super::state::is_topic;
use super::{CONSUME_QUEUE, INDEX, LIGHT_QUEUE, OfflineStore, Progress, Step, Walk};
use crate::StoreError;
use crate::checkpoint::{Checkpoint, SafePoint};
use crate::commit_log::CommitLog;
use crate::consume_queue::UNIT_LEN;
use crate::consume_queues::ConsumeQueues;
use crate::fs::FileSystem;
use crate::index::{Index, Trust};
use crate::log_scan::{LogScan, Scanned};
use crate::recovery::Replay;

/// What was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Messages that were read.
    pub messages: u64,
    /// Queues that were built.
    pub queues: usize,
    /// Log offset of the newest message in the index; 0 without an index.
    pub index_end: i64,
    /// Messages left out, as their topic has been deleted.
    pub without_topic: u64,
    /// Places in queues where a message is missing.
    pub missing: u64,
    /// Bytes of the log that are no messages and were passed over.
    pub damaged: Vec<Finding>,
    /// Where the log ends.
    pub log_end: i64,
}

/// What a rebuild has left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// The folders.
    pub paths: Vec<PathBuf>,
}

impl<F: FileSystem> OfflineStore<F> {
    /// Builds consume queues, and the index if it is enabled, and puts them in place of the old ones. Messages of topics
    /// that are not in the broker's table of topics are left out.
    ///
    /// # Errors
    /// `Damaged` when bytes in the middle of the log are no messages, unless they are to be passed over; `Unsupported`
    /// when the old ones of an earlier rebuild are still there, or some queues cannot be built; `Io`. Then the old ones
    /// stay as they are.
    pub fn rebuild(
        &self,
        pass_over_damage: bool,
        progress: Progress<'_>,
    ) -> Result<Rebuilt, StoreError> {
        if let Some(path) = self.old()?.and_then(|old| old.paths.into_iter().next()) {
            let what = "an earlier rebuild has left it: it has to be deleted or put back first";
            return Err(StoreError::Unsupported { path, what });
        }
        let log = self.log_files()?.log;
        let old = self.queue_files(&mut Findings::default())?;
        if let Some(light) = old
            .queues
            .iter()
            .find(|queue| queue.topic.starts_with(LIGHT_QUEUE))
        {
            // Our brokers know only the topics whose messages these share.
            return Err(StoreError::Unsupported {
                path: light.dir.clone(),
                what: "light message queues cannot be built",
            });
        }
        let file_size = u64::try_from(old.units_per_file).unwrap_or(1) * UNIT_LEN as u64;
        let [queue_dir, index_dir] = [CONSUME_QUEUE, INDEX].map(|name| self.beside(name, "new"));
        for dir in [&queue_dir, &index_dir] {
            if self.exists(dir)? {
                self.fs
                    .remove_dir_all(dir)
                    .map_err(|e| StoreError::io("delete", dir, e))?;
            }
        }
        self.fs
            .create_dir_all(&queue_dir)
            .map_err(|e| StoreError::io("create", &queue_dir, e))?;
        let queues = ConsumeQueues::open(self.fs.clone(), queue_dir.clone(), file_size)?;
        let index = if self.config.message_index_enable {
            let (slots, entries) = (self.config.max_hash_slot_num, self.config.max_index_num);
            Some(Index::open(
                self.fs.clone(),
                &index_dir,
                slots,
                entries,
                Trust::Whole,
            )?)
        } else {
            None
        };
        let mut rebuilt = Rebuilt::default();
        let last_timestamp = {
            let mut replay = Replay::new(&self.config, &queues, index.as_ref());
            replay.fill_gaps = true;
            self.replay_all(&log, &mut replay, pass_over_damage, &mut rebuilt, progress)?
        };
        queues.sync()?;
        let index_timestamp = index.as_ref().map(Index::flush).transpose()?;
        let safe = SafePoint {
            offset: rebuilt.log_end,
            index_offset: index.as_ref().map_or(0, Index::dispatched_to),
            queues_end: queues.end(),
            queues_sum: queues.sum(),
            index_entries: index.as_ref().map_or(0, Index::entries),
            checked_from: rebuilt.log_end,
        };
        rebuilt.queues = queues.all().len();
        rebuilt.index_end = safe.index_offset;
        drop((queues, index));
        // The log as well: the checkpoint will say of all of it that it is durable.
        self.fs
            .sync_partition(log.dir())
            .and_then(|()| self.fs.sync_partition(self.root()))
            .map_err(|e| StoreError::io("sync", self.root(), e))?;
        self.put_in_place(CONSUME_QUEUE)?;
        if index_timestamp.is_some() {
            self.put_in_place(INDEX)?;
        }
        self.sync_root()?;
        let path = self.root().join("checkpoint");
        let mut checkpoint = Checkpoint::read(&self.fs, &path)?;
        checkpoint.physic_msg_timestamp = last_timestamp;
        checkpoint.logics_msg_timestamp = last_timestamp;
        checkpoint.index_msg_timestamp = index_timestamp.unwrap_or(checkpoint.index_msg_timestamp);
        checkpoint.safe_point = Some(safe);
        checkpoint.write(&self.fs, &path)?;
        Ok(rebuilt)
    }

    /// The queues and the index from before a rebuild, if they are still there.
    ///
    /// # Errors
    /// `Io`.
    pub fn old(&self) -> Result<Option<Old>, StoreError> {
        let mut paths = Vec::new();
        for name in [CONSUME_QUEUE, INDEX] {
            let path = self.beside(name, "old");
            if self.exists(&path)? {
                paths.push(path);
            }
        }
        Ok((!paths.is_empty()).then_some(Old { paths }))
    }

    /// Deletes what a rebuild has left behind.
    ///
    /// # Errors
    /// `Io`; a second try does the rest.
    pub fn delete_old(&self, old: &Old) -> Result<(), StoreError> {
        for path in &old.paths {
            self.fs
                .remove_dir_all(path)
                .map_err(|e| StoreError::io("delete", path, e))?;
        }
        self.sync_root()
    }

    /// Puts back what was there before a rebuild; what was built is deleted. The next start finds out by itself what
    /// these files lack.
    ///
    /// # Errors
    /// `Io`; a second try does the rest.
    pub fn put_back(&self, old: &Old) -> Result<(), StoreError> {
        // What the checkpoint says is true of what was built.
        let path = self.root().join("checkpoint");
        let mut checkpoint = Checkpoint::read(&self.fs, &path)?;
        checkpoint.safe_point = None;
        checkpoint.write(&self.fs, &path)?;
        for path in &old.paths {
            let place = path.with_extension("");
            if self.exists(&place)? {
                self.fs
                    .remove_dir_all(&place)
                    .map_err(|e| StoreError::io("delete", &place, e))?;
            }
            self.fs
                .rename(path, &place)
                .map_err(|e| StoreError::io("rename", path, e))?;
        }
        self.sync_root()
    }

    /// Returns the store time of the last message.
    fn replay_all(
        &self,
        log: &CommitLog<F>,
        replay: &mut Replay<'_, F>,
        pass_over_damage: bool,
        rebuilt: &mut Rebuilt,
        progress: Progress<'_>,
    ) -> Result<i64, StoreError> {
        let begin = log.min_offset();
        let end = log.files_end();
        progress(Step::Begin {
            what: "log",
            bytes: Some((end - begin).unsigned_abs()),
        });
        let topics = self.topics()?;
        let mut findings = Findings::default();
        let mut scan = LogScan::new(log, begin, true);
        let mut walk = Walk::from(progress, begin);
        let mut last_timestamp = 0;
        rebuilt.log_end = begin;
        let mut broken: Option<(i64, String)> = None;
        loop {
            walk.at(scan.position());
            let what = match scan.next_record()? {
                Scanned::Record(record) => {
                    if let Some((from, what)) = broken.take() {
                        let (path, byte) = log.place_of(from);
                        if !pass_over_damage {
                            return Err(StoreError::damaged(&path, byte, what));
                        }
                        let bytes = (record.physical_offset - from).unsigned_abs();
                        findings.add(Problem::LogBroken, &path, byte, bytes, what);
                    }
                    last_timestamp = record.store_timestamp;
                    rebuilt.log_end = record.physical_offset + record.total_size as i64;
                    if is_topic(topics.as_ref(), record.topic) {
                        replay.record(&record)?;
                    } else {
                        rebuilt.without_topic += 1;
                    }
                    continue;
                }
                Scanned::End => "nothing, though messages follow".to_owned(),
                Scanned::Invalid(what) => what,
            };
            if scan.position() >= end {
                break;
            }
            // Whether it is damage or the end, the next message tells.
            broken.get_or_insert((scan.position(), what));
            scan.pass_over();
        }
        walk.ends_at(end);
        rebuilt.messages = replay.records + rebuilt.without_topic;
        rebuilt.missing = replay.missing;
        rebuilt.damaged = findings.list;
        Ok(last_timestamp)
    }

    fn put_in_place(&self, name: &str) -> Result<(), StoreError> {
        let place = self.root().join(name);
        let rename = |from: &Path, to: &Path| {
            self.fs
                .rename(from, to)
                .map_err(|e| StoreError::io("rename", from, e))
        };
        if self.exists(&place)? {
            rename(&place, &self.beside(name, "old"))?;
        }
        rename(&self.beside(name, "new"), &place)
    }

    fn sync_root(&self) -> Result<(), StoreError> {
        self.fs
            .sync_dir(self.root())
            .map_err(|e| StoreError::io("sync", self.root(), e))
    }

    /// The folder `NAME.SUFFIX` beside the folder of this name.
    fn beside(&self, name: &str, suffix: &str) -> PathBuf {
        self.root().join(format!("{name}.{suffix}"))
    }
}
