//! The index: which records of the log have a key. A row of files of a fixed size (`file`), filled one
//! after the other; their names are local times, `yyyyMMddHHmmssSSS`.
//!
//! Locking: one lock, held over I/O by whoever puts, flushes or removes; queries hold it for the newest file only.

mod file;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use remoting::protocol::message::tags::{continue_java_hash, java_hash};

use self::file::{Current, Header};
pub(crate) use self::file::{ENTRY_BYTES, Entry, Layout, Sealed};
use crate::StoreError;
use crate::fs::{File, FileSystem, OpenMode, create_durably};
use crate::guards::lock;

const NAME_DIGITS: usize = 17;

/// One key of one message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexEntry {
    /// [`key_hash`] of topic and key.
    pub(crate) hash: i32,
    /// Position of the message in the log.
    pub(crate) phy: i64,
    pub(crate) store_timestamp: i64,
}

/// The hash by which a key is found: never negative.
pub(crate) fn key_hash(topic: &str, key: &str) -> i32 {
    let hash = continue_java_hash(continue_java_hash(java_hash(topic), "#"), key);
    // Java's `abs` leaves the smallest number negative; RocketMQ takes 0 for it.
    hash.checked_abs().unwrap_or(0)
}

/// What the files found by [`Index::open`] are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// They were closed in good order.
    Whole,
    /// We crashed: their headers are durable, what is behind may have run ahead.
    Headers,
    /// A Java broker crashed, which syncs nothing but full files: those whose last entry is not
    /// newer than this store time, in milliseconds since the epoch, are whole, the others are worth
    /// nothing.
    Until(i64),
}

/// The answer to [`Index::query`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where records with the key's hash lie in the log, ascending.
    pub(crate) offsets: Vec<i64>,
    /// Store time of the newest entry of the index.
    pub(crate) last_update_timestamp: i64,
    /// Log offset of the newest entry of the index.
    pub(crate) last_update_offset: i64,
}

/// All index files of a store.
pub(crate) struct Index<F: FileSystem> {
    fs: F,
    dir: PathBuf,
    layout: Layout,
    /// The newest record that is in the index already, though the log is read again.
    known_to: Option<i64>,
    files: Mutex<Files<F>>,
}

struct Files<F: FileSystem> {
    /// Full files, oldest first.
    sealed: Vec<Arc<Sealed<F>>>,
    current: Option<Current<F>>,
}

impl<F: FileSystem> Index<F> {
    /// Opens the files in `dir`, which is created if absent. Files of another size than the
    /// configuration asks for, or that are not to be trusted, are deleted: what the log still has of
    /// them is read again by recovery.
    pub(crate) fn open(
        fs: F,
        dir: &Path,
        slots: u32,
        entries: u32,
        trust: Trust,
    ) -> Result<Self, StoreError> {
        let layout = Layout { slots, entries };
        create_durably(&fs, dir).map_err(|e| StoreError::io("create", dir, e))?;
        let mut found = Vec::new();
        for path in file_paths(&fs, dir)? {
            match Sealed::open(&fs, &path, OpenMode::ReadWrite, layout)? {
                Some(file) if !distrusted(&file.header, trust) => found.push(file),
                _ => {
                    tracing::warn!("{} is not a whole index file: deleted", path.display());
                    fs.remove_file(&path)
                        .map_err(|e| StoreError::io("delete", &path, e))?;
                }
            }
        }
        let current = match found.pop() {
            None => None,
            Some(newest) => {
                let mut current = newest.reopen(&fs, layout)?;
                if trust == Trust::Headers {
                    let next = current.header.next;
                    current.forget_from(next, layout)?;
                    // What a killed process has written may be in the system's memory only.
                    current.dirty = true;
                    current.flush(layout)?;
                }
                Some(current)
            }
        };
        let files = Files {
            sealed: found.into_iter().map(Arc::new).collect(),
            current,
        };
        Ok(Self {
            known_to: files.newest_record(),
            fs,
            dir: dir.to_owned(),
            layout,
            files: Mutex::new(files),
        })
    }

