//! Offsets of groups: moving them, copying them.

use client::ClientError;
use client::names::RETRY_PREFIX;
use jiff::Timestamp;
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::body::stats::OffsetWrapper;
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::headers::client::ResetOffsetRequestHeader;

use super::options::{ROUTE_OF, TOPIC, flag, req, val};
use super::{Call, Generation, Verb, asking, java, out, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "resetOffsetByTime",
        "Let a group go on with messages of another time",
        reset,
        [
            req("g", "group", "consumer group name"),
            TOPIC,
            req(
                "s",
                "timestamp",
                "now, milliseconds since 1970, or yyyy-MM-dd#HH:mm:ss:SSS"
            ),
            val(
                "f",
                "force",
                "forward too, not only back; true unless given (true|false)"
            ),
            flag("c", "cplus", "its clients are of the C++ client").only(Generation::Four),
            ROUTE_OF.only(Generation::Five),
            val("b", "broker", "only on the broker at this address"),
            val("q", "queue", "only in this queue of that broker"),
            val(
                "o",
                "offset",
                "to this offset of that queue, whatever the time"
            ),
        ]
    ),
    verb!(
        "skipAccumulatedMessage",
        "Let a group go on after the last message",
        skip,
        [
            req("g", "group", "consumer group name"),
            TOPIC,
            val("f", "force", "true unless given (true|false)"),
            ROUTE_OF,
        ]
    ),
    verb!(
        "cloneGroupOffset",
        "Let a group go on where another one is",
        clone,
        [
            req("s", "srcGroup", "the group that is there"),
            req("d", "destGroup", "the group to move"),
            TOPIC,
            val(
                "o",
                "offline",
                "taken for old scripts; brokers do not look at it"
            ),
        ]
    ),
];

/// After the last message.
const LATEST: i64 = -1;

/// A time as these tools take it: numbers are milliseconds.
pub(super) fn epoch_ms(text: &str) -> Result<i64> {
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    crate::time::parse_now(text)
        .map(crate::time::Time::epoch_ms)
        .map_err(|problem| CliError::usage(format!("time '{text}': {problem}")))
}

async fn reset(call: &Call<'_>) -> Result<Exit> {
    let (group, topic, text) = (call.text("g"), call.text("t"), call.text("s"));
    let timestamp = match (text, call.generation) {
        ("now", Generation::Four) => LATEST,
        ("now", Generation::Five) => Timestamp::now().as_millisecond(),
        _ => epoch_ms(text)?,
    };
    let force = call.is_true("f").unwrap_or(true);
    if let (Some(address), Some(queue_id)) = (call.get("b"), call.number("q")?) {
        let queue = MessageQueue {
            broker_name: String::new(),
            queue_id,
            topic: topic.to_owned(),
        };
        return reset_queue(call, address, &queue, timestamp).await;
    }
    let ([by_tool, by_members], column) = match call.generation {
        Generation::Four => (
            [
                "rollback consumer offset by specified consumerGroup",
                "rollback consumer offset by specified group",
            ],
            ROLLBACK,
        ),
        Generation::Five => (
            [
                "reset consumer offset by specified consumerGroup",
                "start reset consumer offset by specified, group",
            ],
            "#resetOffset",
        ),
    };
    let what = format!(
        "[{group}], topic[{topic}], force[{force}], timestamp(string)[{text}], timestamp(long)[{timestamp}]"
    );
    let Some(offsets) = reset_members(call, timestamp, force).await? else {
        out!(call, "{by_tool}{what}\n");
        return reset_offline(call, timestamp, force, column).await;
    };
    out!(call, "{by_members}{what}\n");
    print_offsets(call, &offsets)
}

async fn skip(call: &Call<'_>) -> Result<Exit> {
    let force = call.is_true("f").unwrap_or(true);
    match reset_members(call, LATEST, force).await? {
        Some(offsets) => print_offsets(call, &offsets),
        None => reset_offline(call, LATEST, force, ROLLBACK).await,
    }
}

