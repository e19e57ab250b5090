//! Consumers that select by SQL92 conditions over properties.

use mq_tests::wire::{self, Answer, Connection, SUCCESS};
use mq_tests::{Broker, BrokerConfig, Maker};
use serde_json::{Value, json};

const TOPIC: &str = "Filtered";
const SYSTEM_ERROR: i64 = 1;
const PULL_RETRY_IMMEDIATELY: i64 = 20;
const SUBSCRIPTION_PARSE_FAILED: i64 = 23;
const FILTER_DATA_NOT_EXIST: i64 = 27;
/// What a pull asks for by its `sysFlag`.
const SUSPEND: u32 = 2;
const INLINE: u32 = 4;

/// A broker with `messages` messages in one queue, each with its number as property `n`.
fn broker_with(messages: u32, property_filter: &str) -> (Broker, Connection) {
    let broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[])
        .set("enablePropertyFilter", property_filter)
        .start();
    wire::create_topic(broker.config.port, TOPIC, 1, 6);
    let mut connection = connect(&broker);
    for number in 0..messages {
        send(&mut connection, number);
    }
    (broker, connection)
}

fn connect(broker: &Broker) -> Connection {
    Connection::open(broker.config.port).expect("the broker listens")
}

fn ask(connection: &mut Connection, code: i32, fields: &Value, body: &[u8]) -> Answer {
    connection
        .ask(code, fields, body)
        .expect("the broker answers")
}

fn send(connection: &mut Connection, number: u32) {
    let mut fields = wire::send_fields(TOPIC, 0);
    fields["properties"] = json!(format!("n\u{1}{number}\u{2}"));
    let body = number.to_string();
    let answer = ask(connection, wire::SEND_MESSAGE, &fields, body.as_bytes());
    assert_eq!(answer.code, SUCCESS, "{:?}", answer.remark);
}

fn pull_fields(condition: &str, offset: u32, flags: u32) -> Value {
    json!({
        "consumerGroup": "G", "topic": TOPIC, "queueId": "0", "queueOffset": offset.to_string(), "maxMsgNums": "32",
        "commitOffset": "0", "suspendTimeoutMillis": "15000", "subVersion": "1", "subscription": condition,
        "expressionType": "SQL92", "sysFlag": flags.to_string(),
    })
}

/// The code, the bodies, and where to go on.
fn found(answer: &Answer) -> (i64, Vec<String>, u32) {
    let bodies = wire::records(&answer.body)
        .into_iter()
        .map(|message| String::from_utf8(message.body).expect("tests send text"))
        .collect();
    let next = answer.ext_fields["nextBeginOffset"].as_str();
    let next = next.and_then(|next| next.parse().ok()).expect("an offset");
    (answer.code, bodies, next)
}

fn check_client_config(connection: &mut Connection, condition: &str) -> Answer {
    let subscription = json!({ "topic": TOPIC, "subString": condition, "expressionType": "SQL92" });
    let body = json!({ "clientId": "c", "group": "G", "subscriptionData": subscription });
    let body = body.to_string().into_bytes();
    ask(connection, wire::CHECK_CLIENT_CONFIG, &json!({}), &body)
}

fn heartbeat(connection: &mut Connection, condition: &str) {
    let subscription = json!({
        "topic": TOPIC, "subString": condition, "expressionType": "SQL92", "subVersion": 1, "tagsSet": [],
        "codeSet": [], "classFilterMode": false,
    });
    let consumer = json!({
        "groupName": "G", "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING",
        "consumeFromWhere": "CONSUME_FROM_FIRST_OFFSET", "subscriptionDataSet": [subscription], "unitMode": false,
    });
    let body = json!({ "clientID": "c", "consumerDataSet": [consumer], "producerDataSet": [] });
    let body = body.to_string().into_bytes();
    let answer = ask(connection, wire::HEART_BEAT, &json!({}), &body);
    assert_eq!(answer.code, SUCCESS, "{:?}", answer.remark);
}

#[test]
fn a_condition_selects_by_properties() {
    let (_broker, mut connection) = broker_with(100, "true");
    let mut pull = |condition: &str, offset, flags| {
        let fields = pull_fields(condition, offset, flags);
        ask(&mut connection, wire::PULL_MESSAGE, &fields, b"")
    };
    let some = ["40", "41", "42"].map(str::to_owned).to_vec();
    let answer = pull("n BETWEEN 40 AND 42", 0, INLINE);
    assert_eq!(found(&answer), (SUCCESS, some.clone(), 100));
    let answer = pull("n = 200", 0, INLINE);
    assert_eq!(found(&answer), (PULL_RETRY_IMMEDIATELY, vec![], 100));
    let answer = pull("n >= 0", 7, INLINE);
    assert_eq!(found(&answer).2, 7 + 32, "as many as were asked for");
    let answer = pull("n > 'x'", 0, INLINE);
    assert_eq!(answer.code, SUBSCRIPTION_PARSE_FAILED);

    // Push consumers tell their condition by heartbeat, and pull without it.
    heartbeat(&mut connection, "n in ('40', '41', '42')");
    let fields = pull_fields("", 0, 0);
    let answer = ask(&mut connection, wire::PULL_MESSAGE, &fields, b"");
    assert_eq!(found(&answer), (SUCCESS, some, 100));
}

#[test]
fn a_wrong_condition_is_refused_before_consuming() {
    let (broker, mut connection) = broker_with(0, "true");
    let answer = check_client_config(&mut connection, "n > 5 AND n IS NOT NULL");
    assert_eq!(answer.code, SUCCESS, "{:?}", answer.remark);
    let answer = check_client_config(&mut connection, "n >");
    assert_eq!(answer.code, SUBSCRIPTION_PARSE_FAILED);
    let remark = answer.remark.expect("a refusal says why");
    assert!(remark.contains("found the end, at byte 3"), "{remark}");
    // A client that did not ask is told when it pulls.
    let mut other = connect(&broker);
    heartbeat(&mut other, "n >");
    let answer = ask(&mut other, wire::PULL_MESSAGE, &pull_fields("", 0, 0), b"");
    assert_eq!(answer.code, FILTER_DATA_NOT_EXIST, "{:?}", answer.remark);
}

#[test]
fn conditions_must_be_allowed() {
    let (_broker, mut connection) = broker_with(0, "false");
    let fields = pull_fields("n = 1", 0, INLINE);
    for answer in [
        check_client_config(&mut connection, "n = 1"),
        ask(&mut connection, wire::PULL_MESSAGE, &fields, b""),
    ] {
        let remark = answer.remark.expect("a refusal says why");
        let expected = "The broker does not support consumer to filter message by SQL92";
        assert_eq!((answer.code, remark.as_str()), (SYSTEM_ERROR, expected));
    }
}

#[test]
fn a_waiting_pull_sleeps_through_messages_of_others() {
    let (broker, mut sender) = broker_with(3, "true");
    let mut waiting = connect(&broker);
    // The first pull makes the group, apart from the others; from then on requests are handled in order.
    let fields = pull_fields("n > 100", 0, INLINE);
    ask(&mut waiting, wire::PULL_MESSAGE, &fields, b"");
    let fields = pull_fields("n > 100", 3, INLINE | SUSPEND);
    waiting
        .send(wire::PULL_MESSAGE, 1, &fields, b"")
        .expect("the broker listens");
    // Once this is answered, the pull waits.
    check_client_config(&mut waiting, "n > 100");
    for number in [5, 6, 101] {
        send(&mut sender, number);
    }
    let answer = waiting.receive().expect("the broker answers");
    assert_eq!(found(&answer), (SUCCESS, vec!["101".to_owned()], 6));
}
