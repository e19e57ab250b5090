//! Start-up: finds the end of the log, and brings queues and index to that point.
//!
//! Three starting points for the replay, the best that there is:
//! 1. our own safe point from the checkpoint: everything in front of it is durable in all files. A
//!    few megabytes in front of it are read as well: what was damaged there since is refused;
//! 2. after a clean stop of an Apache broker: the third file from the end, as Apache does;
//! 3. after its unclean stop: the newest file that began before the checkpoint's times.
//!
//! Where queues or index hold less than they should (deleted by hand), the replay begins at the beginning of the log.
//! What is replayed was not acknowledged as far as it is torn; everything acknowledged is whole,
//! because a record is answered only after it was written (and synced, under `SYNC_FLUSH`).

use std::path::Path;

use remoting::protocol::message::record::Record;

use crate::StoreError;
use crate::checkpoint::{Checkpoint, Checkpointer, SafePoint};
use crate::commit_log::CommitLog;
use crate::config::StoreConfig;
use crate::consume_queue::{AppendUnitError, ConsumeQueue, Unit};
use crate::consume_queues::{ConsumeQueues, Flush};
use crate::dispatch::derive;
use crate::fs::{File, FileSystem};
use crate::index::{Index, IndexEntry, Trust};
use crate::index_feed::IndexFeed;
use crate::log_scan::{LogScan, Scanned, record_at};
use crate::shared::Opened;

/// Apache looks at so many of the newest files after a clean stop.
const CLEAN_FILES: usize = 3;

/// Opens the files below `config.root` and recovers them. `clean`: the last run ended in good order.
pub(crate) fn recover<F: FileSystem>(
    fs: &F,
    config: &StoreConfig,
    clean: bool,
) -> Result<Opened<F>, StoreError> {
    let root = &config.root;
    refuse_foreign_kinds(fs, root)?;
    let log_dir = config
        .commit_log_dir
        .clone()
        .unwrap_or_else(|| root.join("commitlog"));
    let log = CommitLog::open(fs.clone(), &log_dir, config.commit_log_file_size)?;
    let queues = ConsumeQueues::open(
        fs.clone(),
        root.join("consumequeue"),
        config.consume_queue_file_size,
    )?;
    let checkpoint_path = root.join("checkpoint");
    let checkpoint = Checkpoint::read(fs, &checkpoint_path)?;
    let safe = known_safe(&log, &checkpoint);
    let mut index = open_index(fs, config, clean, &checkpoint)?;

    let from = replay_start(&log, config, &checkpoint, clean)?;
    let mut trusted = match safe {
        // Nothing is known to be durable, but nothing was torn either.
        None if clean => log.min_offset(),
        _ => from,
    };
    // After a clean stop of an Apache broker the queues hold more than the replay's beginning says.
    let cut_phy = if clean && safe.is_none() {
        i64::MAX
    } else {
        from
    };
    let queues_end = queues.recover(cut_phy, log.min_offset(), |queue, offset, unit| {
        Ok(clean || has_record(&log, queue, offset, unit)?)
    })?;
    let from = from_what_is_missing(&log, &queues, index.as_mut(), safe, queues_end, from)?;
    if clean && safe.is_none() {
        // An Apache broker that has stopped in good order has synced everything that its queues name.
        trusted = trusted.max(queues_end);
    }
    trusted = trusted.min(log.files_end());

    let mut replay = Replay::new(config, &queues, index.as_ref());
    let check_from = safe.map_or(from, |safe| safe.checked_from.max(log.min_offset()));
    let mut scan = LogScan::new(&log, check_from.min(from), config.check_crc_on_recover);
    let mut last_timestamp = checkpoint.physic_msg_timestamp;
    let mut torn = None;
    loop {
        match scan.next_record()? {
            Scanned::Record(record) => {
                last_timestamp = record.store_timestamp;
                if record.physical_offset >= from {
                    replay.record(&record)?;
                }
            }
            Scanned::End => break,
            Scanned::Invalid(what) => {
                torn = Some(what);
                break;
            }
        }
    }
    let records = replay.records;
    let end = scan.position();
    if end < trusted {
        let (path, byte) = log.place_of(end);
        let what = torn.unwrap_or_else(|| "the log ends here".to_owned());
        let what = format!("{what}, but everything in front of log offset {trusted} was stored");
        return Err(StoreError::damaged(&path, byte, what));
    }
    if let Some(index) = &mut index {
        index.truncate(end, |at| store_time(&log, at))?;
    }
    if let Some(what) = &torn {
        tracing::warn!(
            "the log ends at {end}, behind it stood what was never acknowledged: {what}"
        );
    }
    if !clean || torn.is_some() || !log.is_erased_behind(end)? {
        log.truncate(end)?;
        queues.truncate_after(end)?;
        // What was only in the system's memory when the last run ended becomes safe now.
        sync_log(fs, &log, from, end)?;
        // So do the names of queue files: nobody remembers which of them the last run has synced.
        fs.sync_partition(root)
            .map_err(|e| StoreError::io("sync", root, e))?;
    } else if queues_end > end {
        queues.truncate_after(end)?;
    }
    for queue in queues.all() {
        queue.publish(queue.max_offset());
    }
    queues.count_all(end);
    if records > 0 || !clean {
        tracing::info!(
            "recovered {records} messages in front of log offset {end}, starting at {from}"
        );
    }
    Ok(Opened {
        index: index.map(|index| IndexFeed::new(index, end)),
        checkpoint: Checkpointer::new(checkpoint_path, checkpoint, end),
        log,
        queues,
        end,
        last_timestamp,
    })
}

