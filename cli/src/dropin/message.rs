//! Messages: found by id, key and place, printed, sent, pushed to one consumer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use client::admin::{Broker, KeyQuery};
use client::message::{Message, MessageExt};
use client::names::RETRY_PREFIX;
use client::producer::Producer;
use client::pull::{PullResult, PullStatus, Puller};
use client::trace::TRACE_TOPIC;
use client::{ClientError, Expression, fan_out};
use encoding_rs::{Encoding, UTF_8};
use jiff::Timestamp;
use remoting::protocol::body::client::ConsumeMessageDirectlyResult;
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::message::id::decode_offset_message_id;
use remoting::protocol::message::properties;

use super::broker::send_result;
use super::offset::epoch_ms;
use super::options::{Opt, flag, req, val};
use super::trace::{self, Kind, Trace};
use super::{Call, Generation, Verb, asking, java, out, verb};
use crate::error::{CliError, Exit, Result};

const TOPIC: Opt = req("t", "topic", "topic name");
const ROUTE_OF: Opt = val(
    "c",
    "cluster",
    "find the brokers by the route of this topic (LMQ parent)",
);
const CHARSET: Opt = val(
    "c",
    "charsetName ",
    "character set of the bodies, UTF-8 unless given",
);
const TAGS: Opt = val("s", "subExpression ", "only these tags: a || b");
const SINCE: Opt = val(
    "b",
    "beginTimestamp ",
    "stored since: milliseconds since 1970, or yyyy-MM-dd#HH:mm:ss:SSS",
);
const UNTIL: Opt = val(
    "e",
    "endTimestamp ",
    "stored up to: milliseconds since 1970, or yyyy-MM-dd#HH:mm:ss:SSS",
);

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "queryMsgById",
        "Show messages by id; push them to a consumer or send them again",
        by_id,
        [
            req("i", "msgId", "ids, separated by commas"),
            val("t", "topic", "topic name, for ids of clients"),
            val(
                "g",
                "consumerGroup",
                "push them to a consumer of this group"
            ),
            val("d", "clientId", "the client to push them to"),
            val("s", "sendMessage", "send them again (true|false)"),
            val("u", "unitName", "name of the unit to send them to"),
            val("f", "bodyFormat", "print the bodies, in this character set"),
            ROUTE_OF,
        ]
    ),
    verb!(
        "queryMsgByKey",
        "Find messages by key",
        by_key,
        [
            TOPIC,
            req("k", "msgKey", "the key"),
            val(
                "b",
                "beginTimestamp",
                "stored since, in milliseconds since 1970"
            ),
            val(
                "e",
                "endTimestamp",
                "stored up to, in milliseconds since 1970"
            ),
            val("m", "maxNum", "at most so many, 64 unless given"),
            ROUTE_OF,
        ]
    ),
    verb!(
        "queryMsgByUniqueKey",
        "Show a message by the id that its producer gave",
        by_unique_key,
        [
            TOPIC,
            req("i", "msgId", "the id"),
            flag(
                "a",
                "showAll",
                "all messages with that id, not only the first"
            ),
            val("g", "consumerGroup", "push it to a consumer of this group"),
            val("d", "clientId", "the client to push it to"),
            ROUTE_OF,
        ]
    ),
    verb!(
        "queryMsgByOffset",
        "Show the message at a place of a queue",
        by_offset,
        [
            TOPIC,
            req("b", "brokerName", "name of the broker"),
            req("i", "queueId", "number of the queue"),
            req("o", "offset", "offset in the queue"),
            val("f", "bodyFormat", "print the body, in this character set"),
        ]
    ),
    verb!(
        "queryMsgTraceById",
        "Show who sent and who consumed a message, where clients trace it",
        trace_of,
        [
            req("i", "msgId", "the id that its producer gave"),
            val("t", "traceTopic", "topic that the traces are in"),
            val(
                "b",
                "beginTimestamp",
                "traces stored since, in milliseconds since 1970"
            ),
            val(
                "e",
                "endTimestamp",
                "traces stored up to, in milliseconds since 1970"
            ),
            val("c", "maxNum", "at most so many, 64 unless given"),
        ]
    ),
    verb!(
        "printMsg",
        "Print the messages of a topic",
        print_topic,
        [
            TOPIC,
            CHARSET,
            TAGS,
            SINCE,
            UNTIL,
            val("d", "printBody ", "with the bodies, unless false"),
            val(
                "l",
                "lmqParentTopic",
                "find the queues by the route of this topic"
            ),
        ]
    ),
    verb!(
        "printMsgByQueue",
        "Print the messages of a queue, or count them by tag",
        print_queue,
        [
            TOPIC,
            req("a", "brokerName ", "name of the broker"),
            req("i", "queueId ", "number of the queue"),
            CHARSET,
            TAGS,
            SINCE,
            UNTIL,
            val("p", "print msg", "print the messages (true|false)"),
            val("d", "printBody ", "with the bodies (true|false)"),
            val("f", "calculate", "count them by tag (true|false)"),
        ]
    ),
    verb!(
        "consumeMessage",
        "Read messages without committing anything",
        consume,
        [
            TOPIC,
            val("g", "consumerGroup", "in the name of this group"),
            val("b", "brokerName", "from this broker"),
            val("i", "queueId", "from this queue of the broker"),
            val("o", "offset", "from this offset of the queue on"),
            val(
                "s",
                "beginTimestamp ",
                "stored since: milliseconds since 1970, or yyyy-MM-dd#HH:mm:ss:SSS"
            ),
            UNTIL,
            val("c", "MessageNumber", "so many, 128 unless given"),
        ]
    ),
    verb!(
        "sendMessage",
        "Send a message",
        send,
        [
            TOPIC,
            req("p", "body", "the body, as UTF-8"),
            val("k", "key", "its keys"),
            val("c", "tags", "its tag"),
            val("b", "broker", "to this broker"),
            val("i", "qid", "to this queue of the broker"),
            val("m", "msgTraceEnable", "trace it (true|false)"),
        ]
    ),
    verb!(
        "checkMsgSendRT",
        "Measure how long sends to a topic take",
        send_times,
        [
            TOPIC,
            val("a", "amount", "so many messages, 100 unless given"),
            val("s", "size", "size of a message in bytes, 128 unless given"),
        ]
    ),
];

