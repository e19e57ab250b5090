//! Reading: messages of a queue, positions, single messages, messages by key.
//!
//! Messages are handed out as the log has them. The newest come from memory, shared and not copied;
//! older ones are copied from the files. What the system has in memory needs no thread that may wait.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use remoting::protocol::message::record::{Record, peek};
use remoting::protocol::message::sys_flag;

use crate::consume_queue::{ConsumeQueue, Unit};
use crate::consume_queues::UnitsFrom;
use crate::fs::FileSystem;
use crate::log_scan::record_at;
use crate::store::Store;
use crate::tail::Pieces;
use crate::{
    Boundary, QueryResult, QueueUnits, ReadFrom, ReadOutcome, ReadRequest, ReadResult, ReadStatus,
    StoreError, StoreEvents,
};

/// Units that one read looks at, at least; Apache's 16,000 bytes.
const SCAN_UNITS_MIN: usize = 800;
/// Records this close to each other are asked for together.
const GAP_MAX: i64 = 16 * 1024;
/// Records this close to each other are read with one call: copying what is between them costs less.
const COPIED_GAP_MAX: i64 = 4096;
/// Bytes that are asked for together.
const SPAN_MAX: i64 = 1024 * 1024;
/// Position of the store timestamp in a record; 12 bytes later if the born host is IPv6.
const STORE_TIMESTAMP_AT: usize = 56;

impl<E: StoreEvents, F: FileSystem> Store<E, F> {
    /// Reads messages of one queue whose tags code passes `matches`.
    ///
    /// With [`ReadFrom::MemoryOnly`] it never blocks and may answer [`ReadOutcome::Cold`]. A failing
    /// disk, and a message that is not what was stored, is logged and answered as
    /// [`ReadStatus::OffsetFoundNull`]: a damaged message is neither handed out nor passed over.
    pub fn read(
        &self,
        request: &ReadRequest<'_>,
        matches: impl FnMut(i64) -> bool,
        from: ReadFrom,
    ) -> ReadOutcome {
        match self.try_read(request, matches, from) {
            Ok(Some(result)) => ReadOutcome::Done(result),
            Ok(None) => ReadOutcome::Cold,
            Err(e) => {
                tracing::error!(
                    "topic {} queue {}: {}",
                    request.topic,
                    request.queue_id,
                    e.with_cause()
                );
                ReadOutcome::Done(ReadResult::none(
                    ReadStatus::OffsetFoundNull,
                    request.offset,
                    0,
                    0,
                ))
            }
        }
    }

    fn try_read(
        &self,
        request: &ReadRequest<'_>,
        mut matches: impl FnMut(i64) -> bool,
        from: ReadFrom,
    ) -> Result<Option<ReadResult>, StoreError> {
        let shared = &*self.shared;
        let offset = request.offset;
        let Some(queue) = shared.queues.queue(request.topic, request.queue_id) else {
            return Ok(Some(ReadResult::none(
                ReadStatus::NoMatchedLogicQueue,
                0,
                0,
                0,
            )));
        };
        let (min, max) = queue.readable();
        let none = |status, next| Ok(Some(ReadResult::none(status, next, min, max)));
        if max == 0 {
            return none(ReadStatus::NoMessageInQueue, 0);
        }
        if offset < min {
            return none(ReadStatus::OffsetTooSmall, min);
        }
        if offset == max {
            return none(ReadStatus::OffsetOverflowOne, offset);
        }
        if offset > max {
            return none(ReadStatus::OffsetOverflowBadly, max);
        }

        let wanted = request.max_messages.max(1) as usize;
        let scan_end = offset + (SCAN_UNITS_MIN.max(wanted) as i64).min(max - offset);
        let log_min = shared.log.min_offset();
        let mut limits = Limits::default();
        let mut chosen: Vec<Chosen> = Vec::with_capacity(wanted.min(64));
        let mut units = Vec::new();
        let mut next = offset;
        let mut removed = false;
        let mut from_files = false;
        'units: while next < scan_end {
            units.clear();
            let count = usize::try_from(scan_end - next)
                .unwrap_or(0)
                .min(wanted.max(32));
            match shared.queues.units(&queue, next, count, &mut units, from)? {
                UnitsFrom::Memory => {}
                UnitsFrom::Files => from_files = true,
                UnitsFrom::Nowhere if chosen.is_empty() => return Ok(None),
                UnitsFrom::Nowhere => break,
            }
            if units.is_empty() {
                // The queue's beginning has moved behind the offset since we looked.
                break;
            }
            for &unit in &units {
                if unit.is_filler() || unit.phy < log_min {
                    removed = true;
                } else if matches(unit.tags_code) {
                    let far = shared.is_far_behind(unit.phy);
                    if limits.reached(&shared.config, request, far, unit.size, chosen.len()) {
                        break 'units;
                    }
                    limits.bytes += unit.size.unsigned_abs() as usize;
                    chosen.push(Chosen { unit, offset: next });
                }
                next += 1;
                if chosen.len() >= wanted {
                    break 'units;
                }
            }
        }
        if chosen.is_empty() {
            let status = if next == offset {
                return none(ReadStatus::OffsetTooSmall, queue.min_offset());
            } else if removed {
                ReadStatus::MessageWasRemoving
            } else {
                ReadStatus::NoMatchedMessage
            };
            return none(status, next);
        }

