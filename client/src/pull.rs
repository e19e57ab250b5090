//! Reading queues at offsets of one's own choice, without being a member of a group.

use std::time::Duration;

use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::offset::{
    OffsetResponseHeader, QueueRequestHeader, SearchOffsetRequestHeader,
};
use remoting::protocol::headers::pull::{
    PULL_FLAG_COMMIT_OFFSET, PULL_FLAG_SUBSCRIPTION, PULL_FLAG_SUSPEND, PullMessageRequestHeader,
    PullMessageResponseHeader,
};
use remoting::protocol::message::record::records;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::{Client, accepted, header_of, refused};
use crate::error::ClientError;
use crate::expression::Expression;
use crate::message::MessageExt;
use crate::route::MASTER_ID;

/// How long a broker may keep a pull waiting for a message, and how long its answer may take.
pub(crate) const SUSPEND: Duration = Duration::from_secs(15);
const SUSPENDED_PULL_TIMEOUT: Duration = Duration::from_secs(30);
/// Messages asked for at once.
pub(crate) const PULL_BATCH: i32 = 32;
/// After a failed pull.
pub(crate) const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(3);

/// A group that every Apache broker knows, for readers that are in none.
const TOOLS_GROUP: &str = "TOOLS_CONSUMER";
/// Messages a follower keeps for a reader that is slower than the brokers.
const FOLLOWED_MESSAGES: usize = 64;

/// What a broker made of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullStatus {
    Found,
    /// The end of the queue is reached.
    NoNewMessage,
    /// There were messages, none of them wanted; more may follow.
    NoMatchedMessage,
    /// The queue has no such offset.
    OffsetIllegal,
}

/// The answer to a pull. Offsets count messages of the queue.
#[derive(Debug, Clone)]
pub struct PullResult {
    pub status: PullStatus,
    /// Only wanted ones.
    pub messages: Vec<MessageExt>,
    /// Where to go on.
    pub next_begin_offset: i64,
    pub min_offset: i64,
    pub max_offset: i64,
    /// Id of the broker that had better be asked next.
    pub suggested_broker: i64,
}

impl PullResult {
    /// Whether the answer gets a reader at `offset` nowhere although it did not wait: asking again
    /// at once would only spin.
    pub(crate) fn is_stuck_at(&self, offset: i64) -> bool {
        self.status != PullStatus::NoNewMessage && self.next_begin_offset == offset
    }
}

/// One pull.
#[derive(Debug)]
pub(crate) struct PullRequest<'a> {
    pub(crate) group: &'a str,
    pub(crate) queue: &'a MessageQueue,
    pub(crate) offset: i64,
    pub(crate) max_messages: i32,
    /// To be committed, if a master is asked.
    pub(crate) commit_offset: Option<i64>,
    /// Wait for a message if there is none.
    pub(crate) suspend: bool,
    pub(crate) expression: &'a Expression,
    /// Version of the subscription in the group's heartbeats; `None`: no heartbeat told of it.
    pub(crate) subscription_version: Option<i64>,
    pub(crate) broker_id: i64,
}

impl Client {
    /// Address of the master behind a queue.
    pub(crate) async fn master_of(&self, queue: &MessageQueue) -> Result<String, ClientError> {
        let route = self.route(&queue.topic).await?;
        let master = route.master(&queue.broker_name);
        let master = master.ok_or_else(|| broker_missing(queue, "master"))?;
        Ok(self.broker_address(master))
    }

