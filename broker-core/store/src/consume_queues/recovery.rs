//! Finding the queues of a folder, and where each of them ends.

use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::open_files::FileKey;
use super::{ConsumeQueues, Work, bytes_of};
use crate::StoreError;
use crate::consume_queue::{ConsumeQueue, UNIT_LEN, Unit, decode_units};
use crate::fs::{File, FileSystem};

/// Units that are looked at in one go when the end of a queue is searched.
const SCAN_UNITS: i64 = 200;
/// Queues for which another thread looks.
const QUEUES_PER_THREAD: usize = 1000;
/// More than cores: they wait for the disk.
const THREADS_MAX: usize = 16;

impl<F: FileSystem> ConsumeQueues<F> {
    /// Finds the end and the beginning of each queue. To be called once, before anything else. Returns the highest position
    /// in the log up to which some queue has units.
    ///
    /// Units whose record ends behind `cut_phy` are erased: the log has been cut there, or will be
    /// replayed from there. Units in front of `log_min` have lost their record. What is erased is
    /// durable with the next [`Self::sync`].
    ///
    /// A unit that a crash has torn may show any number as its position, a small one included, so
    /// that the cut does not catch it: the last unit that is kept is shown to `has_record`.
    pub(crate) fn recover(
        &self,
        cut_phy: i64,
        log_min: i64,
        has_record: impl Fn(&ConsumeQueue, i64, Unit) -> Result<bool, StoreError> + Sync,
    ) -> Result<i64, StoreError> {
        let queues = self.all();
        let parts = in_parts(&queues, |part| {
            let mut work = Work::default();
            for queue in part {
                let files_end = queue.state().max;
                self.recover_queue(&mut work, queue, cut_phy, &has_record)?;
                debug_assert!(queue.max_offset() <= files_end);
                self.correct_min(queue, log_min)?;
            }
            Ok(work)
        })?;
        let mut all = self.work();
        for work in parts {
            all.add(work);
        }
        Ok(self.end())
    }
}

/// Does `each` for all items in one part, or in several by as many threads when they are many; the results are in the
/// order of the parts.
fn in_parts<T: Sync, R: Send>(
    items: &[T],
    each: impl Fn(&[T]) -> Result<R, StoreError> + Sync,
) -> Result<Vec<R>, StoreError> {
    let threads = (items.len() / QUEUES_PER_THREAD).clamp(1, THREADS_MAX);
    if threads == 1 {
        return Ok(vec![each(items)?]);
    }
    std::thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(threads));
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| each(part))).collect();
        let results = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        results.collect()
    })
}

// Recovery.
impl<F: FileSystem> ConsumeQueues<F> {
    /// Makes the queue end in front of the first unit that is not valid or whose record ends behind
    /// `cut_phy`, among the units up to `State::max`, all of which are in files. Everything behind
    /// is erased, and files that hold nothing are deleted.
    pub(super) fn recover_queue(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        cut_phy: i64,
        has_record: impl Fn(&ConsumeQueue, i64, Unit) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let (first_file, old_max) = {
            let state = queue.state();
            (state.first_file, state.max)
        };
        let keep = |unit: Unit| unit.is_valid() && unit.end() <= cut_phy;
        let mut end = first_file;
        let mut last = None;
        if old_max > first_file {
            let mut file_start = self.file_start(old_max - 1);
            loop {
                let file_end = self.written_end(queue, file_start, old_max)?;
                (end, last) = self.find_end(queue, file_start, file_end, keep)?;
                while let Some(unit) = last {
                    let before = if end - 1 > file_start {
                        decode_units(&self.read_units(queue, end - 2, end - 1)?).next()
                    } else {
                        None
                    };
                    let behind = unit.is_filler() || before.is_none_or(|it| it.end() <= unit.phy);
                    if keep(unit) && behind && has_record(queue, end - 1, unit)? {
                        break;
                    }
                    (end, last) = (end - 1, before);
                }
                if end > file_start {
                    break;
                }
                // An empty last file stops Java 5.3.3 and invents a unit in 4.9. The only file of a
                // queue that starts later stays: its name is all that tells the queue's offsets.
                if file_start == first_file && file_start > 0 {
                    break;
                }
                self.remove_file(work, queue, file_start)?;
                if file_start == first_file {
                    break;
                }
                file_start -= self.units_per_file;
            }
            let file_start = self.file_start((end - 1).max(first_file));
            if end > file_start || file_start > 0 {
                self.erase_behind(work, queue, file_start, end)?;
            }
        }
        let mut state = queue.state();
        state.max = end;
        state.written = end;
        state.min = state.min.clamp(first_file.min(end), end);
        state.max_phy = last.map_or(0, Unit::end);
        state.tail_start = end;
        Ok(())
    }

