//! Consumer groups: how far they are, what their clients say of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::admin::version_name;
use client::names::RETRY_PREFIX;
use client::{ClientError, fan_out};
use jiff::Timestamp;
use remoting::protocol::body::client::{ConsumerConnection, ConsumerRunningInfo};
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::body::stats::ConsumeStats;

use super::options::{ROUTE_OF, flag, req, val};
use super::{Call, Generation, Verb, asking, java, out, running_info, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "consumerProgress",
        "Show how far a group is, or all groups",
        progress,
        [
            val("g", "groupName", "consumer group name"),
            val("t", "topicName", "only in this topic"),
            val(
                "s",
                "showClientIP",
                "with the client of each queue (true|false)"
            ),
            ROUTE_OF,
        ]
    ),
    verb!(
        "consumerStatus",
        "Show what the clients of a group say of themselves",
        status,
        [
            req("g", "consumerGroup", "consumer group name"),
            val("i", "clientId", "only this client, in full"),
            val("b", "brokerAddr", "ask this broker"),
            flag("s", "jstack", "with the stacks of its threads"),
        ]
    ),
    verb!(
        "startMonitoring",
        "Look after all groups and tell what is wrong, again and again",
        monitor,
        []
    ),
];

async fn progress(call: &Call<'_>) -> Result<Exit> {
    match call.get("g") {
        Some(group) => progress_of(call, group).await,
        None => progress_of_all(call).await,
    }
}

async fn progress_of(call: &Call<'_>, group: &str) -> Result<Exit> {
    let addresses = match call.get("c") {
        Some(topic) => asking::one_address_each(&call.route(topic).await?),
        None => call.group_addresses(group).await?,
    };
    let (stats, exit) = call
        .consume_stats(addresses.clone(), group, call.get("t"))
        .await?;
    if stats.offset_table.0.is_empty() && exit == Exit::Done {
        return Err(CliError::not_found(format!(
            "Not found the consumer group consume stats: group '{group}' has consumed nothing yet"
        )));
    }
    let owners = if call.is_true("s") == Some(true) {
        Some(owners(call, addresses, group).await?)
    } else {
        None
    };
    let five = call.generation == Generation::Five;
    let row = |columns: [&str; 9]| -> Result<()> {
        let [
            topic,
            broker,
            queue,
            broker_offset,
            offset,
            owner,
            diff,
            inflight,
            time,
        ] = columns;
        out!(
            call,
            "{topic:<64}  {broker:<32}  {queue:<4}  {broker_offset:<20}  {offset:<20}  "
        );
        let header = topic.starts_with('#');
        match (owners.is_some(), five) {
            (true, false) => out!(call, "{owner:<20} {diff:<20}  {time}\n"),
            (false, false) => out!(call, "{diff:<20}  {time}\n"),
            // Apache's headers miss a blank that its rows have.
            (true, true) if header => out!(call, "{owner:<20} {diff:<20} {inflight:<20}{time}\n"),
            (true, true) => out!(call, "{owner:<20} {diff:<20} {inflight:<20} {time}\n"),
            (false, true) if header => out!(call, "{diff:<20} {inflight:<20}{time}\n"),
            (false, true) => out!(call, "{diff:<20} {inflight:<20} {time}\n"),
        }
        Ok(())
    };
    row([
        "#Topic",
        "#Broker Name",
        "#QID",
        "#Broker Offset",
        "#Consumer Offset",
        "#Client IP",
        "#Diff",
        "#Inflight",
        "#LastTime",
    ])?;
    let (mut behind, mut under_way) = (0, 0);
    for (queue, offsets) in in_order(&stats) {
        let diff = offsets.broker_offset - offsets.consumer_offset;
        let inflight = offsets.pull_offset.unwrap_or(0) - offsets.consumer_offset;
        behind += diff;
        under_way += inflight;
        let time = match offsets.last_timestamp {
            0 => "N/A".to_owned(),
            time => java::seconds(time),
        };
        let owner = owners.as_ref().and_then(|owners| owners.get(queue));
        row([
            java::cut(&queue.topic, 64),
            java::cut(&queue.broker_name, 32),
            &queue.queue_id.to_string(),
            &offsets.broker_offset.to_string(),
            &offsets.consumer_offset.to_string(),
            owner.map_or("N/A", String::as_str),
            &diff.to_string(),
            &inflight.to_string(),
            &time,
        ])?;
    }
    out!(
        call,
        "\nConsume TPS: {}\n",
        java::fixed(stats.consume_tps, 2)
    );
    if five {
        out!(
            call,
            "Consume Diff Total: {behind}\nConsume Inflight Total: {under_way}\n"
        );
    } else {
        out!(call, "Diff Total: {behind}\n");
    }
    Ok(exit)
}

