//! What the store tells the broker: sends are answered, waiting pulls are woken. Runs on the
//! store's threads, so nothing here blocks or reads from disk.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use remoting::transport::connection::Connection;
use store::{Arrival, Done, StoreEvents};
use tokio::sync::mpsc::UnboundedSender;

use crate::config::LiveConfig;
use crate::handlers::send::{self, SendTicket};
use crate::long_polling::{HeldPull, LongPolling};
use crate::stats::Stats;

/// The store's way back to the clients.
pub(crate) struct BrokerEvents {
    pub(crate) config: Arc<LiveConfig>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) store_host: SocketAddr,
    pub(crate) long_polling: Arc<Mutex<LongPolling>>,
    /// Bounded by the number of pulls that wait.
    pub(crate) awake: UnboundedSender<Vec<HeldPull>>,
}

impl StoreEvents for BrokerEvents {
    type Ticket = SendTicket;

    fn completed(&mut self, done: &mut Vec<Done<SendTicket>>) {
        let config = self.config.current();
        // Each connection is woken once for all its answers; neighbours share one most of the time.
        let mut written: Vec<Arc<Connection>> = Vec::new();
        for Done { ticket, result } in done.drain(..) {
            if result.is_ok() {
                self.stats
                    .put(&ticket.topic.topic_name, ticket.messages(), ticket.bytes);
            }
            send::answer(&config, self.store_host, &ticket, &result);
            let connection = &ticket.reply.connection;
            if !written
                .iter()
                .rev()
                .take(8)
                .any(|known| known.id == connection.id)
            {
                written.push(Arc::clone(connection));
            }
        }
        for connection in written {
            connection.wake();
        }
    }

    fn arrived(&mut self, arrivals: &[Arrival]) {
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