    /// One past the last unit that can have been written to a file, at most `old_max`: files are written from their
    /// beginning on, and what was never written is a hole in most of them.
    fn written_end(
        &self,
        queue: &ConsumeQueue,
        file_start: i64,
        old_max: i64,
    ) -> Result<i64, StoreError> {
        let file = self.file_to_read(queue, file_start)?;
        let hole = file
            .hole_after(0)
            .map_err(|e| StoreError::io("read", &self.path(queue, file_start), e))?;
        let units = i64::try_from(hole.div_ceil(UNIT_LEN as u64)).unwrap_or(i64::MAX);
        Ok(old_max.min(file_start + units.min(self.units_per_file)))
    }

    /// The first unit of `from..to` (in one file) that is not to be kept, and the one before it.
    /// What is to be kept stands in front of what is not.
    fn find_end(
        &self,
        queue: &ConsumeQueue,
        from: i64,
        to: i64,
        keep: impl Fn(Unit) -> bool,
    ) -> Result<(i64, Option<Unit>), StoreError> {
        let (mut low, mut high) = (from, to);
        // From the end towards the beginning, in ever longer steps, until something is to be kept; from there on by halves.
        // The last block of most queues shows their end.
        let mut step = SCAN_UNITS;
        let mut last = None;
        while low < high {
            let start = if low == from {
                high - step
            } else {
                low + (high - low) / 2 - SCAN_UNITS / 2
            };
            let start = start.max(low);
            let block = (start, (start + SCAN_UNITS).min(high));
            let bytes = self.read_units(queue, block.0, block.1)?;
            let mut units = decode_units(&bytes);
            let kept = units.by_ref().take_while(|&unit| keep(unit));
            let mut count = 0;
            for unit in kept {
                count += 1;
                last = Some(unit);
            }
            if count == 0 {
                high = block.0;
                step *= 2;
            } else if block.0 + count < block.1 {
                return Ok((block.0 + count, last));
            } else {
                low = block.1;
            }
        }
        if low > from {
            // The last block read may have been one behind the end.
            let bytes = self.read_units(queue, low - 1, low)?;
            last = decode_units(&bytes).next();
        }
        Ok((low, last))
    }

    /// Erases what stands in a file from unit `end` on, if there is anything.
    fn erase_behind(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        file_start: i64,
        end: i64,
    ) -> Result<(), StoreError> {
        let position = bytes_of(end - file_start);
        if position >= self.file_len() || !self.any_data(queue, file_start, position)? {
            return Ok(());
        }
        let file = self.file_to_read(queue, file_start)?;
        file.erase(position, self.file_len() - position)
            .map_err(|e| StoreError::io("erase", &self.path(queue, file_start), e))?;
        // Otherwise what was erased could come back after the next crash, when its positions in the
        // log belong to other messages (#495).
        work.written(FileKey::new(queue, file_start), &file);
        Ok(())
    }

    /// Whether something else than zeros stands in a file at or behind a position.
    fn any_data(
        &self,
        queue: &ConsumeQueue,
        file_start: i64,
        position: u64,
    ) -> Result<bool, StoreError> {
        let file = self.file_to_read(queue, file_start)?;
        let failed = |e| StoreError::io("read", &self.path(queue, file_start), e);
        let mut at = position;
        let mut block = [0; 4096];
        // A file system knows holes by blocks, so that the rest of this one has to be read; and a
        // file without holes as a whole.
        while let Some(data) = file.data_after(at).map_err(failed)? {
            let to = (data + 1).next_multiple_of(4096);
            let wanted = usize::try_from(to - data).unwrap_or(block.len());
            let read = file.read_at(&mut block[..wanted], data).map_err(failed)?;
            if block[..read].iter().any(|&b| b != 0) {
                return Ok(true);
            }
            if read < wanted {
                break;
            }
            at = to;
        }
        Ok(false)
    }
}

/// A queue's files as they were found.
pub(super) struct FoundQueue {
    topic: Arc<str>,
    queue_id: i32,
    dir: PathBuf,
    /// Position of the first byte, and length.
    files: Vec<(u64, u64)>,
}

// Finding what is there.
impl<F: FileSystem> ConsumeQueues<F> {
    pub(super) fn find_files(&self) -> Result<Vec<FoundQueue>, StoreError> {
        let topics = self.sub_dirs(&self.dir)?;
        let ids = in_parts(&topics, |part| {
            let ids = part
                .iter()
                .map(|topic| self.sub_dirs(&self.dir.join(topic)));
            ids.collect::<Result<Vec<_>, _>>()
        })?;
        let mut found = Vec::new();
        for (topic, ids) in topics.into_iter().zip(ids.into_iter().flatten()) {
            let topic_dir = self.dir.join(&topic);
            let name: Arc<str> = topic.into();
            for id in ids {
                let dir = topic_dir.join(&id);
                // As Java does, which ignores folders that are no queue.
                let Ok(queue_id) = id.parse() else {
                    tracing::warn!("no consume queue: {}", dir.display());
                    continue;
                };
                found.push(FoundQueue {
                    topic: name.clone(),
                    queue_id,
                    dir,
                    files: Vec::new(),
                });
            }
        }
        let files = in_parts(&found, |part| {
            let files = part.iter().map(|queue| self.files_of(&queue.dir));
            files.collect::<Result<Vec<_>, _>>()
        })?;
        for (queue, files) in found.iter_mut().zip(files.into_iter().flatten()) {
            queue.files = files;
        }
        Ok(found)
    }

