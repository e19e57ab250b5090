//! Consumer groups: their settings.

use client::names::RETRY_PREFIX;
use remoting::protocol::body::group::SubscriptionGroupConfig;
use serde_json::{Value, json};

use super::options::{one_of, req, val};
use super::topic::delete_topic;
use super::{Call, Scope, Verb, asking, java, out, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "updateSubGroup",
        "Create a consumer group or overwrite its settings",
        update,
        [
            val("b", "brokerAddr", "on this broker"),
            val("c", "clusterName", "on all masters of this cluster"),
            req("g", "groupName", "consumer group name"),
            val("s", "consumeEnable", "whether it may consume (true|false)"),
            val(
                "m",
                "consumeFromMinEnable",
                "whether it may begin at the first message (true|false)"
            ),
            val(
                "d",
                "consumeBroadcastEnable",
                "whether it may broadcast (true|false)"
            ),
            val(
                "o",
                "consumeMessageOrderly",
                "whether it consumes in order, since 5.x (true|false)"
            ),
            val("q", "retryQueueNums", "queues of its retry topic"),
            val("r", "retryMaxTimes", "how often a message is tried again"),
            val(
                "p",
                "groupRetryPolicy",
                "when it is tried again, since 5.x, as JSON"
            ),
            val("i", "brokerId", "id of the broker to consume from"),
            val(
                "w",
                "whichBrokerWhenConsumeSlowly",
                "id of the broker to consume from when it is behind"
            ),
            val(
                "a",
                "notifyConsumerIdsChanged",
                "whether clients are told of each other (true|false)"
            ),
            val(
                "",
                "attributes",
                "attributes of 5.x to set and to drop: +a=b,+c=d,-e"
            ),
        ]
    ),
    verb!(
        "updateSubGroupList",
        "Create or overwrite the groups of a file",
        update_list,
        [
            one_of(0, "b", "brokerAddr", "on this broker"),
            one_of(0, "c", "clusterName", "on all masters of this cluster"),
            req("f", "filename", "a JSON file with a list of group settings"),
        ]
    ),
    verb!(
        "deleteSubGroup",
        "Delete a consumer group from brokers",
        delete,
        [
            val("b", "brokerAddr", "from this broker"),
            val(
                "c",
                "clusterName",
                "from all masters of this cluster, with its retry and dead letter topics"
            ),
            req("g", "groupName", "consumer group name"),
            val("r", "removeOffset", "its offsets too (true|false)"),
        ]
    ),
    verb!(
        "setConsumeMode",
        "Choose whether a group pulls or pops a topic",
        set_mode,
        [
            val("b", "brokerAddr", "on this broker"),
            val("c", "clusterName", "on all masters of this cluster"),
            req("t", "topicName", "topic name"),
            req("g", "groupName", "consumer group name"),
            req("m", "mode", "PULL or POP"),
            val(
                "q",
                "popShareQueueNum",
                "queues that clients share, 0 unless given"
            ),
        ]
    ),
    verb!(
        "getConsumerConfig",
        "Show the settings of a consumer group on every broker",
        config,
        [req("g", "groupName", "consumer group name"),]
    ),
];

async fn update(call: &Call<'_>) -> Result<Exit> {
    let config = SubscriptionGroupConfig {
        group_name: call.text("g").to_owned(),
        consume_enable: call.is_true("s").unwrap_or(true),
        // Other than what brokers take for missing settings.
        consume_from_min_enable: call.is_true("m").unwrap_or(false),
        consume_broadcast_enable: call.is_true("d").unwrap_or(false),
        retry_queue_nums: call.number("q")?.unwrap_or(1),
        retry_max_times: call.number("r")?.unwrap_or(16),
        broker_id: call.number("i")?.unwrap_or(0),
        which_broker_when_consume_slowly: call.number("w")?.unwrap_or(1),
        notify_consumer_ids_changed_enable: call.is_true("a").unwrap_or(true),
    };
    let mut told = json!(config);
    for (key, value) in settings_of_five(call)? {
        told[key] = value;
    }
    let exit = call
        .on_all(
            Scope::Masters,
            &format!("create group '{}'", config.group_name),
            |admin, address| {
                let told = told.clone();
                async move { admin.put_group_json(&address, &told).await }
            },
            |address| format!("create subscription group to {address} success.\n"),
        )
        .await?;
    if exit == Exit::Done || exit == Exit::Partly {
        out!(call, "{}", java::group(&told, call.generation));
    }
    Ok(exit)
}

