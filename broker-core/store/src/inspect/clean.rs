//! What may be deleted from a store folder that no broker uses: decided first, carried out after
//! somebody has seen it.

use std::path::{Path, PathBuf};

use super::info::store_time;
use super::state::is_topic;
use super::{CONSUME_QUEUE, INDEX, LogFiles, OfflineStore};
use crate::StoreError;
use crate::checkpoint::Checkpoint;
use crate::fs::{File, FileSystem, OpenMode, OsFileSystem};

/// Where an index file says which message is its last.
const INDEX_END_AT: u64 = 24;
/// Stays: it is what keeps others out.
const LOCK: &str = "lock";

/// How much is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What no consumer can reach any more, or has been kept for longer than this.
    Unneeded {
        /// `fileReservedTime`, in milliseconds.
        reserved_ms: i64,
    },
    /// Everything: the broker starts anew.
    All,
}

/// Why something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A file of the log, older than is to be kept.
    Expired,
    /// A queue of a topic that no longer exists.
    TopicDeleted,
    /// An index file that names no message which the log still has.
    Unused,
    /// Everything goes.
    All,
}

impl Reason {
    /// The reason in a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::TopicDeleted => "topic deleted",
            Self::Unused => "unused",
            Self::All => "all",
        }
    }
}

/// A file or folder that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// What goes.
    pub path: PathBuf,
    /// The folder of the store that it belongs to.
    pub folder: String,
    /// Why.
    pub reason: Reason,
    /// Files in it.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Last change of any of them, in milliseconds since the epoch.
    pub modified_ms: i64,
}

/// What stays of a folder of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The folder, or a file of the store's own.
    pub folder: String,
    /// Files that stay.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// What goes and what stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// In the order in which it is to be removed.
    pub remove: Vec<Removal>,
    /// By folder.
    pub keep: Vec<Kept>,
    /// When the oldest message was stored that goes with the log's files, in milliseconds since the epoch; `None` when
    /// none goes.
    pub lost_from_ms: Option<i64>,
    /// When the oldest message was stored that stays.
    pub kept_from_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Size {
    files: u64,
    bytes: u64,
    modified_ms: i64,
}

impl OfflineStore<OsFileSystem> {
    /// Decides what goes. Changes nothing.
    ///
    /// # Errors
    /// What could not be looked at.
    pub fn plan(&self, scope: Scope, now_ms: i64) -> Result<Plan, StoreError> {
        let mut plan = Plan::default();
        let files = self.log_files()?;
        let begin = match scope {
            Scope::Unneeded { reserved_ms } => {
                let log_min = self.expired_log(&files, now_ms - reserved_ms, &mut plan)?;
                self.orphaned_queues(&mut plan)?;
                self.unused_index(log_min, &mut plan)?;
                log_min
            }
            Scope::All => {
                // The log last: as long as it is there, the rest can be built again.
                let log = self.log_dir();
                let mut folders = self.folders()?;
                folders.sort_by_key(|folder| *folder == log);
                for folder in folders {
                    self.goes(folder.clone(), &folder, Reason::All, &mut plan)?;
                }
                i64::MAX
            }
        };
        for file in &files.found {
            let first_ms = store_time(&files.log, file.start)?;
            let oldest = if file.start < begin {
                &mut plan.lost_from_ms
            } else {
                &mut plan.kept_from_ms
            };
            *oldest = oldest.or(first_ms);
        }
        for folder in self.folders()? {
            let whole = size(&folder)?;
            let name = self.name(&folder);
            let going = plan.remove.iter().filter(|removal| removal.folder == name);
            let (files, bytes) = going.fold((0, 0), |(files, bytes), removal| {
                (files + removal.files, bytes + removal.bytes)
            });
            plan.keep.push(Kept {
                files: whole.files.saturating_sub(files),
                bytes: whole.bytes.saturating_sub(bytes),
                folder: name,
            });
        }
        Ok(plan)
    }

    /// Removes one thing of a plan. Durable when it returns; a second try after a failure does the rest.
    ///
    /// # Errors
    /// `Io`.
    pub fn remove(&self, removal: &Removal) -> Result<(), StoreError> {
        let fs = OsFileSystem;
        // Otherwise the next start would miss what is removed, and build it again.
        let path = self.root().join("checkpoint");
        let mut checkpoint = Checkpoint::read(&fs, &path)?;
        if let Some(safe) = &mut checkpoint.safe_point {
            match removal.reason {
                Reason::TopicDeleted => safe.queues_end = 0,
                Reason::Unused => safe.index_entries = 0,
                Reason::Expired | Reason::All => {}
            }
            checkpoint.write(&fs, &path)?;
        }
        let removed = if removal.path.is_dir() {
            fs.remove_dir_all(&removal.path)
        } else {
            fs.remove_file(&removal.path)
        };
        removed.map_err(|e| StoreError::io("remove", &removal.path, e))?;
        let dir = removal.path.parent().unwrap_or(self.root());
        fs.sync_dir(dir).map_err(|e| StoreError::io("sync", dir, e))
    }

