//! Consuming as a member of a group.
//!
//! Members divide the queues of a topic among themselves. Each pulls its queues into a bounded
//! buffer, from which the application fetches messages; what the application acknowledges is
//! committed every [`COMMIT_INTERVAL`] and when the consumer is closed. Messages may be delivered
//! more than once: after a crash, and when queues change hands.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use remoting::protocol::body::client::{CheckClientConfigBody, ConsumerIdList, HeartbeatData};
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::client::ConsumerGroupHeader;
use remoting::protocol::headers::offset::{
    OffsetResponseHeader, QueryConsumerOffsetRequestHeader, UpdateConsumerOffsetRequestHeader,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use crate::client::{Client, accepted, header_of};
use crate::error::ClientError;
use crate::expression::Expression;
use crate::heartbeat::{HEARTBEAT_INTERVAL, Role};
use crate::message::MessageExt;
use crate::names::{RETRY_PREFIX, check_group, check_topic};
use crate::pull::Puller;
use crate::unique_key::now_ms;

mod allocation;
mod group;
mod pulling;

pub use allocation::allocate_averagely;

pub(crate) use group::Group;
use group::Subscription;
use pulling::{Buffer, Delivery, PullTask};

/// How often acknowledged offsets are committed.
pub const COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// How often the queues are divided anew without a broker asking for it.
const REBALANCE_INTERVAL: Duration = Duration::from_secs(20);

/// Where a group begins to read a queue of which it has no offset yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsumeFrom {
    /// With the next message. A broker lets a new group read a topic from the start all the same,
    /// as long as the topic's first messages are fresh.
    #[default]
    Last,
    /// With the first message there is.
    First,
    /// With the message stored about this time, milliseconds since the epoch.
    Timestamp(i64),
}

impl ConsumeFrom {
    fn name(self) -> &'static str {
        match self {
            Self::Last => "CONSUME_FROM_LAST_OFFSET",
            Self::First => "CONSUME_FROM_FIRST_OFFSET",
            Self::Timestamp(_) => "CONSUME_FROM_TIMESTAMP",
        }
    }
}

/// Who of a group gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageModel {
    /// One member. Offsets are kept by the brokers.
    #[default]
    Clustering,
    /// Every member. Offsets are not kept: each start begins as [`ConsumeFrom`] says.
    Broadcasting,
}

impl MessageModel {
    fn name(self) -> &'static str {
        match self {
            Self::Clustering => "CLUSTERING",
            Self::Broadcasting => "BROADCASTING",
        }
    }
}

/// What a consumer consumes.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    pub group: String,
    pub topic: String,
    pub expression: Expression,
    pub from: ConsumeFrom,
    pub model: MessageModel,
}

/// The messages of a topic as they come to one member of a group.
#[derive(Debug)]
pub struct Consumer {
    group: Arc<Group>,
    deliveries: mpsc::Receiver<Delivery>,
    /// Dropped or used: the member leaves.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Consumer {
    /// Joins the group. In clustering also reads the group's messages to consume again.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] for a name that is not allowed or a group that this client is a
    /// member of already; [`ClientError::NoRoute`] if the topic does not exist;
    /// [`ClientError::Refused`] if the broker cannot filter by the expression; any other if no
    /// broker of the topic can be told of the member.
    pub async fn start(client: Client, options: ConsumerOptions) -> Result<Self, ClientError> {
        check_group(&options.group)?;
        check_topic(&options.topic)?;
        client.route(&options.topic).await?;
        let version = now_ms();
        let subscribe = |topic: &str, expression: Expression| Subscription {
            data: expression.subscription(topic, version),
            expression,
        };
        let mut subscriptions = vec![subscribe(&options.topic, options.expression)];
        if options.model == MessageModel::Clustering {
            let retry_topic = format!("{RETRY_PREFIX}{}", options.group);
            subscriptions.push(subscribe(&retry_topic, Expression::all()));
        }
        let group = Arc::new(Group::new(
            options.group,
            options.model,
            options.from,
            subscriptions,
        ));
        client.incoming().join(group.clone())?;
        let (buffer, deliveries) = Buffer::new();
        let mut member = Member {
            client,
            group: group.clone(),
            buffer,
            told: BTreeSet::new(),
        };
        if let Err(error) = member.join().await {
            member.client.incoming().leave(&group.name);
            return Err(error);
        }
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(member.run(stopped));
        Ok(Self {
            group,
            deliveries,
            stop,
            task,
        })
    }

