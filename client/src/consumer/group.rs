//! What a member of a group has in hand: its queues, and of each the messages that were read but
//! not acknowledged.
//!
//! Shared by the consumer's task, the tasks that pull, the application that acknowledges, and the
//! brokers that ask. The committed offset of a queue is that of its first message not
//! acknowledged: whatever is read again after a crash was never acknowledged, or stands after
//! something that was not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remoting::protocol::body::client::{
    ConsumerData, ConsumerRunningInfo, ProcessQueueInfo, SubscriptionData,
};
use remoting::protocol::body::queue_map::{MessageQueue, QueueMap};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::expression::Expression;
use crate::message::MessageExt;
use crate::unique_key::now_ms;

use super::{ConsumeFrom, MessageModel};

/// A queue is not pulled on while so many of its messages, or bytes of them, are not acknowledged.
const MAX_PENDING_MESSAGES: usize = 1000;
const MAX_PENDING_BYTES: usize = 100 * 1024 * 1024;

/// One topic of a group's.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) data: SubscriptionData,
    pub(crate) expression: Expression,
}

/// A group as one of its members sees it.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) model: MessageModel,
    pub(crate) from: ConsumeFrom,
    pub(crate) subscriptions: Vec<Subscription>,
    /// Milliseconds since the epoch.
    pub(crate) started: i64,
    /// Queues are to be divided anew, or pulled again.
    pub(crate) rebalance: Notify,
    /// A broker does not know the group.
    pub(crate) heartbeat: Notify,
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    assigned: BTreeMap<MessageQueue, Assigned>,
    generations: u64,
}

#[derive(Debug)]
struct Assigned {
    /// Changes when the queue is read anew from elsewhere: what was read before is void.
    generation: u64,
    /// Where to read on.
    next: i64,
    /// Not acknowledged, with their sizes in bytes.
    pending: BTreeMap<i64, usize>,
    pending_bytes: usize,
    /// As the broker has it; `None`: unknown.
    committed: Option<i64>,
    /// Milliseconds since the epoch.
    last_pull: i64,
    last_consume: i64,
    room: Arc<Notify>,
    /// `None`: nobody pulls.
    pulling: Option<AbortHandle>,
}

impl Assigned {
    fn position(&self) -> i64 {
        self.pending
            .first_key_value()
            .map_or(self.next, |(offset, _)| *offset)
    }

    fn has_room(&self) -> bool {
        self.pending.len() < MAX_PENDING_MESSAGES && self.pending_bytes < MAX_PENDING_BYTES
    }
}

impl Drop for Assigned {
    fn drop(&mut self) {
        if let Some(pulling) = &self.pulling {
            pulling.abort();
        }
    }
}

