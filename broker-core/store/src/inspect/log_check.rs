//! Reading the log once, its files in parallel: each record is compared with its unit and its index entries on the way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use remoting::protocol::message::record::Record;
use remoting::protocol::message::sys_flag;
use remoting::protocol::names::SCHEDULE_TOPIC;

use super::finding::{Findings, Problem};
use super::index_check::IndexWalk;
use super::queue_files::{QueueFiles, Survey};
use super::state::{State, is_topic};
use super::{OfflineStore, Progress, Walk};
use crate::StoreError;
use crate::commit_log::{CommitLog, Segment};
use crate::consume_queue::{UNIT_LEN, Unit, decode_units};
use crate::dispatch::derive;
use crate::fs::{File, FileSystem};
use crate::index::{Index, Sealed};
use crate::log_scan::{LogScan, Scanned, record_at};

/// Bytes of units that the walk through the log keeps at hand, over all queues.
const UNITS_AT_HAND_BYTES: usize = 64 * 1024 * 1024;
/// Units that are read at once for a queue, at most and at least.
const UNITS_AT_ONCE: (usize, usize) = (819, 32);
/// Threads that read the log.
const THREADS_MAX: usize = 4;

/// What all threads look at.
pub(super) struct Check<'a, F: FileSystem> {
    pub(super) store: &'a OfflineStore<F>,
    pub(super) log: &'a CommitLog<F>,
    pub(super) state: &'a State,
    pub(super) topics: Option<&'a BTreeSet<String>>,
    pub(super) queues: &'a QueueFiles<F>,
    pub(super) surveys: &'a [Survey],
    pub(super) index: &'a Index<F>,
    pub(super) index_files: Vec<Arc<Sealed<F>>>,
    /// The part of the log that the index speaks of.
    pub(super) indexed: std::ops::RangeInclusive<i64>,
    pub(super) progress: Progress<'a>,
}

/// What one thread found.
pub(super) struct Part {
    pub(super) findings: Findings,
    pub(super) segments: Vec<SegmentEnd>,
    /// By queue, records that found their unit.
    pub(super) matched: Vec<u64>,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) without_queue: u64,
    pub(super) pending: u64,
}

/// What was found in one file of the log.
#[derive(Debug, Default)]
pub(super) struct SegmentEnd {
    pub(super) start: i64,
    /// Where its last record ends, or where it starts if it has none.
    pub(super) records_end: i64,
    /// Where nothing but zeros follows.
    pub(super) data_end: i64,
    pub(super) last_timestamp: i64,
    pub(super) damages: Vec<Damage>,
}

#[derive(Debug)]
pub(super) struct Damage {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) what: String,
}

impl<F: FileSystem> Check<'_, F> {
    /// Reads all of the log.
    pub(super) fn all_segments(&self) -> Result<Vec<Part>, StoreError> {
        let segments = self.log.segments();
        let next = AtomicUsize::new(0);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(THREADS_MAX).min(segments.len()).max(1);
        let work = || -> Result<Part, StoreError> {
            let mut reader = Reader::new(self, threads);
            while let Some(segment) = segments.get(next.fetch_add(1, Ordering::Relaxed)) {
                reader.segment(segment)?;
            }
            Ok(reader.part)
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let ended = running.into_iter().map(|thread| match thread.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.collect()
        })
    }
}

/// One thread on its way through files of the log.
struct Reader<'a, F: FileSystem> {
    check: &'a Check<'a, F>,
    part: Part,
    units: UnitsAtHand,
    keys: Vec<i32>,
    /// The topic of the last record, and its queues: the next record is often of the same.
    topic: String,
    queues: &'a [(i32, usize)],
}

/// Some units of each queue, around the place where the log is being read.
struct UnitsAtHand {
    queues: Vec<(i64, Vec<u8>)>,
    at_once: i64,
}

impl UnitsAtHand {
    fn unit<F: FileSystem>(
        &mut self,
        files: &QueueFiles<F>,
        queue: usize,
        offset: i64,
    ) -> Result<Option<Unit>, StoreError> {
        let (first, bytes) = &mut self.queues[queue];
        let at = |first: i64| usize::try_from(offset.checked_sub(first)?).ok();
        let there = at(*first).and_then(|at| bytes.as_chunks().0.get(at));
        let unit = match there {
            Some(unit) => Some(Unit::decode(unit)),
            None => {
                *bytes = files.read(queue, offset, self.at_once)?;
                *first = offset;
                decode_units(bytes).next()
            }
        };
        Ok(unit.filter(|unit| unit.is_valid()))
    }
}