    /// The files in `dir` as they are, for reading only, and those of another size. None in a folder that does not exist.
    pub(crate) fn read_only(
        fs: F,
        dir: &Path,
        slots: u32,
        entries: u32,
    ) -> Result<(Self, Vec<PathBuf>), StoreError> {
        let layout = Layout { slots, entries };
        let (mut sealed, mut strangers) = (Vec::new(), Vec::new());
        let there = fs
            .exists(dir)
            .map_err(|e| StoreError::io("inspect", dir, e))?;
        let paths = if there {
            file_paths(&fs, dir)?
        } else {
            Vec::new()
        };
        for path in paths {
            match Sealed::open(&fs, &path, OpenMode::Read, layout)? {
                Some(file) => sealed.push(Arc::new(file)),
                None => strangers.push(path),
            }
        }
        let files = Files {
            sealed,
            current: None,
        };
        let index = Self {
            known_to: files.newest_record(),
            fs,
            dir: dir.to_owned(),
            layout,
            files: Mutex::new(files),
        };
        Ok((index, strangers))
    }

    /// Full files, oldest first; all there are when it was opened for reading only.
    pub(crate) fn sealed(&self) -> Vec<Arc<Sealed<F>>> {
        lock(&self.files).sealed.clone()
    }

    /// The numbers that are the same for all files.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Entries in all files.
    pub(crate) fn entries(&self) -> u64 {
        let files = lock(&self.files);
        let headers = files.sealed.iter().map(|file| &file.header);
        let headers = headers.chain(files.current.iter().map(|file| &file.header));
        headers.map(|header| u64::from(header.next - 1)).sum()
    }

    /// Deletes all files: what the log still has of them is read again by recovery.
    pub(crate) fn clear(&mut self) -> Result<(), StoreError> {
        for path in file_paths(&self.fs, &self.dir)? {
            self.fs
                .remove_file(&path)
                .map_err(|e| StoreError::io("delete", &path, e))?;
        }
        *lock(&self.files) = Files {
            sealed: Vec::new(),
            current: None,
        };
        self.known_to = None;
        Ok(())
    }

    /// Log offset of the newest record in the index; 0 when it is empty.
    pub(crate) fn dispatched_to(&self) -> i64 {
        lock(&self.files).end_offset()
    }

    /// Adds all entries of whole records, in the order of the log. Records that were in the index when it was
    /// opened are passed over. `done` counts the entries that need not be offered again.
    ///
    /// The entries of a record stand in one file, so that a crash between two files, or a disk without space for the next
    /// one, leaves all of them or none.
    pub(crate) fn put(&self, entries: &[IndexEntry], done: &mut usize) -> Result<(), StoreError> {
        let mut files = lock(&self.files);
        for record in entries.chunk_by(|a, b| a.phy == b.phy) {
            if self
                .known_to
                .is_none_or(|known_to| record[0].phy > known_to)
            {
                self.put_record(&mut files, record)?;
            }
            *done += record.len();
        }
        Ok(())
    }

    fn put_record(&self, files: &mut Files<F>, entries: &[IndexEntry]) -> Result<(), StoreError> {
        // A message with more keys than a file has room for begins a file, and goes on in the next.
        let capacity = self.layout.entries as usize - 1;
        for entries in entries.chunks(capacity) {
            let room = |current: &Current<F>| (self.layout.entries - current.header.next) as usize;
            if files
                .current
                .as_ref()
                .is_none_or(|current| room(current) < entries.len())
            {
                self.roll(files, entries[0].store_timestamp)?;
            }
            if let Some(current) = &mut files.current {
                for entry in entries {
                    current.put(entry, self.layout)?;
                }
            }
        }
        Ok(())
    }

    /// Makes everything durable. Returns the store time of the newest entry, in milliseconds since
    /// the epoch.
    pub(crate) fn flush(&self) -> Result<i64, StoreError> {
        let mut files = lock(&self.files);
        match &mut files.current {
            None => Ok(0),
            Some(current) => {
                current.flush(self.layout)?;
                Ok(current.header.end_timestamp)
            }
        }
    }

