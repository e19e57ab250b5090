//! Transactions that wait for their end, and asking producers for it.
//!
//! Half messages are in queue 0 of one topic. Once a transaction has ended, a message in another
//! topic, the operation, says so: its tag is `d`, its body the half message's queue offset in
//! decimal; 5.x writes several, each followed by a comma. How far both topics have been looked
//! through stands among the consumer offsets of a system group.
//!
//! A half message whose producer is asked is copied to the end of its topic, so that looking goes on
//! behind it. The producer may end the transaction of the original or of the copy.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE};
use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::send::CheckTransactionStateRequestHeader;
use remoting::protocol::message::id::offset_message_id;
use remoting::protocol::message::properties::{
    self, CHECK_IMMUNITY_TIME_IN_SECONDS, TRANSACTION_CHECK_TIMES,
    TRANSACTION_PREPARED_QUEUE_OFFSET,
};
use remoting::protocol::message::record::{Record, RecordFields, patch, records};
use remoting::transport::answer::ReplyHandle;
use store::{AppendRefusal, Appended, ReadFrom, ReadOutcome, ReadRequest, ReadStatus, Wait};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;

use crate::broker::{Broker, NotStored};
use crate::config::BrokerConfig;
use crate::events::Ticket;
use crate::names::{
    TRANS_CHECK_MAX_TIME_TOPIC, TRANS_GROUP, TRANS_HALF_TOPIC, TRANS_OP_HALF_TOPIC,
};
use crate::topics::topic;

/// Tag of operations.
const DONE_TAG: &str = "d";
/// Ends of originals whose copies are still to come. Beyond this a copy's producer is asked again.
const LATE_MAX: usize = 100_000;
const HOUR_MS: i64 = 3_600_000;

/// A transaction that has ended: its half message is to be noted as done.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) half_offset: i64,
    pub(crate) reply: ReplyHandle,
}

/// The message that a half message becomes, but for its flags. `None`: it does not say where it
/// belongs.
pub(crate) fn whole<'a>(half: &Record<'a>, store_host: SocketAddr) -> Option<RecordFields<'a>> {
    let topic = half.property(properties::REAL_TOPIC)?;
    let queue_id = half.property(properties::REAL_QUEUE_ID)?.parse().ok()?;
    Some(RecordFields {
        topic,
        queue_id,
        store_host,
        ..half.fields()
    })
}

/// Notes that a half message is done with; the caller wakes the writer.
pub(crate) fn note_done(broker: &Broker, ended: Committed) -> Result<(), AppendRefusal> {
    let properties = properties::encode([(properties::TAGS, DONE_TAG)]);
    let body = ended.half_offset.to_string();
    let host = broker.store_host;
    let operation = RecordFields {
        born_timestamp: broker.clock.now_ms(),
        ..RecordFields::plain(TRANS_OP_HALF_TOPIC, body.as_bytes(), &properties, host)
    };
    broker.append(&operation, Wait::Written, Ticket::Plain(ended.reply))
}

/// Lets the producer of a half message be asked anew, as often as if it had never been; the caller
/// wakes the writer.
pub(crate) fn resume(
    broker: &Broker,
    half: &Record<'_>,
    reply: ReplyHandle,
) -> Result<(), AppendRefusal> {
    let mut properties = Vec::new();
    properties::copy_without(half.properties, &[TRANSACTION_CHECK_TIMES], &mut properties);
    properties::append(&mut properties, TRANSACTION_CHECK_TIMES, "0");
    let copy = RecordFields {
        topic: TRANS_HALF_TOPIC,
        queue_id: 0,
        store_host: broker.store_host,
        properties: &properties,
        ..half.fields()
    };
    broker.append(&copy, Wait::Written, Ticket::Plain(reply))
}

/// Notes the ends of transactions whose messages have been stored.
pub(crate) async fn note_committed(
    broker: Arc<Broker>,
    mut committed: UnboundedReceiver<Committed>,
) {
    while let Some(first) = committed.recv().await {
        let mut next = Some(first);
        while let Some(committed_one) = next {
            if let Err(refusal) = note_done(&broker, committed_one) {
                // The producer is asked again, and the message stored twice.
                tracing::warn!("the end of a transaction is not noted: {refusal}");
            }
            next = committed.try_recv().ok();
        }
        broker.store.kick();
    }
}

/// Asks producers for the ends of their transactions until the broker ends.
pub(crate) async fn check(broker: Arc<Broker>) {
    let mut checks = Checks::new(&broker);
    let mut tick = tokio::time::interval(Duration::from_millis(
        broker.config.current().transaction_check_interval,
    ));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        tick.tick().await;
        let broker = broker.clone();
        let round = tokio::task::spawn_blocking(move || {
            checks.round(&broker);
            checks
        });
        let Ok(back) = round.await else { return };
        checks = back;
    }
}

