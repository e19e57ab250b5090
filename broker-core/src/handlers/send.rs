//! `SEND_MESSAGE` (10), `SEND_MESSAGE_V2` (310), `SEND_BATCH_MESSAGE` (320): checks, encodes the
//! final records, and queues them for the store's writer. The answer follows when they are stored
//! as the flush type promises.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use remoting::protocol::body::topic::{PERM_WRITE, TopicConfig};
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::headers::send::SendMessageRequestHeader;
use remoting::protocol::message::batch;
use remoting::protocol::message::id::append_offset_message_id;
use remoting::protocol::message::properties;
use remoting::protocol::message::record::RecordFields;
use remoting::protocol::message::sys_flag;
use remoting::transport::answer::{Answer, ReplyHandle};
use remoting::transport::router::{Lane, Refusal, Reply, Request};
use store::{AppendError, AppendRefusal, Appended, PutStatus, Wait};

use super::topic_not_exist;
use crate::broker::Broker;
use crate::config::{BrokerConfig, BrokerRole};
use crate::events::Ticket;
use crate::names::{self, RETRY_PREFIX, SCHEDULE_TOPIC, TRANS_HALF_TOPIC};

/// A larger encoding buffer is not kept.
const KEPT_SCRATCH_BYTES: usize = 256 * 1024;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Where records and property strings are put together.
#[derive(Default)]
struct Scratch {
    records: Vec<u8>,
    properties: Vec<u8>,
}

/// What is needed to answer a send once it is stored.
#[derive(Debug)]
pub(crate) struct SendTicket {
    pub(crate) reply: ReplyHandle,
    pub(crate) topic: Arc<TopicConfig>,
    /// Of all records.
    pub(crate) bytes: usize,
    queue_id: i32,
    /// Length of each record of a batch, which gives the ids of its messages. Empty for a single message.
    record_bytes: Box<[u32]>,
    /// `SUCCESS`, or what the role makes of it.
    stored: ResponseCode,
}

pub(crate) fn send_message(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header =
        SendMessageRequestHeader::read(request.command.request_code(), &request.command.ext)?;
    let config = broker.config.current();
    if broker.clock.now_ms() < config.start_accept_send_request_time_stamp {
        let until = config.start_accept_send_request_time_stamp;
        return Err(Refusal::system(format!(
            "broker unable to service, until {until}"
        )));
    }
    let Some(topic) = topic_of(broker, &config, request, &header)? else {
        return Ok(Reply::MoveTo(Lane::Admin));
    };
    let queue_id = queue_of(broker, request, &header, &topic)?;
    let given = header.properties.as_deref().unwrap_or_default().as_bytes();
    let wanted = Wanted::read(given)?;
    let batch = header.batch.unwrap_or(false);
    let level = wanted.delay.and_then(|level| broker.schedule.level(level));
    let transactional = header.sys_flag & sys_flag::TRANSACTION_MASK != 0;
    if batch && (wanted.half || level.is_some() || transactional) {
        let remark = "messages of a batch can neither be delayed nor be transactional";
        return Err(Refusal::new(ResponseCode::MESSAGE_ILLEGAL, remark));
    }
    let (topic, queue_id, fate) = match exhausted(broker, request, &header)? {
        Exhausted::WouldBlock => return Ok(Reply::MoveTo(Lane::Admin)),
        Exhausted::DeadLetter(topic) => (topic, 0, Fate::DeadLetter),
        Exhausted::No => (topic, queue_id, Fate::of(&header, &wanted, level)),
    };
    if matches!(fate, Fate::Half) && config.reject_transaction_message {
        let remark = format!(
            "the broker[{}] sending transaction message is forbidden",
            config.broker_ip1
        );
        return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
    }
    let (kept_topic, kept_queue_id) = fate.place(&topic.topic_name, queue_id);

    SCRATCH.with_borrow_mut(|scratch| {
        scratch.records.clear();
        let encoder = Encoder {
            config: &config,
            store_host: broker.store_host,
            request,
            header: &header,
            real: (&topic.topic_name, queue_id),
            fate,
        };
        let record_bytes = if batch {
            encoder.batch(given, scratch)?
        } else {
            encoder.single(given, scratch)?;
            Box::default()
        };
        let ticket = SendTicket {
            reply: request.reply_handle(),
            topic: topic.clone(),
            bytes: scratch.records.len(),
            queue_id,
            record_bytes,
            stored: if wanted.waits {
                stored_code(&config)
            } else {
                ResponseCode::SUCCESS
            },
        };
        let count = ticket.messages();
        let wait = if wanted.waits {
            Wait::Stored
        } else {
            Wait::Written
        };
        let appended = broker.store.append(
            kept_topic,
            kept_queue_id,
            &scratch.records,
            count,
            wait,
            Ticket::Send(ticket),
        );
        if scratch.records.capacity() > KEPT_SCRATCH_BYTES {
            scratch.records = Vec::new();
        }
        match appended {
            Ok(()) => Ok(Reply::Parked),
            Err((_, refusal)) => Err(refused(&config, &refusal)),
        }
    })
}

