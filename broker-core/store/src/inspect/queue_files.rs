//! The files of the consume queues as they are, for reading only.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::finding::{Findings, Problem};
use super::{CONSUME_QUEUE, OfflineStore, Progress, Step};
use crate::StoreError;
use crate::consume_queue::{UNIT_LEN, Unit, decode_units};
use crate::fs::{File, FileSystem, OpenMode};

/// Units read at once.
const CHUNK_UNITS: i64 = 16 * 1024;

/// All queues of a store.
pub(super) struct QueueFiles<F: FileSystem> {
    fs: F,
    pub(super) dir: PathBuf,
    pub(super) units_per_file: i64,
    pub(super) queues: Vec<OfflineQueue>,
    by_topic: HashMap<Arc<str>, Vec<(i32, usize)>>,
}

/// One queue.
pub(super) struct OfflineQueue {
    pub(super) topic: Arc<str>,
    pub(super) queue_id: i32,
    pub(super) dir: PathBuf,
    /// Position of the first byte, and length.
    files: Vec<(u64, u64)>,
}

/// What the units of a queue say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Survey {
    /// The first unit that names a message, and where that is in the log.
    pub(super) first: i64,
    pub(super) first_phy: i64,
    /// The first unit whose message the log still has.
    pub(super) min: i64,
    /// One past the last unit.
    pub(super) end: i64,
    /// Units whose message the log still has.
    pub(super) live: u64,
    /// Bytes of these messages.
    pub(super) live_bytes: u64,
    /// The last unit.
    pub(super) last: Option<Unit>,
}

impl<F: FileSystem> OfflineStore<F> {
    /// Finds the files of all queues. What is wrong with their names and lengths goes to `findings`.
    pub(super) fn queue_files(&self, findings: &mut Findings) -> Result<QueueFiles<F>, StoreError> {
        let dir = self.root().join(CONSUME_QUEUE);
        let mut found = QueueFiles {
            fs: self.fs.clone(),
            units_per_file: 0,
            queues: Vec::new(),
            by_topic: HashMap::new(),
            dir,
        };
        for topic in self.names(&found.dir, findings, true)? {
            let topic_dir = found.dir.join(&topic);
            let topic: Arc<str> = topic.into();
            for name in self.names(&topic_dir, findings, true)? {
                let dir = topic_dir.join(&name);
                let Ok(queue_id) = name.parse() else {
                    findings.add(Problem::Stranger, &dir, 0, 0, "no queue has such a number");
                    continue;
                };
                let files = self.queue_file_sizes(&dir, findings)?;
                found.queues.push(OfflineQueue {
                    topic: topic.clone(),
                    queue_id,
                    dir,
                    files,
                });
                let at = found.queues.len() - 1;
                found
                    .by_topic
                    .entry(topic.clone())
                    .or_default()
                    .push((queue_id, at));
            }
        }
        for queues in found.by_topic.values_mut() {
            queues.sort_unstable();
        }
        found.units_per_file = found.size_of_most(self.config.consume_queue_file_size);
        found.check_files(findings);
        Ok(found)
    }

    /// The entries of a folder that are folders, or files; others are strangers.
    fn names(
        &self,
        dir: &Path,
        findings: &mut Findings,
        dirs: bool,
    ) -> Result<Vec<String>, StoreError> {
        let entries = match self.fs.list_dir(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(StoreError::io("list", dir, e)),
        };
        let mut names = Vec::with_capacity(entries.len());
        for entry in entries {
            if dirs == entry.is_dir {
                names.push(entry.name);
            } else {
                let what = "nothing of this kind belongs here";
                findings.add(Problem::Stranger, &dir.join(&entry.name), 0, 0, what);
            }
        }
        Ok(names)
    }

    fn queue_file_sizes(
        &self,
        dir: &Path,
        findings: &mut Findings,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        let mut files = Vec::new();
        for name in self.names(dir, findings, false)? {
            let path = dir.join(&name);
            let digits = name.bytes().all(|byte| byte.is_ascii_digit());
            let position = name.parse::<u64>().ok();
            let Some(position) = position.filter(|&at| digits && at <= i64::MAX as u64 / 2) else {
                findings.add(Problem::QueueFile, &path, 0, 0, "not a file of a queue");
                continue;
            };
            let metadata = self.fs.metadata(&path);
            let len = metadata
                .map_err(|e| StoreError::io("inspect", &path, e))?
                .len;
            files.push((position, len));
        }
        files.sort_unstable();
        Ok(files)
    }
}

impl<F: FileSystem> QueueFiles<F> {
    /// The queues of a topic by their numbers: number, and which one it is.
    pub(super) fn of_topic(&self, topic: &str) -> &[(i32, usize)] {
        self.by_topic.get(topic).map_or(&[], Vec::as_slice)
    }

    /// The file and the byte where a unit stands, or should stand.
    pub(super) fn place(&self, queue: usize, unit: i64) -> (PathBuf, u64) {
        let per_file = self.units_per_file.max(1);
        let start = unit - unit.rem_euclid(per_file);
        let path = self.queues[queue].path(bytes_of(start));
        (path, bytes_of(unit - start))
    }

    /// The units `from..`, at most `count` of them, as far as one file has them.
    pub(super) fn read(&self, queue: usize, from: i64, count: i64) -> Result<Vec<u8>, StoreError> {
        let per_file = self.units_per_file.max(1);
        let start = from - from.rem_euclid(per_file);
        let count = count.min(start + per_file - from);
        let of = &self.queues[queue];
        let there = of.files.iter().any(|&(at, _)| at == bytes_of(start));
        if from < 0 || !there {
            return Ok(Vec::new());
        }
        let path = of.path(bytes_of(start));
        let file = self
            .fs
            .open(&path, OpenMode::Read)
            .map_err(|e| StoreError::io("open", &path, e))?;
        let mut bytes = vec![0; usize::try_from(bytes_of(count)).unwrap_or(0)];
        let read = file
            .read_at(&mut bytes, bytes_of(from - start))
            .map_err(|e| StoreError::io("read", &path, e))?;
        bytes.truncate(read - read % UNIT_LEN);
        Ok(bytes)
    }