/// The character set that was asked for.
fn charset(name: &str) -> Result<&'static Encoding> {
    Encoding::for_label(name.as_bytes())
        .ok_or_else(|| CliError::usage(format!("there is no character set '{name}'")))
}

fn decode(charset: &'static Encoding, bytes: &[u8]) -> String {
    charset.decode_without_bom_handling(bytes).0.into_owned()
}

/// The masters behind a topic, as brokers to be asked.
async fn masters(call: &Call<'_>, topic: &str) -> Result<Vec<Broker>> {
    let route = call.route(topic).await?;
    let broker = |data: &remoting::protocol::body::topic::BrokerData| {
        let (id, address) = data.broker_addrs.first_key_value()?;
        Some(Broker {
            cluster: data.cluster.clone(),
            name: data.broker_name.clone(),
            id: *id,
            address: address.clone(),
        })
    };
    Ok(route.broker_datas.iter().filter_map(broker).collect())
}

/// Messages that the brokers of a topic find by key, the oldest first, and how the asking ended.
async fn find(
    call: &Call<'_>,
    route_of: &str,
    query: &KeyQuery,
) -> Result<(Vec<MessageExt>, Exit)> {
    let brokers = masters(call, route_of).await?;
    let answers = fan_out::all(brokers.clone(), |broker| {
        let (admin, query) = (call.admin.clone(), query.clone());
        async move { admin.messages_by_key(&broker, &query).await }
    });
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for (broker, answer) in brokers.iter().zip(answers.await) {
        match answer {
            Ok(answer) => found.extend(answer.messages),
            Err(error) => {
                let what = format!(
                    "cannot look for messages on {} ({})",
                    broker.name, broker.address
                );
                failures.push(CliError::client(what, &error));
            }
        }
    }
    found.sort_by_key(|message| message.store_timestamp);
    found.truncate(query.enough);
    let exit = call.verdict(brokers.len() - failures.len(), &failures);
    Ok((found, exit))
}

