//! The door of the store: opening, appending, shutting down. Reading is in [`crate::reading`].

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use remoting::protocol::message::record;

use crate::append_queue::{PendingAppend, PendingRecord};
use crate::consume_queue::ConsumeQueue;
use crate::consume_queues::ConsumeQueues;
use crate::dispatch::derive;
use crate::fs::{FileSystem, OsFileSystem, create_durably, sync_names};
use crate::guards::lock;
use crate::lock::{AbortMark, StoreLock};
use crate::shared::Shared;
use crate::upkeep::used_ratios;
use crate::{
    AppendRefusal, Clock, RetentionRules, ShutdownReport, StoreConfig, StoreError, StoreEvents,
    StoreStatus, Wait, flush, recovery, upkeep, writer,
};

/// A store folder in use. Dropping it without [`Store::shutdown`] leaves the folder as a crash
/// would, except that everything accepted is written.
pub struct Store<E: StoreEvents, F: FileSystem = OsFileSystem> {
    pub(crate) shared: Arc<Shared<E, F>>,
    running: Mutex<Option<Running<F>>>,
}

/// What ends with the store.
struct Running<F: FileSystem> {
    writer: JoinHandle<()>,
    flush: JoinHandle<()>,
    index: Option<JoinHandle<()>>,
    upkeep: JoinHandle<()>,
    abort: AbortMark,
    _lock: StoreLock<F>,
}

thread_local! {
    /// What is known of the records of the append at hand.
    static SCRATCH: RefCell<(Vec<PendingRecord>, Vec<i32>)> = RefCell::default();
}

impl<E: StoreEvents, F: FileSystem> Store<E, F> {
    /// Opens the store in `config.root`, which is created if absent, and recovers it.
    ///
    /// # Errors
    /// `Locked` when somebody else uses the folder, before anything in it was touched; `Damaged`
    /// with file and byte when something acknowledged cannot be read; `Io` for everything that the
    /// file system refuses.
    pub fn open(config: StoreConfig, fs: F, clock: Clock, events: E) -> Result<Self, StoreError> {
        config.check()?;
        let root = config.root.clone();
        create_durably(&fs, &root).map_err(|e| StoreError::io("create", &root, e))?;
        sync_names(&fs, &root).map_err(|e| StoreError::io("sync", &root, e))?;
        let folder_lock = StoreLock::take(&fs, &root)?;
        let abort = AbortMark::new(&root);
        let clean = !abort.stands(&fs)?;
        let opened = recovery::recover(&fs, &config, clean)?;
        abort.set(&fs)?;
        let shared = Arc::new(Shared::new(opened, config, fs, clock, events));
        let running = Running::start(&shared, abort, folder_lock)?;
        Ok(Self {
            shared,
            running: Mutex::new(Some(running)),
        })
    }

    /// Queues `count` records of one queue, laid end to end, to be stored together. Their places
    /// are filled in by the store. What becomes of them is told by [`StoreEvents::completed`].
    ///
    /// The writer is not woken before [`Self::kick`], so that a caller with several appends at hand
    /// wakes it once. Never blocks.
    ///
    /// # Errors
    /// The ticket comes back with the reason; nothing was queued.
    pub fn append(
        &self,
        topic: &str,
        queue_id: i32,
        records: &[u8],
        count: u32,
        wait: Wait,
        ticket: E::Ticket,
    ) -> Result<(), (E::Ticket, AppendRefusal)> {
        SCRATCH.with_borrow_mut(|(pending, keys)| {
            pending.clear();
            keys.clear();
            let queue = match self.check_append(topic, queue_id, records, count, pending, keys) {
                Ok(queue) => queue,
                Err(refusal) => {
                    self.shared.counters.failed.fetch_add(1, Ordering::Relaxed);
                    return Err((ticket, refusal));
                }
            };
            let append = PendingAppend {
                queue,
                size: records.len(),
                records: count,
                wait,
                ticket,
            };
            let now_ms = || self.shared.clock.now_ms();
            let pushed = self
                .shared
                .appends
                .push(append, records, pending, keys, now_ms);
            if pushed.is_err() {
                self.shared.counters.failed.fetch_add(1, Ordering::Relaxed);
            }
            pushed
        })
    }

