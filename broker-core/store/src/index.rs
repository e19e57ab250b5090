//! The index: which records of the log have a key. A row of files of a fixed size, filled one
//! after the other; file names are local times, `yyyyMMddHHmmssSSS`.
//!
//! Header of a file, 40 bytes:
//!
//! | position | field | type |
//! |---|---|---|
//! | 0 | store time of the first entry | i64, ms |
//! | 8 | store time of the last entry | i64, ms |
//! | 16 | log offset of the first entry | i64, bytes |
//! | 24 | log offset of the last entry | i64, bytes |
//! | 32 | slots in use | i32 |
//! | 36 | number of the next entry; the first has number 1 | i32 |
//!
//! Behind it `maxHashSlotNum` slots, each the number of its newest entry (i32, 0 for none), and
//! `maxIndexNum` entries of 20 bytes, the one numbered 0 unused:
//!
//! | position | field | type |
//! |---|---|---|
//! | 0 | hash of `topic#key`, not negative | i32 |
//! | 4 | log offset of the record | i64, bytes |
//! | 12 | seconds since the file's first entry | i32 |
//! | 16 | the next older entry of the same slot; 0 for none | i32 |
//!
//! All numbers are big-endian. A new file starts with the last entry of the one before in its header,
//! which its own first entry then replaces, except that the first time difference is computed from it.
//!
//! Of the newest file slots, entries and header are kept in memory, slots by page and only those in
//! use. [`Index::flush`] makes entries durable before slots, and slots before the header. So whatever
//! a crash leaves, entries up to the header's number are whole, and a slot that points beyond finds
//! its older entries through entries that are whole as well.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use remoting::protocol::message::tags::{continue_java_hash, java_hash};

use crate::StoreError;
use crate::fs::{File, FileSystem, OpenMode, create_durably};
use crate::index_feed::IndexEntry;
use crate::shared::lock;

const HEADER_BYTES: u64 = 40;
const SLOT_BYTES: u64 = 4;
pub(crate) const ENTRY_BYTES: usize = 20;
const NAME_DIGITS: usize = 17;
/// Slots are read and written in pages of so many bytes.
const PAGE_BYTES: usize = 4096;
const PAGE_SLOTS: u32 = (PAGE_BYTES / SLOT_BYTES as usize) as u32;
/// Neighbouring pages are written together, up to so many bytes.
const WRITE_BYTES: usize = 256 * 1024;
/// Entries that wait in memory before they are written.
const WAITING_BYTES: usize = 64 * 1024;
/// Entries that wait for space.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

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

/// Numbers that are the same for all files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) slots: u32,
    pub(crate) entries: u32,
}

impl Layout {
    pub(crate) fn file_len(self) -> u64 {
        HEADER_BYTES + u64::from(self.slots) * SLOT_BYTES + u64::from(self.entries) * 20
    }

    pub(crate) fn slot_of(self, hash: i32) -> u32 {
        hash.unsigned_abs() % self.slots
    }

    pub(crate) fn slot_at(self, slot: u32) -> u64 {
        HEADER_BYTES + u64::from(slot) * SLOT_BYTES
    }

    pub(crate) fn entry_at(self, number: u32) -> u64 {
        HEADER_BYTES + u64::from(self.slots) * SLOT_BYTES + u64::from(number) * 20
    }
}

struct Files<F: FileSystem> {
    /// Full files, oldest first.
    sealed: Vec<Arc<Sealed<F>>>,
    current: Option<Current<F>>,
}

/// A file that no longer changes.
pub(crate) struct Sealed<F: FileSystem> {
    pub(crate) path: PathBuf,
    pub(crate) file: F::File,
    pub(crate) header: Header,
}

/// The file that is being filled.
struct Current<F: FileSystem> {
    path: PathBuf,
    file: F::File,
    header: Header,
    pages: Vec<Option<Box<Page>>>,
    /// Encoded entries that are not in the file yet: the newest ones.
    waiting: Vec<u8>,
    dirty: bool,
}

