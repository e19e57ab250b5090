//! What a cluster has, written into JSON files.

use std::collections::BTreeSet;

use client::admin::{Runtime, TOPIC_PUT_NUMS, version_name};
use client::names::{DLQ_PREFIX, RETRY_PREFIX, is_system_group};
use client::{Admin, ClientError};
use jiff::Timestamp;
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::command::VERSION;
use remoting::protocol::fastjson;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::options::{Opt, flag, req, val};
use super::{Call, Scope, Verb, asking, java, out, stats, verb};
use crate::error::{CliError, Exit, Result};

const INTO: Opt = val(
    "f",
    "filePath",
    "into this folder, /tmp/rocketmq/export unless given",
);

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "exportMetadata",
        "Write topics and groups into JSON files",
        metadata,
        [
            val("c", "clusterName", "of all masters of this cluster"),
            val("b", "brokerAddr", "of this broker"),
            INTO,
            flag("t", "topic", "only topics"),
            flag("g", "subscriptionGroup", "only groups"),
            flag("s", "specialTopic", "also retry and dead letter topics"),
        ]
    ),
    verb!(
        "exportConfigs",
        "Write the main settings of brokers into a JSON file",
        configs,
        [req("c", "clusterName", "of this cluster"), INTO,]
    ),
    verb!(
        "exportMetrics",
        "Write the figures of brokers into a JSON file",
        metrics,
        [req("c", "clusterName", "of this cluster"), INTO,]
    ),
];

const FOLDER: &str = "/tmp/rocketmq/export";

/// Settings that `exportConfigs` takes.
const SETTINGS: [&str; 16] = [
    "brokerClusterName",
    "brokerId",
    "brokerName",
    "brokerRole",
    "fileReservedTime",
    "filterServerNums",
    "flushDiskType",
    "maxMessageSize",
    "messageDelayLevel",
    "msgTraceTopicName",
    "slaveReadEnable",
    "traceOn",
    "traceTopicEnable",
    "useTLS",
    "autoCreateTopicEnable",
    "autoCreateSubscriptionGroup",
];

/// Writes a file into the folder that was named; returns its name.
fn export(call: &Call<'_>, name: &str, value: &impl Serialize) -> Result<String> {
    let file = format!("{}/{name}", call.get("f").unwrap_or(FOLDER));
    let text = fastjson::to_string_pretty(value)
        .map_err(|e| CliError::failed(format!("cannot write {file}")).because(&e))?;
    asking::write(&file, text.as_bytes())?;
    Ok(file)
}

const TOPICS: &str = "topicConfigTable";
const GROUPS: &str = "subscriptionGroupTable";

/// The topics that users made, as the broker tells of them.
async fn topics(admin: &Admin, broker: &str, with_special: bool) -> Result<Value, ClientError> {
    let mut table = admin.topic_table(broker).await?;
    let system = admin.system_topics(broker).await?;
    retain(&mut table, TOPICS, |name| {
        let special = name.starts_with(RETRY_PREFIX) || name.starts_with(DLQ_PREFIX);
        !system.contains(name) && (with_special || !special)
    });
    Ok(table)
}

/// The groups that users made, as the broker tells of them.
async fn groups(admin: &Admin, broker: &str) -> Result<Value, ClientError> {
    let mut table = admin.group_table(broker).await?;
    retain(&mut table, GROUPS, |name| !is_system_group(name));
    Ok(table)
}

fn retain(table: &mut Value, key: &str, wanted: impl Fn(&String) -> bool) {
    if let Some(Value::Object(rows)) = table.get_mut(key) {
        rows.retain(|name, _| wanted(name));
    }
}

fn rows<'a>(table: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let rows = table[key].as_object().into_iter().flatten();
    rows.filter(|(_, config)| config.is_object())
}

/// Adds a topic or group of one more broker: numbers of queues are those of all together, as Apache counts them.
fn add(all: &mut Map<String, Value>, name: &str, mut config: Value, queues: &[&str]) {
    if let Some(known) = all.get(name) {
        for key in queues {
            let sum = known[key].as_i64().unwrap_or(0) + config[*key].as_i64().unwrap_or(0);
            config[*key] = sum.into();
        }
    }
    all.insert(name.to_owned(), config);
}

