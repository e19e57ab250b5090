//! Looking into a store folder that no broker uses, checking it, building anew what is derived, and
//! deleting what is not needed.
//!
//! Everything here reads files as they are and changes none of them, except [`OfflineStore::rebuild`]
//! and what goes with it, and [`OfflineStore::remove`]. The folder's lock is held meanwhile.

mod cat;
mod clean;
mod finding;
mod index_check;
mod info;
mod log_check;
mod queue_files;
mod rebuild;
mod state;
mod verify;

use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::commit_log::{CommitLog, FoundFile, find_files};
use crate::config::StoreConfig;
use crate::fs::{FileSystem, OsFileSystem};
use crate::index::Index;
use crate::lock::StoreLock;

pub use cat::{Selection, Wanted};
pub use clean::{Kept, Plan, Reason, Removal, Scope};
pub use finding::{Finding, Problem, Severity};
pub use info::{Info, LogFileInfo, QueueInfo, TopicInfo};
pub use rebuild::{Old, Rebuilt};
pub use verify::Verified;

const COMMIT_LOG: &str = "commitlog";
const CONSUME_QUEUE: &str = "consumequeue";
const INDEX: &str = "index";
const CONFIG: &str = "config";
/// Prefix of the queues of light message queues: their units name records of other topics.
const LIGHT_QUEUE: &str = "%LMQ%";

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A part of the work begins.
    Begin {
        /// What it is about, as in "checking queues".
        what: &'static str,
        /// Bytes of it, if that is known.
        bytes: Option<u64>,
    },
    /// So many bytes more are done.
    Done(u64),
}

/// Told how far the work has come; may be called on several threads.
pub type Progress<'a> = &'a (dyn Fn(Step) + Sync);

/// Bytes in front of the next report of progress.
const PROGRESS_BYTES: i64 = 4 * 1024 * 1024;

/// A walk through the log, of which is told now and then how far it has come.
struct Walk<'a> {
    progress: Progress<'a>,
    told: i64,
}

impl<'a> Walk<'a> {
    /// One that begins at a position of the log.
    fn from(progress: Progress<'a>, told: i64) -> Self {
        Self { progress, told }
    }

    /// It has come to a position of the log.
    fn at(&mut self, at: i64) {
        if at - self.told >= PROGRESS_BYTES {
            self.ends_at(at);
        }
    }

    /// It has come there, which is told whatever the distance.
    fn ends_at(&mut self, at: i64) {
        (self.progress)(Step::Done((at - self.told).unsigned_abs()));
        self.told = at;
    }
}

/// A store folder that this process alone uses, without a broker. Ends when dropped.
pub struct OfflineStore<F: FileSystem = OsFileSystem> {
    fs: F,
    config: StoreConfig,
    /// `None` on a file system that nobody can write to.
    _lock: Option<StoreLock<F>>,
}

/// The files of the log, whatever they look like.
struct LogFiles<F: FileSystem> {
    log: CommitLog<F>,
    found: Vec<FoundFile>,
    strangers: Vec<PathBuf>,
}

impl<F: FileSystem> OfflineStore<F> {
    /// Takes the lock of the folder `config.root`. Of the configuration count: where the log is, the
    /// layout of index files, the delay levels, and for new files their sizes.
    ///
    /// # Errors
    /// `Locked` while a broker runs on it; `Unsupported` for a folder that is no store; `Io`.
    pub fn open(fs: F, config: StoreConfig) -> Result<Self, StoreError> {
        config.check()?;
        let root = &config.root;
        let is_dir = |dir: &Path| fs.metadata(dir).is_ok_and(|metadata| metadata.is_dir);
        let inside = [COMMIT_LOG, CONSUME_QUEUE, CONFIG];
        let is_store = inside.iter().any(|name| is_dir(&root.join(name)))
            || config.commit_log_dir.as_deref().is_some_and(is_dir);
        if !is_store {
            return Err(StoreError::Unsupported {
                path: root.clone(),
                what: "it holds neither commitlog nor consumequeue nor config: it is no store",
            });
        }
        let lock = match StoreLock::take(&fs, root) {
            Err(StoreError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem =>
            {
                None
            }
            taken => Some(taken?),
        };
        Ok(Self {
            fs,
            config,
            _lock: lock,
        })
    }

    /// The folder.
    fn root(&self) -> &Path {
        &self.config.root
    }

    /// Where the log is, which may be outside of the folder.
    fn log_dir(&self) -> PathBuf {
        let elsewhere = self.config.commit_log_dir.clone();
        elsewhere.unwrap_or_else(|| self.root().join(COMMIT_LOG))
    }

    fn log_files(&self) -> Result<LogFiles<F>, StoreError> {
        let dir = &self.log_dir();
        let (found, strangers) = if self.exists(dir)? {
            find_files(&self.fs, dir)?
        } else {
            (Vec::new(), Vec::new())
        };
        // The distance of neighbours tells more than a length, which may be what is damaged.
        let distances = found.windows(2).map(|pair| pair[1].start - pair[0].start);
        let file_size = match distances.filter(|&distance| distance > 0).min() {
            Some(distance) => distance.unsigned_abs(),
            None => found.first().map_or(0, |only| only.len),
        };
        let file_size = if file_size == 0 {
            self.config.commit_log_file_size
        } else {
            file_size
        };
        let log = CommitLog::read_only(self.fs.clone(), dir, &found, file_size);
        Ok(LogFiles {
            log,
            found,
            strangers,
        })
    }

    /// The index as it is, and files in its folder that have not the size of index files.
    fn index_files(&self) -> Result<(Index<F>, Vec<PathBuf>), StoreError> {
        Index::read_only(
            self.fs.clone(),
            &self.root().join(INDEX),
            self.config.max_hash_slot_num,
            self.config.max_index_num,
        )
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        self.fs
            .exists(path)
            .map_err(|e| StoreError::io("inspect", path, e))
    }
}
