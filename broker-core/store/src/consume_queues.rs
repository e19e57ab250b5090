//! All consume queues of a store, and their files:
//! `consumequeue/<topic>/<queue>/<position of the first byte, 20 digits>`.
//!
//! A queue costs some 150 bytes as long as nothing happens in it. It has no mapping and no
//! descriptor of its own: files are reached through a bounded number of open ones. Appended units
//! stay in memory until [`ConsumeQueues::flush`] writes them out in groups, and the newest of them
//! a while longer, so that a consumer that keeps up is served without a system call.
//!
//! The files are derived from the commit log. What a crash takes is built again by replaying the
//! log from the checkpoint; therefore [`ConsumeQueues::sync`] tells the store time it covers, and
//! [`ConsumeQueues::recover`] cuts every unit at or behind the position where the replay starts.
//! The files are exactly as long as configured, zero behind the last unit, and the last one is
//! never empty unless it is the only one: Java refuses or misreads anything else.
//!
//! Locking: `work` (held over I/O by flush, sync, truncation and deletion, so that these exclude
//! each other) before `counted` before a queue's state (both short, never held over I/O). Appender and
//! readers do not take the first.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::consume_queue::{AppendUnitError, Appended, ConsumeQueue, UNIT_LEN, Unit, decode_units};
use crate::fs::{File, FileSystem, OpenMode};
use crate::{Boundary, ReadFrom, StoreError};

/// Where units were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitsFrom {
    /// All are as they were appended.
    Memory,
    /// Some stood in a file, and may have changed there.
    Files,
    /// The disk is needed, but must not be waited for.
    Nowhere,
}

/// What flush leaves in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Queues with little to write wait, so that 50,000 of them do not cost 50,000 writes. More
    /// than [`UNWRITTEN_BYTES_HIGH`] in all are written nevertheless.
    Economical,
    /// Everything is written.
    Everything,
}

/// What [`ConsumeQueues::recover`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RecoveredQueues {
    /// Queues there are.
    pub(crate) queues: usize,
    /// The highest position in the log up to which some queue has units.
    pub(crate) max_phy: i64,
    /// Queues that lost units to the cut.
    pub(crate) cut: usize,
}

/// Up to where the log has its units, and how many units that are: over all queues, the end times the weight of the queue,
/// without regard to overflow. Whoever changes an end brings it up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    /// A position of the log.
    pub(crate) end: i64,
    /// The sum for the units of records in front of it.
    pub(crate) sum: u64,
}

/// All consume queues of a store.
pub(crate) struct ConsumeQueues<F: FileSystem> {
    fs: F,
    dir: PathBuf,
    units_per_file: i64,
    /// Queues of a topic in the order of their numbers.
    topics: RwLock<HashMap<Arc<str>, Vec<Arc<ConsumeQueue>>>>,
    files: OpenFiles<F>,
    next_serial: AtomicU32,
    /// Queues with unwritten units; each is listed once (`State::dirty`).
    dirty: Mutex<Vec<Arc<ConsumeQueue>>>,
    unwritten_bytes: AtomicUsize,
    /// Store time of the last unit appended.
    appended_timestamp: AtomicI64,
    counted: Mutex<Counted>,
    work: Mutex<Work<F>>,
}

/// What flush, sync and the like know; the lock makes them exclude each other.
struct Work<F: FileSystem> {
    /// Written since the last sync.
    unsynced: HashMap<FileKey, Arc<F::File>>,
    unsynced_dirs: BTreeSet<PathBuf>,
    /// So much was written that one sync of the whole partition is cheaper.
    sync_partition: bool,
    /// Queues whose tail is kept for readers; each is listed once (`State::resident`).
    resident: Vec<Arc<ConsumeQueue>>,
    resident_bytes: usize,
}

/// Unwritten bytes at which a flush should come early.
pub(crate) const UNWRITTEN_BYTES_HIGH: usize = 8 * 1024 * 1024;
/// Unwritten bytes at which nothing more is taken.
const UNWRITTEN_BYTES_MAX: usize = 128 * 1024 * 1024;
/// A queue with fewer unwritten bytes waits in an economical flush: two pages, as Java's
/// `flushConsumeQueueLeastPages`.
const ECONOMICAL_BYTES: usize = 8192;
/// Units of an active queue that stay in memory after they were written.
const RESIDENT_UNITS: usize = 512;
/// Bytes of all such units together.
const RESIDENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Files that are open at once, apart from those waiting for their sync.
const OPEN_FILES_MAX: usize = 256;
/// Files that a sync visits one by one.
const UNSYNCED_FILES_MAX: usize = 64;
/// Units that one read returns at most.
const READ_UNITS_MAX: usize = 16 * 1024;
/// Bytes that are looked at in one go when the end of a queue is searched.
const SCAN_UNITS: i64 = 200;
/// Bytes of fillers written at once.
const FILL_UNITS: usize = 3200;

impl<F: FileSystem> ConsumeQueues<F> {
    /// Finds the queues below `dir`. They cannot be used before [`Self::recover`].
    ///
    /// `file_size` is the configured size in bytes, rounded up to whole units; where files of
    /// another size exist, theirs counts. Files of different sizes, or with a gap between them, are
    /// an error: they cannot all be right.
    pub(crate) fn open(fs: F, dir: PathBuf, file_size: u64) -> Result<Self, StoreError> {
        let unit_len = UNIT_LEN as u64;
        let mut queues = Self {
            fs,
            dir,
            units_per_file: i64::try_from(file_size.div_ceil(unit_len).max(1)).unwrap_or(i64::MAX),
            topics: RwLock::default(),
            files: OpenFiles::default(),
            next_serial: AtomicU32::new(0),
            dirty: Mutex::default(),
            unwritten_bytes: AtomicUsize::new(0),
            appended_timestamp: AtomicI64::new(0),
            counted: Mutex::default(),
            work: Mutex::new(Work {
                unsynced: HashMap::new(),
                unsynced_dirs: BTreeSet::new(),
                sync_partition: false,
                resident: Vec::new(),
                resident_bytes: 0,
            }),
        };
        let mut found = queues.find_files()?;
        queues.units_per_file = queues.actual_units_per_file(&mut found)?;
        for queue in found {
            queues.adopt(queue)?;
        }
        Ok(queues)
    }

