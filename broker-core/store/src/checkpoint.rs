//! The file `checkpoint`: up to which store time log, queues and index are safely on disk.
//!
//! | position | field | type |
//! |---|---|---|
//! | 0 | `physicMsgTimestamp`: log | i64, ms |
//! | 8 | `logicsMsgTimestamp`: consume queues | i64, ms |
//! | 16 | `indexMsgTimestamp`: index | i64, ms |
//! | 24 | `masterFlushedOffset` (5.x) | i64, bytes |
//! | 32 | `confirmPhyOffset` (5.x) | i64, bytes |
//! | 40 | zeros | |
//! | 64 | our own mark, [`SAFE_POINT_MAGIC`] | 8 bytes |
//! | 72 | safe point | i64, bytes |
//! | 80 | end of the index at the safe point | i64, bytes |
//! | 88 | end of the queues at the safe point | i64, bytes |
//! | 96 | sum over the queues at the safe point | u64 |
//! | 104 | entries of the index at the safe point | u64 |
//! | 112 | from here on a start checks the log | i64, bytes |
//! | 120 | CRC-32 of bytes 0 to 24 and 64 to 120 | u32 |
//! | 124 | zeros up to 4,096 bytes | |
//!
//! All numbers are big-endian. All fields lie in one disk sector, so that a write of them is seen
//! whole or not at all. Java leaves what it does not know as it is; as the CRC covers the times, the
//! safe point stops being valid as soon as a Java broker has moved one of them.
//!
//! **Invariant:** a value is written only after the sync which covers it. Apache's broker lets the
//! queue's time run ahead of the sync (#678), which leaves gaps after a power failure.

use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::fs::{File, FileSystem, OpenMode};

/// What is safely on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Checkpoint {
    /// Store time of the last synced record of the log.
    pub(crate) physic_msg_timestamp: i64,
    /// Store time of the last record whose consume-queue unit is synced.
    pub(crate) logics_msg_timestamp: i64,
    /// Store time of the last record whose index entries are synced.
    pub(crate) index_msg_timestamp: i64,
    /// 5.x: what a slave acting as master knows of its master. Kept as it was found.
    pub(crate) master_flushed_offset: i64,
    /// 5.x: replicated log offset. Kept as it was found unless somebody sets it.
    pub(crate) confirm_phy_offset: i64,
    /// What we know beyond Java; `None` when nobody wrote it, or Java has written since.
    pub(crate) safe_point: Option<SafePoint>,
}

/// From where on the log has to be replayed after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SafePoint {
    /// The start of a record, or the end of the log. Everything before it is durable: the records,
    /// their queue units and their index entries.
    pub(crate) offset: i64,
    /// Commit-log offset of the newest record that the index names; 0 when it names none.
    pub(crate) index_offset: i64,
    /// Where the last record ends that any queue names; 0 when none does.
    pub(crate) queues_end: i64,
    /// [`crate::consume_queues::Counted`] of what the queues held: it tells when one of them is missing
    /// or shorter, whatever the others hold.
    pub(crate) queues_sum: u64,
    /// Entries in all files of the index; there may be more by now, but not fewer.
    pub(crate) index_entries: u64,
    /// The start of a record in front of `offset`. What has been safe for a while may have been damaged
    /// since: a start reads the log from here on, and refuses to go on if it does not come to `offset`.
    pub(crate) checked_from: i64,
}

