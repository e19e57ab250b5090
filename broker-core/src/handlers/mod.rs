//! One request family each: what a request asks for, checked and carried out on the broker's
//! state. Handlers have no state of their own.

pub(crate) mod admin;
pub(crate) mod client;
pub(crate) mod offset;
pub(crate) mod pull;
pub(crate) mod query;
pub(crate) mod relay;
pub(crate) mod reply;
pub(crate) mod send;
pub(crate) mod send_back;
pub(crate) mod transaction;

use std::sync::Arc;

use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE, TopicConfig};
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::fastjson::{self, JsonError};
use remoting::transport::answer::Answer;
use remoting::transport::router::{Refusal, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::broker::Broker;
use crate::config::BrokerConfig;
use crate::names;
use crate::topics::topic;

/// Ends the remarks that Apache ends with a link.
const FAQ: &str = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

/// The group of a request, created if that is allowed. `Ok(None)`: creating it would block here.
fn group_of(
    broker: &Broker,
    request: &Request<'_>,
    name: &str,
) -> Result<Option<Arc<SubscriptionGroupConfig>>, Refusal> {
    if let Some(group) = broker.groups.find(name) {
        return Ok(Some(group));
    }
    if !request.may_block() {
        return Ok(None);
    }
    broker.create_group_on_use(name)?.map(Some).ok_or_else(|| {
        let remark = format!("subscription group [{name}] does not exist, {FAQ}");
        Refusal::new(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, remark)
    })
}

/// Clients before this version say nothing of how often they want to try.
const FIRST_VERSION_WITH_MAX_RECONSUME_TIMES: i32 = 121;

/// How often a group's messages are tried before they are given up.
fn max_reconsume_times(
    request: &Request<'_>,
    wanted: Option<i32>,
    group: &SubscriptionGroupConfig,
) -> i32 {
    wanted
        .filter(|_| request.command.version >= FIRST_VERSION_WITH_MAX_RECONSUME_TIMES)
        .unwrap_or(group.retry_max_times)
}

/// The topic in which a group's messages end. `Ok(None)`: creating it would block here.
fn dead_letter_topic(
    broker: &Broker,
    request: &Request<'_>,
    group: &str,
) -> Result<Option<Arc<TopicConfig>>, Refusal> {
    let name = names::dead_letter_topic(group);
    match broker.topics.find(&name) {
        Some(topic) => Ok(Some(topic)),
        None if !request.may_block() => Ok(None),
        None => broker
            .create_topic(topic(&name, 1, PERM_READ | PERM_WRITE))
            .map(Some),
    }
}

fn broker_not_writable(config: &BrokerConfig) -> Refusal {
    let remark = format!(
        "the broker[{}] sending message is forbidden",
        config.broker_ip1
    );
    Refusal::new(ResponseCode::NO_PERMISSION, remark)
}

fn topic_not_exist(topic: &str) -> Refusal {
    let remark = format!("topic[{topic}] not exist, apply first please!{FAQ}");
    Refusal::new(ResponseCode::TOPIC_NOT_EXIST, remark)
}

fn decode<T: DeserializeOwned>(request: &Request<'_>) -> Result<T, Refusal> {
    fastjson::from_slice(request.body())
        .map_err(|error| Refusal::system(format!("request body: {error}")))
}

fn json<T: Serialize>(body: &T) -> Result<Answer, Refusal> {
    let body =
        fastjson::to_vec(body).map_err(|error: JsonError| Refusal::system(error.to_string()))?;
    Ok(Answer::ok().body(body))
}
