//! What tools want of connected consumers: the broker passes it on and answers when they do, or when
//! their time is over. Reset of offsets (222), state of consumers (223), running info (307), direct
//! consumption (309).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use remoting::protocol::body::group::{ConsumerStatusBody, ResetOffsetBody};
use remoting::protocol::body::queue_map::QueueMap;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::{Language, RemotingCommand};
use remoting::protocol::fastjson;
use remoting::protocol::headers::client::{
    ConsumeMessageDirectlyRequestHeader, ConsumerRunningInfoRequestHeader,
    ConsumerStatusRequestHeader, ResetOffsetRequestHeader,
};
use remoting::protocol::message::id::decode_offset_message_id;
use remoting::transport::answer::Answer;
use remoting::transport::connection::{CallError, Connection};
use remoting::transport::router::{Refusal, Reply, Request};
use serde::Serialize;
use store::Boundary;

use super::admin::topic::queue_on;
use super::{decode, json};
use crate::broker::Broker;
use crate::clients::Member;

/// What a consumer has for its answer. Tools wait no longer themselves.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// Members of a group that are asked for their state, one after the other.
const ASKED_MAX: usize = 64;
/// Consumers before this cannot be told of new offsets.
const FIRST_VERSION_WITH_RESET: i32 = 28;
/// Consumers before this cannot be asked for themselves.
const FIRST_VERSION_WITH_RUNNING_INFO: i32 = 62;

/// `INVOKE_BROKER_TO_RESET_OFFSET` (222). As in 4.9 the consumers do it; where none is connected,
/// tools commit the offsets themselves. The body may say where each queue is to go on, which is ours:
/// Apache's tools send none, and its brokers would not look at it.
pub(crate) fn reset_offset(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: ResetOffsetRequestHeader = request.header()?;
    let (group, topic) = (&*header.group, &*header.topic);
    let Some(config) = broker.topics.find(topic) else {
        return Err(Refusal::system(format!(
            "[reset-offset] reset offset failed, no topic in this broker. topic={topic}"
        )));
    };
    let queues = match header.queue_id {
        Some(queue_id) if queue_id >= 0 => {
            queue_id..queue_id.saturating_add(1).min(config.read_queue_nums)
        }
        _ => 0..config.read_queue_nums,
    };
    let broker_name = &broker.config.current().broker_name;
    let chosen: Option<ResetOffsetBody> = match request.command.body {
        [] => None,
        _ => Some(decode(request)?),
    };
    let mut offset_table = QueueMap::default();
    for queue_id in queues {
        if let Some(chosen) = &chosen {
            let queue = queue_on(broker_name, topic, queue_id);
            if let Some(&offset) = chosen.offset_table.0.get(&queue) {
                let end = broker.store.max_offset(topic, queue_id);
                offset_table.0.insert(queue, offset.clamp(0, end.max(0)));
            }
            continue;
        }
        let Some(consumed) = broker.offsets.query(group, topic, queue_id) else {
            return Err(Refusal::system(format!(
                "THe consumer group <{group}> not exist"
            )));
        };
        let wanted = match header.offset {
            Some(offset) if header.queue_id.is_some_and(|queue_id| queue_id >= 0) => offset,
            _ => offset_at(broker, topic, queue_id, header.timestamp)?,
        };
        let offset = if header.is_force || wanted < consumed {
            wanted.max(0)
        } else {
            consumed
        };
        offset_table
            .0
            .insert(queue_on(broker_name, topic, queue_id), offset);
    }
    let members = broker.clients().members(group);
    if let Some(old) = members
        .iter()
        .find(|member| member.peer.version < FIRST_VERSION_WITH_RESET)
    {
        let remark = format!(
            "the client does not support this feature. version={}",
            old.peer.version
        );
        return Err(Refusal::system(remark));
    }
    if members.is_empty() {
        let remark = format!(
            "Consumer not online, so can not reset offset, Group: {group} Topic: {topic} Timestamp: {}",
            header.timestamp
        );
        return Err(Refusal::new(ResponseCode::CONSUMER_NOT_ONLINE, remark));
    }
    let body = ResetOffsetBody { offset_table };
    for member in members {
        let text = if member.peer.language == Language::CPP {
            list_of(&body)
        } else {
            fastjson::to_vec(&body)
        };
        let text = text.map_err(|e| Refusal::system(e.to_string()))?;
        let order = RemotingCommand::request(RequestCode::RESET_CONSUMER_CLIENT_OFFSET)
            .with_header(&header)?;
        member.peer.connection.send_oneway(order.with_body(text));
    }
    Ok(json(&body)?.into())
}

/// The offset of a time; the end of the queue for −1.
fn offset_at(broker: &Broker, topic: &str, queue_id: i32, timestamp: i64) -> Result<i64, Refusal> {
    if timestamp == -1 {
        return Ok(broker.store.max_offset(topic, queue_id));
    }
    let found = broker
        .store
        .offset_by_time(topic, queue_id, timestamp, Boundary::Nearest);
    found.map_err(|e| Refusal::system(e.to_string()))
}

