//! `SEND_REPLY_MESSAGE` (324), `SEND_REPLY_MESSAGE_V2` (325): the answer of a consumer to a
//! producer's message. It is stored in the topic that it names, unless `storeReplyMessageEnable` is
//! off, and passed on to that producer (326). Whether the producer took it is what the consumer is
//! told; whether it was stored is not.

use std::net::SocketAddr;
use std::sync::Arc;

use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::send::{
    ReplyMessageRequestHeader, SendMessageRequestHeader, SendMessageResponseHeader,
};
use remoting::protocol::message::id::offset_message_id;
use remoting::protocol::message::properties;
use remoting::protocol::message::record::RecordFields;
use remoting::transport::answer::{Answer, ReplyHandle};
use remoting::transport::connection::Connection;
use remoting::transport::router::{Lane, Refusal, Reply, Request};
use store::{Appended, Wait};
use tokio::runtime::Handle;

use super::relay::TIMEOUT;
use super::send;
use crate::broker::Broker;
use crate::events::Ticket;

/// A reply that is being stored, or need not be.
#[derive(Debug)]
pub(crate) struct ReplyTicket {
    reply: ReplyHandle,
    /// Where the producer is; or why it cannot be reached.
    to: Result<Producer, String>,
    pub(crate) topic: String,
    /// Of body and properties.
    pub(crate) bytes: usize,
    /// The answer's header but for the place of the message.
    header: SendMessageResponseHeader,
    runtime: Handle,
}

#[derive(Debug)]
struct Producer {
    client_id: String,
    connection: Arc<Connection>,
    push: RemotingCommand,
}

pub(crate) fn send_reply(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header =
        SendMessageRequestHeader::read(request.command.request_code(), &request.command.ext)?;
    let config = broker.config.current();
    let Some(topic) = send::topic_of(broker, &config, request, &header)? else {
        return Ok(Reply::MoveTo(Lane::Admin));
    };
    let queue_id = send::queue_of(broker, request, &header, &topic)?;
    let given = header.properties.as_deref().unwrap_or_default().as_bytes();
    let ticket = ReplyTicket {
        reply: request.reply_handle(),
        to: producer_of(broker, request, &header, given)?,
        topic: topic.topic_name.clone(),
        bytes: request.body().len() + given.len(),
        header: SendMessageResponseHeader {
            msg_id: "0".to_owned(),
            queue_id,
            msg_region: Some(config.region_id.clone()),
            trace_on: Some(config.trace_on),
            ..SendMessageResponseHeader::default()
        },
        runtime: broker.runtime.clone(),
    };
    if !config.store_reply_message_enable {
        ticket.pass_on(None, broker.store_host);
        return Ok(Reply::Parked);
    }
    let message = RecordFields {
        queue_id,
        flag: header.flag,
        sys_flag: header.sys_flag,
        born_timestamp: header.born_timestamp,
        born_host: request.connection.remote,
        store_host: broker.store_host,
        reconsume_times: header.reconsume_times.unwrap_or(0),
        prepared_transaction_offset: 0,
        body: request.body(),
        topic: &topic.topic_name,
        properties: given,
    };
    let mut record = Vec::new();
    let refused = match message.encode_into(&mut record) {
        Ok(_) => {
            let ticket = Ticket::Reply(Box::new(ticket));
            let (topic, store) = (&topic.topic_name, &broker.store);
            store
                .append(topic, queue_id, &record, 1, Wait::Written, ticket)
                .map_err(|(ticket, refusal)| (ticket, refusal.to_string()))
        }
        Err(_) => Err((
            Ticket::Reply(Box::new(ticket)),
            "its properties are too long".to_owned(),
        )),
    };
    if let Err((Ticket::Reply(ticket), problem)) = refused {
        tracing::warn!("a reply in topic {} is not stored: {problem}", ticket.topic);
        ticket.pass_on(None, broker.store_host);
    }
    Ok(Reply::Parked)
}

/// The producer that a reply is for, with the request that brings it there.
fn producer_of(
    broker: &Broker,
    request: &Request<'_>,
    header: &SendMessageRequestHeader<'_>,
    given: &[u8],
) -> Result<Result<Producer, String>, Refusal> {
    let Some(client_id) = properties::get(given, properties::REPLY_TO_CLIENT) else {
        let remark = "reply message properties[REPLY_TO_CLIENT] is null";
        return Ok(Err(remark.to_owned()));
    };
    let Some(producer) = broker.clients().producer(client_id) else {
        let remark = format!("push reply message fail, channel of <{client_id}> not found.");
        return Ok(Err(remark));
    };
    let now = broker.clock.now_ms();
    let mut passed = Vec::new();
    properties::copy_without(given, &[properties::PUSH_REPLY_TIME], &mut passed);
    properties::append(&mut passed, properties::PUSH_REPLY_TIME, &now.to_string());
    let push = RemotingCommand::request(RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT)
        .with_header(&ReplyMessageRequestHeader {
            producer_group: header.producer_group.to_string(),
            topic: header.topic.to_string(),
            default_topic: header.default_topic.to_string(),
            default_topic_queue_nums: header.default_topic_queue_nums,
            queue_id: header.queue_id,
            sys_flag: header.sys_flag,
            born_timestamp: header.born_timestamp,
            flag: header.flag,
            properties: String::from_utf8(passed).ok(),
            reconsume_times: header.reconsume_times,
            unit_mode: header.unit_mode,
            born_host: request.connection.remote.to_string(),
            store_host: broker.store_host.to_string(),
            store_timestamp: now,
        })?
        .with_body(request.body().to_vec());
    Ok(Ok(Producer {
        client_id: client_id.to_owned(),
        connection: producer.peer.connection,
        push,
    }))
}

impl ReplyTicket {
    /// Brings the reply to its producer and answers the consumer: with the place of the message, if
    /// it was stored. Does not block.
    pub(crate) fn pass_on(self, stored: Option<&Appended>, store_host: SocketAddr) {
        let Self {
            reply,
            to,
            mut header,
            runtime,
            ..
        } = self;
        if let Some(stored) = stored {
            header.msg_id = offset_message_id(store_host, stored.commit_log_offset);
            header.queue_offset = stored.queue_offset;
        }
        runtime.spawn(async move {
            let passed_on = match to {
                Err(remark) => Err(remark),
                Ok(Producer {
                    client_id,
                    connection,
                    push,
                }) => match connection.call(push, TIMEOUT).await {
                    Ok(answer) if answer.response_code() == ResponseCode::SUCCESS => Ok(()),
                    _ => Err(format!("push reply message to {client_id}fail.")),
                },
            };
            let answer = match passed_on {
                Ok(()) => Answer::ok(),
                Err(remark) => Answer::with_code(ResponseCode::SYSTEM_ERROR, remark),
            };
            match answer.header(&header) {
                Ok(answer) => reply.send(&answer),
                Err(e) => tracing::error!("a reply is not answered: {e}"),
            }
        });
    }
}
