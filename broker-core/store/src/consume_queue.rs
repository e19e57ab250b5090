//! One consume queue in memory: its bounds and the newest units.
//!
//! A unit says where one message of the queue is in the commit log:
//!
//! | position | field | type |
//! |---|---|---|
//! | 0 | position of the record in the commit log | i64 |
//! | 8 | length of the record | i32 |
//! | 12 | tags code: hash of the tag, or delivery time for a delayed message | i64 |
//!
//! Unit n of a queue stands at byte n × 20 of the queue's files, which follow each other without a
//! gap and are named by the position of their first byte. All numbers are big-endian.
//!
//! A queue whose first unit is not at the start of a file has **fillers** in front of it: position
//! 0, length `i32::MAX`, tags code 0. They are valid units for Java, but no messages.
//!
//! **Invariants:** `min <= max`, `written <= max`, and `tail` holds exactly the units
//! `tail_start..max`. Units below `written` are in the files (not necessarily synced). When
//! `written < tail_start`, the units in between are fillers that are still to be written. This
//! module does no I/O; files are the business of [`crate::consume_queues`].

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use remoting::protocol::message::record::Record;

use crate::guards::lock;

/// Where one message of a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Position of the record in the commit log.
    pub phy: i64,
    /// Length of the record in bytes.
    pub size: i32,
    /// Hash of the message's tag, or its delivery time.
    pub tags_code: i64,
}

/// Bytes of a unit.
pub(crate) const UNIT_LEN: usize = 20;

impl Unit {
    /// Stands where a queue that starts in the middle of a file has no message.
    pub(crate) const FILLER: Self = Self {
        phy: 0,
        size: i32::MAX,
        tags_code: 0,
    };

    pub(crate) fn encode(self) -> [u8; UNIT_LEN] {
        let mut bytes = [0; UNIT_LEN];
        bytes[..8].copy_from_slice(&self.phy.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.size.to_be_bytes());
        bytes[12..].copy_from_slice(&self.tags_code.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; UNIT_LEN]) -> Self {
        let [p0, p1, p2, p3, p4, p5, p6, p7, s0, s1, s2, s3, tags @ ..] = *bytes;
        Self {
            phy: i64::from_be_bytes([p0, p1, p2, p3, p4, p5, p6, p7]),
            size: i32::from_be_bytes([s0, s1, s2, s3]),
            tags_code: i64::from_be_bytes(tags),
        }
    }

    /// Whether, at this place in a queue, it is the unit of a record.
    pub(crate) fn is_of(
        self,
        offset: i64,
        topic: &str,
        queue_id: i32,
        record: &Record<'_>,
    ) -> bool {
        record.physical_offset == self.phy
            && usize::try_from(self.size) == Ok(record.total_size)
            && record.queue_offset == offset
            && record.queue_id == queue_id
            && record.topic == topic
    }

    /// As Java judges; what was never written is all zeros and not valid.
    pub(crate) fn is_valid(self) -> bool {
        self.phy >= 0 && self.size > 0
    }

    pub(crate) fn is_filler(self) -> bool {
        self.phy == 0 && self.size == i32::MAX
    }

    /// One past the record's last byte in the commit log; 0 for a filler, which has no record.
    pub(crate) fn end(self) -> i64 {
        if self.is_filler() {
            0
        } else {
            self.phy.saturating_add(i64::from(self.size))
        }
    }
}

/// Decodes units laid end to end; an incomplete one at the end is left out.
pub(crate) fn decode_units(bytes: &[u8]) -> impl ExactSizeIterator<Item = Unit> {
    bytes.as_chunks::<UNIT_LEN>().0.iter().map(Unit::decode)
}

/// One queue of a topic. Shared by the appender and the readers; what a reader sees is consistent
/// within one call.
#[derive(Debug)]
pub(crate) struct ConsumeQueue {
    pub(crate) topic: Arc<str>,
    pub(crate) queue_id: i32,
    /// Distinguishes this queue's open files from those of any other, earlier ones included.
    pub(crate) serial: u32,
    /// What each of its units adds to the sum that the checkpoint keeps; see [`crate::consume_queues::Counted`].
    pub(crate) weight: u64,
    /// The offset to be given to the next message; negative while it is simply `max`. It runs ahead
    /// of `max` only while messages are on their way into the log. Used by the log's writer alone.
    next: AtomicI64,
    /// One past the last message that consumers may see: under `SYNC_FLUSH` only what is synced.
    published: AtomicI64,
    state: Mutex<State>,
}