impl<'a, F: FileSystem> Reader<'a, F> {
    fn new(check: &'a Check<'a, F>, threads: usize) -> Self {
        let count = check.queues.queues.len();
        let each = UNITS_AT_HAND_BYTES / threads / count.max(1) / UNIT_LEN;
        let (most, least) = UNITS_AT_ONCE;
        Self {
            check,
            part: Part {
                findings: Findings::default(),
                segments: Vec::new(),
                matched: vec![0; count],
                messages: 0,
                bytes: 0,
                without_queue: 0,
                pending: 0,
            },
            units: UnitsAtHand {
                queues: vec![(0, Vec::new()); count],
                at_once: i64::try_from(each.clamp(least, most)).unwrap_or(0),
            },
            keys: Vec::new(),
            topic: String::new(),
            queues: &[],
        }
    }

    fn queue_of(&mut self, record: &Record<'_>) -> Option<usize> {
        if self.topic != record.topic {
            record.topic.clone_into(&mut self.topic);
            self.queues = self.check.queues.of_topic(record.topic);
        }
        let mut queues = self.queues.iter();
        let found = queues.find(|(id, _)| *id == record.queue_id);
        found.map(|&(_, queue)| queue)
    }

    fn segment(&mut self, segment: &Segment<F>) -> Result<(), StoreError> {
        let check = self.check;
        let (log, start) = (check.log, segment.start());
        let end = start + log.file_size();
        let mut index = IndexWalk::from(check.index_files.clone(), check.index.layout(), start)?;
        let mut scan = LogScan::new(log, start, true);
        let mut found = SegmentEnd {
            start,
            records_end: start,
            data_end: end,
            ..SegmentEnd::default()
        };
        let mut walk = Walk::from(check.progress, start);
        loop {
            walk.at(scan.position());
            if scan.position() >= end {
                break;
            }
            let what = match scan.next_record() {
                Ok(Scanned::Record(record)) => {
                    // Behind the blank record begins the next file.
                    if record.physical_offset >= end {
                        break;
                    }
                    found.records_end = record.physical_offset + record.total_size as i64;
                    found.last_timestamp = found.last_timestamp.max(record.store_timestamp);
                    self.record(&record, &mut index)?;
                    continue;
                }
                Ok(Scanned::End) => None,
                Ok(Scanned::Invalid(what)) => Some(what),
                Err(e) if e.is_of_opening() => return Err(e),
                Err(e) => Some(e.with_cause()),
            };
            let from = scan.position();
            if from >= end {
                break;
            }
            let what = match what {
                Some(what) => what,
                None => match next_data(check, segment, from)? {
                    None => {
                        found.data_end = from;
                        break;
                    }
                    Some(data) => format!("zeros, and something else again at {data}"),
                },
            };
            let mut to = scan.pass_over();
            if to >= end {
                // Where nothing follows, the damage ends with the last byte that is not zero.
                to = last_data(check, segment, from)?.max(from + 1);
                found.data_end = to;
            }
            found.damages.push(Damage { from, to, what });
        }
        index.pass_to(
            end.min(check.indexed.end().saturating_add(1)),
            &mut self.part.findings,
        )?;
        walk.ends_at(end);
        self.part.bytes += (found.data_end - start).unsigned_abs();
        self.part.segments.push(found);
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, index: &mut IndexWalk<F>) -> Result<(), StoreError> {
        let check = self.check;
        let phy = record.physical_offset;
        self.part.messages += 1;
        self.keys.clear();
        let levels = &check.store.config.delay_levels_ms;
        let derived = derive(record, levels, Some(&mut self.keys));
        if check.indexed.contains(&phy) {
            let all = index.check(
                phy,
                record.store_timestamp,
                &self.keys,
                &mut self.part.findings,
            )?;
            if !all {
                self.not_indexed(record);
            }
        } else if phy > *check.indexed.end() && !check.indexed.is_empty() && !self.keys.is_empty() {
            if phy >= check.state.replayed_from {
                self.part.pending += 1;
            } else {
                self.not_indexed(record);
            }
        }
        if !derived.in_queue || record.sys_flag & sys_flag::INNER_BATCH != 0 || record.queue_id < 0
        {
            return Ok(());
        }
        let Some(queue) = self.queue_of(record) else {
            if phy >= check.state.replayed_from {
                self.part.pending += 1;
            } else if !is_topic(check.topics, record.topic) {
                self.part.without_queue += 1;
            } else {
                let dir = check.queues.dir.join(record.topic);
                let dir = dir.join(record.queue_id.to_string());
                let what = format!("the queue is absent, but message {}", record.queue_offset);
                let what = format!("{what} at log offset {phy} belongs to it");
                let byte = record.queue_offset.unsigned_abs() * UNIT_LEN as u64;
                let findings = &mut self.part.findings;
                findings.add(Problem::UnitMissing, &dir, byte, UNIT_LEN as u64, what);
            }
            return Ok(());
        };
        let offset = record.queue_offset;
        let unit = self.units.unit(check.queues, queue, offset)?;
        let known = [
            record.topic == SCHEDULE_TOPIC,
            unit.is_some_and(is_extended),
        ];
        if let Some(unit) = unit
            && unit.is_of(offset, record.topic, record.queue_id, record)
        {
            self.part.matched[queue] += 1;
            let tags_code = derived.tags.code(record.store_timestamp);
            // The levels may be others, and the code an address.
            if unit.tags_code != tags_code && !known.contains(&true) {
                let (path, byte) = check.queues.place(queue, offset);
                let what = format!(
                    "unit {offset} has tags code {}, its message {tags_code}",
                    unit.tags_code
                );
                let findings = &mut self.part.findings;
                findings.add(Problem::UnitWrong, &path, byte, UNIT_LEN as u64, what);
            }
            return Ok(());
        }
        if phy >= check.state.replayed_from {
            self.part.pending += 1;
        } else if self.is_of_an_earlier_queue(queue, record)? {
            self.part.without_queue += 1;
        } else if unit.is_none_or(|unit| unit.is_filler() || unit.phy < check.log.min_offset()) {
            // Any other unit is found when the units are looked up.
            let (path, byte) = check.queues.place(queue, offset);
            let what = format!("message {offset} at log offset {phy} has no unit");
            // A crash may bring an expired file of the log back, whose units are gone.
            let expired = check.log.min_offset() > 0 && offset < check.surveys[queue].first;
            let problem = if expired {
                Problem::QueueBeginsLater
            } else {
                Problem::UnitMissing
            };
            let findings = &mut self.part.findings;
            findings.add(problem, &path, byte, UNIT_LEN as u64, what);
        }
        Ok(())
    }