/// Queues by topic, broker and number, as Java sorts them.
fn in_order(
    stats: &ConsumeStats,
) -> impl Iterator<
    Item = (
        &MessageQueue,
        &remoting::protocol::body::stats::OffsetWrapper,
    ),
> {
    let mut queues: Vec<_> = stats.offset_table.0.iter().collect();
    queues.sort_by_key(|(queue, _)| (&queue.topic, &queue.broker_name, queue.queue_id));
    queues.into_iter()
}

/// The client that reads each queue: what stands before the `@` of its id.
async fn owners(
    call: &Call<'_>,
    addresses: Vec<String>,
    group: &str,
) -> Result<BTreeMap<MessageQueue, String>> {
    let (members, _) = call.members(addresses.clone(), group).await?;
    let mut owners = BTreeMap::new();
    for (client_id, info) in running(call, &addresses, group, &members, false).await {
        let ip = client_id.split('@').next().unwrap_or_default();
        for queue in info.mq_table.0.into_keys() {
            owners.insert(queue, ip.to_owned());
        }
    }
    Ok(owners)
}

/// What the members of a group say of themselves, asked through the first broker. Who does not answer is named on
/// standard error.
async fn running(
    call: &Call<'_>,
    addresses: &[String],
    group: &str,
    members: &ConsumerConnection,
    stacks: bool,
) -> BTreeMap<String, ConsumerRunningInfo> {
    let Some(address) = addresses.first() else {
        return BTreeMap::new();
    };
    let ids: Vec<String> = members
        .connection_set
        .iter()
        .map(|c| c.client_id.clone())
        .collect();
    let answers = fan_out::all(ids.clone(), |id| {
        let (admin, address, group) = (call.admin.clone(), address.clone(), group.to_owned());
        async move { admin.running_info(&address, &group, &id, stacks).await }
    });
    let mut infos = BTreeMap::new();
    for (id, answer) in ids.into_iter().zip(answers.await) {
        match answer {
            Ok(info) => {
                infos.insert(id, info);
            }
            Err(error) => {
                call.output
                    .error(&CliError::client(format!("cannot ask client {id}"), &error));
            }
        }
    }
    infos
}

/// The groups that have a retry topic.
async fn groups(call: &Call<'_>) -> Result<BTreeSet<String>> {
    let topics = call.topic_names().await?;
    let group = |topic: &String| topic.strip_prefix(RETRY_PREFIX).map(str::to_owned);
    Ok(topics.iter().filter_map(group).collect())
}

async fn progress_of_all(call: &Call<'_>) -> Result<Exit> {
    out!(
        call,
        "{:<64}  {:<6}  {:<24} {:<5}  {:<14}  {:<7}  {}\n",
        "#Group",
        "#Count",
        "#Version",
        "#Type",
        "#Model",
        "#TPS",
        "#Diff Total"
    );
    let groups = groups(call).await?;
    let answers = fan_out::all(groups.clone(), |group| {
        let admin = call.admin.clone();
        async move {
            let route = admin
                .client()
                .route(&format!("{RETRY_PREFIX}{group}"))
                .await?;
            let (mut tps, mut behind) = (0.0, 0);
            let mut members = ConsumerConnection::default();
            for address in asking::one_address_each(&route.data) {
                let stats = admin.consume_stats(&address, &group, None).await?;
                tps += stats.consume_tps;
                let queues = stats.offset_table.0.values();
                behind += queues
                    .map(|q| q.broker_offset - q.consumer_offset)
                    .sum::<i64>();
                let here = admin.members(&address, &group).await?;
                if here.connection_set.len() > members.connection_set.len() {
                    members = here;
                }
            }
            Ok::<_, ClientError>((tps, behind, members))
        }
    });
    let (mut done, mut failures) = (0, Vec::new());
    for (group, answer) in groups.iter().zip(answers.await) {
        match answer {
            Ok((tps, behind, members)) => {
                done += 1;
                print_group(call, group, tps, behind, &members)?;
            }
            Err(error) => failures.push(CliError::client(
                format!("cannot read the progress of group '{group}'"),
                &error,
            )),
        }
    }
    Ok(call.verdict(done, &failures))
}

fn print_group(
    call: &Call<'_>,
    group: &str,
    tps: f64,
    behind: i64,
    members: &ConsumerConnection,
) -> Result<()> {
    let count = members.connection_set.len();
    let version = members.connection_set.iter().map(|c| c.version).min();
    let version = version.map_or_else(|| "OFFLINE".to_owned(), version_name);
    let push = members.consume_type.as_deref() == Some("CONSUME_PASSIVELY");
    let kind = match members.consume_type.as_deref() {
        _ if count == 0 => "",
        Some("CONSUME_ACTIVELY") => "PULL",
        _ => "PUSH",
    };
    let model = members
        .message_model
        .as_deref()
        .filter(|_| count > 0 && push);
    out!(
        call,
        "{:<64}  {count:<6}  {version:<24} {kind:<5}  {:<14}  {:<7}  {behind}\n",
        java::cut(group, 64),
        model.unwrap_or_default(),
        tps as i64,
    );
    Ok(())
}