/// See the module's invariants. All but `tail` is counted in units.
#[derive(Debug)]
pub(crate) struct State {
    /// The first unit that is a message whose record still exists.
    pub(crate) min: i64,
    /// The unit to be appended next.
    pub(crate) max: i64,
    pub(crate) written: i64,
    /// The first unit of the oldest file; `max` as long as nothing was ever appended.
    pub(crate) first_file: i64,
    /// One past the last byte of the last unit's record in the commit log.
    pub(crate) max_phy: i64,
    pub(crate) tail_start: i64,
    pub(crate) tail: Vec<u8>,
    /// Whether the queue is on the list of those with unwritten units.
    pub(crate) dirty: bool,
    /// Whether the queue is on the list of those whose tail is only kept for readers.
    pub(crate) resident: bool,
    /// Whether somebody appended or read since the last sweep over resident queues.
    pub(crate) touched: bool,
    /// Deleted: nothing may be written any more.
    pub(crate) gone: bool,
}

/// What became of a unit that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is in the queue now.
    New {
        /// The queue had nothing unwritten before.
        newly_dirty: bool,
        /// Offsets by which the queue's end has moved.
        moved: i64,
    },
    /// It was there already: a replay.
    AlreadyBuilt,
}

/// Why a unit was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AppendUnitError {
    /// Units in front of it are missing: files and log contradict each other.
    #[error("consume queue {topic}-{queue_id} continues at {next}, but the log at {offered}")]
    Gap {
        /// The topic.
        topic: Arc<str>,
        /// The queue.
        queue_id: i32,
        /// What the queue expects.
        next: i64,
        /// The queue offset of the offered message.
        offered: i64,
    },
    /// Writing to files has failed for so long that no more is taken into memory.
    #[error("{bytes} bytes of consume queues could not be written")]
    TooMuchUnwritten {
        /// Bytes in memory.
        bytes: usize,
    },
    /// The queue was deleted; look it up again.
    #[error("consume queue {topic}-{queue_id} was deleted")]
    Gone {
        /// The topic.
        topic: Arc<str>,
        /// The queue.
        queue_id: i32,
    },
    /// No offset of a queue.
    #[error("queue offset {0} is not valid")]
    InvalidOffset(i64),
}

