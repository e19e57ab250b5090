//! Reading through a topic, or a part of it, for messages: all that are there when it begins, in every
//! queue at once. Nothing is committed anywhere.

use remoting::protocol::body::queue_map::MessageQueue;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::ClientError;
use crate::expression::Expression;
use crate::message::MessageExt;
use crate::pull::{PULL_BATCH, PullStatus, Puller};

/// Messages and news kept for a reader that is slower than the brokers.
const KEPT: usize = 256;
/// 4.x finds any of the messages stored in the same millisecond, or the one before: a search begins and
/// ends so much outside of what is wanted.
const MARGIN_MS: i64 = 1_000;

/// What to read.
#[derive(Debug, Clone)]
pub struct Search {
    /// Only these.
    pub queues: Vec<MessageQueue>,
    /// Stored from this time on, milliseconds since the epoch.
    pub from_ms: Option<i64>,
    /// Stored up to this time.
    pub to_ms: Option<i64>,
    /// What brokers leave out.
    pub expression: Expression,
}

/// What a search comes across.
#[derive(Debug)]
pub enum News {
    /// A queue will be read: so many messages.
    Begun(u64),
    /// So many of them are behind us, wanted or not.
    Passed(u64),
    Found(Box<MessageExt>),
    /// A queue cannot be read, or not to its end. The others are.
    Failed(MessageQueue, ClientError),
}

/// A search under way. It ends when it is dropped.
#[derive(Debug)]
pub struct Searching {
    news: mpsc::Receiver<News>,
    _tasks: JoinSet<()>,
}

impl Searching {
    /// What is next; `None` when everything was read.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }
}

impl Search {
    /// Begins to read.
    pub fn start(self, puller: &Puller) -> Searching {
        let (sender, news) = mpsc::channel(KEPT);
        let mut tasks = JoinSet::new();
        for queue in self.queues.clone() {
            let (search, puller, sender) = (self.clone(), puller.clone(), sender.clone());
            tasks.spawn(async move {
                if let Err(error) = search.read(&puller, &queue, &sender).await {
                    // A reader that went away wants to know nothing.
                    let _ = sender.send(News::Failed(queue, error)).await;
                }
            });
        }
        Searching {
            news,
            _tasks: tasks,
        }
    }

    /// The part of a queue with the wanted time, with a margin.
    async fn range(
        &self,
        puller: &Puller,
        queue: &MessageQueue,
    ) -> Result<(i64, i64), ClientError> {
        let (min, max) = (
            puller.min_offset(queue).await?.max(0),
            puller.max_offset(queue).await?,
        );
        let begin = match self.from_ms {
            Some(from) => puller.offset_by_time(queue, from - MARGIN_MS).await?,
            None => min,
        };
        let end = match self.to_ms {
            Some(to) => puller.offset_by_time(queue, to + MARGIN_MS).await? + 1,
            None => max,
        };
        Ok((begin.clamp(min, max.max(min)), end.clamp(min, max.max(min))))
    }

    async fn read(
        &self,
        puller: &Puller,
        queue: &MessageQueue,
        sender: &mpsc::Sender<News>,
    ) -> Result<(), ClientError> {
        let (mut offset, end) = self.range(puller, queue).await?;
        let count = |from: i64, to: i64| u64::try_from(to - from).unwrap_or(0);
        if sender.send(News::Begun(count(offset, end))).await.is_err() {
            return Ok(());
        }
        while offset < end {
            let pulled = puller
                .pull(queue, offset, PULL_BATCH, &self.expression)
                .await?;
            for message in pulled.messages {
                if message.queue_offset < end
                    && self.is_in_time(&message)
                    && sender.send(News::Found(Box::new(message))).await.is_err()
                {
                    return Ok(());
                }
            }
            let next = pulled.next_begin_offset.min(end);
            // Retention may have taken away what was to be read.
            let ended = pulled.status == PullStatus::NoNewMessage || next <= offset;
            let next = if ended { end } else { next };
            if sender
                .send(News::Passed(count(offset, next)))
                .await
                .is_err()
            {
                return Ok(());
            }
            offset = next;
        }
        Ok(())
    }

    fn is_in_time(&self, message: &MessageExt) -> bool {
        let stored = message.store_timestamp;
        self.from_ms.is_none_or(|from| stored >= from) && self.to_ms.is_none_or(|to| stored <= to)
    }
}

/// The last messages of a queue that are wanted, oldest first, up to `count`; and the offset behind them.
///
/// # Errors
/// Any of [`ClientError`].
pub async fn last(
    puller: &Puller,
    queue: &MessageQueue,
    count: usize,
    expression: &Expression,
    wanted: impl Fn(&MessageExt) -> bool,
) -> Result<(Vec<MessageExt>, i64), ClientError> {
    let (min, max) = (
        puller.min_offset(queue).await?.max(0),
        puller.max_offset(queue).await?,
    );
    let mut found: Vec<MessageExt> = Vec::new();
    let mut end = max;
    let mut window = i64::try_from(count).unwrap_or(i64::MAX);
    while found.len() < count && end > min {
        let begin = end.saturating_sub(window).max(min);
        let mut earlier = Vec::new();
        let mut offset = begin;
        while offset < end {
            let pulled = puller.pull(queue, offset, PULL_BATCH, expression).await?;
            let messages = pulled.messages.into_iter();
            earlier.extend(messages.filter(|found| found.queue_offset < end && wanted(found)));
            if pulled.status == PullStatus::NoNewMessage || pulled.next_begin_offset <= offset {
                break;
            }
            offset = pulled.next_begin_offset;
        }
        earlier.append(&mut found);
        found = earlier;
        end = begin;
        // Where few are wanted, look back further and further.
        window = window.saturating_mul(2);
    }
    found.drain(..found.len().saturating_sub(count));
    Ok((found, max))
}
