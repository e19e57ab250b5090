//! Single messages: found by id, key and place, what became of them, and pushed to one consumer.

use std::collections::BTreeMap;

use client::admin::{Broker, KeyQuery};
use client::message::{Message, MessageExt};
use client::names::RETRY_PREFIX;
use client::producer::Producer;
use client::pull::Puller;
use client::trace::TRACE_TOPIC;
use client::{ClientError, Expression, fan_out};
use remoting::protocol::body::client::ConsumeMessageDirectlyResult;
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::message::id::decode_offset_message_id;
use remoting::protocol::message::properties;

use super::print::pull;
use super::{charset, decode};
use crate::dropin::broker::send_result;
use crate::dropin::trace::{self, Kind, Trace};
use crate::dropin::{Call, Generation, asking, java, out};
use crate::error::{CliError, Exit, Result};

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

pub(super) async fn by_id(call: &Call<'_>) -> Result<Exit> {
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
    out!(call, "{}", send_result(&result, call.generation));
    Ok(Exit::Done)
}

pub(super) async fn by_key(call: &Call<'_>) -> Result<Exit> {
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

pub(super) async fn by_unique_key(call: &Call<'_>) -> Result<Exit> {
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

pub(super) async fn by_offset(call: &Call<'_>) -> Result<Exit> {
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

pub(super) async fn trace_of(call: &Call<'_>) -> Result<Exit> {
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