struct Page {
    bytes: [u8; PAGE_BYTES],
    dirty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) begin_timestamp: i64,
    pub(crate) end_timestamp: i64,
    pub(crate) begin_offset: i64,
    pub(crate) end_offset: i64,
    pub(crate) slots_used: i32,
    /// Number of the next entry: at least 1.
    pub(crate) next: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hash: i32,
    pub(crate) offset: i64,
    pub(crate) seconds: i32,
    pub(crate) older: i32,
}

impl Header {
    fn new(before: Option<Header>) -> Self {
        let (timestamp, offset) = before.map_or((0, 0), |h| (h.end_timestamp, h.end_offset));
        Self {
            begin_timestamp: timestamp,
            end_timestamp: timestamp,
            begin_offset: offset,
            end_offset: offset,
            slots_used: 0,
            next: 1,
        }
    }

    fn decode(bytes: &[u8; HEADER_BYTES as usize], layout: Layout) -> Self {
        let [numbers @ .., counts] = bytes.as_chunks::<8>().0 else {
            unreachable!("40 bytes are five times eight")
        };
        let number = |at: usize| numbers.get(at).map_or(0, |n| i64::from_be_bytes(*n));
        let counts = i64::from_be_bytes(*counts);
        let next = u32::try_from(counts as i32).unwrap_or(0);
        Self {
            begin_timestamp: number(0),
            end_timestamp: number(1),
            begin_offset: number(2),
            end_offset: number(3),
            slots_used: (counts >> 32) as i32,
            next: next.clamp(1, layout.entries),
        }
    }

    fn encode(&self) -> [u8; HEADER_BYTES as usize] {
        let counts = (i64::from(self.slots_used) << 32) | i64::from(self.next);
        let numbers = [
            self.begin_timestamp,
            self.end_timestamp,
            self.begin_offset,
            self.end_offset,
            counts,
        ];
        let mut bytes = [0; HEADER_BYTES as usize];
        for (bytes, number) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *bytes = number.to_be_bytes();
        }
        bytes
    }
}

impl Entry {
    pub(crate) fn decode(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [a, b, c, d, e] = bytes.as_chunks::<4>().0 else {
            unreachable!("20 bytes are five times four")
        };
        let high = i64::from(i32::from_be_bytes(*b)) << 32;
        Self {
            hash: i32::from_be_bytes(*a),
            offset: high | i64::from(u32::from_be_bytes(*c)),
            seconds: i32::from_be_bytes(*d),
            older: i32::from_be_bytes(*e),
        }
    }

    fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..4].copy_from_slice(&self.hash.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.offset.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.seconds.to_be_bytes());
        bytes[16..].copy_from_slice(&self.older.to_be_bytes());
        bytes
    }
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
            let newest = file.slot(self.layout.slot_of(wanted.hash))?;
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

impl<F: FileSystem> Sealed<F> {
    /// `None`: it has not the size of an index file.
    fn open(
        fs: &F,
        path: &Path,
        mode: OpenMode,
        layout: Layout,
    ) -> Result<Option<Self>, StoreError> {
        let io = |e| StoreError::io("open", path, e);
        let file = fs.open(path, mode).map_err(io)?;
        if file.len().map_err(io)? != layout.file_len() {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_BYTES as usize];
        file.read_exact_at(&mut bytes, 0).map_err(io)?;
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            header: Header::decode(&bytes, layout),
        }))
    }

    /// The same file, to be filled further.
    fn reopen(&self, fs: &F, layout: Layout) -> Result<Current<F>, StoreError> {
        let file = fs
            .open(&self.path, OpenMode::ReadWrite)
            .map_err(|e| StoreError::io("open", &self.path, e))?;
        Ok(Current::new(self.path.clone(), file, self.header, layout))
    }

    fn slot(&self, slot: u32) -> Result<i32, StoreError> {
        let mut bytes = [0; SLOT_BYTES as usize];
        self.file
            .read_exact_at(&mut bytes, HEADER_BYTES + u64::from(slot) * SLOT_BYTES)
            .map_err(|e| StoreError::io("read", &self.path, e))?;
        Ok(i32::from_be_bytes(bytes))
    }

    pub(crate) fn entry(&self, number: u32, layout: Layout) -> Result<Entry, StoreError> {
        read_entry(&self.file, &self.path, number, layout)
    }
}

