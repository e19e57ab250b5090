//! `PULL_MESSAGE` (11), `LITE_PULL_MESSAGE` (361): whole stored records, or a wait for one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use remoting::protocol::body::topic::PERM_READ;
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::headers::pull::{
    PULL_FLAG_COMMIT_OFFSET, PULL_FLAG_SUBSCRIPTION, PULL_FLAG_SUSPEND, PullMessageRequestHeader,
    PullMessageResponseHeader,
};
use remoting::transport::answer::Answer;
use remoting::transport::router::{Lane, Refusal, Reply, Request};
use store::{ReadFrom, ReadOutcome, ReadRequest, ReadResult, ReadStatus};

use super::{FAQ, topic_not_exist};
use crate::broker::Broker;
use crate::filter::{self, Filter, FilterError};
use crate::long_polling::HeldPull;

/// A pull is held no longer than this, whatever it asks for.
const MAX_SUSPEND_MS: i64 = 120_000;

pub(crate) fn pull_message(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: PullMessageRequestHeader<'_> = request.header()?;
    let Some(group) = super::group_of(broker, request, &header.consumer_group)? else {
        return Ok(Reply::MoveTo(Lane::Admin));
    };
    let config = broker.config.current();
    if !config.is_readable() {
        return Err(forbidden(format!(
            "the broker[{}] pulling message is forbidden",
            config.broker_ip1
        )));
    }
    if !group.consume_enable {
        return Err(forbidden(format!(
            "subscription group no permission, {}",
            header.consumer_group
        )));
    }
    let topic = &*header.topic;
    let topic_config = broker
        .topics
        .find(topic)
        .ok_or_else(|| topic_not_exist(topic))?;
    if topic_config.perm & PERM_READ == 0 {
        return Err(forbidden(format!(
            "the topic[{topic}] pulling message is forbidden"
        )));
    }
    if header.queue_id < 0 || header.queue_id >= topic_config.read_queue_nums {
        return Err(Refusal::system(format!(
            "queueId[{}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{}] consumer:[{}]",
            header.queue_id, topic_config.read_queue_nums, request.connection.remote
        )));
    }
    let filter = filter_of(broker, &header, group.consume_broadcast_enable)?;
    let suspends = header.sys_flag & PULL_FLAG_SUSPEND != 0;
    // Only the first pass comes with a request; it commits even when it moves to another lane first.
    if header.sys_flag & PULL_FLAG_COMMIT_OFFSET != 0
        && header.commit_offset >= 0
        && request.lane == Lane::Direct
    {
        broker.offsets.commit(
            &header.consumer_group,
            topic,
            header.queue_id,
            header.commit_offset,
        );
    }

    let from = if request.may_block() {
        ReadFrom::Anywhere
    } else {
        ReadFrom::MemoryOnly
    };
    let read = Read {
        topic,
        queue_id: header.queue_id,
        offset: header.queue_offset,
        max_messages: header.max_msg_nums,
        max_bytes: header.max_msg_bytes.unwrap_or(i32::MAX),
        filter: &filter,
    };
    let Some(result) = read.run(broker, from) else {
        return Ok(Reply::MoveTo(Lane::Read));
    };
    if result.status == ReadStatus::OffsetFoundNull {
        return Err(unreadable(topic, header.queue_id, header.queue_offset));
    }
    let code = response_code(&result, header.queue_offset);
    if code == ResponseCode::PULL_NOT_FOUND && suspends {
        let timeout_ms = if config.long_polling_enable {
            header
                .suspend_timeout_millis
                .clamp(0, MAX_SUSPEND_MS)
                .unsigned_abs()
        } else {
            config.short_polling_time_mills
        };
        let held = HeldPull {
            reply: request.reply_handle(),
            group: (&*header.consumer_group).into(),
            topic: topic.into(),
            queue_id: header.queue_id,
            queue_offset: header.queue_offset,
            max_messages: header.max_msg_nums,
            max_bytes: header.max_msg_bytes.unwrap_or(i32::MAX),
            filter,
            deadline: Instant::now() + Duration::from_millis(timeout_ms),
        };
        hold(broker, held);
        return Ok(Reply::Parked);
    }
    let queue = (&*header.consumer_group, topic, header.queue_id);
    Ok(answer(broker, queue, code, result)?.into())
}

fn forbidden(remark: String) -> Refusal {
    Refusal::new(ResponseCode::NO_PERMISSION, remark)
}