    /// Forgets records at or behind `end`, where the log turned out to end. `store_time` gives the
    /// store time of a record that the log still has.
    pub(crate) fn truncate(
        &mut self,
        end: i64,
        store_time: impl Fn(i64) -> Result<Option<i64>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut files = lock(&self.files);
        while let Some(current) = &mut files.current {
            if current.header.end_offset < end {
                break;
            }
            let kept = current.first_at_or_after(end, self.layout)?;
            if kept > 1 {
                current.forget_from(kept, self.layout)?;
                let last = current.entry(kept - 1, self.layout)?;
                current.header.end_offset = last.offset;
                if let Some(timestamp) = store_time(last.offset)? {
                    current.header.end_timestamp = timestamp;
                }
                current.flush(self.layout)?;
                break;
            }
            let path = current.path.clone();
            files.current = match files.sealed.pop() {
                None => None,
                Some(before) => Some(before.reopen(&self.fs, self.layout)?),
            };
            // It must not come back: behind it, the file before would be taken for finished.
            self.fs
                .remove_file(&path)
                .and_then(|()| self.fs.sync_dir(&self.dir))
                .map_err(|e| StoreError::io("delete", &path, e))?;
        }
        let known_to = files.newest_record();
        drop(files);
        self.known_to = known_to;
        Ok(())
    }

    /// Deletes files whose records all lie before `log_min`, oldest first, never the newest file.
    /// Returns how many.
    pub(crate) fn remove_before(&self, log_min: i64) -> Result<usize, StoreError> {
        let mut removed = 0;
        loop {
            let mut files = lock(&self.files);
            let Some(oldest) = files.sealed.first() else {
                return Ok(removed);
            };
            if oldest.header.end_offset >= log_min {
                return Ok(removed);
            }
            self.fs
                .remove_file(&oldest.path)
                .map_err(|e| StoreError::io("delete", &oldest.path, e))?;
            files.sealed.remove(0);
            removed += 1;
        }
    }

    /// The newest `max` records with the key's hash that were stored between the two times, ends
    /// included. Other keys may have the same hash. Entries know their time to the second: at the
    /// beginning of the range records may be among them that are up to a second older.
    pub(crate) fn query(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
    ) -> Result<Found, StoreError> {
        let mut wanted = Wanted {
            hash: key_hash(topic, key),
            max,
            begin_ms,
            end_ms,
            offsets: Vec::new(),
        };
        let files = lock(&self.files);
        let mut flow = ControlFlow::Continue(());
        if let Some(current) = &files.current {
            let entry = |number| current.entry(number, self.layout);
            let newest = || current.slot_for_reading(self.layout.slot_of(wanted.hash), self.layout);
            flow = wanted.search(&current.header, newest()?, entry)?;
        }
        let sealed = files.sealed.clone();
        let mut found = Found::default();
        if let Some(newest) = files.newest() {
            found.last_update_timestamp = newest.end_timestamp;
            found.last_update_offset = newest.end_offset;
        }
        // What follows reads files, which should keep nobody waiting.
        drop(files);
        for file in sealed.iter().rev() {
            if flow.is_break() {
                break;
            }
            let newest = file.slot(self.layout.slot_of(wanted.hash), self.layout)?;
            flow = wanted.search(&file.header, newest, |number| {
                file.entry(number, self.layout)
            })?;
        }
        wanted.offsets.sort_unstable();
        found.offsets = wanted.offsets;
        Ok(found)
    }

    /// Starts the next file, whose first entry has this store time.
    fn roll(&self, files: &mut Files<F>, store_timestamp: i64) -> Result<(), StoreError> {
        let before = files.newest().copied();
        if let Some(mut full) = files.current.take() {
            if let Err(e) = full.flush(self.layout) {
                files.current = Some(full);
                return Err(e);
            }
            files.sealed.push(Arc::new(full.seal()));
        }
        // Clocks go back, and local time does so every year.
        let newest = files.sealed.last();
        let last = newest.and_then(|file| file.path.file_name()?.to_str()?.parse().ok());
        let name = name_of(store_timestamp).max(last.map_or(0, |last: u64| last + 1));
        let path = self.dir.join(format!("{name:0NAME_DIGITS$}"));
        let header = Header::new(before);
        let io = |e| StoreError::io("create", &path, e);
        let file = self.fs.open(&path, OpenMode::Create).map_err(io)?;
        file.set_len(self.layout.file_len()).map_err(io)?;
        file.write_all_at(&header.encode(), 0).map_err(io)?;
        file.sync_all().map_err(io)?;
        self.fs.sync_dir(&self.dir).map_err(io)?;
        files.current = Some(Current::new(path, file, header, self.layout));
        Ok(())
    }
}