fn read_entry<H: File>(
    file: &H,
    path: &Path,
    number: u32,
    layout: Layout,
) -> Result<Entry, StoreError> {
    let mut bytes = [0; ENTRY_BYTES];
    file.read_exact_at(&mut bytes, layout.entry_at(number))
        .map_err(|e| StoreError::io("read", path, e))?;
    Ok(Entry::decode(&bytes))
}

impl<F: FileSystem> Current<F> {
    fn new(path: PathBuf, file: F::File, header: Header, layout: Layout) -> Self {
        let mut pages = Vec::new();
        pages.resize_with(layout.slots.div_ceil(PAGE_SLOTS) as usize, || None);
        Self {
            path,
            file,
            header,
            pages,
            waiting: Vec::new(),
            dirty: false,
        }
    }

    fn seal(self) -> Sealed<F> {
        Sealed {
            path: self.path,
            file: self.file,
            header: self.header,
        }
    }

    fn put(&mut self, new: &IndexEntry, layout: Layout) -> Result<(), StoreError> {
        let number = self.header.next;
        let slot = layout.slot_of(new.hash);
        let before = self.slot(slot, layout)?;
        let known = u32::try_from(before).is_ok_and(|before| (1..number).contains(&before));
        let begin = self.header.begin_timestamp;
        let seconds = match begin {
            ..=0 => 0,
            begin => ((new.store_timestamp - begin) / 1000).clamp(0, i64::from(i32::MAX)),
        };
        let entry = Entry {
            hash: new.hash,
            offset: new.phy,
            seconds: i32::try_from(seconds).unwrap_or(i32::MAX),
            older: if known { before } else { 0 },
        };
        self.waiting.extend_from_slice(&entry.encode());
        self.set_slot(slot, number.cast_signed(), layout)?;
        if number == 1 {
            self.header.begin_timestamp = new.store_timestamp;
            self.header.begin_offset = new.phy;
        }
        if !known {
            self.header.slots_used += 1;
        }
        self.header.next += 1;
        self.header.end_timestamp = new.store_timestamp;
        self.header.end_offset = new.phy;
        self.dirty = true;
        if self.waiting.len() < WAITING_BYTES {
            return Ok(());
        }
        match self.write_entries(layout) {
            // They can wait for space, as long as they are not too many.
            Err(e) if e.is_no_space() && self.waiting.len() < WAITING_BYTES_MAX => Ok(()),
            written => written,
        }
    }

    /// Number of the first entry that is only in memory.
    fn first_waiting(&self) -> u32 {
        self.header.next - u32::try_from(self.waiting.len() / ENTRY_BYTES).unwrap_or(0)
    }

    fn entry(&self, number: u32, layout: Layout) -> Result<Entry, StoreError> {
        let waiting = number
            .checked_sub(self.first_waiting())
            .and_then(|at| self.waiting.as_chunks().0.get(at as usize));
        match waiting {
            Some(bytes) => Ok(Entry::decode(bytes)),
            None => read_entry(&self.file, &self.path, number, layout),
        }
    }

