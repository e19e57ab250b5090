//! The index against itself, and against the log.

use std::sync::Arc;

use super::finding::{Findings, Problem};
use super::{Progress, Step};
use crate::StoreError;
use crate::consume_queues::partition_point;
use crate::fs::{File, FileSystem};
use crate::index::{ENTRY_BYTES, Entry, Layout, Sealed};

/// Entries or slots read at once.
const CHUNK: u32 = 16 * 1024;

/// Checks that a file's entries are in the order of the log, that each is found through its slot, and that the header
/// tells the truth about them. `unfinished`: a crash may have left slots that are ahead of the header.
pub(super) fn check_file<F: FileSystem>(
    file: &Sealed<F>,
    layout: Layout,
    unfinished: bool,
    progress: Progress<'_>,
    findings: &mut Findings,
) -> Result<u64, StoreError> {
    let header = &file.header;
    let mut newest = vec![0_i32; layout.slots as usize];
    let mut used = 0;
    let mut last: Option<Entry> = None;
    let mut first = None;
    let mut wrong = |number: u32, problem, what: String| {
        findings.add(
            problem,
            &file.path,
            layout.entry_at(number),
            ENTRY_BYTES as u64,
            what,
        );
    };
    let mut reader = EntryReader::default();
    for number in 1..header.next {
        let entry = reader.read(file, layout, number)?;
        if number % CHUNK == 0 {
            progress(Step::Done(u64::from(CHUNK) * ENTRY_BYTES as u64));
        }
        if let Some(last) = &last
            && entry.offset < last.offset
        {
            let what = format!(
                "entry {number} names log offset {}, the one before {}",
                entry.offset, last.offset
            );
            wrong(number, Problem::EntryWrong, what);
        }
        let slot = &mut newest[layout.slot_of(entry.hash) as usize];
        if entry.older != *slot {
            let what = format!(
                "entry {number} is followed by {}, not by {slot}",
                entry.older
            );
            wrong(number, Problem::SlotWrong, what);
        }
        used += i32::from(*slot == 0);
        *slot = number.cast_signed();
        first.get_or_insert(entry);
        last = Some(entry);
    }
    let mut header_says = |what: String| findings.add(Problem::IndexFile, &file.path, 0, 40, what);
    if let (Some(first), Some(last)) = (first, last) {
        let says = (header.begin_offset, header.end_offset);
        if says != (first.offset, last.offset) && !unfinished {
            header_says(format!(
                "the header says {} to {}, the entries {} to {}",
                says.0, says.1, first.offset, last.offset
            ));
        }
        if header.slots_used != used && !unfinished {
            header_says(format!(
                "the header says {} slots, the entries {used}",
                header.slots_used
            ));
        }
    }
    check_slots(file, layout, &newest, unfinished, findings)?;
    progress(Step::Done(u64::from(layout.slots) * 4));
    Ok(u64::from(header.next - 1))
}

fn check_slots<F: FileSystem>(
    file: &Sealed<F>,
    layout: Layout,
    newest: &[i32],
    unfinished: bool,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let mut bytes = vec![0; CHUNK as usize * 4];
    for (chunk, newest) in newest.chunks(CHUNK as usize).enumerate() {
        let first = chunk as u32 * CHUNK;
        let bytes = &mut bytes[..newest.len() * 4];
        file.file
            .read_exact_at(bytes, layout.slot_at(first))
            .map_err(|e| StoreError::io("read", &file.path, e))?;
        let slots = bytes
            .as_chunks()
            .0
            .iter()
            .map(|slot| i32::from_be_bytes(*slot));
        for (slot, (value, &newest)) in (first..).zip(slots.zip(newest)) {
            let ahead = u32::try_from(value).is_ok_and(|value| value >= file.header.next);
            // Java counts a value beyond the last entry as none.
            if value == newest || (newest == 0 && (value < 0 || ahead)) || (ahead && unfinished) {
                continue;
            }
            let what = format!("slot {slot} names entry {value}, its newest is {newest}");
            findings.add(
                Problem::SlotWrong,
                &file.path,
                layout.slot_at(slot),
                4,
                what,
            );
        }
    }
    Ok(())
}

/// Reads entries one after the other, many at a time.
#[derive(Default)]
struct EntryReader {
    first: u32,
    bytes: Vec<u8>,
}