/// A message by either kind of id, and the address of a broker that has it.
async fn message(call: &Call<'_>, id: &str) -> Result<MessageExt> {
    let not_found = || CliError::not_found(format!("there is no message '{id}'"));
    if let Ok((host, offset)) = decode_offset_message_id(id) {
        let address = host.to_string();
        let brokers = call.brokers().await.unwrap_or_default();
        let name = brokers.iter().find(|broker| broker.address == address);
        let name = name.map_or("", |broker| &broker.name);
        let at = call.admin.message_at(&address, name, offset).await;
        match (at, call.get("t")) {
            (Ok(Some(message)), _) => return Ok(message),
            // Ids of clients may look like places.
            (_, Some(_)) => {}
            (Ok(None), None) => return Err(not_found()),
            (Err(error), None) => {
                let what = format!("cannot read message '{id}' at {address}");
                return Err(CliError::client(what, &error)
                    .hint("is it the id of a client? Then give its topic with -t"));
            }
        }
    }
    let Some(topic) = call.get("t") else {
        return Err(CliError::usage(format!(
            "'{id}' is the id of a client: give its topic with -t"
        )));
    };
    let query = KeyQuery {
        enough: 32,
        ..KeyQuery::all(topic, id, true)
    };
    let (found, _) = find(call, call.get("c").unwrap_or(topic), &query).await?;
    found.into_iter().next().ok_or_else(not_found)
}

async fn by_id(call: &Call<'_>) -> Result<Exit> {
    let ids = call
        .text("i")
        .split(',')
        .map(str::trim)
        .filter(|id| !id.is_empty());
    let mut worst = Exit::Done;
    for id in ids {
        let done = match (call.get("g"), call.get("d"), call.is_true("s")) {
            (Some(group), Some(client), _) => match message(call, id).await {
                Ok(message) => push(call, group, client, &message).await,
                Err(error) => Err(error),
            },
            (_, _, Some(true)) => resend(call, id).await,
            (_, _, Some(false)) => Ok(Exit::Done),
            (_, _, None) => match message(call, id).await {
                Ok(message) => show(call, &message, true, None).await,
                Err(error) => Err(error),
            },
        };
        // The others are shown all the same.
        let exit = done.unwrap_or_else(|error| call.output.error(&error));
        if exit != Exit::Done {
            worst = exit;
        }
    }
    Ok(worst)
}

/// Lets one consumer consume a message now.
async fn push(call: &Call<'_>, group: &str, client: &str, message: &MessageExt) -> Result<Exit> {
    let address = message.store_host.to_string();
    let brokers = call.brokers().await?;
    let broker = brokers.into_iter().find(|broker| broker.address == address);
    let broker = broker.unwrap_or_else(|| Broker {
        cluster: String::new(),
        name: message.queue.broker_name.clone(),
        id: 0,
        address,
    });
    let id = &message.offset_message_id;
    let result = call
        .admin
        .consume_directly(&broker, group, client, id)
        .await;
    let result = result
        .map_err(|e| CliError::client(format!("cannot push message '{id}' to {client}"), &e))?;
    let ConsumeMessageDirectlyResult {
        order,
        auto_commit,
        consume_result,
        remark,
        spent_time_mills,
    } = &result;
    out!(
        call,
        "ConsumeMessageDirectlyResult [order={order}, autoCommit={auto_commit}, consumeResult={consume_result}, \
         remark={}, spentTimeMills={spent_time_mills}]",
        java::or_null(remark.as_ref())
    );
    Ok(match consume_result.as_str() {
        "CR_SUCCESS" | "CR_COMMIT" => Exit::Done,
        _ => Exit::Failed,
    })
}

