//! The commit log: one endless sequence of records, cut into files of equal size.
//!
//! A file is named after the offset of its first byte, in 20 decimal digits. Its length is exact
//! from the moment its name appears, and what has not been written reads as zero. A record never
//! crosses a file end: when the rest of a file cannot take a record and eight bytes more, a blank
//! record fills it (its length and a magic number; the bytes after these are left as they are).
//!
//! Writing is `pwrite` into space that was reserved before, so that a full disk is noticed before
//! anything is written. Nothing here is mapped: a mapping that meets a full disk kills the process.
//!
//! What this module does not do: decide where the log ends ([`crate::recovery`]), what may be
//! deleted ([`crate::retention`]), or when to sync ([`crate::flush`]).

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, RwLock};

use crate::StoreError;
use crate::fs::{File, FileSystem, OpenMode, create_durably};
use crate::guards::{read, write};

/// Of a removed file so many bytes are given back at once.
const RELEASE_STEP: u64 = 16 * 1024 * 1024;

/// Space is reserved in steps of this many bytes ahead of the writer.
const ALLOCATE_STEP: u64 = 64 * 1024 * 1024;

/// The files of the log. Segments are shared with readers; only the writer appends, only retention
/// removes the oldest.
pub(crate) struct CommitLog<F: FileSystem> {
    fs: F,
    dir: PathBuf,
    file_size: u64,
    segments: RwLock<VecDeque<Arc<Segment<F>>>>,
}

/// One file of the log.
pub(crate) struct Segment<F: FileSystem> {
    start: i64,
    path: PathBuf,
    mode: OpenMode,
    /// Opened by the first use: a log of a terabyte has a thousand files, most of them never read.
    file: OnceLock<F::File>,
}

impl<F: FileSystem> Segment<F> {
    /// Offset of the first byte.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub(crate) fn file(&self, fs: &F) -> Result<&F::File, StoreError> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = fs
            .open(&self.path, self.mode)
            .map_err(|e| StoreError::io("open", &self.path, e))?;
        Ok(self.file.get_or_init(|| file))
    }
}

impl<F: FileSystem> CommitLog<F> {
    /// Finds the files in `dir`, which is created if absent. Existing files decide the file size; a
    /// last file that is too short (its creation was interrupted) is extended.
    pub(crate) fn open(fs: F, dir: &Path, config_file_size: u64) -> Result<Self, StoreError> {
        create_durably(&fs, dir).map_err(|e| StoreError::io("create", dir, e))?;
        let (found, strangers) = find_files(&fs, dir)?;
        for path in strangers {
            tracing::warn!("{} is no commit-log file and is ignored", path.display());
        }
        let file_size = match found.first() {
            // The only file may be the one whose creation was interrupted.
            Some(&FoundFile { len, .. }) if found.len() > 1 || len >= config_file_size => len,
            _ => config_file_size,
        };
        if file_size != config_file_size {
            tracing::warn!(
                "commit-log files in {} have {file_size} bytes, mappedFileSizeCommitLog says \
                 {config_file_size}: going on with {file_size}",
                dir.display()
            );
        }
        if file_size < 64 || file_size > i32::MAX as u64 {
            let path = found.first().map_or(dir, |first| &first.path);
            return Err(StoreError::damaged(
                path,
                0,
                format!("commit-log file of {file_size} bytes"),
            ));
        }
        let mut segments = VecDeque::with_capacity(found.len());
        let count = found.len();
        let mut expected = found.first().map_or(0, |first| first.start);
        for (index, FoundFile { start, path, len }) in found.into_iter().enumerate() {
            if start % file_size as i64 != 0 || start != expected {
                let what = format!("commit-log file starts at {start}, expected {expected}");
                return Err(StoreError::damaged(&path, 0, what));
            }
            let Some(next) = start.checked_add(file_size as i64) else {
                return Err(StoreError::damaged(
                    &path,
                    0,
                    "commit-log file starts beyond all offsets",
                ));
            };
            expected = next;
            let segment = Segment {
                start,
                path,
                mode: OpenMode::ReadWrite,
                file: OnceLock::new(),
            };
            if len < file_size && index + 1 == count {
                tracing::warn!(
                    "extending {} from {len} to {file_size} bytes",
                    segment.path.display()
                );
                let file = segment.file(&fs)?;
                file.set_len(file_size)
                    .and_then(|()| file.sync_all())
                    .map_err(|e| StoreError::io("extend", &segment.path, e))?;
            } else if len != file_size {
                let what = format!("file has {len} bytes instead of {file_size}");
                return Err(StoreError::damaged(&segment.path, len.min(file_size), what));
            }
            segments.push_back(Arc::new(segment));
        }
        Ok(Self {
            fs,
            dir: dir.to_owned(),
            file_size,
            segments: RwLock::new(segments),
        })
    }