impl Group {
    pub(super) fn new(
        name: String,
        model: MessageModel,
        from: ConsumeFrom,
        subscriptions: Vec<Subscription>,
    ) -> Self {
        Self {
            name,
            model,
            from,
            subscriptions,
            started: now_ms(),
            rebalance: Notify::new(),
            heartbeat: Notify::new(),
            queues: Mutex::default(),
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn heartbeat_data(&self) -> ConsumerData {
        ConsumerData {
            consume_from_where: self.from.name().to_owned(),
            consume_type: "CONSUME_PASSIVELY".to_owned(),
            group_name: self.name.clone(),
            message_model: self.model.name().to_owned(),
            subscription_data_set: self.subscription_data(),
            unit_mode: false,
        }
    }

    fn subscription_data(&self) -> Vec<SubscriptionData> {
        self.subscriptions
            .iter()
            .map(|subscription| subscription.data.clone())
            .collect()
    }

    pub(super) fn assigned_of(&self, topic: &str) -> BTreeSet<MessageQueue> {
        self.queues()
            .assigned
            .keys()
            .filter(|queue| queue.topic == topic)
            .cloned()
            .collect()
    }

    /// Takes a queue over, to be read from `next` on.
    pub(super) fn assign(&self, queue: MessageQueue, next: i64, committed: Option<i64>) {
        let mut queues = self.queues();
        queues.generations += 1;
        let assigned = Assigned {
            generation: queues.generations,
            next,
            pending: BTreeMap::new(),
            pending_bytes: 0,
            committed,
            last_pull: now_ms(),
            last_consume: now_ms(),
            room: Arc::new(Notify::new()),
            pulling: None,
        };
        queues.assigned.insert(queue, assigned);
    }

    /// Gives a queue up. What was read of it and not handed out yet is void.
    pub(super) fn release(&self, queue: &MessageQueue) {
        self.queues().assigned.remove(queue);
    }

    pub(super) fn release_all(&self) {
        self.queues().assigned.clear();
    }

    /// Stops reading a queue that is about to be given up.
    pub(super) fn stop_pulling(&self, queue: &MessageQueue) {
        if let Some(assigned) = self.queues().assigned.get(queue)
            && let Some(pulling) = &assigned.pulling
        {
            pulling.abort();
        }
    }

    /// Calls `start` with generation and offset for each queue that nobody pulls.
    pub(super) fn start_pulling(
        &self,
        mut start: impl FnMut(&MessageQueue, u64, i64) -> AbortHandle,
    ) {
        for (queue, assigned) in &mut self.queues().assigned {
            if assigned
                .pulling
                .as_ref()
                .is_none_or(AbortHandle::is_finished)
            {
                assigned.pulling = Some(start(queue, assigned.generation, assigned.next));
            }
        }
    }

    /// Waits until more of a queue may be read. `false`: it is not ours any more.
    pub(super) async fn room(&self, queue: &MessageQueue, generation: u64) -> bool {
        loop {
            let room = {
                let queues = self.queues();
                match queues.assigned.get(queue) {
                    Some(assigned) if assigned.generation == generation => {
                        if assigned.has_room() {
                            return true;
                        }
                        assigned.room.clone()
                    }
                    _ => return false,
                }
            };
            room.notified().await;
        }
    }

    /// Notes what a pull brought. `false`: the queue is not ours any more.
    pub(super) fn pulled(
        &self,
        queue: &MessageQueue,
        generation: u64,
        messages: &[MessageExt],
        next: i64,
    ) -> bool {
        let mut queues = self.queues();
        let Some(assigned) = queues.assigned.get_mut(queue) else {
            return false;
        };
        if assigned.generation != generation {
            return false;
        }
        assigned.last_pull = now_ms();
        assigned.next = next;
        for message in messages {
            assigned.pending_bytes += message.store_size;
            let before = assigned
                .pending
                .insert(message.queue_offset, message.store_size);
            assigned.pending_bytes -= before.unwrap_or(0);
        }
        true
    }

    /// Whether a message may be handed to the application: its queue is still read as it was.
    pub(super) fn hand_out(&self, queue: &MessageQueue, generation: u64) -> bool {
        match self.queues().assigned.get_mut(queue) {
            Some(assigned) if assigned.generation == generation => {
                assigned.last_consume = now_ms();
                true
            }
            _ => false,
        }
    }

    /// The application is done with a message.
    pub(super) fn ack(&self, queue: &MessageQueue, offset: i64) {
        if let Some(assigned) = self.queues().assigned.get_mut(queue)
            && let Some(bytes) = assigned.pending.remove(&offset)
        {
            assigned.pending_bytes -= bytes;
            if assigned.has_room() {
                assigned.room.notify_one();
            }
        }
    }

    /// Offset up to which a queue is done with.
    pub(super) fn position(&self, queue: &MessageQueue) -> Option<i64> {
        self.queues().assigned.get(queue).map(Assigned::position)
    }

    /// The queues whose position the broker does not have yet.
    pub(super) fn uncommitted(&self) -> Vec<(MessageQueue, i64)> {
        self.queues()
            .assigned
            .iter()
            .filter(|(_, assigned)| assigned.committed != Some(assigned.position()))
            .map(|(queue, assigned)| (queue.clone(), assigned.position()))
            .collect()
    }

    pub(super) fn committed(&self, queue: &MessageQueue, offset: i64) {
        if let Some(assigned) = self.queues().assigned.get_mut(queue) {
            assigned.committed = Some(offset);
        }
    }

    /// An administrator moves queues of a topic to other offsets.
    pub(crate) fn reset(&self, topic: &str, offsets: &QueueMap<i64>) {
        let mut queues = self.queues();
        let Queues {
            assigned,
            generations,
        } = &mut *queues;
        for (queue, offset) in &offsets.0 {
            if queue.topic != topic {
                continue;
            }
            if let Some(assigned) = assigned.get_mut(queue) {
                *generations += 1;
                assigned.generation = *generations;
                assigned.next = *offset;
                assigned.pending.clear();
                assigned.pending_bytes = 0;
                assigned.committed = None;
                if let Some(pulling) = assigned.pulling.take() {
                    pulling.abort();
                }
            }
        }
        self.rebalance.notify_one();
    }

    /// The position of each queue of a topic.
    pub(crate) fn positions(&self, topic: &str) -> QueueMap<i64> {
        self.queues()
            .assigned
            .iter()
            .filter(|(queue, _)| queue.topic == topic)
            .map(|(queue, assigned)| (queue.clone(), assigned.position()))
            .collect()
    }

    /// What the member can tell of itself.
    pub(crate) fn running_info(&self) -> ConsumerRunningInfo {
        let queue_info = |assigned: &Assigned| {
            let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
            let first = assigned.pending.first_key_value();
            let last = assigned.pending.last_key_value();
            ProcessQueueInfo {
                cached_msg_count: count(assigned.pending.len()),
                cached_msg_min_offset: first.map_or(0, |(offset, _)| *offset),
                cached_msg_max_offset: last.map_or(0, |(offset, _)| *offset),
                cached_msg_size_in_mi_b: count(assigned.pending_bytes / (1024 * 1024)),
                commit_offset: assigned.position(),
                last_pull_timestamp: assigned.last_pull,
                last_consume_timestamp: assigned.last_consume,
                ..ProcessQueueInfo::default()
            }
        };
        let properties = [
            ("PROP_CONSUME_TYPE", "CONSUME_PASSIVELY".to_owned()),
            ("PROP_CONSUMEORDERLY", "false".to_owned()),
            ("PROP_CONSUMER_START_TIMESTAMP", self.started.to_string()),
        ];
        ConsumerRunningInfo {
            mq_table: self
                .queues()
                .assigned
                .iter()
                .map(|(queue, assigned)| (queue.clone(), queue_info(assigned)))
                .collect(),
            properties: properties
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            subscription_set: self.subscription_data(),
            ..ConsumerRunningInfo::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::stored;

    fn group() -> (Group, MessageQueue) {
        let group = Group::new(
            "g".to_owned(),
            MessageModel::Clustering,
            ConsumeFrom::Last,
            Vec::new(),
        );
        let queue = MessageQueue {
            topic: "T".to_owned(),
            ..MessageQueue::default()
        };
        group.assign(queue.clone(), 10, Some(10));
        (group, queue)
    }

    fn message(queue_offset: i64) -> MessageExt {
        MessageExt {
            queue_offset,
            ..stored("T", 0, b"x", b"")
        }
    }

    #[test]
    fn the_first_message_not_acknowledged_holds_the_offset() {
        let (group, queue) = group();
        assert!(group.uncommitted().is_empty());
        // 11 was filtered out.
        assert!(group.pulled(&queue, 1, &[message(10), message(12)], 13));
        assert_eq!(group.position(&queue), Some(10));
        group.ack(&queue, 12);
        assert_eq!(group.position(&queue), Some(10));
        group.ack(&queue, 10);
        assert_eq!(group.uncommitted(), [(queue.clone(), 13)]);
        group.committed(&queue, 13);
        assert!(group.uncommitted().is_empty());
        group.release(&queue);
        assert!(!group.pulled(&queue, 1, &[], 14));
        assert!(!group.hand_out(&queue, 1));
    }

    #[test]
    fn a_reset_voids_what_was_read() {
        let (group, queue) = group();
        group.pulled(&queue, 1, &[message(10)], 11);
        let other = MessageQueue {
            queue_id: 1,
            ..queue.clone()
        };
        group.reset("T", &[(queue.clone(), 3), (other, 3)].into_iter().collect());
        assert!(!group.hand_out(&queue, 1));
        assert!(group.hand_out(&queue, 2));
        assert_eq!(group.uncommitted(), [(queue.clone(), 3)]);
        assert_eq!(group.positions("T").0.len(), 1);
        let info = group.running_info();
        assert_eq!(info.mq_table.0[&queue].commit_offset, 3);
    }
}
