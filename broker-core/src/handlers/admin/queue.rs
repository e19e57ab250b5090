//! Consume queues as they stand in their files: 321, 306.

use remoting::protocol::body::stats::{ConsumeQueueData, QueryConsumeQueueBody};
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::headers::admin::QueryConsumeQueueRequestHeader;
use remoting::transport::answer::Answer;
use remoting::transport::router::{Refusal, Reply, Request};
use serde::Serialize;

use crate::broker::Broker;
use crate::filter::{self, Filter};
use crate::handlers::json;

/// Units in one answer: an index file of Apache's gives no more at once than is left of it.
const UNITS_MAX: i32 = 4096;

/// `QUERY_CONSUME_QUEUE` (321): a piece of a queue, and what a group's filter says to it.
pub(crate) fn query(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: QueryConsumeQueueRequestHeader = request.header()?;
    let (topic, queue_id) = (&*header.topic, header.queue_id);
    let count = usize::try_from(header.count.min(UNITS_MAX)).unwrap_or(0);
    let found = broker
        .store
        .queue_units(topic, queue_id, header.index, count)
        .map_err(|e| Refusal::system(e.to_string()))?
        .ok_or_else(|| Refusal::system(format!("{queue_id}@{topic} is not exist!")))?;
    if !(found.min_offset..found.max_offset).contains(&header.index) {
        let remark = format!("Index {} of {queue_id}@{topic} is not exist!", header.index);
        return Ok(Answer::with_code(ResponseCode::SUCCESS, remark).into());
    }
    let mut body = QueryConsumeQueueBody {
        max_queue_index: found.max_offset,
        min_queue_index: found.min_offset,
        ..QueryConsumeQueueBody::default()
    };
    let mut compiled = None;
    if let Some(group) = header.consumer_group.as_deref() {
        body.subscription_data = broker.clients().subscription(group, topic);
        body.filter_data = Some(match &body.subscription_data {
            None => format!("{group}@{topic} is not online!"),
            // The tags are in the subscription itself.
            Some(data) if filter::is_by_tag(data.expression_type.as_deref()) => "null".to_owned(),
            Some(data) => filter_data(group, data.sub_version, topic, &data.sub_string)?,
        });
        compiled = body
            .subscription_data
            .as_ref()
            .and_then(|data| Filter::of_subscription(data).ok());
    }
    let units = found.units.iter().map(|unit| ConsumeQueueData {
        eval: compiled
            .as_ref()
            .is_some_and(|filter| filter.may_match(unit.tags_code)),
        physic_offset: unit.phy,
        physic_size: unit.size,
        tags_code: unit.tags_code,
        ..ConsumeQueueData::default()
    });
    body.queue_data = units.collect();
    Ok(json(&body)?.into())
}

/// A condition in the words of Apache's `ConsumerFilterData`.
fn filter_data(
    consumer_group: &str,
    client_version: i64,
    topic: &str,
    expression: &str,
) -> Result<String, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ConsumerFilterData<'a> {
        client_version: i64,
        consumer_group: &'a str,
        expression: &'a str,
        expression_type: &'a str,
        topic: &'a str,
    }
    let data = ConsumerFilterData {
        client_version,
        consumer_group,
        expression,
        expression_type: filter::SQL92,
        topic,
    };
    serde_json::to_string(&data).map_err(|e| Refusal::system(e.to_string()))
}

/// `CLEAN_EXPIRED_CONSUMEQUEUE` (306): queues of which the log has no message left and which their
/// topic does not have (any more). Apache's brokers delete such queues of living topics as well; they
/// then begin at 0 again, and groups that were further skip what comes. Here the numbers of a queue
/// that can be used never begin anew.
pub(crate) fn clean_expired(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    let deleted = broker.store.delete_expired_queues(|topic, queue_id| {
        !broker.topics.is_system(topic)
            && broker.topics.find(topic).is_none_or(|config| {
                queue_id >= config.read_queue_nums.max(config.write_queue_nums)
            })
    });
    for (topic, queue_id) in deleted.map_err(|e| Refusal::system(e.to_string()))? {
        tracing::info!("queue {queue_id} of topic {topic} has expired and is deleted");
        broker.offsets.remove_queue(&topic, queue_id);
    }
    Ok(Answer::ok().into())
}
