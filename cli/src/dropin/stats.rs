//! Figures of topics, groups and queues.

use client::admin::{GROUP_GET_NUMS, TOPIC_PUT_NUMS};
use client::names::{DLQ_PREFIX, RETRY_PREFIX};
use client::{Admin, ClientError, fan_out};
use remoting::protocol::body::stats::{BrokerStatsData, ConsumeQueueData};
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::fastjson;

use super::options::{TOPIC, flag, req, val};
use super::{Call, Verb, asking, java, out, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "statsAll",
        "Show rates and what is to be consumed, by topic and group",
        stats_all,
        [
            flag("a", "activeTopic", "only topics with messages of today"),
            val("t", "topic", "only this topic"),
        ]
    ),
    verb!(
        "queryCq",
        "Show entries of a consume queue as they are stored",
        consume_queue,
        [
            TOPIC,
            req("q", "queue", "number of the queue"),
            req("i", "index", "the first entry"),
            val("c", "count", "how many, 10 unless given"),
            val("b", "broker", "ask this broker"),
            val(
                "g",
                "consumer",
                "and what the filter of this group makes of them"
            ),
        ]
    ),
];

/// What happened in a topic, on all its brokers together.
struct Topic {
    name: String,
    in_tps: f64,
    in_today: i64,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    behind: i64,
    out_tps: f64,
    out_today: i64,
}

async fn stats_all(call: &Call<'_>) -> Result<Exit> {
    let mut topics = call.topic_names().await?;
    topics.retain(|topic| {
        !topic.starts_with(RETRY_PREFIX)
            && !topic.starts_with(DLQ_PREFIX)
            && call
                .get("t")
                .is_none_or(|wanted| wanted.is_empty() || wanted == topic)
    });
    let row = |columns: [&str; 7]| -> Result<()> {
        let [topic, group, behind, in_tps, out_tps, in_today, out_today] = columns;
        out!(
            call,
            "{topic:<64}  {group:<64} {behind:>12} {in_tps:>11} {out_tps:>11} {in_today:>14} {out_today:>14}\n"
        );
        Ok(())
    };
    row([
        "#Topic",
        "#Consumer Group",
        "#Accumulation",
        "#InTPS",
        "#OutTPS",
        "#InMsg24Hour",
        "#OutMsg24Hour",
    ])?;
    let answers = fan_out::all(topics.clone(), |topic| {
        let admin = call.admin.clone();
        async move { figures(&admin, topic).await }
    });
    let only_active = call.has("a");
    let (mut done, mut failures) = (0, Vec::new());
    for (name, answer) in topics.iter().zip(answers.await) {
        let topic = match answer {
            Ok(topic) => topic,
            Err(error) => {
                let what = format!("cannot read the figures of topic '{name}'");
                failures.push(CliError::client(what, &error));
                continue;
            }
        };
        done += 1;
        let in_tps = java::fixed(topic.in_tps, 2);
        let in_today = topic.in_today.to_string();
        let name = java::cut(&topic.name, 64);
        for group in &topic.groups {
            if only_active && topic.in_today <= 0 && group.out_today <= 0 {
                continue;
            }
            row([
                name,
                java::cut(&group.name, 64),
                &group.behind.to_string(),
                &in_tps,
                &java::fixed(group.out_tps, 2),
                &in_today,
                &group.out_today.to_string(),
            ])?;
        }
        if topic.groups.is_empty() && (!only_active || topic.in_today > 0) {
            row([name, "", "0", &in_tps, "", &in_today, "NO_CONSUMER"])?;
        }
    }
    Ok(call.verdict(done, &failures))
}

