//! Offsets of consumers (14, 15) and of queues (29 to 32).

use remoting::protocol::codes::ResponseCode;
use remoting::protocol::headers::offset::{
    EarliestStoreTimeResponseHeader, OffsetResponseHeader, QueryConsumerOffsetRequestHeader,
    QueueRequestHeader, SearchOffsetRequestHeader, UpdateConsumerOffsetRequestHeader,
};
use remoting::transport::answer::Answer;
use remoting::transport::router::{Lane, Refusal, Reply, Request};
use store::{Boundary, StoreError};

use crate::broker::Broker;

/// `QUERY_CONSUMER_OFFSET` (14). Without an offset of its own a group starts at 0 where the queue's
/// first message is still recent, and in a queue that has none: 5.3 answers "not found" there, and
/// its clients then skip the first message.
pub(crate) fn query_consumer_offset(
    broker: &Broker,
    request: &Request<'_>,
) -> Result<Reply, Refusal> {
    let header: QueryConsumerOffsetRequestHeader<'_> = request.header()?;
    let (topic, queue_id) = (&*header.topic, header.queue_id);
    let offset = match broker
        .offsets
        .query(&header.consumer_group, topic, queue_id)
    {
        Some(offset) => Some(offset),
        None if header.set_zero_if_not_found == Some(false) => None,
        None if !request.may_block() => return Ok(Reply::MoveTo(Lane::Read)),
        None => {
            let from_start = broker.store.min_offset(topic, queue_id).unwrap_or(0) <= 0;
            let recent = from_start
                && !broker
                    .store
                    .is_on_disk(topic, queue_id, 0)
                    .map_err(unreadable)?;
            recent.then_some(0)
        }
    };
    match offset {
        Some(offset) => offset_answer(offset),
        None => Err(Refusal::new(
            ResponseCode::QUERY_NOT_FOUND,
            "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first",
        )),
    }
}

/// `UPDATE_CONSUMER_OFFSET` (15). As in 4.x nothing is checked: groups and topics may be unknown.
pub(crate) fn update_consumer_offset(
    broker: &Broker,
    request: &Request<'_>,
) -> Result<Reply, Refusal> {
    let header: UpdateConsumerOffsetRequestHeader<'_> = request.header()?;
    broker.offsets.commit(
        &header.consumer_group,
        &header.topic,
        header.queue_id,
        header.commit_offset,
    );
    Ok(Answer::ok().into())
}

/// `GET_MAX_OFFSET` (30): one past the last message, 0 for a queue that does not exist.
pub(crate) fn max_offset(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: QueueRequestHeader = request.header()?;
    offset_answer(broker.store.max_offset(&header.topic, header.queue_id))
}

/// `GET_MIN_OFFSET` (31): 0 for a queue that nothing was sent to yet, as Apache's brokers of 4.9 and 5.3 answer: clients
/// that go to the beginning refuse to go below it.
pub(crate) fn min_offset(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: QueueRequestHeader = request.header()?;
    let min = broker.store.min_offset(&header.topic, header.queue_id);
    offset_answer(min.unwrap_or(0))
}

/// `SEARCH_OFFSET_BY_TIMESTAMP` (29). Clients before 5.1 name no boundary and get 4.9's answer.
pub(crate) fn search_offset(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: SearchOffsetRequestHeader = request.header()?;
    let boundary = match header.boundary_type.as_deref() {
        Some(name) if name.eq_ignore_ascii_case("LOWER") => Boundary::Lower,
        Some(name) if name.eq_ignore_ascii_case("UPPER") => Boundary::Upper,
        _ => Boundary::Nearest,
    };
    let store = &broker.store;
    let found = store.offset_by_time(&header.topic, header.queue_id, header.timestamp, boundary);
    offset_answer(found.map_err(unreadable)?)
}

/// `GET_EARLIEST_MSG_STORETIME` (32).
pub(crate) fn earliest_store_time(
    broker: &Broker,
    request: &Request<'_>,
) -> Result<Reply, Refusal> {
    let header: QueueRequestHeader = request.header()?;
    let found = broker
        .store
        .earliest_store_time(&header.topic, header.queue_id);
    let timestamp = found.map_err(unreadable)?.unwrap_or(-1);
    Ok(Answer::ok()
        .header(&EarliestStoreTimeResponseHeader { timestamp })?
        .into())
}

fn unreadable(error: StoreError) -> Refusal {
    Refusal::system(error.to_string())
}

fn offset_answer(offset: i64) -> Result<Reply, Refusal> {
    Ok(Answer::ok()
        .header(&OffsetResponseHeader { offset })?
        .into())
}
