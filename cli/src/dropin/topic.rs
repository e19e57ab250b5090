//! Topics: their settings, routes and ranges.

use std::collections::{BTreeMap, BTreeSet};

use client::admin::{Broker, ORDER_TOPIC_CONFIG};
use client::consumer::allocate_averagely;
use client::names::{DLQ_PREFIX, RETRY_PREFIX};
use client::{ClientError, fan_out};
use remoting::protocol::body::queue_map::{IntMap, MessageQueue};
use remoting::protocol::body::topic::{TopicConfig, TopicRouteData};
use remoting::protocol::fastjson;
use serde::Serialize;

use super::options::{ROUTE_OF, TOPIC, flag, one_of, req, val};
use super::{Call, Generation, Scope, Verb, java, out, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "updateTopic",
        "Create a topic or overwrite its settings",
        update,
        [
            one_of(0, "b", "brokerAddr", "on this broker"),
            one_of(0, "c", "clusterName", "on all masters of this cluster"),
            TOPIC,
            val(
                "r",
                "readQueueNums",
                "number of queues to read, 8 unless given"
            ),
            val(
                "w",
                "writeQueueNums",
                "number of queues to write, 8 unless given"
            ),
            val("p", "perm", "permission: 2 write, 4 read, 6 both"),
            val("o", "order", "whether its queues are ordered (true|false)"),
            val("u", "unit", "whether it belongs to a unit (true|false)"),
            val("s", "hasUnitSub", "whether units subscribe it (true|false)"),
            val(
                "a",
                "attributes",
                "attributes of 5.x to set and to drop: +a=b,+c=d,-e"
            ),
        ]
    ),
    verb!(
        "updateTopicList",
        "Create or overwrite the topics of a file",
        update_list,
        [
            one_of(0, "b", "brokerAddr", "on this broker"),
            one_of(0, "c", "clusterName", "on all masters of this cluster"),
            req("f", "filename", "a JSON file with a list of topic settings"),
        ]
    ),
    verb!(
        "deleteTopic",
        "Delete a topic from brokers and name servers",
        delete,
        [req("c", "clusterName", "from this cluster"), TOPIC,]
    ),
    verb!(
        "updateTopicPerm",
        "Change the permission of a topic",
        update_perm,
        [
            val("b", "brokerAddr", "on this broker"),
            val("c", "clusterName", "on all masters of this cluster"),
            TOPIC,
            req("p", "perm", "permission: 2 write, 4 read, 6 both"),
        ]
    ),
    verb!(
        "topicRoute",
        "Show the brokers and queues of a topic",
        route,
        [TOPIC, flag("l", "list", "in columns"),]
    ),
    verb!(
        "topicStatus",
        "Show the range of each queue of a topic",
        status,
        [TOPIC, ROUTE_OF,]
    ),
    verb!(
        "topicClusterList",
        "Show the clusters that have a topic",
        clusters,
        [TOPIC,]
    ),
    verb!(
        "topicList",
        "List all topics",
        list,
        [flag("c", "clusterModel", "with their clusters and groups"),]
    ),
    verb!(
        "updateOrderConf",
        "Read or change the order configuration of a topic",
        order_conf,
        [
            TOPIC,
            req("m", "method", "put, get or delete"),
            val(
                "v",
                "orderConf",
                "the configuration to put: broker-a:4;broker-b:4"
            ),
        ]
    ),
    verb!(
        "allocateMQ",
        "Show how queues would be shared by consumers",
        allocate,
        [
            TOPIC,
            req("i", "ipList", "the consumers, separated by commas"),
        ]
    ),
];

/// System flags of a topic.
const UNIT: i32 = 1;
const UNIT_SUB: i32 = 2;