/// How far the two topics have been looked through.
#[derive(Debug)]
struct Checks {
    /// The first half message that may be undone.
    half: i64,
    /// The first operation that was not read.
    operation: i64,
    /// Half messages from `half` on that are done, and the operations that say so.
    done: BTreeMap<i64, i64>,
    /// Half messages before `half` that are done: their copies are so, too.
    late: HashSet<i64>,
    /// Which producer of a group is asked next.
    turn: usize,
}

/// What is to be done with a half message.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Asked often enough, or too old.
    GiveUp,
    /// Too young, and so are all behind it.
    Later,
    /// Its producer has asked for patience: those behind it may be older.
    Immune,
    Ask,
}

impl Checks {
    fn new(broker: &Broker) -> Self {
        let saved = |topic| broker.offsets.query(TRANS_GROUP, topic, 0).unwrap_or(0);
        Self {
            half: saved(TRANS_HALF_TOPIC),
            operation: saved(TRANS_OP_HALF_TOPIC),
            done: BTreeMap::new(),
            late: HashSet::new(),
            turn: 0,
        }
    }

    /// Looks at all half messages that are old enough. Blocks.
    fn round(&mut self, broker: &Broker) {
        if broker.store.max_offset(TRANS_HALF_TOPIC, 0) == 0 {
            return;
        }
        for name in [TRANS_HALF_TOPIC, TRANS_OP_HALF_TOPIC] {
            if let Err(refusal) = broker.create_topic(topic(name, 1, PERM_READ | PERM_WRITE)) {
                tracing::warn!("topic {name} is not created: {}", refusal.remark);
            }
        }
        while let Some(runs) = read(broker, TRANS_OP_HALF_TOPIC, &mut self.operation) {
            for operation in runs
                .iter()
                .flat_map(|run| records(run))
                .map_while(Result::ok)
            {
                self.note(&operation);
            }
        }
        let started = broker.clock.now_ms();
        let mut next = self.half;
        while let Some(runs) = read(broker, TRANS_HALF_TOPIC, &mut next) {
            let mut halves = runs
                .iter()
                .flat_map(|run| records(run))
                .map_while(Result::ok);
            if !halves.all(|half| half.store_timestamp < started && self.look(broker, &half)) {
                break;
            }
        }
        self.save(broker);
    }

    /// Takes over what an operation says.
    fn note(&mut self, operation: &Record<'_>) {
        let text = str::from_utf8(operation.body).unwrap_or_default();
        for number in text
            .split(',')
            .filter_map(|number| number.trim().parse::<i64>().ok())
        {
            if number >= self.half {
                self.done.insert(number, operation.queue_offset);
            } else if self.late.len() < LATE_MAX {
                self.late.insert(number);
            }
        }
    }

    /// Looks at one half message. False: this one and all behind it are for later.
    fn look(&mut self, broker: &Broker, half: &Record<'_>) -> bool {
        let original = half
            .property(TRANSACTION_PREPARED_QUEUE_OFFSET)
            .and_then(|offset| offset.parse::<i64>().ok());
        let done = self.done.remove(&half.queue_offset).is_some()
            || original.is_some_and(|original| self.late.remove(&original));
        if !done {
            let config = broker.config.current();
            let original = original.unwrap_or(half.queue_offset);
            let result = match verdict(half, &config, broker.clock.now_ms()) {
                Verdict::Later => return false,
                Verdict::GiveUp => give_up(broker, half),
                Verdict::Immune => put_back(broker, half, original, None).map(drop),
                Verdict::Ask => put_back(broker, half, original, Some(checks_of(half) + 1))
                    .map(|copy| self.ask(broker, half, &copy)),
            };
            if let Err(problem) = result {
                tracing::warn!(
                    "the transaction at {} cannot be checked now: {problem}",
                    half.physical_offset
                );
                return false;
            }
        }
        self.half = half.queue_offset + 1;
        true
    }

    /// Asks one of the producers of a half message's group.
    fn ask(&mut self, broker: &Broker, half: &Record<'_>, copy: &Appended) {
        let Some(group) = half.property(properties::PRODUCER_GROUP) else {
            return;
        };
        let producers = broker.clients().producers(group);
        self.turn = self.turn.wrapping_add(1);
        let Some(producer) = producers.get(self.turn % producers.len().max(1)) else {
            tracing::debug!("no producer of group {group} is there to ask for a transaction");
            return;
        };
        match question(half, copy, broker.store_host) {
            Some(request) => producer.peer.connection.send_oneway(request),
            None => tracing::error!(
                "the half message at {} cannot be asked for",
                half.physical_offset
            ),
        }
    }

