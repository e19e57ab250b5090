//! How far consumers are: 208, 317, 303, 308, 314, 43, 45.

use std::collections::BTreeMap;

use remoting::protocol::body::group::CorrectionOffsets;
use remoting::protocol::body::stats::{
    ConsumeStats, ConsumeStatsList, ConsumeTimeSpanBody, OffsetWrapper, QueueTimeSpan,
};
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::headers::admin::{
    BrokerConsumeStatsRequestHeader, CloneGroupOffsetRequestHeader, ConsumeStatsRequestHeader,
    ConsumeTimeSpanRequestHeader, QueryCorrectionOffsetRequestHeader,
};
use remoting::transport::answer::Answer;
use remoting::transport::router::{Refusal, Reply, Request};

use super::topic::{queue_on, stored_at};
use crate::broker::Broker;
use crate::handlers::json;

/// `GET_CONSUME_STATS` (208): one topic, or all of a group.
pub(crate) fn consume_stats(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: ConsumeStatsRequestHeader = request.header()?;
    let group = &*header.consumer_group;
    let topics = match header.topic.as_deref().map(str::trim) {
        None | Some("") => broker.offsets.topics_of_group(group),
        Some(topic) => vec![topic.to_owned()],
    };
    let mut stats = ConsumeStats::default();
    for topic in &topics {
        add_progress(broker, group, topic, &mut stats)?;
    }
    Ok(json(&stats)?.into())
}

/// Adds the queues of a topic to a group's progress. Topics that are gone, and topics which the
/// group has ceased to subscribe while others of it are online, are left out.
fn add_progress(
    broker: &Broker,
    group: &str,
    topic: &str,
    stats: &mut ConsumeStats,
) -> Result<(), Refusal> {
    let Some(config) = broker.topics.find(topic) else {
        return Ok(());
    };
    let given_up = broker
        .clients()
        .consumer_group(group)
        .is_some_and(|group| group.has_subscriptions() && group.subscription(topic).is_none());
    if given_up {
        return Ok(());
    }
    let broker_name = &broker.config.current().broker_name;
    for queue_id in 0..config.read_queue_nums {
        let broker_offset = broker.store.max_offset(topic, queue_id).max(0);
        let known = broker.offsets.progress(group, topic, queue_id);
        let (next, pulled) = known.unwrap_or_default();
        let consumer_offset = next.max(0);
        let last_timestamp = match consumer_offset {
            0 => 0,
            next => stored_at(broker, topic, queue_id, next - 1)?,
        };
        stats.offset_table.0.insert(
            queue_on(broker_name, topic, queue_id),
            OffsetWrapper {
                broker_offset,
                consumer_offset,
                last_timestamp,
                pull_offset: Some(pulled.max(consumer_offset)),
            },
        );
    }
    stats.consume_tps += broker.stats.group_get_tps(group, topic);
    Ok(())
}

/// `GET_BROKER_CONSUME_STATS` (317): all groups that have offsets here.
pub(crate) fn broker_consume_stats(
    broker: &Broker,
    request: &Request<'_>,
) -> Result<Reply, Refusal> {
    let header: BrokerConsumeStatsRequestHeader = request.header()?;
    let mut list = Vec::new();
    let mut total_diff = 0;
    for group in broker.groups.names() {
        let mut of_topics = Vec::new();
        for topic in broker.offsets.topics_of_group(&group) {
            let ordered = broker
                .topics
                .find(&topic)
                .is_some_and(|config| config.order);
            if header.is_order && !ordered {
                continue;
            }
            let mut stats = ConsumeStats::default();
            add_progress(broker, &group, &topic, &mut stats)?;
            if stats.offset_table.0.is_empty() {
                continue;
            }
            let diffs = stats
                .offset_table
                .0
                .values()
                .map(|queue| queue.broker_offset - queue.consumer_offset);
            total_diff += diffs.sum::<i64>();
            of_topics.push(stats);
        }
        list.push(BTreeMap::from([(group, of_topics)]));
    }
    let body = ConsumeStatsList {
        broker_addr: broker.store_host.to_string(),
        consume_stats_list: list,
        total_diff,
    };
    Ok(json(&body)?.into())
}

