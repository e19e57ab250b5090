//! Sending messages.
//!
//! A send chooses queues in turn. If it fails in a way that another broker may not, it is tried
//! again, up to [`RETRIES`] times, on another broker if there is one, as long as the client's
//! timeout for the whole send is not over. Messages may therefore be stored twice.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use remoting::protocol::body::client::{HeartbeatData, ProducerData};
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::send::{
    SEND_MESSAGE_V2_NAMES, SendMessageRequestHeader, SendMessageResponseHeader,
};
use remoting::protocol::message::batch::{BatchItem, push_item};
use remoting::protocol::message::{compression, properties, sys_flag};
use remoting::transport::connection::CallError;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::debug;

use crate::client::{Client, header_of, refused};
use crate::error::ClientError;
use crate::heartbeat::{HEARTBEAT_INTERVAL, Role};
use crate::message::{MAX_BODY_BYTES, Message, bool_text};
use crate::names::{DEFAULT_TOPIC, RETRY_PREFIX, check_group};
use crate::route::TopicRoute;
use crate::unique_key::now_ms;

/// How often a failed send is tried again.
pub const RETRIES: usize = 2;
/// Bodies from this size on are compressed.
const COMPRESS_FROM_BYTES: usize = 4096;
const COMPRESSION_LEVEL: u32 = 5;
/// Queues per broker that a topic gets which a send creates.
const NEW_TOPIC_QUEUES: i32 = 4;

/// Refusals that another broker might not repeat.
const RETRIED_CODES: [ResponseCode; 7] = [
    ResponseCode::TOPIC_NOT_EXIST,
    ResponseCode::SERVICE_NOT_AVAILABLE,
    ResponseCode::SYSTEM_ERROR,
    ResponseCode::SYSTEM_BUSY,
    ResponseCode::NO_PERMISSION,
    ResponseCode::NO_BUYER_ID,
    ResponseCode::NOT_IN_CURRENT_UNIT,
];

/// How safely a message was stored. It was, in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendStatus {
    SendOk,
    /// Not yet on the broker's disk.
    FlushDiskTimeout,
    /// Not yet on a slave.
    FlushSlaveTimeout,
    /// There is no slave to have it.
    SlaveNotAvailable,
}

impl SendStatus {
    /// Apache's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendOk => "SEND_OK",
            Self::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
            Self::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
            Self::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
        }
    }

    pub(crate) fn of(code: ResponseCode) -> Option<Self> {
        match code {
            ResponseCode::SUCCESS => Some(Self::SendOk),
            ResponseCode::FLUSH_DISK_TIMEOUT => Some(Self::FlushDiskTimeout),
            ResponseCode::FLUSH_SLAVE_TIMEOUT => Some(Self::FlushSlaveTimeout),
            ResponseCode::SLAVE_NOT_AVAILABLE => Some(Self::SlaveNotAvailable),
            _ => None,
        }
    }
}

/// What became of a message. The ids of a batch are joined by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendResult {
    pub status: SendStatus,
    /// The id this client gave.
    pub message_id: String,
    /// The id that names the message's place in the broker's log.
    pub offset_message_id: String,
    pub queue: MessageQueue,
    /// Of the first message of a batch.
    pub queue_offset: i64,
    pub transaction_id: Option<String>,
}

/// Sends messages in the name of a producer group. While it is open the brokers it sends to know of
/// the group.
#[derive(Debug)]
pub struct Producer {
    inner: Arc<Inner>,
    heartbeats: JoinHandle<()>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    group: String,
    turn: AtomicUsize,
    /// Masters that were sent to.
    brokers: Mutex<BTreeSet<String>>,
    new_broker: Notify,
}

/// What of a send does not depend on the queue.
struct Prepared<'a> {
    code: RequestCode,
    topic: &'a str,
    body: Bytes,
    properties: String,
    message_id: String,
    sys_flag: i32,
    flag: i32,
    batch: bool,
}

