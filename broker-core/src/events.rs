//! What the store tells the broker: appends are done, waiting pulls are woken. Runs on the store's
//! threads, so nothing here blocks or reads from disk.

use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use remoting::protocol::body::topic::TopicConfig;
use remoting::transport::answer::{Answer, ReplyHandle};
use remoting::transport::connection::Connection;
use remoting::transport::router::Refusal;
use store::{AppendError, Appended, Arrival, Done, StoreEvents};
use tokio::sync::mpsc::UnboundedSender;

use crate::config::LiveConfig;
use crate::handlers::reply::ReplyTicket;
use crate::handlers::send::{self, SendTicket};
use crate::long_polling::{HeldPull, LongPolling};
use crate::names::SCHEDULE_TOPIC;
use crate::schedule::Schedule;
use crate::stats::{Sample, Stats};
use crate::transactions::Committed;

/// What follows when an append is done.
#[derive(Debug)]
pub(crate) enum Ticket {
    /// The answer to a send.
    Send(SendTicket),
    /// A reply to a producer, which is told of it next.
    Reply(Box<ReplyTicket>),
    /// An answer that says no more than whether it is stored.
    Plain(ReplyHandle),
    /// The broker waits for several of its own messages: the number of this one.
    Own(usize, Sender<(usize, Result<Appended, AppendError>)>),
    /// The half message is noted as done.
    Commit(Committed),
}

/// The store's way back to the clients.
pub(crate) struct BrokerEvents {
    pub(crate) config: Arc<LiveConfig>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) store_host: SocketAddr,
    pub(crate) long_polling: Arc<Mutex<LongPolling>>,
    pub(crate) schedule: Arc<Schedule>,
    /// Bounded by the number of pulls that wait.
    pub(crate) awake: UnboundedSender<Vec<HeldPull>>,
    /// Bounded by the appends that the store takes.
    pub(crate) committed: UnboundedSender<Committed>,
}

impl StoreEvents for BrokerEvents {
    type Ticket = Ticket;

    fn completed(&mut self, done: &mut Vec<Done<Ticket>>) {
        let config = self.config.current();
        // Each connection is woken once for all its answers; neighbours share one most of the time.
        let mut written: Vec<Arc<Connection>> = Vec::new();
        let mut answered = |reply: &ReplyHandle| {
            let connection = &reply.connection;
            if !written
                .iter()
                .rev()
                .take(8)
                .any(|known| known.id == connection.id)
            {
                written.push(Arc::clone(connection));
            }
        };
        // Neighbours are of one topic most of the time: they are counted together.
        let mut put: Option<(Arc<TopicConfig>, Sample)> = None;
        for Done { ticket, result } in done.drain(..) {
            match ticket {
                Ticket::Send(ticket) => {
                    if result.is_ok() {
                        let added = Sample::of(ticket.messages(), ticket.bytes);
                        match &mut put {
                            Some((topic, sum)) if Arc::ptr_eq(topic, &ticket.topic) => {
                                sum.add(added)
                            }
                            _ => {
                                if let Some((topic, sum)) =
                                    put.replace((ticket.topic.clone(), added))
                                {
                                    self.stats.put(&topic.topic_name, sum);
                                }
                            }
                        }
                    }
                    send::answer(&config, self.store_host, &ticket, &result);
                    answered(&ticket.reply);
                }
                Ticket::Reply(ticket) => {
                    if result.is_ok() {
                        self.stats.put(&ticket.topic, Sample::of(1, ticket.bytes));
                    }
                    ticket.pass_on(result.as_ref().ok(), self.store_host);
                }
                Ticket::Plain(reply) => {
                    reply.push(&plain(&result));
                    answered(&reply);
                }
                // Fails only when nobody waits any more.
                Ticket::Own(number, to) => drop(to.send((number, result))),
                Ticket::Commit(committed) => match result {
                    // Fails only while the broker stops; the producer is asked again then.
                    Ok(_) => drop(self.committed.send(committed)),
                    Err(_) => {
                        committed.reply.push(&plain(&result));
                        answered(&committed.reply);
                    }
                },
            }
        }
        if let Some((topic, sum)) = put {
            self.stats.put(&topic.topic_name, sum);
        }
        for connection in written {
            connection.wake();
        }
    }

    fn arrived(&mut self, arrivals: &[Arrival]) {
        for arrival in arrivals
            .iter()
            .filter(|arrival| &*arrival.topic == SCHEDULE_TOPIC)
        {
            self.schedule.arrived(arrival.queue_id);
        }
        let mut long_polling = self
            .long_polling
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if long_polling.is_empty() {
            return;
        }
        let mut awake = Vec::new();
        for arrival in arrivals {
            awake.append(&mut long_polling.arrived(
                &arrival.topic,
                arrival.queue_id,
                arrival.max_offset,
                arrival.tags_code,
            ));
        }
        drop(long_polling);
        if !awake.is_empty() {
            // Fails only while the broker stops.
            let _ = self.awake.send(awake);
        }
    }
}

fn plain(result: &Result<Appended, AppendError>) -> Answer {
    match result {
        // Stored but not known to be synced is as good here: it is not lost but by a power cut.
        Ok(_) => Answer::ok(),
        Err(error) => {
            let refusal = Refusal::system(error.to_string());
            Answer::with_code(refusal.code, refusal.remark)
        }
    }
}