    fn check_append(
        &self,
        topic: &str,
        queue_id: i32,
        records: &[u8],
        count: u32,
        pending: &mut Vec<PendingRecord>,
        keys: &mut Vec<i32>,
    ) -> Result<Arc<ConsumeQueue>, AppendRefusal> {
        let shared = &*self.shared;
        let file_max =
            usize::try_from(shared.log.file_size()).unwrap_or(usize::MAX) - record::BLANK_BYTES;
        let record_max = shared.config.max_record_size() as usize;
        if records.len() > file_max {
            return Err(AppendRefusal::TooLarge {
                size: records.len(),
                limit: file_max,
            });
        }
        for parsed in record::records(records) {
            let parsed = parsed.map_err(|_| AppendRefusal::Invalid("a field does not fit"))?;
            if parsed.total_size > record_max {
                return Err(AppendRefusal::TooLarge {
                    size: parsed.total_size,
                    limit: record_max,
                });
            }
            if parsed.topic != topic || parsed.queue_id != queue_id {
                return Err(AppendRefusal::Invalid("it belongs to another queue"));
            }
            let known = keys.len();
            let wanted = shared.index.is_some().then_some(&mut *keys);
            let derived = derive(&parsed, &shared.config.delay_levels_ms, wanted);
            if pending
                .first()
                .is_some_and(|first| first.derived.in_queue != derived.in_queue)
            {
                return Err(AppendRefusal::Invalid("half messages among others"));
            }
            pending.push(PendingRecord {
                size: u32::try_from(parsed.total_size).unwrap_or(u32::MAX),
                keys: u32::try_from(keys.len() - known).unwrap_or(0),
                derived,
            });
        }
        if pending.is_empty() || pending.len() != count as usize {
            return Err(AppendRefusal::Invalid(
                "another number of records than announced",
            ));
        }
        shared
            .queues
            .queue_or_new(topic, queue_id)
            .map_err(|e| AppendRefusal::Queue(e.into()))
    }

    /// Wakes the writer, if it sleeps while appends wait.
    pub fn kick(&self) {
        self.shared.appends.kick();
    }

    /// Deletes a topic's queues. Its messages stay in the log until their files expire; the
    /// checkpoint moves past them, so that no restart brings them back.
    ///
    /// # Errors
    /// `Io` when files cannot be deleted, or the checkpoint cannot be moved, without which a restart may bring the
    /// topic back; a second try goes on. `Poisoned` when nothing can be written any more.
    pub fn delete_topic(&self, topic: &str) -> Result<(), StoreError> {
        self.without_count(|queues| queues.delete_topic(topic))?;
        self.shared.advance_checkpoint()
    }

    /// Deletes queues of which the log has lost every message, if `choose` wants that for a topic and
    /// queue. Numbering would begin anew in such a queue, so nobody must have a place in it. Returns
    /// those that are gone.
    ///
    /// # Errors
    /// `Io` when files cannot be deleted; what is left can be deleted by a second try.
    pub fn delete_expired_queues(
        &self,
        choose: impl Fn(&str, i32) -> bool,
    ) -> Result<Vec<(Arc<str>, i32)>, StoreError> {
        let mut deleted = Vec::new();
        for queue in self.shared.queues.all() {
            if choose(&queue.topic, queue.queue_id)
                && self.without_count(|queues| queues.delete_if_expired(&queue))?
            {
                deleted.push((queue.topic.clone(), queue.queue_id));
            }
        }
        Ok(deleted)
    }