    /// Finds the end and the beginning of each queue. To be called once, before anything else.
    ///
    /// Units whose record ends behind `cut_phy` are erased: the log has been cut there, or will be
    /// replayed from there. Units in front of `log_min` have lost their record. What is erased is
    /// durable with the next [`Self::sync`].
    ///
    /// A unit that a crash has torn may show any number as its position, a small one included, so
    /// that the cut does not catch it: the last unit that is kept is shown to `has_record`.
    pub(crate) fn recover(
        &self,
        cut_phy: i64,
        log_min: i64,
        has_record: impl Fn(&ConsumeQueue, i64, Unit) -> Result<bool, StoreError>,
    ) -> Result<RecoveredQueues, StoreError> {
        let mut work = self.work();
        let mut recovered = RecoveredQueues::default();
        for queue in self.all() {
            let files_end = queue.state().max;
            let end = self.recover_queue(&mut work, &queue, cut_phy, &has_record)?;
            recovered.queues += 1;
            recovered.max_phy = recovered.max_phy.max(queue.max_phy());
            recovered.cut += usize::from(end.had_more);
            debug_assert!(queue.max_offset() <= files_end);
            self.correct_min(&queue, log_min)?;
        }
        Ok(recovered)
    }

    /// The queue, if there is one.
    pub(crate) fn queue(&self, topic: &str, queue_id: i32) -> Option<Arc<ConsumeQueue>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        find(topics.get(topic)?, queue_id).ok().cloned()
    }

    /// The queue; a new one exists in memory only, until its first unit is flushed. The error says
    /// why the name cannot be that of a folder.
    pub(crate) fn queue_or_new(
        &self,
        topic: &str,
        queue_id: i32,
    ) -> Result<Arc<ConsumeQueue>, &'static str> {
        if let Some(queue) = self.queue(topic, queue_id) {
            return Ok(queue);
        }
        check_topic_name(topic)?;
        if queue_id < 0 {
            return Err("queue number is negative");
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let name = match topics.get_key_value(topic) {
            Some((name, _)) => name.clone(),
            None => topic.into(),
        };
        let queues = topics.entry(name.clone()).or_default();
        match find(queues, queue_id) {
            Ok(queue) => Ok(queue.clone()),
            Err(at) => {
                let queue = Arc::new(ConsumeQueue::new(name, queue_id, self.new_serial()));
                queues.insert(at, queue.clone());
                Ok(queue)
            }
        }
    }

    /// All queues, in no particular order of topics.
    pub(crate) fn all(&self) -> Vec<Arc<ConsumeQueue>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().flatten().cloned().collect()
    }

    /// The topics that have queues, in order.
    pub(crate) fn topics(&self) -> Vec<Arc<str>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = topics.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The queues of a topic in the order of their numbers; none for an unknown topic.
    pub(crate) fn queues_of(&self, topic: &str) -> Vec<Arc<ConsumeQueue>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic).cloned().unwrap_or_default()
    }

    /// Appends the unit of the message `queue_offset` of a queue, in memory. One thread appends, in
    /// the order of the log. Offering a unit again does nothing.
    pub(crate) fn append(
        &self,
        queue: &Arc<ConsumeQueue>,
        unit: Unit,
        queue_offset: i64,
        store_timestamp: i64,
    ) -> Result<Appended, AppendUnitError> {
        let bytes = self.unwritten_bytes.load(Ordering::Relaxed);
        if bytes >= UNWRITTEN_BYTES_MAX {
            return Err(AppendUnitError::TooMuchUnwritten { bytes });
        }
        let appended = queue.push(unit, queue_offset, self.units_per_file)?;
        if let Appended::New { newly_dirty, .. } = appended {
            self.unwritten_bytes.fetch_add(UNIT_LEN, Ordering::Relaxed);
            if newly_dirty {
                lock(&self.dirty).push(queue.clone());
            }
        }
        // Units that are there already are covered by the next sync as well. The store time only
        // after the unit is on the dirty list: see `sync`.
        self.appended_timestamp
            .fetch_max(store_timestamp, Ordering::Release);
        Ok(appended)
    }

    /// Whether so much waits to be written that a flush should come early.
    pub(crate) fn wants_flush(&self) -> bool {
        self.unwritten_bytes.load(Ordering::Relaxed) >= UNWRITTEN_BYTES_HIGH
    }

    /// Where the last record ends that any queue names; 0 when none does.
    pub(crate) fn end(&self) -> i64 {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics
            .values()
            .flatten()
            .map(|queue| queue.max_phy())
            .max()
            .unwrap_or(0)
    }

    /// For the writer, before it appends units, until they are counted: a queue is deleted either before or after.
    pub(crate) fn counting(&self) -> MutexGuard<'_, Counted> {
        lock(&self.counted)
    }

    /// Counts all units there are; the log has them up to `end`.
    pub(crate) fn count_all(&self, end: i64) {
        let sum = self.sum();
        *lock(&self.counted) = Counted { end, sum };
    }

    /// What has been counted.
    pub(crate) fn counted(&self) -> Counted {
        *lock(&self.counted)
    }

    /// The sum over the units there are.
    pub(crate) fn sum(&self) -> u64 {
        let all = self.all();
        let ends = all.iter().map(|queue| (queue.weight, queue.max_offset()));
        ends.fold(0, |sum, (weight, end)| {
            sum.wrapping_add(weight.wrapping_mul(end.cast_unsigned()))
        })
    }

    /// Whether the units of one more batch can be taken into memory: not when writing them to files
    /// has failed for long.
    pub(crate) fn has_room(&self) -> bool {
        self.unwritten_bytes.load(Ordering::Relaxed) < UNWRITTEN_BYTES_MAX / 2
    }

    /// Adds units `from..`, at most `max_count` (and at most 16,384), to `out`. Nothing is added for
    /// an offset outside the queue. Where the disk must not be waited for, some may have been added
    /// before it is needed.
    pub(crate) fn units(
        &self,
        queue: &ConsumeQueue,
        mut from: i64,
        max_count: usize,
        out: &mut Vec<Unit>,
        how: ReadFrom,
    ) -> Result<UnitsFrom, StoreError> {
        let mut wanted = max_count.min(READ_UNITS_MAX);
        let mut source = UnitsFrom::Memory;
        while wanted > 0 {
            let before = out.len();
            let disk_end = {
                let mut state = queue.state();
                if from < state.min || from >= state.max {
                    return Ok(source);
                }
                state.touched = true;
                if state.copy_tail(from, wanted, out) {
                    return Ok(source);
                }
                state.tail_start
            };
            let file_end = self.file_start(from) + self.units_per_file;
            let end =
                (from + i64::try_from(wanted).unwrap_or(i64::MAX)).min(disk_end.min(file_end));
            let read = match how {
                ReadFrom::Anywhere => self.read_units(queue, from, end).map(Some),
                ReadFrom::MemoryOnly => self.cached_units(queue, from, end),
            };
            match read {
                Ok(Some(units)) => {
                    source = UnitsFrom::Files;
                    out.extend(decode_units(&units));
                }
                Ok(None) => return Ok(UnitsFrom::Nowhere),
                // Deleted since we looked: the offset is outside the queue now.
                Err(_) if from < queue.min_offset() => return Ok(source),
                Err(e) => return Err(e),
            }
            let added = out.len() - before;
            wanted -= added;
            from += i64::try_from(added).unwrap_or(0);
        }
        Ok(source)
    }

    /// The offset of the message that was stored at a time, within `min_offset..end`. `store_time`
    /// tells the store time of the record of a unit, `None` if it cannot be read; such units count
    /// as older. An empty range gives its start.
    ///
    /// When no message has exactly that time: `Nearest` gives the nearer neighbour, the earlier of
    /// two that are equally near; `Lower` the next one or `end`; `Upper` the one before or 0.
    pub(crate) fn offset_by_time(
        &self,
        queue: &ConsumeQueue,
        end: i64,
        timestamp: i64,
        boundary: Boundary,
        mut store_time: impl FnMut(Unit) -> Option<i64>,
    ) -> Result<i64, StoreError> {
        let (min, end) = {
            let state = queue.state();
            (state.min, end.min(state.max))
        };
        if min >= end {
            return Ok(min);
        }
        let mut time_of = |offset| -> Result<Option<i64>, StoreError> {
            Ok(self.unit(queue, offset)?.and_then(&mut store_time))
        };
        let lower = partition_point(min, end, |offset| {
            Ok(time_of(offset)?.is_none_or(|time| time < timestamp))
        })?;
        match boundary {
            Boundary::Lower => Ok(lower),
            Boundary::Upper => {
                let next = partition_point(lower, end, |offset| {
                    Ok(time_of(offset)?.is_none_or(|time| time <= timestamp))
                })?;
                Ok(if next == min { 0 } else { next - 1 })
            }
            Boundary::Nearest if lower == end => Ok(end - 1),
            Boundary::Nearest if lower == min => Ok(min),
            Boundary::Nearest => {
                let (before, after) = (time_of(lower - 1)?, time_of(lower)?);
                match (before, after) {
                    (Some(before), Some(after)) if timestamp - before <= after - timestamp => {
                        // An exact hit is never "before".
                        Ok(lower - 1)
                    }
                    _ => Ok(lower),
                }
            }
        }
    }

    /// One unit; `None` when it is outside the queue.
    pub(crate) fn unit(
        &self,
        queue: &ConsumeQueue,
        offset: i64,
    ) -> Result<Option<Unit>, StoreError> {
        let mut out = Vec::with_capacity(1);
        self.units(queue, offset, 1, &mut out, ReadFrom::Anywhere)?;
        Ok(out.pop())
    }

    /// Writes buffered units to their files, unsynced. After a failure they are still buffered, and
    /// the next flush tries again.
    pub(crate) fn flush(&self, how: Flush) -> Result<(), StoreError> {
        self.flush_locked(&mut self.work(), how)
    }

    /// Writes and syncs everything. Returns the store time up to which all units appended are
    /// durable now, for the checkpoint. After a failure nothing is known; do not try again.
    pub(crate) fn sync(&self) -> Result<i64, StoreError> {
        let mut work = self.work();
        // First this, then the flush: all units up to this time are on the dirty list by now.
        let timestamp = self.appended_timestamp.load(Ordering::Acquire);
        self.flush_locked(&mut work, Flush::Everything)?;
        if std::mem::take(&mut work.sync_partition) {
            work.unsynced.clear();
            work.unsynced_dirs.clear();
            self.fs
                .sync_partition(&self.dir)
                .map_err(|e| StoreError::io("sync", &self.dir, e))?;
        }
        for (_, file) in work.unsynced.drain() {
            file.sync_data()
                .map_err(|e| StoreError::io("sync", &self.dir, e))?;
        }
        // Children before parents: a name must not be durable before what it names.
        while let Some(dir) = work.unsynced_dirs.pop_last() {
            match self.fs.sync_dir(&dir) {
                Ok(()) => {}
                // Deleted since, with its topic.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(StoreError::io("sync", &dir, e)),
            }
        }
        Ok(timestamp)
    }

    /// Cuts every unit whose record ends behind `phy`, and erases it on disk. Durable with the next
    /// [`Self::sync`]. Nothing may be appended meanwhile.
    pub(crate) fn truncate_after(&self, phy: i64) -> Result<(), StoreError> {
        let mut work = self.work();
        self.flush_locked(&mut work, Flush::Everything)?;
        for queue in self.all() {
            let cached = {
                let mut state = queue.state();
                if state.max_phy <= phy {
                    continue;
                }
                // Everything is written: the tail is a copy.
                state.trim(0)
            };
            work.resident_bytes = work.resident_bytes.saturating_sub(cached);
            self.recover_queue(&mut work, &queue, phy, |_, _, _| Ok(true))?;
        }
        Ok(())
    }

    /// Deletes files all of whose records lie in front of `log_min`, the first position that the
    /// log still has, and moves the queues' beginnings behind what is lost. The last file of a queue
    /// stays. Returns the number of files deleted. `pause` is called between two deletions.
    pub(crate) fn delete_expired(
        &self,
        log_min: i64,
        mut pause: impl FnMut(),
    ) -> Result<usize, StoreError> {
        let mut deleted = 0;
        for queue in self.all() {
            // The lock is released between queues, so that a flush need not wait for all of them.
            let mut work = self.work();
            loop {
                let (first_file, next_file) = {
                    let state = queue.state();
                    let next_file = state.first_file + self.units_per_file;
                    if state.gone || next_file >= state.written {
                        break;
                    }
                    (state.first_file, next_file)
                };
                let last = self.read_units(&queue, next_file - 1, next_file)?;
                if !decode_units(&last).all(|unit| unit.is_filler() || unit.phy < log_min) {
                    break;
                }
                {
                    // Readers first: nobody may look into the file once it is gone.
                    let mut state = queue.state();
                    state.first_file = next_file;
                    state.min = state.min.max(next_file);
                }
                self.remove_file(&mut work, &queue, first_file)?;
                deleted += 1;
                pause();
            }
            self.correct_min(&queue, log_min)?;
        }
        Ok(deleted)
    }

    /// Deletes all queues of a topic and their files. Whoever still holds one of them finds it
    /// empty; appending to it is refused.
    pub(crate) fn delete_topic(&self, topic: &str) -> Result<(), StoreError> {
        if check_topic_name(topic).is_err() {
            return Ok(());
        }
        let mut work = self.work();
        let queues = {
            let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
            topics.remove(topic).unwrap_or_default()
        };
        for queue in &queues {
            self.forget(&mut work, queue);
        }
        self.remove_folder(&mut work, &self.dir.join(topic))
    }

    /// Deletes one queue and its files if the log has lost all of its messages. Whoever still holds
    /// it finds it empty; appending to it is refused. False: it has messages, or never had one.
    pub(crate) fn delete_if_expired(&self, queue: &ConsumeQueue) -> Result<bool, StoreError> {
        let mut work = self.work();
        {
            let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
            let Some(queues) = topics.get_mut(&*queue.topic) else {
                return Ok(false);
            };
            {
                // From here on nothing can be appended.
                let mut state = queue.state();
                if state.gone || state.max == 0 || state.min < state.max {
                    return Ok(false);
                }
                state.gone = true;
            }
            queues.retain(|known| known.serial != queue.serial);
            if queues.is_empty() {
                topics.remove(&*queue.topic);
            }
        }
        self.forget(&mut work, queue);
        let topic_dir = self.dir.join(&*queue.topic);
        self.remove_folder(&mut work, &topic_dir.join(queue.queue_id.to_string()))?;
        Ok(true)
    }

    fn remove_folder(&self, work: &mut Work<F>, dir: &Path) -> Result<(), StoreError> {
        match self.fs.remove_dir_all(dir) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(StoreError::io("delete", dir, e)),
        }
        work.unsynced_dirs
            .insert(dir.parent().unwrap_or(&self.dir).to_owned());
        Ok(())
    }

    /// Deletes one queue, which began anew with its topic, and its files.
    pub(crate) fn delete_queue(&self, queue: &ConsumeQueue) -> Result<(), StoreError> {
        let mut work = self.work();
        {
            let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(queues) = topics.get_mut(&queue.topic) {
                queues.retain(|other| other.serial != queue.serial);
            }
        }
        self.forget(&mut work, queue);
        let topic_dir = self.dir.join(&*queue.topic);
        self.remove_folder(&mut work, &topic_dir.join(queue.queue_id.to_string()))
    }

    /// Puts fillers into a queue in front of `queue_offset`, where messages are missing; returns their number.
    pub(crate) fn fill_gap(&self, queue: &Arc<ConsumeQueue>, queue_offset: i64) -> i64 {
        let gap = queue.fill_gap(queue_offset);
        if gap > 0 {
            let bytes = usize::try_from(gap).unwrap_or(0) * UNIT_LEN;
            self.unwritten_bytes.fetch_add(bytes, Ordering::Relaxed);
            if !std::mem::replace(&mut queue.state().dirty, true) {
                lock(&self.dirty).push(queue.clone());
            }
        }
        gap
    }

    /// Makes a queue that is no longer listed one of which nobody who still holds it sees or writes anything.
    fn forget(&self, work: &mut Work<F>, queue: &ConsumeQueue) {
        let mut counted = lock(&self.counted);
        let mut state = queue.state();
        state.gone = true;
        let units = queue.weight.wrapping_mul(state.max.cast_unsigned());
        counted.sum = counted.sum.wrapping_sub(units);
        drop(counted);
        self.unwritten_bytes
            .fetch_sub(state.unwritten_tail().len(), Ordering::Relaxed);
        if state.resident {
            let cached = state.tail.len() - state.unwritten_tail().len();
            work.resident_bytes = work.resident_bytes.saturating_sub(cached);
        }
        state.max = state.min;
        state.written = state.max;
        state.tail = Vec::new();
        state.tail_start = state.max;
        drop(state);
        self.files.forget_queue(queue.serial);
        work.unsynced.retain(|key, _| key.serial != queue.serial);
    }

    fn work(&self) -> MutexGuard<'_, Work<F>> {
        lock(&self.work)
    }

    fn new_serial(&self) -> u32 {
        self.next_serial.fetch_add(1, Ordering::Relaxed)
    }

    /// The first unit of the file that holds `unit`.
    fn file_start(&self, unit: i64) -> i64 {
        unit - unit % self.units_per_file
    }

    /// Bytes of a file.
    fn file_len(&self) -> u64 {
        bytes_of(self.units_per_file)
    }
}