/// The topic of a send, created if need be and allowed. `None`: creating it would block here.
pub(super) fn topic_of(
    broker: &Broker,
    config: &BrokerConfig,
    request: &Request<'_>,
    header: &SendMessageRequestHeader<'_>,
) -> Result<Option<Arc<TopicConfig>>, Refusal> {
    let name = &*header.topic;
    if names::is_not_sendable(name) {
        let remark = format!("Sending message to topic[{name}] is forbidden.");
        return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
    }
    let topic = match broker.topics.find(name) {
        Some(topic) => topic,
        None if !request.may_block() => return Ok(None),
        None => broker
            .create_topic_on_send(header)?
            .ok_or_else(|| topic_not_exist(name))?,
    };
    if topic.perm & PERM_WRITE == 0 {
        let remark = format!("the topic[{name}] sending message is forbidden");
        return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
    }
    // A broker that is being drained leaves the routes, and takes what producers with an old route still send.
    // Only where order matters a queue must not go on here while others take its place.
    if topic.order && !config.is_writable() {
        return Err(super::broker_not_writable(config));
    }
    Ok(Some(topic))
}

/// The queue of a send: a negative number leaves the choice to us.
pub(super) fn queue_of(
    broker: &Broker,
    request: &Request<'_>,
    header: &SendMessageRequestHeader<'_>,
    topic: &TopicConfig,
) -> Result<i32, Refusal> {
    if header.queue_id < 0 {
        return Ok(broker.choose_queue(topic.write_queue_nums));
    }
    if header.queue_id >= topic.write_queue_nums.max(topic.read_queue_nums) {
        return Err(Refusal::system(format!(
            "request queueId[{}] is illegal, {topic:?} Producer: {}",
            header.queue_id, request.connection.remote
        )));
    }
    Ok(header.queue_id)
}

/// What a message's properties ask of the broker.
#[derive(Debug)]
struct Wanted<'a> {
    waits: bool,
    delay: Option<&'a str>,
    half: bool,
}

impl<'a> Wanted<'a> {
    fn read(given: &'a [u8]) -> Result<Self, Refusal> {
        let mut wanted = Self {
            waits: true,
            delay: None,
            half: false,
        };
        for (name, value) in properties::iter(given) {
            match name {
                properties::WAIT => wanted.waits = value != "false",
                properties::DELAY => wanted.delay = Some(value),
                properties::TRANSACTION_PREPARED => {
                    wanted.half = value.eq_ignore_ascii_case("true")
                }
                // It would be delivered at once, which its sender does not expect.
                properties::TIMER_DELAY_MS
                | properties::TIMER_DELAY_SEC
                | properties::TIMER_DELIVER_MS => {
                    let remark = format!(
                        "timed messages (property {name}) are not supported by this broker yet"
                    );
                    return Err(Refusal::new(ResponseCode::MESSAGE_ILLEGAL, remark));
                }
                _ => {}
            }
        }
        Ok(wanted)
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Plain,
    DeadLetter,
    /// Kept at this level until it is due.
    Delayed(i32),
    /// Kept until its transaction has ended.
    Half,
}

impl Fate {
    /// What becomes of a message that is not given up; `level`: how long it is to be delayed.
    fn of(header: &SendMessageRequestHeader<'_>, wanted: &Wanted<'_>, level: Option<i32>) -> Self {
        let retries = header.reconsume_times.unwrap_or(0) > 0;
        let transaction = header.sys_flag & sys_flag::TRANSACTION_MASK;
        match level {
            // Clients before 4.6.1 leave the mark of a transaction on messages that failed.
            level if wanted.half && !(retries && level.is_some()) => Self::Half,
            Some(level) if matches!(transaction, 0 | sys_flag::TRANSACTION_COMMIT) => {
                Self::Delayed(level)
            }
            _ => Self::Plain,
        }
    }

    /// Where it is stored for now.
    fn place(self, topic: &str, queue_id: i32) -> (&str, i32) {
        match self {
            Self::Plain | Self::DeadLetter => (topic, queue_id),
            Self::Delayed(level) => (SCHEDULE_TOPIC, level - 1),
            Self::Half => (TRANS_HALF_TOPIC, 0),
        }
    }

