//! Checking all of a store: every record, every unit against its record and back, the index, the checkpoint, the tables.
//!
//! The log is read once, its files in parallel. Each record is compared with its unit and its index entries on the way;
//! as different records have different units, a queue whose number of units is that of the records that found theirs has
//! no other units. Only the units of queues where the numbers differ are looked up one by one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use remoting::protocol::fastjson;
use remoting::protocol::message::record::Record;
use serde::de::IgnoredAny;

use super::finding::{Finding, Findings, Problem};
use super::index_check::{IndexWalk, check_file};
use super::queue_files::{QueueFiles, Survey};
use super::state::{State, is_topic};
use super::{CONFIG, LIGHT_QUEUE, LogFiles, OfflineStore, Progress, Step, Walk};
use crate::StoreError;
use crate::commit_log::{CommitLog, Segment};
use crate::consume_queue::{UNIT_LEN, Unit, decode_units};
use crate::dispatch::{SCHEDULE_TOPIC, derive};
use crate::fs::{File, FileSystem};
use crate::index::{Index, Sealed};
use crate::json_file::{self, LoadError, Loaded};
use crate::log_scan::{LogScan, Scanned, record_at};

/// Bytes of units that the walk through the log keeps at hand, over all queues.
const UNITS_AT_HAND_BYTES: usize = 64 * 1024 * 1024;
/// Units that are read at once for a queue, at most and at least.
const UNITS_AT_ONCE: (usize, usize) = (819, 32);
/// Threads that read the log.
const THREADS_MAX: usize = 4;
/// Properties of 5.x that tell of more than one message or queue.
const INNER_BATCH: i32 = 0x80;

/// The outcome of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// What is not as it should be, the worst first.
    pub findings: Vec<Finding>,
    /// Findings beyond those, which were too many to keep.
    pub more_findings: u64,
    /// Whole records in the log.
    pub messages: u64,
    /// Bytes of the log that were read.
    pub bytes: u64,
    /// Units that name a message.
    pub units: u64,
    /// Entries of the index.
    pub index_entries: u64,
    /// Messages whose topic, or whose queue as it was then, has been deleted.
    pub without_queue: u64,
    /// Messages whose units or index entries the next start will build.
    pub pending: u64,
    /// Where the log ends.
    pub log_end: i64,
    /// Whether the last run ended in good order.
    pub clean: bool,
}

/// What all threads look at.
struct Check<'a, F: FileSystem> {
    store: &'a OfflineStore<F>,
    log: &'a CommitLog<F>,
    state: &'a State,
    topics: Option<&'a BTreeSet<String>>,
    queues: &'a QueueFiles<F>,
    surveys: &'a [Survey],
    index: &'a Index<F>,
    index_files: Vec<Arc<Sealed<F>>>,
    /// The part of the log that the index speaks of.
    indexed: std::ops::RangeInclusive<i64>,
    progress: Progress<'a>,
}

/// What one thread found.
struct Part {
    findings: Findings,
    segments: Vec<SegmentEnd>,
    /// By queue, records that found their unit.
    matched: Vec<u64>,
    messages: u64,
    bytes: u64,
    without_queue: u64,
    pending: u64,
}

/// What was found in one file of the log.
#[derive(Debug, Default)]
struct SegmentEnd {
    start: i64,
    /// Where its last record ends, or where it starts if it has none.
    records_end: i64,
    /// Where nothing but zeros follows.
    data_end: i64,
    last_timestamp: i64,
    damages: Vec<Damage>,
}

#[derive(Debug)]
struct Damage {
    from: i64,
    to: i64,
    what: String,
}