async fn figures(admin: &Admin, name: String) -> Result<Topic, ClientError> {
    let route = admin.client().route(&name).await?.data.clone();
    let masters: Vec<String> = route
        .broker_datas
        .iter()
        .filter_map(|data| data.broker_addrs.get(&0).cloned())
        .collect();
    let (in_tps, in_today) = counted(admin, &masters, TOPIC_PUT_NUMS, &name).await?;
    let mut groups = Vec::new();
    let mut names = Vec::new();
    for address in asking::one_address_each(&route) {
        names.extend(admin.groups_of_topic(&address, &name).await?);
    }
    names.sort();
    names.dedup();
    for group in names {
        let key = format!("{name}@{group}");
        let (out_tps, out_today) = counted(admin, &masters, GROUP_GET_NUMS, &key).await?;
        let mut behind = 0;
        for address in asking::one_address_each(&route) {
            let queues = admin
                .consume_stats(&address, &group, Some(&name))
                .await?
                .offset_table
                .0;
            behind += queues
                .values()
                .map(|q| q.broker_offset - q.consumer_offset)
                .sum::<i64>();
        }
        groups.push(Group {
            name: group,
            behind: behind.max(0),
            out_tps,
            out_today,
        });
    }
    Ok(Topic {
        name,
        in_tps,
        in_today,
        groups,
    })
}

/// A counter summed over brokers: per second in the last minute, and in the last day.
async fn counted(
    admin: &Admin,
    brokers: &[String],
    name: &str,
    key: &str,
) -> Result<(f64, i64), ClientError> {
    let (mut tps, mut today) = (0.0, 0);
    for broker in brokers {
        match admin.counter(broker, name, key).await {
            Ok(counter) => {
                tps += counter.stats_minute.tps;
                today += day_sum(&counter);
            }
            // Nothing was counted.
            Err(error) if error.code() == Some(ResponseCode::SYSTEM_ERROR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((tps, today))
}

/// Of a young broker only the shorter windows have something.
pub(super) fn day_sum(counter: &BrokerStatsData) -> i64 {
    [counter.stats_day, counter.stats_hour, counter.stats_minute]
        .into_iter()
        .map(|window| window.sum)
        .find(|sum| *sum != 0)
        .unwrap_or(0)
}

async fn consume_queue(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let queue: i32 = call.number("q")?.unwrap_or_default();
    let index: i64 = call.number("i")?.unwrap_or_default();
    let count: i32 = call.number("c")?.unwrap_or(10);
    let address = match call.get("b") {
        Some(address) => address.to_owned(),
        None => {
            let route = call.route(topic).await?;
            let master = route
                .broker_datas
                .iter()
                .find_map(|data| data.broker_addrs.get(&0));
            let none = || CliError::not_found(format!("topic '{topic}' has no master"));
            master.ok_or_else(none)?.clone()
        }
    };
    let answer = call
        .admin
        .consume_queue(&address, topic, queue, index, count, call.get("g"))
        .await
        .map_err(|e| CliError::client(format!("cannot read the queue at {address}"), &e))?;
    let line = "=".repeat(38);
    if let Some(subscription) = &answer.subscription_data {
        let text = fastjson::to_string_pretty(subscription)
            .map_err(|e| CliError::failed("cannot print the subscription").because(&e))?;
        out!(call, "Subscription data: \n{text}\n{line}\n");
    }
    if let Some(filter) = &answer.filter_data {
        out!(call, "Filter data: \n{filter}\n{line}\n");
    }
    out!(
        call,
        "Queue data: \nmax: {}, min: {}\n{line}\n",
        answer.max_queue_index,
        answer.min_queue_index
    );
    for (number, entry) in (index..).zip(&answer.queue_data) {
        let ConsumeQueueData {
            bit_map,
            eval,
            extend_data_json,
            msg,
            physic_offset,
            physic_size,
            tags_code,
        } = entry;
        out!(
            call,
            "idx: {number}\nConsumeQueueData{{physicOffset={physic_offset}, physicSize={physic_size}, \
             tagsCode={tags_code}, extendDataJson='{}', bitMap='{}', eval={eval}, msg='{}'}}\n{line}\n",
            java::or_null(extend_data_json.as_ref()),
            java::or_null(bit_map.as_ref()),
            java::or_null(msg.as_ref())
        );
    }
    Ok(Exit::Done)
}
