//! The thread `store-upkeep`: everything that can wait. It writes out queue units, makes the next
//! file of the log, moves the checkpoint, deletes what has expired, and gives memory back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::checkpoint::{Checkpointer, SafePoint};
use crate::consume_queues::Flush;
use crate::flush::answer_overdue;
use crate::fs::FileSystem;
use crate::guards::lock;
use crate::retention::{Retention, UsedRatios};
use crate::shared::Shared;
use crate::{AppendRefusal, StoreError, StoreEvents};

/// Log written since the checkpoint at which it moves early: what a restart has to read again.
const CHECKPOINT_BYTES: i64 = 24 * 1024 * 1024;
/// Between two pieces of a file whose space is given back.
const RELEASE_PAUSE_MS: u64 = 5;
/// Files that one decision on retention looks at: it deletes ten at most, and never the last.
const RETENTION_FILES: usize = 11;

/// What the thread remembers between two rounds.
struct Upkeep<'a, E: StoreEvents, F: FileSystem> {
    shared: &'a Shared<E, F>,
    retention: Retention,
    /// First byte of the log when queues and index were cleaned last.
    cleaned_to: i64,
    last_flush_failed: bool,
    last_prepare_failed: bool,
}

/// Works until the store stops.
pub(crate) fn run<E: StoreEvents, F: FileSystem>(shared: &Shared<E, F>) {
    let config = &shared.config;
    let interval = Duration::from_millis(config.flush_interval_consume_queue_ms.max(10));
    let millis = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let start = shared.clock.now_ms();
    let (mut last_checkpoint_ms, mut last_clean_ms) = (start, start);
    let mut upkeep = Upkeep {
        shared,
        retention: Retention::default(),
        cleaned_to: shared.log.min_offset(),
        last_flush_failed: false,
        last_prepare_failed: false,
    };
    while !shared.stopping.load(Ordering::Acquire) {
        shared.upkeep_signal.wait(Some(interval));
        let now = shared.clock.now_ms();
        if shared.syncs() {
            answer_overdue(shared);
        }
        upkeep.prepare_next_segment();
        upkeep.flush_queues();
        shared.common_blocks.release_unused();
        let written = shared.dispatched.load(Ordering::Acquire) - lock(&shared.checkpoint).offset();
        let thorough =
            now - last_checkpoint_ms >= millis(config.flush_consume_queue_thorough_interval_ms);
        if written >= CHECKPOINT_BYTES || (thorough && written > 0) {
            last_checkpoint_ms = now;
            // It says itself what that means.
            let _ = shared.advance_checkpoint();
        }
        if shared.clean_now.swap(false, Ordering::AcqRel) {
            upkeep.retention.delete_manually();
            upkeep.clean(now);
        }
        if now - last_clean_ms >= millis(config.clean_resource_interval_ms) {
            last_clean_ms = now;
            upkeep.clean(now);
        }
    }
}

impl<E: StoreEvents, F: FileSystem> Upkeep<'_, E, F> {
    fn prepare_next_segment(&mut self) {
        let shared = self.shared;
        if shared.read_only_reason().is_some() || shared.disk_full.load(Ordering::Relaxed) {
            return;
        }
        let mut next = lock(&shared.next_segment);
        let end = shared
            .log
            .last()
            .map_or(0, |last| last.start() + shared.log.file_size());
        let room = end - shared.written.load(Ordering::Acquire);
        if next.is_some() || room >= shared.prepare_next_below() {
            return;
        }
        match shared.log.create_segment(end) {
            Ok(segment) => {
                *next = Some(segment);
                self.last_prepare_failed = false;
            }
            // The writer will meet the same and decide what it means.
            Err(e) if !self.last_prepare_failed => {
                self.last_prepare_failed = true;
                tracing::warn!(
                    "the log's next file cannot be made ahead of its use: {}",
                    e.with_cause()
                );
            }
            Err(_) => {}
        }
    }

    fn flush_queues(&mut self) {
        match self.shared.queues.flush(Flush::Economical) {
            Ok(()) => self.last_flush_failed = false,
            Err(e) if !self.last_flush_failed => {
                self.last_flush_failed = true;
                tracing::error!("queue units stay in memory for now: {}", e.with_cause());
            }
            Err(_) => {}
        }
    }

    /// Deletes what has expired, and finds out whether the disk is full.
    fn clean(&mut self, now_ms: i64) {
        let shared = self.shared;
        let segments = shared.log.segments();
        let mut modified = Vec::with_capacity(RETENTION_FILES);
        for segment in segments.iter().take(RETENTION_FILES) {
            match shared.fs.metadata(segment.path()) {
                Ok(metadata) => modified.push(metadata.modified_ms),
                Err(e) => {
                    tracing::warn!("{}: {e}", segment.path().display());
                    return;
                }
            }
        }
        let used = used_ratios(shared);
        let Ok(now) = jiff::Timestamp::from_millisecond(now_ms) else {
            return;
        };
        let now = now.to_zoned_datetime(jiff::tz::TimeZone::system());
        let rules = lock(&shared.retention).clone();
        let decision = self.retention.decide(&rules, &now, &modified, used);
        let was_full = shared.disk_full.swap(decision.disk_full, Ordering::Relaxed);
        if decision.disk_full && !was_full {
            tracing::error!("the disk is too full, messages are refused: {used:?}");
            shared.appends.refuse(Some(AppendRefusal::DiskFull));
        } else if was_full && !decision.disk_full {
            tracing::info!("the disk has room again, messages are taken");
            shared.appends.refuse(None);
        }
        let pause = || {
            shared.pause(shared.config.delete_commit_log_files_interval_ms);
        };
        let ends = segments.iter().take(decision.delete_oldest);
        let ends: Vec<i64> = ends
            .map(|segment| segment.start() + shared.log.file_size())
            .collect();
        drop(segments);
        for end in ends {
            // What a power failure brings back of a file must be whole, as the log begins with it then. And units of its
            // messages must not be in memory only: a queue that lost them would give their places to other messages.
            let safe = || lock(&shared.checkpoint).offset();
            if end > safe() && (shared.advance_checkpoint().is_err() || end > safe()) {
                break;
            }
            match shared.log.remove_oldest() {
                Ok(Some(removed)) => {
                    tracing::info!(
                        "deleted an expired file, the log begins at {} now",
                        shared.log.min_offset()
                    );
                    shared
                        .log
                        .release(removed, || shared.pause(RELEASE_PAUSE_MS));
                }
                Ok(None) => break,
                Err(e) => {
                    tracing::error!("{}", e.with_cause());
                    break;
                }
            }
            pause();
        }
        let log_min = shared.log.min_offset();
        if log_min > self.cleaned_to {
            // A power failure must not bring back messages whose units are gone.
            if let Err(e) = shared.fs.sync_dir(shared.log.dir()) {
                tracing::error!("expired files stay: {e}");
                return;
            }
            let queues = shared.queues.delete_expired(log_min, pause);
            let index = match &shared.index {
                None => Ok(0),
                Some(feed) => lock(&shared.checkpoint)
                    .forget_entries(&shared.fs)
                    .and_then(|()| feed.index.remove_before(log_min)),
            };
            match queues.and(index) {
                Ok(_) => self.cleaned_to = log_min,
                Err(e) => tracing::error!("expired files stay: {}", e.with_cause()),
            }
        }
    }
}

