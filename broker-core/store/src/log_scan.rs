//! Walks through the log record by record, as recovery does: nothing is believed unchecked.

use remoting::protocol::message::record::{
    MAGIC_BLANK, MAGIC_V1, MAGIC_V2, MIN_BYTES, Record, peek,
};

use crate::StoreError;
use crate::commit_log::CommitLog;
use crate::fs::FileSystem;

/// Bytes read at once.
const CHUNK: usize = 1024 * 1024;

/// A walk from one record to the next.
pub(crate) struct LogScan<'a, F: FileSystem> {
    log: &'a CommitLog<F>,
    check_crc: bool,
    /// Where the next record is expected.
    at: i64,
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
            let Some(segment) = self.log.segment_at(self.at) else {
                return Ok(Scanned::End);
            };
            let left = segment.start() + self.log.file_size() - self.at;
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
            let checked = Record::parse(&self.buffer[start..start + size]).and_then(|record| {
                if self.check_crc {
                    record.verify_crc().map(|()| record)
                } else {
                    Ok(record)
                }
            });
            return Ok(match checked {
                Err(e) => Scanned::Invalid(e.to_string()),
                Ok(record) if record.physical_offset != at => {
                    Scanned::Invalid(format!("record belongs at {}", record.physical_offset))
                }
                Ok(record) if self.check_crc && record.properties.last() == Some(&0) => {
                    // The CRC covers the body only, and properties are written last: they end with
                    // a separator or a letter, or were torn off.
                    Scanned::Invalid("properties are cut off".to_owned())
                }
                Ok(record) => {
                    self.at += size as i64;
                    Scanned::Record(record)
                }
            });
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
        self.buffer.resize(len, 0);
        self.buffer_start = self.at;
        if self.log.read(self.at, &mut self.buffer)?.is_none() {
            self.buffer.clear();
        }
        Ok(())
    }
}