impl Producer {
    /// A producer of this group. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if the group's name is not allowed.
    pub fn new(client: Client, group: impl Into<String>) -> Result<Self, ClientError> {
        let group = group.into();
        check_group(&group)?;
        let inner = Arc::new(Inner {
            client,
            group,
            // Producers started together should not all begin with the same queue.
            turn: AtomicUsize::new(usize::try_from(now_ms()).unwrap_or(0)),
            brokers: Mutex::default(),
            new_broker: Notify::new(),
        });
        let heartbeats = tokio::spawn(send_heartbeats(inner.clone()));
        Ok(Self { inner, heartbeats })
    }

    /// Sends a message to any queue of its topic. A topic that does not exist is created, if the
    /// brokers allow it.
    ///
    /// # Errors
    /// Any of [`ClientError`]: that of the last attempt.
    pub async fn send(&self, message: &Message) -> Result<SendResult, ClientError> {
        let prepared = self.inner.prepare(message)?;
        self.inner.send_anywhere(&prepared).await
    }

    /// Sends a message to one queue, once.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn send_to(
        &self,
        message: &Message,
        queue: &MessageQueue,
    ) -> Result<SendResult, ClientError> {
        if queue.topic != message.topic {
            let problem = format!("it belongs to topic {}", queue.topic);
            return Err(ClientError::invalid(
                "queue for topic",
                &message.topic,
                problem,
            ));
        }
        let prepared = self.inner.prepare(message)?;
        let route = self.inner.publish_route(&message.topic).await?;
        let timeout = self.inner.client.timeout();
        self.inner
            .send_to(&prepared, &route, queue, timeout)
            .await
            .inspect_err(|_| self.inner.client.doubt_route(&message.topic))
    }

    /// Sends a message without learning what became of it.
    ///
    /// # Errors
    /// Any of [`ClientError`], if the message cannot even be handed to a connection.
    pub async fn send_oneway(&self, message: &Message) -> Result<(), ClientError> {
        let prepared = self.inner.prepare(message)?;
        let route = self.inner.publish_route(&message.topic).await?;
        let queue = self.inner.choose(&route, None)?;
        let (address, request) = self.inner.request(&prepared, &route, queue)?;
        self.inner
            .client
            .send_oneway(&address, request)
            .await
            .inspect_err(|_| self.inner.client.doubt_route(&message.topic))
    }

    /// Sends messages of one topic as one: all are stored, next to each other, or none.
    ///
    /// # Errors
    /// Any of [`ClientError`]; [`ClientError::Invalid`] for messages that make no batch: none at
    /// all, several topics, different wishes to wait, delayed messages, more than
    /// [`MAX_BODY_BYTES`].
    pub async fn send_batch(&self, messages: &[Message]) -> Result<SendResult, ClientError> {
        let prepared = self.inner.prepare_batch(messages)?;
        self.inner.send_anywhere(&prepared).await
    }

    /// The queues that messages of a topic can be sent to.
    ///
    /// # Errors
    /// As [`Client::route`].
    pub async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>, ClientError> {
        Ok(self
            .inner
            .publish_route(topic)
            .await?
            .publish_queues()
            .to_vec())
    }

    /// Tells the brokers that the producer is gone.
    pub async fn close(self) {
        self.heartbeats.abort();
        let brokers: Vec<String> = self.inner.brokers().iter().cloned().collect();
        for address in brokers {
            let role = Role::Producer(&self.inner.group);
            if let Err(error) = self.inner.client.unregister(&address, role).await {
                debug!(address, %error, "cannot unregister producer");
            }
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.heartbeats.abort();
    }
}