    fn write_entries(&mut self, layout: Layout) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.file
            .write_all_at(&self.waiting, layout.entry_at(self.first_waiting()))
            .map_err(|e| StoreError::io("write", &self.path, e))?;
        self.waiting.clear();
        Ok(())
    }

    /// Bytes that the file has of a page: the last one may be cut by the entries.
    fn page_range(page: usize, layout: Layout) -> (u64, usize) {
        let begin = page * PAGE_BYTES;
        let all = layout.slots as usize * SLOT_BYTES as usize;
        (
            HEADER_BYTES + begin as u64,
            PAGE_BYTES.min(all.saturating_sub(begin)),
        )
    }

    fn page(&mut self, page: usize, layout: Layout) -> Result<&mut Page, StoreError> {
        let place = &mut self.pages[page];
        if place.is_none() {
            let mut bytes = [0; PAGE_BYTES];
            let (at, len) = Self::page_range(page, layout);
            self.file
                .read_exact_at(&mut bytes[..len], at)
                .map_err(|e| StoreError::io("read", &self.path, e))?;
            *place = Some(Box::new(Page {
                bytes,
                dirty: false,
            }));
        }
        match place {
            Some(page) => Ok(page),
            None => unreachable!("just read"),
        }
    }

    fn slot(&mut self, slot: u32, layout: Layout) -> Result<i32, StoreError> {
        let page = self.page((slot / PAGE_SLOTS) as usize, layout)?;
        let slots = page.bytes.as_chunks().0;
        Ok(i32::from_be_bytes(slots[(slot % PAGE_SLOTS) as usize]))
    }

    /// As [`Self::slot`], leaving a page that is not in memory where it is.
    fn slot_for_reading(&self, slot: u32, layout: Layout) -> Result<i32, StoreError> {
        let page = (slot / PAGE_SLOTS) as usize;
        let within = (slot % PAGE_SLOTS) as usize;
        if let Some(page) = &self.pages[page] {
            return Ok(i32::from_be_bytes(page.bytes.as_chunks().0[within]));
        }
        let mut bytes = [0; SLOT_BYTES as usize];
        let (at, _) = Self::page_range(page, layout);
        self.file
            .read_exact_at(&mut bytes, at + within as u64 * SLOT_BYTES)
            .map_err(|e| StoreError::io("read", &self.path, e))?;
        Ok(i32::from_be_bytes(bytes))
    }

    fn set_slot(&mut self, slot: u32, value: i32, layout: Layout) -> Result<(), StoreError> {
        let page = self.page((slot / PAGE_SLOTS) as usize, layout)?;
        page.bytes.as_chunks_mut().0[(slot % PAGE_SLOTS) as usize] = value.to_be_bytes();
        page.dirty = true;
        self.dirty = true;
        Ok(())
    }

    /// Makes everything durable: entries, then slots, then the header, each before the next.
    fn flush(&mut self, layout: Layout) -> Result<(), StoreError> {
        if !self.dirty {
            return Ok(());
        }
        self.write_entries(layout)?;
        self.sync()?;
        self.write_slots(layout)?;
        self.sync()?;
        self.file
            .write_all_at(&self.header.encode(), 0)
            .map_err(|e| StoreError::io("write", &self.path, e))?;
        self.sync()?;
        self.dirty = false;
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync_data()
            .map_err(|e| StoreError::io("sync", &self.path, e))
    }

    fn write_slots(&mut self, layout: Layout) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        let mut run = 0..0; // the neighbouring pages in `bytes`
        let count = self.pages.len();
        for at in 0..count {
            let (_, len) = Self::page_range(at, layout);
            if let Some(page) = self.pages[at].as_ref().filter(|page| page.dirty) {
                if bytes.is_empty() {
                    run = at..at;
                }
                bytes.extend_from_slice(&page.bytes[..len]);
                run.end = at + 1;
                if bytes.len() < WRITE_BYTES && at + 1 < count {
                    continue;
                }
            }
            if !bytes.is_empty() {
                self.file
                    .write_all_at(&bytes, Self::page_range(run.start, layout).0)
                    .map_err(|e| StoreError::io("write", &self.path, e))?;
                bytes.clear();
                // Not before: a failed write is tried again with the next flush.
                for page in self.pages[run.clone()].iter_mut().flatten() {
                    page.dirty = false;
                }
            }
        }
        Ok(())
    }

    /// Number of the first entry whose record lies at or behind `end`: entries are in the order of
    /// the log.
    fn first_at_or_after(&self, end: i64, layout: Layout) -> Result<u32, StoreError> {
        let (mut low, mut high) = (1, self.header.next);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle, layout)?.offset < end {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Takes entries from number `next` on out of all slots: each goes back to its newest entry
    /// before.
    fn forget_from(&mut self, next: u32, layout: Layout) -> Result<(), StoreError> {
        let mut used = 0;
        for slot in 0..layout.slots {
            let mut value = self.slot(slot, layout)?;
            while let Ok(number) = u32::try_from(value)
                && number >= next
                && number < layout.entries
            {
                let older = self.entry(number, layout)?.older;
                value = if older < value { older } else { 0 };
            }
            let valid = u32::try_from(value).is_ok_and(|number| (1..next).contains(&number));
            if !valid && value != 0 {
                value = 0;
            }
            if value != self.slot(slot, layout)? {
                self.set_slot(slot, value, layout)?;
            }
            used += i32::from(valid);
        }
        if !self.waiting.is_empty() {
            // Slots that point to entries which a crash can still tear would lose what is behind these.
            self.write_entries(layout)?;
            self.sync()?;
        }
        self.dirty |= self.header.next != next || self.header.slots_used != used;
        self.header.next = next;
        self.header.slots_used = used;
        // Almost all pages were looked at, few are needed.
        self.write_slots(layout)?;
        self.pages.fill_with(|| None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFileSystem;

    const SLOTS: u32 = 5;
    const ENTRIES: u32 = 8;

    fn open(dir: &Path, trust: Trust) -> Index<OsFileSystem> {
        Index::open(OsFileSystem, dir, SLOTS, ENTRIES, trust).unwrap()
    }

    fn put(index: &Index<OsFileSystem>, records: std::ops::Range<i64>) {
        for n in records {
            let entry = |key: &str| IndexEntry {
                hash: key_hash("T", key),
                phy: n * 100,
                store_timestamp: 1_700_000_000_000 + n * 1500,
            };
            let entries = [entry("all"), entry(&format!("k{n}"))];
            index.put(&entries, &mut 0).unwrap();
        }
    }

    fn find(index: &Index<OsFileSystem>, key: &str) -> Vec<i64> {
        index.query("T", key, 32, 0, i64::MAX).unwrap().offsets
    }

    fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
        let names = OsFileSystem.list_dir(dir).unwrap();
        let read = |name: String| (name.clone(), std::fs::read(dir.join(name)).unwrap());
        names.into_iter().map(|entry| read(entry.name)).collect()
    }

    #[test]
    fn hashes_are_javas_and_never_negative() {
        assert_eq!(key_hash("TopicTest", "key1"), 1_655_984_460);
        let unique = "7F000001ABCD18B4AAC20000000A0000";
        assert_eq!(key_hash("TopicTest", unique), 244_295_923);
    }

    #[test]
    fn a_file_looks_as_apaches() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), Trust::Whole);
        put(&index, 1..2);
        put(&index, 2..3);
        index.flush().unwrap();
        let files = contents(dir.path());
        let (name, bytes) = &files[0];
        assert!(name.starts_with("202311"), "{name}");
        assert_eq!(bytes.len(), 40 + 5 * 4 + 8 * 20);
        let number = |at: usize| i64::from_be_bytes(*bytes[at..].first_chunk().unwrap());
        assert_eq!(number(0), 1_700_000_001_500);
        assert_eq!(number(8), 1_700_000_003_000);
        assert_eq!((number(16), number(24)), (100, 200));
        assert_eq!(number(32) as i32, 5, "number of the next entry");
        let third = Entry::decode(bytes[60 + 3 * 20..].first_chunk().unwrap());
        let expected = Entry {
            hash: key_hash("T", "all"),
            offset: 200,
            seconds: 1,
            older: third.older,
        };
        assert_eq!(third, expected);
    }

    #[test]
    fn keys_are_found_over_several_files_and_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), Trust::Whole);
        put(&index, 1..20);
        let all: Vec<i64> = (1..20).map(|n| n * 100).collect();
        assert_eq!(find(&index, "all"), all);
        assert_eq!(find(&index, "k7"), [700]);
        let newest = index.query("T", "all", 3, 0, i64::MAX).unwrap().offsets;
        assert_eq!(newest, [1700, 1800, 1900]);
        let (from, to) = (1_700_000_000_000 + 5 * 1500, 1_700_000_000_000 + 7 * 1500);
        let some = index.query("T", "all", 32, from, to).unwrap().offsets;
        assert!(some.ends_with(&[500, 600, 700]), "{some:?}");
        index.flush().unwrap();
        drop(index);
        let index = open(dir.path(), Trust::Whole);
        assert_eq!(find(&index, "all"), all);
        assert_eq!(index.dispatched_to(), 1900);
    }

    #[test]
    fn records_read_again_are_not_added_twice() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), Trust::Whole);
        put(&index, 1..11);
        index.flush().unwrap();
        drop(index);
        let index = open(dir.path(), Trust::Headers);
        put(&index, 5..13);
        assert_eq!(find(&index, "all").len(), 12);
        index.flush().unwrap();
        let whole = tempfile::tempdir().unwrap();
        let rebuilt = open(whole.path(), Trust::Whole);
        put(&rebuilt, 1..13);
        rebuilt.flush().unwrap();
        assert_eq!(contents(dir.path()), contents(whole.path()));
    }

    #[test]
    fn what_was_not_flushed_is_unwound_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), Trust::Whole);
        put(&index, 1..3);
        index.flush().unwrap();
        let header = contents(dir.path())[0].1[..40].to_vec();
        put(&index, 3..4);
        index.flush().unwrap();
        drop(index);
        // The crash came before the header.
        let path = dir.path().join(&contents(dir.path())[0].0);
        let file = OsFileSystem.open(&path, OpenMode::ReadWrite).unwrap();
        file.write_all_at(&header, 0).unwrap();
        let index = open(dir.path(), Trust::Headers);
        assert_eq!(find(&index, "all"), [100, 200]);
        assert_eq!(find(&index, "k3"), [0; 0]);
        put(&index, 3..4);
        assert_eq!(find(&index, "all"), [100, 200, 300]);
    }

    #[test]
    fn records_behind_the_end_of_the_log_are_forgotten() {
        for end in 1..20 {
            let dir = tempfile::tempdir().unwrap();
            let mut index = open(dir.path(), Trust::Whole);
            put(&index, 1..20);
            index.flush().unwrap();
            index
                .truncate(end * 100, |at| Ok(Some(1_700_000_000_000 + at * 15)))
                .unwrap();
            let kept: Vec<i64> = (1..end).map(|n| n * 100).collect();
            assert_eq!(find(&index, "all"), kept);
            put(&index, end..20);
            index.flush().unwrap();
            let whole = tempfile::tempdir().unwrap();
            let rebuilt = open(whole.path(), Trust::Whole);
            put(&rebuilt, 1..20);
            rebuilt.flush().unwrap();
            assert_eq!(contents(dir.path()), contents(whole.path()), "end {end}");
        }
    }

    #[test]
    fn expired_files_go_but_never_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), Trust::Whole);
        put(&index, 1..20);
        let files = contents(dir.path()).len();
        assert_eq!(index.remove_before(800).unwrap(), 2);
        assert_eq!(contents(dir.path()).len(), files - 2);
        assert_eq!(index.remove_before(i64::MAX).unwrap(), files - 3);
        assert_eq!(find(&index, "k19"), [1900]);
    }

    #[test]
    fn after_a_crash_of_apaches_only_full_synced_files_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), Trust::Whole);
        put(&index, 1..20);
        index.flush().unwrap();
        drop(index);
        let index = open(dir.path(), Trust::Until(1_700_000_000_000 + 8 * 1500));
        assert!(index.dispatched_to() <= 800);
        assert_eq!(find(&index, "k2"), [200]);
    }
}