/// What brokers and producers put into the properties themselves.
const SYSTEM_PROPERTIES: [&str; 6] = [
    properties::KEYS,
    properties::TAGS,
    properties::UNIQUE_KEY,
    properties::WAIT,
    properties::DELAY,
    properties::CLUSTER,
];

async fn resend(call: &Call<'_>, id: &str) -> Result<Exit> {
    let found = message(call, id).await?;
    out!(call, "prepare resend msg. originalMsgId={id}");
    let mut again = Message::new(found.topic.as_str(), found.body.clone());
    again.tags = found.tags().map(str::to_owned);
    again.keys = found
        .keys()
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    again.flag = found.flag;
    again.properties = found.properties.clone();
    again
        .properties
        .retain(|name, _| !SYSTEM_PROPERTIES.contains(&name.as_str()));
    let failed = |e: &ClientError| CliError::client(format!("cannot send message '{id}' again"), e);
    // A unit's clients are told apart by what stands behind the `@` of their id.
    let group = "ReSendMsgById";
    let client = match call.get("u") {
        Some(unit) => call.client_of_unit(unit)?,
        None => call.client().clone(),
    };
    let producer = Producer::new(client, group).map_err(|e| failed(&e))?;
    let result = producer.send(&again).await.map_err(|e| failed(&e))?;
    producer.close().await;
    out!(call, "{}", send_result(&result));
    Ok(Exit::Done)
}

async fn by_key(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let query = KeyQuery {
        from_ms: call.number("b")?.unwrap_or(0),
        to_ms: call.number("e")?.unwrap_or(i64::MAX),
        enough: call.number("m")?.unwrap_or(64),
        ..KeyQuery::all(topic, call.text("k"), false)
    };
    let (found, exit) = find(call, call.get("c").unwrap_or(topic), &query).await?;
    out!(
        call,
        "{:<50} {:>4} {:>40}\n",
        "#Message ID",
        "#QID",
        "#Offset"
    );
    for message in &found {
        out!(
            call,
            "{:<50} {:>4} {:>40}\n",
            message.message_id(),
            message.queue.queue_id,
            message.queue_offset
        );
    }
    Ok(if found.is_empty() && exit == Exit::Done {
        Exit::NotFound
    } else {
        exit
    })
}

async fn by_unique_key(call: &Call<'_>) -> Result<Exit> {
    let (topic, id) = (call.text("t"), call.text("i"));
    if let (Some(group), Some(client)) = (call.get("g"), call.get("d")) {
        let message = message(call, id).await?;
        return push(call, group, client, &message).await;
    }
    let query = KeyQuery {
        enough: 32,
        ..KeyQuery::all(topic, id, true)
    };
    let (mut found, exit) = find(call, call.get("c").unwrap_or(topic), &query).await?;
    if found.is_empty() && exit == Exit::Done {
        return Err(CliError::not_found(format!(
            "there is no message '{id}' in topic '{topic}'"
        )));
    }
    if !call.has("a") {
        found.truncate(1);
    }
    for (index, message) in found.iter().enumerate() {
        show(call, message, false, Some(index)).await?;
    }
    Ok(exit)
}

async fn by_offset(call: &Call<'_>) -> Result<Exit> {
    let queue = MessageQueue {
        broker_name: call.text("b").to_owned(),
        queue_id: call.number("i")?.unwrap_or_default(),
        topic: call.text("t").to_owned(),
    };
    let offset: i64 = call.number("o")?.unwrap_or_default();
    let puller = Puller::new(call.client().clone());
    let failed =
        |e: &ClientError| CliError::client(format!("cannot read {}", java::queue(&queue)), e);
    let pulled = pull(&puller, &queue, offset, 1, &Expression::all()).await;
    match pulled.map_err(|e| failed(&e))?.messages.first() {
        Some(message) => show(call, message, true, None).await,
        None => Err(CliError::not_found(format!(
            "there is no message at offset {offset} of {}",
            java::queue(&queue)
        ))),
    }
}

