//! Topics: 17, 18, 215, 316, 21, 351, 202, 305, 300.

use remoting::protocol::body::group::GroupList;
use remoting::protocol::body::queue_map::{MessageQueue, QueueMap};
use remoting::protocol::body::stats::{TopicOffset, TopicStatsTable};
use remoting::protocol::body::topic::{CreateTopicListRequestBody, TopicConfig, TopicList};
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::headers::admin::{CreateTopicRequestHeader, TopicRequestHeader};
use remoting::transport::answer::Answer;
use remoting::transport::router::{Refusal, Reply, Request};

use crate::broker::Broker;
use crate::handlers::{decode, json};
use crate::names::validate_topic;

/// Queues of a topic on one broker: what a number typed wrongly would otherwise cost.
const QUEUES_MAX: i32 = 65_536;

/// `UPDATE_AND_CREATE_TOPIC` (17).
pub(crate) fn create(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: CreateTopicRequestHeader = request.header()?;
    let topic = TopicConfig {
        order: header.order.unwrap_or(false),
        perm: header.perm,
        read_queue_nums: header.read_queue_nums,
        write_queue_nums: header.write_queue_nums,
        topic_filter_type: header
            .topic_filter_type
            .unwrap_or_else(|| "SINGLE_TAG".to_owned()),
        topic_sys_flag: header.topic_sys_flag.unwrap_or(0),
        topic_name: header.topic,
        ..TopicConfig::default()
    };
    check(broker, &topic)?;
    put(broker, topic)?;
    Ok(once_told(broker, request))
}

/// `UPDATE_AND_CREATE_TOPIC_LIST` (18): all of them, or none if one is not allowed.
pub(crate) fn create_all(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let body: CreateTopicListRequestBody = decode(request)?;
    for topic in &body.topic_config_list {
        check(broker, topic)?;
    }
    for topic in body.topic_config_list {
        put(broker, topic)?;
    }
    Ok(once_told(broker, request))
}

/// Success, as soon as the routes have changed, too: whoever creates a topic may use it then.
fn once_told(broker: &Broker, request: &Request<'_>) -> Reply {
    let (told, reply) = (broker.registration.told(), request.reply_handle());
    broker.runtime.spawn(async move {
        told.await;
        reply.send(&Answer::ok());
    });
    Reply::Parked
}

/// Whether a topic may be created, or changed, like this.
fn check(broker: &Broker, topic: &TopicConfig) -> Result<(), Refusal> {
    validate_topic(&topic.topic_name).map_err(Refusal::system)?;
    refuse_system_topic(broker, &topic.topic_name)?;
    for (name, queues) in [
        ("readQueueNums", topic.read_queue_nums),
        ("writeQueueNums", topic.write_queue_nums),
    ] {
        if !(1..=QUEUES_MAX).contains(&queues) {
            return Err(Refusal::system(format!(
                "{name} is {queues}, it must be between 1 and {QUEUES_MAX}"
            )));
        }
    }
    if !(0..=7).contains(&topic.perm) {
        return Err(Refusal::system(format!(
            "perm is {}, it must be between 0 and 7",
            topic.perm
        )));
    }
    Ok(())
}

fn put(broker: &Broker, topic: TopicConfig) -> Result<(), Refusal> {
    broker
        .topics
        .put(topic, broker.clock.now_ms())
        .map_err(|e| Refusal::system(e.to_string()))?;
    broker.registration.topics_changed();
    Ok(())
}

fn refuse_system_topic(broker: &Broker, name: &str) -> Result<(), Refusal> {
    if broker.topics.is_system(name) {
        return Err(Refusal::system(format!(
            "The topic[{name}] is conflict with system topic."
        )));
    }
    Ok(())
}

/// `DELETE_TOPIC_IN_BROKER` (215): the topic, its queues and the offsets of its consumers.
pub(crate) fn delete(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: TopicRequestHeader = request.header()?;
    let name = &*header.topic;
    refuse_system_topic(broker, name)?;
    broker
        .topics
        .delete(name, broker.clock.now_ms())
        .map_err(|e| Refusal::system(format!("topic[{name}]: {e}")))?;
    broker.registration.topics_changed();
    delete_queues(broker, name)?;
    Ok(once_told(broker, request))
}

