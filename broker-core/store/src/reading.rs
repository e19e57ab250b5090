//! Reading: messages of a queue, positions, single messages, messages by key.
//!
//! Messages are handed out as the log has them. The newest come from memory, shared and not copied;
//! older ones are copied from the files. What the system has in memory needs no thread that may wait.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use remoting::protocol::message::record::{MIN_BYTES, Record, peek};
use remoting::protocol::message::sys_flag;

use crate::consume_queue::{ConsumeQueue, Unit};
use crate::fs::FileSystem;
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
    /// disk is logged and answered as [`ReadStatus::OffsetFoundNull`]: the consumer asks again.
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
        let mut chosen: Vec<(i64, usize)> = Vec::with_capacity(wanted.min(64));
        let mut units = Vec::new();
        let mut next = offset;
        let mut removed = false;
        'units: while next < scan_end {
            units.clear();
            let count = usize::try_from(scan_end - next)
                .unwrap_or(0)
                .min(wanted.max(32));
            if !shared.queues.units(&queue, next, count, &mut units, from)? {
                if chosen.is_empty() {
                    return Ok(None);
                }
                break;
            }
            if units.is_empty() {
                // The queue's beginning has moved behind the offset since we looked.
                break;
            }
            for unit in &units {
                if unit.is_filler() || unit.phy < log_min {
                    removed = true;
                } else if matches(unit.tags_code) {
                    let far = shared.is_far_behind(unit.phy);
                    if limits.reached(&shared.config, request, far, unit.size, chosen.len()) {
                        break 'units;
                    }
                    limits.bytes += unit.size.unsigned_abs() as usize;
                    chosen.push((unit.phy, unit.size.unsigned_abs() as usize));
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
        let hot = shared.tail.read(chosen.iter().copied(), &mut pieces);
        let runs = if hot == chosen.len() {
            pieces.into_runs()
        } else {
            match self.read_records(&chosen, from)? {
                Some(runs) => runs,
                None if from == ReadFrom::MemoryOnly => return Ok(None),
                // Retention was faster.
                None => return none(ReadStatus::MessageWasRemoving, next),
            }
        };
        let last = chosen.last().map_or(0, |&(phy, _)| phy);
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

    /// Reads records from the files. `None`: one of them is gone, or, where the disk must not be
    /// waited for, not in memory.
    fn read_records(
        &self,
        chosen: &[(i64, usize)],
        how: ReadFrom,
    ) -> Result<Option<Vec<Bytes>>, StoreError> {
        let log = &self.shared.log;
        let file_size = log.file_size();
        if let Some(&(phy, len)) = chosen.iter().find(|(_, len)| *len as i64 > file_size) {
            return Err(self.damaged_unit(phy, len));
        }
        let near: Vec<&[(i64, usize)]> = self.neighbours(chosen, COPIED_GAP_MAX).collect();
        if how == ReadFrom::Anywhere {
            self.announce(chosen);
        }
        let mut buffer = vec![0; near.iter().map(|records| span(records).1).sum()];
        let mut place = &mut buffer[..];
        for records in &near {
            let (start, len) = span(records);
            let (now, later) = place.split_at_mut(len);
            let read = match how {
                ReadFrom::MemoryOnly => log.read_cached(start, now)?,
                ReadFrom::Anywhere => log.read(start, now)?,
            };
            if read.is_none() {
                return Ok(None);
            }
            place = later;
        }
        let buffer = Bytes::from(buffer);
        let mut runs = Vec::with_capacity(chosen.len());
        // Neighbours without a gap stay one run.
        let mut run = 0..0;
        let mut begin = 0;
        for records in near {
            let (start, len) = span(records);
            for &(phy, len) in records {
                let at = begin + (phy - start) as usize;
                let size = peek(&buffer[at..]).map(|(size, _)| size);
                if size.and_then(|size| usize::try_from(size).ok()) != Some(len) {
                    return Err(self.damaged_unit(phy, len));
                }
                if run.end != at {
                    if !run.is_empty() {
                        runs.push(buffer.slice(run));
                    }
                    run = at..at;
                }
                run.end = at + len;
            }
            begin += len;
        }
        runs.push(buffer.slice(run));
        Ok(Some(runs))
    }

    /// Splits records into groups that lie in one file, with gaps of so many bytes at most.
    fn neighbours<'c>(
        &self,
        chosen: &'c [(i64, usize)],
        gap_max: i64,
    ) -> impl Iterator<Item = &'c [(i64, usize)]> + use<'c, E, F> {
        let file_size = self.shared.log.file_size();
        let mut rest = chosen;
        std::iter::from_fn(move || {
            let &(start, len) = rest.first()?;
            let mut end = start + len as i64;
            let mut count = 1;
            while let Some(&(phy, len)) = rest.get(count)
                && phy >= end
                && phy - end <= gap_max
                && phy + len as i64 - start <= SPAN_MAX
                && phy / file_size == start / file_size
            {
                end = phy + len as i64;
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            rest = later;
            Some(now)
        })
    }

    /// Lets the system read near records with one request to the disk, the gaps between them
    /// included.
    fn announce(&self, chosen: &[(i64, usize)]) {
        for records in self.neighbours(chosen, GAP_MAX) {
            if records.len() > 1 {
                let (start, len) = span(records);
                self.shared.log.will_need(start, len);
            }
        }
    }

    fn damaged_unit(&self, phy: i64, len: usize) -> StoreError {
        let log = &self.shared.log;
        let segment = log.segment_at(phy);
        let path = segment.as_ref().map_or(log.dir(), |segment| segment.path());
        let position = segment
            .as_ref()
            .map_or(0, |segment| (phy - segment.start()).unsigned_abs());
        let what = format!("a consume queue names a record of {len} bytes here, where none is");
        StoreError::damaged(path, position, what)
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
    /// What could not be read.
    pub fn message_at(&self, commit_log_offset: i64) -> Result<Option<Bytes>, StoreError> {
        let shared = &*self.shared;
        if commit_log_offset < shared.log.min_offset()
            || commit_log_offset >= shared.visible.load(Ordering::Acquire)
        {
            return Ok(None);
        }
        let mut head = [0; MIN_BYTES];
        if shared.log.read(commit_log_offset, &mut head)?.is_none() {
            return Ok(None);
        }
        let size = peek(&head).map_or(0, |(size, _)| usize::try_from(size).unwrap_or(0));
        // The number comes from anywhere in the log if the position does.
        if size < MIN_BYTES
            || size as i64 > shared.written.load(Ordering::Acquire) - commit_log_offset
        {
            return Ok(None);
        }
        let mut bytes = vec![0; size];
        if shared.log.read(commit_log_offset, &mut bytes)?.is_none() {
            return Ok(None);
        }
        let whole =
            Record::parse(&bytes).is_ok_and(|record| record.physical_offset == commit_log_offset);
        Ok(whole.then(|| bytes.into()))
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
            messages.extend(self.message_at(offset)?);
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

/// Offset and length of records with what is between them.
fn span(records: &[(i64, usize)]) -> (i64, usize) {
    match (records.first(), records.last()) {
        (Some(&(start, _)), Some(&(last, len))) => {
            let before = usize::try_from(last - start).unwrap_or(0);
            (start, before + len)
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
