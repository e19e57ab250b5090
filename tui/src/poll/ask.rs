//! The questions of a round: what a server is asked, and what of its answer is kept.

use std::collections::BTreeMap;

use client::{Client, ClientError};
use remoting::protocol::body::client::{ConsumerConnection, ConsumerRunningInfo};
use remoting::protocol::body::cluster::ClusterInfo;
use remoting::protocol::body::group::SubscriptionGroupWrapper;
use remoting::protocol::body::kv::KvTable;
use remoting::protocol::body::stats::{ConsumeStats, TopicStatsTable};
use remoting::protocol::body::topic::TopicConfigSerializeWrapper;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::admin::{ConsumeStatsRequestHeader, TopicRequestHeader};
use remoting::protocol::headers::client::{ConsumerGroupHeader, ConsumerRunningInfoRequestHeader};
use remoting::protocol::properties;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::snapshot::{GroupQueue, Known, Member, Running, Runtime, Subscription, TopicQueue};

/// What a group's connections tell.
pub(crate) struct Connections {
    pub(crate) members: Vec<Member>,
    pub(crate) model: Option<String>,
    pub(crate) subscriptions: Vec<Subscription>,
}

/// Asks, and reads the body of a successful answer.
async fn ask<T: DeserializeOwned>(
    client: &Client,
    address: &str,
    code: RequestCode,
    header: Option<&impl Serialize>,
) -> Result<T, ClientError> {
    let mut request = RemotingCommand::request(code);
    if let Some(header) = header {
        request = request.with_header(header)?;
    }
    let answer = client.call_ok(address, request).await?;
    fastjson::from_slice(&answer.body).map_err(|error| ClientError::protocol(address, error))
}

const NO_HEADER: Option<&()> = None;

fn reason(error: ClientError) -> String {
    error.to_string()
}

pub(crate) async fn cluster(client: &Client, address: &str) -> Known<ClusterInfo> {
    ask(
        client,
        address,
        RequestCode::GET_BROKER_CLUSTER_INFO,
        NO_HEADER,
    )
    .await
    .map_err(reason)
}

pub(crate) async fn runtime(client: &Client, address: &str) -> Known<Runtime> {
    let table: KvTable = ask(
        client,
        address,
        RequestCode::GET_BROKER_RUNTIME_INFO,
        NO_HEADER,
    )
    .await
    .map_err(reason)?;
    Ok(read_runtime(&table.table))
}

fn read_runtime(table: &BTreeMap<String, String>) -> Runtime {
    let text = |key: &str| table.get(key).map(|text| text.trim().to_owned());
    let number = |key: &str| text(key)?.parse::<i64>().ok();
    // Averages over 10, 60 and 600 seconds; none before the broker has run for so long.
    let rate = |key: &str| text(key).and_then(|text| text.split(' ').next()?.parse().ok());
    let disk = text("commitLogDiskRatio").and_then(|text| text.parse::<f64>().ok());
    let since_epoch = |key: &str| number(key).filter(|ms| *ms > 0);
    Runtime {
        version: text("brokerVersionDesc").unwrap_or_default(),
        in_per_second: rate("putTps").unwrap_or(0.0),
        // 4.x misspells it.
        out_per_second: rate("getTransferredTps")
            .or_else(|| rate("getTransferedTps"))
            .unwrap_or(0.0),
        disk_used: disk.filter(|used| *used >= 0.0),
        commit_log_bytes: number("commitLogMaxOffset")
            .zip(number("commitLogMinOffset"))
            .map(|(max, min)| max - min),
        dispatch_behind_bytes: number("dispatchBehindBytes"),
        to_flush: text("remainHowManyDataToFlush"),
        page_cache_lock_ms: number("pageCacheLockTimeMills"),
        send_queue: number("sendThreadPoolQueueSize"),
        pull_queue: number("pullThreadPoolQueueSize"),
        boot_ms: since_epoch("bootTimestamp"),
        earliest_message_ms: since_epoch("earliestMessageTimeStamp"),
        retention_ms: None,
        failed_puts: number("putMessageFailedTimes"),
    }
}

/// How long a broker keeps messages.
pub(crate) async fn retention_ms(client: &Client, address: &str) -> Option<i64> {
    let request = RemotingCommand::request(RequestCode::GET_BROKER_CONFIG);
    let answer = client.call_ok(address, request).await.ok()?;
    let config = properties::parse(str::from_utf8(&answer.body).ok()?).ok()?;
    let hours = config
        .iter()
        .find(|property| property.key == "fileReservedTime")?;
    Some(hours.value.parse::<i64>().ok()?.saturating_mul(3_600_000))
}

pub(crate) async fn topics(client: &Client, address: &str) -> Known<Vec<String>> {
    let wrapper: TopicConfigSerializeWrapper = ask(
        client,
        address,
        RequestCode::GET_ALL_TOPIC_CONFIG,
        NO_HEADER,
    )
    .await
    .map_err(reason)?;
    Ok(wrapper.topic_config_table.into_keys().collect())
}