    /// Keeps how far it is for the next start. Operations that are still needed are read again then.
    fn save(&self, broker: &Broker) {
        let operation = self.done.values().copied().min().unwrap_or(self.operation);
        broker
            .offsets
            .commit(TRANS_GROUP, TRANS_HALF_TOPIC, 0, self.half);
        broker
            .offsets
            .commit(TRANS_GROUP, TRANS_OP_HALF_TOPIC, 0, operation);
    }
}

fn checks_of(half: &Record<'_>) -> u32 {
    half.property(TRANSACTION_CHECK_TIMES)
        .and_then(|times| times.parse().ok())
        .unwrap_or(0)
}

fn verdict(half: &Record<'_>, config: &BrokerConfig, now: i64) -> Verdict {
    let age = now.saturating_sub(half.born_timestamp);
    let too_old = i64::from(config.file_reserved_time).saturating_mul(HOUR_MS);
    if checks_of(half) >= config.transaction_check_max || age > too_old {
        return Verdict::GiveUp;
    }
    let immunity = half
        .property(CHECK_IMMUNITY_TIME_IN_SECONDS)
        .map(|seconds| seconds.parse::<i64>());
    match immunity {
        Some(Ok(seconds)) if seconds >= 0 && (0..seconds.saturating_mul(1000)).contains(&age) => {
            Verdict::Immune
        }
        Some(Ok(seconds)) if seconds >= 0 => Verdict::Ask,
        Some(_) if (0..config.transaction_time_out).contains(&age) => Verdict::Immune,
        None if (0..config.transaction_time_out).contains(&age) => Verdict::Later,
        // A negative age is the work of a wrong clock: asking does no harm.
        _ => Verdict::Ask,
    }
}

/// Copies a half message to the end of its topic.
fn put_back(
    broker: &Broker,
    half: &Record<'_>,
    original: i64,
    checks: Option<u32>,
) -> Result<Appended, NotStored> {
    let mut properties = Vec::new();
    let mut replaced = vec![TRANSACTION_PREPARED_QUEUE_OFFSET];
    if checks.is_some() {
        replaced.push(TRANSACTION_CHECK_TIMES);
    }
    properties::copy_without(half.properties, &replaced, &mut properties);
    properties::append(
        &mut properties,
        TRANSACTION_PREPARED_QUEUE_OFFSET,
        &original.to_string(),
    );
    if let Some(checks) = checks {
        properties::append(
            &mut properties,
            TRANSACTION_CHECK_TIMES,
            &checks.to_string(),
        );
    }
    let copy = RecordFields {
        store_host: broker.store_host,
        properties: &properties,
        ..half.fields()
    };
    append_one(broker, copy)
}

/// Moves a half message to where an operator may look for it.
fn give_up(broker: &Broker, half: &Record<'_>) -> Result<(), NotStored> {
    if let Err(refusal) =
        broker.create_topic(topic(TRANS_CHECK_MAX_TIME_TOPIC, 1, PERM_READ | PERM_WRITE))
    {
        tracing::warn!(
            "topic {TRANS_CHECK_MAX_TIME_TOPIC} is not created: {}",
            refusal.remark
        );
    }
    let fields = half.fields();
    let moved = RecordFields {
        topic: TRANS_CHECK_MAX_TIME_TOPIC,
        queue_id: 0,
        store_host: broker.store_host,
        ..fields
    };
    append_one(broker, moved).map(drop)
}

fn append_one(broker: &Broker, message: RecordFields<'_>) -> Result<Appended, NotStored> {
    let mut results = broker.append_own([message], Wait::Written);
    results
        .pop()
        .unwrap_or(Err(store::AppendError::ShuttingDown.into()))
}

/// `CHECK_TRANSACTION_STATE` (39): the copy as the application knows its message.
fn question(half: &Record<'_>, copy: &Appended, store_host: SocketAddr) -> Option<RemotingCommand> {
    let mut body = Vec::new();
    whole(half, store_host)?.encode_into(&mut body).ok()?;
    patch(
        &mut body,
        copy.queue_offset,
        copy.commit_log_offset,
        copy.store_timestamp,
    );
    let key = half.property(properties::UNIQUE_KEY).map(str::to_owned);
    let header = CheckTransactionStateRequestHeader {
        tran_state_table_offset: copy.queue_offset,
        commit_log_offset: copy.commit_log_offset,
        msg_id: key.clone(),
        transaction_id: key,
        offset_msg_id: Some(offset_message_id(store_host, copy.commit_log_offset)),
    };
    let request = RemotingCommand::request(RequestCode::CHECK_TRANSACTION_STATE)
        .with_header(&header)
        .ok()?;
    Some(request.with_body(body))
}