impl Checkpoint {
    /// Reads the file. An absent one is all zeros, as is what a short one lacks: nothing is known
    /// to be safe then.
    pub(crate) fn read<F: FileSystem>(fs: &F, path: &Path) -> Result<Self, StoreError> {
        let mut bytes = [0; FIELDS_LEN];
        match fs.open(path, OpenMode::Read) {
            Ok(file) => {
                file.read_at(&mut bytes, 0)
                    .map_err(|e| StoreError::io("read", path, e))?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(StoreError::io("open", path, e)),
        }
        let mut fields = [0; 5];
        for (field, bytes) in fields.iter_mut().zip(bytes.as_chunks::<8>().0) {
            // A time before the epoch cannot be meant.
            *field = i64::from_be_bytes(*bytes).max(0);
        }
        Ok(Self {
            physic_msg_timestamp: fields[0],
            logics_msg_timestamp: fields[1],
            index_msg_timestamp: fields[2],
            master_flushed_offset: fields[3],
            confirm_phy_offset: fields[4],
            safe_point: read_safe_point(&bytes),
        })
    }

    /// Writes and syncs the file. Durable when it returns; after a failure the old or the new
    /// values stand there. Only for values whose data is synced already.
    pub(crate) fn write<F: FileSystem>(&self, fs: &F, path: &Path) -> Result<(), StoreError> {
        let file = fs
            .open(path, OpenMode::Create)
            .map_err(|e| StoreError::io("open", path, e))?;
        let fields = [
            self.physic_msg_timestamp,
            self.logics_msg_timestamp,
            self.index_msg_timestamp,
            self.master_flushed_offset,
            self.confirm_phy_offset,
        ];
        let mut bytes = [0; FIELDS_LEN];
        for (bytes, field) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(fields) {
            *bytes = field.to_be_bytes();
        }
        if let Some(safe_point) = self.safe_point {
            bytes[64..72].copy_from_slice(SAFE_POINT_MAGIC);
            bytes[72..80].copy_from_slice(&safe_point.offset.to_be_bytes());
            bytes[80..88].copy_from_slice(&safe_point.index_offset.to_be_bytes());
            bytes[88..96].copy_from_slice(&safe_point.queues_end.to_be_bytes());
            bytes[96..104].copy_from_slice(&safe_point.queues_sum.to_be_bytes());
            bytes[104..112].copy_from_slice(&safe_point.index_entries.to_be_bytes());
            bytes[112..120].copy_from_slice(&safe_point.checked_from.to_be_bytes());
            let crc = safe_point_crc(&bytes);
            bytes[120..].copy_from_slice(&crc.to_be_bytes());
        }
        let new = file.len().map_err(|e| StoreError::io("inspect", path, e))? < FILE_LEN;
        if new {
            file.set_len(FILE_LEN)
                .map_err(|e| StoreError::io("extend", path, e))?;
        }
        file.write_all_at(&bytes, 0)
            .and_then(|()| file.sync_data())
            .map_err(|e| StoreError::io("write", path, e))?;
        if new && let Some(dir) = path.parent() {
            fs.sync_dir(dir)
                .map_err(|e| StoreError::io("sync", dir, e))?;
        }
        Ok(())
    }

    /// Everything stored at or before this time is synced in log and queues. The margin is
    /// Apache's: store times of neighbours may be out of order by that much.
    pub(crate) fn min_timestamp(&self) -> i64 {
        let min = self.physic_msg_timestamp.min(self.logics_msg_timestamp);
        min.saturating_sub(MARGIN_MS).max(0)
    }

    /// As [`Self::min_timestamp`], with the index.
    pub(crate) fn min_timestamp_index(&self) -> i64 {
        self.min_timestamp().min(self.index_msg_timestamp)
    }
}

/// The checkpoint of a running store, which [`crate::upkeep`] moves.
pub(crate) struct Checkpointer {
    path: PathBuf,
    pub(crate) current: Checkpoint,
    /// A position that was safe once: where a start will check the log from when there is enough behind it.
    check_next: i64,
}

impl Checkpointer {
    /// Goes on from what the file at `path` says.
    pub(crate) fn new(path: PathBuf, current: Checkpoint, end: i64) -> Self {
        let check_next = current.safe_point.map_or(end, |safe| safe.offset);
        Self {
            path,
            current,
            check_next,
        }
    }

    /// The safe point; 0 when there is none.
    pub(crate) fn offset(&self) -> i64 {
        self.current.safe_point.map_or(0, |safe| safe.offset)
    }

    /// Forgets how many entries the index has, before some of them are deleted: a crash in between is not to be taken for
    /// damage.
    pub(crate) fn forget_entries<F: FileSystem>(&mut self, fs: &F) -> Result<(), StoreError> {
        match &mut self.current.safe_point {
            Some(safe) if safe.index_entries > 0 => {
                safe.index_entries = 0;
                self.write(fs)
            }
            _ => Ok(()),
        }
    }