/// Where bodies are put, as Apache does.
const BODIES: &str = "/tmp/rocketmq/msgbodys";

/// Prints a message, puts its body into a file, and tells which groups have come past it.
async fn show(
    call: &Call<'_>,
    message: &MessageExt,
    with_place: bool,
    number: Option<usize>,
) -> Result<Exit> {
    let suffix = match number {
        Some(number @ 1..) => format!("_{number}"),
        _ => String::new(),
    };
    let file = format!("{BODIES}/{}{suffix}", message.message_id());
    asking::write(&file, &message.body)?;
    let line = |name: &str, value: &str| -> Result<()> {
        out!(call, "{name:<20} {value}\n");
        Ok(())
    };
    if with_place {
        line("OffsetID:", &message.offset_message_id)?;
    }
    line("Topic:", &message.topic)?;
    line("Tags:", &format!("[{}]", java::or_null(message.tags())))?;
    line("Keys:", &format!("[{}]", java::or_null(message.keys())))?;
    line("Queue ID:", &message.queue.queue_id.to_string())?;
    line("Queue Offset:", &message.queue_offset.to_string())?;
    line("CommitLog Offset:", &message.commit_log_offset.to_string())?;
    line("Reconsume Times:", &message.reconsume_times.to_string())?;
    line("Born Timestamp:", &java::millis(message.born_timestamp))?;
    line("Store Timestamp:", &java::millis(message.store_timestamp))?;
    line("Born Host:", &message.born_host.to_string())?;
    line("Store Host:", &message.store_host.to_string())?;
    line("System Flag:", &message.sys_flag.to_string())?;
    line(
        "Properties:",
        &java::properties(&message.properties, call.generation),
    )?;
    line("Message Body Path:", &file)?;
    if let Some(name) = call.get("f") {
        line("Message Body:", &decode(charset(name)?, &message.body))?;
    }
    let tracks = tracks(call, message).await?;
    if tracks.is_empty() {
        out!(call, "\n\nWARN: No Consumer");
        return Ok(Exit::Done);
    }
    out!(call, "\n\n");
    let newline = if call.generation == Generation::Five && with_place {
        "\n"
    } else {
        ""
    };
    for (group, track, problem) in tracks {
        out!(
            call,
            "MessageTrack [consumerGroup={group}, trackType={track}, exceptionDesc={}]{newline}",
            java::or_null(problem)
        );
    }
    Ok(Exit::Done)
}

/// What each group that consumes the topic has to do with a message, as far as its offset tells: group, Apache's word,
/// and why nothing is known.
async fn tracks(
    call: &Call<'_>,
    message: &MessageExt,
) -> Result<Vec<(String, &'static str, Option<String>)>> {
    let route = call.route(&message.topic).await?;
    let mut groups = Vec::new();
    for address in asking::one_address_each(&route) {
        let known = call.admin.groups_of_topic(&address, &message.topic).await;
        let known = known.map_err(|e| {
            CliError::client(
                format!("cannot list the groups of topic '{}'", message.topic),
                &e,
            )
        })?;
        groups.extend(known);
    }
    groups.sort();
    groups.dedup();
    let mut tracks = Vec::new();
    for group in groups {
        let (track, problem) = match track(call, message, &group).await {
            Ok(track) => (track, None),
            Err(error) => ("UNKNOWN", Some(error.to_string())),
        };
        let problem = problem.or_else(|| {
            (track == "NOT_ONLINE")
                .then(|| format!("CODE:206 DESC:the consumer group[{group}] not online"))
        });
        tracks.push((group, track, problem));
    }
    Ok(tracks)
}

