//! Which client may consume which queue in order, and until when. A plain value; time is handed in.

use std::collections::HashMap;

use remoting::protocol::body::queue_map::MessageQueue;

/// A lock that its client does not renew ends after this. Clients renew every 20 s.
const LOCK_MS: i64 = 60_000;
/// Locks held at most. Further ones are not granted.
const LOCKS_MAX: usize = 1_000_000;

/// All locks.
#[derive(Debug, Default)]
pub(crate) struct LockTable {
    groups: HashMap<String, HashMap<MessageQueue, Lock>>,
    count: usize,
}

#[derive(Debug)]
struct Lock {
    client_id: String,
    until: i64,
}

impl LockTable {
    /// Locks or renews what is free, expired or the client's own; returns what it holds of `queues` now.
    pub(crate) fn lock(
        &mut self,
        group: &str,
        client_id: &str,
        queues: Vec<MessageQueue>,
        now: i64,
    ) -> Vec<MessageQueue> {
        if self.count >= LOCKS_MAX {
            self.forget_expired(now);
        }
        let locks = self.groups.entry(group.to_owned()).or_default();
        let until = now.saturating_add(LOCK_MS);
        let mut held = Vec::new();
        for queue in queues {
            match locks.get_mut(&queue) {
                Some(lock) if lock.client_id == client_id || lock.until <= now => {
                    *lock = Lock {
                        client_id: client_id.to_owned(),
                        until,
                    };
                }
                Some(_) => continue,
                None if self.count >= LOCKS_MAX => continue,
                None => {
                    locks.insert(
                        queue.clone(),
                        Lock {
                            client_id: client_id.to_owned(),
                            until,
                        },
                    );
                    self.count += 1;
                }
            }
            held.push(queue);
        }
        if locks.is_empty() {
            self.groups.remove(group);
        }
        held
    }

    /// Gives up locks. Those of other clients stay.
    pub(crate) fn unlock(&mut self, group: &str, client_id: &str, queues: &[MessageQueue]) {
        let Some(locks) = self.groups.get_mut(group) else {
            return;
        };
        for queue in queues {
            if locks
                .get(queue)
                .is_some_and(|lock| lock.client_id == client_id)
            {
                locks.remove(queue);
                self.count -= 1;
            }
        }
        if locks.is_empty() {
            self.groups.remove(group);
        }
    }

    fn forget_expired(&mut self, now: i64) {
        for locks in self.groups.values_mut() {
            locks.retain(|_, lock| lock.until > now);
        }
        self.groups.retain(|_, locks| !locks.is_empty());
        self.count = self.groups.values().map(HashMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue_id: i32) -> MessageQueue {
        MessageQueue {
            broker_name: "b".to_owned(),
            queue_id,
            topic: "T".to_owned(),
        }
    }

    #[test]
    fn a_queue_belongs_to_one_client_until_it_leaves_or_falls_silent() {
        let mut locks = LockTable::default();
        let both = || vec![queue(0), queue(1)];
        assert_eq!(locks.lock("G", "a", both(), 0), both());
        assert_eq!(locks.lock("G", "b", both(), 1), []);
        assert_eq!(locks.lock("H", "b", both(), 1), both(), "another group");
        // Not its own.
        locks.unlock("G", "b", &both());
        locks.unlock("G", "a", &[queue(0)]);
        assert_eq!(locks.lock("G", "b", both(), 2), [queue(0)]);
        assert_eq!(locks.lock("G", "a", both(), 50_000), [queue(1)], "renewed");
        assert_eq!(locks.lock("G", "b", both(), 60_001), [queue(0)]);
        assert_eq!(
            locks.lock("G", "b", both(), 110_000),
            both(),
            "the other has fallen silent"
        );
        locks.forget_expired(i64::MAX);
        assert_eq!((locks.groups.len(), locks.count), (0, 0));
    }
}
