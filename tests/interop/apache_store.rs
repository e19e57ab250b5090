//! `mq store` on stores that Apache's brokers wrote and were killed over: what it finds, prints and builds, and that
//! Apache's broker goes on with the result.

use std::collections::BTreeMap;
use std::time::Duration;

use mq_tests::wire::{self, Connection};
use mq_tests::{BrokerConfig, Maker, mq, wait};
use serde_json::{Value, json};

const TOPIC: &str = "Kept";
const QUEUES: u32 = 3;
const MESSAGES: u32 = 3_000;
/// Every so many sends one is a batch of [`BATCH`].
const BATCH_EVERY: u32 = 10;
const BATCH: u32 = 7;
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_store_of_apache_494_is_checked_read_and_rebuilt() {
    checked_read_and_rebuilt("4.9.4");
}

#[test]
fn a_store_of_apache_533_is_checked_read_and_rebuilt() {
    checked_read_and_rebuilt("5.3.3");
}

/// A message as it is sent, and as it has to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    body: String,
    tag: String,
    keys: String,
    property: String,
}

impl Message {
    fn new(n: u32) -> Self {
        Self {
            body: format!("message {n} {}", "x".repeat(n as usize % 700)),
            tag: format!("tag{}", n % 5),
            keys: format!("key{n} also{n}"),
            property: format!("value {n} = ä"),
        }
    }

    fn properties(&self) -> String {
        let Self {
            tag,
            keys,
            property,
            ..
        } = self;
        format!("TAGS\u{1}{tag}\u{2}KEYS\u{1}{keys}\u{2}mine\u{1}{property}\u{2}")
    }

    fn of(line: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Self {
            body: text(&line["body"]),
            tag: text(&line["tag"]),
            keys: text(&line["keys"]),
            property: text(&line["properties"]["mine"]),
        }
    }
}

/// By queue and queue offset.
type Messages = BTreeMap<(u32, u64), Message>;

fn checked_read_and_rebuilt(version: &'static str) {
    let broker = BrokerConfig::new(Maker::Apache(version), "broker-a", &[])
        // Several files, with blank records at their ends.
        .set("mappedFileSizeCommitLog", "262144")
        .set("mappedFileSizeConsumeQueue", "20000")
        .start();
    let port = broker.config.port;
    let mut sent = send_all(port);
    let config = broker.kill();
    let store = config.store();
    let folder = store.to_str().expect("the test's own folder");

    assert_eq!(
        mq::json(["store", "verify", folder]),
        json!([]),
        "{version}"
    );
    assert_eq!(printed(folder), sent);
    let info = mq::json(["store", "info", folder]);
    assert_eq!(info[0]["clean"], false);
    let by_key = mq::json_lines(["store", "cat", folder, "--topic", TOPIC, "--key", "also17"]);
    assert_eq!(
        (by_key.len(), Message::of(&by_key[0])),
        (1, Message::new(17))
    );

    let built = mq::json(["store", "rebuild", folder, "--yes"]);
    assert_eq!(built[0]["missing"], 0);
    assert_eq!(
        mq::json(["store", "verify", folder]),
        json!([]),
        "{version}"
    );
    assert_eq!(printed(folder), sent);

    let broker = config.start();
    let mut connection = Connection::open(port).expect("the broker listens");
    for queue in 0..QUEUES {
        let read = wire::read_queue(&mut connection, TOPIC, queue).expect("the broker answers");
        let ours = sent.range((queue, 0)..(queue + 1, 0));
        let ours: Vec<_> = ours.map(|(_, message)| message.body.as_bytes()).collect();
        assert_eq!(read, ours, "{version}: queue {queue}");
    }
    for n in MESSAGES..MESSAGES + 10 {
        send(&mut connection, n, &mut sent);
    }
    let config = broker.stop();
    mq::run(["store", "rebuild", folder, "--delete-old", "--yes"]);
    assert_eq!(
        mq::json(["store", "verify", folder]),
        json!([]),
        "{version}"
    );
    assert_eq!(printed(folder), sent);
    drop(config);
}

fn send_all(port: u16) -> Messages {
    wire::create_topic(port, TOPIC, QUEUES, 6);
    let mut connection = Connection::open(port).expect("the broker listens");
    let mut sent = Messages::new();
    let mut n = 0;
    while n < MESSAGES {
        n += send(&mut connection, n, &mut sent);
    }
    // Apache's broker fills its queues a moment later.
    for queue in 0..QUEUES {
        let expected = sent.range((queue, 0)..(queue + 1, 0)).count().to_string();
        let fields = json!({ "topic": TOPIC, "queueId": queue.to_string() });
        wait::until("the queue to be filled", PATIENCE, || {
            let answer = connection.ask(wire::GET_MAX_OFFSET, &fields, b"");
            let answer = answer.expect("the broker answers");
            (answer.ext_fields["offset"] == *expected).then_some(())
        });
    }
    sent
}

/// Sends message `n`, or a batch that begins with it. Returns how many it were.
fn send(connection: &mut Connection, n: u32, sent: &mut Messages) -> u32 {
    let queue = n % QUEUES;
    let count = if n.is_multiple_of(BATCH_EVERY) {
        BATCH
    } else {
        1
    };
    let messages: Vec<_> = (n..n + count).map(Message::new).collect();
    let mut fields = wire::send_fields(TOPIC, queue);
    let body = if count == 1 {
        fields["properties"] = json!(messages[0].properties());
        messages[0].body.clone().into_bytes()
    } else {
        fields["batch"] = json!("true");
        let parts = messages.iter();
        let parts = parts.map(|one| wire::batch_part(one.body.as_bytes(), &one.properties()));
        parts.collect::<Vec<_>>().concat()
    };
    let answer = connection
        .ask(wire::SEND_MESSAGE, &fields, &body)
        .expect("the broker answers");
    assert_eq!(answer.code, wire::SUCCESS, "{:?}", answer.remark);
    let first = answer.ext_fields["queueOffset"].as_str();
    let first: u64 = first
        .and_then(|offset| offset.parse().ok())
        .expect("an answer to a send names the queue offset");
    for (message, offset) in messages.into_iter().zip(first..) {
        let before = sent.insert((queue, offset), message);
        assert_eq!(before, None, "queue offset given twice");
    }
    count
}

/// All messages of the topic, as `mq store cat` prints them.
fn printed(folder: &str) -> Messages {
    let lines = mq::json_lines(["store", "cat", folder, "--topic", TOPIC]);
    let number = |value: &Value| value.as_u64().expect("a number");
    let place = |line: &Value| {
        (
            number(&line["queue_id"]) as u32,
            number(&line["queue_offset"]),
        )
    };
    lines
        .iter()
        .map(|line| (place(line), Message::of(line)))
        .collect()
}
