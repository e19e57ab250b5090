//! What the store's threads and its callers share.
//!
//! Positions of the log, each a record boundary, each only growing:
//! `visible ≤ flushed ≤ written` under `SYNC_FLUSH`, `flushed ≤ visible = written` otherwise.
//!
//! Locking: `checkpoint`, held over I/O while it moves, before what queues and index lock. `next_segment` is held while the
//! file is made, all others are short; none of these is taken under another.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::append_queue::AppendQueue;
use crate::checkpoint::Checkpointer;
use crate::cold_part::ColdPart;
use crate::commit_log::{CommitLog, Segment};
use crate::common_blocks::CommonBlocks;
use crate::config::{FlushMode, RetentionRules};
use crate::consume_queue::ConsumeQueue;
use crate::consume_queues::ConsumeQueues;
use crate::fs::{File, FileSystem};
use crate::guards::lock;
use crate::index_feed::IndexFeed;
use crate::signal::Signal;
use crate::tail::HotTail;
use crate::{
    AppendError, AppendRefusal, Arrival, Clock, Done, PUT_TIME_CLASSES_MS, StoreConfig, StoreError,
    StoreEvents,
};

const PREPARE_NEXT_BYTES: i64 = 128 * 1024 * 1024;

/// Everything behind the door.
pub(crate) struct Shared<E: StoreEvents, F: FileSystem> {
    pub(crate) config: StoreConfig,
    pub(crate) fs: F,
    pub(crate) clock: Clock,
    pub(crate) log: CommitLog<F>,
    pub(crate) queues: ConsumeQueues<F>,
    pub(crate) index: Option<IndexFeed<F>>,
    pub(crate) tail: HotTail,
    pub(crate) cold_part: ColdPart,
    pub(crate) common_blocks: CommonBlocks,
    pub(crate) appends: AppendQueue<Arc<ConsumeQueue>, E::Ticket>,
    /// The next file of the log, made ahead of its use. The lock is held while it is made.
    pub(crate) next_segment: Mutex<Option<Arc<Segment<F>>>>,
    /// Written and waiting for the sync that makes it visible and answers it.
    pub(crate) unsynced: Mutex<Unsynced<E::Ticket>>,
    /// What the running sync will answer.
    pub(crate) syncing: Mutex<Vec<Waiting<E::Ticket>>>,
    pub(crate) checkpoint: Mutex<Checkpointer>,
    pub(crate) flush_signal: Signal,
    pub(crate) upkeep_signal: Signal,
    pub(crate) stopping: AtomicBool,
    /// An administrator wants expired files gone whatever the hour.
    pub(crate) clean_now: AtomicBool,
    events: Mutex<E>,
    pub(crate) written: AtomicI64,
    pub(crate) flushed: AtomicI64,
    pub(crate) visible: AtomicI64,
    /// Up to here every record has its queue unit (in memory at least) and was fed to the index.
    pub(crate) dispatched: AtomicI64,
    /// Store time of the last record written.
    pub(crate) written_timestamp: AtomicI64,
    read_only: OnceLock<Arc<str>>,
    pub(crate) disk_full: AtomicBool,
    pub(crate) retention: Mutex<RetentionRules>,
    pub(crate) counters: Counters,
    pub(crate) boot_timestamp: i64,
    /// Bytes of this machine's memory.
    pub(crate) memory_bytes: u64,
}

/// What has been written since the last sync began.
pub(crate) struct Unsynced<T> {
    pub(crate) waiting: Vec<Waiting<T>>,
    pub(crate) publish: Vec<(Arc<ConsumeQueue>, i64)>,
    pub(crate) arrivals: Vec<Arrival>,
    /// One past the last byte of it.
    pub(crate) end: i64,
}

impl<T> Default for Unsynced<T> {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            publish: Vec::new(),
            arrivals: Vec::new(),
            end: 0,
        }
    }
}

/// An append that waits for its sync.
pub(crate) struct Waiting<T> {
    pub(crate) done: Done<T>,
    /// Since when, in milliseconds since the epoch.
    pub(crate) since_ms: i64,
}

/// Figures for [`crate::StoreStatus`].
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) messages: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) put_times: [AtomicU64; 13],
    pub(crate) put_time_max_ms: AtomicU64,
    pub(crate) get_time_max_ms: AtomicU64,
}

impl Counters {
    /// Counts append calls that took so long.
    pub(crate) fn took(&self, ms: u64, appends: u64) {
        let class = PUT_TIME_CLASSES_MS.partition_point(|&bound| bound <= ms);
        self.put_times[class].fetch_add(appends, Ordering::Relaxed);
        self.put_time_max_ms.fetch_max(ms, Ordering::Relaxed);
    }
}

/// What recovery hands over.
pub(crate) struct Opened<F: FileSystem> {
    pub(crate) log: CommitLog<F>,
    pub(crate) queues: ConsumeQueues<F>,
    pub(crate) index: Option<IndexFeed<F>>,
    pub(crate) checkpoint: Checkpointer,
    pub(crate) end: i64,
    pub(crate) last_timestamp: i64,
}