    pub(crate) async fn pull_message(
        &self,
        pull: &PullRequest<'_>,
    ) -> Result<PullResult, ClientError> {
        let queue = pull.queue;
        let route = self.route(&queue.topic).await?;
        let (broker_id, address) = route
            .address(&queue.broker_name, pull.broker_id)
            .ok_or_else(|| broker_missing(queue, "address"))?;
        // A slave has nowhere to put it.
        let commit_offset = pull.commit_offset.filter(|_| broker_id == MASTER_ID);
        let mut sys_flag = 0;
        if commit_offset.is_some() {
            sys_flag |= PULL_FLAG_COMMIT_OFFSET;
        }
        if pull.suspend {
            sys_flag |= PULL_FLAG_SUSPEND;
        }
        let subscription = match pull.subscription_version {
            Some(_) => None,
            None => {
                sys_flag |= PULL_FLAG_SUBSCRIPTION;
                Some(pull.expression.text().into())
            }
        };
        let header = PullMessageRequestHeader {
            consumer_group: pull.group.into(),
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
            queue_offset: pull.offset,
            max_msg_nums: pull.max_messages,
            sys_flag,
            commit_offset: commit_offset.unwrap_or(0),
            suspend_timeout_millis: i64::try_from(SUSPEND.as_millis()).unwrap_or(i64::MAX),
            subscription,
            sub_version: pull.subscription_version.unwrap_or(0),
            expression_type: Some(pull.expression.type_name().into()),
            max_msg_bytes: None,
            bname: Some(queue.broker_name.as_str().into()),
        };
        let request = RemotingCommand::request(RequestCode::PULL_MESSAGE).with_header(&header)?;
        let timeout = if pull.suspend {
            SUSPENDED_PULL_TIMEOUT
        } else {
            self.timeout()
        };
        let answer = self.call_within(address, request, timeout).await?;
        read_pull_answer(address, answer, &queue.broker_name, pull.expression)
    }
}

fn broker_missing(queue: &MessageQueue, what: &str) -> ClientError {
    ClientError::NoRoute {
        topic: queue.topic.clone(),
        reason: format!("broker {} has no {what}", queue.broker_name),
    }
}

fn read_pull_answer(
    address: &str,
    answer: RemotingCommand,
    broker_name: &str,
    expression: &Expression,
) -> Result<PullResult, ClientError> {
    let status = match answer.response_code() {
        ResponseCode::SUCCESS => PullStatus::Found,
        ResponseCode::PULL_NOT_FOUND => PullStatus::NoNewMessage,
        ResponseCode::PULL_RETRY_IMMEDIATELY => PullStatus::NoMatchedMessage,
        ResponseCode::PULL_OFFSET_MOVED => PullStatus::OffsetIllegal,
        _ => return Err(refused(address, answer)),
    };
    let header: PullMessageResponseHeader = header_of(address, &answer)?;
    let mut messages = Vec::new();
    if status == PullStatus::Found {
        for record in records(&answer.body) {
            let record = record.map_err(|error| ClientError::protocol(address, error))?;
            let message = MessageExt::from_record(&record, broker_name);
            if expression.accepts(message.tags()) {
                messages.push(message);
            }
        }
    }
    Ok(PullResult {
        status,
        messages,
        next_begin_offset: header.next_begin_offset,
        min_offset: header.min_offset,
        max_offset: header.max_offset,
        suggested_broker: header.suggest_which_broker_id,
    })
}

/// Reads queues without a group. Nothing is committed anywhere.
#[derive(Debug, Clone)]
pub struct Puller {
    client: Client,
    group: String,
}