        let mut pieces = Pieces::with_room(chosen.len(), limits.bytes);
        let places = chosen.iter().map(|chosen| (chosen.unit.phy, chosen.len()));
        // What a queue's file says is not believed before its records have been looked at.
        let hot = !from_files && shared.tail.read(places, &mut pieces) == chosen.len();
        let runs = if hot {
            pieces.into_runs()
        } else {
            let first = chosen[0].unit.phy;
            let may_wait = from == ReadFrom::Anywhere;
            if !may_wait && shared.cold_part.contains(first, shared.clock.now_ms()) {
                return Ok(None);
            }
            match self.read_records(&queue, &chosen, from)? {
                Some(Sound { runs, count }) => {
                    if let Some(damaged) = chosen.get(count) {
                        // The next read begins with it, and fails.
                        next = damaged.offset;
                        chosen.truncate(count);
                        limits.bytes = chosen.iter().map(Chosen::len).sum();
                    }
                    runs
                }
                None if !may_wait => {
                    shared.cold_part.note(first, shared.clock.now_ms());
                    return Ok(None);
                }
                // Retention was faster.
                None => return none(ReadStatus::MessageWasRemoving, next),
            }
        };
        let last = chosen.last().map_or(0, |chosen| chosen.unit.phy);
        Ok(Some(ReadResult {
            status: ReadStatus::Found,
            message_count: u32::try_from(chosen.len()).unwrap_or(u32::MAX),
            size: limits.bytes,
            runs,
            next_begin_offset: next,
            min_offset: min,
            max_offset: max,
            suggest_slave: shared.is_far_behind(last),
        }))
    }

    /// Reads records from the files, and looks at each whether it is the one that its unit names, and whole: what has
    /// lain on a disk may have changed there. Gives those in front of the first that is not. `None`: one of them is gone,
    /// or, where the disk must not be waited for, not in memory.
    fn read_records(
        &self,
        queue: &ConsumeQueue,
        chosen: &[Chosen],
        how: ReadFrom,
    ) -> Result<Option<Sound>, StoreError> {
        let mut failure = None;
        let mut readable = chosen;
        if let Some(at) = chosen.iter().position(|chosen| !self.can_be(chosen)) {
            let what = "a queue names a record that cannot be";
            failure = Some(self.damaged(chosen[at].unit.phy, what));
            readable = &chosen[..at];
        }
        let near: Vec<&[Chosen]> = self.neighbours(readable, COPIED_GAP_MAX).collect();
        if how == ReadFrom::Anywhere {
            self.announce(readable);
        }
        let mut buffer = vec![0; near.iter().map(|records| span(records).1).sum()];
        // Where the disk is not waited for, there is nothing worth measuring.
        let begin_ms = (how == ReadFrom::Anywhere).then(|| self.shared.clock.now_ms());
        let filled = self.fill(&near, &mut buffer, how);
        if let Some(begin_ms) = begin_ms {
            let took_ms = (self.shared.clock.now_ms() - begin_ms).max(0);
            let longest = &self.shared.counters.get_time_max_ms;
            longest.fetch_max(took_ms.unsigned_abs(), Ordering::Relaxed);
        }
        let Some((read, unread)) = filled else {
            return Ok(None);
        };
        failure = unread.or(failure);
        let buffer = Bytes::from(buffer);
        let mut runs = Vec::with_capacity(read);
        let mut count = 0;
        // Neighbours without a gap stay one run.
        let mut run = 0..0;
        let mut begin = 0;
        'records: for records in near {
            let (start, len) = span(records);
            for record in records {
                if count == read {
                    break 'records;
                }
                let at = begin + (record.unit.phy - start) as usize;
                if let Err(what) = check(queue, record, &buffer[at..at + record.len()]) {
                    failure = Some(self.damaged(record.unit.phy, what));
                    break 'records;
                }
                count += 1;
                if run.end != at {
                    if !run.is_empty() {
                        runs.push(buffer.slice(run));
                    }
                    run = at..at;
                }
                run.end = at + record.len();
            }
            begin += len;
        }
        if count == 0
            && let Some(failure) = failure
        {
            return Err(failure);
        }
        runs.push(buffer.slice(run));
        Ok(Some(Sound { runs, count }))
    }

    /// Fills the buffer with records, group behind group. Returns how many could be read before one could not, and why
    /// that could not. `None`: see [`Self::read_records`].
    fn fill(
        &self,
        near: &[&[Chosen]],
        mut place: &mut [u8],
        how: ReadFrom,
    ) -> Option<(usize, Option<StoreError>)> {
        let mut read = 0;
        for records in near {
            let (start, len) = span(records);
            let (now, later) = place.split_at_mut(len);
            if let Ok(found) = self.read_log(start, now, how) {
                found?;
                read += records.len();
            } else {
                // A record that can be read must not suffer from its neighbours.
                for record in *records {
                    let at = (record.unit.phy - start) as usize;
                    match self.read_log(record.unit.phy, &mut now[at..at + record.len()], how) {
                        Ok(found) => found?,
                        Err(error) => return Some((read, Some(error))),
                    }
                    read += 1;
                }
            }
            place = later;
        }
        Some((read, None))
    }

    fn read_log(
        &self,
        at: i64,
        buffer: &mut [u8],
        how: ReadFrom,
    ) -> Result<Option<()>, StoreError> {
        match how {
            ReadFrom::MemoryOnly => self.shared.log.read_cached(at, buffer),
            ReadFrom::Anywhere => self.shared.log.read(at, buffer),
        }
    }

    /// Whether a record can lie where a unit has it: within what is written, and within one file.
    fn can_be(&self, chosen: &Chosen) -> bool {
        let file_size = self.shared.log.file_size();
        let Some(end) = chosen.unit.phy.checked_add(chosen.len() as i64) else {
            return false;
        };
        end <= self.shared.written.load(Ordering::Acquire)
            && chosen.unit.phy / file_size == (end - 1) / file_size
    }

    /// Splits records into groups that lie in one file, with gaps of so many bytes at most.
    fn neighbours<'c>(
        &self,
        chosen: &'c [Chosen],
        gap_max: i64,
    ) -> impl Iterator<Item = &'c [Chosen]> + use<'c, E, F> {
        let file_size = self.shared.log.file_size();
        let mut rest = chosen;
        std::iter::from_fn(move || {
            let first = rest.first()?;
            let start = first.unit.phy;
            let mut end = first.end();
            let mut count = 1;
            while let Some(next) = rest.get(count)
                && next.unit.phy >= end
                && next.unit.phy - end <= gap_max
                && next.end() - start <= SPAN_MAX
                && next.unit.phy / file_size == start / file_size
            {
                end = next.end();
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            rest = later;
            Some(now)
        })
    }

    /// Lets the system read near records with one request to the disk, the gaps between them
    /// included.
    fn announce(&self, chosen: &[Chosen]) {
        for records in self.neighbours(chosen, GAP_MAX) {
            if records.len() > 1 {
                let (start, len) = span(records);
                self.shared.log.will_need(start, len);
            }
        }
    }

    fn damaged(&self, phy: i64, what: impl Into<String>) -> StoreError {
        let (path, byte) = self.shared.log.place_of(phy);
        StoreError::damaged(&path, byte, what)
    }

    /// First readable message of a queue; `None` for an unknown queue.
    pub fn min_offset(&self, topic: &str, queue_id: i32) -> Option<i64> {
        self.shared
            .queues
            .queue(topic, queue_id)
            .map(|queue| queue.readable().0)
    }

    /// One past the last readable message of a queue; 0 for an unknown queue.
    pub fn max_offset(&self, topic: &str, queue_id: i32) -> i64 {
        self.shared
            .queues
            .queue(topic, queue_id)
            .map_or(0, |queue| queue.readable().1)
    }

    /// The offset of the message stored at a time, in milliseconds since the epoch; 0 for an unknown
    /// queue. `boundary` decides when no message has exactly that time.
    ///
    /// # Errors
    /// What could not be read.
    pub fn offset_by_time(
        &self,
        topic: &str,
        queue_id: i32,
        timestamp: i64,
        boundary: Boundary,
    ) -> Result<i64, StoreError> {
        let Some(queue) = self.shared.queues.queue(topic, queue_id) else {
            return Ok(0);
        };
        let end = queue.readable().1;
        self.shared
            .queues
            .offset_by_time(&queue, end, timestamp, boundary, |unit| {
                self.store_time(unit)
            })
    }

    /// When the message at an offset was stored, in milliseconds since the epoch; `None` when there
    /// is none.
    ///
    /// # Errors
    /// What could not be read.
    pub fn store_time_at(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
    ) -> Result<Option<i64>, StoreError> {
        let Some(queue) = self.shared.queues.queue(topic, queue_id) else {
            return Ok(None);
        };
        let unit = self.readable_unit(&queue, offset)?;
        Ok(unit.and_then(|unit| self.store_time(unit)))
    }

    /// When the first message of a queue was stored; `None` when it has none.
    ///
    /// # Errors
    /// What could not be read.
    pub fn earliest_store_time(
        &self,
        topic: &str,
        queue_id: i32,
    ) -> Result<Option<i64>, StoreError> {
        match self.min_offset(topic, queue_id) {
            Some(min) => self.store_time_at(topic, queue_id, min),
            None => Ok(None),
        }
    }

    /// Whether the message at an offset lies so far back that it counts as being on disk.
    ///
    /// # Errors
    /// What could not be read.
    pub fn is_on_disk(&self, topic: &str, queue_id: i32, offset: i64) -> Result<bool, StoreError> {
        let Some(queue) = self.shared.queues.queue(topic, queue_id) else {
            return Ok(false);
        };
        let unit = self.readable_unit(&queue, offset)?;
        Ok(unit.is_some_and(|unit| self.shared.is_far_behind(unit.phy)))
    }

    /// The record that starts at a position of the log; `None` when none does, or not any more.
    ///
    /// # Errors
    /// What could not be read; `Damaged` when its body is not what was stored.
    pub fn message_at(&self, commit_log_offset: i64) -> Result<Option<Bytes>, StoreError> {
        let shared = &*self.shared;
        if commit_log_offset < shared.log.min_offset()
            || commit_log_offset >= shared.visible.load(Ordering::Acquire)
        {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let end = shared.written.load(Ordering::Acquire);
        let found = record_at(&shared.log, commit_log_offset, &mut bytes)?;
        let Some(record) =
            found.filter(|record| commit_log_offset + record.total_size as i64 <= end)
        else {
            return Ok(None);
        };
        record
            .verify_crc()
            .map_err(|e| self.damaged(commit_log_offset, e.to_string()))?;
        Ok(Some(bytes.into()))
    }

    /// The newest messages with a key, in the order of the log, stored within a time range (milliseconds since the epoch,
    /// both ends included).
    ///
    /// # Errors
    /// What could not be read.
    pub fn query_by_key(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
    ) -> Result<QueryResult, StoreError> {
        let Some(feed) = &self.shared.index else {
            return Ok(QueryResult::default());
        };
        feed.catch_up(self.shared.visible.load(Ordering::Acquire));
        let found = feed.index.query(topic, key, max, begin_ms, end_ms)?;
        let mut messages = Vec::with_capacity(found.offsets.len());
        for offset in found.offsets {
            match self.message_at(offset) {
                Ok(message) => messages.extend(message),
                // The others are whole.
                Err(e) => tracing::error!("topic {topic} key {key}: {}", e.with_cause()),
            }
        }
        Ok(QueryResult {
            messages,
            index_last_update_timestamp: found.last_update_timestamp,
            index_last_update_phyoffset: found.last_update_offset,
        })
    }

    /// The numbers of a topic's queues, ascending; none for an unknown topic.
    pub fn queues_of(&self, topic: &str) -> Vec<i32> {
        self.shared
            .queues
            .queues_of(topic)
            .iter()
            .map(|queue| queue.queue_id)
            .collect()
    }

    /// The topics that have queues, in order.
    pub fn topics(&self) -> Vec<std::sync::Arc<str>> {
        self.shared.queues.topics()
    }

    pub(crate) fn earliest_message_timestamp(&self) -> Option<i64> {
        let shared = &*self.shared;
        let at = shared.log.min_offset();
        if at >= shared.visible.load(Ordering::Acquire) {
            return None;
        }
        self.store_time(Unit {
            phy: at,
            size: 0,
            tags_code: 0,
        })
    }

    /// A piece of a queue as it stands in its files: at most `count` units from `from` on, none for an
    /// offset outside. `None` for an unknown queue.
    ///
    /// # Errors
    /// What could not be read.
    pub fn queue_units(
        &self,
        topic: &str,
        queue_id: i32,
        from: i64,
        count: usize,
    ) -> Result<Option<QueueUnits>, StoreError> {
        let queues = &self.shared.queues;
        let Some(queue) = queues.queue(topic, queue_id) else {
            return Ok(None);
        };
        let (min_offset, max_offset) = queue.readable();
        let mut units = Vec::new();
        if (min_offset..max_offset).contains(&from) {
            let readable = usize::try_from(max_offset - from).unwrap_or(usize::MAX);
            let count = count.min(readable);
            queues.units(&queue, from, count, &mut units, ReadFrom::Anywhere)?;
        }
        Ok(Some(QueueUnits {
            min_offset,
            max_offset,
            units,
        }))
    }

    fn readable_unit(&self, queue: &ConsumeQueue, offset: i64) -> Result<Option<Unit>, StoreError> {
        let (min, max) = queue.readable();
        if !(min..max).contains(&offset) {
            return Ok(None);
        }
        let unit = self.shared.queues.unit(queue, offset)?;
        Ok(unit.filter(|unit| !unit.is_filler()))
    }

    /// When a unit's record was stored; `None` if it cannot be read (any more).
    fn store_time(&self, unit: Unit) -> Option<i64> {
        let mut head = [0; STORE_TIMESTAMP_AT + 12 + 8];
        self.shared.log.read(unit.phy, &mut head).ok()??;
        peek(&head)?;
        let flags = i32::from_be_bytes(*head.get(36..)?.first_chunk()?);
        let at = STORE_TIMESTAMP_AT
            + if flags & sys_flag::BORN_HOST_V6 == 0 {
                0
            } else {
                12
            };
        Some(i64::from_be_bytes(*head.get(at..)?.first_chunk()?))
    }
}

/// A record that a read has chosen.
struct Chosen {
    unit: Unit,
    /// Its place in the queue.
    offset: i64,
}

impl Chosen {
    fn len(&self) -> usize {
        self.unit.size.unsigned_abs() as usize
    }

    /// One past its last byte in the log.
    fn end(&self) -> i64 {
        self.unit.phy + self.len() as i64
    }
}

/// Records that can be handed out.
struct Sound {
    runs: Vec<Bytes>,
    count: usize,
}

/// Whether bytes of the log are the record that a queue has there.
fn check(queue: &ConsumeQueue, chosen: &Chosen, bytes: &[u8]) -> Result<(), String> {
    let record = Record::parse(bytes).map_err(|e| e.to_string())?;
    let Chosen { unit, offset } = *chosen;
    if !unit.is_of(offset, &queue.topic, queue.queue_id, &record) {
        return Err(format!(
            "message {} of queue {}-{} should be here, it is message {} of {}-{} at log offset {}",
            offset,
            queue.topic,
            queue.queue_id,
            record.queue_offset,
            record.topic,
            record.queue_id,
            record.physical_offset
        ));
    }
    record.verify_crc().map_err(|e| e.to_string())
}

/// Offset and length of records with what is between them.
fn span(records: &[Chosen]) -> (i64, usize) {
    match (records.first(), records.last()) {
        (Some(first), Some(last)) => {
            let before = usize::try_from(last.unit.phy - first.unit.phy).unwrap_or(0);
            (first.unit.phy, before + last.len())
        }
        _ => (0, 0),
    }
}

/// What an answer may hold.
#[derive(Default)]
struct Limits {
    bytes: usize,
}

impl Limits {
    /// Whether one more record would be too much. The first one never is.
    fn reached(
        &self,
        config: &crate::StoreConfig,
        request: &ReadRequest<'_>,
        on_disk: bool,
        size: i32,
        count: usize,
    ) -> bool {
        if count == 0 {
            return false;
        }
        let (max_bytes, max_count) = if on_disk {
            (
                config.max_transfer_bytes_on_message_in_disk,
                config.max_transfer_count_on_message_in_disk,
            )
        } else {
            (
                config.max_transfer_bytes_on_message_in_memory,
                config.max_transfer_count_on_message_in_memory,
            )
        };
        let max_bytes = max_bytes.min(request.max_bytes);
        self.bytes + size.unsigned_abs() as usize > max_bytes as usize
            || count >= max_count as usize
    }
}

impl ReadResult {
    fn none(status: ReadStatus, next_begin_offset: i64, min_offset: i64, max_offset: i64) -> Self {
        Self {
            status,
            runs: Vec::new(),
            message_count: 0,
            size: 0,
            next_begin_offset,
            min_offset,
            max_offset,
            suggest_slave: false,
        }
    }
}
