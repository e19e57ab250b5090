//! The queues that are measured, and the connections to their brokers.

use client::Client;
use remoting::protocol::body::queue_map::MessageQueue;

use super::Run;
use crate::error::{CliError, Result};

/// How long one answer may take: longer than a healthy broker ever needs.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// One queue of the topic.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub(super) queue: MessageQueue,
    /// Of its broker's master.
    pub(super) address: String,
}

/// What a measurement works on.
#[derive(Debug)]
pub(super) struct Target {
    /// Each with connections of its own.
    pub(super) clients: Vec<Client>,
    pub(super) queues: Vec<Queue>,
}

/// What the queues are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Writing,
    Reading,
}

impl Target {
    /// Looks the topic up.
    ///
    /// # Errors
    /// When it is nowhere, or has no queues for this.
    pub(super) async fn find(run: &Run, wanted: Wanted) -> Result<Self> {
        let settings = run.cluster.settings()?;
        let clients: Vec<Client> = (0..run.connections)
            .map(|_| settings.client(TIMEOUT))
            .collect::<Result<_>>()?;
        let topic = &run.topic;
        let Some(first) = clients.first() else {
            return Err(CliError::usage("--connections needs 1 at least"));
        };
        let route = first.route(topic).await.map_err(|e| {
            CliError::client(format!("cannot find topic '{topic}'"), &e)
                .hint(format!("mq topic create {topic} --queues 8 creates it"))
        })?;
        let queues = match wanted {
            Wanted::Writing => route.publish_queues(),
            Wanted::Reading => route.subscribe_queues(),
        };
        let queues: Vec<Queue> = queues
            .iter()
            .filter_map(|queue| {
                let master = route.master(&queue.broker_name)?;
                Some(Queue {
                    queue: queue.clone(),
                    address: first.broker_address(master),
                })
            })
            .collect();
        if queues.is_empty() {
            return Err(CliError::refused(format!(
                "topic '{topic}' has no queue for {} on any master",
                match wanted {
                    Wanted::Writing => "writing",
                    Wanted::Reading => "reading",
                }
            )));
        }
        Ok(Self { clients, queues })
    }

    pub(super) async fn close(&self) {
        for client in &self.clients {
            client.close().await;
        }
    }
}