// Writing.
impl<F: FileSystem> ConsumeQueues<F> {
    fn flush_locked(&self, work: &mut Work<F>, how: Flush) -> Result<(), StoreError> {
        let everything = how == Flush::Everything || self.wants_flush();
        let queues = std::mem::take(&mut *lock(&self.dirty));
        let mut bytes = Vec::new();
        let mut later = Vec::new();
        let mut result = Ok(());
        for queue in queues {
            let (from, fill_end, end) = {
                let mut state = queue.state();
                if state.gone {
                    continue;
                }
                if result.is_err() || (!everything && state.unwritten_bytes() < ECONOMICAL_BYTES) {
                    drop(state);
                    later.push(queue);
                    continue;
                }
                bytes.clear();
                bytes.extend_from_slice(state.unwritten_tail());
                // What is appended from here on makes the queue dirty again.
                state.dirty = false;
                (
                    state.written,
                    state.tail_start.max(state.written),
                    state.max,
                )
            };
            result = self
                .fill(work, &queue, from, fill_end)
                .and_then(|()| self.write_units(work, &queue, fill_end, &bytes));
            let mut state = queue.state();
            if result.is_err() {
                // Appended meanwhile, it is on the list already.
                if !std::mem::replace(&mut state.dirty, true) {
                    drop(state);
                    later.push(queue);
                }
                continue;
            }
            state.written = end;
            self.unwritten_bytes
                .fetch_sub(bytes.len(), Ordering::Relaxed);
            work.resident_bytes += bytes.len();
            // Trimmed rarely, so that moving the rest costs little per unit.
            if state.tail.len() > 2 * RESIDENT_UNITS * UNIT_LEN {
                work.resident_bytes -= state.trim(RESIDENT_UNITS).min(work.resident_bytes);
            }
            if !std::mem::replace(&mut state.resident, true) {
                drop(state);
                work.resident.push(queue);
            }
        }
        lock(&self.dirty).append(&mut later);
        Self::sweep(work);
        result
    }

