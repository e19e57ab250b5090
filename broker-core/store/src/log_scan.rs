//! Walks through the log record by record, as recovery does: nothing is believed unchecked.

use std::ops::Range;

use remoting::protocol::message::record::{
    MAGIC_BLANK, MAGIC_V1, MAGIC_V2, MIN_BYTES, Record, peek,
};

use crate::StoreError;
use crate::commit_log::CommitLog;
use crate::fs::FileSystem;

/// Bytes read at once.
const CHUNK: usize = 256 * 1024;
/// Bytes that a disk fails to read at least.
const BLOCK: usize = 4096;
/// The first bytes of the magic numbers.
const RECORD_MAGIC: u8 = MAGIC_V1.to_be_bytes()[0];
const BLANK_MAGIC: u8 = MAGIC_BLANK.to_be_bytes()[0];

/// A walk from one record to the next.
pub(crate) struct LogScan<'a, F: FileSystem> {
    log: &'a CommitLog<F>,
    check_crc: bool,
    /// Where the next record is expected.
    at: i64,
    /// The file that the last record was in; to ask the log for it costs more than to read a small record.
    file: Range<i64>,
    buffer: Vec<u8>,
    buffer_start: i64,
}

/// What stands at a position.
#[derive(Debug)]
pub(crate) enum Scanned<'a> {
    /// A record that is valid in all that can be checked.
    Record(Record<'a>),
    /// Nothing was ever written here.
    End,
    /// Bytes that are no record.
    Invalid(String),
}

impl<'a, F: FileSystem> LogScan<'a, F> {
    /// Begins at `at`, which must be the start of a record, of a file, or the end of the log.
    pub(crate) fn new(log: &'a CommitLog<F>, at: i64, check_crc: bool) -> Self {
        Self {
            log,
            check_crc,
            at,
            file: 0..0,
            buffer: Vec::new(),
            buffer_start: at,
        }
    }

    /// Where the next record is expected. Once the scan has ended: where the log ends.
    pub(crate) fn position(&self) -> i64 {
        self.at
    }

    /// The next record; blank records are passed over. After anything but a record, the end.
    pub(crate) fn next_record(&mut self) -> Result<Scanned<'_>, StoreError> {
        loop {
            if !self.file.contains(&self.at) {
                let Some(segment) = self.log.segment_at(self.at) else {
                    return Ok(Scanned::End);
                };
                self.file = segment.start()..segment.start() + self.log.file_size();
            }
            let left = self.file.end - self.at;
            if left < 8 {
                return Ok(Scanned::Invalid(format!(
                    "{left} bytes at the end of the file"
                )));
            }
            self.fill(8, left)?;
            let Some((size, magic)) = peek(self.bytes()) else {
                return Ok(Scanned::End);
            };
            match magic {
                MAGIC_V1 | MAGIC_V2 => {}
                MAGIC_BLANK if i64::from(size) == left => {
                    self.at += left;
                    continue;
                }
                0 if size == 0 => return Ok(Scanned::End),
                _ => {
                    let what = format!(
                        "{left} bytes in front of the file's end: size {size}, magic {magic:#010x}"
                    );
                    return Ok(Scanned::Invalid(what));
                }
            }
            let size = usize::try_from(size).unwrap_or(0);
            if size < MIN_BYTES || size as i64 > left {
                return Ok(Scanned::Invalid(format!(
                    "record of {size} bytes, {left} are left"
                )));
            }
            self.fill(size, left)?;
            let at = self.at;
            // Borrowed anew, so that the loop may go on above.
            let start = (at - self.buffer_start) as usize;
            let record = match Record::parse(&self.buffer[start..start + size]) {
                Ok(record) => record,
                Err(e) => return Ok(Scanned::Invalid(e.to_string())),
            };
            if self.check_crc
                && let Err(e) = record.verify_crc()
            {
                return Ok(Scanned::Invalid(e.to_string()));
            }
            if record.physical_offset != at {
                let what = format!("record belongs at {}", record.physical_offset);
                return Ok(Scanned::Invalid(what));
            }
            // The CRC covers the body only, and properties are written last: they end with
            // a separator or a letter, or were torn off.
            if self.check_crc && record.properties.last() == Some(&0) {
                return Ok(Scanned::Invalid("properties are cut off".to_owned()));
            }
            self.at += size as i64;
            return Ok(Scanned::Record(record));
        }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer
            .get((self.at - self.buffer_start) as usize..)
            .unwrap_or_default()
    }

    /// Makes `need` bytes from the position on available; `left` are left in the file.
    fn fill(&mut self, need: usize, left: i64) -> Result<(), StoreError> {
        let inside = self.at >= self.buffer_start;
        if inside && self.bytes().len() >= need {
            return Ok(());
        }
        let len = need
            .max(CHUNK)
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.read(len);
        if read.is_err() && need < len {
            // Bytes that cannot be read further on must not hide what stands here.
            return self.read(need);
        }
        read
    }

    fn read(&mut self, len: usize) -> Result<(), StoreError> {
        self.buffer.resize(len, 0);
        self.buffer_start = self.at;
        let read = self.log.read(self.at, &mut self.buffer);
        if !matches!(read, Ok(Some(()))) {
            self.buffer.clear();
        }
        read.map(|_| ())
    }
}