async fn metadata(call: &Call<'_>) -> Result<Exit> {
    let with_special = call.has("s");
    if let Some(address) = call.get("b") {
        let failed = |e: &ClientError| CliError::client(format!("cannot export from {address}"), e);
        let file = if call.has("t") {
            let topics = topics(&call.admin, address, with_special).await;
            export(call, "topic.json", &topics.map_err(|e| failed(&e))?)?
        } else if call.has("g") {
            let groups = groups(&call.admin, address).await;
            export(
                call,
                "subscriptionGroup.json",
                &groups.map_err(|e| failed(&e))?,
            )?
        } else {
            return call.misses("of one broker, say what: -t or -g");
        };
        out!(call, "export {file} success");
        return Ok(Exit::Done);
    }
    let Some(cluster) = call.get("c") else {
        return call.neither();
    };
    let masters = call.cluster(cluster, Scope::Masters).await?;
    let addresses = masters.into_iter().map(|broker| broker.address).collect();
    let (mut all_topics, mut all_groups) = (Map::new(), Map::new());
    let exit = call
        .each(
            addresses,
            "export",
            |admin, address| async move {
                let topics = topics(&admin, &address, with_special).await?;
                Ok((topics, groups(&admin, &address).await?))
            },
            |_, (topics, groups)| {
                for (name, config) in rows(&topics, TOPICS) {
                    let config = java::whole_topic(config, call.generation);
                    let queues = ["readQueueNums", "writeQueueNums"];
                    add(&mut all_topics, name, config, &queues);
                }
                for (name, config) in rows(&groups, GROUPS) {
                    let config = java::whole_group(config, call.generation);
                    add(&mut all_groups, name, config, &["retryQueueNums"]);
                }
                Ok(())
            },
        )
        .await?;
    // A file with half of them would pass for all.
    if exit != Exit::Done {
        return Ok(exit);
    }
    let mut result = json!({ "exportTime": Timestamp::now().as_millisecond() });
    if !call.has("g") || call.has("t") {
        result[TOPICS] = all_topics.into();
    }
    if !call.has("t") {
        result[GROUPS] = all_groups.into();
    }
    let name = match (call.has("t"), call.has("g")) {
        (true, _) => "topic.json",
        (_, true) => "subscriptionGroup.json",
        _ => "metadata.json",
    };
    let file = export(call, name, &result)?;
    out!(call, "export {file} success\n");
    Ok(Exit::Done)
}

async fn configs(call: &Call<'_>) -> Result<Exit> {
    let brokers = call.cluster(call.text("c"), Scope::All).await?;
    let (masters, slaves): (Vec<_>, Vec<_>) = brokers.into_iter().partition(|b| b.is_master());
    let addresses: Vec<String> = masters.into_iter().map(|broker| broker.address).collect();
    let count = addresses.len();
    let mut configs = Map::new();
    let exit = call
        .each(
            addresses,
            "export the settings",
            |admin, address| async move { admin.broker_config(&address).await },
            |_, config| {
                let value = |key: &str| {
                    let property = config.iter().find(|property| property.key == key);
                    property.map(|property| property.value.clone())
                };
                let chosen: Map<String, Value> = SETTINGS
                    .iter()
                    .filter_map(|key| Some(((*key).to_owned(), value(key)?.into())))
                    .collect();
                configs.insert(value("brokerName").unwrap_or_default(), chosen.into());
                Ok(())
            },
        )
        .await?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    let result = json!({
        "brokerConfigs": configs,
        "clusterScale": {
            "namesrvSize": call.name_servers().len(),
            "masterBrokerSize": count,
            "slaveBrokerSize": slaves.len(),
        },
    });
    let file = export(call, "configs.json", &result)?;
    out!(call, "export {file} success");
    Ok(Exit::Done)
}

/// Figures of one broker, and those that are added up over all.
struct Figures {
    report: Value,
    /// Normal in and out, transactions, timed messages: per second.
    tps: [f64; 4],
    /// The same, in a day.
    one_day: [i64; 4],
}