/// What the pull lets through: from its header, or from the group's heartbeat.
fn filter_of(
    broker: &Broker,
    header: &PullMessageRequestHeader<'_>,
    broadcast_enabled: bool,
) -> Result<Arc<Filter>, Refusal> {
    if header.sys_flag & PULL_FLAG_SUBSCRIPTION != 0 {
        let kind = header.expression_type.as_deref();
        let filter = Filter::compile(kind, header.subscription.as_deref().unwrap_or_default())
            .map_err(|e| not_parsed(&e))?;
        check_filter_enabled(broker, kind)?;
        return Ok(Arc::new(filter));
    }
    let not_subscribed = |what: &str| {
        Refusal::new(
            ResponseCode::SUBSCRIPTION_NOT_EXIST,
            format!("the consumer's {what} not exist{FAQ}"),
        )
    };
    let clients = broker.clients();
    let group = clients
        .consumer_group(&header.consumer_group)
        .ok_or_else(|| not_subscribed("group info"))?;
    if group.is_broadcasting() && !broadcast_enabled {
        return Err(forbidden(format!(
            "the consumer group[{}] can not consume by broadcast way",
            header.consumer_group
        )));
    }
    let subscription = group
        .subscription(&header.topic)
        .ok_or_else(|| not_subscribed("subscription"))?;
    if subscription.data.sub_version < header.sub_version {
        let remark = "the consumer's subscription not latest";
        return Err(Refusal::new(ResponseCode::SUBSCRIPTION_NOT_LATEST, remark));
    }
    let filter = subscription.filter.clone().map_err(|e| {
        let remark = format!("the consumer's filter data not exist, its expression is wrong: {e}");
        Refusal::new(ResponseCode::FILTER_DATA_NOT_EXIST, remark)
    })?;
    check_filter_enabled(broker, subscription.data.expression_type.as_deref())?;
    Ok(filter)
}

/// Refuses conditions on a broker that does not allow them.
pub(crate) fn check_filter_enabled(
    broker: &Broker,
    expression_type: Option<&str>,
) -> Result<(), Refusal> {
    if filter::is_by_tag(expression_type) || broker.config.current().enable_property_filter {
        return Ok(());
    }
    let kind = expression_type.unwrap_or_default();
    Err(Refusal::system(format!(
        "The broker does not support consumer to filter message by {kind}"
    )))
}

/// The refusal of an expression that cannot be compiled.
pub(crate) fn not_parsed(error: &FilterError) -> Refusal {
    Refusal::new(
        ResponseCode::SUBSCRIPTION_PARSE_FAILED,
        format!("parse the consumer's subscription failed: {error}"),
    )
}

struct Read<'a> {
    topic: &'a str,
    queue_id: i32,
    offset: i64,
    max_messages: i32,
    max_bytes: i32,
    filter: &'a Filter,
}

impl Read<'_> {
    /// `None`: it must be read from disk, and `from` does not allow that.
    fn run(&self, broker: &Broker, from: ReadFrom) -> Option<ReadResult> {
        let request = ReadRequest {
            topic: self.topic,
            queue_id: self.queue_id,
            offset: self.offset,
            max_messages: u32::try_from(self.max_messages).unwrap_or(0),
            max_bytes: u32::try_from(self.max_bytes).unwrap_or(0),
        };
        let store = &broker.store;
        let outcome = match self.filter {
            Filter::Tags(tags) => store.read(&request, |tags_code| tags.matches(tags_code), from),
            Filter::Condition(condition) => {
                filter::scan::scan(&request, condition, |step| store.read(step, |_| true, from))
            }
        };
        match outcome {
            ReadOutcome::Done(result) => Some(result),
            ReadOutcome::Cold => None,
        }
    }
}

/// The store has logged file and byte. A consumer that is refused asks again after some seconds, and says why; one that
/// is told that there is nothing asks again at once.
fn unreadable(topic: &str, queue_id: i32, offset: i64) -> Refusal {
    Refusal::system(format!(
        "message {offset} of queue {topic}-{queue_id} cannot be read: see the log of the broker; consumption stops in front of it"
    ))
}