/// How full the partitions are.
pub(crate) fn used_ratios<E: StoreEvents, F: FileSystem>(shared: &Shared<E, F>) -> UsedRatios {
    let ratio = |path| {
        shared
            .fs
            .disk_usage(path)
            .ok()
            .map(|usage| usage.used_ratio())
    };
    UsedRatios {
        commit_log: ratio(shared.log.dir()),
        consume_queue: ratio(&shared.config.root),
    }
}

// The checkpoint.
impl<E: StoreEvents, F: FileSystem> Shared<E, F> {
    /// Moves the checkpoint to what is written now. Without space it stays where it is: a restart reads more of
    /// the log. Any other failure makes the store read-only: a second sync may report success for lost pages.
    pub(crate) fn advance_checkpoint(&self) -> Result<(), StoreError> {
        if let Some(reason) = self.read_only_reason() {
            return Err(StoreError::Poisoned(reason.to_string()));
        }
        let moved = self.advance(&mut lock(&self.checkpoint));
        match &moved {
            Ok(()) => {}
            Err(e) if e.is_no_space() => {
                tracing::warn!("the checkpoint stays where it is: {}", e.with_cause());
            }
            Err(e) => self.poison(&e.with_cause()),
        }
        moved
    }

    /// Syncs log, queues and index, and writes down up to where they are durable. After a failure
    /// the store must be poisoned: a second sync may report success for lost pages.
    pub(crate) fn advance(&self, checkpointer: &mut Checkpointer) -> Result<(), StoreError> {
        // Positions before the syncs that cover them; the time before the position it belongs to.
        let physic_msg_timestamp = self.written_timestamp.load(Ordering::Acquire);
        let counted = self.queues.counted();
        let dispatched = counted.end;
        let indexed = self.index.as_ref().map(|feed| {
            let done_to = feed.catch_up(dispatched);
            let newest = feed.index.dispatched_to();
            (feed, done_to, newest, feed.index.entries())
        });
        let queues_end = self.queues.end().min(dispatched);
        self.sync_log(dispatched)?;
        checkpointer.current.logics_msg_timestamp = self.queues.sync()?;
        let mut safe = SafePoint {
            offset: dispatched,
            index_offset: 0,
            queues_end,
            queues_sum: counted.sum,
            index_entries: 0,
            checked_from: checkpointer.checked_from(dispatched),
        };
        let mut whole = true;
        if let Some((feed, done_to, newest, entries)) = indexed {
            checkpointer.current.index_msg_timestamp = feed.index.flush()?;
            safe.index_offset = newest;
            safe.index_entries = entries;
            // Otherwise the index has failed: the next start reads the log again from where it ends.
            whole = done_to >= dispatched;
        }
        checkpointer.current.physic_msg_timestamp = physic_msg_timestamp;
        if whole {
            checkpointer.current.safe_point = Some(safe);
        }
        checkpointer.write(&self.fs)
    }
}
