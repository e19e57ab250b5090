//! What comes later outlives `kill -9` in the middle: delayed messages, messages that failed, transactions, consumption
//! in order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mq_tests::wire::{self, Answer, Connection, Stored};
use mq_tests::{BrokerConfig, Maker, wait};
use serde_json::{Value, json};

const TOPIC: &str = "Scheduled";
const GROUP: &str = "G";
const PATIENCE: Duration = Duration::from_secs(60);
const COMMIT: i32 = 8;
const ROLLBACK: i32 = 12;

fn config() -> BrokerConfig {
    BrokerConfig::new(Maker::Mq, "broker-a", &[])
        .set("messageDelayLevel", "1s 2s")
        .set("mappedFileSizeCommitLog", "1048576")
}

fn connect(port: u16) -> Connection {
    Connection::open(port).expect("the broker listens")
}

fn now() -> u64 {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    u64::try_from(now.as_millis()).expect("before the year 292278994")
}

/// Asks for what must not fail.
#[track_caller]
fn ask(connection: &mut Connection, code: i32, fields: &Value, body: &str) -> Answer {
    let answer = connection
        .ask(code, fields, body.as_bytes())
        .expect("the broker answers");
    assert_eq!(answer.code, wire::SUCCESS, "{:?}", answer.remark);
    answer
}

/// Sends a message with a property string; returns queue offset and commit-log offset of its answer.
fn send(connection: &mut Connection, properties: &str, body: &str) -> (String, u64) {
    let mut fields = wire::send_fields(TOPIC, 0);
    fields["bornTimestamp"] = json!(now().to_string());
    fields["properties"] = json!(properties);
    let answer = ask(connection, wire::SEND_MESSAGE, &fields, body);
    let text = |name: &str| {
        answer.ext_fields[name]
            .as_str()
            .expect("every send has it")
            .to_owned()
    };
    let id = text("msgId");
    let offset =
        u64::from_str_radix(&id[id.len() - 16..], 16).expect("the end of an id is its offset");
    (text("queueOffset"), offset)
}

fn text(message: &Stored) -> String {
    String::from_utf8_lossy(&message.body).into_owned()
}

/// The messages of queue 0, once `enough` says so.
#[track_caller]
fn wait_for(port: u16, topic: &str, what: &str, enough: impl Fn(&[Stored]) -> bool) -> Vec<Stored> {
    let mut connection = connect(port);
    wait::until(what, PATIENCE, || {
        let messages = wire::read_messages(&mut connection, topic, 0).expect("the broker answers");
        enough(&messages).then_some(messages)
    })
}

fn bodies(messages: &[Stored]) -> BTreeSet<String> {
    messages.iter().map(text).collect()
}

#[test]
fn delayed_messages_survive_and_come_in_order_and_not_early() {
    const COUNT: usize = 400;
    let broker = config().start();
    wire::create_topic(broker.config.port, TOPIC, 1, 6);
    let mut connection = connect(broker.config.port);
    // Level and number → when it was sent.
    let mut sent = BTreeMap::new();
    for number in 0..COUNT {
        let level = 1 + number % 2;
        let body = format!("{level} {number:04}");
        sent.insert(body.clone(), now());
        send(&mut connection, &format!("DELAY\u{1}{level}\u{2}"), &body);
    }
    // Some of the first level have come, none of the second: how far it was is not saved yet.
    wait_for(broker.config.port, TOPIC, "the first messages", |came| {
        came.len() > 20
    });
    let broker = broker.kill().start();
    let came = wait_for(broker.config.port, TOPIC, "all messages", |came| {
        bodies(came).len() >= COUNT
    });
    assert_eq!(
        bodies(&came),
        sent.keys().cloned().collect(),
        "what came is what was sent"
    );
    let mut furthest = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for message in &came {
        let body = text(message);
        let level: u64 = body[..1].parse().expect("a level");
        let due = sent[&body] + level * 1000;
        assert!(
            message.store_timestamp >= due,
            "{body} came {} ms early",
            due - message.store_timestamp
        );
        // A second time is no disorder.
        if seen.insert(body.clone()) {
            let before = furthest.insert(level, body.clone());
            assert!(before < Some(body.clone()), "{body} came after {before:?}");
        }
    }
}

#[test]
fn failed_messages_survive_until_their_retry() {
    const COUNT: usize = 40;
    let broker = config().start();
    wire::create_topic(broker.config.port, TOPIC, 1, 6);
    let mut connection = connect(broker.config.port);
    let mut sent = BTreeSet::new();
    for number in 0..COUNT {
        let body = format!("failed {number}");
        let (_, offset) = send(&mut connection, "", &body);
        let fields = json!({
            "offset": offset.to_string(), "group": GROUP, "delayLevel": (1 + number % 2).to_string(),
            "originTopic": TOPIC, "unitMode": "false", "maxReconsumeTimes": "16",
        });
        ask(&mut connection, wire::CONSUMER_SEND_MSG_BACK, &fields, "");
        sent.insert(body);
    }
    let retry = format!("%RETRY%{GROUP}");
    wait_for(broker.config.port, &retry, "the first retries", |came| {
        !came.is_empty()
    });
    let broker = broker.kill().start();
    let came = wait_for(broker.config.port, &retry, "all retries", |came| {
        bodies(came).len() >= COUNT
    });
    assert_eq!(bodies(&came), sent);
    assert!(came.iter().all(|message| message.reconsume_times == 1));
}