    /// The files that were found, of whatever length and with whatever gaps between them, for reading only.
    pub(crate) fn read_only(fs: F, dir: &Path, found: &[FoundFile], file_size: u64) -> Self {
        let segments = found.iter().map(|found| {
            Arc::new(Segment {
                start: found.start,
                path: found.path.clone(),
                mode: OpenMode::Read,
                file: OnceLock::new(),
            })
        });
        Self {
            fs,
            dir: dir.to_owned(),
            file_size,
            segments: RwLock::new(segments.collect()),
        }
    }

    /// Bytes of each file.
    pub(crate) fn file_size(&self) -> i64 {
        self.file_size as i64
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// First byte that the log still has; 0 for an empty log.
    pub(crate) fn min_offset(&self) -> i64 {
        self.with_segments(|segments| segments.front().map_or(0, |first| first.start))
    }

    /// All files, oldest first.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment<F>>> {
        self.with_segments(|segments| segments.iter().cloned().collect())
    }

    /// The newest file.
    pub(crate) fn last(&self) -> Option<Arc<Segment<F>>> {
        self.with_segments(|segments| segments.back().cloned())
    }

    /// The file that holds an offset.
    pub(crate) fn segment_at(&self, offset: i64) -> Option<Arc<Segment<F>>> {
        self.with_segments(|segments| {
            let behind = segments.partition_point(|segment| segment.start <= offset);
            let segment = segments.get(behind.checked_sub(1)?)?;
            (offset - segment.start < self.file_size()).then(|| Arc::clone(segment))
        })
    }

    /// The file and byte of an offset, for whoever is told of it; the folder where no file has it.
    pub(crate) fn place_of(&self, offset: i64) -> (PathBuf, u64) {
        match self.segment_at(offset) {
            Some(segment) => (
                segment.path.clone(),
                (offset - segment.start).unsigned_abs(),
            ),
            None => (self.dir.clone(), 0),
        }
    }

    /// One past the last byte of the last file; 0 without files.
    pub(crate) fn files_end(&self) -> i64 {
        self.last()
            .map_or(0, |last| last.start() + self.file_size())
    }

    /// Where the first file behind an offset starts.
    pub(crate) fn next_start(&self, offset: i64) -> Option<i64> {
        self.with_segments(|segments| {
            let behind = segments.partition_point(|segment| segment.start <= offset);
            segments.get(behind).map(|segment| segment.start)
        })
    }

    fn with_segments<T>(&self, f: impl FnOnce(&VecDeque<Arc<Segment<F>>>) -> T) -> T {
        f(&read(&self.segments))
    }

    /// Fills `buf` from the log at `offset`. `None` when the log has no such bytes (any more):
    /// before its first file, after its last, or across a file end. What a file lacks of its length
    /// reads as zero.
    pub(crate) fn read(&self, offset: i64, buf: &mut [u8]) -> Result<Option<()>, StoreError> {
        let Some((segment, position)) = self.place(offset, buf.len()) else {
            return Ok(None);
        };
        match segment.file(&self.fs) {
            // Retention may have removed it since it was looked up.
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(e) => return Err(e),
            Ok(file) => {
                let read = file
                    .read_at(buf, position)
                    .map_err(|e| StoreError::io("read", &segment.path, e))?;
                buf[read..].fill(0);
            }
        }
        Ok(Some(()))
    }

    /// As [`Self::read`], without waiting for a disk. `None` also when that would be necessary.
    pub(crate) fn read_cached(
        &self,
        offset: i64,
        buf: &mut [u8],
    ) -> Result<Option<()>, StoreError> {
        let Some((segment, position)) = self.place(offset, buf.len()) else {
            return Ok(None);
        };
        // Opening it is for those who may wait.
        let Some(file) = segment.file.get() else {
            return Ok(None);
        };
        let cached = file
            .read_cached_at(buf, position)
            .map_err(|e| StoreError::io("read", &segment.path, e))?;
        Ok(cached.then_some(()))
    }

