//! The bounded number of files through which all queues are reached.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::consume_queue::ConsumeQueue;
use crate::fs::FileSystem;
use crate::guards::lock;

/// Files that are open at once, apart from those waiting for their sync.
const OPEN_FILES_MAX: usize = 256;

/// A file of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    pub(super) serial: u32,
    /// Its first unit.
    start: i64,
}

impl FileKey {
    pub(super) fn new(queue: &ConsumeQueue, start: i64) -> Self {
        Self {
            serial: queue.serial,
            start,
        }
    }
}

/// Open files, of which the least recently used is closed when there are too many.
pub(super) struct OpenFiles<F: FileSystem> {
    open: Mutex<OpenFilesState<F>>,
}

struct OpenFilesState<F: FileSystem> {
    /// With the time of the last use.
    files: HashMap<FileKey, (Arc<F::File>, u64)>,
    uses: u64,
}

impl<F: FileSystem> Default for OpenFiles<F> {
    fn default() -> Self {
        Self {
            open: Mutex::new(OpenFilesState {
                files: HashMap::new(),
                uses: 0,
            }),
        }
    }
}

impl<F: FileSystem> OpenFiles<F> {
    pub(super) fn opened(&self, key: FileKey) -> Option<Arc<F::File>> {
        let mut open = lock(&self.open);
        open.uses += 1;
        let now = open.uses;
        let (file, used) = open.files.get_mut(&key)?;
        *used = now;
        Some(file.clone())
    }

    pub(super) fn keep(&self, key: FileKey, file: F::File) -> Arc<F::File> {
        let file = Arc::new(file);
        let mut evicted = Vec::new(); // closed after the lock is released
        let mut open = lock(&self.open);
        if open.files.len() >= OPEN_FILES_MAX {
            // A quarter at once: finding the oldest costs a look at all of them.
            let mut uses: Vec<u64> = open.files.values().map(|(_, used)| *used).collect();
            let quarter = uses.len() / 4;
            let (_, &mut limit, _) = uses.select_nth_unstable(quarter);
            evicted.extend(open.files.extract_if(|_, (_, used)| *used <= limit));
        }
        open.uses += 1;
        let now = open.uses;
        open.files.insert(key, (file.clone(), now));
        drop(open);
        file
    }

    pub(super) fn forget(&self, key: FileKey) {
        let forgotten = lock(&self.open).files.remove(&key);
        drop(forgotten);
    }

    pub(super) fn forget_queue(&self, serial: u32) {
        lock(&self.open).files.retain(|key, _| key.serial != serial);
    }
}
