//! The latest messages of a topic or queue. They are asked for only while somebody looks at them, and read without a
//! group: nothing is committed anywhere.

use client::message::MessageExt;
use client::pull::{PullStatus, Puller};
use client::{Client, ClientError, Expression};
use remoting::protocol::body::queue_map::MessageQueue;
use tokio::sync::{mpsc, watch};

use crate::snapshot::Known;

/// Messages shown of a queue, and of all queues of a topic together.
const OF_QUEUE: i64 = 64;
const OF_TOPIC: i64 = 128;
/// No broker returns more at once.
const BATCH: i32 = 32;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Query {
    pub(crate) topic: String,
    /// Broker and queue id; `None`: all.
    pub(crate) queue: Option<(String, i32)>,
}

/// The newest first.
pub(crate) type Messages = Vec<MessageExt>;

/// Answers the latest query, again whenever `again` has changed; without a client there is nobody to ask.
pub(crate) async fn answer(
    client: Option<Client>,
    mut wanted: watch::Receiver<Option<Query>>,
    answers: mpsc::Sender<(Query, Known<Messages>)>,
) {
    while wanted.changed().await.is_ok() {
        let Some(query) = wanted.borrow_and_update().clone() else {
            continue;
        };
        let found = match &client {
            Some(client) => latest(client, &query)
                .await
                .map_err(|error| error.to_string()),
            None => Err("a recording has no messages".to_owned()),
        };
        if answers.send((query, found)).await.is_err() {
            return;
        }
    }
}

async fn latest(client: &Client, query: &Query) -> Result<Messages, ClientError> {
    let puller = Puller::new(client.clone());
    let mut queues = puller.queues(&query.topic).await?;
    if let Some((broker, id)) = &query.queue {
        queues.retain(|queue| queue.broker_name == *broker && queue.queue_id == *id);
    }
    if queues.is_empty() {
        return Err(ClientError::NoRoute {
            topic: query.topic.clone(),
            reason: "it has no queue that may be read".to_owned(),
        });
    }
    let count = match &query.queue {
        Some(_) => OF_QUEUE,
        None => (OF_TOPIC / queues.len() as i64).max(1),
    };
    let mut found = Messages::new();
    for queue in &queues {
        found.extend(tail(&puller, queue, count).await?);
    }
    found.sort_by_key(|message| std::cmp::Reverse((message.store_timestamp, message.queue_offset)));
    Ok(found)
}

/// The last `count` messages of a queue.
async fn tail(puller: &Puller, queue: &MessageQueue, count: i64) -> Result<Messages, ClientError> {
    let everything = Expression::all();
    let (min, end) = (
        puller.min_offset(queue).await?,
        puller.max_offset(queue).await?,
    );
    let mut offset = (end - count).max(min);
    let mut found = Messages::new();
    while offset < end {
        let pulled = puller.pull(queue, offset, BATCH, &everything).await?;
        if pulled.status != PullStatus::Found || pulled.next_begin_offset <= offset {
            break;
        }
        found.extend(pulled.messages);
        offset = pulled.next_begin_offset;
    }
    Ok(found)
}
