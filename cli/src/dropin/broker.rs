//! Brokers: state, settings, cleaning, test messages.

use std::time::{Duration, Instant};

use client::admin::Broker;
use client::message::Message;
use client::producer::{Producer, SendResult};
use client::{Admin, ClientError};
use remoting::protocol::{fastjson, properties};
use serde_json::Value;

use super::options::{req, val};
use super::{Call, Generation, Scope, Verb, java, out, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "updateBrokerConfig",
        "Change a setting of brokers",
        update_config,
        [
            val("b", "brokerAddr", "of this broker"),
            val("c", "clusterName", "of all masters of this cluster"),
            val("a", "updateAllBroker", "of its slaves too, with any value"),
            req("k", "key", "name of the setting"),
            req("v", "value", "its new value"),
        ]
    ),
    verb!(
        "brokerStatus",
        "Show what a broker says of itself",
        status,
        [
            val("b", "brokerAddr", "of this broker"),
            val("c", "clusterName", "of all brokers of this cluster"),
        ]
    ),
    verb!(
        "sendMsgStatus",
        "Send test messages to the broker's own topic",
        send_status,
        [
            req("b", "brokerName", "name of the broker, and of the topic"),
            val(
                "s",
                "messageSize",
                "size of a message in bytes, 128 unless given"
            ),
            val("c", "count", "how many, 50 unless given"),
        ]
    ),
    verb!(
        "brokerConsumeStats",
        "Show how far all groups of a broker are",
        consume_stats,
        [
            req("b", "brokerAddr", "the broker"),
            val(
                "t",
                "timeoutMillis",
                "how long its answer may take, 50000 ms unless given"
            ),
            val("l", "level", "only queues with so many messages to come"),
            val("o", "order", "only ordered topics (true|false)"),
        ]
    ),
    verb!(
        "getBrokerConfig",
        "Show the settings of brokers",
        config,
        [
            val("b", "brokerAddr", "of this broker"),
            val("c", "clusterName", "of all brokers of this cluster"),
        ]
    ),
    verb!(
        "cleanExpiredCQ",
        "Drop consume queues of messages that are gone",
        clean_expired,
        [
            val("b", "brokerAddr", "on this broker"),
            val("c", "cluster", "on all brokers of this cluster"),
        ]
    ),
    verb!(
        "deleteExpiredCommitLog",
        "Delete expired files of the commit log",
        delete_expired,
        [
            val("b", "brokerAddr", "on this broker"),
            val("c", "cluster", "on all brokers of this cluster"),
        ]
    ),
    verb!(
        "cleanUnusedTopic",
        "Drop consume queues of topics that are gone",
        clean_unused,
        [
            val("b", "brokerAddr", "on this broker"),
            val("c", "cluster", "on all brokers of this cluster"),
        ]
    ),
    verb!(
        "resetMasterFlushOffset",
        "Tell a slave how far its master has flushed",
        reset_flush_offset,
        [
            req("b", "brokerAddr", "the slave"),
            req("o", "offset", "the position in the commit log, in bytes"),
        ]
    ),
    verb!(
        "getColdDataFlowCtrInfo",
        "Show the limits on reading old messages",
        cold_data,
        [
            val("b", "brokerAddr", "of this broker"),
            val("c", "clusterName", "of all brokers of this cluster"),
        ]
    ),
    verb!(
        "updateColdDataFlowCtrGroupConfig",
        "Limit how a group reads old messages",
        put_cold_data,
        [
            val("b", "brokerAddr", "on this broker"),
            val("c", "clusterName", "on all masters of this cluster"),
            req("g", "consumerGroup", "the group"),
            req("v", "threshold", "bytes per second"),
        ]
    ),
    verb!(
        "removeColdDataFlowCtrGroupConfig",
        "Lift that limit",
        drop_cold_data,
        [
            val("b", "brokerAddr", "on this broker"),
            val("c", "clusterName", "on all masters of this cluster"),
            req("g", "consumerGroup", "the group"),
        ]
    ),
    verb!(
        "setCommitLogReadAheadMode",
        "Choose how the system reads ahead in the commit log",
        read_ahead,
        [
            val("b", "brokerAddr", "on this broker"),
            val("c", "clusterName", "on all brokers of this cluster"),
            req("m", "commitLogReadAheadMode", "0 normal, 1 random"),
        ]
    ),
];