    /// Forgets how much the queues hold, before some of them are deleted: as [`Self::forget_entries`].
    pub(crate) fn forget_units<F: FileSystem>(&mut self, fs: &F) -> Result<(), StoreError> {
        match &mut self.current.safe_point {
            Some(safe) if safe.queues_end > 0 => {
                safe.queues_end = 0;
                self.write(fs)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn write<F: FileSystem>(&self, fs: &F) -> Result<(), StoreError> {
        self.current.write(fs, &self.path)
    }
    /// From where on a start has to check the log in front of this safe point.
    pub(crate) fn checked_from(&mut self, offset: i64) -> i64 {
        let before = self.current.safe_point.map(|safe| safe.checked_from);
        if offset - self.check_next < CHECKED_BYTES
            && let Some(before) = before
        {
            return before;
        }
        std::mem::replace(&mut self.check_next, offset)
    }
}

/// Log in front of the safe point that a start checks, at least; it is at most this and twice what lies between two moves
/// of the checkpoint.
const CHECKED_BYTES: i64 = 1024 * 1024;
/// Length of the file, as Java maps it.
const FILE_LEN: u64 = 4096;
const FIELDS_LEN: usize = 124;
/// Marks the safe point.
const SAFE_POINT_MAGIC: &[u8; 8] = b"mq-safe3";
const MARGIN_MS: i64 = 3000;

fn safe_point_crc(bytes: &[u8; FIELDS_LEN]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..24]);
    hasher.update(&bytes[64..120]);
    hasher.finalize()
}

fn read_safe_point(bytes: &[u8; FIELDS_LEN]) -> Option<SafePoint> {
    let field = |at: usize| Some(i64::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let crc = u32::from_be_bytes(*bytes.last_chunk()?);
    if &bytes[64..72] != SAFE_POINT_MAGIC || crc != safe_point_crc(bytes) {
        return None;
    }
    Some(SafePoint {
        offset: field(72)?,
        index_offset: field(80)?,
        queues_end: field(88)?,
        queues_sum: field(96)?.cast_unsigned(),
        index_entries: field(104)?.cast_unsigned(),
        checked_from: field(112)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFileSystem;

    #[test]
    fn survives_writing_and_reading() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        let absent = Checkpoint::read(&OsFileSystem, &path).unwrap();
        assert_eq!(absent, Checkpoint::default());
        let checkpoint = Checkpoint {
            physic_msg_timestamp: 1_700_000_000_123,
            logics_msg_timestamp: 1_700_000_000_100,
            index_msg_timestamp: 1_600_000_000_000,
            master_flushed_offset: 4,
            confirm_phy_offset: 5,
            safe_point: Some(SafePoint {
                offset: 77,
                index_offset: 66,
                queues_end: 76,
                queues_sum: u64::MAX - 1,
                index_entries: 7,
                checked_from: 11,
            }),
        };
        checkpoint.write(&OsFileSystem, &path).unwrap();
        assert_eq!(Checkpoint::read(&OsFileSystem, &path).unwrap(), checkpoint);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 4096);
        assert_eq!(bytes[..8], 1_700_000_000_123_i64.to_be_bytes());
        assert!(bytes[40..64].iter().chain(&bytes[124..]).all(|&b| b == 0));
        assert_eq!(checkpoint.min_timestamp(), 1_699_999_997_100);
        assert_eq!(checkpoint.min_timestamp_index(), 1_600_000_000_000);
    }

    #[test]
    fn the_safe_point_ends_when_java_moves_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        let safe_point = Some(SafePoint {
            offset: 77,
            index_offset: 66,
            queues_end: 76,
            ..SafePoint::default()
        });
        let checkpoint = Checkpoint {
            logics_msg_timestamp: 9,
            safe_point,
            ..Checkpoint::default()
        };
        checkpoint.write(&OsFileSystem, &path).unwrap();
        let file = OsFileSystem.open(&path, OpenMode::ReadWrite).unwrap();
        file.write_all_at(&8_i64.to_be_bytes(), 24).unwrap();
        assert_eq!(
            Checkpoint::read(&OsFileSystem, &path).unwrap().safe_point,
            safe_point
        );
        file.write_all_at(&10_i64.to_be_bytes(), 8).unwrap();
        let read = Checkpoint::read(&OsFileSystem, &path).unwrap();
        assert_eq!((read.logics_msg_timestamp, read.safe_point), (10, None));
    }

    #[test]
    fn a_short_file_knows_nothing_of_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        std::fs::write(&path, 9_i64.to_be_bytes()).unwrap();
        let read = Checkpoint::read(&OsFileSystem, &path).unwrap();
        assert_eq!(
            (read.physic_msg_timestamp, read.logics_msg_timestamp),
            (9, 0)
        );
        assert_eq!(read.min_timestamp(), 0);
    }
}
