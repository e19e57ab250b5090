//! The files `lock` and `abort`: who uses the folder, and whether the last one left in good order.

use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::fs::{File, FileSystem, OpenMode};

/// Exclusive use of a store folder, against other processes (a Java broker among them) and against
/// another store of this process. Ends when dropped.
pub(crate) struct StoreLock<F: FileSystem> {
    _file: F::File,
}

impl<F: FileSystem> StoreLock<F> {
    /// Takes the lock, before anything else in the folder is touched.
    pub(crate) fn take(fs: &F, root: &Path) -> Result<Self, StoreError> {
        let path = root.join("lock");
        let file = fs
            .open(&path, OpenMode::Create)
            .map_err(|e| StoreError::io("open", &path, e))?;
        if !file
            .try_lock()
            .map_err(|e| StoreError::io("lock", &path, e))?
        {
            let pid = file.lock_holder();
            return Err(StoreError::Locked { path, pid });
        }
        file.write_all_at(b"lock", 0)
            .map_err(|e| StoreError::io("write", &path, e))?;
        Ok(Self { _file: file })
    }
}

/// The file `abort`, which stands as long as the store is in use.
pub(crate) struct AbortMark {
    path: PathBuf,
}

impl AbortMark {
    /// The mark of the store in `root`.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            path: root.join("abort"),
        }
    }

    /// Whether the last run has not ended in good order.
    pub(crate) fn stands<F: FileSystem>(&self, fs: &F) -> Result<bool, StoreError> {
        fs.exists(&self.path)
            .map_err(|e| StoreError::io("inspect", &self.path, e))
    }

    /// Sets the mark. Durable when it returns.
    pub(crate) fn set<F: FileSystem>(&self, fs: &F) -> Result<(), StoreError> {
        let file = fs
            .open(&self.path, OpenMode::Create)
            .map_err(|e| StoreError::io("create", &self.path, e))?;
        file.sync_all()
            .map_err(|e| StoreError::io("sync", &self.path, e))?;
        self.sync_dir(fs)
    }

    /// Removes the mark. Durable when it returns.
    pub(crate) fn clear<F: FileSystem>(&self, fs: &F) -> Result<(), StoreError> {
        fs.remove_file(&self.path)
            .map_err(|e| StoreError::io("remove", &self.path, e))?;
        self.sync_dir(fs)
    }

    fn sync_dir<F: FileSystem>(&self, fs: &F) -> Result<(), StoreError> {
        let dir = self.path.parent().unwrap_or(&self.path);
        fs.sync_dir(dir).map_err(|e| StoreError::io("sync", dir, e))
    }
}