/// One queue, whether the group has members or not.
async fn reset_queue(
    call: &Call<'_>,
    address: &str,
    queue: &MessageQueue,
    timestamp: i64,
) -> Result<Exit> {
    let (group, topic, text) = (call.text("g"), &queue.topic, call.text("s"));
    let queue_id = queue.queue_id;
    out!(
        call,
        "start reset consumer offset by specified, group[{group}], topic[{topic}], queueId[{queue_id}], \
         broker[{address}], timestamp(string)[{text}], timestamp(long)[{timestamp}]\n"
    );
    let failed =
        |e: &ClientError| CliError::client(format!("cannot move queue {queue_id} at {address}"), e);
    let offset = match call.number("o")? {
        Some(offset) => offset,
        None => {
            let boundary = boundary(call.generation);
            let found = call
                .admin
                .offset_by_time(address, queue, timestamp, boundary);
            found.await.map_err(|e| failed(&e))?
        }
    };
    out!(call, "reset consumer offset to {offset}\n");
    let put = call.admin.put_offset(address, group, queue, offset).await;
    put.map_err(|e| failed(&e))?;
    let told = call.admin.reset_queue(address, group, queue, offset).await;
    match told {
        Ok(()) => Ok(Exit::Done),
        // Nobody to tell.
        Err(error) if error.code() == Some(ResponseCode::CONSUMER_NOT_ONLINE) => Ok(Exit::Done),
        Err(error) => Err(failed(&error)),
    }
}

/// Where the brokers told the members to go on; `None` if there are no members.
async fn reset_members(
    call: &Call<'_>,
    timestamp: i64,
    force: bool,
) -> Result<Option<Vec<(MessageQueue, i64)>>> {
    let (group, topic) = (call.text("g"), call.text("t"));
    // With 4.9's letter -c the clients are C++ ones; with 5.x's it names a topic.
    let cpp = call.generation == Generation::Four
        && call.has("c")
        && call.verb.name == "resetOffsetByTime";
    let route = call
        .route(call.get("c").filter(|_| !cpp).unwrap_or(topic))
        .await?;
    let header = ResetOffsetRequestHeader {
        topic: topic.to_owned(),
        group: group.to_owned(),
        timestamp,
        is_force: force,
        queue_id: None,
        offset: None,
    };
    let mut offsets = Vec::new();
    for address in asking::one_address_each(&route) {
        let told = if cpp {
            call.admin.reset_cpp_members(&address, &header).await
        } else {
            call.admin.reset_members(&address, &header).await
        };
        match told {
            Ok(answer) => offsets.extend(answer.offset_table.0),
            Err(error) if error.code() == Some(ResponseCode::CONSUMER_NOT_ONLINE) => {
                return Ok(None);
            }
            Err(error) => {
                let what = format!("cannot move group '{group}' at {address}");
                return Err(CliError::client(what, &error));
            }
        }
    }
    Ok(Some(offsets))
}

fn print_offsets(call: &Call<'_>, offsets: &[(MessageQueue, i64)]) -> Result<Exit> {
    out!(
        call,
        "{:<40}  {:<40}  {:<40}\n",
        "#brokerName",
        "#queueId",
        "#offset"
    );
    for (queue, offset) in offsets {
        let broker = java::cut(&queue.broker_name, 32);
        out!(call, "{broker:<40}  {:<40}  {offset:<40}\n", queue.queue_id);
    }
    Ok(Exit::Done)
}

/// The column of offsets where a group goes on.
const ROLLBACK: &str = "#rollbackOffset";