    /// Frees the tails of queues in which nothing happened since the last sweep; all of them when
    /// they are too many.
    fn sweep(work: &mut Work<F>) {
        let mut over = work.resident_bytes > RESIDENT_BYTES_MAX;
        let mut resident_bytes = work.resident_bytes;
        work.resident.retain(|queue| {
            let mut state = queue.state();
            if !over && std::mem::take(&mut state.touched) && !state.gone {
                return true;
            }
            resident_bytes = resident_bytes.saturating_sub(state.trim(0));
            over = over && resident_bytes > RESIDENT_BYTES_MAX / 2;
            state.resident = false;
            false
        });
        work.resident_bytes = resident_bytes;
    }

    /// Writes fillers as units `from..to`.
    fn fill(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        mut from: i64,
        to: i64,
    ) -> Result<(), StoreError> {
        if from == to {
            return Ok(());
        }
        let fillers = Unit::FILLER.encode().repeat(FILL_UNITS);
        while from < to {
            let count = usize::try_from(to - from).map_or(FILL_UNITS, |n| n.min(FILL_UNITS));
            self.write_units(work, queue, from, &fillers[..count * UNIT_LEN])?;
            from += i64::try_from(count).unwrap_or(0);
        }
        Ok(())
    }

    /// Writes encoded units from `from` on, in as many files as they need.
    fn write_units(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        mut from: i64,
        mut bytes: &[u8],
    ) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let file_start = self.file_start(from);
            let room = usize::try_from(bytes_of(file_start + self.units_per_file - from))
                .unwrap_or(usize::MAX);
            let (part, rest) = bytes.split_at(room.min(bytes.len()));
            let file = self.file_to_write(work, queue, file_start)?;
            file.write_all_at(part, bytes_of(from - file_start))
                .map_err(|e| StoreError::io("write", &self.path(queue, file_start), e))?;
            from += i64::try_from(part.len() / UNIT_LEN).unwrap_or(0);
            bytes = rest;
        }
        Ok(())
    }

    /// The file, created with its full length if it does not exist.
    fn file_to_write(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        file_start: i64,
    ) -> Result<Arc<F::File>, StoreError> {
        let key = FileKey::new(queue, file_start);
        let file = match self.files.opened(key) {
            Some(file) => file,
            None => {
                let path = self.path(queue, file_start);
                let file = match self.fs.open(&path, OpenMode::ReadWrite) {
                    Ok(file) => file,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {
                        self.create_file(work, queue, &path)?
                    }
                    Err(e) => return Err(StoreError::io("open", &path, e)),
                };
                self.files.keep(key, file)
            }
        };
        work.written(key, &file);
        Ok(file)
    }

    fn create_file(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        path: &Path,
    ) -> Result<F::File, StoreError> {
        let topic_dir = self.dir.join(&*queue.topic);
        let queue_dir = topic_dir.join(queue.queue_id.to_string());
        self.fs
            .create_dir_all(&queue_dir)
            .map_err(|e| StoreError::io("create", &queue_dir, e))?;
        let file = self
            .fs
            .open(path, OpenMode::Create)
            .map_err(|e| StoreError::io("create", path, e))?;
        if let Err(e) = file.set_len(self.file_len()) {
            // A file of another length would stop Java, and our next start.
            let _ = self.fs.remove_file(path);
            return Err(StoreError::io("extend", path, e));
        }
        work.dirs_changed([queue_dir, topic_dir, self.dir.clone()]);
        if let Some(parent) = self.dir.parent() {
            work.dirs_changed([parent.to_path_buf()]);
        }
        Ok(file)
    }

    fn remove_file(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        file_start: i64,
    ) -> Result<(), StoreError> {
        let key = FileKey::new(queue, file_start);
        self.files.forget(key);
        work.unsynced.remove(&key);
        let path = self.path(queue, file_start);
        match self.fs.remove_file(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(StoreError::io("delete", &path, e)),
        }
        work.dirs_changed(path.parent().map(Path::to_path_buf));
        Ok(())
    }
}

