//! The queue in front of the writer: records laid end to end, and who waits for them.
//!
//! Appending copies the records under one short lock and wakes nobody; the writer takes everything
//! at once by exchanging its empty buffers for the full ones. So batches grow by themselves with
//! the load, and nothing waits for a timer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crate::dispatch::Derived;
use crate::guards::lock;
use crate::{AppendRefusal, Wait};

/// Capacity that a drained buffer may keep: a burst should not stay in memory for ever.
const BUFFER_KEPT: usize = 1024 * 1024;

/// One record of an append.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PendingRecord {
    /// Bytes.
    pub(crate) size: u32,
    /// Index keys, which follow those of the record before.
    pub(crate) keys: u32,
    /// What is known of it already.
    pub(crate) derived: Derived,
}

/// One append call: records of one queue that stay together.
pub(crate) struct PendingAppend<Q, T> {
    /// The consume queue.
    pub(crate) queue: Q,
    /// Bytes of all its records.
    pub(crate) size: usize,
    /// Records.
    pub(crate) records: u32,
    /// What the caller waits for.
    pub(crate) wait: Wait,
    /// The caller's.
    pub(crate) ticket: T,
}

/// Everything that waited at one moment.
pub(crate) struct Batch<Q, T> {
    /// All records.
    pub(crate) bytes: Vec<u8>,
    /// One for each record.
    pub(crate) records: Vec<PendingRecord>,
    /// Key hashes of all records.
    pub(crate) keys: Vec<i32>,
    /// One for each append call.
    pub(crate) appends: Vec<PendingAppend<Q, T>>,
    /// When the oldest of them was accepted, in milliseconds since the epoch.
    pub(crate) accepted_ms: i64,
}

impl<Q, T> Default for Batch<Q, T> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            records: Vec::new(),
            keys: Vec::new(),
            appends: Vec::new(),
            accepted_ms: 0,
        }
    }
}

impl<Q, T> Batch<Q, T> {
    /// Empties the batch for its next use.
    pub(crate) fn clear(&mut self) {
        fn clear<X>(buffer: &mut Vec<X>) {
            buffer.clear();
            buffer.shrink_to(BUFFER_KEPT / size_of::<X>().max(1));
        }
        clear(&mut self.bytes);
        clear(&mut self.records);
        clear(&mut self.keys);
        clear(&mut self.appends);
    }
}

/// The bounded queue.
pub(crate) struct AppendQueue<Q, T> {
    state: Mutex<State<Q, T>>,
    /// The writer is asleep, or about to be.
    asleep: AtomicBool,
    writer: OnceLock<Thread>,
    bytes_max: usize,
    count_max: usize,
}

struct State<Q, T> {
    batch: Batch<Q, T>,
    /// Set when appends are to be refused from now on.
    refusal: Option<AppendRefusal>,
    closed: bool,
}

/// What the writer found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Something.
    Batch,
    /// Nothing: sleep.
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

impl<Q, T> AppendQueue<Q, T> {
    /// An empty queue that takes so many bytes and calls.
    pub(crate) fn new(bytes_max: usize, count_max: usize) -> Self {
        let state = State {
            batch: Batch::default(),
            refusal: None,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            asleep: AtomicBool::new(false),
            writer: OnceLock::new(),
            bytes_max,
            count_max,
        }
    }

    /// Adds records and the append they belong to. Gives the ticket back if it cannot.
    pub(crate) fn push(
        &self,
        append: PendingAppend<Q, T>,
        bytes: &[u8],
        records: &[PendingRecord],
        keys: &[i32],
        now_ms: impl FnOnce() -> i64,
    ) -> Result<(), (T, AppendRefusal)> {
        let mut state = lock(&self.state);
        if let Some(refusal) = &state.refusal {
            return Err((append.ticket, refusal.clone()));
        }
        let batch = &mut state.batch;
        let waiting = batch.bytes.len();
        // One append always fits, whatever its size: it was checked against the largest message.
        if waiting > 0
            && (waiting + bytes.len() > self.bytes_max || batch.appends.len() >= self.count_max)
        {
            let refusal = AppendRefusal::QueueFull {
                bytes: waiting,
                count: batch.appends.len(),
            };
            return Err((append.ticket, refusal));
        }
        if waiting == 0 {
            batch.accepted_ms = now_ms();
        }
        batch.bytes.extend_from_slice(bytes);
        batch.records.extend_from_slice(records);
        batch.keys.extend_from_slice(keys);
        batch.appends.push(append);
        Ok(())
    }

    /// Wakes the writer, if it sleeps while appends wait.
    pub(crate) fn kick(&self) {
        if self.asleep.load(Ordering::SeqCst)
            && self.waiting_bytes() > 0
            && self.asleep.swap(false, Ordering::SeqCst)
        {
            self.wake();
        }
    }

    /// Wakes the writer for another reason than new appends.
    pub(crate) fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Refuses appends from now on (`Some`), or takes them again. A final refusal stays.
    pub(crate) fn refuse(&self, refusal: Option<AppendRefusal>) {
        let mut state = lock(&self.state);
        let last = matches!(
            state.refusal,
            Some(AppendRefusal::ReadOnly(_) | AppendRefusal::ShuttingDown)
        );
        let shutdown = matches!(refusal, Some(AppendRefusal::ShuttingDown));
        if !last || shutdown {
            state.refusal = refusal;
        }
    }

    /// Refuses appends for good; the writer gets what is left, and then [`Taken::Closed`].
    pub(crate) fn close(&self) {
        self.refuse(Some(AppendRefusal::ShuttingDown));
        lock(&self.state).closed = true;
        self.wake();
    }

    /// Bytes that wait.
    pub(crate) fn waiting_bytes(&self) -> usize {
        lock(&self.state).batch.bytes.len()
    }

    /// For the writer: exchanges `batch`, which must be empty, for what waits.
    pub(crate) fn take(&self, batch: &mut Batch<Q, T>) -> Taken {
        let mut state = lock(&self.state);
        if !state.batch.appends.is_empty() {
            std::mem::swap(&mut state.batch, batch);
            return Taken::Batch;
        }
        if state.closed {
            Taken::Closed
        } else {
            Taken::Nothing
        }
    }

    /// For the writer: sleeps until somebody kicks, for `timeout` at most. May return early.
    pub(crate) fn sleep(&self, timeout: Option<Duration>) {
        self.writer.get_or_init(std::thread::current);
        self.asleep.store(true, Ordering::SeqCst);
        // What was pushed before this look will be seen; what comes later sees `asleep`.
        let state = lock(&self.state);
        let idle = state.batch.appends.is_empty() && !state.closed;
        drop(state);
        if idle {
            match timeout {
                Some(timeout) => std::thread::park_timeout(timeout),
                None => std::thread::park(),
            }
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_is_woken_only_when_appends_wait() {
        let queue: AppendQueue<(), ()> = AppendQueue::new(1024, 10);
        queue.asleep.store(true, Ordering::SeqCst);

        queue.kick();
        assert!(queue.asleep.load(Ordering::SeqCst));

        let append = PendingAppend {
            queue: (),
            size: 1,
            records: 1,
            wait: Wait::Written,
            ticket: (),
        };
        queue.push(append, &[0], &[], &[], || 0).unwrap();
        queue.kick();
        assert!(!queue.asleep.load(Ordering::SeqCst));

        queue.asleep.store(true, Ordering::SeqCst);
        assert_eq!(queue.take(&mut Batch::default()), Taken::Batch);
        queue.kick();
        assert!(queue.asleep.load(Ordering::SeqCst));
    }
}