async fn update(call: &Call<'_>) -> Result<Exit> {
    let bit = |key, bit| {
        if call.is_true(key) == Some(true) {
            bit
        } else {
            0
        }
    };
    let attributes = java::attributes(call.get("a").unwrap_or_default()).map_err(|part| {
        CliError::usage(format!(
            "updateTopic: attribute '{part}': write +key=value or -key"
        ))
    })?;
    let config = TopicConfig {
        topic_name: call.text("t").to_owned(),
        read_queue_nums: call.number("r")?.unwrap_or(8),
        write_queue_nums: call.number("w")?.unwrap_or(8),
        perm: call.number("p")?.unwrap_or(6),
        order: call.is_true("o").unwrap_or(false),
        topic_sys_flag: bit("u", UNIT) | bit("s", UNIT_SUB),
        attributes,
        ..TopicConfig::default()
    };
    let exit = call
        .on_all(
            Scope::Masters,
            &format!("create topic '{}'", config.topic_name),
            |admin, address| {
                let config = config.clone();
                async move { admin.put_topic(&address, &config).await }
            },
            |address| match call.has("c") {
                true => format!("create topic to {address} success.\n"),
                // With one broker, Apache tells of the order first.
                false => String::new(),
            },
        )
        .await?;
    if exit != Exit::Done && exit != Exit::Partly {
        return Ok(exit);
    }
    let newline = match call.generation {
        Generation::Four => "",
        Generation::Five => "\n",
    };
    if config.order {
        let (place, conf) = put_order(call, &config).await?;
        out!(
            call,
            "set {place} orderConf. isOrder=true, orderConf=[{conf}]{newline}"
        );
    }
    if let Some(address) = call.get("b") {
        out!(call, "create topic to {address} success.\n");
    }
    out!(call, "{}{newline}", java::topic(&config, call.generation));
    Ok(exit)
}

/// Tells the name servers how many ordered queues each broker has; returns what was told.
async fn put_order(call: &Call<'_>, config: &TopicConfig) -> Result<(&'static str, String)> {
    let topic = &config.topic_name;
    let entry = |broker: &Broker| format!("{}:{}", broker.name, config.write_queue_nums);
    let mut entries: BTreeMap<String, String> = BTreeMap::new();
    let (place, told) = if let Some(address) = call.get("b") {
        let brokers = call.brokers().await?;
        let broker = brokers.iter().find(|broker| broker.address == address);
        let broker = broker.ok_or_else(|| {
            CliError::not_found(format!("no name server knows a broker at {address}"))
        })?;
        // What the other brokers have stays.
        let known = call
            .kv(ORDER_TOPIC_CONFIG, topic)
            .await?
            .unwrap_or_default();
        for part in known.split(';').filter_map(|part| part.split_once(':')) {
            entries.insert(part.0.to_owned(), format!("{}:{}", part.0, part.1));
        }
        entries.insert(broker.name.clone(), entry(broker));
        ("broker", entry(broker))
    } else {
        let brokers = call.cluster(call.text("c"), Scope::Masters).await?;
        for broker in &brokers {
            entries.insert(broker.name.clone(), entry(broker));
        }
        let all: Vec<String> = entries.values().cloned().collect();
        ("cluster", all.join(";"))
    };
    let all: Vec<String> = entries.into_values().collect();
    call.put_kv(ORDER_TOPIC_CONFIG, topic, &all.join(";"))
        .await?;
    Ok((place, told))
}

async fn update_list(call: &Call<'_>) -> Result<Exit> {
    let file = call.text("f");
    let topics: Vec<TopicConfig> = super::asking::read_json(file)?;
    if topics.is_empty() {
        return Err(CliError::usage(format!(
            "updateTopicList: {file} has no topics"
        )));
    }
    call.on_all(
        Scope::Masters,
        "create topics",
        |admin, address| {
            let topics = topics.clone();
            async move { admin.put_topics(&address, &topics).await }
        },
        |address| {
            format!(
                "submit batch of topic config to {address} success, please check the result later.\n"
            )
        },
    )
    .await
}

async fn delete(call: &Call<'_>) -> Result<Exit> {
    delete_topic(call, call.text("c"), call.text("t")).await
}