impl<F: FileSystem> OfflineStore<F> {
    /// Checks everything. Changes nothing.
    ///
    /// # Errors
    /// A folder or file that cannot even be opened; what cannot be read inside of the log is a finding.
    pub fn verify(&self, progress: Progress<'_>) -> Result<Verified, StoreError> {
        let mut findings = Findings::default();
        let files = self.log_files()?;
        check_log_files(&files, &mut findings);
        let log = &files.log;
        let state = self.state(log)?;
        let topics = self.topics()?;
        let queues = self.queue_files(&mut findings)?;
        let log_min = log.min_offset();

        progress(Step::Begin {
            what: "queues",
            bytes: None,
        });
        let mut surveys = Vec::with_capacity(queues.queues.len());
        for queue in 0..queues.queues.len() {
            surveys.push(queues.survey(queue, log_min, progress, Some(&mut findings))?);
        }
        let (index, strangers) = self.index_files()?;
        for path in strangers {
            let what = format!("not {} bytes long", index.layout().file_len());
            findings.add(Problem::IndexFile, &path, 0, 0, what);
        }
        let index_files: Vec<_> = index.sealed();
        let slots = index_files.len() as u64 * u64::from(index.layout().slots);
        progress(Step::Begin {
            what: "index",
            bytes: Some(index.entries() * 20 + slots * 4),
        });
        let mut verified = Verified {
            clean: state.clean,
            ..Verified::default()
        };
        for (place, file) in index_files.iter().enumerate() {
            let unfinished = !state.clean && place + 1 == index_files.len();
            verified.index_entries +=
                check_file(file, index.layout(), unfinished, progress, &mut findings)?;
        }
        let first_indexed = index_files
            .iter()
            .find(|file| file.header.next > 1)
            .map(|file| file.entry(1, index.layout()))
            .transpose()?;
        let nothing = (i64::MAX, i64::MIN);
        let (from, to) =
            first_indexed.map_or(nothing, |first| (first.offset, index.dispatched_to()));
        let indexed = from..=to;

        progress(Step::Begin {
            what: "log",
            bytes: Some(files.found.iter().map(|file| file.len).sum()),
        });
        let check = Check {
            store: self,
            log,
            state: &state,
            topics: topics.as_ref(),
            queues: &queues,
            surveys: &surveys,
            index: &index,
            index_files,
            indexed,
            progress,
        };
        let parts = check.all_segments()?;
        let mut matched = vec![0; queues.queues.len()];
        let mut segments = Vec::new();
        for part in parts {
            findings.append(part.findings);
            segments.extend(part.segments);
            verified.messages += part.messages;
            verified.bytes += part.bytes;
            verified.without_queue += part.without_queue;
            verified.pending += part.pending;
            for (sum, one) in matched.iter_mut().zip(part.matched) {
                *sum += one;
            }
        }
        segments.sort_by_key(|segment| segment.start);
        verified.log_end = check.judge_log(&segments, &mut findings);
        for (queue, matched) in matched.into_iter().enumerate() {
            verified.units += surveys[queue].live;
            if matched != surveys[queue].live {
                check.each_unit(queue, &mut findings)?;
            }
        }
        check.checkpoint(&segments, verified.log_end, &mut findings)?;
        self.check_tables(&mut findings)?;
        let mut list = findings.list;
        list.sort_by(|a, b| {
            let key = |it: &Finding| std::cmp::Reverse(it.problem.severity());
            (key(a), &a.path, a.byte).cmp(&(key(b), &b.path, b.byte))
        });
        verified.findings = list;
        verified.more_findings = findings.more;
        Ok(verified)
    }

    /// The tables of the broker and their backups.
    fn check_tables(&self, findings: &mut Findings) -> Result<(), StoreError> {
        let dir = self.root().join(CONFIG);
        let entries = match self.fs.list_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(StoreError::io("list", &dir, e)),
        };
        let parse = |bytes: &[u8]| fastjson::from_slice::<IgnoredAny>(bytes);
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            let path = dir.join(&entry.name);
            if let Some(table) = entry.name.strip_suffix(".bak") {
                if table.ends_with(".json")
                    && let Some(bytes) = json_file::read_whole(&self.fs, &path)?
                    && let Err(e) = parse(&bytes)
                {
                    findings.add(Problem::BackupDamaged, &path, 0, 0, e.to_string());
                }
                continue;
            }
            if !entry.name.ends_with(".json") {
                continue;
            }
            match json_file::load(&self.fs, &path, parse) {
                Ok(Loaded::Main(_) | Loaded::Absent) => {}
                Ok(Loaded::Backup { problem, .. }) => {
                    findings.add(Problem::TableDamaged, &path, 0, 0, problem);
                }
                Err(e @ LoadError::Unusable { .. }) => {
                    findings.add(Problem::TableLost, &path, 0, 0, e.to_string());
                }
                Err(LoadError::File(e)) => return Err(e),
            }
        }
        Ok(())
    }
}

fn check_log_files<F: FileSystem>(files: &LogFiles<F>, findings: &mut Findings) {
    for path in &files.strangers {
        let what = "not a file of the log";
        findings.add(Problem::Stranger, path, 0, 0, what);
    }
    let size = files.log.file_size();
    let mut expected = None;
    for file in &files.found {
        if let Some(expected) = expected.filter(|&expected| expected != file.start) {
            let path = files.log.dir().join(format!("{expected:020}"));
            let what = format!(
                "the log goes on at {}, files in between are missing",
                file.start
            );
            findings.add(Problem::LogFile, &path, 0, 0, what);
        }
        expected = Some(file.start + size);
        if file.len != size.unsigned_abs() {
            let what = format!("{} bytes long, others have {size}", file.len);
            let at = file.len.min(size.unsigned_abs());
            findings.add(Problem::LogFile, &file.path, at, 0, what);
        }
    }
}

