//! Start-up: finds the end of the log, and brings queues and index to that point.
//!
//! Three starting points for the replay, the best that there is:
//! 1. our own safe point from the checkpoint: everything in front of it is durable in all files;
//! 2. after a clean stop of an Apache broker: the third file from the end, as Apache does;
//! 3. after its unclean stop: the newest file that began before the checkpoint's times.
//!
//! Where queues or index end earlier than they should (deleted by hand), the replay begins there.
//! What is replayed was not acknowledged as far as it is torn; everything acknowledged is whole,
//! because a record is answered only after it was written (and synced, under `SYNC_FLUSH`).

use std::path::Path;

use remoting::protocol::message::record::Record;

use crate::StoreError;
use crate::checkpoint::Checkpoint;
use crate::commit_log::CommitLog;
use crate::config::StoreConfig;
use crate::consume_queue::{AppendUnitError, ConsumeQueue, Unit};
use crate::consume_queues::{ConsumeQueues, Flush};
use crate::dispatch::derive;
use crate::fs::{File, FileSystem};
use crate::index::{Index, Trust};
use crate::index_feed::{IndexEntry, IndexFeed};
use crate::log_scan::{LogScan, Scanned};
use crate::shared::Opened;
use crate::upkeep::Checkpointer;

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
    let log_files_end = log.last().map_or(0, |last| last.start() + log.file_size());
    let safe = checkpoint
        .safe_point
        .filter(|safe| (log.min_offset()..=log_files_end).contains(&safe.offset));
    let mut index = open_index(fs, config, clean, &checkpoint)?;

    let (mut from, mut trusted) = match safe {
        Some(safe) => (safe.offset, safe.offset),
        // Nothing is known to be durable, but nothing was torn either.
        None if clean => (file_from_the_end(&log, CLEAN_FILES), log.min_offset()),
        None => {
            let from = file_before(&log, config, &checkpoint)?;
            (from, from)
        }
    };
    // After a clean stop of an Apache broker the queues hold more than the replay's beginning says.
    let cut_phy = if clean && safe.is_none() {
        i64::MAX
    } else {
        from
    };
    let found = queues.recover(cut_phy, log.min_offset(), |queue, offset, unit| {
        Ok(clean || has_record(&log, queue, offset, unit)?)
    })?;
    if found.max_phy < safe.map_or(from, |safe| safe.queues_end) {
        // Queues are missing: built again from where the others end.
        from = found.max_phy.max(log.min_offset());
    }
    if let Some(index) = &index {
        let expected = safe.map_or(0, |safe| safe.index_offset);
        if index.dispatched_to() < expected {
            from = from.min(index.dispatched_to().max(log.min_offset()));
        }
    }
    trusted = trusted.min(log_files_end);

    let mut replay = Replay {
        config,
        queues: &queues,
        index: index.as_ref(),
        keys: Vec::new(),
        entries: Vec::new(),
        records: 0,
    };
    let mut scan = LogScan::new(&log, from, config.check_crc_on_recover);
    let mut last_timestamp = checkpoint.physic_msg_timestamp;
    let mut torn = None;
    loop {
        match scan.next_record()? {
            Scanned::Record(record) => {
                last_timestamp = record.store_timestamp;
                replay.record(&record)?;
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
        let segment = log.segment_at(end);
        let path = segment.as_ref().map_or(log.dir(), |segment| segment.path());
        let position = segment.as_ref().map_or(0, |segment| end - segment.start());
        let what = torn.unwrap_or_else(|| "the log ends here".to_owned());
        let what = format!("{what}, but everything in front of log offset {trusted} was stored");
        return Err(StoreError::damaged(path, position.unsigned_abs(), what));
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
    } else if found.max_phy > end {
        queues.truncate_after(end)?;
    }
    for queue in queues.all() {
        queue.publish(queue.max_offset());
    }
    if records > 0 || !clean {
        tracing::info!(
            "recovered {records} messages in front of log offset {end}, starting at {from}"
        );
    }
    Ok(Opened {
        index: index.map(|index| IndexFeed::new(index, end)),
        checkpoint: Checkpointer::new(checkpoint_path, checkpoint),
        log,
        queues,
        end,
        last_timestamp,
    })
}

/// Builds queues and index from records that are read again.
struct Replay<'a, F: FileSystem> {
    config: &'a StoreConfig,
    queues: &'a ConsumeQueues<F>,
    index: Option<&'a Index<F>>,
    // Buffers, empty between two records.
    keys: Vec<i32>,
    entries: Vec<IndexEntry>,
    records: u64,
}

impl<F: FileSystem> Replay<'_, F> {
    fn record(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
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
            index.put(&self.entries)?;
            self.entries.clear();
        }
        Ok(())
    }

    fn append_unit(&self, record: &Record<'_>, at: i64, tags_code: i64) -> Result<(), StoreError> {
        let queue = match self.queues.queue_or_new(record.topic, record.queue_id) {
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
    let mut bytes = vec![0; usize::try_from(unit.size).unwrap_or(0)];
    if log.read(unit.phy, &mut bytes)?.is_none() {
        return Ok(false);
    }
    Ok(Record::parse(&bytes).is_ok_and(|record| {
        record.physical_offset == unit.phy
            && record.total_size == bytes.len()
            && record.queue_offset == offset
            && record.queue_id == queue.queue_id
            && record.topic == &*queue.topic
    }))
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
