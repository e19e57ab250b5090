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

mod open_files;
mod recovery;
mod writing;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use self::open_files::{FileKey, OpenFiles};
use self::writing::Work;
use crate::consume_queue::{AppendUnitError, Appended, ConsumeQueue, UNIT_LEN, Unit, decode_units};
use crate::fs::{File, FileSystem, OpenMode};
use crate::guards::{lock, read, write};
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

/// Unwritten bytes at which a flush should come early.
pub(crate) const UNWRITTEN_BYTES_HIGH: usize = 8 * 1024 * 1024;
/// Unwritten bytes at which nothing more is taken.
const UNWRITTEN_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Units that one read returns at most.
const READ_UNITS_MAX: usize = 16 * 1024;
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
            work: Mutex::default(),
        };
        let mut found = queues.find_files()?;
        queues.units_per_file = queues.actual_units_per_file(&mut found)?;
        for queue in found {
            queues.adopt(queue)?;
        }
        Ok(queues)
    }

    /// The queue, if there is one.
    pub(crate) fn queue(&self, topic: &str, queue_id: i32) -> Option<Arc<ConsumeQueue>> {
        let topics = read(&self.topics);
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
        let mut topics = write(&self.topics);
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
        let topics = read(&self.topics);
        topics.values().flatten().cloned().collect()
    }

    /// The topics that have queues, in order.
    pub(crate) fn topics(&self) -> Vec<Arc<str>> {
        let topics = read(&self.topics);
        let mut names: Vec<_> = topics.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The queues of a topic in the order of their numbers; none for an unknown topic.
    pub(crate) fn queues_of(&self, topic: &str) -> Vec<Arc<ConsumeQueue>> {
        let topics = read(&self.topics);
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
        let topics = read(&self.topics);
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

    /// Deletes all queues of a topic and their files. Whoever still holds one of them finds it
    /// empty; appending to it is refused.
    pub(crate) fn delete_topic(&self, topic: &str) -> Result<(), StoreError> {
        if check_topic_name(topic).is_err() {
            return Ok(());
        }
        let mut work = self.work();
        let queues = {
            let mut topics = write(&self.topics);
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
            let mut topics = write(&self.topics);
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
        self.remove_folder(&mut work, &self.queue_dir(queue))?;
        Ok(true)
    }

    /// Deletes one queue, which began anew with its topic, and its files.
    pub(crate) fn delete_queue(&self, queue: &ConsumeQueue) -> Result<(), StoreError> {
        let mut work = self.work();
        {
            let mut topics = write(&self.topics);
            if let Some(queues) = topics.get_mut(&queue.topic) {
                queues.retain(|other| other.serial != queue.serial);
            }
        }
        self.forget(&mut work, queue);
        self.remove_folder(&mut work, &self.queue_dir(queue))
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
        self.queue_dir(queue).join(format!("{position:020}"))
    }

    fn queue_dir(&self, queue: &ConsumeQueue) -> PathBuf {
        self.dir
            .join(&*queue.topic)
            .join(queue.queue_id.to_string())
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