/// The files whose names are those of index files, oldest first.
fn file_paths<F: FileSystem>(fs: &F, dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs
        .list_dir(dir)
        .map_err(|e| StoreError::io("list", dir, e))?;
    let named = entries.into_iter().filter(|entry| {
        let digits = entry.name.bytes().all(|byte| byte.is_ascii_digit());
        !entry.is_dir && digits && entry.name.len() == NAME_DIGITS
    });
    Ok(named.map(|entry| dir.join(entry.name)).collect())
}

fn distrusted(header: &Header, trust: Trust) -> bool {
    // A crash came between making the file and writing its header.
    let unborn = header.end_offset == 0 && header.next <= 1;
    unborn || matches!(trust, Trust::Until(time) if header.end_timestamp > time)
}

/// `yyyyMMddHHmmssSSS` as a number.
fn name_of(timestamp: i64) -> u64 {
    let time = jiff::Timestamp::from_millisecond(timestamp)
        .unwrap_or_default()
        .to_zoned_datetime(jiff::tz::TimeZone::system());
    let fields = [
        (time.year().unsigned_abs().into(), 1),
        (time.month().unsigned_abs().into(), 100),
        (time.day().unsigned_abs().into(), 100),
        (time.hour().unsigned_abs().into(), 100),
        (time.minute().unsigned_abs().into(), 100),
        (time.second().unsigned_abs().into(), 100),
        (time.millisecond().unsigned_abs().into(), 1000),
    ];
    fields
        .into_iter()
        .fold(0, |name, (value, places): (u64, u64)| name * places + value)
}

impl<F: FileSystem> Files<F> {
    fn newest(&self) -> Option<&Header> {
        let sealed = || self.sealed.last().map(|file| &file.header);
        self.current
            .as_ref()
            .map(|file| &file.header)
            .or_else(sealed)
    }

    fn end_offset(&self) -> i64 {
        self.newest().map_or(0, |header| header.end_offset)
    }

    /// Log offset of the newest record that has an entry.
    fn newest_record(&self) -> Option<i64> {
        let any = !self.sealed.is_empty() || self.newest().is_some_and(|header| header.next > 1);
        any.then(|| self.end_offset())
    }
}

/// A query on its way through the files, newest first.
struct Wanted {
    hash: i32,
    max: usize,
    begin_ms: i64,
    end_ms: i64,
    offsets: Vec<i64>,
}

impl Wanted {
    /// Walks a slot's chain from `newest` on. `Break`: older files are of no interest.
    fn search(
        &mut self,
        header: &Header,
        newest: i32,
        entry: impl Fn(u32) -> Result<Entry, StoreError>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let mut number = newest;
        let overlaps =
            header.begin_timestamp <= self.end_ms && header.end_timestamp >= self.begin_ms;
        while let Ok(at) = u32::try_from(number)
            && (1..header.next).contains(&at)
            && overlaps
            && self.offsets.len() < self.max
        {
            let found = entry(at)?;
            // Rounded down; those of the first entry count from the file before.
            let seconds = if at == 1 { 0 } else { found.seconds };
            let time = header.begin_timestamp + i64::from(seconds) * 1000;
            if found.seconds < 0 || time.saturating_add(999) < self.begin_ms {
                break;
            }
            if found.hash == self.hash && time <= self.end_ms {
                self.offsets.push(found.offset);
            }
            if found.older >= number {
                break;
            }
            number = found.older;
        }
        let done = self.offsets.len() >= self.max || header.begin_timestamp < self.begin_ms;
        Ok(if done {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}

#[cfg(test)]
mod tests;
