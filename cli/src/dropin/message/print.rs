//! The messages of a topic or queue, read from one offset or time to another.

use std::collections::BTreeMap;

use client::message::MessageExt;
use client::pull::{PullResult, PullStatus, Puller};
use client::{ClientError, Expression};
use encoding_rs::{Encoding, UTF_8};
use remoting::protocol::body::queue_map::MessageQueue;

use super::{charset, decode};
use crate::dropin::offset::epoch_ms;
use crate::dropin::{Call, java, out};
use crate::error::{CliError, Exit, Result};

/// The part of a queue to read: from the first to before the last offset.
async fn range(
    puller: &Puller,
    queue: &MessageQueue,
    begin: Option<&str>,
    end: Option<&str>,
) -> Result<(i64, i64)> {
    let failed = |e: &ClientError| {
        CliError::client(
            format!("cannot read the range of {}", java::queue(queue)),
            e,
        )
    };
    let min = match begin.filter(|begin| !begin.is_empty()) {
        Some(time) => puller.offset_by_time(queue, epoch_ms(time)?).await,
        None => puller.min_offset(queue).await,
    };
    let max = match end.filter(|end| !end.is_empty()) {
        Some(time) => puller.offset_by_time(queue, epoch_ms(time)?).await,
        None => puller.max_offset(queue).await,
    };
    Ok((min.map_err(|e| failed(&e))?, max.map_err(|e| failed(&e))?))
}

fn print_message(
    call: &Call<'_>,
    message: &MessageExt,
    charset: Option<&'static Encoding>,
) -> Result<()> {
    let body = charset.map_or_else(
        || "NOT PRINT BODY".to_owned(),
        |charset| decode(charset, &message.body),
    );
    out!(
        call,
        "MSGID: {} {} BODY: {body}\n",
        message.message_id(),
        java::message(message, call.generation)
    );
    Ok(())
}

fn expression(call: &Call<'_>) -> Result<Expression> {
    Expression::tags(call.get("s").unwrap_or("*"))
        .map_err(|e| CliError::client("cannot filter", &e))
}

/// Reads messages, and notes the range of the queue in each, as Apache's consumers do.
pub(super) async fn pull(
    puller: &Puller,
    queue: &MessageQueue,
    offset: i64,
    max: i32,
    expression: &Expression,
) -> Result<PullResult, ClientError> {
    let mut pulled = puller.pull(queue, offset, max, expression).await?;
    for message in &mut pulled.messages {
        let range = [
            ("MIN_OFFSET", pulled.min_offset),
            ("MAX_OFFSET", pulled.max_offset),
        ];
        let range = range.map(|(name, offset)| (name.to_owned(), offset.to_string()));
        message.properties.extend(range);
    }
    Ok(pulled)
}

/// Messages of a pull.
const BATCH: i32 = 32;

pub(super) async fn print_topic(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let charset = charset(call.get("c").unwrap_or("UTF-8"))?;
    let with_body = call.is_true("d").unwrap_or(true);
    let expression = expression(call)?;
    let puller = Puller::new(call.client().clone());
    let route_of = call.get("l").unwrap_or(topic);
    // Says what is near when there is no such topic.
    call.route(route_of).await?;
    let queues = puller.queues(route_of).await;
    let mut queues =
        queues.map_err(|e| CliError::client(format!("cannot find topic '{route_of}'"), &e))?;
    for queue in &mut queues {
        topic.clone_into(&mut queue.topic);
        let name = java::queue(queue);
        let (min, max) = range(&puller, queue, call.get("b"), call.get("e")).await?;
        out!(call, "minOffset={min}, maxOffset={max}, {name}\n");
        let mut offset = min;
        while offset < max {
            let pulled = pull(&puller, queue, offset, BATCH, &expression).await;
            let pulled = pulled.map_err(|e| CliError::client(format!("cannot read {name}"), &e))?;
            let stuck = pulled.next_begin_offset <= offset;
            offset = pulled.next_begin_offset;
            match pulled.status {
                PullStatus::Found => {
                    for message in &pulled.messages {
                        print_message(call, message, with_body.then_some(charset))?;
                    }
                }
                PullStatus::NoMatchedMessage => {
                    out!(
                        call,
                        "{name} no matched msg. status=NO_MATCHED_MSG, offset={offset}\n"
                    );
                }
                status => {
                    let status = status_name(status);
                    out!(
                        call,
                        "{name} print msg finished. status={status}, offset={offset}\n"
                    );
                    break;
                }
            }
            if stuck {
                break;
            }
        }
        out!(call, "{}\n", "-".repeat(56));
    }
    Ok(Exit::Done)
}

fn status_name(status: PullStatus) -> &'static str {
    match status {
        PullStatus::Found => "FOUND",
        PullStatus::NoNewMessage => "NO_NEW_MSG",
        PullStatus::NoMatchedMessage => "NO_MATCHED_MSG",
        PullStatus::OffsetIllegal => "OFFSET_ILLEGAL",
    }
}

