//! One file of the index.
//!
//! Header, 40 bytes:
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
//! use. [`Current::flush`] makes entries durable before slots, and slots before the header. So whatever
//! a crash leaves, entries up to the header's number are whole, and a slot that points beyond finds
//! its older entries through entries that are whole as well.

use std::path::{Path, PathBuf};

use super::IndexEntry;
use crate::StoreError;
use crate::fs::{File, FileSystem, OpenMode};

const HEADER_BYTES: u64 = 40;
const SLOT_BYTES: u64 = 4;
pub(crate) const ENTRY_BYTES: usize = 20;
/// Slots are read and written in pages of so many bytes.
const PAGE_BYTES: usize = 4096;
const PAGE_SLOTS: u32 = (PAGE_BYTES / SLOT_BYTES as usize) as u32;
/// Neighbouring pages are written together, up to so many bytes.
const WRITE_BYTES: usize = 256 * 1024;
/// Entries that wait in memory before they are written.
const WAITING_BYTES: usize = 64 * 1024;
/// Entries that wait for space.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

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

/// A file that no longer changes.
pub(crate) struct Sealed<F: FileSystem> {
    pub(crate) path: PathBuf,
    pub(crate) file: F::File,
    pub(crate) header: Header,
}

/// The file that is being filled.
pub(super) struct Current<F: FileSystem> {
    pub(super) path: PathBuf,
    file: F::File,
    pub(super) header: Header,
    pages: Vec<Option<Box<Page>>>,
    /// Encoded entries that are not in the file yet: the newest ones.
    waiting: Vec<u8>,
    pub(super) dirty: bool,
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
    /// Of a file behind that with the header `before`.
    pub(super) fn new(before: Option<Header>) -> Self {
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

    pub(super) fn encode(&self) -> [u8; HEADER_BYTES as usize] {
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

impl<F: FileSystem> Sealed<F> {
    /// `None`: it has not the size of an index file.
    pub(super) fn open(
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
    pub(super) fn reopen(&self, fs: &F, layout: Layout) -> Result<Current<F>, StoreError> {
        let file = fs
            .open(&self.path, OpenMode::ReadWrite)
            .map_err(|e| StoreError::io("open", &self.path, e))?;
        Ok(Current::new(self.path.clone(), file, self.header, layout))
    }

    /// Number of the newest entry of a slot; 0 for none.
    pub(super) fn slot(&self, slot: u32, layout: Layout) -> Result<i32, StoreError> {
        read_slot(&self.file, &self.path, slot, layout)
    }

    pub(crate) fn entry(&self, number: u32, layout: Layout) -> Result<Entry, StoreError> {
        read_entry(&self.file, &self.path, number, layout)
    }
}

fn read_slot<H: File>(file: &H, path: &Path, slot: u32, layout: Layout) -> Result<i32, StoreError> {
    let mut bytes = [0; SLOT_BYTES as usize];
    file.read_exact_at(&mut bytes, layout.slot_at(slot))
        .map_err(|e| StoreError::io("read", path, e))?;
    Ok(i32::from_be_bytes(bytes))
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
    pub(super) fn new(path: PathBuf, file: F::File, header: Header, layout: Layout) -> Self {
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

    pub(super) fn seal(self) -> Sealed<F> {
        Sealed {
            path: self.path,
            file: self.file,
            header: self.header,
        }
    }

    pub(super) fn put(&mut self, new: &IndexEntry, layout: Layout) -> Result<(), StoreError> {
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

    pub(super) fn entry(&self, number: u32, layout: Layout) -> Result<Entry, StoreError> {
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
    pub(super) fn slot_for_reading(&self, slot: u32, layout: Layout) -> Result<i32, StoreError> {
        match &self.pages[(slot / PAGE_SLOTS) as usize] {
            Some(page) => {
                let slots = page.bytes.as_chunks().0;
                Ok(i32::from_be_bytes(slots[(slot % PAGE_SLOTS) as usize]))
            }
            None => read_slot(&self.file, &self.path, slot, layout),
        }
    }

    fn set_slot(&mut self, slot: u32, value: i32, layout: Layout) -> Result<(), StoreError> {
        let page = self.page((slot / PAGE_SLOTS) as usize, layout)?;
        page.bytes.as_chunks_mut().0[(slot % PAGE_SLOTS) as usize] = value.to_be_bytes();
        page.dirty = true;
        self.dirty = true;
        Ok(())
    }

    /// Makes everything durable: entries, then slots, then the header, each before the next.
    pub(super) fn flush(&mut self, layout: Layout) -> Result<(), StoreError> {
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
    pub(super) fn first_at_or_after(&self, end: i64, layout: Layout) -> Result<u32, StoreError> {
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
    pub(super) fn forget_from(&mut self, next: u32, layout: Layout) -> Result<(), StoreError> {
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