/// `QUERY_CONSUME_TIME_SPAN` (303): how old what a group has consumed is, by queue.
pub(crate) fn time_span(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: ConsumeTimeSpanRequestHeader = request.header()?;
    let topic = &*header.topic;
    let Some(config) = broker.topics.find(topic) else {
        return Err(Refusal::new(
            ResponseCode::TOPIC_NOT_EXIST,
            format!("topic[{topic}] not exist"),
        ));
    };
    let broker_name = &broker.config.current().broker_name;
    let now = broker.clock.now_ms();
    let mut spans = Vec::new();
    for queue_id in 0..config.write_queue_nums {
        let min = broker.store.min_offset(topic, queue_id).unwrap_or(0);
        let max = broker.store.max_offset(topic, queue_id);
        let consumed = broker
            .offsets
            .query(&header.group, topic, queue_id)
            .unwrap_or(0);
        let min_time_stamp = stored_at(broker, topic, queue_id, min)?;
        let consume_time_stamp = match consumed {
            0 => min_time_stamp,
            next => stored_at(broker, topic, queue_id, next - 1)?,
        };
        let waits = consumed < max;
        spans.push(QueueTimeSpan {
            consume_time_stamp,
            delay_time: if waits {
                now - stored_at(broker, topic, queue_id, consumed)?
            } else {
                0
            },
            max_time_stamp: stored_at(broker, topic, queue_id, max - 1)?,
            message_queue: queue_on(broker_name, topic, queue_id),
            min_time_stamp,
        });
    }
    Ok(json(&ConsumeTimeSpanBody {
        consume_time_span_set: spans,
    })?
    .into())
}

/// `QUERY_CORRECTION_OFFSET` (308): how far the slowest group of a topic is, by queue. What it has
/// consumed further than the compared group counts as endless. Apache's brokers delete the offsets of
/// the groups that do not count; here they stay.
pub(crate) fn correction_offsets(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: QueryCorrectionOffsetRequestHeader = request.header()?;
    let topic = &*header.topic;
    let left_out: Vec<&str> = header
        .filter_groups
        .as_deref()
        .unwrap_or_default()
        .split(',')
        .collect();
    let mut slowest = BTreeMap::new();
    for group in broker.offsets.groups_of_topic(topic) {
        if left_out.contains(&&*group) {
            continue;
        }
        for (queue_id, offset) in broker.offsets.queues(&group, topic) {
            if offset >= broker.store.min_offset(topic, queue_id).unwrap_or(0) {
                let least = slowest.entry(i64::from(queue_id)).or_insert(offset);
                *least = offset.min(*least);
            }
        }
    }
    for (queue_id, compared) in broker.offsets.queues(&header.compare_group, topic) {
        if let Some(offset) = slowest.get_mut(&i64::from(queue_id))
            && *offset > compared
        {
            *offset = i64::MAX;
        }
    }
    Ok(json(&CorrectionOffsets {
        correction_offsets: slowest,
    })?
    .into())
}

/// `CLONE_GROUP_OFFSET` (314): a group begins where another one is.
pub(crate) fn clone_group_offset(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: CloneGroupOffsetRequestHeader = request.header()?;
    let topics = match header.topic.as_deref().map(str::trim) {
        None | Some("") => broker.offsets.topics_of_group(&header.src_group),
        Some(topic) => vec![topic.to_owned()],
    };
    for topic in topics {
        if broker.topics.find(&topic).is_some() {
            broker
                .offsets
                .clone_offsets(&header.src_group, &header.dest_group, &topic);
        }
    }
    Ok(Answer::ok().into())
}

/// `GET_ALL_CONSUMER_OFFSET` (43).
pub(crate) fn all_offsets(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    Ok(json(&broker.offsets.to_wrapper())?.into())
}

/// `GET_ALL_DELAY_OFFSET` (45): how far each delay level is.
pub(crate) fn delay_offsets(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    Ok(json(&broker.schedule.offsets())?.into())
}