/// `CLEAN_UNUSED_TOPIC` (316): queues of topics that this broker does not have.
pub(crate) fn clean_unused(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    // In this order: a topic is in the table before its first message is in a queue.
    for name in broker.store.topics() {
        if broker.topics.find(&name).is_none() && !broker.topics.is_system(&name) {
            tracing::info!("topic {name} is not in the topic table: its queues are deleted");
            delete_queues(broker, &name)?;
        }
    }
    Ok(Answer::ok().into())
}

/// What is left of a topic that has left the table.
fn delete_queues(broker: &Broker, name: &str) -> Result<(), Refusal> {
    let deleted = broker.store.delete_topic(name);
    deleted.map_err(|e| Refusal::system(format!("topic[{name}]: {e}")))?;
    broker.offsets.remove_topic(name);
    broker.stats.forget_topic(name);
    Ok(())
}

/// `GET_ALL_TOPIC_CONFIG` (21).
pub(crate) fn all(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    Ok(json(&broker.topics.to_wrapper())?.into())
}

/// `GET_TOPIC_CONFIG` (351).
pub(crate) fn config(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: TopicRequestHeader = request.header()?;
    match broker.topics.find(&header.topic) {
        Some(topic) => Ok(json(&*topic)?.into()),
        None => Err(Refusal::new(
            ResponseCode::TOPIC_NOT_EXIST,
            format!("No topic in this broker. topic: {}", header.topic),
        )),
    }
}

/// `GET_TOPIC_STATS_INFO` (202): the range of each queue.
pub(crate) fn stats(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: TopicRequestHeader = request.header()?;
    let name = &*header.topic;
    let Some(topic) = broker.topics.find(name) else {
        return Err(Refusal::new(
            ResponseCode::TOPIC_NOT_EXIST,
            format!("topic[{name}] not exist"),
        ));
    };
    let config = broker.config.current();
    let mut offset_table = QueueMap::default();
    for queue_id in 0..topic.write_queue_nums.max(topic.read_queue_nums) {
        let max_offset = broker.store.max_offset(name, queue_id);
        let min_offset = broker.store.min_offset(name, queue_id).unwrap_or(0);
        let last = if max_offset > 0 {
            stored_at(broker, name, queue_id, max_offset - 1)?
        } else {
            0
        };
        let offset = TopicOffset {
            last_update_timestamp: last,
            max_offset,
            min_offset,
        };
        offset_table
            .0
            .insert(queue_on(&config.broker_name, name, queue_id), offset);
    }
    Ok(json(&TopicStatsTable { offset_table })?.into())
}

/// `GET_SYSTEM_TOPIC_LIST_FROM_BROKER` (305).
pub(crate) fn system_topics(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    let topic_list = broker
        .topics
        .all()
        .into_iter()
        .map(|topic| topic.topic_name.clone());
    let topic_list = topic_list
        .filter(|topic| broker.topics.is_system(topic))
        .collect();
    Ok(json(&TopicList {
        broker_addr: None,
        topic_list,
    })?
    .into())
}

/// `QUERY_TOPIC_CONSUME_BY_WHO` (300): groups that subscribe the topic or have offsets in it.
pub(crate) fn consumed_by(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: TopicRequestHeader = request.header()?;
    let mut group_list = broker.clients().groups_of_topic(&header.topic);
    group_list.extend(broker.offsets.groups_of_topic(&header.topic));
    group_list.sort_unstable();
    group_list.dedup();
    Ok(json(&GroupList { group_list })?.into())
}

/// Store time of a message, 0 if there is none.
pub(crate) fn stored_at(
    broker: &Broker,
    topic: &str,
    queue_id: i32,
    offset: i64,
) -> Result<i64, Refusal> {
    let found = broker.store.store_time_at(topic, queue_id, offset);
    Ok(found
        .map_err(|e| Refusal::system(e.to_string()))?
        .unwrap_or(0))
}

pub(crate) fn queue_on(broker_name: &str, topic: &str, queue_id: i32) -> MessageQueue {
    MessageQueue {
        broker_name: broker_name.to_owned(),
        queue_id,
        topic: topic.to_owned(),
    }
}