    /// The next message. A queue with 1,000 messages, or 100 MiB of them, that were not
    /// [acknowledged](Self::ack) is not read on. `None` never comes before the consumer has ended.
    pub async fn next(&mut self) -> Option<MessageExt> {
        loop {
            let delivery = self.deliveries.recv().await?;
            let message = delivery.message;
            if self.group.hand_out(&message.queue, delivery.generation) {
                return Some(message);
            }
        }
    }

    /// The message is done with: its group will not get it again, once its queue's messages
    /// before it are acknowledged too and the offset is committed.
    pub fn ack(&self, message: &MessageExt) {
        self.group.ack(&message.queue, message.queue_offset);
    }

    /// The queues this member reads at the moment.
    pub fn queues(&self) -> Vec<MessageQueue> {
        self.group
            .subscriptions
            .iter()
            .flat_map(|subscription| self.group.assigned_of(&subscription.data.topic))
            .collect()
    }

    /// Commits what was acknowledged and leaves the group. (A consumer that is dropped does so
    /// too, as long as the runtime goes on.)
    pub async fn close(self) {
        // The task has ended already if nobody listens.
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            warn!(%error, "consumer task failed");
        }
    }
}

/// The consumer's task.
struct Member {
    client: Client,
    group: Arc<Group>,
    buffer: Buffer,
    /// Brokers that were told of the member.
    told: BTreeSet<String>,
}