    /// Tells the system that a range within one file will be read soon.
    pub(crate) fn will_need(&self, offset: i64, len: usize) {
        if let Some((segment, position)) = self.place(offset, len)
            && let Ok(file) = segment.file(&self.fs)
        {
            file.will_need(position, len as u64);
        }
    }

    /// The file that has these bytes, and their position in it.
    fn place(&self, offset: i64, len: usize) -> Option<(Arc<Segment<F>>, u64)> {
        let segment = self.segment_at(offset)?;
        let position = (offset - segment.start) as u64;
        let fits = position + len as u64 <= self.file_size;
        fits.then_some((segment, position))
    }

    /// Creates the file that starts at `start`, full length, first space reserved, name and length
    /// durable; it is not part of the log yet. After a failure nothing is left.
    pub(crate) fn create_segment(&self, start: i64) -> Result<Arc<Segment<F>>, StoreError> {
        let path = self.dir.join(format!("{start:020}"));
        let file = self
            .fs
            .open(&path, OpenMode::Create)
            .map_err(|e| StoreError::io("create", &path, e))?;
        let prepared = file
            .set_len(self.file_size)
            .and_then(|()| file.allocate(0, self.file_size.min(ALLOCATE_STEP)))
            .and_then(|()| file.sync_all())
            .and_then(|()| self.fs.sync_dir(&self.dir));
        if let Err(e) = prepared {
            // A file of the wrong length would stop an Apache broker; an empty one only costs space.
            let _ = self.fs.remove_file(&path);
            return Err(StoreError::io("prepare", &path, e));
        }
        let opened = OnceLock::new();
        let _ = opened.set(file);
        Ok(Arc::new(Segment {
            start,
            path,
            mode: OpenMode::ReadWrite,
            file: opened,
        }))
    }

    /// Makes a created file the newest of the log.
    pub(crate) fn push(&self, segment: Arc<Segment<F>>) {
        let mut segments = write(&self.segments);
        if let Some(last) = segments.back() {
            assert_eq!(
                last.start + self.file_size as i64,
                segment.start,
                "segments are contiguous"
            );
        }
        segments.push_back(segment);
    }

    /// Removes a created file that never became part of the log.
    pub(crate) fn discard(&self, segment: &Segment<F>) -> Result<(), StoreError> {
        self.fs
            .remove_file(&segment.path)
            .and_then(|()| self.fs.sync_dir(&self.dir))
            .map_err(|e| StoreError::io("remove", &segment.path, e))
    }

    /// Removes the oldest file, unless it is the last one, and returns it. Durable when it returns. Readers that hold the
    /// file may finish.
    pub(crate) fn remove_oldest(&self) -> Result<Option<Arc<Segment<F>>>, StoreError> {
        let oldest = {
            let mut segments = write(&self.segments);
            if segments.len() < 2 {
                return Ok(None);
            }
            segments.pop_front()
        };
        let Some(oldest) = oldest else {
            return Ok(None);
        };
        // Whoever releases it needs a handle; without one the file goes all the same.
        let _ = oldest.file(&self.fs);
        if let Err(e) = self.fs.remove_file(&oldest.path) {
            let path = oldest.path.clone();
            let mut segments = write(&self.segments);
            segments.push_front(oldest);
            return Err(StoreError::io("remove", &path, e));
        }
        self.fs
            .sync_dir(&self.dir)
            .map_err(|e| StoreError::io("sync", &self.dir, e))?;
        Ok(Some(oldest))
    }

    /// Gives the space of a removed file back piece by piece: the system would free a gigabyte in one go, and senders would
    /// wait for it. What a reader still holds goes with that reader, as a whole.
    pub(crate) fn release(&self, removed: Arc<Segment<F>>, pause: impl Fn()) {
        let Some(file) = Arc::into_inner(removed).and_then(|segment| segment.file.into_inner())
        else {
            return;
        };
        let mut len = self.file_size;
        while len > 0 {
            len = len.saturating_sub(RELEASE_STEP);
            if file.set_len(len).is_err() {
                return;
            }
            pause();
        }
    }

