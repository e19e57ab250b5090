//! Reading one queue for its group, for as long as the queue is the member's.

use std::sync::Arc;
use std::time::Duration;

use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::message::properties;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::{debug, warn};

use super::MessageModel;
use super::group::{Group, Subscription};
use crate::client::Client;
use crate::error::ClientError;
use crate::message::MessageExt;
use crate::names::RETRY_PREFIX;
use crate::pull::{PAUSE_AFTER_FAILURE, PULL_BATCH, PullRequest};
use crate::route::MASTER_ID;

/// A broker that throttles is asked again soon.
const PAUSE_AFTER_FLOW_CONTROL: Duration = Duration::from_millis(20);
/// Memory that messages may take which the application has not fetched yet, in KiB.
const BUFFERED_KIB: u32 = 64 * 1024;
/// How many they may be.
const BUFFERED_MESSAGES: usize = 1024;

/// A message on its way to the application.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) message: MessageExt,
    pub(super) generation: u64,
    /// Given back when the application has fetched the message.
    _memory: OwnedSemaphorePermit,
}

/// Where the pulled messages of all queues go.
#[derive(Debug, Clone)]
pub(super) struct Buffer {
    deliveries: mpsc::Sender<Delivery>,
    memory: Arc<Semaphore>,
}

impl Buffer {
    pub(super) fn new() -> (Self, mpsc::Receiver<Delivery>) {
        let (deliveries, fetched) = mpsc::channel(BUFFERED_MESSAGES);
        let permits = usize::try_from(BUFFERED_KIB).unwrap_or(usize::MAX);
        let memory = Arc::new(Semaphore::new(permits));
        (Self { deliveries, memory }, fetched)
    }

    /// Waits for room. `None`: nobody fetches any more.
    async fn put(&self, message: MessageExt, generation: u64) -> Option<()> {
        let kib = u32::try_from(message.body.len() / 1024 + 1).unwrap_or(u32::MAX);
        // A message larger than everything gets everything.
        let memory = self
            .memory
            .clone()
            .acquire_many_owned(kib.min(BUFFERED_KIB));
        let delivery = Delivery {
            message,
            generation,
            _memory: memory.await.ok()?,
        };
        self.deliveries.send(delivery).await.ok()
    }
}

/// What a pulling task works with.
pub(super) struct PullTask {
    pub(super) client: Client,
    pub(super) group: Arc<Group>,
    pub(super) subscription: Subscription,
    pub(super) queue: MessageQueue,
    pub(super) generation: u64,
    pub(super) buffer: Buffer,
}

impl PullTask {
    /// Reads from `offset` on until the queue is given up, or read anew from elsewhere.
    pub(super) async fn run(self, mut offset: i64) {
        let mut broker_id = MASTER_ID;
        while self.group.room(&self.queue, self.generation).await {
            let commit_offset = match self.group.model {
                MessageModel::Clustering => self.group.position(&self.queue).filter(|at| *at > 0),
                MessageModel::Broadcasting => None,
            };
            let pulled = self
                .client
                .pull_message(&PullRequest {
                    group: &self.group.name,
                    queue: &self.queue,
                    offset,
                    max_messages: PULL_BATCH,
                    commit_offset,
                    suspend: true,
                    expression: &self.subscription.expression,
                    subscription_version: Some(self.subscription.data.sub_version),
                    broker_id,
                })
                .await;
            let result = match pulled {
                Ok(result) => result,
                Err(error) => {
                    self.pause_after(&error).await;
                    continue;
                }
            };
            let stuck = result.is_stuck_at(offset);
            offset = result.next_begin_offset;
            broker_id = result.suggested_broker;
            let noted = self
                .group
                .pulled(&self.queue, self.generation, &result.messages, offset);
            if !noted {
                return;
            }
            for mut message in result.messages {
                if message.queue.topic.starts_with(RETRY_PREFIX)
                    && let Some(topic) = message.property(properties::RETRY_TOPIC)
                {
                    message.topic = topic.to_owned();
                }
                if self.buffer.put(message, self.generation).await.is_none() {
                    return;
                }
            }
            if stuck {
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }

    async fn pause_after(&self, error: &ClientError) {
        let queue = &self.queue;
        match error.code() {
            Some(ResponseCode::FLOW_CONTROL) => {
                return tokio::time::sleep(PAUSE_AFTER_FLOW_CONTROL).await;
            }
            // A broker that was started again has yet to hear of the group.
            Some(ResponseCode::SUBSCRIPTION_NOT_EXIST | ResponseCode::SUBSCRIPTION_NOT_LATEST) => {
                debug!(?queue, %error, "pull refused");
                self.group.heartbeat.notify_one();
            }
            _ => {
                warn!(?queue, %error, "pull failed");
                self.client.doubt_route(&queue.topic);
            }
        }
        tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
    }
}