    /// Its properties as they are stored. `WAIT` has served its purpose, as in 4.9.
    fn properties(
        self,
        given: &[u8],
        (topic, queue_id): (&str, i32),
        config: &BrokerConfig,
        out: &mut Vec<u8>,
    ) {
        use properties::{CLUSTER, DELAY, REAL_QUEUE_ID, REAL_TOPIC, WAIT};
        match self {
            Self::Plain => properties::copy_without(given, &[WAIT, CLUSTER], out),
            Self::DeadLetter => properties::copy_without(given, &[WAIT, CLUSTER, DELAY], out),
            Self::Delayed(_) | Self::Half => {
                properties::copy_without(
                    given,
                    &[WAIT, CLUSTER, DELAY, REAL_TOPIC, REAL_QUEUE_ID],
                    out,
                );
            }
        }
        if let Self::Delayed(level) = self {
            properties::append(out, DELAY, &level.to_string());
        }
        if let Self::Delayed(_) | Self::Half = self {
            properties::append(out, REAL_TOPIC, topic);
            properties::append(out, REAL_QUEUE_ID, &queue_id.to_string());
        }
        mark(given, config, out);
    }
}

/// Adds what the broker adds to every message: where it is from and, on a broker that has a trace
/// topic, what the consumers of 5.x look for before they trace.
fn mark(given: &[u8], config: &BrokerConfig, out: &mut Vec<u8>) {
    properties::append(out, properties::CLUSTER, &config.broker_cluster_name);
    if config.trace_topic_enable && properties::get(given, properties::MSG_REGION).is_none() {
        properties::append(out, properties::MSG_REGION, &config.region_id);
        properties::append(out, properties::TRACE_ON, trace_on(config));
    }
}

fn trace_on(config: &BrokerConfig) -> &'static str {
    if config.trace_on { "true" } else { "false" }
}

/// Whether a message that a consumer sends to its retry topic itself has been tried often enough.
enum Exhausted {
    No,
    DeadLetter(Arc<TopicConfig>),
    /// Finding out would block here.
    WouldBlock,
}

fn exhausted(
    broker: &Broker,
    request: &Request<'_>,
    header: &SendMessageRequestHeader<'_>,
) -> Result<Exhausted, Refusal> {
    let Some(name) = header.topic.strip_prefix(RETRY_PREFIX) else {
        return Ok(Exhausted::No);
    };
    let Some(group) = super::group_of(broker, request, name)? else {
        return Ok(Exhausted::WouldBlock);
    };
    let max = super::max_reconsume_times(request, header.max_reconsume_times, &group);
    if header.reconsume_times.unwrap_or(0) < max {
        return Ok(Exhausted::No);
    }
    let topic = super::dead_letter_topic(broker, request, name)?;
    Ok(topic.map_or(Exhausted::WouldBlock, Exhausted::DeadLetter))
}

struct Encoder<'a> {
    config: &'a BrokerConfig,
    store_host: SocketAddr,
    request: &'a Request<'a>,
    header: &'a SendMessageRequestHeader<'a>,
    /// Topic and queue that it is for.
    real: (&'a str, i32),
    fate: Fate,
}

impl Encoder<'_> {
    /// One message.
    fn single(&self, given: &[u8], scratch: &mut Scratch) -> Result<(), Refusal> {
        scratch.properties.clear();
        self.fate
            .properties(given, self.real, self.config, &mut scratch.properties);
        self.record(self.header.flag, self.request.body(), scratch)?;
        Ok(())
    }

    /// The messages of a batch, each with the properties of the batch behind its own.
    fn batch(&self, given: &[u8], scratch: &mut Scratch) -> Result<Box<[u32]>, Refusal> {
        let body = self.request.body();
        if body.len() > self.config.max_message_size as usize {
            return Err(illegal(self.config));
        }
        let mut lengths = Vec::new();
        for item in batch::items(body) {
            let item =
                item.map_err(|e| Refusal::new(ResponseCode::MESSAGE_ILLEGAL, e.to_string()))?;
            scratch.properties.clear();
            scratch.properties.extend_from_slice(item.properties);
            for (name, value) in properties::iter(given) {
                properties::append(&mut scratch.properties, name, value);
            }
            mark(item.properties, self.config, &mut scratch.properties);
            lengths.push(self.record(item.flag, item.body, scratch)?);
        }
        if lengths.is_empty() {
            return Err(Refusal::new(
                ResponseCode::MESSAGE_ILLEGAL,
                "the batch holds no message",
            ));
        }
        Ok(lengths.into())
    }

    fn record(&self, flag: i32, body: &[u8], scratch: &mut Scratch) -> Result<u32, Refusal> {
        if body.len() > self.config.max_message_size as usize {
            return Err(illegal(self.config));
        }
        let (topic, queue_id) = self.fate.place(self.real.0, self.real.1);
        let record = RecordFields {
            queue_id,
            flag,
            sys_flag: match self.fate {
                Fate::Half => self.header.sys_flag & !sys_flag::TRANSACTION_MASK,
                _ => self.header.sys_flag,
            },
            born_timestamp: self.header.born_timestamp,
            born_host: self.request.connection.remote,
            store_host: self.store_host,
            reconsume_times: self.header.reconsume_times.unwrap_or(0),
            prepared_transaction_offset: 0,
            body,
            topic,
            properties: &scratch.properties,
        };
        let length = record
            .encode_into(&mut scratch.records)
            .map_err(|_| illegal(self.config))?;
        Ok(u32::try_from(length).unwrap_or(u32::MAX))
    }
}

