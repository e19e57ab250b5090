//! Settings of the broker: 26, 25, 329.

use remoting::protocol::codes::ResponseCode;
use remoting::protocol::fastjson;
use remoting::protocol::headers::admin::BrokerConfigResponseHeader;
use remoting::protocol::properties;
use remoting::transport::answer::Answer;
use remoting::transport::router::{Refusal, Reply, Request};

use crate::broker::Broker;
use crate::config::UpdateError;

/// What can only be so here. Apache's `exportConfigs` fails for a broker that does not tell it.
const FIXED: &str = "filterServerNums=0\nslaveReadEnable=false\nuseTLS=false\n";

/// `GET_BROKER_CONFIG` (26): every key as properties text.
pub(crate) fn config(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    let version = fastjson::to_vec(&broker.topics.data_version()).ok();
    let header = BrokerConfigResponseHeader {
        version: version.and_then(|json| String::from_utf8(json).ok()),
    };
    let mut text = broker.config.current().to_properties();
    text.push_str(FIXED);
    Ok(Answer::ok().header(&header)?.body(text).into())
}

/// `UPDATE_BROKER_CONFIG` (25): keys that a running broker can be told anew.
pub(crate) fn update_config(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let text = str::from_utf8(request.body())
        .map_err(|e| Refusal::system(format!("request body: {e}")))?;
    let changed = broker.config.change(text).map_err(|error| {
        let code = match error {
            UpdateError::Refused(_) => ResponseCode::NO_PERMISSION,
            _ => ResponseCode::SYSTEM_ERROR,
        };
        Refusal::new(code, error.to_string())
    })?;
    broker.store.set_retention(changed.retention());
    // Whatever the value: tools give back what was wiped at name servers by setting it to what it is.
    let sets_permission = properties::parse(text).is_ok_and(|changes| {
        changes
            .iter()
            .any(|change| change.key == "brokerPermission")
    });
    if sets_permission {
        broker.topics.touch(broker.clock.now_ms());
        broker.registration.topics_changed();
    }
    Ok(Answer::ok().into())
}

/// `DELETE_EXPIRED_COMMITLOG` (329).
pub(crate) fn delete_expired_commit_log(
    broker: &Broker,
    _: &Request<'_>,
) -> Result<Reply, Refusal> {
    broker.store.delete_expired_files();
    Ok(Answer::ok().into())
}