/// Deletes a topic from the masters of a cluster, then from the name servers.
pub(super) async fn delete_topic(call: &Call<'_>, cluster: &str, topic: &str) -> Result<Exit> {
    let masters = call.cluster(cluster, Scope::Masters).await?;
    let addresses = masters.into_iter().map(|broker| broker.address).collect();
    let what = format!("delete topic '{topic}'");
    let exit = call
        .each(
            addresses,
            &what,
            |admin, address| {
                let topic = topic.to_owned();
                async move { admin.delete_topic(&address, &topic).await }
            },
            |_, ()| Ok(()),
        )
        .await?;
    // Name servers would point to brokers that still have it.
    if exit != Exit::Done {
        return Ok(exit);
    }
    out!(
        call,
        "delete topic [{topic}] from cluster [{cluster}] success.\n"
    );
    let exit = call
        .each(
            call.name_servers(),
            &what,
            |admin, address| {
                let topic = topic.to_owned();
                async move { admin.forget_topic(&address, &topic).await }
            },
            |_, ()| Ok(()),
        )
        .await?;
    if exit == Exit::Done {
        out!(call, "delete topic [{topic}] from NameServer success.\n");
    }
    Ok(exit)
}

async fn update_perm(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let perm: i32 = call.number("p")?.unwrap_or_default();
    let route = call.route(topic).await?;
    let old = |broker: &str| {
        let queues = route.queue_datas.iter().find(|q| q.broker_name == broker);
        queues.map(|queues| queues.perm)
    };
    let masters: Vec<(String, String)> = route
        .broker_datas
        .iter()
        .filter_map(|data| Some((data.broker_name.clone(), data.broker_addrs.get(&0)?.clone())))
        .collect();
    let chosen: Vec<(String, String)> = if let Some(address) = call.get("b") {
        let Some(master) = masters.into_iter().find(|master| master.1 == address) else {
            out!(
                call,
                "updateTopicPerm error broker not exit or broker is not master!.\n"
            );
            return Ok(Exit::NotFound);
        };
        if old(&master.0) == Some(perm) {
            out!(call, "new perm equals to the old one!\n");
            return Ok(Exit::Done);
        }
        vec![master]
    } else if let Some(cluster) = call.get("c") {
        let members = call.cluster(cluster, Scope::Masters).await?;
        masters
            .into_iter()
            .filter(|(_, address)| members.iter().any(|member| member.address == *address))
            .collect()
    } else {
        return call.neither();
    };
    let addresses = chosen.iter().map(|(_, address)| address.clone()).collect();
    call.each(
        addresses,
        &format!("change topic '{topic}'"),
        |admin, address| {
            let topic = topic.to_owned();
            async move {
                // Only the permission changes: the broker's own settings are the start, not those of another broker.
                let mut topics = admin.topics(&address).await?;
                let mut config = topics.remove(&topic).ok_or_else(|| ClientError::NoRoute {
                    topic: topic.clone(),
                    reason: format!("{address} does not have the topic"),
                })?;
                config.perm = perm;
                config.attributes.clear();
                admin.put_topic(&address, &config).await?;
                Ok(config)
            }
        },
        |address, config| {
            let name = chosen.iter().find(|(_, a)| a == address);
            let old = name.and_then(|(name, _)| old(name)).unwrap_or(0);
            out!(
                call,
                "update topic perm from {old} to {perm} in {address} success.\n"
            );
            if call.has("b") {
                out!(call, "{}.\n", java::topic(&config, call.generation));
            }
            Ok(())
        },
    )
    .await
}

/// A route as the tools' own class prints it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RouteJson<'a> {
    broker_datas: Vec<BrokerJson<'a>>,
    filter_server_table: &'a BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_topic_conf: Option<&'a str>,
    queue_datas: Vec<QueueJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BrokerJson<'a> {
    broker_addrs: &'a IntMap<String>,
    broker_name: &'a str,
    cluster: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_acting_master: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueJson<'a> {
    broker_name: &'a str,
    perm: i32,
    read_queue_nums: i32,
    topic_sys_flag: i32,
    write_queue_nums: i32,
}

