//! Choosing messages of a topic: by key or id through the brokers' index, by anything else by reading.

use client::admin::KeyQuery;
use client::message::MessageExt;
use client::pull::Puller;
use client::search::{News, Search};
use client::{Admin, ClientError, Expression};
use regex::bytes::Regex;

use crate::error::{CliError, Result};
use crate::lookup::split;
use crate::profile::masters;
use crate::progress;
use crate::time::{self, Time};

/// Which messages are wanted. All that is given must hold.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Select {
    /// With this key
    #[arg(short, long)]
    pub(crate) key: Option<String>,
    /// With this id, as its producer was told; may be given several times
    #[arg(long)]
    pub(crate) id: Vec<String>,
    /// Stored from this time on, as -2h or '2026-01-31 12:00'
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time::parse_now)]
    pub(crate) from: Option<Time>,
    /// Stored up to this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time::parse_now)]
    pub(crate) to: Option<Time>,
    /// With one of these tags: a, or 'a || b'
    #[arg(short, long, value_name = "TAGS")]
    pub(crate) tag: Option<String>,
    /// With properties that meet this SQL92 condition, as "amount > 100 AND region = 'eu'"
    #[arg(short = 'w', long = "where", value_name = "CONDITION")]
    pub(crate) condition: Option<String>,
    /// With a body that has a match of this regular expression
    #[arg(short, long, value_name = "REGEX")]
    pub(crate) body: Option<Regex>,
    /// Read the queues for a key or id, too, instead of asking the brokers' index: slow, and misses nothing
    #[arg(long)]
    pub(crate) scan: bool,
    /// Stop after so many
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max: Option<u64>,
}

impl Select {
    /// Whether anything is asked for but a number.
    pub(crate) fn is_everything(&self) -> bool {
        let Self {
            key,
            id,
            from,
            to,
            tag,
            condition,
            body,
            scan: _,
            max: _,
        } = self;
        key.is_none()
            && id.is_empty()
            && from.is_none()
            && to.is_none()
            && tag.is_none()
            && condition.is_none()
            && body.is_none()
    }

    /// What brokers select by.
    ///
    /// # Errors
    /// Usage, for an expression that cannot be read, or a time that ends before it begins.
    pub(crate) fn expression(&self) -> Result<Expression> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && to.epoch_ms() < from.epoch_ms()
        {
            return Err(CliError::usage(
                "--to is before --from: nothing lies between",
            ));
        }
        if let Some(condition) = &self.condition {
            return Ok(Expression::sql(condition));
        }
        self.tags()
    }

    fn tags(&self) -> Result<Expression> {
        Expression::tags(self.tag.as_deref().unwrap_or_default())
            .map_err(|e| CliError::client("cannot select messages", &e))
    }

    /// Whether a message is wanted that the brokers gave.
    pub(crate) fn accepts(&self, tags: &Expression, message: &MessageExt) -> bool {
        let stored = message.store_timestamp;
        let has_key = |key: &String| {
            let keys = message.keys().unwrap_or_default();
            keys.split(' ').any(|own| own == key)
        };
        let has_id = |id: &String| *id == message.message_id() || *id == message.offset_message_id;
        tags.accepts(message.tags())
            && self.key.as_ref().is_none_or(has_key)
            && (self.id.is_empty() || self.id.iter().any(has_id))
            && self.from.is_none_or(|from| stored >= from.epoch_ms())
            && self.to.is_none_or(|to| stored <= to.epoch_ms())
            && self
                .body
                .as_ref()
                .is_none_or(|body| body.is_match(&message.body))
    }
}

/// What a search brought.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In the order of their store times, unless `each` has taken them.
    pub(crate) messages: Vec<MessageExt>,
    /// Parts that could not be searched, and why.
    pub(crate) missing: Vec<String>,
}

/// Looks for messages of a topic; `queues` are the ones to look into, as broker and id, none for all. `each` sees every
/// message as it is found, and keeps it (true) or has dealt with it.
///
/// # Errors
/// When the topic is nowhere, or its condition is wrong; what `each` fails with.
pub(crate) async fn search(
    admin: &Admin,
    topic: &str,
    queues: &[(String, i32)],
    select: &Select,
    mut each: impl FnMut(&MessageExt) -> Result<bool>,
) -> Result<Found> {
    let in_queue = |message: &MessageExt| {
        let mut queues = queues.iter();
        queues.len() == 0
            || queues.any(|(broker, id)| {
                *broker == message.queue.broker_name && *id == message.queue.queue_id
            })
    };
    let mut found = Found::default();
    let mut count = 0;
    let indexed = select.key.is_some() || !select.id.is_empty();
    if indexed && !select.scan && select.condition.is_none() {
        let tags = select.tags()?;
        let (mut messages, missing) = by_index(admin, topic, select).await?;
        messages.retain(|message| select.accepts(&tags, message) && in_queue(message));
        messages.sort_by_key(|message| (message.store_timestamp, message.commit_log_offset));
        found.missing = missing;
        for message in messages {
            if select.max == Some(count) {
                break;
            }
            count += 1;
            if each(&message)? {
                found.messages.push(message);
            }
        }
        return Ok(found);
    }
    by_reading(admin, topic, queues, select, &mut each, &mut found).await?;
    found
        .messages
        .sort_by_key(|message| (message.store_timestamp, message.commit_log_offset));
    Ok(found)
}