/// The form that C++ clients read: they know no objects as keys.
fn list_of(body: &ResetOffsetBody) -> Result<Vec<u8>, fastjson::JsonError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        offset_table: Vec<Entry<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry<'a> {
        broker_name: &'a str,
        offset: i64,
        queue_id: i32,
        topic: &'a str,
    }
    let entries = body.offset_table.0.iter().map(|(queue, &offset)| Entry {
        broker_name: &queue.broker_name,
        offset,
        queue_id: queue.queue_id,
        topic: &queue.topic,
    });
    fastjson::to_vec(&List {
        offset_table: entries.collect(),
    })
}

/// Answer to `INVOKE_BROKER_TO_GET_CONSUMER_STATUS` (223): by client id.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConsumerStatusTable {
    consumer_table: BTreeMap<String, QueueMap<i64>>,
}

/// `INVOKE_BROKER_TO_GET_CONSUMER_STATUS` (223): where each member of a group is. Members that do
/// not answer are left out.
pub(crate) fn consumer_status(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: ConsumerStatusRequestHeader = request.header()?;
    let wanted = header
        .client_addr
        .as_deref()
        .filter(|id| !id.trim().is_empty());
    let mut members = broker.clients().members(&header.group);
    if members.is_empty() {
        return Err(Refusal::system(format!(
            "No Any Consumer online in the consumer group: [{}]",
            header.group
        )));
    }
    members.retain(|member| wanted.is_none_or(|wanted| wanted == member.client_id));
    members.truncate(ASKED_MAX);
    let question = RemotingCommand::request(RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT)
        .with_header(&header)?;
    let reply = request.reply_handle();
    broker.runtime.spawn(async move {
        let mut table = ConsumerStatusTable {
            consumer_table: BTreeMap::new(),
        };
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        for member in members {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let Ok(answer) = member.peer.connection.call(question.clone(), left).await else {
                continue;
            };
            if answer.response_code() == ResponseCode::SUCCESS
                && let Ok(status) = fastjson::from_slice::<ConsumerStatusBody>(&answer.body)
            {
                table
                    .consumer_table
                    .insert(member.client_id, status.message_queue_table);
            }
        }
        let answer =
            json(&table).unwrap_or_else(|refusal| Answer::with_code(refusal.code, refusal.remark));
        reply.send(&answer);
    });
    Ok(Reply::Parked)
}

/// `GET_CONSUMER_RUNNING_INFO` (307).
pub(crate) fn running_info(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: ConsumerRunningInfoRequestHeader = request.header()?;
    let member = member_of(broker, &header.consumer_group, &header.client_id)?;
    let question =
        RemotingCommand::request(RequestCode::GET_CONSUMER_RUNNING_INFO).with_header(&header)?;
    pass_on(broker, request, member, question, &header.consumer_group)
}

/// `CONSUME_MESSAGE_DIRECTLY` (309): the broker adds the message that is meant.
pub(crate) fn consume_directly(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: ConsumeMessageDirectlyRequestHeader = request.header()?;
    let member = member_of(
        broker,
        &header.consumer_group,
        header.client_id.as_deref().unwrap_or_default(),
    )?;
    let mut question =
        RemotingCommand::request(RequestCode::CONSUME_MESSAGE_DIRECTLY).with_header(&header)?;
    if let Some(id) = &header.msg_id {
        let (_, offset) =
            decode_offset_message_id(id).map_err(|e| Refusal::system(e.to_string()))?;
        let found = broker
            .store
            .message_at(offset)
            .map_err(|e| Refusal::system(e.to_string()))?;
        let message: Bytes = found.ok_or_else(|| {
            Refusal::system(format!("can not find message by the offset, {offset}"))
        })?;
        question = question.with_body(message);
    }
    pass_on(broker, request, member, question, &header.consumer_group)
}

fn member_of(
    broker: &Broker,
    group: &str,
    client_id: &str,
) -> Result<Member<Arc<Connection>>, Refusal> {
    let members = broker.clients().members(group);
    let member = members
        .into_iter()
        .find(|member| member.client_id == client_id);
    let member = member.ok_or_else(|| {
        Refusal::system(format!("The Consumer <{group}> <{client_id}> not online"))
    })?;
    if member.peer.version < FIRST_VERSION_WITH_RUNNING_INFO {
        let remark = format!(
            "The Consumer <{client_id}> Version <{}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT",
            member.peer.version
        );
        return Err(Refusal::system(remark));
    }
    Ok(member)
}

/// Answers with what the consumer answers.
fn pass_on(
    broker: &Broker,
    request: &Request<'_>,
    member: Member<Arc<Connection>>,
    question: RemotingCommand,
    group: &str,
) -> Result<Reply, Refusal> {
    let reply = request.reply_handle();
    let group = group.to_owned();
    broker.runtime.spawn(async move {
        let answer = match member.peer.connection.call(question, TIMEOUT).await {
            Ok(answer) => Answer {
                code: answer.response_code(),
                remark: answer.remark,
                ext: answer.ext,
                body: vec![answer.body],
            },
            Err(error @ CallError::Timeout { .. }) => {
                let remark = format!("consumer <{group}> <{}> Timeout: {error}", member.client_id);
                Answer::with_code(ResponseCode::CONSUME_MSG_TIMEOUT, remark)
            }
            Err(error) => {
                let remark = format!(
                    "invoke consumer <{group}> <{}> Exception: {error}",
                    member.client_id
                );
                Answer::with_code(ResponseCode::SYSTEM_ERROR, remark)
            }
        };
        reply.send(&answer);
    });
    Ok(Reply::Parked)
}
