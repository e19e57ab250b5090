//! Where a group without an offset begins.

use mq_tests::wire::{self, Connection};
use mq_tests::{BrokerConfig, Maker};
use serde_json::json;

/// Apache's 5.3.3 answers "not found" here. Clients then ask for the end of the queue, and skip what arrives between
/// the two questions: the first message of a topic, to which everybody was looking forward.
#[test]
fn a_new_group_begins_an_empty_queue_at_0() {
    let broker = BrokerConfig::new(Maker::Mq, "broker-a", &[]).start();
    wire::create_topic(broker.config.port, "Empty", 1, 6);
    let mut connection = Connection::open(broker.config.port).expect("the broker listens");
    let fields = json!({ "consumerGroup": "New", "topic": "Empty", "queueId": "0" });
    let answer = connection
        .ask(wire::QUERY_CONSUMER_OFFSET, &fields, b"")
        .expect("the broker answers");
    assert_eq!(
        (answer.code, &answer.ext_fields["offset"]),
        (wire::SUCCESS, &json!("0")),
        "{:?}",
        answer.remark
    );
}
