//! What is kept of the answers to a round's questions.

use std::collections::BTreeMap;
use std::time::Instant;

use client::Admin;
use client::admin::{self, version_name};

use remoting::protocol::body::stats::ConsumeStats;

use super::now_ms;
use crate::snapshot::{GroupQueue, Known, Member, Running, Runtime, Subscription, TopicQueue};

/// What a group's connections tell.
pub(crate) struct Connections {
    pub(crate) members: Vec<Member>,
    pub(crate) model: Option<String>,
    pub(crate) subscriptions: Vec<Subscription>,
}

fn reason(error: client::ClientError) -> String {
    error.to_string()
}

pub(crate) async fn runtime(admin: &Admin, address: &str) -> Known<Runtime> {
    let asked_at = Instant::now();
    let runtime = admin.runtime(address).await.map_err(reason)?;
    let half = i64::try_from(asked_at.elapsed().as_millis() / 2).unwrap_or_default();
    let ahead_ms = runtime.clock_ms().map(|clock| clock - (now_ms() - half));
    Ok(Runtime {
        ahead_ms,
        ..kept(runtime)
    })
}

fn kept(runtime: admin::Runtime) -> Runtime {
    let number = |key: &str| runtime.table.get(key)?.trim().parse::<i64>().ok();
    Runtime {
        to_flush: runtime
            .table
            .get("remainHowManyDataToFlush")
            .map(|text| text.trim().to_owned()),
        page_cache_lock_ms: number("pageCacheLockTimeMills"),
        send_queue: number("sendThreadPoolQueueSize"),
        pull_queue: number("pullThreadPoolQueueSize"),
        failed_puts: number("putMessageFailedTimes"),
        retention_ms: None,
        ahead_ms: None,
        version: runtime.version,
        in_per_second: runtime.in_per_second,
        out_per_second: runtime.out_per_second,
        disk_used: runtime.disk_used,
        commit_log_bytes: runtime.commit_log_bytes,
        dispatch_behind_bytes: runtime.dispatch_behind_bytes,
        boot_ms: runtime.boot_ms,
        earliest_message_ms: runtime.earliest_message_ms,
        read_only_reason: runtime.read_only_reason,
    }
}

/// How long a broker keeps messages.
pub(crate) async fn retention_ms(admin: &Admin, address: &str) -> Option<i64> {
    let config = admin.broker_config(address).await.ok()?;
    let hours = config
        .iter()
        .find(|property| property.key == "fileReservedTime")?;
    Some(hours.value.parse::<i64>().ok()?.saturating_mul(3_600_000))
}

pub(crate) async fn topics(admin: &Admin, address: &str) -> Known<Vec<String>> {
    Ok(admin
        .topics(address)
        .await
        .map_err(reason)?
        .into_keys()
        .collect())
}

pub(crate) async fn groups(admin: &Admin, address: &str) -> Known<Vec<String>> {
    Ok(admin
        .groups(address)
        .await
        .map_err(reason)?
        .into_keys()
        .collect())
}

pub(crate) async fn topic_queues(
    admin: &Admin,
    address: &str,
    topic: &str,
) -> Known<Vec<TopicQueue>> {
    let stats = admin.topic_stats(address, topic).await.map_err(reason)?;
    let queues = stats
        .offset_table
        .0
        .into_iter()
        .map(|(queue, offsets)| TopicQueue {
            broker: queue.broker_name,
            id: queue.queue_id,
            min: offsets.min_offset,
            max: offsets.max_offset,
            last_ms: (offsets.last_update_timestamp > 0).then_some(offsets.last_update_timestamp),
        });
    Ok(queues.collect())
}

pub(crate) async fn group_queues(
    admin: &Admin,
    address: &str,
    group: &str,
) -> Known<Vec<GroupQueue>> {
    let stats = admin
        .consume_stats(address, group, None)
        .await
        .map_err(reason)?;
    Ok(queues_of(stats).collect())
}

fn queues_of(stats: ConsumeStats) -> impl Iterator<Item = GroupQueue> {
    let queues = stats.offset_table.0.into_iter();
    queues.map(|(queue, offsets)| GroupQueue {
        topic: queue.topic,
        broker: queue.broker_name,
        id: queue.queue_id,
        max: offsets.broker_offset,
        offset: offsets.consumer_offset.max(0),
        last_ms: (offsets.last_timestamp > 0).then_some(offsets.last_timestamp),
    })
}

/// The queues of all groups of a broker, by group.
pub(crate) async fn standings(
    admin: &Admin,
    address: &str,
) -> Known<BTreeMap<String, Vec<GroupQueue>>> {
    let groups = admin.all_consume_stats(address).await.map_err(reason)?;
    let queues = groups.into_iter().map(|(group, of_topics)| {
        let queues = of_topics.into_iter().flat_map(queues_of);
        (group, queues.collect())
    });
    Ok(queues.collect())
}

pub(crate) async fn connections(admin: &Admin, address: &str, group: &str) -> Known<Connections> {
    let connection = admin.members(address, group).await.map_err(reason)?;
    let members = connection.connection_set.into_iter().map(|member| Member {
        id: member.client_id,
        address: member.client_addr,
        language: member.language,
        version: version_name(member.version),
        running: None,
    });
    let subscriptions = connection
        .subscription_table
        .into_iter()
        .map(|(topic, subscription)| Subscription {
            topic,
            expression: subscription.sub_string,
        });
    Ok(Connections {
        members: members.collect(),
        model: connection.message_model,
        subscriptions: subscriptions.collect(),
    })
}

pub(crate) async fn running(
    admin: &Admin,
    address: &str,
    group: &str,
    member: &str,
) -> Known<Running> {
    let info = admin
        .running_info(address, group, member, false)
        .await
        .map_err(reason)?;
    let subscriptions = info.subscription_set.into_iter();
    let mut subscriptions = Vec::from_iter(subscriptions.map(|subscription| Subscription {
        topic: subscription.topic,
        expression: subscription.sub_string,
    }));
    subscriptions.sort();
    let queues = info
        .mq_table
        .0
        .into_keys()
        .map(|queue| (queue.topic, queue.broker_name, queue.queue_id));
    Ok(Running {
        subscriptions,
        queues: queues.collect(),
    })
}