    /// What the store's folder holds, but for the lock, and the log's folder if that is elsewhere.
    fn folders(&self) -> Result<Vec<PathBuf>, StoreError> {
        let entries = OsFileSystem
            .list_dir(self.root())
            .map_err(|e| StoreError::io("list", self.root(), e))?;
        let inside = entries.into_iter().filter(|entry| entry.name != LOCK);
        let mut folders: Vec<_> = inside.map(|entry| self.root().join(entry.name)).collect();
        let log = self.log_dir();
        if log.is_dir() && !folders.iter().any(|folder| log.starts_with(folder)) {
            folders.push(log);
        }
        Ok(folders)
    }

    /// What a folder is called: its name in the store, or all of its path if it is elsewhere.
    fn name(&self, folder: &Path) -> String {
        let name = folder.strip_prefix(self.root()).unwrap_or(folder);
        name.display().to_string()
    }

    fn goes(
        &self,
        path: PathBuf,
        folder: &Path,
        reason: Reason,
        plan: &mut Plan,
    ) -> Result<(), StoreError> {
        let Size {
            files,
            bytes,
            modified_ms,
        } = size(&path)?;
        plan.remove.push(Removal {
            path,
            folder: self.name(folder),
            reason,
            files,
            bytes,
            modified_ms,
        });
        Ok(())
    }

    /// The oldest files of the log, as far as they were last changed before `before_ms`. Returns where
    /// the log then begins, in bytes.
    fn expired_log(
        &self,
        files: &LogFiles<OsFileSystem>,
        before_ms: i64,
        plan: &mut Plan,
    ) -> Result<i64, StoreError> {
        let found = &files.found;
        let mut begins = found.first().map_or(0, |first| first.start);
        // The newest stays, whatever its age.
        for pair in found.windows(2) {
            let path = &pair[0].path;
            if size(path)?.modified_ms >= before_ms {
                break;
            }
            self.goes(path.clone(), &self.log_dir(), Reason::Expired, plan)?;
            begins = pair[1].start;
        }
        Ok(begins)
    }

    /// Queues of topics that are not in the table of topics. Without a table nothing is known.
    fn orphaned_queues(&self, plan: &mut Plan) -> Result<(), StoreError> {
        let dir = self.root().join(CONSUME_QUEUE);
        let Some(topics) = self.topics()?.filter(|_| dir.is_dir()) else {
            return Ok(());
        };
        let entries = OsFileSystem
            .list_dir(&dir)
            .map_err(|e| StoreError::io("list", &dir, e))?;
        for entry in entries {
            if entry.is_dir && !is_topic(Some(&topics), &entry.name) {
                let path = dir.join(&entry.name);
                self.goes(path, &dir, Reason::TopicDeleted, plan)?;
            }
        }
        Ok(())
    }

    /// Index files, oldest first, that end in front of the log. The newest stays.
    fn unused_index(&self, log_min: i64, plan: &mut Plan) -> Result<(), StoreError> {
        let dir = self.root().join(INDEX);
        let files = numbered(&dir)?;
        for (_, path) in files.iter().rev().skip(1).rev() {
            let io = |e| StoreError::io("read", path, e);
            let file = OsFileSystem.open(path, OpenMode::Read).map_err(io)?;
            let mut end = [0; 8];
            if file.read_at(&mut end, INDEX_END_AT).map_err(io)? < end.len()
                || i64::from_be_bytes(end) >= log_min
            {
                break;
            }
            self.goes(path.clone(), &dir, Reason::Unused, plan)?;
        }
        Ok(())
    }
}

/// Files whose names are numbers, in their order. None in a folder that does not exist.
fn numbered(dir: &Path) -> Result<Vec<(i64, PathBuf)>, StoreError> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let entries = OsFileSystem
        .list_dir(dir)
        .map_err(|e| StoreError::io("list", dir, e))?;
    let mut files: Vec<_> = entries
        .into_iter()
        .filter(|entry| !entry.is_dir)
        .filter_map(|entry| Some((entry.name.parse().ok()?, dir.join(&entry.name))))
        .collect();
    files.sort();
    Ok(files)
}