async fn metrics(call: &Call<'_>) -> Result<Exit> {
    let masters = call.cluster(call.text("c"), Scope::Masters).await?;
    let addresses = masters
        .iter()
        .map(|broker| broker.address.clone())
        .collect();
    let mut reports = Map::new();
    let (mut tps, mut one_day) = ([0.0; 4], [0; 4]);
    let exit = call
        .each(
            addresses,
            "export the figures",
            |admin, address| async move { figures(&admin, &address).await },
            |address, figures| {
                for (sum, value) in tps.iter_mut().zip(figures.tps) {
                    *sum += value;
                }
                for (sum, value) in one_day.iter_mut().zip(figures.one_day) {
                    *sum += value;
                }
                let broker = masters.iter().find(|broker| broker.address == address);
                let name = broker.map_or_else(String::new, |broker| broker.name.clone());
                reports.insert(name, figures.report);
                Ok(())
            },
        )
        .await?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    let result = json!({
        "evaluateReport": reports,
        "totalData": {
            "totalOneDayNum": {
                "normalOneDayInNum": one_day[0], "normalOneDayOutNum": one_day[1],
                "scheduleOneDayInNum": one_day[3], "transOneDayInNum": one_day[2],
            },
            "totalTps": {
                "totalNormalInTps": tps[0], "totalNormalOutTps": tps[1],
                "totalScheduleInTps": tps[3], "totalTransInTps": tps[2],
            },
        },
    });
    let file = export(call, "metrics.json", &result)?;
    out!(call, "export {file} success");
    Ok(Exit::Done)
}

async fn figures(admin: &Admin, address: &str) -> Result<Figures, ClientError> {
    let runtime = admin.runtime(address).await?;
    let config = admin.broker_config(address).await?;
    let topics = topics(admin, address, false).await?;
    let groups = groups(admin, address).await?;
    let transactions = counter(admin, address, "RMQ_SYS_TRANS_HALF_TOPIC").await?;
    let timed = counter(admin, address, "SCHEDULE_TOPIC_XXXX").await?;
    let mut clients = BTreeSet::new();
    for (group, _) in rows(&groups, GROUPS) {
        for connection in admin.members(address, group).await?.connection_set {
            clients.insert(format!(
                "{}%{}",
                connection.language,
                version_name(connection.version)
            ));
        }
    }
    let text = |key: &str| runtime.table.get(key).cloned();
    let cpus = config
        .iter()
        .find(|property| property.key == "clientCallbackExecutorThreads");
    let tps = [
        runtime.in_per_second,
        runtime.out_per_second,
        transactions.0,
        timed.0,
    ];
    let one_day = [
        of_yesterday(&runtime, "msgPut"),
        of_yesterday(&runtime, "msgGet"),
        transactions.1,
        timed.1,
    ];
    let mut environment = Map::new();
    if let Some(cpus) = cpus {
        // What Apache takes for it.
        environment.insert("cpuNum".to_owned(), cpus.value.as_str().into());
    }
    let report = json!({
        "runtimeEnv": environment,
        "runtimeQuota": {
            "diskRatio": {
                "commitLogDiskRatio": text("commitLogDiskRatio"),
                "consumeQueueDiskRatio": text("consumeQueueDiskRatio"),
            },
            "groupSize": rows(&groups, GROUPS).count(),
            "messageAverageSize": text("putMessageAverageSize"),
            "oneDayNum": {
                "normalOneDayInNum": one_day[0], "normalOneDayOutNum": one_day[1],
                "scheduleOneDayInNum": one_day[3], "transOneDayInNum": one_day[2],
            },
            "topicSize": rows(&topics, TOPICS).count(),
            "tps": {
                "normalInTps": tps[0], "normalOutTps": tps[1],
                "scheduleInTps": tps[3], "transInTps": tps[2],
            },
        },
        "runtimeVersion": {
            "clientInfo": clients,
            // Of the tool.
            "rocketmqVersion": version_name(VERSION),
        },
    });
    Ok(Figures {
        report,
        tps,
        one_day,
    })
}

/// Messages of yesterday, by the broker's clock.
fn of_yesterday(runtime: &Runtime, what: &str) -> i64 {
    let number = |when: &str| {
        let text = runtime.table.get(&format!("{what}Total{when}Morning"))?;
        text.trim().parse::<i64>().ok()
    };
    let numbers = number("Today").zip(number("Yesterday"));
    numbers.map_or(0, |(today, yesterday)| today - yesterday)
}

/// Messages sent to a topic: per second, and in a day.
async fn counter(admin: &Admin, address: &str, topic: &str) -> Result<(f64, i64), ClientError> {
    match admin.counter(address, TOPIC_PUT_NUMS, topic).await {
        Ok(counter) => Ok((counter.stats_minute.tps, stats::day_sum(&counter))),
        // Nothing was counted.
        Err(error) if error.code() == Some(ResponseCode::SYSTEM_ERROR) => Ok((0.0, 0)),
        Err(error) => Err(error),
    }
}
