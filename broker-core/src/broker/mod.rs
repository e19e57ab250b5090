//! The broker's state, which it lends to its handlers.

mod running;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Instant;

use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::body::topic::TopicConfig;
use remoting::protocol::headers::send::SendMessageRequestHeader;
use remoting::protocol::message::record::RecordFields;
use remoting::transport::connection::Connection;
use remoting::transport::router::{Pool, Refusal};
use store::{AppendError, AppendRefusal, Appended, Clock, Store, Wait};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

use crate::clients::Clients;
use crate::config::LiveConfig;
use crate::events::{BrokerEvents, Ticket};
use crate::groups::Groups;
use crate::lock_table::LockTable;
use crate::long_polling::{HeldPull, LongPolling};
use crate::names;
use crate::offsets::Offsets;
use crate::registration::Registration;
use crate::schedule::Schedule;
use crate::stats::{Sample, Stats};
use crate::topics::Topics;

pub use running::{RunningBroker, StartError};

/// Everything that handlers work on.
pub(crate) struct Broker {
    pub(crate) config: Arc<LiveConfig>,
    /// `brokerIP1:listenPort`, as it stands in records and message ids.
    pub(crate) store_host: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) topics: Arc<Topics>,
    pub(crate) groups: Groups,
    pub(crate) offsets: Offsets,
    pub(crate) stats: Arc<Stats>,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) store: Store<BrokerEvents>,
    pub(crate) registration: Registration,
    pub(crate) read: Pool,
    pub(crate) admin: Pool,
    /// For what waits for a client's answer.
    pub(crate) runtime: Handle,
    clients: Mutex<Clients<Arc<Connection>>>,
    locks: Mutex<LockTable>,
    long_polling: Arc<Mutex<LongPolling>>,
    awake: UnboundedSender<Vec<HeldPull>>,
    next_queue: AtomicU32,
}

/// Why a message of the broker's own is not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStored {
    #[error(transparent)]
    Refused(#[from] AppendRefusal),
    #[error(transparent)]
    Failed(#[from] AppendError),
}

impl Broker {
    /// Connected producers and consumers.
    pub(crate) fn clients(&self) -> MutexGuard<'_, Clients<Arc<Connection>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which consumer may consume which queue in order.
    pub(crate) fn locks(&self) -> MutexGuard<'_, LockTable> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pulls that wait for messages.
    pub(crate) fn long_polling(&self) -> MutexGuard<'_, LongPolling> {
        self.long_polling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Has pulls run again soon.
    pub(crate) fn resume(&self, pulls: Vec<HeldPull>) {
        if !pulls.is_empty() {
            // Fails only while the broker stops.
            let _ = self.awake.send(pulls);
        }
    }

    fn release_held(&self) {
        let mut held = self.long_polling().drain();
        let now = Instant::now();
        for pull in &mut held {
            pull.deadline = now;
        }
        self.resume(held);
    }

    /// The queue of a send that leaves the choice to the broker.
    pub(crate) fn choose_queue(&self, queues: i32) -> i32 {
        let next = self.next_queue.fetch_add(1, Ordering::Relaxed);
        i32::try_from(i64::from(next) % i64::from(queues.max(1))).unwrap_or(0)
    }

    /// The topic of a send that nobody has created, made from the template that the send names.
    /// `Ok(None)`: that is not allowed. Blocks on the disk.
    pub(crate) fn create_topic_on_send(
        &self,
        header: &SendMessageRequestHeader<'_>,
    ) -> Result<Option<Arc<TopicConfig>>, Refusal> {
        names::validate_topic(&header.topic).map_err(Refusal::system)?;
        let wanted = self.topics.wanted_by_send(
            &self.config.current(),
            &header.topic,
            &header.default_topic,
            header.default_topic_queue_nums,
            header.unit_mode.unwrap_or(false),
        );
        wanted.map(|topic| self.create_topic(topic)).transpose()
    }

    /// A topic as it is, or made as it is given here. Blocks on the disk.
    pub(crate) fn create_topic(&self, topic: TopicConfig) -> Result<Arc<TopicConfig>, Refusal> {
        let created = self.topics.create_if_absent(topic, self.clock.now_ms());
        let (topic, is_new) = created.map_err(|e| Refusal::system(e.to_string()))?;
        if is_new {
            self.registration.topics_changed();
        }
        Ok(topic)
    }

    /// A group that nobody has created. `Ok(None)`: that is not allowed. Blocks on the disk.
    pub(crate) fn create_group_on_use(
        &self,
        name: &str,
    ) -> Result<Option<Arc<SubscriptionGroupConfig>>, Refusal> {
        let config = self.config.current();
        self.groups
            .create_on_use(&config, name, self.clock.now_ms())
            .map_err(|e| Refusal::system(e.to_string()))
    }

    /// Appends messages of the broker's own, in order, and waits until they are in the log. The
    /// first that is refused is the last that is tried. Blocks.
    pub(crate) fn append_own<'a>(
        &self,
        messages: impl IntoIterator<Item = RecordFields<'a>>,
        wait: Wait,
    ) -> Vec<Result<Appended, NotStored>> {
        let (to, results) = mpsc::channel();
        let mut outcomes = Vec::new();
        let mut sizes = Vec::new();
        for message in messages {
            let ticket = Ticket::Own(outcomes.len(), to.clone());
            let appended = self.append(&message, wait, ticket);
            let refused = appended.is_err();
            sizes.push((message.topic, message.body.len() + message.properties.len()));
            outcomes.push(match appended {
                // What remains true of those that nothing more is heard of.
                Ok(()) => Err(AppendError::ShuttingDown.into()),
                Err(refusal) => Err(refusal.into()),
            });
            if refused {
                break;
            }
        }
        self.store.kick();
        drop(to);
        // Ends when the store has dropped the last ticket.
        for (number, result) in results {
            if let (Ok(_), Some((topic, bytes))) = (&result, sizes.get(number)) {
                self.stats.put(topic, Sample::of(1, *bytes));
            }
            if let Some(outcome) = outcomes.get_mut(number) {
                *outcome = result.map_err(NotStored::from);
            }
        }
        outcomes
    }

    /// Appends a message of the broker's own; the caller wakes the writer.
    pub(crate) fn append(
        &self,
        message: &RecordFields<'_>,
        wait: Wait,
        ticket: Ticket,
    ) -> Result<(), AppendRefusal> {
        let mut record = Vec::new();
        message
            .encode_into(&mut record)
            .map_err(|_| AppendRefusal::Invalid("its properties are too long"))?;
        let appended = self
            .store
            .append(message.topic, message.queue_id, &record, 1, wait, ticket);
        appended.map_err(|(_, refusal)| refusal)
    }

    fn persist_delay_offsets(&self) {
        if let Err(e) = self.schedule.persist() {
            tracing::error!("the progress of delayed messages is not saved: {e}");
        }
    }

    fn persist_offsets(&self) {
        if let Err(e) = self.offsets.persist() {
            tracing::error!("consumer offsets are not saved: {e}");
        }
    }
}