/// `SUCCESS`, or what is missing for it: a synchronous master has no slave here.
fn stored_code(config: &BrokerConfig) -> ResponseCode {
    match config.broker_role {
        BrokerRole::SyncMaster => ResponseCode::SLAVE_NOT_AVAILABLE,
        _ => ResponseCode::SUCCESS,
    }
}

fn illegal(config: &BrokerConfig) -> Refusal {
    Refusal::new(
        ResponseCode::MESSAGE_ILLEGAL,
        format!(
            "the message is illegal, maybe msg body or properties length not matched. msg body length limit {}B, msg \
             properties length limit 32KB.",
            config.max_message_size
        ),
    )
}

/// What a sender is told when the store did not take its message.
fn refused(config: &BrokerConfig, refusal: &AppendRefusal) -> Refusal {
    match refusal {
        AppendRefusal::QueueFull { .. } => Refusal::new(
            ResponseCode::SYSTEM_BUSY,
            format!("[REJECTREQUEST]system busy, start flow control for a while: {refusal}"),
        ),
        AppendRefusal::ReadOnly(_) | AppendRefusal::DiskFull | AppendRefusal::ShuttingDown => {
            not_available(refusal)
        }
        AppendRefusal::TooLarge { .. } => illegal(config),
        AppendRefusal::Invalid(_) | AppendRefusal::Queue(_) => Refusal::system(refusal.to_string()),
    }
}

fn not_available(reason: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(
        ResponseCode::SERVICE_NOT_AVAILABLE,
        format!("service not available now: {reason}"),
    )
}

/// Appends the answer to a send to its connection, which is not woken yet.
pub(crate) fn answer(
    config: &BrokerConfig,
    store_host: SocketAddr,
    ticket: &SendTicket,
    result: &Result<Appended, AppendError>,
) {
    match result {
        Ok(appended) => {
            let code = match appended.status {
                PutStatus::Ok => ticket.stored,
                PutStatus::FlushDiskTimeout => ResponseCode::FLUSH_DISK_TIMEOUT,
            };
            ticket.reply.push_fields(code, |fields| {
                fields.text(properties::MSG_REGION, &config.region_id);
                fields.text(properties::TRACE_ON, trace_on(config));
                fields.plain("msgId", |out| ids(out, store_host, ticket, appended));
                fields.number("queueId", ticket.queue_id.into());
                fields.number("queueOffset", appended.queue_offset);
            });
        }
        Err(error) => {
            let refusal = match error {
                AppendError::ReadOnly(_) | AppendError::DiskFull | AppendError::ShuttingDown => {
                    not_available(error)
                }
                AppendError::Queue(_) => Refusal::system(error.to_string()),
            };
            ticket
                .reply
                .push(&Answer::with_code(refusal.code, refusal.remark));
        }
    }
}

/// The ids of the messages of a send, separated by commas.
fn ids(out: &mut Vec<u8>, store_host: SocketAddr, ticket: &SendTicket, appended: &Appended) {
    let mut offset = appended.commit_log_offset;
    append_offset_message_id(out, store_host, offset);
    // All but the last one, which nothing follows.
    let followed = ticket
        .record_bytes
        .split_last()
        .map_or(&[][..], |(_, followed)| followed);
    for length in followed {
        offset += i64::from(*length);
        out.push(b',');
        append_offset_message_id(out, store_host, offset);
    }
}

impl SendTicket {
    pub(crate) fn messages(&self) -> u32 {
        u32::try_from(self.record_bytes.len().max(1)).unwrap_or(u32::MAX)
    }
}