    /// Deletes queues while the checkpoint says nothing of how many units there are: a crash in between must not be taken
    /// for the loss of some.
    fn without_count<T>(
        &self,
        delete: impl FnOnce(&ConsumeQueues<F>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let shared = &*self.shared;
        if let Some(reason) = shared.read_only_reason() {
            return Err(StoreError::Poisoned(reason.to_string()));
        }
        let mut checkpoint = lock(&shared.checkpoint);
        checkpoint.forget_units(&shared.fs)?;
        delete(&shared.queues)
    }

    /// Deletes expired files soon, whatever the hour says.
    pub fn delete_expired_files(&self) {
        self.shared.clean_now.store(true, Ordering::Release);
        self.shared.upkeep_signal.raise();
    }

    /// Changes what is kept for how long, from the next look at the files on.
    pub fn set_retention(&self, rules: RetentionRules) {
        *lock(&self.shared.retention) = rules;
    }

    /// How the store is doing.
    pub fn status(&self) -> StoreStatus {
        let shared = &*self.shared;
        let counters = &shared.counters;
        let used = used_ratios(shared);
        StoreStatus {
            min_commit_log_offset: shared.log.min_offset(),
            written_offset: shared.written.load(Ordering::Acquire),
            flushed_offset: shared.flushed.load(Ordering::Acquire),
            visible_offset: shared.visible.load(Ordering::Acquire),
            read_only_reason: shared.read_only_reason(),
            disk_full: shared.disk_full.load(Ordering::Relaxed),
            commit_log_disk_ratio: used.commit_log,
            consume_queue_disk_ratio: used.consume_queue,
            put_message_times_total: counters.messages.load(Ordering::Relaxed),
            put_message_size_total: counters.bytes.load(Ordering::Relaxed),
            put_failed_times: counters.failed.load(Ordering::Relaxed),
            put_time_distribution: counters
                .put_times
                .each_ref()
                .map(|count| count.load(Ordering::Relaxed)),
            put_time_max_ms: counters.put_time_max_ms.load(Ordering::Relaxed),
            get_time_max_ms: counters.get_time_max_ms.load(Ordering::Relaxed),
            append_queue_bytes: shared.appends.waiting_bytes(),
            earliest_message_timestamp: self.earliest_message_timestamp(),
            boot_timestamp: shared.boot_timestamp,
        }
    }

    /// Stores what was accepted, syncs everything and closes the folder. Appends are refused from
    /// the beginning of this call on. A second call does nothing.
    ///
    /// # Errors
    /// What could not be synced or written; the folder is left as after a crash then.
    pub fn shutdown(&self) -> Result<ShutdownReport, StoreError> {
        let shared = &*self.shared;
        let stopped = lock(&self.running)
            .take()
            .map(|running| running.stop(shared));
        let flushed_offset = || shared.flushed.load(Ordering::Acquire);
        let Some((abort, _lock)) = stopped else {
            return Ok(ShutdownReport {
                flushed_offset: flushed_offset(),
                clean: true,
            });
        };
        if let Some(reason) = shared.read_only_reason() {
            tracing::error!("the store was read-only ({reason}): the next start will check it");
            return Ok(ShutdownReport {
                flushed_offset: flushed_offset(),
                clean: false,
            });
        }
        if let Some(segment) = lock(&shared.next_segment).take() {
            shared.log.discard(&segment)?;
        }
        let mut checkpoint = lock(&shared.checkpoint);
        shared.advance(&mut checkpoint)?;
        // What the index could not take has to be read again.
        let clean = checkpoint.offset() == shared.written.load(Ordering::Acquire);
        if clean {
            abort.clear(&shared.fs)?;
        }
        Ok(ShutdownReport {
            flushed_offset: flushed_offset(),
            clean,
        })
    }
}

impl<E: StoreEvents, F: FileSystem> Drop for Store<E, F> {
    fn drop(&mut self) {
        if let Some(running) = lock(&self.running).take() {
            running.stop(&self.shared);
        }
    }
}

impl<F: FileSystem> Running<F> {
    fn start<E: StoreEvents>(
        shared: &Arc<Shared<E, F>>,
        abort: AbortMark,
        lock: StoreLock<F>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            writer: spawn("store-writer", shared, writer::run)?,
            flush: spawn("store-flush", shared, flush::run)?,
            index: match &shared.index {
                None => None,
                Some(_) => Some(spawn("store-index", shared, |shared| {
                    if let Some(index) = &shared.index {
                        index.run();
                    }
                })?),
            },
            upkeep: spawn("store-upkeep", shared, upkeep::run)?,
            abort,
            _lock: lock,
        })
    }

    /// Ends all threads, in the order in which work flows between them.
    fn stop<E: StoreEvents>(self, shared: &Shared<E, F>) -> (AbortMark, StoreLock<F>) {
        shared.appends.close();
        join(self.writer);
        shared.stopping.store(true, Ordering::Release);
        shared.flush_signal.raise();
        shared.upkeep_signal.raise();
        if let Some(index) = &shared.index {
            index.close();
        }
        join(self.flush);
        if let Some(index) = self.index {
            join(index);
        }
        join(self.upkeep);
        (self.abort, self._lock)
    }
}

fn spawn<E: StoreEvents, F: FileSystem, T: Send + 'static>(
    name: &'static str,
    shared: &Arc<Shared<E, F>>,
    body: impl FnOnce(&Shared<E, F>) -> T + Send + 'static,
) -> Result<JoinHandle<T>, StoreError> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _poison = PoisonOnPanic {
                shared: &shared,
                name,
            };
            body(&shared)
        })
        .map_err(|e| StoreError::Config(format!("thread {name} cannot be started: {e}")))
}

fn join<T>(thread: JoinHandle<T>) -> T {
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// A thread of the store that panics must not leave senders waiting for ever.
struct PoisonOnPanic<'a, E: StoreEvents, F: FileSystem> {
    shared: &'a Shared<E, F>,
    name: &'static str,
}

impl<E: StoreEvents, F: FileSystem> Drop for PoisonOnPanic<'_, E, F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared
                .poison(&format!("internal error in thread {}", self.name));
        }
    }
}