async fn update_config(call: &Call<'_>) -> Result<Exit> {
    let (key, value) = (call.text("k"), call.text("v"));
    let scope = if call.has("a") {
        Scope::All
    } else {
        Scope::Masters
    };
    let text = properties::render([(key, value)]);
    call.on_all(
        scope,
        &format!("change setting '{key}'"),
        |admin, address| {
            let text = text.clone();
            async move { admin.change_broker_config(&address, text).await }
        },
        |address| format!("update broker config success, {address}\n"),
    )
    .await
}

async fn status(call: &Call<'_>) -> Result<Exit> {
    let targets = call.targets(Scope::All).await?;
    call.each(
        targets,
        "read the state of the broker",
        |admin, address| async move { admin.runtime(&address).await },
        |address, runtime| {
            for (key, value) in &runtime.table {
                if call.has("b") {
                    out!(call, "{key:<32}: {value}\n");
                } else {
                    out!(call, "{address:<24} {key:<32}: {value}\n");
                }
            }
            Ok(())
        },
    )
    .await
}

pub(super) fn send_result(result: &SendResult, generation: Generation) -> String {
    // By which a timed message can be called back, which these are not.
    let handle = match generation {
        Generation::Four => "",
        Generation::Five => ", recallHandle=null",
    };
    format!(
        "SendResult [sendStatus={}, msgId={}, offsetMsgId={}, messageQueue={}, queueOffset={}{handle}]",
        result.status.name(),
        result.message_id,
        result.offset_message_id,
        java::queue(&result.queue),
        result.queue_offset,
    )
}

async fn send_status(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("b");
    let size: usize = call.number("s")?.unwrap_or(128);
    let count: usize = call.number("c")?.unwrap_or(50);
    // Whole repetitions of eleven letters, as Apache fills it.
    let message = |size: usize| Message::new(topic, "hello jodie".repeat(size.div_ceil(11)));
    let failed = |e: &ClientError| CliError::client(format!("cannot send to topic '{topic}'"), e);
    let producer = Producer::new(call.client().clone(), "PID_SMSC").map_err(|e| failed(&e))?;
    producer.send(&message(16)).await.map_err(|e| failed(&e))?;
    for _ in 0..count {
        let begin = Instant::now();
        let result = producer
            .send(&message(size))
            .await
            .map_err(|e| failed(&e))?;
        let took = begin.elapsed().as_millis();
        let result = send_result(&result, call.generation);
        out!(call, "rt={took}ms, SendResult={result}\n");
    }
    producer.close().await;
    Ok(Exit::Done)
}

async fn consume_stats(call: &Call<'_>) -> Result<Exit> {
    let address = call.text("b");
    let order = call.is_true("o").unwrap_or(false);
    let level: i64 = call.number("l")?.unwrap_or(0);
    let timeout = Duration::from_millis(call.number("t")?.unwrap_or(50_000));
    let list = call
        .admin
        .consume_stats_of_broker(address, order, timeout)
        .await
        .map_err(|e| CliError::client(format!("cannot read the progress at {address}"), &e))?;
    let row = |columns: [&str; 8]| -> Result<()> {
        let [
            topic,
            group,
            broker,
            queue,
            broker_offset,
            offset,
            diff,
            time,
        ] = columns;
        out!(
            call,
            "{topic:<64}  {group:<64}  {broker:<32}  {queue:<4}  {broker_offset:<20}  {offset:<20}  {diff:<20}  {time}\n"
        );
        Ok(())
    };
    row([
        "#Topic",
        "#Group",
        "#Broker Name",
        "#QID",
        "#Broker Offset",
        "#Consumer Offset",
        "#Diff",
        "#LastTime",
    ])?;
    for (group, stats) in list.consume_stats_list.iter().flatten() {
        for (queue, offsets) in stats.iter().flat_map(|stats| &stats.offset_table.0) {
            let diff = offsets.broker_offset - offsets.consumer_offset;
            if diff < level || offsets.last_timestamp <= 0 {
                continue;
            }
            row([
                java::cut(&queue.topic, 64),
                group,
                java::cut(&queue.broker_name, 32),
                &queue.queue_id.to_string(),
                &offsets.broker_offset.to_string(),
                &offsets.consumer_offset.to_string(),
                &diff.to_string(),
                &java::seconds(offsets.last_timestamp),
            ])?;
        }
    }
    out!(call, "\nDiff Total: {}\n", list.total_diff);
    Ok(Exit::Done)
}

