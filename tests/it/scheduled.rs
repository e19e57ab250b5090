//! Delayed messages and transactions outlive `kill -9`.

use std::time::Duration;

use mq_tests::wire::{self, Connection};
use mq_tests::{BrokerConfig, Maker, wait};
use serde_json::json;

const TOPIC: &str = "Scheduled";
const PATIENCE: Duration = Duration::from_secs(30);
const COMMIT: i32 = 8;

fn config() -> BrokerConfig {
    BrokerConfig::new(Maker::Mq, "broker-a", &[])
        .set("messageDelayLevel", "3s")
        .set("mappedFileSizeCommitLog", "1048576")
}

/// Sends a message with a property string; returns queue offset and commit-log offset of its answer.
fn send(connection: &mut Connection, properties: &str, body: &str) -> (String, u64) {
    let mut fields = wire::send_fields(TOPIC, 0);
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_millis();
    fields["bornTimestamp"] = json!(now.to_string());
    fields["properties"] = json!(properties);
    let answer = connection
        .ask(wire::SEND_MESSAGE, &fields, body.as_bytes())
        .expect("the broker answers");
    assert_eq!(answer.code, wire::SUCCESS, "{:?}", answer.remark);
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

fn wait_for(port: u16, expected: &[&str]) {
    let mut connection = Connection::open(port).expect("the broker listens");
    wait::until("delayed messages", PATIENCE, || {
        let bodies = wire::read_queue(&mut connection, TOPIC, 0).expect("the broker answers");
        (bodies.len() >= expected.len()).then(|| {
            let bodies: Vec<_> = bodies
                .iter()
                .map(|body| String::from_utf8_lossy(body))
                .collect();
            assert_eq!(bodies, expected);
        })
    });
}

#[test]
fn delayed_messages_survive_and_come_in_order() {
    let broker = config().start();
    wire::create_topic(broker.config.port, TOPIC, 1, 6);
    let mut connection = Connection::open(broker.config.port).expect("the broker listens");
    for body in ["a", "b", "c"] {
        send(&mut connection, "DELAY\u{1}1\u{2}", body);
    }
    let none = wire::read_queue(&mut connection, TOPIC, 0).expect("the broker answers");
    assert!(none.is_empty(), "none of them is due");
    let broker = broker.kill().start();
    wait_for(broker.config.port, &["a", "b", "c"]);
}

#[test]
fn a_half_message_survives_and_can_be_committed() {
    let broker = config().start();
    wire::create_topic(broker.config.port, TOPIC, 1, 6);
    let mut connection = Connection::open(broker.config.port).expect("the broker listens");
    let (queue_offset, offset) = send(
        &mut connection,
        "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}P\u{2}",
        "committed",
    );
    let broker = broker.kill().start();
    let mut connection = Connection::open(broker.config.port).expect("the broker listens");
    assert!(
        wire::read_queue(&mut connection, TOPIC, 0)
            .expect("the broker answers")
            .is_empty()
    );
    let fields = json!({
        "producerGroup": "P", "tranStateTableOffset": queue_offset, "commitLogOffset": offset.to_string(),
        "commitOrRollback": COMMIT.to_string(), "msgId": "U",
    });
    let answer = connection
        .ask(wire::END_TRANSACTION, &fields, b"")
        .expect("the broker answers");
    assert_eq!(answer.code, wire::SUCCESS, "{:?}", answer.remark);
    wait_for(broker.config.port, &["committed"]);
}