impl<F: FileSystem> Work<F> {
    fn written(&mut self, key: FileKey, file: &Arc<F::File>) {
        if self.sync_partition || self.unsynced.contains_key(&key) {
            return;
        }
        if self.unsynced.len() < UNSYNCED_FILES_MAX {
            self.unsynced.insert(key, file.clone());
        } else {
            self.sync_partition = true;
            self.unsynced.clear();
        }
    }

    fn dirs_changed(&mut self, dirs: impl IntoIterator<Item = PathBuf>) {
        if self.sync_partition {
            return;
        }
        self.unsynced_dirs.extend(dirs);
        if self.unsynced_dirs.len() > 4 * UNSYNCED_FILES_MAX {
            self.sync_partition = true;
        }
    }
}

// Reading.
impl<F: FileSystem> ConsumeQueues<F> {
    /// The bytes of units `from..to`, which are in one file.
    fn read_units(&self, queue: &ConsumeQueue, from: i64, to: i64) -> Result<Vec<u8>, StoreError> {
        let file_start = self.file_start(from);
        let file = self.file_to_read(queue, file_start)?;
        let len = usize::try_from(to - from).unwrap_or(0) * UNIT_LEN;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, bytes_of(from - file_start))
            .map_err(|e| StoreError::io("read", &self.path(queue, file_start), e))?;
        Ok(bytes)
    }

    /// As [`Self::read_units`]; `None` if the disk would have to be waited for.
    fn cached_units(
        &self,
        queue: &ConsumeQueue,
        from: i64,
        to: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let file_start = self.file_start(from);
        let Some(file) = self.files.opened(FileKey::new(queue, file_start)) else {
            return Ok(None);
        };
        let len = usize::try_from(to - from).unwrap_or(0) * UNIT_LEN;
        let mut bytes = vec![0; len];
        let cached = file
            .read_cached_at(&mut bytes, bytes_of(from - file_start))
            .map_err(|e| StoreError::io("read", &self.path(queue, file_start), e))?;
        Ok(cached.then_some(bytes))
    }

    fn file_to_read(
        &self,
        queue: &ConsumeQueue,
        file_start: i64,
    ) -> Result<Arc<F::File>, StoreError> {
        let key = FileKey::new(queue, file_start);
        if let Some(file) = self.files.opened(key) {
            return Ok(file);
        }
        let path = self.path(queue, file_start);
        let file = self
            .fs
            .open(&path, OpenMode::ReadWrite)
            .map_err(|e| StoreError::io("open", &path, e))?;
        Ok(self.files.keep(key, file))
    }

    fn path(&self, queue: &ConsumeQueue, file_start: i64) -> PathBuf {
        let position = bytes_of(file_start);
        self.dir
            .join(&*queue.topic)
            .join(queue.queue_id.to_string())
            .join(format!("{position:020}"))
    }
}

