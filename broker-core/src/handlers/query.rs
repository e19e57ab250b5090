//! Single messages: by key (12) and by their place in the log (33).

use remoting::protocol::codes::ResponseCode;
use remoting::protocol::headers::query::{
    QueryMessageRequestHeader, QueryMessageResponseHeader, UNIQUE_KEY_QUERY,
    ViewMessageRequestHeader,
};
use remoting::transport::answer::Answer;
use remoting::transport::router::{Refusal, Reply, Request};

use crate::broker::Broker;

/// `QUERY_MESSAGE` (12). Messages that only share the key's hash are among the answer, as in
/// Apache's; clients sort them out.
pub(crate) fn query_message(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: QueryMessageRequestHeader = request.header()?;
    let config = broker.config.current();
    let unique = request
        .command
        .ext
        .get(UNIQUE_KEY_QUERY)
        .is_some_and(|value| value == "true");
    let wanted = if unique {
        config.default_query_max_num
    } else {
        u32::try_from(header.max_num)
            .unwrap_or(0)
            .min(config.max_msgs_num_batch)
    } as usize;
    let found = broker
        .store
        .query_by_key(
            &header.topic,
            &header.key,
            wanted,
            header.begin_timestamp,
            header.end_timestamp,
        )
        .map_err(|error| Refusal::system(error.to_string()))?;
    let mut answer = if found.messages.is_empty() {
        let remark = "can not find message, maybe time range not correct";
        Answer::with_code(ResponseCode::QUERY_NOT_FOUND, remark)
    } else {
        Answer::ok()
    };
    answer = answer.header(&QueryMessageResponseHeader {
        index_last_update_timestamp: found.index_last_update_timestamp,
        index_last_update_phyoffset: found.index_last_update_phyoffset,
    })?;
    answer.body = found.messages;
    Ok(answer.into())
}

/// `VIEW_MESSAGE_BY_ID` (33).
pub(crate) fn view_message(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: ViewMessageRequestHeader = request.header()?;
    match broker.store.message_at(header.offset) {
        Ok(Some(message)) => Ok(Answer::ok().body(message).into()),
        Ok(None) => Err(Refusal::system(format!(
            "can not find message by the offset, {}",
            header.offset
        ))),
        Err(error) => Err(Refusal::system(error.to_string())),
    }
}