// Behind damage.
impl<F: FileSystem> LogScan<'_, F> {
    /// Goes on behind bytes that are no record, or cannot be read: at the next record that says of
    /// itself that it belongs where it stands, or at the end of the file. Behind the last file nothing more comes. Returns
    /// that position.
    pub(crate) fn pass_over(&mut self) -> i64 {
        let Some(segment) = self.log.segment_at(self.at) else {
            // A file is missing.
            self.at = self.log.next_start(self.at).unwrap_or(i64::MAX);
            return self.at;
        };
        let file_end = segment.start() + self.log.file_size();
        let mut chunk = vec![0; CHUNK];
        let mut from = self.at + 1;
        while from < file_end {
            let len = usize::try_from(file_end - from).map_or(CHUNK, |left| left.min(CHUNK));
            let chunk = &mut chunk[..len];
            self.read_what_can_be(from, chunk);
            // The magic number follows the size; it may lie across the end of the chunk.
            for seen in memchr::memchr2_iter(RECORD_MAGIC, BLANK_MAGIC, chunk) {
                let start = from + seen as i64 - 4;
                if start > self.at && self.stands_at(start) {
                    self.at = start;
                    return start;
                }
            }
            from += len as i64;
        }
        self.at = file_end;
        file_end
    }

    /// As a read of the log, block by block where it fails; what cannot be read is zero.
    fn read_what_can_be(&self, at: i64, chunk: &mut [u8]) {
        if matches!(self.log.read(at, chunk), Ok(Some(()))) {
            return;
        }
        let mut at = at;
        for block in chunk.chunks_mut(BLOCK) {
            if !matches!(self.log.read(at, block), Ok(Some(()))) {
                block.fill(0);
            }
            at += block.len() as i64;
        }
    }

    fn stands_at(&self, at: i64) -> bool {
        let mut head = [0; 8];
        if !matches!(self.log.read(at, &mut head), Ok(Some(()))) {
            return false;
        }
        match peek(&head) {
            Some((size, MAGIC_BLANK)) => {
                let segment = self.log.segment_at(at);
                let end = segment.map_or(0, |segment| segment.start() + self.log.file_size());
                at + i64::from(size) == end
            }
            Some((_, MAGIC_V1 | MAGIC_V2)) => {
                let mut bytes = Vec::new();
                let record = record_at(self.log, at, &mut bytes);
                matches!(record, Ok(Some(_)))
            }
            _ => false,
        }
    }
}

/// The record that starts at a position of the log and says so itself; its checksum is not looked at. `None`: there is none.
pub(crate) fn record_at<'a, F: FileSystem>(
    log: &CommitLog<F>,
    at: i64,
    buffer: &'a mut Vec<u8>,
) -> Result<Option<Record<'a>>, StoreError> {
    let mut head = [0; MIN_BYTES];
    if log.read(at, &mut head)?.is_none() {
        return Ok(None);
    }
    // The number comes from anywhere in the log if the position does.
    let size = peek(&head).map_or(0, |(size, _)| usize::try_from(size).unwrap_or(0));
    let Some(segment) = log.segment_at(at) else {
        return Ok(None);
    };
    if size < MIN_BYTES || size as i64 > segment.start() + log.file_size() - at {
        return Ok(None);
    }
    buffer.resize(size, 0);
    if log.read(at, buffer)?.is_none() {
        return Ok(None);
    }
    Ok(Record::parse(buffer)
        .ok()
        .filter(|record| record.physical_offset == at))
}