/// Where the replay begins that was to begin at `from`: earlier if queues or index hold less than they should. What cannot
/// be completed is deleted. `max_phy`: up to where queues have units.
fn from_what_is_missing<F: FileSystem>(
    log: &CommitLog<F>,
    queues: &ConsumeQueues<F>,
    index: Option<&mut Index<F>>,
    safe: Option<SafePoint>,
    max_phy: i64,
    mut from: i64,
) -> Result<i64, StoreError> {
    // A log from which nothing has expired has all messages of a queue; its first file can only have been taken away.
    for queue in queues.all() {
        if log.min_offset() == 0 && log.last().is_some() && queue.first_file() > 0 {
            tracing::warn!(
                "the first file of queue {}-{} is missing: built again",
                queue.topic,
                queue.queue_id
            );
            queues.delete_queue(&queue)?;
            from = 0;
        }
    }
    match safe {
        Some(safe) if safe.queues_end != 0 && queues.sum() != safe.queues_sum => {
            tracing::warn!("units of consume queues are missing: the whole log is read for them");
            from = log.min_offset();
        }
        // Queues are missing: built again from where the others end.
        None if max_phy < from => from = max_phy.max(log.min_offset()),
        _ => {}
    }
    if let Some(index) = index {
        let expected = safe.unwrap_or_default();
        if index.entries() < expected.index_entries {
            tracing::warn!(
                "entries of the index are missing: it is built again from the whole log"
            );
            index.clear()?;
        }
        if index.dispatched_to() < expected.index_offset {
            from = from.min(index.dispatched_to().max(log.min_offset()));
        }
    }
    Ok(from)
}

/// The safe point of the checkpoint, if it lies within the log.
pub(crate) fn known_safe<F: FileSystem>(
    log: &CommitLog<F>,
    checkpoint: &Checkpoint,
) -> Option<SafePoint> {
    checkpoint
        .safe_point
        .filter(|safe| (log.min_offset()..=log.files_end()).contains(&safe.offset))
}

/// Where the replay begins, as far as the checkpoint tells.
pub(crate) fn replay_start<F: FileSystem>(
    log: &CommitLog<F>,
    config: &StoreConfig,
    checkpoint: &Checkpoint,
    clean: bool,
) -> Result<i64, StoreError> {
    match known_safe(log, checkpoint) {
        Some(safe) => Ok(safe.offset),
        None if clean => Ok(file_from_the_end(log, CLEAN_FILES)),
        None => file_before(log, config, checkpoint),
    }
}

/// Builds queues and index from records that are read again.
pub(crate) struct Replay<'a, F: FileSystem> {
    config: &'a StoreConfig,
    queues: &'a ConsumeQueues<F>,
    index: Option<&'a Index<F>>,
    // Buffers, empty between two records.
    keys: Vec<i32>,
    entries: Vec<IndexEntry>,
    pub(crate) records: u64,
    /// Fillers that stand for messages which the log has lost.
    pub(crate) missing: u64,
    /// Whether such fillers are put.
    pub(crate) fill_gaps: bool,
}

impl<'a, F: FileSystem> Replay<'a, F> {
    pub(crate) fn new(
        config: &'a StoreConfig,
        queues: &'a ConsumeQueues<F>,
        index: Option<&'a Index<F>>,
    ) -> Self {
        Self {
            config,
            queues,
            index,
            keys: Vec::new(),
            entries: Vec::new(),
            records: 0,
            missing: 0,
            fill_gaps: false,
        }
    }

    pub(crate) fn record(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        // Checked by the scan.
        let at = record.physical_offset;
        self.records += 1;
        self.keys.clear();
        let keys = self.index.is_some().then_some(&mut self.keys);
        let derived = derive(record, &self.config.delay_levels_ms, keys);
        if derived.in_queue {
            self.append_unit(record, at, derived.tags.code(record.store_timestamp))?;
        }
        if let Some(index) = self.index {
            let entry = |hash| IndexEntry {
                hash,
                phy: at,
                store_timestamp: record.store_timestamp,
            };
            self.entries.extend(self.keys.drain(..).map(entry));
            index.put(&self.entries, &mut 0)?;
            self.entries.clear();
        }
        Ok(())
    }

