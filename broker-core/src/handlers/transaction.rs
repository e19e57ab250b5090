//! Half messages: one becomes a message or is given up (`END_TRANSACTION`, 37, usually one-way); one
//! that was given up is asked for again (`RESUME_CHECK_HALF_MESSAGE`, 323).

use remoting::protocol::headers::admin::ResumeCheckHalfMessageRequestHeader;
use remoting::protocol::headers::send::EndTransactionRequestHeader;
use remoting::protocol::message::id::decode_offset_message_id;
use remoting::protocol::message::properties;
use remoting::protocol::message::record::{Record, RecordFields};
use remoting::protocol::message::sys_flag::{
    TRANSACTION_COMMIT, TRANSACTION_MASK, TRANSACTION_ROLLBACK,
};
use remoting::transport::router::{Refusal, Reply, Request};
use store::{AppendRefusal, Wait};

use crate::broker::Broker;
use crate::events::Ticket;
use crate::names::{TRANS_CHECK_MAX_TIME_TOPIC, TRANS_HALF_TOPIC};
use crate::transactions::{self, Committed};

pub(crate) fn end_transaction(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: EndTransactionRequestHeader = request.header()?;
    if !matches!(
        header.commit_or_rollback,
        TRANSACTION_COMMIT | TRANSACTION_ROLLBACK
    ) {
        // The producer does not know yet, and will be asked.
        return Ok(Reply::None);
    }
    let found = broker
        .store
        .message_at(header.commit_log_offset)
        .map_err(|e| Refusal::system(e.to_string()))?;
    let bytes = found.ok_or_else(|| Refusal::system("Find prepared transaction message failed"))?;
    let half = Record::parse(&bytes).map_err(|e| Refusal::system(e.to_string()))?;
    // Anybody may name any place in the log: nothing but a half message is moved.
    if half.topic != TRANS_HALF_TOPIC {
        return Err(Refusal::system("Find prepared transaction message failed"));
    }
    if half.property(properties::PRODUCER_GROUP) != Some(&header.producer_group) {
        return Err(Refusal::system("The producer group wrong"));
    }
    if half.queue_offset != header.tran_state_table_offset {
        return Err(Refusal::system("The transaction state table offset wrong"));
    }
    let committed = Committed {
        half_offset: half.queue_offset,
        reply: request.reply_handle(),
    };
    let queued = if header.commit_or_rollback == TRANSACTION_COMMIT {
        let message = transactions::whole(&half, broker.store_host)
            .ok_or_else(|| Refusal::system("the half message names no real topic and queue"))?;
        let message = RecordFields {
            sys_flag: message.sys_flag & !TRANSACTION_MASK | TRANSACTION_COMMIT,
            prepared_transaction_offset: header.commit_log_offset,
            ..message
        };
        let wait = match half.property(properties::WAIT) {
            Some("false") => Wait::Written,
            _ => Wait::Stored,
        };
        broker.append(&message, wait, Ticket::Commit(committed))
    } else {
        transactions::note_done(broker, committed)
    };
    queued.map_err(|refusal: AppendRefusal| Refusal::system(refusal.to_string()))?;
    Ok(Reply::Parked)
}

pub(crate) fn resume_check(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: ResumeCheckHalfMessageRequestHeader = request.header()?;
    let (_, offset) =
        decode_offset_message_id(&header.msg_id).map_err(|e| Refusal::system(e.to_string()))?;
    let found = broker
        .store
        .message_at(offset)
        .map_err(|e| Refusal::system(e.to_string()))?;
    let bytes = found
        .ok_or_else(|| Refusal::system(format!("can not find message by the offset, {offset}")))?;
    let half = Record::parse(&bytes).map_err(|e| Refusal::system(e.to_string()))?;
    if !matches!(half.topic, TRANS_HALF_TOPIC | TRANS_CHECK_MAX_TIME_TOPIC) {
        return Err(Refusal::system(format!(
            "the message at {offset} is of topic {} and no half message",
            half.topic
        )));
    }
    transactions::resume(broker, &half, request.reply_handle())
        .map_err(|refusal| Refusal::system(refusal.to_string()))?;
    Ok(Reply::Parked)
}
