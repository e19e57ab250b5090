//! `SEND_REPLY_MESSAGE` (324), `SEND_REPLY_MESSAGE_V2` (325): the answer of a consumer to a
//! producer's message, passed on to that producer (326). It is not kept.

use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::send::{
    ReplyMessageRequestHeader, SEND_MESSAGE_V2_NAMES, SendMessageRequestHeader,
    SendMessageResponseHeader,
};
use remoting::protocol::message::properties;
use remoting::transport::connection::Answer;
use remoting::transport::router::{Refusal, Reply, Request};

use super::relay::TIMEOUT;
use crate::broker::Broker;

pub(crate) fn send_reply(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: SendMessageRequestHeader<'_> = match request.command.request_code() {
        RequestCode::SEND_REPLY_MESSAGE => request.header()?,
        _ => request.command.ext.decode_short(SEND_MESSAGE_V2_NAMES)?,
    };
    let given = header.properties.as_deref().unwrap_or_default().as_bytes();
    let client_id = properties::get(given, properties::REPLY_TO_CLIENT)
        .ok_or_else(|| Refusal::system("reply message properties[REPLY_TO_CLIENT] is null"))?
        .to_owned();
    let producer = broker.clients().producer(&client_id).ok_or_else(|| {
        Refusal::system(format!(
            "push reply message fail, channel of <{client_id}> not found."
        ))
    })?;
    let now = broker.clock.now_ms();
    let mut passed = Vec::new();
    properties::copy_without(given, &[properties::PUSH_REPLY_TIME], &mut passed);
    properties::append(&mut passed, properties::PUSH_REPLY_TIME, &now.to_string());
    let push = RemotingCommand::request(RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT)
        .with_header(&ReplyMessageRequestHeader {
            producer_group: header.producer_group.into_owned(),
            topic: header.topic.into_owned(),
            default_topic: header.default_topic.into_owned(),
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
    let reply = request.reply_handle();
    let queue_id = header.queue_id;
    broker.runtime.spawn(async move {
        let pushed = producer.peer.connection.call(push, TIMEOUT).await;
        let passed_on = pushed.is_ok_and(|answer| answer.response_code() == ResponseCode::SUCCESS);
        let done = SendMessageResponseHeader {
            msg_id: "0".to_owned(),
            queue_id,
            ..SendMessageResponseHeader::default()
        };
        let answer = match Answer::ok().header(&done) {
            Ok(answer) if passed_on => answer,
            _ => Answer::with_code(
                ResponseCode::SYSTEM_ERROR,
                format!("push reply message to {client_id}fail."),
            ),
        };
        reply.send(&answer);
    });
    Ok(Reply::Parked)
}