    /// Ends the log at `end`: later files are removed, and what lies behind the end in its own file
    /// reads as zero afterwards. Durable when it returns. Without erasing, records that were cut
    /// once would be taken for valid later, when new ones end exactly where they begin.
    pub(crate) fn truncate(&self, end: i64) -> Result<(), StoreError> {
        let mut segments = write(&self.segments);
        let mut removed = false;
        while let Some(last) = segments.back() {
            let keep = last.start < end || segments.len() == 1;
            if keep {
                break;
            }
            self.fs
                .remove_file(&last.path)
                .map_err(|e| StoreError::io("remove", &last.path, e))?;
            removed = true;
            segments.pop_back();
        }
        // Before the cut: a file that is short for a moment must be the last one, come what may.
        if removed {
            self.fs
                .sync_dir(&self.dir)
                .map_err(|e| StoreError::io("sync", &self.dir, e))?;
        }
        if let Some(last) = segments.back() {
            let file = last.file(&self.fs)?;
            let position = (end - last.start).max(0) as u64;
            if position < self.file_size {
                // Cutting and extending gives back zeros whatever stood there, at once.
                file.set_len(position)
                    .and_then(|()| file.set_len(self.file_size))
                    .and_then(|()| file.sync_all())
                    .map_err(|e| StoreError::io("truncate", &last.path, e))?;
            }
        }
        Ok(())
    }

    /// Whether everything from `end` to the end of its file, and any later file, is known to be
    /// unwritten, judged by the bytes directly behind the end.
    pub(crate) fn is_erased_behind(&self, end: i64) -> Result<bool, StoreError> {
        let Some(segment) = self.segment_at(end) else {
            return Ok(true);
        };
        if self.last().is_some_and(|last| last.start > segment.start) {
            return Ok(false);
        }
        let rest = (segment.start + self.file_size() - end).clamp(0, 4096) as usize;
        let mut bytes = vec![0; rest];
        self.read(end, &mut bytes)?;
        Ok(bytes.iter().all(|&b| b == 0))
    }
}

/// A file of the log as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundFile {
    /// Log offset of its first byte, as its name says.
    pub(crate) start: i64,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its length in bytes.
    pub(crate) len: u64,
}

/// The files of a log, oldest first, and whatever else stands in its folder.
pub(crate) fn find_files<F: FileSystem>(
    fs: &F,
    dir: &Path,
) -> Result<(Vec<FoundFile>, Vec<PathBuf>), StoreError> {
    let (mut found, mut strangers) = (Vec::new(), Vec::new());
    let entries = fs
        .list_dir(dir)
        .map_err(|e| StoreError::io("list", dir, e))?;
    for entry in entries {
        let path = dir.join(&entry.name);
        let digits = entry.name.len() == 20 && entry.name.bytes().all(|b| b.is_ascii_digit());
        match entry.name.parse::<i64>() {
            Ok(start) if digits && !entry.is_dir => {
                let metadata = fs.metadata(&path);
                let len = metadata
                    .map_err(|e| StoreError::io("inspect", &path, e))?
                    .len;
                found.push(FoundFile { start, path, len });
            }
            _ => strangers.push(path),
        }
    }
    Ok((found, strangers))
}

/// The end of the log, as the writer sees it.
pub(crate) struct Tail<F: FileSystem> {
    segment: Option<Arc<Segment<F>>>,
    /// One past the last byte written.
    end: i64,
    /// Offset up to which space is reserved in `segment`.
    allocated: i64,
    /// Offset up to which `segment` is known to hold written blocks.
    zeroed: i64,
    /// Bytes of zeros that are written ahead, in one go with the records; 0 for none.
    zero_step: usize,
}

/// What a write to the tail came to.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// There is no space. Nothing was written; the tail is where it was.
    NoSpace(StoreError),
    /// Anything else: what is on the disk is unknown.
    Failed(StoreError),
}

impl WriteError {
    /// What a failure to make a file means: afterwards nothing of the file is left.
    pub(crate) fn of(error: StoreError) -> Self {
        if error.is_no_space() {
            Self::NoSpace(error)
        } else {
            Self::Failed(error)
        }
    }
}

/// Zeros to be written ahead of the records.
static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];

impl<F: FileSystem> Tail<F> {
    /// The end of `log` at `end`. With `write_ahead`, blocks are filled with zeros before records
    /// reach them: a sync then changes no extent's state, which makes it faster by a third. One
    /// write in many carries the zeros of all that follow.
    pub(crate) fn new(log: &CommitLog<F>, end: i64, write_ahead: bool) -> Self {
        let zero_step = if write_ahead { ZEROS.len() } else { 0 };
        Self {
            segment: log.segment_at(end),
            end,
            allocated: end,
            zeroed: end,
            zero_step,
        }
    }