async fn track(
    call: &Call<'_>,
    message: &MessageExt,
    group: &str,
) -> Result<&'static str, ClientError> {
    let route = call
        .client()
        .route(&format!("{RETRY_PREFIX}{group}"))
        .await?;
    let mut consumed = false;
    let mut members = None;
    for address in asking::one_address_each(&route.data) {
        let here = call.admin.members(&address, group).await?;
        if !here.connection_set.is_empty() {
            members = Some(here);
        }
        if address == message.store_host.to_string() {
            let stats = call
                .admin
                .consume_stats(&address, group, Some(&message.topic))
                .await?;
            consumed |= stats.offset_table.0.iter().any(|(queue, offsets)| {
                queue.topic == message.topic
                    && queue.queue_id == message.queue.queue_id
                    && offsets.consumer_offset > message.queue_offset
            });
        }
    }
    let Some(members) = members else {
        return Ok("NOT_ONLINE");
    };
    match members.consume_type.as_deref() {
        Some("CONSUME_ACTIVELY") => return Ok("PULL"),
        Some("CONSUME_PASSIVELY") => {}
        _ => return Ok("UNKNOWN"),
    }
    if members.message_model.as_deref() == Some("BROADCASTING") {
        return Ok("CONSUME_BROADCASTING");
    }
    if !consumed {
        return Ok("NOT_CONSUME_YET");
    }
    let filtered = members
        .subscription_table
        .get(&message.topic)
        .is_some_and(|wanted| {
            let tags = &wanted.tags_set;
            !tags.is_empty()
                && !tags
                    .iter()
                    .any(|tag| Some(tag.as_str()) == message.tags() || tag == "*")
        });
    Ok(if filtered {
        "CONSUMED_BUT_FILTERED"
    } else {
        "CONSUMED"
    })
}