/// What the search for a queue's end found.
struct QueueEnd {
    /// Whether there was anything behind the end that is erased now.
    had_more: bool,
}

// Recovery.
impl<F: FileSystem> ConsumeQueues<F> {
    /// Makes the queue end in front of the first unit that is not valid or whose record ends behind
    /// `cut_phy`, among the units up to `State::max`, all of which are in files. Everything behind
    /// is erased, and files that hold nothing are deleted.
    fn recover_queue(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        cut_phy: i64,
        has_record: impl Fn(&ConsumeQueue, i64, Unit) -> Result<bool, StoreError>,
    ) -> Result<QueueEnd, StoreError> {
        let (first_file, old_max) = {
            let state = queue.state();
            (state.first_file, state.max)
        };
        let keep = |unit: Unit| unit.is_valid() && unit.end() <= cut_phy;
        let mut had_more = false;
        let mut end = first_file;
        let mut last = None;
        if old_max > first_file {
            let mut file_start = self.file_start(old_max - 1);
            loop {
                let file_end = (file_start + self.units_per_file).min(old_max);
                (end, last) = self.find_end(queue, file_start, file_end, keep)?;
                while let Some(unit) = last {
                    let before = if end - 1 > file_start {
                        decode_units(&self.read_units(queue, end - 2, end - 1)?).next()
                    } else {
                        None
                    };
                    let behind = unit.is_filler() || before.is_none_or(|it| it.end() <= unit.phy);
                    if keep(unit) && behind && has_record(queue, end - 1, unit)? {
                        break;
                    }
                    (end, last) = (end - 1, before);
                }
                if end > file_start {
                    break;
                }
                // An empty last file stops Java 5.3.3 and invents a unit in 4.9. The only file of a
                // queue that starts later stays: its name is all that tells the queue's offsets.
                if file_start == first_file && file_start > 0 {
                    break;
                }
                had_more |= self.any_data(queue, file_start, 0)?;
                self.remove_file(work, queue, file_start)?;
                if file_start == first_file {
                    break;
                }
                file_start -= self.units_per_file;
            }
            let file_start = self.file_start((end - 1).max(first_file));
            if end > file_start || file_start > 0 {
                had_more |= self.erase_behind(work, queue, file_start, end)?;
            }
        }
        let mut state = queue.state();
        state.max = end;
        state.written = end;
        state.min = state.min.clamp(first_file.min(end), end);
        state.max_phy = last.map_or(0, Unit::end);
        state.tail_start = end;
        Ok(QueueEnd { had_more })
    }

    /// The first unit of `from..to` (in one file) that is not to be kept, and the one before it.
    /// What is to be kept stands in front of what is not.
    fn find_end(
        &self,
        queue: &ConsumeQueue,
        from: i64,
        to: i64,
        keep: impl Fn(Unit) -> bool,
    ) -> Result<(i64, Option<Unit>), StoreError> {
        // Most queues are short: their first block shows the end.
        let (mut low, mut high) = (from, to);
        let mut block = (from, (from + SCAN_UNITS).min(to));
        let mut last = None;
        while low < high {
            let bytes = self.read_units(queue, block.0, block.1)?;
            let mut units = decode_units(&bytes);
            let kept = units.by_ref().take_while(|&unit| keep(unit));
            let mut count = 0;
            for unit in kept {
                count += 1;
                last = Some(unit);
            }
            if count == 0 {
                high = block.0;
            } else if block.0 + count < block.1 {
                return Ok((block.0 + count, last));
            } else {
                low = block.1;
            }
            let middle = low + (high - low) / 2;
            let start = middle.saturating_sub(SCAN_UNITS / 2).max(low);
            block = (start, (start + SCAN_UNITS).min(high));
        }
        if low > from {
            // The last block read may have been one behind the end.
            let bytes = self.read_units(queue, low - 1, low)?;
            last = decode_units(&bytes).next();
        }
        Ok((low, last))
    }