    fn sub_dirs(&self, dir: &Path) -> Result<Vec<String>, StoreError> {
        let entries = match self.fs.list_dir(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(StoreError::io("list", dir, e)),
        };
        let dirs = entries.into_iter().filter(|entry| entry.is_dir);
        Ok(dirs.map(|entry| entry.name).collect())
    }

    fn files_of(&self, dir: &Path) -> Result<Vec<(u64, u64)>, StoreError> {
        let entries = self
            .fs
            .list_dir(dir)
            .map_err(|e| StoreError::io("list", dir, e))?;
        let mut files = Vec::with_capacity(entries.len());
        for entry in entries {
            let path = dir.join(&entry.name);
            let digits = entry.name.bytes().all(|b| b.is_ascii_digit());
            let position = entry.name.parse().ok().filter(|_| digits && !entry.is_dir);
            let Some(position) = position.filter(|&position| i64::try_from(position).is_ok())
            else {
                // Java would not start with it.
                return Err(StoreError::damaged(
                    &path,
                    0,
                    "not a file of a consume queue",
                ));
            };
            let metadata = self.fs.metadata(&path);
            let len = metadata
                .map_err(|e| StoreError::io("inspect", &path, e))?
                .len;
            files.push((position, len));
        }
        files.sort_unstable();
        // A power failure has taken a file's length: it was never synced, nor was what is behind it.
        if let Some(unsynced) = files.iter().position(|&(_, len)| len == 0) {
            // Newest first: what is left is without a gap whenever this is interrupted.
            for (position, _) in files.drain(unsynced..).rev() {
                let path = dir.join(format!("{position:020}"));
                tracing::warn!("{} was never synced: built again", path.display());
                self.fs
                    .remove_file(&path)
                    .map_err(|e| StoreError::io("delete", &path, e))?;
            }
        }
        Ok(files)
    }

    /// The size that all files there are have, in units; the configured one if there are none.
    pub(super) fn actual_units_per_file(
        &self,
        found: &mut [FoundQueue],
    ) -> Result<i64, StoreError> {
        let mut actual = None;
        for queue in found.iter() {
            for &(position, len) in &queue.files {
                let path = || queue.dir.join(format!("{position:020}"));
                let first = *actual.get_or_insert(len);
                if len == 0 || len % UNIT_LEN as u64 != 0 {
                    let what = format!("length {len} is not a whole number of units");
                    return Err(StoreError::damaged(&path(), len, what));
                }
                if len != first {
                    let what = format!("length {len}, but other consume queues have {first}");
                    return Err(StoreError::damaged(&path(), len, what));
                }
                if position % len != 0 {
                    let what = format!("a file of {len} bytes cannot begin at {position}");
                    return Err(StoreError::damaged(&path(), 0, what));
                }
            }
            for pair in queue.files.windows(2) {
                let expected = pair[0].0 + pair[0].1;
                if pair[1].0 != expected {
                    let path = queue.dir.join(format!("{expected:020}"));
                    return Err(StoreError::damaged(&path, 0, "file is missing"));
                }
            }
        }
        let Some(len) = actual else {
            return Ok(self.units_per_file);
        };
        let configured = self.file_len();
        if len != configured {
            tracing::warn!(
                "consume queues in {} have files of {len} bytes, not of {configured} as configured; \
                 keeping theirs",
                self.dir.display()
            );
        }
        i64::try_from(len / UNIT_LEN as u64)
            .map_err(|_| StoreError::damaged(&self.dir, 0, "files are too large"))
    }

    /// Takes a queue as full up to the end of its last file; recovery finds the true end.
    pub(super) fn adopt(&self, found: FoundQueue) -> Result<(), StoreError> {
        let refused = |what| StoreError::damaged(&found.dir, 0, what);
        let queue = self
            .queue_or_new(&found.topic, found.queue_id)
            .map_err(refused)?;
        if let (Some(first), Some(last)) = (found.files.first(), found.files.last()) {
            let unit_of = |position: u64| i64::try_from(position / UNIT_LEN as u64).unwrap_or(0);
            let mut state = queue.state();
            state.first_file = unit_of(first.0);
            state.max = unit_of(last.0) + self.units_per_file;
            state.written = state.max;
            state.tail_start = state.max;
        }
        Ok(())
    }
}
