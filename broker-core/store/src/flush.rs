//! The thread `store-flush`: syncs the log.
//!
//! Under `SYNC_FLUSH` it syncs whenever something was written, and answers all that waits for that:
//! while it syncs, the next batch is written. Otherwise it syncs every `flushIntervalCommitLog`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fs::FileSystem;
use crate::guards::lock;
use crate::shared::{Shared, Unsynced, Waiting};
use crate::{PutStatus, StoreEvents};

const PAGE: i64 = 4096;

/// Syncs until the store stops, and then once more.
pub(crate) fn run<E: StoreEvents, F: FileSystem>(shared: &Shared<E, F>) {
    if shared.syncs() {
        run_sync(shared)
    } else {
        run_async(shared)
    }
}

fn run_sync<E: StoreEvents, F: FileSystem>(shared: &Shared<E, F>) {
    let mut unsynced = Unsynced::default();
    let mut done = Vec::new();
    loop {
        // Looked at first: what was written before the stop is synced below.
        let stopping = shared.stopping.load(Ordering::Acquire);
        std::mem::swap(&mut *lock(&shared.unsynced), &mut unsynced);
        if unsynced.end <= shared.flushed.load(Ordering::Acquire) && unsynced.waiting.is_empty() {
            if stopping {
                return;
            }
            shared.flush_signal.wait(None);
            continue;
        }
        lock(&shared.syncing).append(&mut unsynced.waiting);
        let synced = if shared.read_only_reason().is_some() {
            false
        } else {
            match shared.sync_log(unsynced.end) {
                Ok(()) => true,
                Err(e) => {
                    shared.poison(&e.with_cause());
                    false
                }
            }
        };
        // Those that waited too long were taken out by the upkeep.
        for mut waiting in lock(&shared.syncing).drain(..) {
            if !synced {
                waiting.done.result = Err(shared.read_only_error());
            }
            done.push(waiting.done);
        }
        if synced {
            for (queue, end) in unsynced.publish.drain(..) {
                queue.publish(end);
            }
            shared.visible.store(unsynced.end, Ordering::Release);
        } else {
            unsynced.publish.clear();
            unsynced.arrivals.clear();
        }
        shared.tell(&mut done, &unsynced.arrivals);
        unsynced.arrivals.clear();
    }
}

fn run_async<E: StoreEvents, F: FileSystem>(shared: &Shared<E, F>) {
    let config = &shared.config;
    let interval = Duration::from_millis(config.flush_interval_commit_log_ms.max(1));
    let least_bytes = i64::try_from(config.flush_commit_log_least_pages)
        .unwrap_or(0)
        .saturating_mul(PAGE);
    let thorough_ms =
        i64::try_from(config.flush_commit_log_thorough_interval_ms).unwrap_or(i64::MAX);
    let mut last_sync_ms = shared.clock.now_ms();
    loop {
        let stopping = shared.stopping.load(Ordering::Acquire);
        let end = shared.written.load(Ordering::Acquire);
        let unsynced = end - shared.flushed.load(Ordering::Acquire);
        let now = shared.clock.now_ms();
        let due = stopping || unsynced >= least_bytes.max(1) || now - last_sync_ms >= thorough_ms;
        if unsynced > 0 && due && shared.read_only_reason().is_none() {
            last_sync_ms = now;
            if let Err(e) = shared.sync_log(end) {
                shared.poison(&e.with_cause());
            }
        }
        if stopping {
            return;
        }
        shared.flush_signal.wait(Some(interval));
    }
}

/// Answers appends whose sync takes longer than `syncFlushTimeout`. They are in the log, and may
/// yet become safe, but nobody waits for them any longer.
pub(crate) fn answer_overdue<E: StoreEvents, F: FileSystem>(shared: &Shared<E, F>) {
    let timeout_ms = i64::try_from(shared.config.sync_flush_timeout_ms).unwrap_or(i64::MAX);
    let now = shared.clock.now_ms();
    let overdue =
        |waiting: &mut Waiting<E::Ticket>| now.saturating_sub(waiting.since_ms) >= timeout_ms;
    let mut done = Vec::new();
    for waiting in lock(&shared.syncing).extract_if(.., overdue) {
        done.push(waiting.done);
    }
    for waiting in lock(&shared.unsynced).waiting.extract_if(.., overdue) {
        done.push(waiting.done);
    }
    for done in &mut done {
        if let Ok(appended) = &mut done.result {
            appended.status = PutStatus::FlushDiskTimeout;
        }
    }
    shared.tell(&mut done, &[]);
}
