//! The index and the thread `store-index` that keeps it: entries come in from the log's writer and
//! are put in order, without keeping it waiting.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::StoreError;
use crate::fs::FileSystem;
use crate::guards::lock;
use crate::index::{Index, IndexEntry};
use crate::signal::Signal;

/// Entries that may wait; above it the log's writer waits. Ten seconds' worth at full speed.
const WAITING_MAX: usize = 1_000_000;
/// Entries gather this long before they are put, unless somebody waits for them: waking the thread
/// for each batch of the log would cost more than putting its entries does.
const GATHER: Duration = Duration::from_millis(50);
/// As many entries as this are put at once.
const GATHER_MAX: usize = 16 * 1024;

/// Between two tries when there is no space.
const RETRY: Duration = Duration::from_secs(1);

/// The index behind its queue.
pub(crate) struct IndexFeed<F: FileSystem> {
    pub(crate) index: Index<F>,
    waiting: Mutex<Waiting>,
    /// Entries were taken, or put.
    moved: Condvar,
    /// Something is to be done, in a while.
    signal: Signal,
    /// It is to be done now.
    hurry: Signal,
    /// All entries of records in front of this position of the log are in the index.
    done_to: AtomicI64,
    failed: AtomicBool,
    /// It waits for space on the disk.
    stalled: AtomicBool,
}

struct Waiting {
    entries: Vec<IndexEntry>,
    fed_to: i64,
    closed: bool,
}

impl<F: FileSystem> IndexFeed<F> {
    /// Goes on with an index that covers the log up to `done_to`.
    pub(crate) fn new(index: Index<F>, done_to: i64) -> Self {
        Self {
            index,
            waiting: Mutex::new(Waiting {
                entries: Vec::new(),
                fed_to: done_to,
                closed: false,
            }),
            moved: Condvar::new(),
            signal: Signal::default(),
            hurry: Signal::default(),
            done_to: AtomicI64::new(done_to),
            failed: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
        }
    }

    /// Hands over the entries of all records up to `end`; `entries` is empty afterwards.
    pub(crate) fn feed(&self, entries: &mut Vec<IndexEntry>, end: i64) {
        let mut waiting = lock(&self.waiting);
        while waiting.entries.len() >= WAITING_MAX && !waiting.closed {
            waiting = self
                .moved
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let before = waiting.entries.len();
        waiting.entries.append(entries);
        let after = waiting.entries.len();
        waiting.fed_to = end;
        drop(waiting);
        if before == 0 && after > 0 {
            self.signal.raise();
        }
        if before < GATHER_MAX && after >= GATHER_MAX {
            self.hurry.raise();
        }
    }

    /// Puts entries into the index until the feed is closed and empty. The thread's body.
    ///
    /// After a failure entries are dropped, and `done_to` stays: the checkpoint does not move past
    /// them, so that the next start builds them from the log.
    pub(crate) fn run(&self) {
        let mut entries = Vec::new();
        loop {
            let idle = {
                let waiting = lock(&self.waiting);
                waiting.entries.is_empty() && !waiting.closed
            };
            // Who waited for space below has taken signals that meant this.
            if idle {
                self.signal.wait(None);
            }
            self.hurry.wait(Some(GATHER));
            let (fed_to, closed) = {
                let mut waiting = lock(&self.waiting);
                std::mem::swap(&mut waiting.entries, &mut entries);
                (waiting.fed_to, waiting.closed)
            };
            self.moved.notify_all();
            if !self.failed.load(Ordering::Relaxed) {
                match self.put(&entries) {
                    Ok(()) => self.done(fed_to),
                    Err(e) => {
                        self.failed.store(true, Ordering::Relaxed);
                        self.done(self.done_to.load(Ordering::Acquire));
                        tracing::error!(
                            "queries by key find no new messages until the broker is restarted: {}",
                            e.with_cause()
                        );
                    }
                }
            }
            if closed {
                return;
            }
            entries.clear();
            entries.shrink_to(64 * 1024);
        }
    }

    /// Puts all entries; without space it tries again and again, until the store stops.
    fn put(&self, mut entries: &[IndexEntry]) -> Result<(), StoreError> {
        let mut said = false;
        loop {
            let mut done = 0;
            let put = self.index.put(entries, &mut done);
            entries = entries.get(done..).unwrap_or_default();
            match put {
                Err(e) if e.is_no_space() && !lock(&self.waiting).closed => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::warn!("the index waits for space: {}", e.with_cause());
                        self.stalled.store(true, Ordering::Relaxed);
                        // Who waits for it may be the one who makes space.
                        self.done(self.done_to.load(Ordering::Acquire));
                    }
                    self.signal.wait(Some(RETRY));
                }
                put => {
                    self.stalled.store(false, Ordering::Relaxed);
                    return put;
                }
            }
        }
    }

    fn done(&self, to: i64) {
        // Under the lock, so that nobody who waits misses it.
        let _waiting = lock(&self.waiting);
        self.done_to.store(to, Ordering::Release);
        self.moved.notify_all();
    }

    /// Waits until everything in front of `position` is in the index, in memory at least. Returns up
    /// to where that is so: less than `position` if the index has failed.
    pub(crate) fn catch_up(&self, position: i64) -> i64 {
        let mut waiting = lock(&self.waiting);
        loop {
            let done_to = self.done_to.load(Ordering::Acquire);
            if done_to >= position
                || waiting.fed_to < position
                || self.failed.load(Ordering::Relaxed)
                || self.stalled.load(Ordering::Relaxed)
            {
                return done_to;
            }
            self.signal.raise();
            self.hurry.raise();
            waiting = self
                .moved
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the thread once it has put what waits.
    pub(crate) fn close(&self) {
        lock(&self.waiting).closed = true;
        self.moved.notify_all();
        self.signal.raise();
        self.hurry.raise();
    }
}