    /// One past the last byte written.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// Bytes left in the current file; 0 when the next write needs a new one.
    pub(crate) fn room(&self, log: &CommitLog<F>) -> i64 {
        self.segment
            .as_ref()
            .map_or(0, |segment| segment.start + log.file_size() - self.end)
    }

    /// Goes on in a new file, which must start at the end.
    pub(crate) fn roll(&mut self, log: &CommitLog<F>, next: Arc<Segment<F>>) {
        assert_eq!(
            next.start, self.end,
            "the next file starts where the log ends"
        );
        log.push(Arc::clone(&next));
        // Reserved by its creation.
        self.allocated = self.end + log.file_size().min(ALLOCATE_STEP as i64);
        self.zeroed = self.end;
        self.segment = Some(next);
    }

    /// Reserves space for `len` bytes at the end of the log.
    pub(crate) fn reserve(&mut self, log: &CommitLog<F>, len: usize) -> Result<(), WriteError> {
        let Some(segment) = &self.segment else {
            return Ok(());
        };
        let file_end = segment.start + log.file_size();
        let need = self.end + len as i64;
        if need <= self.allocated {
            return Ok(());
        }
        let step_end = (self.end + (len as i64).max(ALLOCATE_STEP as i64)).min(file_end);
        let file = segment.file(&log.fs).map_err(WriteError::Failed)?;
        let position = (self.end - segment.start) as u64;
        match file.allocate(position, (step_end - self.end) as u64) {
            Ok(()) => self.allocated = step_end,
            // The last gigabyte may still have room for these few bytes.
            Err(e) if e.kind() == io::ErrorKind::StorageFull && step_end > need => {
                file.allocate(position, len as u64)
                    .map_err(|e| space_error(&segment.path, e))?;
                self.allocated = need;
            }
            Err(e) => return Err(space_error(&segment.path, e)),
        }
        Ok(())
    }

    /// Writes `bytes` at the end of the log; they must fit into the current file and be reserved.
    /// With `fill`, the rest of the file is given to a blank record right after them.
    pub(crate) fn write(
        &mut self,
        log: &CommitLog<F>,
        bytes: &[u8],
        blank: Option<[u8; 8]>,
    ) -> Result<(), WriteError> {
        let Some(segment) = &self.segment else {
            return Ok(());
        };
        let file_end = segment.start + log.file_size();
        let written = self.end + bytes.len() as i64;
        let marker: &[u8] = blank.as_ref().map_or(&[], |bytes| bytes);
        assert!(
            written + marker.len() as i64 <= file_end,
            "a record never crosses a file end"
        );
        let mut zeros: &[u8] = &[];
        if self.zero_step > 0 && blank.is_none() && written > self.zeroed {
            let ahead = (file_end - written).min(self.zero_step as i64);
            zeros = &ZEROS[..ahead as usize];
        }
        let file = segment.file(&log.fs).map_err(WriteError::Failed)?;
        let position = (self.end - segment.start) as u64;
        let result = if marker.is_empty() && zeros.is_empty() {
            file.write_all_at(bytes, position)
        } else {
            let parts = [
                IoSlice::new(bytes),
                IoSlice::new(marker),
                IoSlice::new(zeros),
            ];
            file.write_all_vectored_at(&parts, position)
        };
        if let Err(e) = result {
            let full = e.kind() == io::ErrorKind::StorageFull;
            let error = StoreError::io("write", &segment.path, e);
            // Only where space cannot be reserved: take back what did get through. Not by cutting the file, as the next one
            // may be there already, and behind a short file a start goes no further.
            let reached = (bytes.len() + marker.len() + zeros.len()) as u64;
            let undone = full && file.erase(position, reached).is_ok();
            self.zeroed = self.end;
            self.allocated = self.end;
            return Err(if undone {
                WriteError::NoSpace(error)
            } else {
                WriteError::Failed(error)
            });
        }
        self.zeroed = self.zeroed.max(written + zeros.len() as i64);
        self.end = if blank.is_some() { file_end } else { written };
        Ok(())
    }
}

fn space_error(path: &Path, e: io::Error) -> WriteError {
    WriteError::of(StoreError::io("allocate", path, e))
}