fn end_transaction(connection: &mut Connection, end: i32, queue_offset: &str, offset: u64) {
    let fields = json!({
        "producerGroup": "P", "tranStateTableOffset": queue_offset, "commitLogOffset": offset.to_string(),
        "commitOrRollback": end.to_string(), "msgId": "U",
    });
    ask(connection, wire::END_TRANSACTION, &fields, "");
}

#[test]
fn transactions_survive_and_only_those_without_an_end_are_asked_for() {
    const COUNT: usize = 60;
    let config = config()
        .set("transactionTimeOut", "1")
        .set("transactionCheckInterval", "500");
    let broker = config.start();
    wire::create_topic(broker.config.port, TOPIC, 1, 6);
    let mut connection = connect(broker.config.port);
    let half = "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}P\u{2}";
    let mut committed = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for number in 0..COUNT {
        let end = ["commit", "rollback", "unknown"][number % 3];
        let body = format!("{end} {number}");
        let (queue_offset, offset) = send(&mut connection, half, &body);
        match end {
            "commit" => {
                end_transaction(&mut connection, COMMIT, &queue_offset, offset);
                committed.insert(body);
            }
            "rollback" => end_transaction(&mut connection, ROLLBACK, &queue_offset, offset),
            _ => {
                unknown.insert(body);
            }
        }
    }
    let broker = broker.kill().start();
    let came = wait_for(broker.config.port, TOPIC, "committed messages", |came| {
        came.len() >= committed.len()
    });
    assert_eq!(bodies(&came), committed, "before the producer is back");

    let mut producer = connect(broker.config.port);
    let heartbeat =
        r#"{"clientID":"p","producerDataSet":[{"groupName":"P"}],"consumerDataSet":[]}"#;
    ask(&mut producer, wire::HEART_BEAT, &json!({}), heartbeat);
    let mut connection = connect(broker.config.port);
    let mut asked = BTreeSet::new();
    while asked.len() < unknown.len() {
        let question = producer.receive_question().expect("the broker asks");
        assert_eq!(question.code, wire::CHECK_TRANSACTION_STATE);
        asked.extend(wire::records(&question.body).iter().map(text));
        let field = |name: &str| {
            question.ext_fields[name]
                .as_str()
                .expect("every question has it")
                .to_owned()
        };
        let offset = field("commitLogOffset").parse().expect("an offset");
        end_transaction(
            &mut connection,
            COMMIT,
            &field("tranStateTableOffset"),
            offset,
        );
    }
    assert_eq!(asked, unknown);
    let came = wait_for(broker.config.port, TOPIC, "all messages", |came| {
        came.len() >= committed.len() + unknown.len()
    });
    assert_eq!(bodies(&came), &committed | &unknown);
    assert_eq!(
        came.len(),
        committed.len() + unknown.len(),
        "none came twice"
    );
}

#[test]
fn consumption_in_order_goes_on_where_it_was_committed() {
    const COUNT: u64 = 50;
    let config = config().set("flushConsumerOffsetInterval", "50");
    let broker = config.start();
    wire::create_topic(broker.config.port, TOPIC, 1, 6);
    let mut connection = connect(broker.config.port);
    for number in 0..COUNT {
        send(&mut connection, "", &number.to_string());
    }
    let lock = |connection: &mut Connection, client: &str| {
        let body = json!({
            "clientId": client, "consumerGroup": GROUP,
            "mqSet": [{ "brokerName": "broker-a", "queueId": 0, "topic": TOPIC }],
        });
        let answer = ask(
            connection,
            wire::LOCK_BATCH_MQ,
            &json!({}),
            &body.to_string(),
        );
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        body["lockOKMQSet"]
            .as_array()
            .is_some_and(|set| !set.is_empty())
    };
    let queue = json!({ "consumerGroup": GROUP, "topic": TOPIC, "queueId": "0" });
    let committed = |connection: &mut Connection| -> u64 {
        let answer = ask(connection, wire::QUERY_CONSUMER_OFFSET, &queue, "");
        let offset = answer.ext_fields["offset"].as_str();
        offset
            .and_then(|offset| offset.parse().ok())
            .expect("an offset")
    };
    assert!(lock(&mut connection, "a"));
    assert!(!lock(&mut connection, "b"), "the queue is a's");
    for consumed in 1..=COUNT / 2 {
        let mut fields = queue.clone();
        fields["commitOffset"] = json!(consumed.to_string());
        ask(&mut connection, wire::UPDATE_CONSUMER_OFFSET, &fields, "");
    }
    let file = broker.config.store().join("config/consumerOffset.json");
    wait::until("some offset in its file", PATIENCE, || {
        file.exists().then_some(())
    });
    let broker = broker.kill().start();

    // Locks are not kept: whoever comes first has the queue, and nobody else.
    let mut connection = connect(broker.config.port);
    assert!(lock(&mut connection, "b"));
    assert!(!lock(&mut connection, "a"), "the queue is b's");
    let next = committed(&mut connection);
    assert!(
        (1..=COUNT / 2).contains(&next),
        "the group goes on at {next}"
    );
    let fields = json!({
        "consumerGroup": GROUP, "topic": TOPIC, "queueId": "0", "queueOffset": next.to_string(), "maxMsgNums": "32",
        "commitOffset": "0", "suspendTimeoutMillis": "0", "subVersion": "0", "subscription": "*", "sysFlag": "4",
    });
    let answer = ask(&mut connection, wire::PULL_MESSAGE, &fields, "");
    let came: Vec<String> = wire::records(&answer.body).iter().map(text).collect();
    let expected: Vec<String> = (next..COUNT).take(32).map(|n| n.to_string()).collect();
    assert_eq!(came, expected);
}
