//! Single messages: looking them up, and sending them once more.

use std::collections::BTreeMap;

use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::query::{
    QueryMessageRequestHeader, UNIQUE_KEY_QUERY, ViewMessageRequestHeader,
};
use remoting::protocol::headers::send::{SEND_MESSAGE_V2_NAMES, SendMessageRequestHeader};
use remoting::protocol::message::properties::{
    MAX_BYTES as MAX_PROPERTY_BYTES, encode as encode_properties,
};
use remoting::protocol::message::{record, sys_flag};

use super::{Admin, Broker};
use crate::ClientError;
use crate::client::{accepted, refused};
use crate::message::MessageExt;
use crate::names::DEFAULT_TOPIC;
use crate::producer::{SendStatus, compress};

/// How far apart times are that a broker's index can tell from each other.
const INDEX_STEP_MS: i64 = 1_000;
/// Messages asked for at once. Apache's brokers give at most 64 of them unless they are told otherwise, but make room for
/// as many as are asked for.
const PAGE: i32 = 1_000;
/// No broker gives fewer messages at once, if it has more.
const SMALLEST_PAGE: usize = 32;
/// The producer of messages that are stored again.
const STORE_AGAIN_GROUP: &str = "mq-resend";
/// How a body is compressed.
const AS_COMPRESSED: i32 = sys_flag::COMPRESSED | sys_flag::COMPRESSION_MASK;
/// The broker chooses.
const ANY_QUEUE: i32 = -1;

/// What to look for by the brokers' index of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQuery {
    pub topic: String,
    pub key: String,
    /// Look among the ids that producers gave, not among the keys.
    pub unique: bool,
    /// Stored from this time on, milliseconds since the epoch, as the next.
    pub from_ms: i64,
    /// Stored up to this time.
    pub to_ms: i64,
    /// Do not ask for more when there are so many.
    pub enough: usize,
}

impl KeyQuery {
    /// Everything with a key, or with a unique id.
    pub fn all(topic: &str, key: &str, unique: bool) -> Self {
        Self {
            topic: topic.to_owned(),
            key: key.to_owned(),
            unique,
            from_ms: 0,
            to_ms: i64::MAX,
            enough: usize::MAX,
        }
    }

    /// Whether a message is one: brokers compare hashes, and times to the second.
    fn is_met_by(&self, message: &MessageExt) -> bool {
        let has_key = || {
            let mut keys = message.keys().into_iter().flat_map(|keys| keys.split(' '));
            keys.any(|key| key == self.key)
        };
        message.topic == self.topic
            && (self.from_ms..=self.to_ms).contains(&message.store_timestamp)
            && (message.unique_key() == Some(&self.key) || (!self.unique && has_key()))
    }
}

/// What a broker found by its index.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyAnswer {
    pub messages: Vec<MessageExt>,
    /// False: more messages have the key within one second than the broker gives at once, and some are
    /// not here.
    pub complete: bool,
}

