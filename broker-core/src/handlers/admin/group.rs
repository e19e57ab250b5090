//! Consumer and producer groups: 200, 225, 207, 201, 352, 203, 204, 328, 343, 345.

use remoting::protocol::body::group::{
    QuerySubscriptionResponseBody, SubscriptionGroupConfig, SubscriptionGroupList,
};
use remoting::protocol::body::topic::TopicList;
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::headers::admin::{
    DeleteSubscriptionGroupRequestHeader, GroupRequestHeader, QuerySubscriptionRequestHeader,
};
use remoting::protocol::headers::client::{ConsumerGroupHeader, ProducerGroupHeader};
use remoting::transport::answer::Answer;
use remoting::transport::router::{Refusal, Reply, Request};

use crate::broker::Broker;
use crate::handlers::{decode, json};
use crate::names::validate_group;

/// `UPDATE_AND_CREATE_SUBSCRIPTIONGROUP` (200).
pub(crate) fn create(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let group: SubscriptionGroupConfig = decode(request)?;
    put_all(broker, vec![group])
}

/// `UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST` (225): all of them, or none if one is not allowed.
pub(crate) fn create_all(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let body: SubscriptionGroupList = decode(request)?;
    put_all(broker, body.group_config_list)
}

fn put_all(broker: &Broker, groups: Vec<SubscriptionGroupConfig>) -> Result<Reply, Refusal> {
    for group in &groups {
        validate_group(&group.group_name).map_err(Refusal::system)?;
    }
    for group in groups {
        broker
            .groups
            .put(group, broker.clock.now_ms())
            .map_err(|e| Refusal::system(e.to_string()))?;
    }
    Ok(Answer::ok().into())
}

/// `DELETE_SUBSCRIPTIONGROUP` (207): the group, and its offsets if that is asked for.
pub(crate) fn delete(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: DeleteSubscriptionGroupRequestHeader = request.header()?;
    let name = &*header.group_name;
    broker
        .groups
        .delete(name, broker.clock.now_ms())
        .map_err(|e| Refusal::system(e.to_string()))?;
    if header
        .remove_offset
        .or(header.clean_offset)
        .unwrap_or(false)
    {
        broker.offsets.remove_group(name);
    }
    broker.stats.forget_group(name);
    Ok(Answer::ok().into())
}

/// `GET_ALL_SUBSCRIPTIONGROUP_CONFIG` (201).
pub(crate) fn all(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    Ok(json(&broker.groups.to_wrapper())?.into())
}

/// `GET_SUBSCRIPTIONGROUP_CONFIG` (352).
pub(crate) fn config(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: GroupRequestHeader = request.header()?;
    match broker.groups.find(&header.group) {
        Some(group) => Ok(json(&*group)?.into()),
        None => Err(Refusal::new(
            ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
            format!("No group in this broker. group: {}", header.group),
        )),
    }
}

/// `GET_CONSUMER_CONNECTION_LIST` (203).
pub(crate) fn consumer_connections(
    broker: &Broker,
    request: &Request<'_>,
) -> Result<Reply, Refusal> {
    let header: ConsumerGroupHeader = request.header()?;
    let name = &*header.consumer_group;
    let found = broker.clients().consumer_connection(name);
    match found {
        Some(body) => Ok(json(&body)?.into()),
        None => Err(Refusal::new(
            ResponseCode::CONSUMER_NOT_ONLINE,
            format!("the consumer group[{name}] not online"),
        )),
    }
}

/// `GET_PRODUCER_CONNECTION_LIST` (204).
pub(crate) fn producer_connections(
    broker: &Broker,
    request: &Request<'_>,
) -> Result<Reply, Refusal> {
    let header: ProducerGroupHeader = request.header()?;
    let name = &*header.producer_group;
    let found = broker.clients().producer_connection(name);
    match found {
        Some(body) => Ok(json(&body)?.into()),
        None => Err(Refusal::system(format!(
            "the producer group[{name}] not exist"
        ))),
    }
}

/// `GET_ALL_PRODUCER_INFO` (328).
pub(crate) fn all_producers(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    let table = broker.clients().producer_table();
    Ok(json(&table)?.into())
}

/// `QUERY_TOPICS_BY_CONSUMER` (343): topics in which the group has offsets.
pub(crate) fn topics(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: GroupRequestHeader = request.header()?;
    let topic_list = broker.offsets.topics_of_group(&header.group);
    Ok(json(&TopicList {
        broker_addr: None,
        topic_list,
    })?
    .into())
}

/// `QUERY_SUBSCRIPTION_BY_CONSUMER` (345): what a group subscribes of a topic now.
pub(crate) fn subscription(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: QuerySubscriptionRequestHeader = request.header()?;
    let subscription_data = broker.clients().subscription(&header.group, &header.topic);
    Ok(json(&QuerySubscriptionResponseBody {
        group: header.group,
        subscription_data,
        topic: header.topic,
    })?
    .into())
}
