//! Pulls that found nothing and wait for a message.
//!
//! A plain value: an arrival returns exactly the pulls it wakes, the clock returns those whose
//! time is over; the owner runs them again, without suspending a second time. A pull whose
//! connection has ended stays until its deadline; answering it then does nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use remoting::transport::answer::ReplyHandle;

use crate::filter::Filter;

/// Pulls held at most. Further ones are answered at once, as if their time were over.
const MAX_HELD: usize = 200_000;

/// A pull that waits.
#[derive(Debug)]
pub(crate) struct HeldPull {
    pub(crate) reply: ReplyHandle,
    pub(crate) group: Box<str>,
    pub(crate) topic: Arc<str>,
    pub(crate) queue_id: i32,
    /// First message wanted.
    pub(crate) queue_offset: i64,
    pub(crate) max_messages: i32,
    pub(crate) max_bytes: i32,
    pub(crate) filter: Arc<Filter>,
    pub(crate) deadline: Instant,
}

type QueueKey = (Arc<str>, i32);

/// All waiting pulls, by queue and by deadline.
#[derive(Debug, Default)]
pub(crate) struct LongPolling {
    by_queue: HashMap<QueueKey, Vec<(u64, HeldPull)>>,
    by_deadline: BTreeMap<(Instant, u64), QueueKey>,
    next_id: u64,
}

impl LongPolling {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_deadline.is_empty()
    }

    /// Holds a pull; gives it back when too many are held already.
    pub(crate) fn hold(&mut self, pull: HeldPull) -> Result<(), HeldPull> {
        if self.by_deadline.len() >= MAX_HELD {
            return Err(pull);
        }
        let id = self.next_id;
        self.next_id += 1;
        let key = (pull.topic.clone(), pull.queue_id);
        self.by_deadline.insert((pull.deadline, id), key.clone());
        self.by_queue.entry(key).or_default().push((id, pull));
        Ok(())
    }

    /// The pulls that the message before `max_offset` of a queue wakes: those that wait for an
    /// offset it fills and whose filter lets it through.
    pub(crate) fn arrived(
        &mut self,
        topic: &Arc<str>,
        queue_id: i32,
        max_offset: i64,
        tags_code: i64,
    ) -> Vec<HeldPull> {
        if self.by_queue.is_empty() {
            return Vec::new();
        }
        self.take(&(topic.clone(), queue_id), |pull| {
            max_offset > pull.queue_offset && pull.filter.may_match(tags_code)
        })
    }

    /// The pulls of a queue that wait for an offset it has filled already, whatever they select.
    pub(crate) fn behind(
        &mut self,
        topic: &Arc<str>,
        queue_id: i32,
        max_offset: i64,
    ) -> Vec<HeldPull> {
        self.take(&(topic.clone(), queue_id), |pull| {
            max_offset > pull.queue_offset
        })
    }

    /// The pulls whose deadline has passed.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<HeldPull> {
        let mut out = Vec::new();
        while let Some(entry) = self.by_deadline.first_entry() {
            let &(deadline, id) = entry.key();
            if deadline > now {
                break;
            }
            let key = entry.remove();
            out.extend(self.remove(&key, id));
        }
        out
    }

    /// Everything held, for shutdown.
    pub(crate) fn drain(&mut self) -> Vec<HeldPull> {
        self.by_deadline.clear();
        let queues = std::mem::take(&mut self.by_queue);
        queues
            .into_values()
            .flatten()
            .map(|(_, pull)| pull)
            .collect()
    }

    fn take(&mut self, key: &QueueKey, wanted: impl Fn(&HeldPull) -> bool) -> Vec<HeldPull> {
        let Some(held) = self.by_queue.get_mut(key) else {
            return Vec::new();
        };
        let taken: Vec<_> = held.extract_if(.., |(_, pull)| wanted(pull)).collect();
        if held.is_empty() {
            self.by_queue.remove(key);
        }
        taken
            .into_iter()
            .map(|(id, pull)| {
                self.by_deadline.remove(&(pull.deadline, id));
                pull
            })
            .collect()
    }

    fn remove(&mut self, key: &QueueKey, id: u64) -> Option<HeldPull> {
        let held = self.by_queue.get_mut(key)?;
        let at = held.iter().position(|(held_id, _)| *held_id == id)?;
        let (_, pull) = held.swap_remove(at);
        if held.is_empty() {
            self.by_queue.remove(key);
        }
        Some(pull)
    }
}