async fn status(call: &Call<'_>) -> Result<Exit> {
    let group = call.text("g");
    let addresses = call.group_addresses(group).await?;
    let asked = call
        .get("b")
        .map_or_else(|| addresses.clone(), |address| vec![address.to_owned()]);
    let (members, exit) = call.online(asked, group).await?;
    let stacks = call.has("s");
    if let Some(client_id) = call.get("i") {
        let address = addresses.first().map_or("", String::as_str);
        let info = call
            .admin
            .running_info(address, group, client_id, stacks)
            .await;
        let info =
            info.map_err(|e| CliError::client(format!("cannot ask client '{client_id}'"), &e))?;
        out!(call, "{}", running_info::text(&info, call.generation));
        return Ok(exit);
    }
    out!(
        call,
        "{:<10} {:<40} {:<20} {}\n",
        "#Index",
        "#ClientId",
        "#Version",
        "#ConsumerRunningInfoFile"
    );
    let infos = running(call, &addresses, group, &members, stacks).await;
    let folder = Timestamp::now().as_millisecond();
    let answered = members
        .connection_set
        .iter()
        .filter_map(|c| Some((c, infos.get(&c.client_id)?)));
    for (index, (connection, info)) in answered.enumerate() {
        let id = &connection.client_id;
        let file = format!("{folder}/{id}");
        let text = running_info::text(info, call.generation);
        asking::write(&file, text.as_bytes())?;
        let version = version_name(connection.version);
        out!(call, "{:<10} {id:<40} {version:<20} {file}\n", index + 1);
    }
    if infos.is_empty() {
        return Ok(Exit::Failed);
    }
    if running_info::subscriptions_differ(&infos, Timestamp::now().as_millisecond()) {
        out!(
            call,
            "\n\nWARN: Different subscription in the same group of consumer!!!"
        );
        return Ok(exit);
    }
    out!(call, "\n\nSame subscription in the same group of consumer");
    out!(call, "\n\nRebalance OK\n");
    for (id, info) in &infos {
        out!(
            call,
            "{}",
            running_info::findings(id, info, Timestamp::now().as_millisecond())
        );
    }
    Ok(if infos.len() < members.connection_set.len() {
        Exit::Partly
    } else {
        exit
    })
}

/// From one look at all groups to the next.
const ROUND: Duration = Duration::from_secs(60);

async fn monitor(call: &Call<'_>) -> Result<Exit> {
    loop {
        out!(call, "[MONITOR] {}beginRound\n", "=".repeat(41));
        for group in groups(call).await? {
            // What fails here is told; the other groups are looked at all the same.
            if let Err(error) = look_at(call, &group).await {
                call.output.error(&error);
            }
        }
        out!(call, "[MONITOR] {}endRound\n", "=".repeat(41));
        tokio::time::sleep(ROUND).await;
    }
}

async fn look_at(call: &Call<'_>, group: &str) -> Result<()> {
    let addresses = call.group_addresses(group).await?;
    let (members, _) = call.members(addresses.clone(), group).await?;
    // A group without members consumes nothing: that is no finding.
    if members.connection_set.is_empty() {
        return Ok(());
    }
    let (stats, _) = call.consume_stats(addresses.clone(), group, None).await?;
    let mut topics: BTreeMap<&str, (i64, i64, i64)> = BTreeMap::new();
    for (queue, offsets) in &stats.offset_table.0 {
        let behind = (offsets.broker_offset - offsets.consumer_offset).max(0);
        let (total, worst, since) = topics.entry(&queue.topic).or_default();
        *total += behind;
        if behind > *worst {
            *worst = behind;
            *since = offsets.last_timestamp;
        }
    }
    let now = Timestamp::now().as_millisecond();
    for (topic, (total, worst, since)) in topics {
        let delay = if worst > 0 && since > 0 {
            now - since
        } else {
            0
        };
        out!(
            call,
            "[MONITOR] reportUndoneMsgs: UndoneMsgs [consumerGroup={group}, topic={topic}, undoneMsgsTotal={total}, \
             undoneMsgsSingleMQ={worst}, undoneMsgsDelayTimeMills={delay}]\n"
        );
    }
    let infos = running(call, &addresses, group, &members, false).await;
    let notify = "[MONITOR]  [NOTIFY] reportConsumerRunningInfo: ConsumerGroup:";
    if running_info::subscriptions_differ(&infos, now) {
        out!(call, "{notify} {group}, Subscription different\n");
    }
    for (id, info) in &infos {
        let findings = running_info::findings(id, info, now);
        if !findings.is_empty() {
            out!(call, "{notify} {group}, ClientId: {id}, {findings}\n");
        }
    }
    Ok(())
}