impl EntryReader {
    fn read<F: FileSystem>(
        &mut self,
        file: &Sealed<F>,
        layout: Layout,
        number: u32,
    ) -> Result<Entry, StoreError> {
        let at = |reader: &Self| number.checked_sub(reader.first).map(|at| at as usize);
        let there =
            |reader: &Self| at(reader).and_then(|at| reader.bytes.as_chunks().0.get(at).copied());
        let bytes = match there(self) {
            Some(bytes) => bytes,
            None => {
                let count = CHUNK.min(file.header.next - number);
                self.bytes.resize(count as usize * ENTRY_BYTES, 0);
                self.first = number;
                file.file
                    .read_exact_at(&mut self.bytes, layout.entry_at(number))
                    .map_err(|e| StoreError::io("read", &file.path, e))?;
                there(self).unwrap_or([0; ENTRY_BYTES])
            }
        };
        Ok(Entry::decode(&bytes))
    }
}

/// Goes through all entries in the order of the log, beside a walk through the log.
pub(super) struct IndexWalk<F: FileSystem> {
    files: Vec<Arc<Sealed<F>>>,
    layout: Layout,
    file: usize,
    number: u32,
    reader: EntryReader,
    /// The entry of this number, once it has been read.
    entry: Option<Entry>,
    /// Hashes of the entries at the message that is looked at.
    found: Vec<i32>,
}

impl<F: FileSystem> IndexWalk<F> {
    /// Begins with the first entry that names a place at or behind `phy`.
    pub(super) fn from(
        files: Vec<Arc<Sealed<F>>>,
        layout: Layout,
        phy: i64,
    ) -> Result<Self, StoreError> {
        let file = files.partition_point(|file| file.header.end_offset < phy);
        let mut walk = Self {
            files,
            layout,
            file,
            number: 1,
            reader: EntryReader::default(),
            entry: None,
            found: Vec::new(),
        };
        if let Some(file) = walk.files.get(walk.file) {
            let in_front = |number| {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                Ok::<_, StoreError>(file.entry(number, layout)?.offset < phy)
            };
            let first = partition_point(1, file.header.next.into(), in_front)?;
            walk.number = u32::try_from(first).unwrap_or(u32::MAX);
        }
        Ok(walk)
    }

    fn peek(&mut self) -> Result<Option<Entry>, StoreError> {
        if self.entry.is_some() {
            return Ok(self.entry);
        }
        while let Some(file) = self.files.get(self.file) {
            if self.number < file.header.next {
                self.entry = Some(self.reader.read(file, self.layout, self.number)?);
                return Ok(self.entry);
            }
            self.file += 1;
            self.number = 1;
            self.reader = EntryReader::default();
        }
        Ok(None)
    }

    fn pass(&mut self) {
        self.number += 1;
        self.entry = None;
    }

    /// Compares the entries at a message's place with its keys. Entries in front of it name no message.
    pub(super) fn check(
        &mut self,
        phy: i64,
        store_timestamp: i64,
        keys: &[i32],
        findings: &mut Findings,
    ) -> Result<bool, StoreError> {
        self.pass_to(phy, findings)?;
        self.found.clear();
        while let Some(entry) = self.peek()?.filter(|entry| entry.offset == phy) {
            let header = &self.files[self.file].header;
            let seconds = (store_timestamp - header.begin_timestamp) / 1000;
            let exact = i64::from(entry.seconds) == seconds.clamp(0, i64::from(i32::MAX));
            // The first entry counts from the end of the file before.
            if (self.number > 1 && !exact) || !keys.contains(&entry.hash) {
                self.report(&entry, "it is not one of the message there", findings);
            }
            self.found.push(entry.hash);
            self.pass();
        }
        // Apache enters a message twice that it meets again after a crash.
        Ok(keys.iter().all(|key| self.found.contains(key)))
    }

    /// Passes over entries in front of a place: none of them names a message.
    pub(super) fn pass_to(&mut self, phy: i64, findings: &mut Findings) -> Result<(), StoreError> {
        while let Some(entry) = self.peek()?.filter(|entry| entry.offset < phy) {
            self.report(&entry, "no message begins there", findings);
            self.pass();
        }
        Ok(())
    }

    fn report(&self, entry: &Entry, what: &str, findings: &mut Findings) {
        let path = &self.files[self.file].path;
        let what = format!("entry {} names {}: {what}", self.number, entry.offset);
        let at = self.layout.entry_at(self.number);
        findings.add(Problem::EntryWrong, path, at, ENTRY_BYTES as u64, what);
    }
}