async fn route(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let data = call.route(topic).await?;
    if call.has("l") {
        return route_columns(call, &data);
    }
    let json = RouteJson {
        broker_datas: data
            .broker_datas
            .iter()
            .map(|broker| BrokerJson {
                broker_addrs: &broker.broker_addrs,
                broker_name: &broker.broker_name,
                cluster: &broker.cluster,
                enable_acting_master: (call.generation == Generation::Five).then_some(false),
            })
            .collect(),
        filter_server_table: &data.filter_server_table,
        order_topic_conf: data.order_topic_conf.as_deref(),
        queue_datas: data
            .queue_datas
            .iter()
            .map(|queues| QueueJson {
                broker_name: &queues.broker_name,
                perm: queues.perm,
                read_queue_nums: queues.read_queue_nums,
                topic_sys_flag: queues.topic_sys_flag.or(queues.topic_syn_flag).unwrap_or(0),
                write_queue_nums: queues.write_queue_nums,
            })
            .collect(),
    };
    let text = fastjson::to_string_pretty(&json).map_err(|e| {
        CliError::failed(format!("cannot print the route of '{topic}'")).because(&e)
    })?;
    out!(call, "{text}\n");
    Ok(Exit::Done)
}

fn route_columns(call: &Call<'_>, data: &TopicRouteData) -> Result<Exit> {
    let row = |columns: [&str; 6]| -> Result<()> {
        let [cluster, broker, addresses, read, write, perm] = columns;
        out!(
            call,
            "{cluster:<45} {broker:<32} {addresses:<50} {read:<10} {write:<11} {perm:<5}\n"
        );
        Ok(())
    };
    row([
        "#ClusterName",
        "#BrokerName",
        "#BrokerAddrs",
        "#ReadQueue",
        "#WriteQueue",
        "#Perm",
    ])?;
    let mut brokers: Vec<_> = data.broker_datas.iter().collect();
    brokers.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
    let (mut read, mut write) = (0, 0);
    for broker in brokers {
        let name = &broker.broker_name;
        let Some(queues) = data.queue_datas.iter().find(|q| q.broker_name == *name) else {
            continue;
        };
        read += queues.read_queue_nums;
        write += queues.write_queue_nums;
        row([
            &broker.cluster,
            name,
            &java::map(&broker.broker_addrs),
            &queues.read_queue_nums.to_string(),
            &queues.write_queue_nums.to_string(),
            &queues.perm.to_string(),
        ])?;
    }
    out!(call, "{}\n", "-".repeat(158));
    let names: BTreeSet<&str> = data
        .queue_datas
        .iter()
        .map(|q| q.broker_name.as_str())
        .collect();
    row([
        "Total:",
        &names.len().to_string(),
        "",
        &read.to_string(),
        &write.to_string(),
        "",
    ])?;
    Ok(Exit::Done)
}

async fn status(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let route = call.route(call.get("c").unwrap_or(topic)).await?;
    let mut queues = BTreeMap::new();
    let exit = call
        .each(
            super::asking::one_address_each(&route),
            &format!("read the queues of topic '{topic}'"),
            |admin, address| {
                let topic = topic.to_owned();
                async move { admin.topic_stats(&address, &topic).await }
            },
            |_, stats| {
                queues.extend(stats.offset_table.0);
                Ok(())
            },
        )
        .await?;
    if queues.is_empty() {
        return Err(CliError::not_found(format!(
            "Not found the topic stats info of '{topic}'"
        )));
    }
    out!(
        call,
        "{:<32}  {:<4}  {:<20}  {:<20}    {}\n",
        "#Broker Name",
        "#QID",
        "#Min Offset",
        "#Max Offset",
        "#Last Updated"
    );
    for (queue, range) in &queues {
        let updated = match range.last_update_timestamp {
            never if never <= 0 => String::new(),
            time => java::millis(time),
        };
        out!(
            call,
            "{:<32}  {:<4}  {:<20}  {:<20}    {updated}\n",
            java::cut(&queue.broker_name, 32),
            queue.queue_id,
            range.min_offset,
            range.max_offset,
        );
    }
    if call.generation == Generation::Five {
        // Apache never adds up what its brokers answer.
        out!(call, "\nTopic Put TPS: 0.0\n");
    }
    Ok(exit)
}

