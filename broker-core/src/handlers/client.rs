//! Clients: heartbeat (34), farewell (35), members of a group (38), locks of ordered consumption
//! (41, 42), check of a subscription (46); and telling a group that it has changed (40).

use remoting::protocol::body::client::{
    CheckClientConfigBody, ConsumerIdList, HeartbeatData, LockBatchRequestBody,
    LockBatchResponseBody,
};
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE, TopicConfig};
use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::client::{ConsumerGroupHeader, UnregisterClientRequestHeader};
use remoting::transport::answer::Answer;
use remoting::transport::router::{Lane, Refusal, Reply, Request};

use super::{decode, json, pull};
use crate::broker::Broker;
use crate::clients::{Changed, Peer};
use crate::filter::Filter;
use crate::names;
use crate::topics::{retry_sys_flag, topic};

/// `HEART_BEAT` (34). Creates groups that are new, and their retry topics.
pub(crate) fn heartbeat(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let data: HeartbeatData = decode(request)?;
    for consumer in &data.consumer_data_set {
        let known = super::group_of(broker, request, &consumer.group_name);
        let group = match known {
            Ok(Some(group)) => group,
            Ok(None) => return Ok(Reply::MoveTo(Lane::Admin)),
            // As Apache: the client is known all the same, its pulls are refused.
            Err(_) => continue,
        };
        let retry_topic = names::retry_topic(&consumer.group_name);
        if broker.topics.find(&retry_topic).is_none() {
            if !request.may_block() {
                return Ok(Reply::MoveTo(Lane::Admin));
            }
            broker.create_topic(TopicConfig {
                topic_sys_flag: retry_sys_flag(consumer.unit_mode),
                ..topic(&retry_topic, group.retry_queue_nums, PERM_READ | PERM_WRITE)
            })?;
        }
    }
    let peer = Peer {
        id: request.connection.id,
        remote: request.connection.remote,
        language: request.command.language,
        version: request.command.version,
        connection: request.connection.clone(),
    };
    let changed = broker
        .clients()
        .heartbeat(&data, &peer, broker.clock.now_ms());
    notify_changed(broker, &changed);
    Ok(Answer::ok().into())
}

/// `UNREGISTER_CLIENT` (35).
pub(crate) fn unregister(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: UnregisterClientRequestHeader = request.header()?;
    let changed = broker.clients().unregister(
        request.connection.id,
        header.producer_group.as_deref(),
        header.consumer_group.as_deref(),
    );
    notify_changed(broker, &changed);
    Ok(Answer::ok().into())
}

/// Tells the members of groups that their group has changed, so that they share the queues anew.
pub(crate) fn notify_changed(broker: &Broker, changed: &Changed) {
    for group in changed {
        let wanted = broker
            .groups
            .find(group)
            .is_none_or(|group| group.notify_consumer_ids_changed_enable);
        if !wanted || !broker.config.current().notify_consumer_ids_changed_enable {
            continue;
        }
        let header = ConsumerGroupHeader {
            consumer_group: group.to_string(),
        };
        let members = broker.clients().members(group);
        for member in members {
            let notice = RemotingCommand::request(RequestCode::NOTIFY_CONSUMER_IDS_CHANGED)
                .with_header(&header);
            match notice {
                Ok(notice) => member.peer.connection.send_oneway(notice),
                Err(e) => tracing::warn!("group {group} is not told of its change: {e}"),
            }
        }
    }
}

/// `GET_CONSUMER_LIST_BY_GROUP` (38).
pub(crate) fn consumer_list(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: ConsumerGroupHeader = request.header()?;
    let ids = broker.clients().consumer_ids(&header.consumer_group);
    if ids.is_empty() {
        return Err(Refusal::system(format!(
            "no consumer for this group, {}",
            header.consumer_group
        )));
    }
    Ok(json(&ConsumerIdList {
        consumer_id_list: ids,
    })?
    .into())
}

/// `LOCK_BATCH_MQ` (41): the queues that the client holds now.
pub(crate) fn lock_queues(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let body: LockBatchRequestBody = decode(request)?;
    let now = broker.clock.now_ms();
    let locked = broker
        .locks()
        .lock(&body.consumer_group, &body.client_id, body.mq_set, now);
    Ok(json(&LockBatchResponseBody {
        lock_ok_mq_set: locked,
    })?
    .into())
}

/// `UNLOCK_BATCH_MQ` (42).
pub(crate) fn unlock_queues(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let body: LockBatchRequestBody = decode(request)?;
    broker
        .locks()
        .unlock(&body.consumer_group, &body.client_id, &body.mq_set);
    Ok(Answer::ok().into())
}

/// `CHECK_CLIENT_CONFIG` (46): clients ask before they start when they filter otherwise than by tag.
pub(crate) fn check_client_config(
    broker: &Broker,
    request: &Request<'_>,
) -> Result<Reply, Refusal> {
    let body: CheckClientConfigBody = decode(request)?;
    let kind = body.subscription_data.expression_type.as_deref();
    pull::check_filter_enabled(broker, kind)?;
    Filter::compile(kind, &body.subscription_data.sub_string).map_err(|e| pull::not_parsed(&e))?;
    Ok(Answer::ok().into())
}
