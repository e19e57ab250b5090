//! Writing queues to their files, and making that durable.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::open_files::FileKey;
use super::{ConsumeQueues, Flush, bytes_of};
use crate::StoreError;
use crate::consume_queue::{ConsumeQueue, UNIT_LEN, Unit};
use crate::fs::{File, FileSystem, OpenMode};
use crate::guards::lock;

/// What flush, sync and the like know; the lock makes them exclude each other.
pub(super) struct Work<F: FileSystem> {
    /// Written since the last sync.
    pub(super) unsynced: HashMap<FileKey, Arc<F::File>>,
    unsynced_dirs: BTreeSet<PathBuf>,
    /// So much was written that one sync of the whole partition is cheaper.
    sync_partition: bool,
    /// Queues whose tail is kept for readers; each is listed once (`State::resident`).
    resident: Vec<Arc<ConsumeQueue>>,
    pub(super) resident_bytes: usize,
}

/// A queue with fewer unwritten bytes waits in an economical flush: two pages, as Java's
/// `flushConsumeQueueLeastPages`.
const ECONOMICAL_BYTES: usize = 8192;
/// Units of an active queue that stay in memory after they were written.
const RESIDENT_UNITS: usize = 512;
/// Bytes of all such units together.
const RESIDENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Files that a sync visits one by one.
const UNSYNCED_FILES_MAX: usize = 64;
/// Fillers written at once.
const FILL_UNITS: usize = 3200;

impl<F: FileSystem> Default for Work<F> {
    fn default() -> Self {
        Self {
            unsynced: HashMap::new(),
            unsynced_dirs: BTreeSet::new(),
            sync_partition: false,
            resident: Vec::new(),
            resident_bytes: 0,
        }
    }
}

impl<F: FileSystem> ConsumeQueues<F> {
    /// Writes buffered units to their files, unsynced. After a failure they are still buffered, and
    /// the next flush tries again.
    pub(crate) fn flush(&self, how: Flush) -> Result<(), StoreError> {
        self.flush_locked(&mut self.work(), how)
    }

    /// Writes and syncs everything. Returns the store time up to which all units appended are
    /// durable now, for the checkpoint. After a failure nothing is known; do not try again.
    pub(crate) fn sync(&self) -> Result<i64, StoreError> {
        let mut work = self.work();
        // First this, then the flush: all units up to this time are on the dirty list by now.
        let timestamp = self.appended_timestamp.load(Ordering::Acquire);
        self.flush_locked(&mut work, Flush::Everything)?;
        if std::mem::take(&mut work.sync_partition) {
            work.unsynced.clear();
            work.unsynced_dirs.clear();
            self.fs
                .sync_partition(&self.dir)
                .map_err(|e| StoreError::io("sync", &self.dir, e))?;
        }
        for (_, file) in work.unsynced.drain() {
            file.sync_data()
                .map_err(|e| StoreError::io("sync", &self.dir, e))?;
        }
        // Children before parents: a name must not be durable before what it names.
        while let Some(dir) = work.unsynced_dirs.pop_last() {
            match self.fs.sync_dir(&dir) {
                Ok(()) => {}
                // Deleted since, with its topic.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(StoreError::io("sync", &dir, e)),
            }
        }
        Ok(timestamp)
    }

    /// As [`Self::flush`].
    pub(super) fn flush_locked(&self, work: &mut Work<F>, how: Flush) -> Result<(), StoreError> {
        let everything = how == Flush::Everything || self.wants_flush();
        let queues = std::mem::take(&mut *lock(&self.dirty));
        let mut bytes = Vec::new();
        let mut later = Vec::new();
        let mut result = Ok(());
        for queue in queues {
            let (from, fill_end, end) = {
                let mut state = queue.state();
                if state.gone {
                    continue;
                }
                if result.is_err() || (!everything && state.unwritten_bytes() < ECONOMICAL_BYTES) {
                    drop(state);
                    later.push(queue);
                    continue;
                }
                bytes.clear();
                bytes.extend_from_slice(state.unwritten_tail());
                // What is appended from here on makes the queue dirty again.
                state.dirty = false;
                (
                    state.written,
                    state.tail_start.max(state.written),
                    state.max,
                )
            };
            result = self
                .fill(work, &queue, from, fill_end)
                .and_then(|()| self.write_units(work, &queue, fill_end, &bytes));
            let mut state = queue.state();
            if result.is_err() {
                // Appended meanwhile, it is on the list already.
                if !std::mem::replace(&mut state.dirty, true) {
                    drop(state);
                    later.push(queue);
                }
                continue;
            }
            state.written = end;
            self.unwritten_bytes
                .fetch_sub(bytes.len(), Ordering::Relaxed);
            work.resident_bytes += bytes.len();
            // Trimmed rarely, so that moving the rest costs little per unit.
            if state.tail.len() > 2 * RESIDENT_UNITS * UNIT_LEN {
                work.resident_bytes -= state.trim(RESIDENT_UNITS).min(work.resident_bytes);
            }
            if !std::mem::replace(&mut state.resident, true) {
                drop(state);
                work.resident.push(queue);
            }
        }
        lock(&self.dirty).append(&mut later);
        Self::sweep(work);
        result
    }