    fn append_unit(
        &mut self,
        record: &Record<'_>,
        at: i64,
        tags_code: i64,
    ) -> Result<(), StoreError> {
        let mut queue = match self.queues.queue_or_new(record.topic, record.queue_id) {
            Ok(queue) => queue,
            Err(e) => {
                tracing::warn!(
                    "message at log offset {at} is in no queue: topic {:?}, queue {}: {e}",
                    record.topic,
                    record.queue_id
                );
                return Ok(());
            }
        };
        // A topic that was deleted and made again begins at 0 again. What the log still has of the deleted
        // one must not hide its messages.
        if record.queue_offset == 0 && queue.max_offset() > 0 && at >= queue.max_phy() {
            self.queues.delete_queue(&queue)?;
            match self.queues.queue_or_new(record.topic, record.queue_id) {
                Ok(new) => queue = new,
                Err(_) => return Ok(()),
            }
        }
        if self.fill_gaps && queue.max_offset() > 0 {
            self.missing += self
                .queues
                .fill_gap(&queue, record.queue_offset)
                .unsigned_abs();
        }
        let unit = Unit {
            phy: at,
            size: i32::try_from(record.total_size).unwrap_or(i32::MAX),
            tags_code,
        };
        if self.queues.wants_flush() {
            self.queues.flush(Flush::Economical)?;
        }
        match self
            .queues
            .append(&queue, unit, record.queue_offset, record.store_timestamp)
        {
            Ok(_) => Ok(()),
            Err(e @ AppendUnitError::TooMuchUnwritten { .. }) => {
                Err(StoreError::Poisoned(e.to_string()))
            }
            Err(e) => {
                // As Apache: the log goes on, this message is not in its queue.
                tracing::error!("message at log offset {at} is in no queue: {e}");
                Ok(())
            }
        }
    }
}

fn open_index<F: FileSystem>(
    fs: &F,
    config: &StoreConfig,
    clean: bool,
    checkpoint: &Checkpoint,
) -> Result<Option<Index<F>>, StoreError> {
    if !config.message_index_enable {
        return Ok(None);
    }
    let trust = match checkpoint.safe_point {
        _ if clean => Trust::Whole,
        Some(_) => Trust::Headers,
        None => Trust::Until(checkpoint.index_msg_timestamp),
    };
    let dir = config.root.join("index");
    Index::open(
        fs.clone(),
        &dir,
        config.max_hash_slot_num,
        config.max_index_num,
        trust,
    )
    .map(Some)
}

/// The beginning of the `n`-th file from the end.
fn file_from_the_end<F: FileSystem>(log: &CommitLog<F>, n: usize) -> i64 {
    let segments = log.segments();
    segments
        .get(segments.len().saturating_sub(n))
        .map_or(0, |segment| segment.start())
}

/// The beginning of the newest file whose first message is covered by the checkpoint's times.
fn file_before<F: FileSystem>(
    log: &CommitLog<F>,
    config: &StoreConfig,
    checkpoint: &Checkpoint,
) -> Result<i64, StoreError> {
    let covered = if config.message_index_enable && config.message_index_safe {
        checkpoint.min_timestamp_index()
    } else {
        checkpoint.min_timestamp()
    };
    for segment in log.segments().iter().rev() {
        let mut scan = LogScan::new(log, segment.start(), false);
        if let Scanned::Record(record) = scan.next_record()?
            && record.store_timestamp > 0
            && record.store_timestamp <= covered
        {
            return Ok(segment.start());
        }
    }
    Ok(log.min_offset())
}

fn store_time<F: FileSystem>(log: &CommitLog<F>, at: i64) -> Result<Option<i64>, StoreError> {
    match LogScan::new(log, at, false).next_record()? {
        Scanned::Record(record) => Ok(Some(record.store_timestamp)),
        Scanned::End | Scanned::Invalid(_) => Ok(None),
    }
}

/// Whether the log has the record that a queue names, as far as it still can have it.
fn has_record<F: FileSystem>(
    log: &CommitLog<F>,
    queue: &ConsumeQueue,
    offset: i64,
    unit: Unit,
) -> Result<bool, StoreError> {
    if unit.is_filler() || unit.phy < log.min_offset() {
        return Ok(true);
    }
    if i64::from(unit.size) > log.file_size() {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    let record = record_at(log, unit.phy, &mut bytes)?;
    Ok(record.is_some_and(|record| unit.is_of(offset, &queue.topic, queue.queue_id, &record)))
}

fn sync_log<F: FileSystem>(
    fs: &F,
    log: &CommitLog<F>,
    from: i64,
    end: i64,
) -> Result<(), StoreError> {
    let mut at = from;
    while at < end {
        let Some(segment) = log.segment_at(at) else {
            break;
        };
        segment
            .file(fs)?
            .sync_data()
            .map_err(|e| StoreError::io("sync", segment.path(), e))?;
        at = segment.start() + log.file_size();
    }
    Ok(())
}

/// Stores of other kinds look alike from outside, and would be destroyed.
fn refuse_foreign_kinds<F: FileSystem>(fs: &F, root: &Path) -> Result<(), StoreError> {
    let dir = root.join("consumequeue");
    for name in ["CURRENT", "IDENTITY"] {
        let path = dir.join(name);
        if fs
            .exists(&path)
            .map_err(|e| StoreError::io("inspect", &path, e))?
        {
            let what = "consume queues of kind RocksDB (storeType=defaultRocksDB) cannot be opened";
            return Err(StoreError::Unsupported { path, what });
        }
    }
    Ok(())
}
