//! Reading: messages of a queue, positions, single messages, messages by key.
//!
//! Messages are handed out as the log has them. The newest come from memory, shared and not copied;
//! older ones are copied from the files. What the system has in memory needs no thread that may wait.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use remoting::protocol::message::record::peek;
use remoting::protocol::message::sys_flag;

use crate::chosen_records::{Chosen, Sound};
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
            match shared.read_records(&queue, &chosen, from)? {
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
            .map_err(|e| self.shared.damaged(commit_log_offset, e.to_string()))?;
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