/// Moves the offsets of a group that has no members, queue by queue.
async fn reset_offline(call: &Call<'_>, timestamp: i64, force: bool, column: &str) -> Result<Exit> {
    let (group, topic) = (call.text("g"), call.text("t"));
    out!(
        call,
        "{:<20}  {:<20}  {:<20}  {:<20}  {:<20}  {:<20}\n",
        "#brokerName",
        "#queueId",
        "#brokerOffset",
        "#consumerOffset",
        "#timestampOffset",
        column
    );
    let route = call.route(topic).await?;
    call.each(
        asking::one_address_each(&route),
        &format!("move group '{group}'"),
        |admin, address| {
            let reset = Reset {
                group: group.to_owned(),
                topic: topic.to_owned(),
                timestamp,
                force,
                boundary: boundary(call.generation),
            };
            async move { reset.on(&admin, &address).await }
        },
        |_, moved| {
            for Moved {
                queue,
                was,
                found,
                is,
            } in moved
            {
                out!(
                    call,
                    "{:<20}  {:<20}  {:<20}  {:<20}  {found:<20}  {is:<20}\n",
                    java::cut(&queue.broker_name, 32),
                    queue.queue_id,
                    was.broker_offset,
                    was.consumer_offset,
                );
            }
            Ok(())
        },
    )
    .await
}

/// What became of a queue.
struct Moved {
    queue: MessageQueue,
    was: OffsetWrapper,
    /// Where the time is.
    found: i64,
    /// Where the group goes on.
    is: i64,
}

/// Tools of 5.x go on at the first message since a time; those of 4.9 leave the choice to the broker.
fn boundary(generation: Generation) -> Option<&'static str> {
    (generation == Generation::Five).then_some("LOWER")
}

/// Where a group without members is to go on.
struct Reset {
    group: String,
    topic: String,
    timestamp: i64,
    force: bool,
    boundary: Option<&'static str>,
}

impl Reset {
    async fn on(&self, admin: &client::Admin, address: &str) -> Result<Vec<Moved>, ClientError> {
        let Self {
            group,
            topic,
            timestamp,
            force,
            boundary,
        } = self;
        let stats = admin.consume_stats(address, group, None).await?;
        let mut queues: Vec<(MessageQueue, OffsetWrapper)> = stats
            .offset_table
            .0
            .into_iter()
            .filter(|(queue, _)| queue.topic == *topic)
            .collect();
        if queues.is_empty() {
            // It has never consumed the topic: all queues, from their first message on.
            let ranges = admin.topic_stats(address, topic).await?.offset_table.0;
            let start =
                |(queue, range): (MessageQueue, remoting::protocol::body::stats::TopicOffset)| {
                    let was = OffsetWrapper {
                        broker_offset: range.max_offset,
                        consumer_offset: range.min_offset,
                        ..OffsetWrapper::default()
                    };
                    (queue, was)
                };
            queues = ranges.into_iter().map(start).collect();
        }
        let mut moved = Vec::new();
        for (queue, was) in queues {
            let found = match *timestamp {
                LATEST => was.broker_offset,
                time => {
                    let found = admin.offset_by_time(address, &queue, time, *boundary);
                    found.await?
                }
            };
            let mut is = was.consumer_offset;
            if *force || found <= is {
                is = found;
                admin.put_offset(address, group, &queue, is).await?;
            }
            moved.push(Moved {
                queue,
                was,
                found,
                is,
            });
        }
        Ok(moved)
    }
}

async fn clone(call: &Call<'_>) -> Result<Exit> {
    let (from, to, topic) = (call.text("s"), call.text("d"), call.text("t"));
    let addresses = call.group_addresses(from).await?;
    let (stats, exit) = call.consume_stats(addresses, from, None).await?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    let route = call.route(topic).await?;
    let retry = format!("{RETRY_PREFIX}{from}");
    for (queue, offsets) in &stats.offset_table.0 {
        // Its retries are its own; other topics are copied as well, as Apache does.
        let broker = route
            .broker_datas
            .iter()
            .find(|b| b.broker_name == queue.broker_name);
        let address = broker.and_then(|broker| broker.broker_addrs.first_key_value());
        let Some((_, address)) = address else {
            continue;
        };
        if queue.topic == retry || offsets.consumer_offset < 0 {
            continue;
        }
        let put = call
            .admin
            .put_offset(address, to, queue, offsets.consumer_offset)
            .await;
        put.map_err(|e| CliError::client(format!("cannot move group '{to}' at {address}"), &e))?;
    }
    out!(
        call,
        "clone group offset success. srcGroup[{from}], destGroup=[{to}], topic[{topic}]"
    );
    Ok(Exit::Done)
}
