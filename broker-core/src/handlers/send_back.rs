//! `CONSUMER_SEND_MSG_BACK` (36): a message that a group could not consume comes back later in the
//! group's retry topic, or ends in its dead-letter topic.

use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE, TopicConfig};
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::headers::send::ConsumerSendMsgBackRequestHeader;
use remoting::protocol::message::id::offset_message_id;
use remoting::protocol::message::properties;
use remoting::protocol::message::record::{Record, RecordFields};
use remoting::transport::answer::Answer;
use remoting::transport::router::{Lane, Refusal, Reply, Request};
use store::Wait;

use super::{broker_not_writable, dead_letter_topic, max_reconsume_times};
use crate::broker::Broker;
use crate::events::Ticket;
use crate::names::{self, SCHEDULE_TOPIC};
use crate::topics::{retry_sys_flag, topic};

/// Delay level of the first retry.
const FIRST_LEVEL: i32 = 3;

pub(crate) fn send_back(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: ConsumerSendMsgBackRequestHeader = request.header()?;
    let Some(group) = super::group_of(broker, request, &header.group)? else {
        return Ok(Reply::MoveTo(Lane::Read));
    };
    let config = broker.config.current();
    if !config.is_writable() {
        return Err(broker_not_writable(&config));
    }
    if group.retry_queue_nums <= 0 {
        return Ok(Answer::ok().into());
    }
    let retry_topic = broker.create_topic(TopicConfig {
        topic_sys_flag: retry_sys_flag(header.unit_mode.unwrap_or(false)),
        ..topic(
            &names::retry_topic(&header.group),
            group.retry_queue_nums,
            PERM_READ | PERM_WRITE,
        )
    })?;
    if retry_topic.perm & PERM_WRITE == 0 {
        let remark = format!(
            "the topic[{}] sending message is forbidden",
            retry_topic.topic_name
        );
        return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
    }
    let found = broker
        .store
        .message_at(header.offset)
        .map_err(|e| Refusal::system(e.to_string()))?;
    let bytes = found.ok_or_else(|| {
        Refusal::system(format!("look message by offset failed, {}", header.offset))
    })?;
    let failed = Record::parse(&bytes).map_err(|e| Refusal::system(e.to_string()))?;

    let max = max_reconsume_times(request, header.max_reconsume_times, &group);
    let given_up = header.delay_level < 0 || failed.reconsume_times >= max;
    let (real_topic, queue_id, level) = if given_up {
        let Some(topic) = dead_letter_topic(broker, request, &header.group)? else {
            return Ok(Reply::MoveTo(Lane::Read));
        };
        (topic, 0, None)
    } else {
        let level = match header.delay_level {
            0 => FIRST_LEVEL.saturating_add(failed.reconsume_times),
            level => level,
        };
        let queue_id = broker.choose_queue(group.retry_queue_nums);
        (
            retry_topic,
            queue_id,
            Some(broker.schedule.at_most_highest(level)),
        )
    };
    let real = (real_topic.topic_name.as_str(), queue_id);
    let properties = properties_of(&failed, level, real);
    let (topic, queue_id) = level.map_or(real, |level| (SCHEDULE_TOPIC, level - 1));
    let message = RecordFields {
        topic,
        queue_id,
        store_host: broker.store_host,
        reconsume_times: failed.reconsume_times.saturating_add(1),
        properties: &properties,
        ..failed.fields()
    };
    let ticket = Ticket::Plain(request.reply_handle());
    broker
        .append(&message, Wait::Written, ticket)
        .map_err(|refusal| Refusal::system(refusal.to_string()))?;
    broker.stats.sent_back(
        &header.group,
        failed
            .property(properties::RETRY_TOPIC)
            .unwrap_or(failed.topic),
    );
    Ok(Reply::Parked)
}

/// The properties of the copy: where the message first was, which message it was, and where it goes.
fn properties_of(
    failed: &Record<'_>,
    level: Option<i32>,
    (topic, queue_id): (&str, i32),
) -> Vec<u8> {
    use properties::{DELAY, ORIGIN_MESSAGE_ID, REAL_QUEUE_ID, REAL_TOPIC, RETRY_TOPIC, WAIT};
    let mut out = Vec::new();
    let mut replaced = vec![WAIT, DELAY];
    if level.is_some() {
        replaced.extend([REAL_TOPIC, REAL_QUEUE_ID]);
    }
    properties::copy_without(failed.properties, &replaced, &mut out);
    if failed.property(RETRY_TOPIC).is_none() {
        properties::append(&mut out, RETRY_TOPIC, failed.topic);
    }
    if failed.property(ORIGIN_MESSAGE_ID).is_none() {
        let id = offset_message_id(failed.store_host, failed.physical_offset);
        properties::append(&mut out, ORIGIN_MESSAGE_ID, &id);
    }
    properties::append(&mut out, WAIT, "false");
    if let Some(level) = level {
        properties::append(&mut out, DELAY, &level.to_string());
        properties::append(&mut out, REAL_TOPIC, topic);
        properties::append(&mut out, REAL_QUEUE_ID, &queue_id.to_string());
    }
    out
}