impl Member {
    /// Tells the brokers of the member, of which one must listen.
    async fn join(&mut self) -> Result<(), ClientError> {
        self.check_expressions().await?;
        let error = self.tell(&self.brokers().await).await;
        match error {
            Some(error) if self.told.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets a broker refuse what it cannot filter by. Every broker can by tags.
    async fn check_expressions(&self) -> Result<(), ClientError> {
        for subscription in &self.group.subscriptions {
            if subscription.expression.is_tags() {
                continue;
            }
            let route = self.client.route(&subscription.data.topic).await?;
            let brokers = &route.data.broker_datas;
            let Some(address) = brokers.iter().find_map(|b| b.broker_addrs.values().next()) else {
                continue;
            };
            let body = CheckClientConfigBody {
                client_id: self.client.id().to_owned(),
                group: self.group.name.clone(),
                subscription_data: subscription.data.clone(),
            };
            let request = RemotingCommand::request(RequestCode::CHECK_CLIENT_CONFIG)
                .with_body(fastjson::to_vec_standard(&body)?);
            self.client.call_ok(address, request).await?;
        }
        Ok(())
    }

    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let every = |period| {
            let mut timer = interval(period);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            timer
        };
        let mut rebalance = every(REBALANCE_INTERVAL);
        let mut commit = every(COMMIT_INTERVAL);
        let mut heartbeat = every(HEARTBEAT_INTERVAL);
        heartbeat.reset();
        let group = self.group.clone();
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                () = group.rebalance.notified() => {
                    self.rebalance().await;
                    self.commit().await;
                }
                _ = rebalance.tick() => self.rebalance().await,
                _ = commit.tick() => self.commit().await,
                () = group.heartbeat.notified() => self.tell_all().await,
                _ = heartbeat.tick() => self.tell_all().await,
            }
        }
        self.leave().await;
    }

    /// Addresses of all brokers of the group's topics.
    async fn brokers(&self) -> BTreeSet<String> {
        let mut addresses = BTreeSet::new();
        for subscription in &self.group.subscriptions {
            // The topic for messages to consume again comes into being with the first heartbeat.
            if let Ok(route) = self.client.route(&subscription.data.topic).await {
                let brokers = route.data.broker_datas.iter();
                addresses.extend(brokers.flat_map(|broker| broker.broker_addrs.values().cloned()));
            }
        }
        addresses
    }

    /// Sends a heartbeat to each; returns the last failure.
    async fn tell(&mut self, addresses: &BTreeSet<String>) -> Option<ClientError> {
        let data = HeartbeatData {
            client_id: self.client.id().to_owned(),
            consumer_data_set: vec![self.group.heartbeat_data()],
            producer_data_set: Vec::new(),
        };
        let mut failure = None;
        for address in addresses {
            match self.client.send_heartbeat(address, &data).await {
                Ok(()) => {
                    self.told.insert(address.clone());
                }
                Err(error) => {
                    debug!(address, %error, "heartbeat failed");
                    self.told.remove(address);
                    failure = Some(error);
                }
            }
        }
        failure
    }

    async fn tell_all(&mut self) {
        let brokers = self.brokers().await;
        self.told.retain(|address| brokers.contains(address));
        // Failures are logged; the next heartbeat tries again.
        let _ = self.tell(&brokers).await;
    }

    /// Takes over and gives up queues until they are those that fall to this member, and pulls
    /// all that nobody pulls.
    async fn rebalance(&mut self) {
        let new: BTreeSet<String> = &self.brokers().await - &self.told;
        // Failures are logged; what needs such a broker fails by itself.
        let _ = self.tell(&new).await;
        for subscription in &self.group.subscriptions {
            let topic = &subscription.data.topic;
            match self.allocated(topic).await {
                Ok(wanted) => self.take_over(topic, &wanted).await,
                Err(error) if topic.starts_with(RETRY_PREFIX) => {
                    debug!(topic, %error, "cannot divide queues");
                }
                Err(error) => warn!(topic, %error, "cannot divide queues"),
            }
        }
        self.group.start_pulling(|queue, generation, offset| {
            let subscription = self
                .group
                .subscriptions
                .iter()
                .find(|subscription| subscription.data.topic == queue.topic)
                .expect("only queues of subscribed topics are taken over");
            let task = PullTask {
                client: self.client.clone(),
                group: self.group.clone(),
                subscription: subscription.clone(),
                queue: queue.clone(),
                generation,
                buffer: self.buffer.clone(),
            };
            tokio::spawn(task.run(offset)).abort_handle()
        });
    }

    async fn allocated(&self, topic: &str) -> Result<BTreeSet<MessageQueue>, ClientError> {
        let route = self.client.route(topic).await?;
        let queues = route.subscribe_queues();
        if self.group.model == MessageModel::Broadcasting {
            return Ok(queues.iter().cloned().collect());
        }
        let mut members = Err(ClientError::NoRoute {
            topic: topic.to_owned(),
            reason: "it has no broker".to_owned(),
        });
        for broker in &route.data.broker_datas {
            for address in broker.broker_addrs.values() {
                members = self.members(address).await;
                if let Ok(members) = &mut members {
                    members.sort();
                    let mine = allocate_averagely(self.client.id(), members, queues);
                    return Ok(mine.into_iter().collect());
                }
            }
        }
        members.map(|_| BTreeSet::new())
    }

    async fn members(&self, address: &str) -> Result<Vec<String>, ClientError> {
        let header = ConsumerGroupHeader {
            consumer_group: self.group.name.clone(),
        };
        let request = RemotingCommand::request(RequestCode::GET_CONSUMER_LIST_BY_GROUP)
            .with_header(&header)?;
        let answer = self.client.call_ok(address, request).await?;
        let list: ConsumerIdList = fastjson::from_slice(&answer.body)
            .map_err(|error| ClientError::protocol(address, error))?;
        Ok(list.consumer_id_list)
    }

    async fn take_over(&self, topic: &str, wanted: &BTreeSet<MessageQueue>) {
        let had = self.group.assigned_of(topic);
        if had == *wanted {
            return;
        }
        info!(
            group = self.group.name,
            topic,
            queues = wanted.len(),
            before = had.len(),
            "queues divided anew"
        );
        for queue in &had - wanted {
            self.group.stop_pulling(&queue);
            if let Some(offset) = self.group.position(&queue)
                && self.group.model == MessageModel::Clustering
                && let Err(error) = self.commit_queue(&queue, offset).await
            {
                warn!(?queue, %error, "cannot commit offset of a queue given up");
            }
            self.group.release(&queue);
        }
        for queue in wanted - &had {
            match self.start_offset(&queue).await {
                Ok((offset, committed)) => self.group.assign(queue, offset, committed),
                // The next division tries again.
                Err(error) => warn!(?queue, %error, "cannot find where to begin"),
            }
        }
    }

    /// Where to begin to read a queue, and what the broker has committed for it.
    async fn start_offset(&self, queue: &MessageQueue) -> Result<(i64, Option<i64>), ClientError> {
        if self.group.model == MessageModel::Clustering
            && let Some(stored) = self.stored_offset(queue).await?
        {
            return Ok((stored, Some(stored)));
        }
        let is_retry = queue.topic.starts_with(RETRY_PREFIX);
        let puller = Puller::new(self.client.clone());
        let offset = match self.group.from {
            ConsumeFrom::First => 0,
            ConsumeFrom::Last if is_retry => 0,
            ConsumeFrom::Timestamp(_) if is_retry => puller.max_offset(queue).await?,
            ConsumeFrom::Last => puller.max_offset(queue).await?,
            ConsumeFrom::Timestamp(timestamp) => puller.offset_by_time(queue, timestamp).await?,
        };
        Ok((offset, None))
    }

    async fn stored_offset(&self, queue: &MessageQueue) -> Result<Option<i64>, ClientError> {
        let header = QueryConsumerOffsetRequestHeader {
            consumer_group: self.group.name.as_str().into(),
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
            set_zero_if_not_found: None,
        };
        let request =
            RemotingCommand::request(RequestCode::QUERY_CONSUMER_OFFSET).with_header(&header)?;
        let address = self.client.master_of(queue).await?;
        let answer = self.client.call(&address, request).await?;
        if answer.response_code() == ResponseCode::QUERY_NOT_FOUND {
            return Ok(None);
        }
        let answer = accepted(&address, answer)?;
        let header: OffsetResponseHeader = header_of(&address, &answer)?;
        Ok(Some(header.offset).filter(|offset| *offset >= 0))
    }

    /// Commits all positions that the brokers do not have.
    async fn commit(&self) {
        if self.group.model == MessageModel::Broadcasting {
            return;
        }
        let mut failed: BTreeSet<String> = BTreeSet::new();
        for (queue, offset) in self.group.uncommitted() {
            // One timeout per broker is enough.
            if failed.contains(&queue.broker_name) {
                continue;
            }
            match self.commit_queue(&queue, offset).await {
                Ok(()) => self.group.committed(&queue, offset),
                Err(error) => {
                    warn!(?queue, %error, "cannot commit offset");
                    failed.insert(queue.broker_name);
                }
            }
        }
    }

    async fn commit_queue(&self, queue: &MessageQueue, offset: i64) -> Result<(), ClientError> {
        let header = UpdateConsumerOffsetRequestHeader {
            consumer_group: self.group.name.as_str().into(),
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
            commit_offset: offset,
        };
        let request =
            RemotingCommand::request(RequestCode::UPDATE_CONSUMER_OFFSET).with_header(&header)?;
        let address = self.client.master_of(queue).await?;
        self.client.call_ok(&address, request).await.map(drop)
    }

    async fn leave(self) {
        for subscription in &self.group.subscriptions {
            for queue in self.group.assigned_of(&subscription.data.topic) {
                self.group.stop_pulling(&queue);
            }
        }
        self.commit().await;
        self.group.release_all();
        for address in &self.told {
            let role = Role::Consumer(&self.group.name);
            if let Err(error) = self.client.unregister(address, role).await {
                debug!(address, %error, "cannot unregister consumer");
            }
        }
        self.client.incoming().leave(&self.group.name);
    }
}