    /// Whether the queue was deleted with its topic after this message, and began anew.
    fn is_of_an_earlier_queue(
        &self,
        queue: usize,
        record: &Record<'_>,
    ) -> Result<bool, StoreError> {
        let check = self.check;
        let survey = &check.surveys[queue];
        if record.physical_offset >= survey.first_phy || record.queue_offset < survey.first {
            return Ok(false);
        }
        // A first unit that is wrong itself proves nothing.
        let of = &check.queues.queues[queue];
        let Some(first) = check.queues.unit(queue, survey.first)? else {
            return Ok(false);
        };
        let mut bytes = Vec::new();
        let there = record_at(check.log, first.phy, &mut bytes)?;
        Ok(there.is_some_and(|there| first.is_of(survey.first, &of.topic, of.queue_id, &there)))
    }

    fn not_indexed(&mut self, record: &Record<'_>) {
        let (path, byte) = self.check.log.place_of(record.physical_offset);
        let what = format!(
            "keys of the message at log offset {} are not in the index",
            record.physical_offset
        );
        let bytes = record.total_size as u64;
        let findings = &mut self.part.findings;
        findings.add(Problem::EntryMissing, &path, byte, bytes, what);
    }
}

/// Whether the tags code is an address in `consumequeue_ext`.
fn is_extended(unit: Unit) -> bool {
    unit.tags_code < i64::from(i32::MIN)
}

/// The first position at or behind `from` in a file of the log where something else than zeros stands.
fn next_data<F: FileSystem>(
    check: &Check<'_, F>,
    segment: &Segment<F>,
    from: i64,
) -> Result<Option<i64>, StoreError> {
    let mut found = None;
    each_chunk(check, segment, from, |at, bytes| {
        let data = bytes.iter().position(|&byte| byte != 0);
        found = data.map(|data| at + data as i64);
        found.is_none()
    })?;
    Ok(found)
}

/// One past the last position at or behind `from` where something else than zeros stands; `from` if there is none.
fn last_data<F: FileSystem>(
    check: &Check<'_, F>,
    segment: &Segment<F>,
    from: i64,
) -> Result<i64, StoreError> {
    let mut end = from;
    each_chunk(check, segment, from, |at, bytes| {
        if let Some(data) = bytes.iter().rposition(|&byte| byte != 0) {
            end = at + data as i64 + 1;
        }
        true
    })?;
    Ok(end)
}

/// Hands out what a file of the log holds from `from` on, without its holes and what cannot be read.
fn each_chunk<F: FileSystem>(
    check: &Check<'_, F>,
    segment: &Segment<F>,
    from: i64,
    mut each: impl FnMut(i64, &[u8]) -> bool,
) -> Result<(), StoreError> {
    let file = segment.file(&check.store.fs)?;
    let io = |e| StoreError::io("read", segment.path(), e);
    let mut bytes = vec![0; 256 * 1024];
    let mut at = (from - segment.start()).unsigned_abs();
    while let Some(data) = file.data_after(at).map_err(io)? {
        let read = file.read_at(&mut bytes, data).unwrap_or(0);
        let position = segment.start() + i64::try_from(data).unwrap_or(0);
        if !each(position, &bytes[..read]) {
            return Ok(());
        }
        at = data + read.max(4096) as u64;
    }
    Ok(())
}