async fn trace_of(call: &Call<'_>) -> Result<Exit> {
    let id = call.text("i");
    let topic = call.get("t").unwrap_or(TRACE_TOPIC);
    let query = KeyQuery {
        from_ms: call.number("b")?.unwrap_or(0),
        to_ms: call.number("e")?.unwrap_or(i64::MAX),
        enough: call.number("c")?.unwrap_or(64),
        ..KeyQuery::all(topic, id, false)
    };
    let (found, exit) = find(call, topic, &query).await?;
    let traces: Vec<Trace> = found
        .iter()
        .flat_map(|message| trace::read(id, message))
        .collect();
    let row = |columns: [&str; 6]| -> Result<()> {
        let [kind, group, host, time, cost, status] = columns;
        out!(
            call,
            "{kind:<10} {group:<20} {host:<20} {time:<20} {cost:<10} {status:<10}\n"
        );
        Ok(())
    };
    let print = |kind: &str, trace: &Trace| {
        row([
            kind,
            &trace.group,
            &trace.host,
            &java::seconds(trace.time_ms),
            &format!("{}ms", trace.cost_ms),
            if trace.success { "success" } else { "failed" },
        ])
    };
    for trace in traces.iter().filter(|trace| trace.kind == Kind::Sent) {
        row([
            "#Type",
            "#ProducerGroup",
            "#ClientHost",
            "#SendTime",
            "#CostTimes",
            "#Status",
        ])?;
        print("Pub", trace)?;
        out!(call, "\n");
    }
    let mut groups: BTreeMap<&str, Vec<&Trace>> = BTreeMap::new();
    for trace in traces.iter().filter(|trace| trace.kind == Kind::Consumed) {
        groups.entry(&trace.group).or_default().push(trace);
    }
    for traces in groups.values() {
        row([
            "#Type",
            "#ConsumerGroup",
            "#ClientHost",
            "#ConsumerTime",
            "#CostTimes",
            "#Status",
        ])?;
        for trace in traces {
            print("Sub", trace)?;
        }
        out!(call, "\n");
    }
    if traces.is_empty() && exit == Exit::Done {
        return Err(
            CliError::not_found(format!("no client has traced message '{id}'"))
                .hint("clients trace only when they are told to"),
        );
    }
    Ok(exit)
}

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
async fn pull(
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

async fn print_topic(call: &Call<'_>) -> Result<Exit> {
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

async fn print_queue(call: &Call<'_>) -> Result<Exit> {
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

async fn consume(call: &Call<'_>) -> Result<Exit> {
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

async fn send(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let mut message = Message::new(topic, call.text("p").to_owned());
    message.tags = call.get("c").map(str::to_owned);
    message.keys = call.get("k").map(str::to_owned).into_iter().collect();
    if call.has("i") && !call.has("b") {
        return call.misses("Broker name must be set if the queue is chosen!");
    }
    let failed = |e: &ClientError| CliError::client(format!("cannot send to topic '{topic}'"), e);
    let time_ms = Timestamp::now().as_millisecond();
    let group = time_ms.to_string();
    let producer = Producer::new(call.client().clone(), group.as_str()).map_err(|e| failed(&e))?;
    let begin = Instant::now();
    let sent = match (call.get("b"), call.number::<i32>("i")?) {
        (None, _) => producer.send(&message).await,
        (Some(broker), id) => {
            // Apache sends anywhere unless the queue is named as well.
            let queues = producer.queues(topic).await.map_err(|e| failed(&e))?;
            let queue = queues.into_iter().find(|queue| {
                queue.broker_name == broker && id.is_none_or(|id| queue.queue_id == id)
            });
            let queue = queue.ok_or_else(|| {
                CliError::not_found(format!(
                    "topic '{topic}' has no such queue on broker '{broker}'"
                ))
            })?;
            producer.send_to(&message, &queue).await
        }
    };
    let result = sent.map_err(|e| failed(&e))?;
    if call.is_true("m") == Some(true) {
        let cost = begin.elapsed().as_millis();
        let host = decode_offset_message_id(&result.offset_message_id);
        let host = host.map_or_else(|_| String::new(), |(host, _)| host.to_string());
        let trace = trace::sent(&message, &result, &group, &host, time_ms, cost);
        producer.send(&trace).await.map_err(|e| {
            CliError::client(format!("cannot trace the message in {}", TRACE_TOPIC), &e)
        })?;
    }
    producer.close().await;
    let row = |columns: [&str; 4]| -> Result<()> {
        let [broker, queue, status, id] = columns;
        out!(call, "{broker:<32}  {queue:<4}  {status:<20}    {id}\n");
        Ok(())
    };
    row(["#Broker Name", "#QID", "#Send Result", "#MsgId"])?;
    row([
        &result.queue.broker_name,
        &result.queue.queue_id.to_string(),
        result.status.name(),
        &result.message_id,
    ])?;
    Ok(Exit::Done)
}

async fn send_times(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let amount: u32 = call.number("a")?.unwrap_or(100);
    let size: usize = call.number("s")?.unwrap_or(128);
    let failed = |e: &ClientError| CliError::client(format!("cannot send to topic '{topic}'"), e);
    let group = Timestamp::now().as_millisecond().to_string();
    let producer = Producer::new(call.client().clone(), group).map_err(|e| failed(&e))?;
    let queues = producer.queues(topic).await.map_err(|e| failed(&e))?;
    let message = Message::new(topic, "a".repeat(size));
    let row = |broker: &str, queue: &str, sent: &str, time: &str| -> Result<()> {
        out!(call, "{broker:<32}  {queue:<4}  {sent:<20}    {time}\n");
        Ok(())
    };
    row("#Broker Name", "#QID", "#Send Result", "#RT")?;
    let mut elapsed = Duration::ZERO;
    let mut sent_all = true;
    for (turn, queue) in (0..amount).zip(queues.iter().cycle()) {
        let begin = Instant::now();
        let sent = producer.send_to(&message, queue).await.is_ok();
        let took = begin.elapsed();
        sent_all &= sent;
        // The first has to connect.
        if turn > 0 {
            elapsed += took;
        }
        row(
            &queue.broker_name,
            &queue.queue_id.to_string(),
            &sent.to_string(),
            &took.as_millis().to_string(),
        )?;
    }
    producer.close().await;
    let average = elapsed.as_secs_f64() * 1000.0 / (f64::from(amount) - 1.0);
    out!(call, "Avg RT: {}\n", java::fixed(average, 2));
    Ok(if sent_all { Exit::Done } else { Exit::Failed })
}