pub(super) async fn print_queue(call: &Call<'_>) -> Result<Exit> {
    let charset = charset(call.get("c").unwrap_or("UTF-8"))?;
    let is_true = |key| call.is_true(key).unwrap_or(false);
    let (print, with_body, count) = (is_true("p"), is_true("d"), is_true("f"));
    let expression = expression(call)?;
    let queue = MessageQueue {
        broker_name: call.text("a").to_owned(),
        queue_id: call.number("i")?.unwrap_or_default(),
        topic: call.text("t").to_owned(),
    };
    let puller = Puller::new(call.client().clone());
    let (mut offset, max) = range(&puller, &queue, call.get("b"), call.get("e")).await?;
    let mut tags: BTreeMap<String, u64> = BTreeMap::new();
    while offset < max {
        let pulled = pull(&puller, &queue, offset, BATCH, &expression).await;
        let pulled = pulled
            .map_err(|e| CliError::client(format!("cannot read {}", java::queue(&queue)), &e))?;
        let ended = matches!(
            pulled.status,
            PullStatus::NoNewMessage | PullStatus::OffsetIllegal
        );
        if ended || pulled.next_begin_offset <= offset {
            break;
        }
        offset = pulled.next_begin_offset;
        for message in &pulled.messages {
            if let Some(tag) = message.tags().filter(|tag| !tag.trim().is_empty()) {
                *tags.entry(tag.to_owned()).or_default() += 1;
            }
            if print {
                print_message(call, message, with_body.then_some(charset))?;
            }
        }
    }
    if count {
        let mut tags: Vec<(String, u64)> = tags.into_iter().collect();
        tags.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (tag, count) in tags {
            out!(call, "Tag: {tag:<30} Count: {count}\n");
        }
    }
    Ok(Exit::Done)
}

pub(super) async fn consume(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let count: i64 = call.number("c")?.unwrap_or(128);
    if count <= 0 {
        return call.misses("Please input a positive messageNumber!");
    }
    if call.has("i") && !call.has("b") {
        return call.misses("Please set the brokerName before queueId!");
    }
    if call.has("o") && !call.has("i") {
        return call.misses("Please set queueId before offset!");
    }
    let mut puller = Puller::new(call.client().clone());
    if let Some(group) = call.get("g") {
        puller = puller.in_group(group);
    }
    call.route(topic).await?;
    let queues = puller.queues(topic).await;
    let mut queues =
        queues.map_err(|e| CliError::client(format!("cannot find topic '{topic}'"), &e))?;
    if let Some(broker) = call.get("b") {
        queues.retain(|queue| queue.broker_name == broker);
    }
    if let Some(id) = call.number::<i32>("i")? {
        queues.retain(|queue| queue.queue_id == id);
    }
    if queues.is_empty() {
        return Err(CliError::not_found(format!(
            "topic '{topic}' has no such queue"
        )));
    }
    let first: i64 = call.number("o")?.unwrap_or(0);
    let mut left = count;
    for queue in &queues {
        let (min, max) = range(&puller, queue, call.get("s"), call.get("e")).await?;
        let begin = min.max(first);
        // To the end of the queue, which is asked for more, or as far as messages are wanted.
        let mut last = max;
        if max - begin > left {
            let queue = if call.has("i") {
                String::new()
            } else {
                format!(" of the {} queue", queue.queue_id)
            };
            let word = if call.has("i") { "oldler" } else { "older" };
            out!(call, "The {word} {left} message{queue} will be provided\n");
            last = begin + left - 1;
        }
        left -= read(call, &puller, queue, begin, last).await?;
        if left == 0 {
            break;
        }
    }
    Ok(Exit::Done)
}

/// Prints the messages from `begin` to `last`; returns how many.
async fn read(
    call: &Call<'_>,
    puller: &Puller,
    queue: &MessageQueue,
    begin: i64,
    last: i64,
) -> Result<i64> {
    let name = java::queue(queue);
    let (mut offset, mut count) = (begin, 0);
    while offset <= last {
        let wanted = i32::try_from(last - offset + 1)
            .unwrap_or(i32::MAX)
            .min(BATCH);
        let pulled = pull(puller, queue, offset, wanted, &Expression::all()).await;
        let pulled = pulled.map_err(|e| CliError::client(format!("cannot read {name}"), &e))?;
        let status = status_name(pulled.status);
        let next = pulled.next_begin_offset;
        match pulled.status {
            PullStatus::Found => {
                out!(call, "Consume ok\n");
                for message in &pulled.messages {
                    print_message(call, message, Some(UTF_8))?;
                    count += 1;
                }
            }
            PullStatus::NoMatchedMessage => {
                out!(
                    call,
                    "{name} no matched msg. status={status}, offset={next}\n"
                );
            }
            PullStatus::NoNewMessage | PullStatus::OffsetIllegal => {
                out!(
                    call,
                    "{name} print msg finished. status={status}, offset={next}\n"
                );
                break;
            }
        }
        if next <= offset {
            break;
        }
        offset = next;
    }
    Ok(count)
}