impl<F: FileSystem> Check<'_, F> {
    fn all_segments(&self) -> Result<Vec<Part>, StoreError> {
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

    /// What the damages mean, now that it is known where the log ends. Returns that.
    fn judge_log(&self, segments: &[SegmentEnd], findings: &mut Findings) -> i64 {
        let records = segments.iter().filter(|it| it.records_end > it.start);
        let end = records.map(|it| it.records_end).max();
        let end = end.unwrap_or_else(|| self.log.min_offset());
        let tail = |from: i64| from >= end && from >= self.state.replayed_from;
        for segment in segments {
            for Damage { from, to, what } in &segment.damages {
                let (path, byte) = self.log.place_of(*from);
                let problem = if tail(*from) {
                    Problem::TornTail
                } else {
                    Problem::LogBroken
                };
                let bytes = (to - from).unsigned_abs();
                findings.add(
                    problem,
                    &path,
                    byte,
                    bytes,
                    format!("log offset {from}: {what}"),
                );
            }
            let file_end = segment.start + self.log.file_size();
            if segment.data_end < file_end && segment.data_end < end && segment.damages.is_empty() {
                let (path, byte) = self.log.place_of(segment.data_end);
                let bytes = (file_end - segment.data_end).unsigned_abs();
                let what = format!(
                    "log offset {}: nothing up to the end of the file, though the log goes on up to {end}",
                    segment.data_end
                );
                findings.add(Problem::LogBroken, &path, byte, bytes, what);
            }
        }
        end
    }

    /// Looks up the record of each unit of a queue.
    fn each_unit(&self, queue: usize, findings: &mut Findings) -> Result<(), StoreError> {
        let of = &self.queues.queues[queue];
        if of.topic.starts_with(LIGHT_QUEUE) {
            return Ok(());
        }
        let log_min = self.log.min_offset();
        let mut bytes = Vec::new();
        let mut failed = None;
        self.queues.walk(queue, &|_| {}, |offset, unit| {
            if failed.is_some() || !unit.is_valid() || unit.is_filler() || unit.phy < log_min {
                return;
            }
            let found = record_at(self.log, unit.phy, &mut bytes);
            let what = match found {
                Ok(Some(record)) => {
                    if unit.is_of(offset, &of.topic, of.queue_id, &record) {
                        return;
                    }
                    format!(
                        "log offset {} is message {} of queue {}-{}, of {} bytes",
                        unit.phy,
                        record.queue_offset,
                        record.topic,
                        record.queue_id,
                        record.total_size
                    )
                }
                Ok(None) => format!("no message begins at log offset {}", unit.phy),
                Err(e) => {
                    failed = e.is_of_opening().then_some(e);
                    return;
                }
            };
            let pending = unit.phy >= self.state.replayed_from;
            let problem = if pending {
                Problem::UnitsBehindEnd
            } else {
                Problem::UnitWrong
            };
            let (path, byte) = self.queues.place(queue, offset);
            let what = format!("unit {offset}: {what}");
            findings.add(problem, &path, byte, UNIT_LEN as u64, what);
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn checkpoint(
        &self,
        segments: &[SegmentEnd],
        log_end: i64,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let path = self.store.root().join("checkpoint");
        let checkpoint = &self.state.checkpoint;
        let metadata = match self.store.fs.metadata(&path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                if log_end > self.log.min_offset() {
                    findings.add(Problem::CheckpointUnusable, &path, 0, 0, "absent");
                }
                return Ok(());
            }
            Err(e) => return Err(StoreError::io("inspect", &path, e)),
        };
        let mut unusable = |byte, what: String| {
            findings.add(Problem::CheckpointUnusable, &path, byte, 0, what);
        };
        if metadata.len < 24 {
            unusable(metadata.len, format!("{} bytes long", metadata.len));
        }
        let newest = segments.iter().map(|it| it.last_timestamp).max();
        let times = [
            (0, checkpoint.physic_msg_timestamp),
            (8, checkpoint.logics_msg_timestamp),
            (16, checkpoint.index_msg_timestamp),
        ];
        for (byte, time) in times {
            if newest.is_some_and(|newest| newest > 0 && time > newest) {
                unusable(byte, format!("{time} is later than the newest message"));
            }
        }
        if let Some(safe) = checkpoint.safe_point
            && safe.offset > log_end
        {
            let (path, byte) = self.log.place_of(log_end);
            let what = format!(
                "the log ends at {log_end}, but everything in front of {} was stored",
                safe.offset
            );
            findings.add(Problem::LogEndsEarly, &path, byte, 0, what);
        }
        Ok(())
    }
}

/// One thread on its way through files of the log.
struct Reader<'a, F: FileSystem> {
    check: &'a Check<'a, F>,
    part: Part,
    units: UnitsAtHand,
    keys: Vec<i32>,
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
        }
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
        if !derived.in_queue || record.sys_flag & INNER_BATCH != 0 || record.queue_id < 0 {
            return Ok(());
        }
        let Some(queue) = check.queues.find(record.topic, record.queue_id) else {
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
