//! The records that a read of a queue has chosen: fetched from the log's files, with as few calls as that takes, and
//! looked at before they are handed out.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use remoting::protocol::message::record::Record;

use crate::common_blocks::{BLOCK_BYTES, BYTES_PER_CALL, Visit, Visitor, cost};
use crate::consume_queue::{ConsumeQueue, Unit};
use crate::fs::FileSystem;
use crate::shared::Shared;
use crate::{ReadFrom, StoreError, StoreEvents};

/// Records this close to each other are asked for together.
const GAP_MAX: i64 = 16 * 1024;
/// Records this close to each other are read with one call: copying what is between them costs less.
const COPIED_GAP_MAX: i64 = BYTES_PER_CALL;
/// So many records of a block make it worth asking for the whole.
const BLOCK_RECORDS_MIN: usize = 4;
/// If at least so many times their bytes lie between the first and the last.
const SPARSE: usize = 3;
/// Bytes that are asked for together.
const SPAN_MAX: i64 = 1024 * 1024;

/// A record that a read has chosen.
pub(crate) struct Chosen {
    pub(crate) unit: Unit,
    /// Its place in the queue.
    pub(crate) offset: i64,
}

impl Chosen {
    pub(crate) fn len(&self) -> usize {
        self.unit.size.unsigned_abs() as usize
    }

    /// One past its last byte in the log.
    fn end(&self) -> i64 {
        self.unit.phy + self.len() as i64
    }
}

/// Records, and the bytes of the log from `begin` on that they lie in.
struct Part<'c> {
    records: &'c [Chosen],
    begin: i64,
    bytes: Bytes,
}

/// Why a record was not read.
enum Unread {
    /// It is gone, or, where the disk must not be waited for, not in memory.
    Nowhere,
    Failed(StoreError),
}

/// Records that can be handed out.
pub(crate) struct Sound {
    pub(crate) runs: Vec<Bytes>,
    pub(crate) count: usize,
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

/// Where the block begins in which a record does.
fn block_of(chosen: &Chosen) -> i64 {
    chosen.unit.phy - chosen.unit.phy % BLOCK_BYTES
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

impl<E: StoreEvents, F: FileSystem> Shared<E, F> {
    /// Reads records from the files, and looks at each whether it is the one that its unit names, and whole: what has
    /// lain on a disk may have changed there. Gives those in front of the first that is not. `None`: one of them is gone,
    /// or, where the disk must not be waited for, not in memory.
    pub(crate) fn read_records(
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
        let blocks = self.visit_blocks(queue, readable);
        let is_found = |(_, visit): &(usize, Visit)| matches!(visit, Visit::Found(_));
        if how == ReadFrom::Anywhere && !blocks.iter().all(is_found) {
            self.announce(readable);
        }
        // Where the disk is not waited for, there is nothing worth measuring.
        let begin_ms = (how == ReadFrom::Anywhere).then(|| self.clock.now_ms());
        let mut parts = Vec::with_capacity(readable.len());
        let unread = self.read_parts(readable, blocks, how, &mut parts);
        if let Some(begin_ms) = begin_ms {
            let took_ms = (self.clock.now_ms() - begin_ms).max(0);
            let longest = &self.counters.get_time_max_ms;
            longest.fetch_max(took_ms.unsigned_abs(), Ordering::Relaxed);
        }
        match unread {
            Ok(()) => {}
            Err(Unread::Failed(error)) => failure = Some(error),
            Err(Unread::Nowhere) => return Ok(None),
        }
        let mut runs = Vec::with_capacity(parts.len());
        let mut count = 0;
        for Part {
            records,
            begin,
            bytes,
        } in parts
        {
            // Neighbours without a gap stay one run.
            let mut run = 0..0;
            let mut damage = None;
            for record in records {
                let at = (record.unit.phy - begin) as usize;
                let end = at + record.len();
                if let Err(what) = check(queue, record, &bytes[at..end]) {
                    damage = Some(self.damaged(record.unit.phy, what));
                    break;
                }
                count += 1;
                if run.end != at {
                    if !run.is_empty() {
                        runs.push(bytes.slice(run));
                    }
                    run = at..at;
                }
                run.end = end;
            }
            if !run.is_empty() {
                runs.push(bytes.slice(run));
            }
            if damage.is_some() {
                failure = damage;
                break;
            }
        }
        if count == 0
            && let Some(failure) = failure
        {
            return Err(failure);
        }
        Ok(Some(Sound { runs, count }))
    }

    /// Splits records into those that lie in one block of the log, which others may be after as well: how many they are,
    /// and what the block is to them.
    fn visit_blocks(&self, queue: &ConsumeQueue, chosen: &[Chosen]) -> Vec<(usize, Visit)> {
        let mut visits = Vec::new();
        let mut rest = chosen;
        while let Some(first) = rest.first() {
            let begin = block_of(first);
            let inside =
                |record: &Chosen| record.unit.phy >= begin && record.end() <= begin + BLOCK_BYTES;
            let count = rest.iter().take_while(|record| inside(record)).count();
            // One that does not end in the block in which it begins.
            let (records, later) = rest.split_at(count.max(1));
            rest = later;
            let visit = match &records[..count] {
                inside @ [first, .., last] if self.is_worth_a_block(begin, inside) => {
                    let visitor = Visitor {
                        queue: std::ptr::from_ref(queue).addr(),
                        first: first.offset,
                        last: last.offset,
                        cost: self.cost_apart(inside),
                    };
                    self.common_blocks.visit(begin, visitor)
                }
                _ => Visit::Alone,
            };
            visits.push((records.len(), visit));
        }
        visits
    }

    fn cost_apart(&self, records: &[Chosen]) -> i64 {
        self.neighbours(records, COPIED_GAP_MAX)
            .map(|near| cost(span(near).1 as i64))
            .sum()
    }

    /// Whether reading the block that begins at `begin` would save calls or copies, and can be done whole.
    fn is_worth_a_block(&self, begin: i64, records: &[Chosen]) -> bool {
        let wanted: usize = records.iter().map(Chosen::len).sum();
        let file_size = self.log.file_size();
        let end = begin + BLOCK_BYTES;
        records.len() >= BLOCK_RECORDS_MIN
            && wanted * SPARSE <= span(records).1
            && end <= self.written.load(Ordering::Acquire)
            && begin / file_size == (end - 1) / file_size
    }

    /// Reads records, as far as that is possible. Those before the first that cannot be read are among the parts.
    fn read_parts<'c>(
        &self,
        chosen: &'c [Chosen],
        blocks: Vec<(usize, Visit)>,
        how: ReadFrom,
        parts: &mut Vec<Part<'c>>,
    ) -> Result<(), Unread> {
        let mut rest = chosen;
        // Of `rest`, so many records are in no block that is at hand.
        let mut apart = 0;
        for (count, visit) in blocks {
            let block = match visit {
                Visit::Found(bytes) => Some(bytes),
                Visit::Shared(memory) => self.read_block(block_of(&rest[apart]), memory, how),
                Visit::Alone => None,
            };
            let Some(bytes) = block else {
                apart += count;
                continue;
            };
            let (before, from) = rest.split_at(apart);
            let (records, later) = from.split_at(count);
            self.read_apart(before, how, parts)?;
            let begin = block_of(&records[0]);
            parts.push(Part {
                records,
                begin,
                bytes,
            });
            (rest, apart) = (later, 0);
        }
        self.read_apart(rest, how, parts)
    }

    /// A whole block. `None` if not all of it can be read: that says nothing of the records that are wanted.
    fn read_block(&self, begin: i64, memory: Option<BytesMut>, how: ReadFrom) -> Option<Bytes> {
        let mut block = memory.unwrap_or_else(|| BytesMut::zeroed(BLOCK_BYTES as usize));
        self.read_log(begin, &mut block, how).ok()??;
        let block = block.freeze();
        self.common_blocks.keep(begin, block.clone());
        Some(block)
    }

    /// Reads records and little else.
    fn read_apart<'c>(
        &self,
        records: &'c [Chosen],
        how: ReadFrom,
        parts: &mut Vec<Part<'c>>,
    ) -> Result<(), Unread> {
        let near: Vec<&[Chosen]> = self.neighbours(records, COPIED_GAP_MAX).collect();
        let mut buffer = vec![0; near.iter().map(|records| span(records).1).sum()];
        let (mut read, unread) = self.fill(&near, &mut buffer, how);
        let mut buffer = Bytes::from(buffer);
        for records in near {
            let (begin, len) = span(records);
            let bytes = buffer.split_to(len);
            let records = &records[..records.len().min(read)];
            read -= records.len();
            if !records.is_empty() {
                parts.push(Part {
                    records,
                    begin,
                    bytes,
                });
            }
        }
        unread
    }