/// The brokers that are meant, each with the banner that stands above what it answers.
async fn with_banners(call: &Call<'_>) -> Result<Vec<(String, String)>> {
    if let Some(address) = call.get("b") {
        let banner = format!("============{address}============\n");
        return Ok(vec![(address.to_owned(), banner)]);
    }
    let Some(cluster) = call.get("c") else {
        return call.neither();
    };
    let brokers = call.cluster(cluster, Scope::All).await?;
    let banner = |broker: &Broker| {
        let address = &broker.address;
        if broker.is_master() {
            return format!("============Master: {address}============\n");
        }
        let master = brokers
            .iter()
            .find(|b| b.name == broker.name && b.is_master());
        let master = master.map_or("NO_MASTER", |master| &master.address);
        format!("============My Master: {master}=====Slave: {address}============\n")
    };
    let banners = brokers.iter().map(|b| (b.address.clone(), banner(b)));
    Ok(banners.collect())
}

/// Asks all brokers that are meant and prints the answers below their banners.
async fn below_banners<T, F>(
    call: &Call<'_>,
    what: &str,
    ask: impl Fn(Admin, String) -> F,
    print: impl Fn(&str, T) -> Result<()>,
) -> Result<Exit>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ClientError>> + Send + 'static,
{
    let brokers = with_banners(call).await?;
    let addresses = brokers.iter().map(|(address, _)| address.clone()).collect();
    let banner = |address: &str| {
        let broker = brokers.iter().find(|(a, _)| a == address);
        broker.map_or("", |(_, banner)| banner)
    };
    call.each(addresses, what, ask, |address, answer| {
        print(banner(address), answer)
    })
    .await
}

async fn config(call: &Call<'_>) -> Result<Exit> {
    below_banners(
        call,
        "read the settings",
        |admin, address| async move { admin.broker_config(&address).await },
        |banner, config| {
            out!(call, "{banner}");
            print_properties(call, config)?;
            out!(call, "\n");
            Ok(())
        },
    )
    .await
}

/// By name; Apache prints them in the order of a hash table.
pub(super) fn print_properties(
    call: &Call<'_>,
    mut config: Vec<properties::Property>,
) -> Result<()> {
    config.sort_by(|a, b| a.key.cmp(&b.key));
    for property in &config {
        out!(call, "{:<50}=  {}\n", property.key, property.value);
    }
    Ok(())
}

/// Prints the settings of name servers or controllers.
pub(super) async fn print_settings<F>(
    call: &Call<'_>,
    addresses: Vec<String>,
    ask: impl Fn(Admin, String) -> F,
) -> Result<Exit>
where
    F: Future<Output = Result<Vec<properties::Property>, ClientError>> + Send + 'static,
{
    call.each(addresses, "read the settings", ask, |address, config| {
        out!(call, "============{address}============\n");
        print_properties(call, config)
    })
    .await
}

/// Changes the setting `-k` of name servers or controllers to `-v`.
pub(super) async fn change_setting<F>(
    call: &Call<'_>,
    addresses: Vec<String>,
    ask: impl Fn(Admin, String, String) -> F,
) -> Result<Exit>
where
    F: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let (key, value) = (call.text("k"), call.text("v"));
    let text = properties::render([(key, value)]);
    let what = format!("change setting '{key}'");
    let ask = |admin, address| ask(admin, address, text.clone());
    call.each(addresses, &what, ask, |_, ()| Ok(())).await
}

async fn clean_expired(call: &Call<'_>) -> Result<Exit> {
    let what = "drop expired consume queues";
    clean(call, what, |admin, address| async move {
        admin.clean_expired_queues(&address).await
    })
    .await
}

