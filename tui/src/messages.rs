//! Messages, and the life of one: asked for only while somebody looks at them, and read without a group: nothing is
//! committed anywhere.

use client::admin::{Broker, KeyQuery};
use client::message::MessageExt;
use client::pull::Puller;
use client::search::{self, News, Search};
use client::trace::{self, TRACE_TOPIC};
use client::{Admin, Client, ClientError, Expression, fan_out};
use remoting::protocol::body::queue_map::MessageQueue;
use tokio::sync::{mpsc, watch};

use crate::snapshot::Known;

/// Messages shown of a queue, and of all queues of a topic together.
const OF_QUEUE: usize = 64;
const OF_TOPIC: usize = 128;
/// Messages that a search shows.
const FOUND: usize = 500;

/// Which messages of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Find {
    Latest,
    Key(String),
    /// The id that its producer was told.
    Id(String),
    /// Stored from this time on, in milliseconds since the epoch; the first ones.
    From(i64),
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Query {
    pub(crate) topic: String,
    /// Broker and queue id; `None`: all.
    pub(crate) queue: Option<(String, i32)>,
    pub(crate) find: Find,
}

impl Query {
    pub(crate) fn latest(topic: impl Into<String>, queue: Option<(String, i32)>) -> Self {
        Self {
            topic: topic.into(),
            queue,
            find: Find::Latest,
        }
    }
}

/// The newest first; of a search by time, the oldest.
pub(crate) type Messages = Vec<MessageExt>;

/// What a page wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    Messages(Query),
    /// The life of the message with this id or key.
    Trace(String),
}

impl Question {
    /// Whether the answer is another one in each round.
    pub(crate) fn goes_on(&self) -> bool {
        matches!(
            self,
            Self::Messages(Query {
                find: Find::Latest,
                ..
            })
        )
    }
}

/// Why there may be more than what was found: a broker that did not answer.
pub(crate) type Missing = Option<String>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Messages(Messages, Missing),
    Trace(Vec<trace::Event>, Missing),
}

impl Answer {
    pub(crate) fn missing(&self) -> Option<&str> {
        let (Self::Messages(_, missing) | Self::Trace(_, missing)) = self;
        missing.as_deref()
    }
}

/// Answers the latest question, again whenever it is set; without a client there is nobody to ask.
pub(crate) async fn answer(
    client: Option<Client>,
    mut wanted: watch::Receiver<Option<Question>>,
    answers: mpsc::Sender<(Question, Known<Answer>)>,
) {
    while wanted.changed().await.is_ok() {
        let Some(question) = wanted.borrow_and_update().clone() else {
            continue;
        };
        let found = match &client {
            None => Err("a recording has no messages".to_owned()),
            Some(client) => tokio::select! {
                found = ask(client, &question) => found,
                // Whoever looks at something else now does not wait for a long search.
                () = replaced(wanted.clone(), &question) => continue,
            },
        };
        if answers.send((question, found)).await.is_err() {
            return;
        }
    }
}

/// Waits until another question is asked.
async fn replaced(mut wanted: watch::Receiver<Option<Question>>, question: &Question) {
    let other = |now: &Option<Question>| now.as_ref() != Some(question);
    if wanted.wait_for(other).await.is_err() {
        std::future::pending().await
    }
}

async fn ask(client: &Client, question: &Question) -> Known<Answer> {
    match question {
        Question::Messages(query) => {
            let found = match &query.find {
                Find::Latest => latest(client, query).await,
                Find::Key(key) => by_index(client, query, key, false).await,
                Find::Id(id) => by_index(client, query, id, true).await,
                Find::From(from_ms) => by_time(client, query, *from_ms).await,
            };
            found.map(|(found, missing)| Answer::Messages(found, missing))
        }
        Question::Trace(id) => {
            let found = life(client, id).await;
            found.map(|(events, missing)| Answer::Trace(events, missing))
        }
    }
}

/// The queues that are meant.
async fn queues(puller: &Puller, query: &Query) -> Result<Vec<MessageQueue>, ClientError> {
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
    Ok(queues)
}