pub(crate) async fn groups(client: &Client, address: &str) -> Known<Vec<String>> {
    let wrapper: SubscriptionGroupWrapper = ask(
        client,
        address,
        RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
        NO_HEADER,
    )
    .await
    .map_err(reason)?;
    Ok(wrapper.subscription_group_table.into_keys().collect())
}

pub(crate) async fn topic_queues(
    client: &Client,
    address: &str,
    topic: &str,
) -> Known<Vec<TopicQueue>> {
    let header = TopicRequestHeader {
        topic: topic.to_owned(),
    };
    let stats: TopicStatsTable = ask(
        client,
        address,
        RequestCode::GET_TOPIC_STATS_INFO,
        Some(&header),
    )
    .await
    .map_err(reason)?;
    let queue = |(queue, offsets): (remoting::protocol::body::queue_map::MessageQueue, _)| {
        let offsets: remoting::protocol::body::stats::TopicOffset = offsets;
        TopicQueue {
            broker: queue.broker_name,
            id: queue.queue_id,
            min: offsets.min_offset,
            max: offsets.max_offset,
            last_ms: (offsets.last_update_timestamp > 0).then_some(offsets.last_update_timestamp),
        }
    };
    Ok(stats.offset_table.0.into_iter().map(queue).collect())
}

pub(crate) async fn group_queues(
    client: &Client,
    address: &str,
    group: &str,
) -> Known<Vec<GroupQueue>> {
    let header = ConsumeStatsRequestHeader {
        consumer_group: group.to_owned(),
        topic: None,
    };
    let stats: ConsumeStats = ask(
        client,
        address,
        RequestCode::GET_CONSUME_STATS,
        Some(&header),
    )
    .await
    .map_err(reason)?;
    let queues = stats
        .offset_table
        .0
        .into_iter()
        .map(|(queue, offsets)| GroupQueue {
            topic: queue.topic,
            broker: queue.broker_name,
            id: queue.queue_id,
            max: offsets.broker_offset,
            offset: offsets.consumer_offset.max(0),
            last_ms: (offsets.last_timestamp > 0).then_some(offsets.last_timestamp),
        });
    Ok(queues.collect())
}

pub(crate) async fn connections(client: &Client, address: &str, group: &str) -> Known<Connections> {
    let header = ConsumerGroupHeader {
        consumer_group: group.to_owned(),
    };
    let asked = ask(
        client,
        address,
        RequestCode::GET_CONSUMER_CONNECTION_LIST,
        Some(&header),
    )
    .await;
    let connection: ConsumerConnection = match asked {
        // Nobody is there: that is an answer.
        Err(error) if error.code() == Some(ResponseCode::CONSUMER_NOT_ONLINE) => {
            ConsumerConnection::default()
        }
        asked => asked.map_err(reason)?,
    };
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
    client: &Client,
    address: &str,
    group: &str,
    member: &str,
) -> Known<Running> {
    let header = ConsumerRunningInfoRequestHeader {
        consumer_group: group.to_owned(),
        client_id: member.to_owned(),
        jstack_enable: Some(false),
    };
    let info: ConsumerRunningInfo = ask(
        client,
        address,
        RequestCode::GET_CONSUMER_RUNNING_INFO,
        Some(&header),
    )
    .await
    .map_err(reason)?;
    let mut subscriptions: Vec<Subscription> = info
        .subscription_set
        .into_iter()
        .map(|subscription| Subscription {
            topic: subscription.topic,
            expression: subscription.sub_string,
        })
        .collect();
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

/// Clients send their version as a place in Apache's list of releases, two per patch: a snapshot, then the release.
fn version_name(ordinal: i32) -> String {
    let (major, place) = match ordinal {
        413..612 => (5, ordinal - 413),
        213..413 => (4, ordinal - 213),
        _ => return ordinal.to_string(),
    };
    format!("V{major}_{}_{}", place / 20, place % 20 / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (ordinal, name) in [
            (253, "V4_2_0"),
            (317, "V4_5_2"),
            (399, "V4_9_3"),
            (409, "V4_9_8"),
            (413, "V5_0_0"),
            (479, "V5_3_3"),
            (62, "62"),
        ] {
            assert_eq!(version_name(ordinal), name);
        }
    }

    #[test]
    fn a_broker_that_has_just_started_has_no_rates() {
        let table = |entries: &[(&str, &str)]| {
            entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let young = read_runtime(&table(&[
            ("putTps", " "),
            ("commitLogDiskRatio", "-1"),
            ("earliestMessageTimeStamp", "-1"),
        ]));
        assert_eq!(
            (
                young.in_per_second,
                young.disk_used,
                young.earliest_message_ms
            ),
            (0.0, None, None)
        );
        let old = read_runtime(&table(&[
            ("putTps", "12.5 11.0 3.0"),
            ("getTransferedTps", "7.0 8.0 9.0"),
        ]));
        assert_eq!((old.in_per_second, old.out_per_second), (12.5, 7.0));
    }
}
