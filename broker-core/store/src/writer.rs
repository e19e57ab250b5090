//! The thread `store-writer`: the only one that touches the end of the log.
//!
//! It takes everything that waits, gives each record its place, writes all of it with one call, and
//! only then adds the units to the queues: a unit never names bytes that are not in the log. Then
//! the appends are answered, or handed to the thread that syncs.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use remoting::protocol::message::record::{self, MAGIC_BLANK};

use crate::append_queue::{Batch, Taken};
use crate::commit_log::{Tail, WriteError};
use crate::consume_queue::{AppendUnitError, Appended as Added, ConsumeQueue, Unit};
use crate::fs::FileSystem;
use crate::guards::lock;
use crate::index::IndexEntry;
use crate::shared::{Shared, Waiting};
use crate::{AppendError, Appended, Arrival, Done, PutStatus, StoreEvents, Wait};

/// A file's last eight bytes belong to its blank record.
const BLANK: i64 = record::BLANK_BYTES as i64;

/// Writes until the append queue is closed and empty.
pub(crate) fn run<E: StoreEvents, F: FileSystem>(shared: &Shared<E, F>) {
    let end = shared.written.load(Ordering::Acquire);
    let mut writer = Writer {
        tail: Tail::new(&shared.log, end, shared.syncs()),
        shared,
        places: Vec::new(),
        index: Vec::new(),
        publish: Vec::new(),
        arrivals: Vec::new(),
        done: Vec::new(),
    };
    let mut batch = Batch::default();
    loop {
        match shared.appends.take(&mut batch) {
            Taken::Batch => {
                writer.store(&mut batch);
                batch.clear();
            }
            Taken::Nothing => shared.appends.sleep(None),
            Taken::Closed => return,
        }
    }
}

type Appends<T> = Batch<Arc<ConsumeQueue>, T>;

struct Writer<'a, E: StoreEvents, F: FileSystem> {
    shared: &'a Shared<E, F>,
    tail: Tail<F>,
    // Buffers, empty between two batches.
    places: Vec<Place>,
    index: Vec<IndexEntry>,
    publish: Vec<(Arc<ConsumeQueue>, i64)>,
    arrivals: Vec<Arrival>,
    done: Vec<Done<E::Ticket>>,
}

/// Where an append of the batch was stored.
struct Place {
    queue_offset: i64,
    commit_log_offset: i64,
}

/// A position in the parallel lists of a batch.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    append: usize,
    record: usize,
    byte: usize,
    key: usize,
}

