//! One request family each: what a request asks for, checked and carried out on the broker's
//! state. Handlers have no state of their own.

pub(crate) mod admin;
pub(crate) mod client;
pub(crate) mod offset;
pub(crate) mod pull;
pub(crate) mod query;
pub(crate) mod send;

use std::sync::Arc;

use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::fastjson::{self, JsonError};
use remoting::transport::connection::Answer;
use remoting::transport::router::{Refusal, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::broker::Broker;

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