impl Inner {
    fn brokers(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepare<'a>(&self, message: &'a Message) -> Result<Prepared<'a>, ClientError> {
        message.check()?;
        let message_id = self.unique_key(message);
        let (body, sys_flag) = compress(&message.body);
        Ok(Prepared {
            code: RequestCode::SEND_MESSAGE_V2,
            topic: &message.topic,
            body,
            properties: message.encode_properties(&message_id)?,
            message_id,
            sys_flag,
            flag: message.flag,
            batch: false,
        })
    }

    fn prepare_batch<'a>(&self, messages: &'a [Message]) -> Result<Prepared<'a>, ClientError> {
        let Some(first) = messages.first() else {
            return Err(ClientError::invalid("batch", "", "it has no messages"));
        };
        let invalid =
            |problem: String| Err(ClientError::invalid("batch for", &first.topic, problem));
        if first.topic.starts_with(RETRY_PREFIX) {
            return invalid("messages to consume again are sent one by one".to_owned());
        }
        let (mut body, mut ids) = (Vec::new(), Vec::with_capacity(messages.len()));
        for message in messages {
            message.check()?;
            if message.topic != first.topic {
                return invalid(format!("it has a message for {}", message.topic));
            }
            if message.wait_store_ok != first.wait_store_ok {
                return invalid("only some of its messages wait to be stored".to_owned());
            }
            if message.delay_level != 0 {
                return invalid("it has a delayed message".to_owned());
            }
            let id = self.unique_key(message);
            let properties = message.encode_properties(&id)?;
            let item = BatchItem {
                flag: message.flag,
                body: &message.body,
                properties: properties.as_bytes(),
            };
            // Each part is far below its limit, so the item is encoded; the sum may not fit.
            let encoded = push_item(&mut body, &item);
            if encoded.is_none() || body.len() > MAX_BODY_BYTES {
                return invalid(format!("it takes more than {MAX_BODY_BYTES} bytes"));
            }
            ids.push(id);
        }
        let wait = properties::encode([(properties::WAIT, bool_text(first.wait_store_ok))]);
        Ok(Prepared {
            code: RequestCode::SEND_BATCH_MESSAGE,
            topic: &first.topic,
            body: body.into(),
            // The broker adds these to each message: an id here would replace those of all.
            properties: String::from_utf8_lossy(&wait).into_owned(),
            message_id: ids.join(","),
            sys_flag: 0,
            flag: 0,
            batch: true,
        })
    }

    fn unique_key(&self, message: &Message) -> String {
        match message.properties.get(properties::UNIQUE_KEY) {
            Some(given) => given.clone(),
            None => self.client.unique_key(),
        }
    }

    /// The route to send by: for a topic that does not exist, the one it would be created with.
    async fn publish_route(&self, topic: &str) -> Result<Arc<TopicRoute>, ClientError> {
        match self.client.route(topic).await {
            Err(error @ ClientError::NoRoute { .. }) => {
                match self.client.route(DEFAULT_TOPIC).await {
                    Ok(default) => Ok(Arc::new(TopicRoute::for_new_topic(
                        topic,
                        &default,
                        NEW_TOPIC_QUEUES,
                    ))),
                    Err(ClientError::NoRoute { .. }) => Err(error),
                    Err(error) => Err(error),
                }
            }
            found => found,
        }
    }

    /// The next queue, of another broker than `avoided` if there is one.
    fn choose<'a>(
        &self,
        route: &'a TopicRoute,
        avoided: Option<&str>,
    ) -> Result<&'a MessageQueue, ClientError> {
        let queues = route.publish_queues();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || {
            let start = turn.checked_rem(queues.len()).unwrap_or(0);
            queues.iter().cycle().skip(start).take(queues.len())
        };
        in_turn()
            .find(|queue| avoided != Some(queue.broker_name.as_str()))
            .or_else(|| in_turn().next())
            .ok_or_else(|| ClientError::NotWritable {
                topic: route.topic.clone(),
            })
    }

    async fn send_anywhere(&self, prepared: &Prepared<'_>) -> Result<SendResult, ClientError> {
        let deadline = Instant::now() + self.client.timeout();
        let route = self.publish_route(prepared.topic).await?;
        let mut queue = self.choose(&route, None)?;
        let mut retries = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match self.send_to(prepared, &route, queue, left).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            self.client.doubt_route(prepared.topic);
            if retries == RETRIES || !may_succeed_elsewhere(&error) || Instant::now() >= deadline {
                return Err(error);
            }
            debug!(%error, broker = queue.broker_name, "send failed, trying again");
            retries += 1;
            queue = self.choose(&route, Some(&queue.broker_name))?;
        }
    }

    /// The request for one queue, and the address it goes to.
    fn request(
        &self,
        prepared: &Prepared<'_>,
        route: &TopicRoute,
        queue: &MessageQueue,
    ) -> Result<(String, RemotingCommand), ClientError> {
        let master = route
            .master(&queue.broker_name)
            .ok_or_else(|| ClientError::NoRoute {
                topic: route.topic.clone(),
                reason: format!("broker {} has no master", queue.broker_name),
            })?;
        if !self.brokers().contains(master) {
            self.brokers().insert(master.to_owned());
            self.new_broker.notify_one();
        }
        let header = SendMessageRequestHeader {
            producer_group: self.group.as_str().into(),
            topic: prepared.topic.into(),
            default_topic: DEFAULT_TOPIC.into(),
            default_topic_queue_nums: NEW_TOPIC_QUEUES,
            queue_id: queue.queue_id,
            sys_flag: prepared.sys_flag,
            born_timestamp: now_ms(),
            flag: prepared.flag,
            properties: Some(prepared.properties.as_str().into()),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            max_reconsume_times: None,
            batch: Some(prepared.batch),
            bname: Some(queue.broker_name.as_str().into()),
        };
        let request = RemotingCommand::request(prepared.code)
            .with_short_header(&header, SEND_MESSAGE_V2_NAMES)?
            .with_body(prepared.body.clone());
        Ok((self.client.broker_address(master), request))
    }

    async fn send_to(
        &self,
        prepared: &Prepared<'_>,
        route: &TopicRoute,
        queue: &MessageQueue,
        timeout: Duration,
    ) -> Result<SendResult, ClientError> {
        let (address, request) = self.request(prepared, route, queue)?;
        // Making the connection counts too.
        let call = self.client.call_within(&address, request, timeout);
        let answer = tokio::time::timeout(timeout, call).await.map_err(|_| {
            ClientError::Transport(CallError::Timeout {
                address: address.clone(),
                timeout_ms: timeout.as_millis(),
            })
        })??;
        let Some(status) = SendStatus::of(answer.response_code()) else {
            return Err(refused(&address, answer));
        };
        let header: SendMessageResponseHeader = header_of(&address, &answer)?;
        Ok(SendResult {
            status,
            message_id: prepared.message_id.clone(),
            offset_message_id: header.msg_id,
            queue: MessageQueue {
                broker_name: queue.broker_name.clone(),
                queue_id: header.queue_id,
                topic: queue.topic.clone(),
            },
            queue_offset: header.queue_offset,
            transaction_id: header.transaction_id,
        })
    }
}