    /// Frees the tails of queues in which nothing happened since the last sweep; all of them when
    /// they are too many.
    fn sweep(work: &mut Work<F>) {
        let mut over = work.resident_bytes > RESIDENT_BYTES_MAX;
        let mut resident_bytes = work.resident_bytes;
        work.resident.retain(|queue| {
            let mut state = queue.state();
            if !over && std::mem::take(&mut state.touched) && !state.gone {
                return true;
            }
            resident_bytes = resident_bytes.saturating_sub(state.trim(0));
            over = over && resident_bytes > RESIDENT_BYTES_MAX / 2;
            state.resident = false;
            false
        });
        work.resident_bytes = resident_bytes;
    }

    /// Writes fillers as units `from..to`.
    fn fill(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        mut from: i64,
        to: i64,
    ) -> Result<(), StoreError> {
        if from == to {
            return Ok(());
        }
        let fillers = Unit::FILLER.encode().repeat(FILL_UNITS);
        while from < to {
            let count = usize::try_from(to - from).map_or(FILL_UNITS, |n| n.min(FILL_UNITS));
            self.write_units(work, queue, from, &fillers[..count * UNIT_LEN])?;
            from += i64::try_from(count).unwrap_or(0);
        }
        Ok(())
    }

    /// Writes encoded units from `from` on, in as many files as they need.
    fn write_units(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        mut from: i64,
        mut bytes: &[u8],
    ) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let file_start = self.file_start(from);
            let room = usize::try_from(bytes_of(file_start + self.units_per_file - from))
                .unwrap_or(usize::MAX);
            let (part, rest) = bytes.split_at(room.min(bytes.len()));
            let file = self.file_to_write(work, queue, file_start)?;
            file.write_all_at(part, bytes_of(from - file_start))
                .map_err(|e| StoreError::io("write", &self.path(queue, file_start), e))?;
            from += i64::try_from(part.len() / UNIT_LEN).unwrap_or(0);
            bytes = rest;
        }
        Ok(())
    }

    /// The file, created with its full length if it does not exist.
    fn file_to_write(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        file_start: i64,
    ) -> Result<Arc<F::File>, StoreError> {
        let key = FileKey::new(queue, file_start);
        let file = match self.files.opened(key) {
            Some(file) => file,
            None => {
                let path = self.path(queue, file_start);
                let file = match self.fs.open(&path, OpenMode::ReadWrite) {
                    Ok(file) => file,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {
                        self.create_file(work, queue, &path)?
                    }
                    Err(e) => return Err(StoreError::io("open", &path, e)),
                };
                self.files.keep(key, file)
            }
        };
        work.written(key, &file);
        Ok(file)
    }

    fn create_file(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        path: &Path,
    ) -> Result<F::File, StoreError> {
        let queue_dir = self.queue_dir(queue);
        self.fs
            .create_dir_all(&queue_dir)
            .map_err(|e| StoreError::io("create", &queue_dir, e))?;
        let file = self
            .fs
            .open(path, OpenMode::Create)
            .map_err(|e| StoreError::io("create", path, e))?;
        if let Err(e) = file.set_len(self.file_len()) {
            // A file of another length would stop Java, and our next start.
            let _ = self.fs.remove_file(path);
            return Err(StoreError::io("extend", path, e));
        }
        let topic_dir = self.dir.join(&*queue.topic);
        work.dirs_changed([queue_dir, topic_dir, self.dir.clone()]);
        if let Some(parent) = self.dir.parent() {
            work.dirs_changed([parent.to_path_buf()]);
        }
        Ok(file)
    }

    pub(super) fn remove_file(
        &self,
        work: &mut Work<F>,
        queue: &ConsumeQueue,
        file_start: i64,
    ) -> Result<(), StoreError> {
        let key = FileKey::new(queue, file_start);
        self.files.forget(key);
        work.unsynced.remove(&key);
        let path = self.path(queue, file_start);
        match self.fs.remove_file(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(StoreError::io("delete", &path, e)),
        }
        work.dirs_changed(path.parent().map(Path::to_path_buf));
        Ok(())
    }

    /// Deletes the folder of a topic or queue, if there is one.
    pub(super) fn remove_folder(&self, work: &mut Work<F>, dir: &Path) -> Result<(), StoreError> {
        match self.fs.remove_dir_all(dir) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(StoreError::io("delete", dir, e)),
        }
        work.unsynced_dirs
            .insert(dir.parent().unwrap_or(&self.dir).to_owned());
        Ok(())
    }
}

impl<F: FileSystem> Work<F> {
    pub(super) fn written(&mut self, key: FileKey, file: &Arc<F::File>) {
        if self.sync_partition || self.unsynced.contains_key(&key) {
            return;
        }
        if self.unsynced.len() < UNSYNCED_FILES_MAX {
            self.unsynced.insert(key, file.clone());
        } else {
            self.sync_partition = true;
            self.unsynced.clear();
        }
    }

    /// Adds what else has to be synced.
    pub(super) fn add(&mut self, other: Self) {
        self.sync_partition |= other.sync_partition;
        for (key, file) in &other.unsynced {
            self.written(*key, file);
        }
        self.dirs_changed(other.unsynced_dirs);
    }

    fn dirs_changed(&mut self, dirs: impl IntoIterator<Item = PathBuf>) {
        if self.sync_partition {
            return;
        }
        self.unsynced_dirs.extend(dirs);
        if self.unsynced_dirs.len() > 4 * UNSYNCED_FILES_MAX {
            self.sync_partition = true;
        }
    }
}