    /// Fills the buffer with records, group behind group. Returns how many could be read before one could not, and why
    /// that could not.
    fn fill(
        &self,
        near: &[&[Chosen]],
        mut place: &mut [u8],
        how: ReadFrom,
    ) -> (usize, Result<(), Unread>) {
        let mut read = 0;
        for records in near {
            let (start, len) = span(records);
            let (now, later) = place.split_at_mut(len);
            match self.read_log(start, now, how) {
                Ok(Some(())) => read += records.len(),
                Ok(None) => return (read, Err(Unread::Nowhere)),
                // A record that can be read must not suffer from its neighbours.
                Err(_) => {
                    for record in *records {
                        let at = (record.unit.phy - start) as usize;
                        let place = &mut now[at..at + record.len()];
                        match self.read_log(record.unit.phy, place, how) {
                            Ok(Some(())) => read += 1,
                            Ok(None) => return (read, Err(Unread::Nowhere)),
                            Err(error) => return (read, Err(Unread::Failed(error))),
                        }
                    }
                }
            }
            place = later;
        }
        (read, Ok(()))
    }

    fn read_log(
        &self,
        at: i64,
        buffer: &mut [u8],
        how: ReadFrom,
    ) -> Result<Option<()>, StoreError> {
        match how {
            ReadFrom::MemoryOnly => self.log.read_cached(at, buffer),
            ReadFrom::Anywhere => self.log.read(at, buffer),
        }
    }

    /// Whether a record can lie where a unit has it: within what is written, and within one file.
    fn can_be(&self, chosen: &Chosen) -> bool {
        let file_size = self.log.file_size();
        let Some(end) = chosen.unit.phy.checked_add(chosen.len() as i64) else {
            return false;
        };
        end <= self.written.load(Ordering::Acquire)
            && chosen.unit.phy / file_size == (end - 1) / file_size
    }

    /// Splits records into groups that lie in one file, with gaps of so many bytes at most.
    fn neighbours<'c>(
        &self,
        chosen: &'c [Chosen],
        gap_max: i64,
    ) -> impl Iterator<Item = &'c [Chosen]> + use<'c, E, F> {
        let file_size = self.log.file_size();
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
                self.log.will_need(start, len);
            }
        }
    }

    pub(crate) fn damaged(&self, phy: i64, what: impl Into<String>) -> StoreError {
        let (path, byte) = self.log.place_of(phy);
        StoreError::damaged(&path, byte, what)
    }
}