    /// One unit; `None` where there is none.
    pub(super) fn unit(&self, queue: usize, unit: i64) -> Result<Option<Unit>, StoreError> {
        let bytes = self.read(queue, unit, 1)?;
        Ok(decode_units(&bytes).next().filter(|unit| unit.is_valid()))
    }

    /// Reads a queue from end to end, and hands out each of its units with its offset.
    pub(super) fn walk(
        &self,
        queue: usize,
        progress: Progress<'_>,
        mut each: impl FnMut(i64, Unit),
    ) -> Result<(), StoreError> {
        for &(position, len) in &self.queues[queue].files {
            let path = self.queues[queue].path(position);
            let io = |e| StoreError::io("read", &path, e);
            let file = self.fs.open(&path, OpenMode::Read).map_err(io)?;
            let mut bytes = vec![0; usize::try_from(bytes_of(CHUNK_UNITS)).unwrap_or(0)];
            // Files are as long as they may become: most of one is a hole.
            let mut at = 0;
            while let Some(data) = file.data_after(at).map_err(io)?.filter(|&data| data < len) {
                at = data - data % UNIT_LEN as u64;
                let read = file.read_at(&mut bytes, at).map_err(io)?;
                let units = read / UNIT_LEN;
                let first = i64::try_from((position + at) / UNIT_LEN as u64).unwrap_or(0);
                for (offset, unit) in (first..).zip(decode_units(&bytes[..read])) {
                    each(offset, unit);
                }
                progress(Step::Done(read as u64));
                if units == 0 {
                    break;
                }
                at += (units * UNIT_LEN) as u64;
            }
        }
        Ok(())
    }

    /// What the units of a queue say, of which those in front of `log_min` have lost their messages.
    pub(super) fn survey(
        &self,
        queue: usize,
        log_min: i64,
        progress: Progress<'_>,
        findings: Option<&mut Findings>,
    ) -> Result<Survey, StoreError> {
        let begin = self.queues[queue].begin();
        let mut survey = Survey {
            first: begin,
            min: begin,
            end: begin,
            ..Survey::default()
        };
        let mut any = false;
        let mut behind = None;
        self.walk(queue, progress, |offset, unit| {
            if !unit.is_valid() {
                if unit.phy != 0 || unit.size != 0 || unit.tags_code != 0 {
                    behind.get_or_insert((offset, unit));
                }
                return;
            }
            behind = None;
            survey.end = offset + 1;
            if unit.is_filler() {
                return;
            }
            if !any {
                any = true;
                survey.first = offset;
                survey.first_phy = unit.phy;
            }
            if unit.phy >= log_min {
                if survey.live == 0 {
                    survey.min = offset;
                }
                survey.live += 1;
                survey.live_bytes += u64::from(unit.size.unsigned_abs());
            }
            survey.last = Some(unit);
        })?;
        if survey.live == 0 {
            survey.min = survey.end;
        }
        // In the middle of a queue it is the message that is missed.
        if let (Some(findings), Some((offset, unit))) = (findings, behind) {
            let (path, byte) = self.place(queue, offset);
            let what = format!(
                "behind the last unit: position {}, length {}",
                unit.phy, unit.size
            );
            findings.add(Problem::UnitsBehindEnd, &path, byte, 0, what);
        }
        Ok(survey)
    }

    /// The length that most files have, in units.
    fn size_of_most(&self, config_file_size: u64) -> i64 {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for queue in &self.queues {
            for &(_, len) in &queue.files {
                *counts.entry(len).or_default() += 1;
            }
        }
        let unit = UNIT_LEN as u64;
        let whole = counts
            .into_iter()
            .filter(|&(len, _)| len > 0 && len % unit == 0);
        let most = whole.max_by_key(|&(len, count)| (count, len));
        let len = most.map_or(config_file_size.next_multiple_of(unit), |(len, _)| len);
        i64::try_from(len / unit).unwrap_or(1).max(1)
    }

    fn check_files(&self, findings: &mut Findings) {
        let file_len = bytes_of(self.units_per_file);
        for queue in &self.queues {
            let mut expected = None;
            for &(position, len) in &queue.files {
                let path = queue.path(position);
                if len != file_len {
                    let what = format!("{len} bytes long, others have {file_len}");
                    findings.add(Problem::QueueFile, &path, len.min(file_len), 0, what);
                } else if position % file_len != 0 {
                    let what = format!("a file of {file_len} bytes cannot begin at {position}");
                    findings.add(Problem::QueueFile, &path, 0, 0, what);
                }
                if let Some(expected) = expected.filter(|&expected| expected != position) {
                    let what = format!("the file is missing, the next one begins at {position}");
                    findings.add(Problem::QueueFile, &queue.path(expected), 0, 0, what);
                }
                expected = Some(position + file_len);
            }
        }
    }
}

impl OfflineQueue {
    fn path(&self, position: u64) -> PathBuf {
        self.dir.join(format!("{position:020}"))
    }

    /// The first unit of the first file.
    fn begin(&self) -> i64 {
        let first = self.files.first().map_or(0, |&(position, _)| position);
        i64::try_from(first / UNIT_LEN as u64).unwrap_or(0)
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, len)| len).sum()
    }

    /// How many files it has.
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }
}

fn bytes_of(units: i64) -> u64 {
    u64::try_from(units).unwrap_or(0) * UNIT_LEN as u64
}