/// Asks all masters for keys and ids.
async fn by_index(
    admin: &Admin,
    topic: &str,
    select: &Select,
) -> Result<(Vec<MessageExt>, Vec<String>)> {
    let names: Vec<(String, bool)> = match &select.key {
        // One index suffices; what else is given is looked at here.
        Some(key) => vec![(key.clone(), false)],
        None => select.id.iter().map(|id| (id.clone(), true)).collect(),
    };
    let masters = masters(admin).await?;
    let (mut messages, mut missing) = (Vec::new(), Vec::new());
    for (name, unique) in names {
        let query = KeyQuery {
            from_ms: select.from.map_or(0, Time::epoch_ms),
            to_ms: select.to.map_or(i64::MAX, Time::epoch_ms),
            ..KeyQuery::all(topic, &name, unique)
        };
        let answers = admin.each(masters.clone(), |admin, broker| {
            let query = query.clone();
            async move { admin.messages_by_key(&broker, &query).await }
        });
        let (answers, unanswered) = split(answers.await);
        missing.extend(unanswered);
        for (broker, answer) in answers {
            if !answer.complete {
                missing.push(format!(
                    "{}: it has more messages with '{name}' within one second than it tells; --scan finds them",
                    broker.name
                ));
            }
            messages.extend(answer.messages);
        }
    }
    missing.dedup();
    Ok((messages, missing))
}

async fn by_reading(
    admin: &Admin,
    topic: &str,
    queues: &[(String, i32)],
    select: &Select,
    each: &mut impl FnMut(&MessageExt) -> Result<bool>,
    found: &mut Found,
) -> Result<()> {
    let what = || format!("cannot search topic '{topic}'");
    let puller = Puller::new(admin.client().clone());
    let all = puller.queues(topic).await;
    let mut chosen = all.map_err(|e| CliError::client(what(), &e))?;
    for (broker, id) in queues {
        let exists = chosen
            .iter()
            .any(|queue| queue.broker_name == *broker && queue.queue_id == *id);
        if !exists {
            let error = CliError::not_found(format!("topic '{topic}' has no queue {broker}:{id}"));
            return Err(error.hint(format!("see mq topic stats {topic}")));
        }
    }
    chosen.retain(|queue| {
        let mut queues = queues.iter();
        queues.len() == 0
            || queues.any(|(broker, id)| *broker == queue.broker_name && *id == queue.queue_id)
    });
    let tags = select.tags()?;
    let search = Search {
        queues: chosen,
        from_ms: select.from.map(Time::epoch_ms),
        to_ms: select.to.map(Time::epoch_ms),
        expression: select.expression()?,
    };
    let queues = search.queues.len();
    let bar = progress::messages(Some(0), "read");
    let mut searching = search.start(&puller);
    let mut count = 0;
    let mut failures = Vec::new();
    while let Some(news) = searching.next().await {
        match news {
            News::Begun(messages) => bar.inc_length(messages),
            News::Passed(messages) => bar.inc(messages),
            News::Failed(queue, error) => failures.push((queue, error)),
            News::Found(message) if select.accepts(&tags, &message) => {
                count += 1;
                let kept = bar.suspend(|| each(&message));
                if kept? {
                    found.messages.push(*message);
                }
                if select.max == Some(count) {
                    break;
                }
            }
            News::Found(_) => {}
        }
    }
    bar.finish_and_clear();
    if failures.len() == queues
        && let Some((_, error)) = failures.first()
    {
        return Err(failed(what(), error));
    }
    let lines = failures
        .into_iter()
        .map(|(queue, error)| format!("{}:{}: {error}", queue.broker_name, queue.queue_id));
    found.missing.extend(lines);
    Ok(())
}

/// Why nothing could be searched, with what helps.
pub(crate) fn failed(what: String, error: &ClientError) -> CliError {
    let failed = CliError::client(what, error);
    match error {
        ClientError::Refused { remark, .. } if remark.contains("by SQL92") => failed.hint(
            "conditions need enablePropertyFilter=true in the broker's configuration; --tag, --key and --body do not",
        ),
        _ => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_what_is_not_narrowed_down() {
        assert!(Select::default().is_everything());
        assert!(
            Select {
                max: Some(1),
                ..Select::default()
            }
            .is_everything()
        );
        assert!(
            !Select {
                id: vec!["x".to_owned()],
                ..Select::default()
            }
            .is_everything()
        );
    }
}