async fn clusters(call: &Call<'_>) -> Result<Exit> {
    let route = call.route(call.text("t")).await?;
    let clusters: BTreeSet<&str> = route
        .broker_datas
        .iter()
        .map(|b| b.cluster.as_str())
        .collect();
    for cluster in clusters {
        out!(call, "{cluster}\n");
    }
    Ok(Exit::Done)
}

async fn list(call: &Call<'_>) -> Result<Exit> {
    let topics = call.topic_names().await?;
    if !call.has("c") {
        for topic in &topics {
            out!(call, "{topic}\n");
        }
        return Ok(Exit::Done);
    }
    out!(
        call,
        "{:<20}  {:<48}  {:<48}\n",
        "#Cluster Name",
        "#Topic",
        "#Consumer Group"
    );
    let topics = topics
        .into_iter()
        .filter(|topic| !topic.starts_with(RETRY_PREFIX) && !topic.starts_with(DLQ_PREFIX));
    let found = fan_out::all(topics, |topic| {
        let admin = call.admin.clone();
        async move {
            let route = admin.client().route(&topic).await?.data.clone();
            let cluster = route.broker_datas.first().map(|b| b.cluster.clone());
            let mut groups = BTreeSet::new();
            for address in super::asking::one_address_each(&route) {
                groups.extend(admin.groups_of_topic(&address, &topic).await?);
            }
            Ok::<_, ClientError>((topic, cluster.unwrap_or_default(), groups))
        }
    });
    let (mut done, mut failures) = (0, Vec::new());
    for found in found.await {
        match found {
            Ok((topic, cluster, mut groups)) => {
                done += 1;
                if groups.is_empty() {
                    groups.insert(String::new());
                }
                for group in &groups {
                    out!(
                        call,
                        "{:<20}  {:<64}  {:<64}\n",
                        java::cut(&cluster, 20),
                        java::cut(&topic, 64),
                        java::cut(group, 64)
                    );
                }
            }
            Err(error) => failures.push(CliError::client(
                "cannot list the groups of a topic",
                &error,
            )),
        }
    }
    Ok(call.verdict(done, &failures))
}

async fn order_conf(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    match call.text("m") {
        "get" => {
            let Some(conf) = call.kv(ORDER_TOPIC_CONFIG, topic).await? else {
                return Err(CliError::not_found(format!(
                    "topic '{topic}' has no order configuration"
                )));
            };
            out!(
                call,
                "get orderConf success. topic=[{topic}], orderConf=[{conf}] "
            );
        }
        "put" => {
            let conf = call.get("v").unwrap_or_default();
            if conf.is_empty() {
                return call.misses("please set orderConf with option -v.");
            }
            call.put_kv(ORDER_TOPIC_CONFIG, topic, conf).await?;
            out!(
                call,
                "update orderConf success. topic=[{topic}], orderConf=[{conf}]"
            );
        }
        "delete" => {
            call.delete_kv(ORDER_TOPIC_CONFIG, topic).await?;
            out!(call, "delete orderConf success. topic=[{topic}]");
        }
        _ => return call.misses("-m is one of put, get, delete"),
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Allocation<'a> {
    result: BTreeMap<&'a str, Vec<MessageQueue>>,
}

async fn allocate(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let route = call.client().route(topic).await;
    let route = route.map_err(|e| CliError::client(format!("cannot find topic '{topic}'"), &e))?;
    let members: Vec<String> = call.text("i").split(',').map(str::to_owned).collect();
    let result = members
        .iter()
        .map(|member| {
            let queues = allocate_averagely(member, &members, route.subscribe_queues());
            (member.as_str(), queues)
        })
        .collect();
    let json = fastjson::to_vec(&Allocation { result })
        .map_err(|e| CliError::failed("cannot print the queues").because(&e))?;
    out!(call, "{}\n", String::from_utf8_lossy(&json));
    Ok(Exit::Done)
}