impl Admin {
    /// The message at a position of a broker's log, in bytes. `broker_name` is put into it.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn message_at(
        &self,
        broker: &str,
        broker_name: &str,
        offset: i64,
    ) -> Result<Option<MessageExt>, ClientError> {
        let header = ViewMessageRequestHeader {
            offset,
            topic: None,
        };
        let answer = self
            .tell(broker, RequestCode::VIEW_MESSAGE_BY_ID, &header)
            .await?;
        Ok(messages(broker, broker_name, &answer)?.pop())
    }

    /// Messages with a key, or with a unique id, that a broker has. A broker gives the newest of them
    /// only, up to a number of its own; it is asked again for older ones until it has no more. Keys
    /// that only share the hash are left out.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn messages_by_key(
        &self,
        broker: &Broker,
        query: &KeyQuery,
    ) -> Result<KeyAnswer, ClientError> {
        let mut seen = BTreeMap::new();
        let mut end = query.to_ms;
        let mut largest = 0;
        let mut complete = true;
        while seen.len() < query.enough && end >= query.from_ms {
            let page = self.page_by_key(broker, query, end).await?;
            let Some(oldest) = page.iter().map(|message| message.store_timestamp).min() else {
                break;
            };
            let (count, before) = (page.len(), seen.len());
            seen.extend(
                page.into_iter()
                    .map(|found| (found.commit_log_offset, found)),
            );
            if seen.len() > before {
                largest = largest.max(count);
                // The index counts in seconds: the next page begins with messages of this one.
                end = oldest.min(end);
            } else if count < largest.max(SMALLEST_PAGE) {
                break;
            } else {
                // A whole page within a second: what else this second has, the broker does not tell.
                complete = false;
                end = oldest - INDEX_STEP_MS;
            }
        }
        let mut messages: Vec<MessageExt> = seen.into_values().collect();
        messages.retain(|message| query.is_met_by(message));
        Ok(KeyAnswer { messages, complete })
    }

    async fn page_by_key(
        &self,
        broker: &Broker,
        query: &KeyQuery,
        end_ms: i64,
    ) -> Result<Vec<MessageExt>, ClientError> {
        let header = QueryMessageRequestHeader {
            topic: query.topic.clone(),
            key: query.key.clone(),
            max_num: PAGE,
            begin_timestamp: query.from_ms,
            end_timestamp: end_ms,
        };
        let mut request =
            RemotingCommand::request(RequestCode::QUERY_MESSAGE).with_header(&header)?;
        let unique = if query.unique { "true" } else { "false" };
        request.ext.push(UNIQUE_KEY_QUERY, unique);
        let answer = self.client.call(&broker.address, request).await?;
        if answer.response_code() == ResponseCode::QUERY_NOT_FOUND {
            return Ok(Vec::new());
        }
        let answer = accepted(&broker.address, answer)?;
        messages(&broker.address, &broker.name, &answer)
    }

    /// Stores a message once more on a broker: in `topic`, with these properties and the age, flag and
    /// body that it has. Meant for a group's retry topic, where it counts as never tried.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if the properties take too much room; any other.
    pub async fn store_again(
        &self,
        broker: &Broker,
        topic: &str,
        message: &MessageExt,
        properties: &BTreeMap<String, String>,
    ) -> Result<SendStatus, ClientError> {
        let properties = encode_properties(properties);
        if properties.len() > MAX_PROPERTY_BYTES {
            let problem = format!("its properties take {} bytes", properties.len());
            return Err(ClientError::invalid("message for", topic, problem));
        }
        let (body, sys_flag) = match message.body_problem {
            None => compress(&message.body),
            Some(_) => (message.body.clone(), message.sys_flag & AS_COMPRESSED),
        };
        let header = SendMessageRequestHeader {
            producer_group: STORE_AGAIN_GROUP.into(),
            topic: topic.into(),
            default_topic: DEFAULT_TOPIC.into(),
            default_topic_queue_nums: 1,
            queue_id: ANY_QUEUE,
            sys_flag,
            born_timestamp: message.born_timestamp,
            flag: message.flag,
            properties: Some(String::from_utf8_lossy(&properties)),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            max_reconsume_times: None,
            batch: Some(false),
            bname: Some(broker.name.as_str().into()),
        };
        let request = RemotingCommand::request(RequestCode::SEND_MESSAGE_V2)
            .with_short_header(&header, SEND_MESSAGE_V2_NAMES)?
            .with_body(body);
        let answer = self.client.call(&broker.address, request).await?;
        if let Some(status) = SendStatus::of(answer.response_code()) {
            return Ok(status);
        }
        Err(refused(&broker.address, answer))
    }
}

fn messages(
    address: &str,
    broker_name: &str,
    answer: &RemotingCommand,
) -> Result<Vec<MessageExt>, ClientError> {
    record::records(&answer.body)
        .map(|record| match record {
            Ok(record) => Ok(MessageExt::from_record(&record, broker_name)),
            Err(e) => Err(ClientError::protocol(address, e)),
        })
        .collect()
}