fn response_code(result: &ReadResult, asked: i64) -> ResponseCode {
    match result.status {
        ReadStatus::Found => ResponseCode::SUCCESS,
        ReadStatus::NoMatchedMessage | ReadStatus::MessageWasRemoving => {
            ResponseCode::PULL_RETRY_IMMEDIATELY
        }
        ReadStatus::NoMatchedLogicQueue | ReadStatus::NoMessageInQueue if asked != 0 => {
            ResponseCode::PULL_OFFSET_MOVED
        }
        ReadStatus::NoMatchedLogicQueue
        | ReadStatus::NoMessageInQueue
        | ReadStatus::OffsetFoundNull
        | ReadStatus::OffsetOverflowOne => ResponseCode::PULL_NOT_FOUND,
        ReadStatus::OffsetOverflowBadly | ReadStatus::OffsetTooSmall => {
            ResponseCode::PULL_OFFSET_MOVED
        }
    }
}

/// Apache's name of the status, which travels as the remark.
fn status_name(status: ReadStatus) -> &'static str {
    match status {
        ReadStatus::Found => "FOUND",
        ReadStatus::NoMatchedMessage => "NO_MATCHED_MESSAGE",
        ReadStatus::NoMatchedLogicQueue => "NO_MATCHED_LOGIC_QUEUE",
        ReadStatus::NoMessageInQueue => "NO_MESSAGE_IN_QUEUE",
        ReadStatus::OffsetTooSmall => "OFFSET_TOO_SMALL",
        ReadStatus::OffsetOverflowOne => "OFFSET_OVERFLOW_ONE",
        ReadStatus::OffsetOverflowBadly => "OFFSET_OVERFLOW_BADLY",
        ReadStatus::OffsetFoundNull => "OFFSET_FOUND_NULL",
        ReadStatus::MessageWasRemoving => "MESSAGE_WAS_REMOVING",
    }
}

fn answer(
    broker: &Broker,
    (group, topic, queue_id): (&str, &str, i32),
    code: ResponseCode,
    result: ReadResult,
) -> Result<Answer, Refusal> {
    broker
        .offsets
        .note_pulled(group, topic, queue_id, result.next_begin_offset);
    broker
        .stats
        .pulled(group, topic, result.message_count, result.size);
    let mut answer =
        Answer::with_code(code, status_name(result.status)).header(&PullMessageResponseHeader {
            suggest_which_broker_id: 0,
            next_begin_offset: result.next_begin_offset,
            min_offset: result.min_offset,
            max_offset: result.max_offset,
            offset_delta: None,
        })?;
    answer.body = result.runs;
    Ok(answer)
}

/// Holds a pull. A message may have come between its read and now, so it looks again.
fn hold(broker: &Broker, pull: HeldPull) {
    let (topic, queue_id, offset) = (pull.topic.clone(), pull.queue_id, pull.queue_offset);
    let refused = broker.long_polling().hold(pull).err();
    let mut awake: Vec<HeldPull> = refused.into_iter().collect();
    let max_offset = broker.store.max_offset(&topic, queue_id);
    if max_offset > offset {
        awake.extend(broker.long_polling().behind(&topic, queue_id, max_offset));
    }
    broker.resume(awake);
}

/// Runs a pull that has waited. It waits on only if the messages that came are not for it, until
/// its time is over. `Err`: it must be run where reading from disk is allowed.
pub(crate) fn resume(broker: &Broker, mut pull: HeldPull, from: ReadFrom) -> Result<(), HeldPull> {
    let read = Read {
        topic: &pull.topic,
        queue_id: pull.queue_id,
        offset: pull.queue_offset,
        max_messages: pull.max_messages,
        max_bytes: pull.max_bytes,
        filter: &pull.filter,
    };
    let Some(result) = read.run(broker, from) else {
        return Err(pull);
    };
    if result.status == ReadStatus::NoMatchedMessage && Instant::now() < pull.deadline {
        pull.queue_offset = result.next_begin_offset;
        hold(broker, pull);
        return Ok(());
    }
    let answer = if result.status == ReadStatus::OffsetFoundNull {
        Err(unreadable(&pull.topic, pull.queue_id, pull.queue_offset))
    } else {
        let code = response_code(&result, pull.queue_offset);
        let queue = (&*pull.group, &*pull.topic, pull.queue_id);
        answer(broker, queue, code, result)
    };
    let answer = answer.unwrap_or_else(|refusal| Answer::with_code(refusal.code, refusal.remark));
    pull.reply.send(&answer);
    Ok(())
}

/// The answer to a pull whose time is over.
pub(crate) fn not_found_yet() -> Answer {
    Answer::with_code(
        ResponseCode::PULL_NOT_FOUND,
        status_name(ReadStatus::OffsetOverflowOne),
    )
}