async fn delete_expired(call: &Call<'_>) -> Result<Exit> {
    let what = "delete expired files";
    clean(call, what, |admin, address| async move {
        admin.delete_expired_files(&address).await
    })
    .await
}

async fn clean_unused(call: &Call<'_>) -> Result<Exit> {
    let what = "drop unused consume queues";
    clean(call, what, |admin, address| async move {
        admin.clean_unused_topics(&address).await
    })
    .await
}

/// On one broker, all of a cluster, or all there are; one word tells of all.
async fn clean<F>(call: &Call<'_>, what: &str, ask: impl Fn(Admin, String) -> F) -> Result<Exit>
where
    F: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let targets = if call.has("b") || call.has("c") {
        call.targets(Scope::All).await?
    } else {
        let brokers = call.brokers().await?;
        brokers.into_iter().map(|broker| broker.address).collect()
    };
    let exit = call.each(targets, what, ask, |_, ()| Ok(())).await?;
    out!(
        call,
        "{}",
        if exit == Exit::Done {
            "success"
        } else {
            "false"
        }
    );
    Ok(exit)
}

async fn reset_flush_offset(call: &Call<'_>) -> Result<Exit> {
    let address = call.text("b");
    let offset = call.number("o")?.unwrap_or_default();
    let told = call.admin.put_master_flush_offset(address, offset).await;
    told.map_err(|e| CliError::client(format!("cannot tell {address}"), &e))?;
    out!(call, "reset master flush offset to {offset} success\n");
    Ok(Exit::Done)
}

async fn cold_data(call: &Call<'_>) -> Result<Exit> {
    below_banners(
        call,
        "read the limits",
        |admin, address| async move { admin.cold_data(&address).await },
        |banner, mut limits| {
            readable_times(&mut limits);
            let text = fastjson::to_string_pretty(&limits)
                .map_err(|e| CliError::failed("cannot print the limits").because(&e))?;
            out!(call, " {banner}{text}\n");
            Ok(())
        },
    )
    .await
}

/// Puts times for people in the place of milliseconds.
fn readable_times(limits: &mut Value) {
    let groups = limits
        .get_mut("runtimeTable")
        .and_then(Value::as_object_mut);
    for group in groups.into_iter().flat_map(serde_json::Map::values_mut) {
        let Some(fields) = group.as_object_mut() else {
            continue;
        };
        for (field, shown) in [
            ("lastColdReadTimeMills", "lastColdReadTimeFormat"),
            ("createTimeMills", "createTimeFormat"),
        ] {
            if let Some(time) = fields.remove(field).and_then(|time| time.as_i64()) {
                fields.insert(shown.to_owned(), java::seconds(time).into());
            }
        }
    }
}

async fn put_cold_data(call: &Call<'_>) -> Result<Exit> {
    let (group, limit) = (call.text("g"), call.text("v"));
    call.on_all(
        Scope::Masters,
        &format!("limit group '{group}'"),
        |admin, address| {
            let (group, limit) = (group.to_owned(), limit.to_owned());
            async move { admin.put_cold_data_limit(&address, &group, &limit).await }
        },
        |address| format!("updateColdDataFlowCtrGroupConfig success, {address}\n"),
    )
    .await
}

async fn drop_cold_data(call: &Call<'_>) -> Result<Exit> {
    let group = call.text("g");
    call.on_all(
        Scope::Masters,
        &format!("lift the limit of group '{group}'"),
        |admin, address| {
            let group = group.to_owned();
            async move { admin.delete_cold_data_limit(&address, &group).await }
        },
        |address| format!("remove broker cold read threshold success, {address}\n"),
    )
    .await
}

async fn read_ahead(call: &Call<'_>) -> Result<Exit> {
    let mode = call.text("m");
    if !matches!(mode, "0" | "1") {
        return call.misses("-m is 0 (normal) or 1 (random)");
    }
    below_banners(
        call,
        "choose how to read ahead",
        |admin, address| {
            let mode = mode.to_owned();
            async move { admin.put_read_ahead(&address, &mode).await }
        },
        |banner, remark| {
            out!(
                call,
                " {banner}commitLog set readAhead mode rstStr{remark}\n"
            );
            Ok(())
        },
    )
    .await
}