impl Puller {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            group: TOOLS_GROUP.to_owned(),
        }
    }

    /// Reads in the name of this group, as far as brokers ask for one.
    #[must_use]
    pub fn in_group(self, group: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            ..self
        }
    }

    /// The queues of a topic that can be read.
    ///
    /// # Errors
    /// As [`Client::route`].
    pub async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>, ClientError> {
        Ok(self.client.route(topic).await?.subscribe_queues().to_vec())
    }

    /// Offset of the first message the queue still has.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn min_offset(&self, queue: &MessageQueue) -> Result<i64, ClientError> {
        self.offset(queue, queue_request(RequestCode::GET_MIN_OFFSET, queue)?)
            .await
    }

    /// Offset that the queue's next message will have.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn max_offset(&self, queue: &MessageQueue) -> Result<i64, ClientError> {
        self.offset(queue, queue_request(RequestCode::GET_MAX_OFFSET, queue)?)
            .await
    }

    /// Offset of the message stored about `timestamp`, in milliseconds since the epoch.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn offset_by_time(
        &self,
        queue: &MessageQueue,
        timestamp: i64,
    ) -> Result<i64, ClientError> {
        let header = SearchOffsetRequestHeader {
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
            timestamp,
            boundary_type: None,
        };
        let request = RemotingCommand::request(RequestCode::SEARCH_OFFSET_BY_TIMESTAMP)
            .with_header(&header)?;
        self.offset(queue, request).await
    }

    async fn offset(
        &self,
        queue: &MessageQueue,
        request: RemotingCommand,
    ) -> Result<i64, ClientError> {
        let address = self.client.master_of(queue).await?;
        let answer = accepted(&address, self.client.call(&address, request).await?)?;
        let header: OffsetResponseHeader = header_of(&address, &answer)?;
        Ok(header.offset)
    }

    /// Reads up to `max` messages from `offset` on, without waiting for any. The broker may
    /// return fewer.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn pull(
        &self,
        queue: &MessageQueue,
        offset: i64,
        max: i32,
        expression: &Expression,
    ) -> Result<PullResult, ClientError> {
        self.client
            .pull_message(&PullRequest {
                group: &self.group,
                queue,
                offset,
                max_messages: max,
                commit_offset: None,
                suspend: false,
                expression,
                subscription_version: None,
                broker_id: MASTER_ID,
            })
            .await
    }

    /// Reads queues from the given offsets on, and goes on as messages come.
    pub fn follow(&self, starts: Vec<(MessageQueue, i64)>, expression: &Expression) -> Follower {
        let (sender, messages) = mpsc::channel(FOLLOWED_MESSAGES);
        let mut tasks = JoinSet::new();
        for (queue, offset) in starts {
            let (puller, expression) = (self.clone(), expression.clone());
            tasks.spawn(follow_queue(
                puller,
                queue,
                offset,
                expression,
                sender.clone(),
            ));
        }
        Follower {
            messages,
            _tasks: tasks,
        }
    }
}

fn queue_request(code: RequestCode, queue: &MessageQueue) -> Result<RemotingCommand, ClientError> {
    let header = QueueRequestHeader {
        topic: queue.topic.clone(),
        queue_id: queue.queue_id,
    };
    Ok(RemotingCommand::request(code).with_header(&header)?)
}

/// The messages of several queues as they come. Reading ends when it is dropped.
#[derive(Debug)]
pub struct Follower {
    messages: mpsc::Receiver<Result<MessageExt, ClientError>>,
    _tasks: JoinSet<()>,
}

impl Follower {
    /// The next message, or why a queue could not be read; it is tried again. `None` only if there
    /// are no queues to follow.
    pub async fn next(&mut self) -> Option<Result<MessageExt, ClientError>> {
        self.messages.recv().await
    }
}

async fn follow_queue(
    Puller { client, group }: Puller,
    queue: MessageQueue,
    mut offset: i64,
    expression: Expression,
    sender: mpsc::Sender<Result<MessageExt, ClientError>>,
) {
    let mut broker_id = MASTER_ID;
    loop {
        let pulled = client
            .pull_message(&PullRequest {
                group: &group,
                queue: &queue,
                offset,
                max_messages: PULL_BATCH,
                commit_offset: None,
                suspend: true,
                expression: &expression,
                subscription_version: None,
                broker_id,
            })
            .await;
        match pulled {
            Ok(result) => {
                if result.is_stuck_at(offset) {
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
                offset = result.next_begin_offset;
                broker_id = result.suggested_broker;
                for message in result.messages {
                    if sender.send(Ok(message)).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                client.doubt_route(&queue.topic);
                if sender.send(Err(error)).await.is_err() {
                    return;
                }
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}