/// The next messages of queue 0 of a topic, if there are any, whose place then is behind them.
fn read(broker: &Broker, topic: &str, next: &mut i64) -> Option<Vec<Bytes>> {
    loop {
        let request = ReadRequest {
            topic,
            queue_id: 0,
            offset: *next,
            max_messages: 32,
            max_bytes: u32::MAX,
        };
        let ReadOutcome::Done(result) = broker.store.read(&request, |_| true, ReadFrom::Anywhere)
        else {
            return None;
        };
        match result.status {
            ReadStatus::Found => {
                *next = result.next_begin_offset;
                return Some(result.runs);
            }
            ReadStatus::OffsetTooSmall
            | ReadStatus::OffsetOverflowBadly
            | ReadStatus::MessageWasRemoving
                if result.next_begin_offset != *next =>
            {
                *next = result.next_begin_offset;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "127.0.0.1:10911";

    /// A half message born at 0 with some more properties.
    fn half(more: &str) -> Vec<u8> {
        let host = HOST.parse().unwrap();
        let properties = format!(
            "PGROUP\u{1}P\u{2}REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}3\u{2}UNIQ_KEY\u{1}K\u{2}{more}"
        );
        let fields = RecordFields {
            flag: 7,
            ..RecordFields::plain(TRANS_HALF_TOPIC, b"body", properties.as_bytes(), host)
        };
        let mut bytes = Vec::new();
        fields.encode_into(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn producers_are_asked_in_time_and_not_for_ever() {
        let config = BrokerConfig::with(&[]).unwrap();
        for (more, now, expected) in [
            ("", 5_999, Verdict::Later),
            ("", 6_000, Verdict::Ask),
            ("", -1, Verdict::Ask),
            ("TRANSACTION_CHECK_TIMES\u{1}14\u{2}", 6_000, Verdict::Ask),
            (
                "TRANSACTION_CHECK_TIMES\u{1}15\u{2}",
                6_000,
                Verdict::GiveUp,
            ),
            ("", 73 * HOUR_MS, Verdict::GiveUp),
            (
                "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}60\u{2}",
                59_999,
                Verdict::Immune,
            ),
            (
                "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}60\u{2}",
                60_000,
                Verdict::Ask,
            ),
            (
                "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}1\u{2}",
                1_000,
                Verdict::Ask,
            ),
            (
                "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}-1\u{2}",
                5_999,
                Verdict::Immune,
            ),
        ] {
            let bytes = half(more);
            let record = Record::parse(&bytes).unwrap();
            assert_eq!(
                verdict(&record, &config, now),
                expected,
                "{more:?} at {now}"
            );
        }
    }

    #[test]
    fn operations_of_both_versions_are_understood() {
        let mut checks = Checks {
            half: 10,
            operation: 0,
            done: BTreeMap::new(),
            late: HashSet::new(),
            turn: 0,
        };
        for (offset, body) in [(0, "12"), (1, "9"), (2, "13,14,"), (3, "nonsense")] {
            let bytes = half("");
            let mut record = Record::parse(&bytes).unwrap();
            record.queue_offset = offset;
            record.body = body.as_bytes();
            checks.note(&record);
        }
        assert_eq!(checks.done, BTreeMap::from([(12, 0), (13, 2), (14, 2)]));
        assert_eq!(checks.late, HashSet::from([9]));
    }

    #[test]
    fn a_producer_sees_its_own_message_again() {
        let bytes = half("");
        let record = Record::parse(&bytes).unwrap();
        let copy = Appended {
            queue_offset: 5,
            commit_log_offset: 4096,
            store_timestamp: 77,
            status: store::PutStatus::Ok,
        };
        let request = question(&record, &copy, HOST.parse().unwrap()).unwrap();
        let header: CheckTransactionStateRequestHeader = request.header().unwrap();
        assert_eq!(
            (header.tran_state_table_offset, header.commit_log_offset),
            (5, 4096)
        );
        assert_eq!(header.transaction_id.as_deref(), Some("K"));
        let message = Record::parse(&request.body).unwrap();
        assert_eq!(
            (message.topic, message.queue_id, message.queue_offset),
            ("T", 3, 5)
        );
        assert_eq!(
            (
                message.physical_offset,
                message.store_timestamp,
                message.flag
            ),
            (4096, 77, 7)
        );
    }
}