/// Settings that only brokers of 5.x know, as far as they were given.
fn settings_of_five(call: &Call<'_>) -> Result<Vec<(&'static str, Value)>> {
    let mut more = Vec::new();
    if let Some(orderly) = call.is_true("o") {
        more.push(("consumeMessageOrderly", orderly.into()));
    }
    if let Some(policy) = call.get("p") {
        let policy = serde_json::from_str(policy).map_err(|e| {
            CliError::usage("updateSubGroup: the value of -p is no JSON").because(&e)
        })?;
        more.push(("groupRetryPolicy", policy));
    }
    if let Some(text) = call.get("attributes") {
        let attributes = java::attributes(text).map_err(|part| {
            CliError::usage(format!(
                "updateSubGroup: attribute '{part}': write +key=value or -key"
            ))
        })?;
        more.push(("attributes", json!(attributes)));
    }
    Ok(more)
}

async fn update_list(call: &Call<'_>) -> Result<Exit> {
    let file = call.text("f");
    let groups: Vec<Value> = asking::read_json(file)?;
    if groups.is_empty() {
        return Err(CliError::usage(format!(
            "updateSubGroupList: {file} has no groups"
        )));
    }
    let what = if call.has("b") {
        "group"
    } else {
        "subscription group"
    };
    call.on_all(
        Scope::Masters,
        "create groups",
        |admin, address| {
            let groups = groups.clone();
            async move { admin.put_groups_json(&address, &groups).await }
        },
        |address| {
            format!(
                "submit batch of {what} config to {address} success, please check the result later.\n"
            )
        },
    )
    .await
}

async fn delete(call: &Call<'_>) -> Result<Exit> {
    let group = call.text("g");
    let with_offsets = call.is_true("r").unwrap_or(false);
    let cluster = call.get("c").filter(|_| !call.has("b"));
    let exit = call
        .on_all(
            Scope::Masters,
            &format!("delete group '{group}'"),
            |admin, address| {
                let group = group.to_owned();
                async move { admin.delete_group(&address, &group, with_offsets).await }
            },
            |address| {
                let place = cluster.map_or(String::new(), |name| format!(" in cluster [{name}]"));
                format!(
                    "delete subscription group [{group}] from broker [{address}]{place} success.\n"
                )
            },
        )
        .await?;
    if let Some(cluster) = cluster.filter(|_| exit == Exit::Done) {
        for prefix in [RETRY_PREFIX, client::names::DLQ_PREFIX] {
            delete_topic(call, cluster, &format!("{prefix}{group}")).await?;
        }
    }
    Ok(exit)
}

async fn set_mode(call: &Call<'_>) -> Result<Exit> {
    let (topic, group, mode) = (call.text("t"), call.text("g"), call.text("m"));
    if !matches!(mode, "PULL" | "POP") {
        return call.misses("-m is PULL or POP");
    }
    let shared: i32 = call.number("q")?.unwrap_or(0);
    let exit = call
        .on_all(
            Scope::Masters,
            &format!("choose the mode of group '{group}'"),
            |admin, address| {
                let (topic, group, mode) = (topic.to_owned(), group.to_owned(), mode.to_owned());
                async move {
                    admin
                        .put_request_mode(&address, &topic, &group, &mode, shared)
                        .await
                }
            },
            |address| format!("set consume mode to {address} success.\n"),
        )
        .await?;
    if exit == Exit::Done || exit == Exit::Partly {
        out!(
            call,
            "topic[{topic}] group[{group}] consume mode[{mode}] popShareQueueNum[{shared}]"
        );
    }
    Ok(exit)
}

async fn config(call: &Call<'_>) -> Result<Exit> {
    let group = call.text("g");
    let mut brokers = call.brokers().await?;
    // One of each name; the first is the master if there is one.
    brokers.dedup_by(|b, a| a.cluster == b.cluster && a.name == b.name);
    let addresses = brokers
        .iter()
        .map(|broker| broker.address.clone())
        .collect();
    let mut found = false;
    let exit = call
        .each(
            addresses,
            "read the groups",
            |admin, address| async move { admin.group_table(&address).await },
            |address, table| {
                let broker = brokers.iter().find(|broker| broker.address == address);
                let config = table["subscriptionGroupTable"].get(group);
                if let Some((broker, config)) = broker.zip(config) {
                    found = true;
                    let line = "=".repeat(29);
                    out!(call, "{line}{}:{}{line}\n", broker.cluster, broker.name);
                    for (name, value) in java::group_fields(config, call.generation) {
                        out!(call, "{name:<40}=  {}\n", value.unwrap_or_default());
                    }
                }
                Ok(())
            },
        )
        .await?;
    if !found && exit == Exit::Done {
        return Err(CliError::not_found(format!(
            "no broker has a group '{group}'"
        )));
    }
    Ok(exit)
}