async fn latest(client: &Client, query: &Query) -> Known<(Messages, Missing)> {
    let puller = Puller::new(client.clone());
    let queues = queues(&puller, query).await.map_err(|e| e.to_string())?;
    let count = match &query.queue {
        Some(_) => OF_QUEUE,
        None => (OF_TOPIC / queues.len()).max(1),
    };
    let asked = fan_out::all(queues, |queue| {
        let puller = puller.clone();
        async move {
            let any = Expression::all();
            let last = search::last(&puller, &queue, count, &any, |_| true).await;
            last.map(|(messages, _)| messages)
        }
    });
    let (mut found, missing) = together(asked.await)?;
    newest_first(&mut found);
    Ok((found, missing))
}

/// What all queues have; a broker that is dead does not hide what the others have.
fn together(of_queues: Vec<Result<Messages, ClientError>>) -> Known<(Messages, Missing)> {
    let (mut found, mut failure) = (Messages::new(), None);
    for of_queue in of_queues {
        match of_queue {
            Ok(messages) => found.extend(messages),
            Err(error) => failure = Some(error),
        }
    }
    match failure.map(|error| error.to_string()) {
        Some(failure) if found.is_empty() => Err(failure),
        failure => Ok((found, failure)),
    }
}

fn missing(failed: Option<&(Broker, ClientError)>) -> Missing {
    failed.map(|(broker, error)| format!("{}: {error}", broker.name))
}

fn newest_first(messages: &mut Messages) {
    messages
        .sort_by_key(|message| std::cmp::Reverse((message.store_timestamp, message.queue_offset)));
}

async fn by_index(
    client: &Client,
    query: &Query,
    key: &str,
    unique: bool,
) -> Known<(Messages, Missing)> {
    let admin = Admin::new(client.clone());
    let masters = admin.masters().await.map_err(|e| e.to_string())?;
    let wanted = KeyQuery {
        enough: FOUND,
        ..KeyQuery::all(&query.topic, key, unique)
    };
    let answers = admin.each(masters, |admin, broker| {
        let wanted = wanted.clone();
        async move { admin.messages_by_key(&broker, &wanted).await }
    });
    let answers = answers.await;
    let known = answers.known.into_iter();
    let mut found: Messages = known.flat_map(|(_, answer)| answer.messages).collect();
    let missing = missing(answers.failed.first());
    if let Some(missing) = missing.clone().filter(|_| found.is_empty()) {
        return Err(missing);
    }
    newest_first(&mut found);
    found.truncate(FOUND);
    Ok((found, missing))
}

async fn by_time(client: &Client, query: &Query, from_ms: i64) -> Known<(Messages, Missing)> {
    let puller = Puller::new(client.clone());
    let queues = queues(&puller, query).await.map_err(|e| e.to_string())?;
    let each = (FOUND / queues.len()).max(1);
    let asked = fan_out::all(queues, |queue| {
        let puller = puller.clone();
        async move {
            let search = Search {
                queues: vec![queue],
                from_ms: Some(from_ms),
                to_ms: None,
                expression: Expression::all(),
            };
            let mut searching = search.start(&puller);
            let mut found = Messages::new();
            while let Some(news) = searching.next().await {
                match news {
                    News::Found(message) => found.push(*message),
                    News::Failed(_, error) => return Err(error),
                    News::Begun(_) | News::Passed(_) => {}
                }
                if found.len() == each {
                    break;
                }
            }
            Ok(found)
        }
    });
    let (mut found, missing) = together(asked.await)?;
    found.sort_by_key(|message| (message.store_timestamp, message.queue_offset));
    Ok((found, missing))
}

async fn life(client: &Client, id: &str) -> Known<(Vec<trace::Event>, Missing)> {
    let admin = Admin::new(client.clone());
    let masters = admin.masters().await.map_err(|e| e.to_string())?;
    let answers = trace::of(&admin, masters, TRACE_TOPIC, id).await;
    let known = answers.known.into_iter();
    let records: Vec<_> = known.flat_map(|(_, records)| records).collect();
    let missing = missing(answers.failed.first());
    if let Some(missing) = missing.clone().filter(|_| records.is_empty()) {
        return Err(missing);
    }
    Ok((trace::events(&records, id), missing))
}
