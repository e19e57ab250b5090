//! Checking all of a store: every record, every unit against its record and back, the index, the checkpoint, the tables.
//!
//! The log is read once, its files in parallel. Each record is compared with its unit and its index entries on the way;
//! as different records have different units, a queue whose number of units is that of the records that found theirs has
//! no other units. Only the units of queues where the numbers differ are looked up one by one.

use remoting::protocol::fastjson;
use serde::de::IgnoredAny;

use super::finding::{Finding, Findings, Problem};
use super::index_check::check_file;
use super::log_check::{Check, Damage, SegmentEnd};
use super::{CONFIG, LIGHT_QUEUE, LogFiles, OfflineStore, Progress, Step};
use crate::StoreError;
use crate::consume_queue::UNIT_LEN;
use crate::fs::FileSystem;
use crate::json_file::{self, LoadError, Loaded};
use crate::log_scan::record_at;

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