fn may_succeed_elsewhere(error: &ClientError) -> bool {
    match error {
        ClientError::Refused { code, .. } => RETRIED_CODES.contains(code),
        ClientError::Transport(_) | ClientError::NoRoute { .. } => true,
        _ => false,
    }
}

/// The body as it is sent, and its flag.
pub(crate) fn compress(body: &Bytes) -> (Bytes, i32) {
    if body.len() < COMPRESS_FROM_BYTES {
        return (body.clone(), 0);
    }
    match compression::compress_zlib(body, COMPRESSION_LEVEL) {
        Ok(compressed) => (compressed.into(), sys_flag::COMPRESSED),
        // It is only smaller when compressed, not better.
        Err(_) => (body.clone(), 0),
    }
}

async fn send_heartbeats(inner: Arc<Inner>) {
    let data = HeartbeatData {
        client_id: inner.client.id().to_owned(),
        consumer_data_set: Vec::new(),
        producer_data_set: vec![ProducerData {
            group_name: inner.group.clone(),
        }],
    };
    loop {
        // At once for a broker that is new, so that it knows the group from the first message on.
        let _ = tokio::time::timeout(HEARTBEAT_INTERVAL, inner.new_broker.notified()).await;
        let brokers: Vec<String> = inner.brokers().iter().cloned().collect();
        for address in brokers {
            if let Err(error) = inner.client.send_heartbeat(&address, &data).await {
                debug!(address, %error, "heartbeat failed");
                // The next message sent there brings it back.
                inner.brokers().remove(&address);
            }
        }
    }
}