impl<E: StoreEvents, F: FileSystem> Writer<'_, E, F> {
    fn store(&mut self, batch: &mut Appends<E::Ticket>) {
        let now = self.shared.clock.now_ms();
        let mut next = Cursor::default();
        let mut failure = None;
        while next.append < batch.appends.len() && failure.is_none() {
            failure = self.store_run(batch, &mut next, now).err();
        }
        let stored = self.places.len() as u64;
        let failed = batch.appends.len() as u64 - stored;
        self.shared
            .counters
            .failed
            .fetch_add(failed, Ordering::Relaxed);
        let took = self
            .shared
            .clock
            .now_ms()
            .saturating_sub(batch.accepted_ms)
            .max(0);
        self.shared.counters.took(took.unsigned_abs(), stored);
        self.answer(batch, failure, now);
    }

    /// Stores as many appends from `next` on as fit into the current file; none if not even one
    /// does: the next file is the current one then.
    fn store_run(
        &mut self,
        batch: &mut Appends<E::Ticket>,
        next: &mut Cursor,
        now: i64,
    ) -> Result<(), AppendError> {
        let shared = self.shared;
        if shared.read_only_reason().is_some() {
            return Err(shared.read_only_error());
        }
        if !shared.queues.has_room() {
            return Err(AppendError::DiskFull);
        }
        let room = self.tail.room(&shared.log);
        let mut len = 0;
        let mut count = 0;
        for append in &batch.appends[next.append..] {
            if (len + append.size) as i64 + BLANK > room {
                break;
            }
            len += append.size;
            count += 1;
        }
        if count == 0 {
            return self.roll(room);
        }
        self.tail
            .reserve(&shared.log, len)
            .map_err(|e| self.write_failed(e))?;
        let appends = next.append..next.append + count;
        let bytes = next.byte..next.byte + len;
        self.assign(batch, *next, appends.clone(), now)?;
        let start = self.tail.end();
        if let Err(e) = self
            .tail
            .write(&shared.log, &batch.bytes[bytes.clone()], None)
        {
            self.withdraw(batch, *next, appends);
            return Err(self.write_failed(e));
        }
        shared.tail.push(start, &batch.bytes[bytes]);
        self.dispatch(batch, next, appends, now);
        Ok(())
    }

    /// Goes on in the next file. What is left of the current one becomes a blank record.
    fn roll(&mut self, room: i64) -> Result<(), AppendError> {
        let shared = self.shared;
        let mut next = lock(&shared.next_segment);
        let end = self.tail.end() + room;
        let segment = match next.take() {
            Some(segment) => segment,
            None => shared
                .log
                .create_segment(end)
                .map_err(|e| self.write_failed(WriteError::of(e)))?,
        };
        if room > 0 {
            let mut blank = [0; record::BLANK_BYTES];
            blank[..4].copy_from_slice(&i32::try_from(room).unwrap_or(i32::MAX).to_be_bytes());
            blank[4..].copy_from_slice(&MAGIC_BLANK.to_be_bytes());
            let written = self
                .tail
                .reserve(&shared.log, blank.len())
                .and_then(|()| self.tail.write(&shared.log, &[], Some(blank)));
            if let Err(e) = written {
                *next = Some(segment);
                return Err(self.write_failed(e));
            }
        }
        self.tail.roll(&shared.log, segment);
        Ok(())
    }

    /// Gives appends their places, in the queues and in the log.
    fn assign(
        &mut self,
        batch: &mut Appends<E::Ticket>,
        first: Cursor,
        appends: Range<usize>,
        now: i64,
    ) -> Result<(), AppendError> {
        let to_log = self.tail.end() - first.byte as i64;
        let mut record = first.record;
        let mut at = first.byte;
        for append in &mut batch.appends[appends] {
            // Half messages and their like have no place in a queue.
            let in_queue = batch.records[record].derived.in_queue;
            let queue_offset = if in_queue {
                self.assign_in_queue(&mut append.queue, append.records)?
            } else {
                0
            };
            self.places.push(Place {
                queue_offset,
                commit_log_offset: to_log + at as i64,
            });
            for index in 0..append.records {
                let size = batch.records[record].size as usize;
                let queue_offset = queue_offset + if in_queue { i64::from(index) } else { 0 };
                record::patch(
                    &mut batch.bytes[at..at + size],
                    queue_offset,
                    to_log + at as i64,
                    now,
                );
                at += size;
                record += 1;
            }
        }
        Ok(())
    }

    fn assign_in_queue(
        &self,
        queue: &mut Arc<ConsumeQueue>,
        count: u32,
    ) -> Result<i64, AppendError> {
        loop {
            if let Some(offset) = queue.assign(count) {
                return Ok(offset);
            }
            // Deleted with its topic since the append was accepted: a new queue begins.
            match self
                .shared
                .queues
                .queue_or_new(&queue.topic, queue.queue_id)
            {
                Ok(new) => *queue = new,
                Err(e) => return Err(AppendError::Queue(e.into())),
            }
        }
    }

    /// Takes back the places of appends that could not be written.
    fn withdraw(&mut self, batch: &Appends<E::Ticket>, first: Cursor, appends: Range<usize>) {
        self.places.truncate(appends.start);
        let mut record = first.record;
        for append in &batch.appends[appends] {
            if batch.records[record].derived.in_queue {
                append.queue.withdraw(append.records);
            }
            record += append.records as usize;
        }
    }

    /// Derives from what was written: queue units, index entries, arrivals.
    fn dispatch(
        &mut self,
        batch: &Appends<E::Ticket>,
        next: &mut Cursor,
        appends: Range<usize>,
        now: i64,
    ) {
        let shared = self.shared;
        let first = *next;
        let end = self.tail.end();
        if let Some(index) = &shared.index {
            self.collect_entries(batch, next, appends.clone(), now);
            // Before the units are counted: whoever knows how far that is may wait for the index up to there.
            index.feed(&mut self.index, end);
        }
        let mut counted = shared.queues.counting();
        for (append, place) in batch.appends[appends.clone()]
            .iter()
            .zip(&self.places[appends])
        {
            let queue = &append.queue;
            let mut phy = place.commit_log_offset;
            let mut max_offset = place.queue_offset;
            for pending in &batch.records[next.record..next.record + append.records as usize] {
                if pending.derived.in_queue {
                    let tags_code = pending.derived.tags.code(now);
                    let unit = Unit {
                        phy,
                        size: pending.size.cast_signed(),
                        tags_code,
                    };
                    match shared.queues.append(queue, unit, max_offset, now) {
                        Ok(Added::New { moved, .. }) => {
                            let added = queue.weight.wrapping_mul(moved.cast_unsigned());
                            counted.sum = counted.sum.wrapping_add(added);
                        }
                        // Its topic was deleted in between: it goes the way of the others.
                        Ok(Added::AlreadyBuilt) | Err(AppendUnitError::Gone { .. }) => {}
                        // The record is in the log: a restart builds the queue from it.
                        Err(e) => shared.poison(&e.to_string()),
                    }
                    max_offset += 1;
                    self.arrivals.push(Arrival {
                        topic: Arc::clone(&queue.topic),
                        queue_id: queue.queue_id,
                        max_offset,
                        tags_code,
                        store_timestamp: now,
                        commit_log_offset: phy,
                    });
                }
                phy += i64::from(pending.size);
            }
            self.publish.push((Arc::clone(queue), max_offset));
            next.record += append.records as usize;
            next.byte += append.size;
            next.append += 1;
        }
        counted.end = end;
        drop(counted);
        let messages = (next.record - first.record) as u64;
        shared
            .counters
            .messages
            .fetch_add(messages, Ordering::Relaxed);
        shared
            .counters
            .bytes
            .fetch_add((next.byte - first.byte) as u64, Ordering::Relaxed);
        // Time before end: whoever reads the time first never has one that is too late for the end.
        shared.written_timestamp.store(now, Ordering::Release);
        shared.written.store(end, Ordering::Release);
        shared.dispatched.store(end, Ordering::Release);
        let room = self.tail.room(&shared.log);
        if shared.queues.wants_flush() || room < shared.prepare_next_below() {
            shared.upkeep_signal.raise();
        }
    }

    /// Makes the index entries of what was written.
    fn collect_entries(
        &mut self,
        batch: &Appends<E::Ticket>,
        next: &mut Cursor,
        appends: Range<usize>,
        now: i64,
    ) {
        let mut pending = batch.records[next.record..].iter();
        for (append, place) in batch.appends[appends.clone()]
            .iter()
            .zip(&self.places[appends])
        {
            let mut phy = place.commit_log_offset;
            for record in pending.by_ref().take(append.records as usize) {
                let keys = &batch.keys[next.key..next.key + record.keys as usize];
                let entry = |&hash: &i32| IndexEntry {
                    hash,
                    phy,
                    store_timestamp: now,
                };
                self.index.extend(keys.iter().map(entry));
                next.key += record.keys as usize;
                phy += i64::from(record.size);
            }
        }
    }

    /// Answers what need not wait for a sync, and hands over the rest.
    fn answer(&mut self, batch: &mut Appends<E::Ticket>, failure: Option<AppendError>, now: i64) {
        let shared = self.shared;
        let mut waiting = Vec::new();
        let mut places = self.places.drain(..);
        for append in batch.appends.drain(..) {
            let result = match (places.next(), &failure) {
                (Some(place), _) => Ok(Appended {
                    queue_offset: place.queue_offset,
                    commit_log_offset: place.commit_log_offset,
                    store_timestamp: now,
                    status: PutStatus::Ok,
                }),
                (None, Some(error)) => Err(error.clone()),
                (None, None) => Err(AppendError::ShuttingDown),
            };
            let waits = shared.syncs() && append.wait == Wait::Stored && result.is_ok();
            let done = Done {
                ticket: append.ticket,
                result,
            };
            if waits {
                waiting.push(Waiting {
                    done,
                    since_ms: batch.accepted_ms,
                });
            } else {
                self.done.push(done);
            }
        }
        drop(places);
        if shared.syncs() {
            let mut unsynced = lock(&shared.unsynced);
            unsynced.waiting.append(&mut waiting);
            unsynced.publish.append(&mut self.publish);
            unsynced.arrivals.append(&mut self.arrivals);
            unsynced.end = self.tail.end();
            drop(unsynced);
            shared.flush_signal.raise();
        } else {
            for (queue, end) in self.publish.drain(..) {
                queue.publish(end);
            }
            shared.visible.store(self.tail.end(), Ordering::Release);
        }
        shared.tell(&mut self.done, &self.arrivals);
        self.arrivals.clear();
    }

    /// What a failed write means for the appends that wait for it.
    fn write_failed(&self, error: WriteError) -> AppendError {
        match error {
            WriteError::NoSpace(e) => {
                tracing::warn!("messages are refused: {}", e.with_cause());
                AppendError::DiskFull
            }
            WriteError::Failed(e) => {
                self.shared.poison(&e.with_cause());
                self.shared.read_only_error()
            }
        }
    }
}
