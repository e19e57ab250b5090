//! The real side of the seam: Linux.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use super::{DirEntry, DiskUsage, File, FileSystem, Metadata, OpenMode};
use crate::guards::lock;

/// The real file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFileSystem;

impl FileSystem for OsFileSystem {
    type File = OsFile;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<OsFile> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::Create => {
                options.write(true).create(true);
            }
        }
        Ok(OsFile {
            file: open_quietly(options, path)?,
            locked: Mutex::new(None),
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            // Follows links: a store may be laid out over several disks by linking folders.
            let is_dir = kind.is_dir() || kind.is_symlink() && entry.path().is_dir();
            entries.push(DirEntry { name, is_dir });
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let metadata = fs::metadata(path)?;
        let modified_ms = match metadata.modified()?.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        };
        Ok(Metadata {
            len: metadata.len(),
            is_dir: metadata.is_dir(),
            modified_ms,
        })
    }

    fn sync_partition(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(fs::File::open(path)?)?)
    }

    fn disk_usage(&self, path: &Path) -> io::Result<DiskUsage> {
        let stat = rustix::fs::statvfs(path)?;
        // As `df` counts: blocks reserved for root are neither used nor available.
        let used = stat.f_blocks.saturating_sub(stat.f_bfree);
        let usable = used.saturating_add(stat.f_bavail);
        Ok(DiskUsage {
            total: usable.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}

/// Opens a file so that reading it does not note when it was read last, which costs time with every call. Files of
/// other owners are opened as usual.
fn open_quietly(mut options: fs::OpenOptions, path: &Path) -> io::Result<fs::File> {
    #[cfg(target_os = "linux")]
    {
        let flags = rustix::fs::OFlags::NOATIME.bits();
        let quiet = options.clone();
        options.custom_flags(flags.cast_signed());
        match options.open(path) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => options = quiet,
            opened => return opened,
        }
    }
    options.open(path)
}

/// Files locked by this process. A record lock belongs to the process, not to the handle: the
/// system would grant it twice, so that a second store in one process has to be refused here.
static LOCKED: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

/// A file of the real file system.
#[derive(Debug)]
pub struct OsFile {
    file: fs::File,
    /// Device and inode while this handle holds the lock.
    locked: Mutex<Option<(u64, u64)>>,
}

impl File for OsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    #[cfg(target_os = "linux")]
    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<bool> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        let wanted = buf.len();
        let into = &mut [io::IoSliceMut::new(buf)];
        match preadv2(&self.file, into, offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok(read == wanted),
            Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(buf, offset)
    }

    fn write_all_vectored_at(&self, bufs: &[IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        let mut first = 0; // the first buffer not written completely
        let mut skip = 0; // bytes of it that are written
        while first < bufs.len() {
            if skip > 0 {
                let rest = &bufs[first][skip..];
                self.file.write_all_at(rest, offset)?;
                offset += rest.len() as u64;
                (first, skip) = (first + 1, 0);
                continue;
            }
            let some = &bufs[first..bufs.len().min(first + MAX_VECTORS)];
            match rustix::io::pwritev(&self.file, some, offset) {
                Ok(0) if some.iter().any(|buf| !buf.is_empty()) => {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                Ok(mut written) => {
                    offset += written as u64;
                    for buf in some {
                        if written < buf.len() {
                            skip = written;
                            break;
                        }
                        written -= buf.len();
                        first += 1;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        use rustix::io::Errno;
        loop {
            let flags = rustix::fs::FallocateFlags::empty();
            return match rustix::fs::fallocate(&self.file, flags, offset, len) {
                Ok(()) => Ok(()),
                Err(Errno::INTR) => continue,
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    let end = offset.saturating_add(len);
                    if self.len()? < end {
                        self.set_len(end)
                    } else {
                        Ok(())
                    }
                }
                Err(e) => Err(e.into()),
            };
        }
    }

    fn erase(&self, offset: u64, len: u64) -> io::Result<()> {
        use rustix::fs::FallocateFlags;
        use rustix::io::Errno;
        if len == 0 {
            return Ok(());
        }
        loop {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            match rustix::fs::fallocate(&self.file, flags, offset, len) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => break,
                Err(e) => return Err(e.into()),
            }
        }
        let zeros = [0; 64 * 1024];
        let end = self.len()?.min(offset.saturating_add(len));
        let mut at = offset;
        while at < end {
            let part = usize::try_from(end - at).map_or(zeros.len(), |n| n.min(zeros.len()));
            self.write_all_at(&zeros[..part], at)?;
            at += part as u64;
        }
        Ok(())
    }

    fn data_after(&self, offset: u64) -> io::Result<Option<u64>> {
        use rustix::io::Errno;
        // The cursor which this moves is used by nobody: all access is positioned.
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(offset)) {
            Ok(at) => Ok(Some(at)),
            Err(Errno::NXIO) => Ok(None),
            Err(Errno::INVAL) => Ok((offset < self.len()?).then_some(offset)),
            Err(e) => Err(e.into()),
        }
    }

    fn hole_after(&self, offset: u64) -> io::Result<u64> {
        use rustix::io::Errno;
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Hole(offset)) {
            Ok(at) => Ok(at),
            Err(Errno::NXIO) => Ok(offset),
            Err(Errno::INVAL) => Ok(self.len()?.max(offset)),
            Err(e) => Err(e.into()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn will_need(&self, offset: u64, len: u64) {
        let advice = rustix::fs::Advice::WillNeed;
        // Only advice: when it is refused, the read that follows is merely slower.
        let _ = rustix::fs::fadvise(&self.file, offset, std::num::NonZeroU64::new(len), advice);
    }

    fn try_lock(&self) -> io::Result<bool> {
        use rustix::io::Errno;
        let metadata = self.file.metadata()?;
        let id = (metadata.dev(), metadata.ino());
        let mut all = lock(&LOCKED);
        if all.contains(&id) {
            return Ok(false);
        }
        let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        // Locks the whole file, which includes Java's one byte.
        match rustix::fs::fcntl_lock(&self.file, operation) {
            Ok(()) => {
                all.insert(id);
                *lock(&self.locked) = Some(id);
                Ok(true)
            }
            Err(Errno::ACCESS | Errno::AGAIN) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn lock_holder(&self) -> Option<i32> {
        use rustix::process::{Flock, FlockType, fcntl_getlk, getpid};
        let wanted = Flock::from(FlockType::WriteLock);
        // A lock of this process is none to the system.
        let holder = fcntl_getlk(&self.file, &wanted).ok()?;
        let pid = holder.map_or(Some(getpid()), |lock| lock.pid)?;
        Some(pid.as_raw_nonzero().get())
    }
}

impl Drop for OsFile {
    fn drop(&mut self) {
        if let Some(id) = self
            .locked
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            lock(&LOCKED).remove(&id);
        }
    }
}

/// Buffers handed to one `pwritev`: the kernel refuses more than 1,024.
const MAX_VECTORS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectored_writes_land_end_to_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = OsFileSystem
            .open(&dir.path().join("f"), OpenMode::Create)
            .unwrap();
        let parts: Vec<Vec<u8>> = (0..3000_u32)
            .map(|n| n.to_be_bytes()[..(n % 5).min(4) as usize].to_vec())
            .collect();
        let slices: Vec<_> = parts.iter().map(|p| IoSlice::new(p)).collect();
        file.write_all_vectored_at(&slices, 7).unwrap();
        let expected = parts.concat();
        let mut read = vec![0; expected.len()];
        file.read_exact_at(&mut read, 7).unwrap();
        assert_eq!(read, expected);
        assert_eq!(file.len().unwrap(), 7 + expected.len() as u64);
        assert_eq!(
            file.read_exact_at(&mut read, 8).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn lock_is_exclusive_within_the_process_and_ends_with_the_handle() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = OsFileSystem.open(&path, OpenMode::Create).unwrap();
        assert!(first.try_lock().unwrap());
        let second = OsFileSystem.open(&path, OpenMode::ReadWrite).unwrap();
        assert!(!second.try_lock().unwrap());
        drop(first);
        assert!(second.try_lock().unwrap());
    }

    #[test]
    fn erased_space_reads_as_zero_and_keeps_the_length() {
        let dir = tempfile::tempdir().unwrap();
        let file = OsFileSystem
            .open(&dir.path().join("f"), OpenMode::Create)
            .unwrap();
        file.write_all_at(&[7; 9000], 0).unwrap();
        file.set_len(100_000).unwrap();
        file.erase(10, 100_000 - 10).unwrap();
        let mut read = vec![1; 100_000];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(read[..10], [7; 10]);
        assert!(read[10..].iter().all(|&b| b == 0));
        assert_eq!(file.len().unwrap(), 100_000);
        // Where holes are known, nothing is found behind them; elsewhere only the end is known.
        assert_eq!(file.data_after(0).unwrap(), Some(0));
        assert_eq!(file.data_after(100_000).unwrap(), None);
        assert_eq!(file.hole_after(100_000).unwrap(), 100_000);
        OsFileSystem.sync_partition(dir.path()).unwrap();
    }

    #[test]
    fn allocated_space_reads_as_zero() {
        let dir = tempfile::tempdir().unwrap();
        let file = OsFileSystem
            .open(&dir.path().join("f"), OpenMode::Create)
            .unwrap();
        file.write_all_at(b"x", 0).unwrap();
        file.allocate(0, 4096).unwrap();
        assert_eq!(file.len().unwrap(), 4096);
        let mut read = vec![1; 4096];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(read[0], b'x');
        assert!(read[1..].iter().all(|&b| b == 0));
    }
}