    /// Erases what stands in a file from unit `end` on; whether there was anything.
    fn erase_behind(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        file_start: i64,
        end: i64,
    ) -> Result<bool, StoreError> {
        let position = bytes_of(end - file_start);
        if position >= self.file_len() || !self.any_data(queue, file_start, position)? {
            return Ok(false);
        }
        let file = self.file_to_read(queue, file_start)?;
        file.erase(position, self.file_len() - position)
            .map_err(|e| StoreError::io("erase", &self.path(queue, file_start), e))?;
        // Otherwise what was erased could come back after the next crash, when its positions in the
        // log belong to other messages (#495).
        work.written(FileKey::new(queue, file_start), &file);
        Ok(true)
    }

    /// Whether something else than zeros stands in a file at or behind a position.
    fn any_data(
        &self,
        queue: &ConsumeQueue,
        file_start: i64,
        position: u64,
    ) -> Result<bool, StoreError> {
        let file = self.file_to_read(queue, file_start)?;
        let failed = |e| StoreError::io("read", &self.path(queue, file_start), e);
        let mut at = position;
        let mut block = [0; 4096];
        // A file system knows holes by blocks, so that the rest of this one has to be read; and a
        // file without holes as a whole.
        while let Some(data) = file.data_after(at).map_err(failed)? {
            let to = (data + 1).next_multiple_of(4096);
            let wanted = usize::try_from(to - data).unwrap_or(block.len());
            let read = file.read_at(&mut block[..wanted], data).map_err(failed)?;
            if block[..read].iter().any(|&b| b != 0) {
                return Ok(true);
            }
            if read < wanted {
                break;
            }
            at = to;
        }
        Ok(false)
    }

    /// Moves the queue's beginning to the first message whose record the log still has.
    fn correct_min(&self, queue: &ConsumeQueue, log_min: i64) -> Result<(), StoreError> {
        let (mut min, max) = {
            let state = queue.state();
            (state.min.max(state.first_file.min(state.max)), state.max)
        };
        let lost = |offset| -> Result<bool, StoreError> {
            let in_memory = queue.state().unit_in_tail(offset);
            let unit = match in_memory {
                Some(unit) => unit,
                None => {
                    let bytes = self.read_units(queue, offset, offset + 1)?;
                    decode_units(&bytes).next().unwrap_or(Unit::FILLER)
                }
            };
            Ok(unit.is_filler() || unit.phy < log_min)
        };
        // Nearly always nothing has changed.
        if min < max && lost(min)? {
            min = partition_point(min + 1, max, lost)?;
        }
        let mut state = queue.state();
        if !state.gone {
            state.min = state.min.max(min).min(state.max);
        }
        Ok(())
    }
}

/// A queue's files as they were found.
struct FoundQueue {
    topic: Arc<str>,
    queue_id: i32,
    dir: PathBuf,
    /// Position of the first byte, and length.
    files: Vec<(u64, u64)>,
}

// Finding what is there.
impl<F: FileSystem> ConsumeQueues<F> {
    fn find_files(&self) -> Result<Vec<FoundQueue>, StoreError> {
        let mut found = Vec::new();
        for topic in self.sub_dirs(&self.dir)? {
            let topic_dir = self.dir.join(&topic);
            let name: Arc<str> = topic.into();
            for id in self.sub_dirs(&topic_dir)? {
                // As Java does, which ignores folders that are no queue.
                let Ok(queue_id) = id.parse() else {
                    tracing::warn!("no consume queue: {}", topic_dir.join(&id).display());
                    continue;
                };
                let dir = topic_dir.join(&id);
                let files = self.files_of(&dir)?;
                found.push(FoundQueue {
                    topic: name.clone(),
                    queue_id,
                    dir,
                    files,
                });
            }
        }
        Ok(found)
    }

    fn sub_dirs(&self, dir: &Path) -> Result<Vec<String>, StoreError> {
        let entries = match self.fs.list_dir(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(StoreError::io("list", dir, e)),
        };
        let dirs = entries.into_iter().filter(|entry| entry.is_dir);
        Ok(dirs.map(|entry| entry.name).collect())
    }

    fn files_of(&self, dir: &Path) -> Result<Vec<(u64, u64)>, StoreError> {
        let entries = self
            .fs
            .list_dir(dir)
            .map_err(|e| StoreError::io("list", dir, e))?;
        let mut files = Vec::with_capacity(entries.len());
        for entry in entries {
            let path = dir.join(&entry.name);
            let digits = entry.name.bytes().all(|b| b.is_ascii_digit());
            let position = entry.name.parse().ok().filter(|_| digits && !entry.is_dir);
            let Some(position) = position.filter(|&position| i64::try_from(position).is_ok())
            else {
                // Java would not start with it.
                return Err(StoreError::damaged(
                    &path,
                    0,
                    "not a file of a consume queue",
                ));
            };
            let metadata = self.fs.metadata(&path);
            let len = metadata
                .map_err(|e| StoreError::io("inspect", &path, e))?
                .len;
            files.push((position, len));
        }
        files.sort_unstable();
        // A power failure has taken a file's length: it was never synced, nor was what is behind it.
        if let Some(unsynced) = files.iter().position(|&(_, len)| len == 0) {
            // Newest first: what is left is without a gap whenever this is interrupted.
            for (position, _) in files.drain(unsynced..).rev() {
                let path = dir.join(format!("{position:020}"));
                tracing::warn!("{} was never synced: built again", path.display());
                self.fs
                    .remove_file(&path)
                    .map_err(|e| StoreError::io("delete", &path, e))?;
            }
        }
        Ok(files)
    }