impl ConsumeQueue {
    /// A queue without units.
    pub(crate) fn new(topic: Arc<str>, queue_id: i32, serial: u32) -> Self {
        let weight = weight(&topic, queue_id);
        Self {
            topic,
            queue_id,
            serial,
            weight,
            next: AtomicI64::new(-1),
            published: AtomicI64::new(0),
            state: Mutex::new(State {
                min: 0,
                max: 0,
                written: 0,
                first_file: 0,
                max_phy: 0,
                tail_start: 0,
                tail: Vec::new(),
                dirty: false,
                resident: false,
                touched: false,
                gone: false,
            }),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// First message whose record still exists, counted in messages of the queue.
    pub(crate) fn min_offset(&self) -> i64 {
        self.state().min
    }

    /// One past the last message.
    pub(crate) fn max_offset(&self) -> i64 {
        self.state().max
    }

    /// The first unit of the oldest file.
    pub(crate) fn first_file(&self) -> i64 {
        self.state().first_file
    }

    /// One past the last byte of the last message's record in the commit log; 0 when there is none.
    pub(crate) fn max_phy(&self) -> i64 {
        self.state().max_phy
    }

    /// For the writer: takes the next `count` offsets and returns the first. `None`: the queue was
    /// deleted; look it up again.
    pub(crate) fn assign(&self, count: u32) -> Option<i64> {
        let mut first = self.next.load(Ordering::Relaxed);
        let state = self.state();
        if state.gone {
            return None;
        }
        if first < 0 {
            first = state.max;
        }
        self.next.store(first + i64::from(count), Ordering::Relaxed);
        Some(first)
    }

    /// For the writer: gives back the offsets assigned last.
    pub(crate) fn withdraw(&self, count: u32) {
        self.next.fetch_sub(i64::from(count), Ordering::Relaxed);
    }

    /// Lets consumers see the messages before `end`.
    pub(crate) fn publish(&self, end: i64) {
        self.published.fetch_max(end, Ordering::Release);
    }

    /// First message whose record still exists, and one past the last that consumers may see.
    pub(crate) fn readable(&self) -> (i64, i64) {
        let published = self.published.load(Ordering::Acquire);
        let state = self.state();
        (state.min, published.min(state.max))
    }

    /// Puts fillers where messages are missing, so that those from `queue_offset` on keep their places. Returns their
    /// number; 0 when there is no gap, or none that could be true.
    pub(crate) fn fill_gap(&self, queue_offset: i64) -> i64 {
        let mut state = self.state();
        let gap = queue_offset.saturating_sub(state.max);
        if state.gone || !(1..=GAP_MAX).contains(&gap) {
            return 0;
        }
        if state.tail.is_empty() {
            state.tail_start = state.max;
        }
        for _ in 0..gap {
            state.tail.extend_from_slice(&Unit::FILLER.encode());
        }
        state.max = queue_offset;
        gap
    }

    /// Takes a unit that belongs at `queue_offset`. Idempotent: what the queue has already is
    /// recognised by the end of its record and by its offset.
    pub(crate) fn push(
        &self,
        unit: Unit,
        queue_offset: i64,
        units_per_file: i64,
    ) -> Result<Appended, AppendUnitError> {
        let mut state = self.state();
        if state.gone {
            return Err(AppendUnitError::Gone {
                topic: self.topic.clone(),
                queue_id: self.queue_id,
            });
        }
        if unit.end() <= state.max_phy || (0..state.max).contains(&queue_offset) {
            return Ok(Appended::AlreadyBuilt);
        }
        let end_before = state.max;
        if queue_offset != state.max {
            if !(0..=OFFSET_MAX).contains(&queue_offset) {
                return Err(AppendUnitError::InvalidOffset(queue_offset));
            }
            // Only a queue without units may start anywhere.
            if state.max > 0 {
                return Err(AppendUnitError::Gap {
                    topic: self.topic.clone(),
                    queue_id: self.queue_id,
                    next: state.max,
                    offered: queue_offset,
                });
            }
            let file_start = queue_offset - queue_offset % units_per_file;
            state.first_file = file_start;
            state.written = file_start;
            state.min = queue_offset;
            state.max = queue_offset;
            state.tail_start = queue_offset;
        }
        if state.tail.is_empty() {
            state.tail_start = state.max;
            state.tail.reserve(UNIT_LEN * 8);
        }
        state.tail.extend_from_slice(&unit.encode());
        state.max += 1;
        state.max_phy = unit.end();
        state.touched = true;
        let newly_dirty = !std::mem::replace(&mut state.dirty, true);
        Ok(Appended::New {
            newly_dirty,
            moved: state.max - end_before,
        })
    }
}

/// A number that stands for a queue: FNV-1a of topic and queue number, odd, so that no number of units adds nothing.
fn weight(topic: &str, queue_id: i32) -> u64 {
    let number = queue_id.to_be_bytes();
    let bytes = topic.bytes().chain(number);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash | 1
}

/// Units that a gap in a queue may have: what claims to be further ahead is damaged itself.
const GAP_MAX: i64 = 1_000_000;

/// Byte positions in a queue's files must fit an i64.
const OFFSET_MAX: i64 = i64::MAX / UNIT_LEN as i64 - 1;

impl State {
    /// Adds units from memory; `false` when the first of them is not there.
    pub(crate) fn copy_tail(&self, from: i64, max_count: usize, out: &mut Vec<Unit>) -> bool {
        let Ok(skip) = usize::try_from(from - self.tail_start) else {
            return false;
        };
        let bytes = self.tail.get(skip * UNIT_LEN..).unwrap_or_default();
        out.extend(decode_units(bytes).take(max_count));
        true
    }

    /// One unit from memory, if it is there.
    pub(crate) fn unit_in_tail(&self, unit: i64) -> Option<Unit> {
        let skip = usize::try_from(unit.checked_sub(self.tail_start)?).ok()?;
        let bytes = self.tail.get(skip.checked_mul(UNIT_LEN)?..)?;
        bytes.first_chunk().map(Unit::decode)
    }

    /// Bytes that are not in the files yet, fillers included.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        usize::try_from(self.max - self.written).unwrap_or(0) * UNIT_LEN
    }

    /// The units in memory that are not in the files yet.
    pub(crate) fn unwritten_tail(&self) -> &[u8] {
        let skip = usize::try_from(self.written - self.tail_start).unwrap_or(0);
        self.tail.get(skip * UNIT_LEN..).unwrap_or_default()
    }

    /// Forgets the oldest written units until at most `keep` units are left. Returns the bytes
    /// that it freed.
    pub(crate) fn trim(&mut self, keep: usize) -> usize {
        let written = usize::try_from(self.written - self.tail_start).unwrap_or(0);
        let cut = written.min((self.tail.len() / UNIT_LEN).saturating_sub(keep));
        let freed = cut * UNIT_LEN;
        if freed == self.tail.len() {
            self.tail = Vec::new();
        } else {
            self.tail.drain(..freed);
            self.tail.shrink_to(self.tail.len() * 2);
        }
        self.tail_start += i64::try_from(cut).unwrap_or(0);
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> ConsumeQueue {
        ConsumeQueue::new("T".into(), 0, 0)
    }

    fn unit(n: i64) -> Unit {
        Unit {
            phy: n * 100,
            size: 100,
            tags_code: -n,
        }
    }

    #[test]
    fn unit_has_javas_bytes() {
        // Test vector 16.3 of a record with tag `TagA`.
        let unit = Unit {
            phy: 1_073_741_824,
            size: 176,
            tags_code: 2_598_919,
        };
        let bytes = [
            0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 0x27, 0xa8, 0x07,
        ];
        assert_eq!(unit.encode(), bytes);
        assert_eq!(Unit::decode(&bytes), unit);
        assert!(unit.is_valid() && !unit.is_filler());
        assert!(!Unit::decode(&[0; UNIT_LEN]).is_valid());
        assert!(Unit::FILLER.is_valid() && Unit::FILLER.is_filler());
        assert_eq!(Unit::FILLER.end(), 0);
    }

    #[test]
    fn a_replay_is_recognised_and_a_gap_refused() {
        let queue = queue();
        let new = |newly_dirty| {
            let moved = 1;
            Ok(Appended::New { newly_dirty, moved })
        };
        assert_eq!(queue.push(unit(1), 0, 10), new(true));
        assert_eq!(queue.push(unit(2), 1, 10), new(false));
        assert_eq!(queue.push(unit(2), 1, 10), Ok(Appended::AlreadyBuilt));
        // Known by its record alone, whatever offset it claims.
        assert_eq!(queue.push(unit(1), 7, 10), Ok(Appended::AlreadyBuilt));
        assert!(matches!(
            queue.push(unit(9), 3, 10),
            Err(AppendUnitError::Gap {
                next: 2,
                offered: 3,
                ..
            })
        ));
        assert_eq!((queue.max_offset(), queue.max_phy()), (2, 300));
    }

    #[test]
    fn a_new_queue_may_start_anywhere() {
        let far = queue();
        far.push(unit(3), 25, 10).unwrap();
        let state = far.state();
        assert_eq!((state.min, state.max, state.first_file), (25, 26, 20));
        assert_eq!((state.written, state.tail_start), (20, 25));
        assert_eq!(state.unwritten_bytes(), 6 * UNIT_LEN);
        assert_eq!(state.unwritten_tail().len(), UNIT_LEN);
        for offset in [-1, i64::MAX] {
            let refused = queue().push(unit(1), offset, 10);
            assert_eq!(refused, Err(AppendUnitError::InvalidOffset(offset)));
        }
    }

    #[test]
    fn memory_serves_the_tail_only() {
        let queue = queue();
        for n in 0..10 {
            queue.push(unit(n + 1), n, 100).unwrap();
        }
        {
            let mut state = queue.state();
            state.written = 8;
            assert_eq!(state.trim(5), 5 * UNIT_LEN);
            // What is not written stays, however little is to be kept.
            assert_eq!(state.trim(0), 3 * UNIT_LEN);
            assert_eq!((state.tail_start, state.tail.len()), (8, 2 * UNIT_LEN));
        }
        let mut out = Vec::new();
        assert!(queue.state().copy_tail(8, 32, &mut out));
        assert_eq!(out, [unit(9), unit(10)]);
        assert!(!queue.state().copy_tail(7, 32, &mut out));
        assert_eq!(out.len(), 2);
    }
}