impl<E: StoreEvents, F: FileSystem> Shared<E, F> {
    /// The state of a store that has just been recovered.
    pub(crate) fn new(
        opened: Opened<F>,
        config: StoreConfig,
        fs: F,
        clock: Clock,
        events: E,
    ) -> Self {
        let end = opened.end;
        Self {
            tail: HotTail::new(end, config.hot_tail_bytes),
            cold_part: ColdPart::default(),
            common_blocks: CommonBlocks::default(),
            appends: AppendQueue::new(config.append_queue_bytes, config.append_queue_count),
            log: opened.log,
            queues: opened.queues,
            index: opened.index,
            next_segment: Mutex::default(),
            unsynced: Mutex::default(),
            syncing: Mutex::default(),
            checkpoint: Mutex::new(opened.checkpoint),
            flush_signal: Signal::default(),
            upkeep_signal: Signal::default(),
            stopping: AtomicBool::new(false),
            clean_now: AtomicBool::new(false),
            events: Mutex::new(events),
            written: AtomicI64::new(end),
            flushed: AtomicI64::new(end),
            visible: AtomicI64::new(end),
            dispatched: AtomicI64::new(end),
            written_timestamp: AtomicI64::new(opened.last_timestamp),
            read_only: OnceLock::new(),
            disk_full: AtomicBool::new(false),
            retention: Mutex::new(config.retention.clone()),
            counters: Counters::default(),
            boot_timestamp: clock.now_ms(),
            memory_bytes: memory_bytes(),
            config,
            fs,
            clock,
        }
    }

    /// Whether appends become visible only once they are synced.
    pub(crate) fn syncs(&self) -> bool {
        self.config.flush_mode == FlushMode::Sync
    }

    /// When less than this many bytes are left in a file, the next one is made.
    pub(crate) fn prepare_next_below(&self) -> i64 {
        PREPARE_NEXT_BYTES.min(self.log.file_size() / 4)
    }

    /// Tells the owner: what is done, then what consumers may see.
    pub(crate) fn tell(&self, done: &mut Vec<Done<E::Ticket>>, arrivals: &[Arrival]) {
        if done.is_empty() && arrivals.is_empty() {
            return;
        }
        let mut events = lock(&self.events);
        if !done.is_empty() {
            events.completed(done);
            done.clear();
        }
        if !arrivals.is_empty() {
            events.arrived(arrivals);
        }
    }

    /// Makes the store read-only for good: what is on the disk is unknown from here on, and trying
    /// again may report success for lost pages. The first reason stays.
    pub(crate) fn poison(&self, reason: &str) {
        let reason: Arc<str> = reason.into();
        if self.read_only.set(Arc::clone(&reason)).is_ok() {
            tracing::error!(
                "store {} is read-only from now on: {reason}; restart the broker when the cause is removed",
                self.config.root.display()
            );
        }
        let reason = self.read_only.get().cloned().unwrap_or(reason);
        self.appends.refuse(Some(AppendRefusal::ReadOnly(reason)));
    }

    /// Why nothing can be stored any more.
    pub(crate) fn read_only_reason(&self) -> Option<Arc<str>> {
        self.read_only.get().cloned()
    }

    /// The error of appends that came too late.
    pub(crate) fn read_only_error(&self) -> AppendError {
        AppendError::ReadOnly(
            self.read_only_reason()
                .unwrap_or_else(|| "unknown reason".into()),
        )
    }

    /// Syncs the log up to `end`, which has been written. After a failure nothing is known: the
    /// caller must poison the store.
    pub(crate) fn sync_log(&self, end: i64) -> Result<(), StoreError> {
        let from = self.flushed.load(Ordering::Acquire);
        if from >= end {
            return Ok(());
        }
        let mut at = from;
        while at < end {
            let Some(segment) = self.log.segment_at(at) else {
                // Retention was there first; what follows is to be synced all the same.
                match self.log.next_start(at) {
                    Some(start) => at = start,
                    None => break,
                }
                continue;
            };
            segment
                .file(&self.fs)?
                .sync_data()
                .map_err(|e| StoreError::io("sync", segment.path(), e))?;
            at = segment.start() + self.log.file_size();
        }
        self.flushed.fetch_max(end, Ordering::AcqRel);
        Ok(())
    }

    /// Lets some time pass between two deletions, unless the store stops.
    pub(crate) fn pause(&self, ms: u64) {
        if !self.stopping.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(ms));
        }
    }

    /// Whether a record lies so far back that it is taken for being on disk, by Apache's rule.
    pub(crate) fn is_far_behind(&self, phy: i64) -> bool {
        let percent = u64::from(self.config.access_message_in_memory_max_ratio.min(100));
        let near = i64::try_from(self.memory_bytes / 100 * percent).unwrap_or(i64::MAX);
        self.written.load(Ordering::Acquire) - phy > near
    }
}

fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    // The field is narrower on 32-bit machines.
    #[expect(clippy::useless_conversion, reason = "not useless on every machine")]
    u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn put_times_fall_into_apaches_classes() {
        let counters = Counters::default();
        for (ms, class) in [
            (0, 0),
            (1, 1),
            (9, 1),
            (10, 2),
            (49, 2),
            (50, 3),
            (9_999, 11),
            (10_000, 12),
            (99_999, 12),
        ] {
            let before = counters.put_times[class].load(Ordering::Relaxed);
            counters.took(ms, 1);
            assert_eq!(
                counters.put_times[class].load(Ordering::Relaxed),
                before + 1,
                "{ms} ms"
            );
        }
    }
}