    /// The size that all files there are have, in units; the configured one if there are none.
    fn actual_units_per_file(&self, found: &mut [FoundQueue]) -> Result<i64, StoreError> {
        let mut actual = None;
        for queue in found.iter() {
            for &(position, len) in &queue.files {
                let path = || queue.dir.join(format!("{position:020}"));
                let first = *actual.get_or_insert(len);
                if len == 0 || len % UNIT_LEN as u64 != 0 {
                    let what = format!("length {len} is not a whole number of units");
                    return Err(StoreError::damaged(&path(), len, what));
                }
                if len != first {
                    let what = format!("length {len}, but other consume queues have {first}");
                    return Err(StoreError::damaged(&path(), len, what));
                }
                if position % len != 0 {
                    let what = format!("a file of {len} bytes cannot begin at {position}");
                    return Err(StoreError::damaged(&path(), 0, what));
                }
            }
            for pair in queue.files.windows(2) {
                let expected = pair[0].0 + pair[0].1;
                if pair[1].0 != expected {
                    let path = queue.dir.join(format!("{expected:020}"));
                    return Err(StoreError::damaged(&path, 0, "file is missing"));
                }
            }
        }
        let Some(len) = actual else {
            return Ok(self.units_per_file);
        };
        let configured = self.file_len();
        if len != configured {
            tracing::warn!(
                "consume queues in {} have files of {len} bytes, not of {configured} as configured; \
                 keeping theirs",
                self.dir.display()
            );
        }
        i64::try_from(len / UNIT_LEN as u64)
            .map_err(|_| StoreError::damaged(&self.dir, 0, "files are too large"))
    }

    /// Takes a queue as full up to the end of its last file; recovery finds the true end.
    fn adopt(&self, found: FoundQueue) -> Result<(), StoreError> {
        let refused = |what| StoreError::damaged(&found.dir, 0, what);
        let queue = self
            .queue_or_new(&found.topic, found.queue_id)
            .map_err(refused)?;
        if let (Some(first), Some(last)) = (found.files.first(), found.files.last()) {
            let unit_of = |position: u64| i64::try_from(position / UNIT_LEN as u64).unwrap_or(0);
            let mut state = queue.state();
            state.first_file = unit_of(first.0);
            state.max = unit_of(last.0) + self.units_per_file;
            state.written = state.max;
            state.tail_start = state.max;
        }
        Ok(())
    }
}

/// Whether a topic can be the name of a folder. The error says why not.
pub(crate) fn check_topic_name(topic: &str) -> Result<(), &'static str> {
    if topic.is_empty() {
        return Err("topic name is empty");
    }
    if topic.len() > 255 {
        return Err("topic name is longer than 255 bytes");
    }
    if topic == "." || topic == ".." {
        return Err("topic name is a path");
    }
    if topic.bytes().any(|b| b == b'/' || b == b'\\' || b == 0) {
        return Err("topic name contains a path separator or NUL");
    }
    Ok(())
}

/// Where a queue with that number is, or has to be inserted.
fn find(queues: &[Arc<ConsumeQueue>], queue_id: i32) -> Result<&Arc<ConsumeQueue>, usize> {
    let at = queues.binary_search_by_key(&queue_id, |queue| queue.queue_id);
    at.map(|at| &queues[at])
}

/// The first number of `low..high` for which the predicate is false; it is true for all before.
pub(crate) fn partition_point<E>(
    mut low: i64,
    mut high: i64,
    mut predicate: impl FnMut(i64) -> Result<bool, E>,
) -> Result<i64, E> {
    while low < high {
        let middle = low + (high - low) / 2;
        if predicate(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Units in bytes. Counts of units are never negative and fit, see `OFFSET_MAX` of a queue.
fn bytes_of(units: i64) -> u64 {
    u64::try_from(units).unwrap_or(0) * UNIT_LEN as u64
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FileKey {
    serial: u32,
    /// Its first unit.
    start: i64,
}

impl FileKey {
    fn new(queue: &ConsumeQueue, start: i64) -> Self {
        Self {
            serial: queue.serial,
            start,
        }
    }
}

/// Open files, of which the least recently used is closed when there are too many.
struct OpenFiles<F: FileSystem> {
    open: Mutex<OpenFilesState<F>>,
}

struct OpenFilesState<F: FileSystem> {
    /// With the time of the last use.
    files: HashMap<FileKey, (Arc<F::File>, u64)>,
    uses: u64,
}

impl<F: FileSystem> Default for OpenFiles<F> {
    fn default() -> Self {
        Self {
            open: Mutex::new(OpenFilesState {
                files: HashMap::new(),
                uses: 0,
            }),
        }
    }
}

impl<F: FileSystem> OpenFiles<F> {
    fn opened(&self, key: FileKey) -> Option<Arc<F::File>> {
        let mut open = lock(&self.open);
        open.uses += 1;
        let now = open.uses;
        let (file, used) = open.files.get_mut(&key)?;
        *used = now;
        Some(file.clone())
    }

    fn keep(&self, key: FileKey, file: F::File) -> Arc<F::File> {
        let file = Arc::new(file);
        let mut evicted = Vec::new(); // closed after the lock is released
        let mut open = lock(&self.open);
        if open.files.len() >= OPEN_FILES_MAX {
            // A quarter at once: finding the oldest costs a look at all of them.
            let mut uses: Vec<u64> = open.files.values().map(|(_, used)| *used).collect();
            let quarter = uses.len() / 4;
            let (_, &mut limit, _) = uses.select_nth_unstable(quarter);
            evicted.extend(open.files.extract_if(|_, (_, used)| *used <= limit));
        }
        open.uses += 1;
        let now = open.uses;
        open.files.insert(key, (file.clone(), now));
        drop(open);
        file
    }

    fn forget(&self, key: FileKey) {
        let forgotten = lock(&self.open).files.remove(&key);
        drop(forgotten);
    }

    fn forget_queue(&self, serial: u32) {
        lock(&self.open).files.retain(|key, _| key.serial != serial);
    }
}
