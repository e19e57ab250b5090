//! The file system as the store sees it: the only place that opens files.
//!
//! The seam has two sides: [`OsFileSystem`], the real one, and the simulated one that tears writes,
//! loses what was not synced, fills up and fails at the n-th operation. Each method says what is
//! durable when it returns and what is left behind when it fails, so that both sides mean the same.
//!
//! Positions are explicit everywhere (`pread`/`pwrite`): a file has no cursor, so one handle may be
//! used by any number of threads.

mod os;

use std::io::{self, IoSlice};
use std::path::Path;

pub use os::{OsFile, OsFileSystem};

/// How [`FileSystem::open`] opens a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// As `ReadWrite`; an absent file is created empty. Its name is durable only after
    /// [`FileSystem::sync_dir`] on its folder.
    Create,
}

/// What a folder holds under one name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name, without its folder. Names that are not UTF-8 are listed lossily.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
}

/// Size and age of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Length in bytes.
    pub len: u64,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Time of the last modification, in milliseconds since the epoch.
    pub modified_ms: i64,
}

/// How full a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUsage {
    /// Bytes of the partition.
    pub total: u64,
    /// Bytes that the store may still write (what is free for an ordinary user).
    pub available: u64,
}

impl DiskUsage {
    /// The used share of the partition, from 0 to 1.
    pub fn used_ratio(self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        self.total.saturating_sub(self.available) as f64 / self.total as f64
    }
}

/// A file system. Paths are used as given.
pub trait FileSystem: Clone + Send + Sync + 'static {
    /// An open file.
    type File: File;

    /// Opens a file. Nothing is durable; a failure leaves everything as it was, except that a file
    /// to be created may exist, empty.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Self::File>;

    /// Creates a folder and its parents. Nothing is durable until the parents are synced; a failure
    /// may leave some of the parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The entries of a folder, in ascending order of their names.
    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Removes a file's name; open handles stay usable. Durable after `sync_dir` on its folder; a
    /// failure leaves the file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with all it holds. A failure may leave any part of it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Renames a file, replacing the target in one step: at any time, a crash included, the target
    /// name shows either the old or the new file. Or renames a folder, to a name that is free.
    /// Durable after `sync_dir` on both folders.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable: creations, removals and renames made so far.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Size and age of a file or folder.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// How full the partition holding `path` is.
    fn disk_usage(&self, path: &Path) -> io::Result<DiskUsage>;

    /// Makes all that was done so far on the partition holding `path` durable: content and names.
    /// One call instead of one per file, for a caller that changed very many; it also waits for
    /// what others wrote there.
    fn sync_partition(&self, path: &Path) -> io::Result<()>;

    /// Whether something is there under this name.
    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.metadata(path) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// Creates a folder and its parents; the names of those that were absent are durable when it
/// returns. What is synced in a folder is lost with the folder's own name.
pub(crate) fn create_durably<F: FileSystem>(fs: &F, path: &Path) -> io::Result<()> {
    let mut absent = Vec::new();
    for dir in path.ancestors() {
        if dir.as_os_str().is_empty() || fs.exists(dir)? {
            break;
        }
        absent.push(dir);
    }
    if absent.is_empty() {
        return Ok(());
    }
    fs.create_dir_all(path)?;
    for dir in absent {
        let parent = dir.parent().filter(|dir| !dir.as_os_str().is_empty());
        fs.sync_dir(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Makes the names in a folder durable, and its own with those of its parents, whoever made them: a
/// run that was ended before it could sync them leaves them looking like any others.
pub(crate) fn sync_names<F: FileSystem>(fs: &F, path: &Path) -> io::Result<()> {
    for dir in path.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
        match fs.sync_dir(dir) {
            // Not ours, so not made by us; or of a kind that cannot be synced.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
                ) =>
            {
                break;
            }
            synced => synced?,
        }
    }
    Ok(())
}

/// An open file. Dropping it closes it; what was not synced may be lost by a power failure.
#[expect(
    clippy::len_without_is_empty,
    reason = "nobody asks whether a file is empty"
)]
pub trait File: Send + Sync + 'static {
    /// Reads at `offset`; fewer bytes than asked only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills `buf` from `offset`; `UnexpectedEof` when the file ends before.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.read_at(buf, offset)? == buf.len() {
            return Ok(());
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Fills `buf` from `offset` if the system has all of it in memory. `false`, with anything in
    /// `buf`: a disk would have to be waited for, or it cannot be told.
    fn read_cached_at(&self, _buf: &mut [u8], _offset: u64) -> io::Result<bool> {
        Ok(false)
    }

    /// Writes all of `buf` at `offset`, growing the file if needed. Survives the death of the
    /// process when it returns, and a power failure after a sync. A failure may leave any part
    /// of the bytes.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// As [`Self::write_all_at`] for several buffers laid end to end.
    fn write_all_vectored_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Reserves blocks for `len` bytes at `offset` without changing content (bytes past the old end
    /// read as zero), growing the file if needed. Afterwards a write in that range cannot run out of
    /// space. Where the file system cannot reserve, the file only grows. A failure
    /// (`StorageFull`) may leave some of the blocks.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Makes the content, and the length needed to read it, durable. After a failure the content is
    /// unknown, and a second call may report success for lost pages: never retry.
    fn sync_data(&self) -> io::Result<()>;

    /// As [`Self::sync_data`], with all metadata.
    fn sync_all(&self) -> io::Result<()>;

    /// Cuts or extends (with zeros, sparse) to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Turns the range into zeros, giving its blocks back where that is possible; the length stays.
    /// Durable after a sync; a failure may leave any part erased.
    fn erase(&self, offset: u64, len: u64) -> io::Result<()>;

    /// The first position at or after `offset` that may hold something else than zeros; `None` when
    /// there is nothing but zeros (or the end) behind. Cheap: it reads no content.
    fn data_after(&self, offset: u64) -> io::Result<Option<u64>>;

    /// The first position at or after `offset` where a hole begins, which was never written and reads as zeros, or the end
    /// of the file. Where file systems know no holes, it is the end. Cheap: it reads no content.
    fn hole_after(&self, offset: u64) -> io::Result<u64>;

    /// Tells the system that the range will be read soon. Advice: it cannot fail.
    fn will_need(&self, _offset: u64, _len: u64) {}

    /// Takes the exclusive record lock which Java's `FileChannel.tryLock` takes, on the first byte.
    /// `false` when somebody else holds it. Held until the file is dropped.
    fn try_lock(&self) -> io::Result<bool>;

    /// The process that holds that lock, if it is known.
    fn lock_holder(&self) -> Option<i32> {
        None
    }
}