fn size(path: &Path) -> Result<Size, StoreError> {
    let fs = OsFileSystem;
    let metadata = fs
        .metadata(path)
        .map_err(|e| StoreError::io("inspect", path, e))?;
    if !metadata.is_dir {
        return Ok(Size {
            files: 1,
            bytes: metadata.len,
            modified_ms: metadata.modified_ms,
        });
    }
    let entries = fs
        .list_dir(path)
        .map_err(|e| StoreError::io("list", path, e))?;
    entries.into_iter().try_fold(Size::default(), |sum, entry| {
        let one = size(&path.join(entry.name))?;
        Ok(Size {
            files: sum.files + one.files,
            bytes: sum.bytes + one.bytes,
            modified_ms: sum.modified_ms.max(one.modified_ms),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::COMMIT_LOG;

    fn store() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        for start in [0, 100, 200] {
            file(&format!("commitlog/{start:020}"), &[1; 100]);
        }
        file("consumequeue/T/0/00000000000000000000", &[0; 20]);
        file("consumequeue/Gone/0/00000000000000000000", &[0; 20]);
        file(
            "consumequeue/SCHEDULE_TOPIC_XXXX/2/00000000000000000000",
            &[0; 20],
        );
        let ending = |end: i64| [&[0; 24][..], &end.to_be_bytes(), &[0; 8]].concat();
        file("index/20260101000000000", &ending(90));
        file("index/20260102000000000", &ending(250));
        file(
            "config/topics.json",
            br#"{"topicConfigTable":{"T":{"topicName":"T"}}}"#,
        );
        dir
    }

    fn open(root: &Path) -> Result<OfflineStore, StoreError> {
        OfflineStore::open(OsFileSystem, crate::StoreConfig::new(root))
    }

    fn removed(plan: &Plan) -> Vec<(&'static str, String)> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        plan.remove
            .iter()
            .map(|removal| (removal.reason.name(), name(&removal.path)))
            .collect()
    }

    fn now_ms() -> i64 {
        crate::Clock::system().now_ms()
    }

    #[test]
    fn nothing_that_can_still_be_read_goes() {
        let dir = store();
        let store = open(dir.path()).unwrap();
        let scope = Scope::Unneeded {
            reserved_ms: 3_600_000,
        };
        let plan = store.plan(scope, now_ms()).unwrap();
        assert_eq!(removed(&plan), [("topic deleted", "Gone".to_owned())]);
        for removal in &plan.remove {
            store.remove(removal).unwrap();
        }
        assert_eq!(store.plan(scope, now_ms()).unwrap().remove, []);
        assert!(dir.path().join("consumequeue/T").exists());
    }

    #[test]
    fn expired_files_go_oldest_first_with_what_names_only_them() {
        let dir = store();
        let store = open(dir.path()).unwrap();
        let scope = Scope::Unneeded {
            reserved_ms: 3_600_000,
        };
        let plan = store.plan(scope, now_ms() + 7_200_000).unwrap();
        let expected = [
            ("expired", "00000000000000000000"),
            ("expired", "00000000000000000100"),
            ("topic deleted", "Gone"),
            ("unused", "20260101000000000"),
        ];
        assert_eq!(
            removed(&plan),
            expected.map(|(why, what)| (why, what.to_owned()))
        );
        let log = plan
            .keep
            .iter()
            .find(|kept| kept.folder == COMMIT_LOG)
            .unwrap();
        assert_eq!((log.files, log.bytes), (1, 100));
    }

    #[test]
    fn everything_but_the_lock_goes_the_log_last() {
        let dir = store();
        let store = open(dir.path()).unwrap();
        let plan = store.plan(Scope::All, now_ms()).unwrap();
        assert_eq!(plan.remove.last().unwrap().folder, COMMIT_LOG);
        for removal in &plan.remove {
            store.remove(removal).unwrap();
        }
        let left: Vec<_> = OsFileSystem.list_dir(dir.path()).unwrap();
        assert_eq!(
            left.iter().map(|entry| &*entry.name).collect::<Vec<_>>(),
            [LOCK]
        );
    }

    #[test]
    fn a_store_in_use_and_other_folders_are_refused() {
        let dir = store();
        let _first = open(dir.path()).unwrap();
        assert!(matches!(open(dir.path()), Err(StoreError::Locked { .. })));
        let other = tempfile::tempdir().unwrap();
        assert!(matches!(
            open(other.path()),
            Err(StoreError::Unsupported { .. })
        ));
        assert!(!other.path().join(LOCK).exists());
    }
}
