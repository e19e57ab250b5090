//! `mq store`: looking into the folder of a broker that has stopped, checking it, and building anew what is derived.

use std::fs;
use std::path::Path;
use std::process::Output;

use mq_tests::wire::{self, Connection};
use mq_tests::{BrokerConfig, Maker, mq};
use serde_json::{Value, json};

const TOPIC: &str = "Folder";
const QUEUES: u32 = 2;
const MESSAGES: u32 = 20;

#[test]
fn a_stopped_store_is_read_checked_and_built_anew() {
    let broker = BrokerConfig::new(Maker::Mq, "broker-a", &[]).start();
    let port = broker.config.port;
    send_all(port);
    let store = broker.config.store();
    let folder = store.to_str().expect("the test's own folder");

    let refused = end(&["store", "verify", folder]);
    assert_eq!(refused.status.code(), Some(5));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("in use by") && said.contains("pid"), "{said}");

    let config = broker.stop();
    let info = mq::json(["store", "info", folder]);
    assert_eq!(info[0]["messages"], MESSAGES);
    assert_eq!(info[0]["clean"], true);
    let topics = mq::json(["store", "info", folder, "--topics"]);
    let ours = topics.as_array().expect("rows").iter();
    let ours: Vec<&Value> = ours.filter(|row| row["topic"] == TOPIC).collect();
    assert_eq!(ours[0]["messages"], MESSAGES);
    assert_eq!(mq::json(["store", "verify", folder]), json!([]));

    let all = mq::json_lines(["store", "cat", folder, "--topic", TOPIC]);
    let bodies: Vec<&str> = all
        .iter()
        .map(|line| line["body"].as_str().expect("text"))
        .collect();
    let sent = (0..QUEUES).flat_map(|queue| (0..MESSAGES).filter(move |n| n % QUEUES == queue));
    assert_eq!(bodies, sent.map(body).collect::<Vec<_>>());
    let by_key = mq::json_lines(["store", "cat", folder, "--topic", TOPIC, "--key", "k7"]);
    assert_eq!((by_key.len(), &by_key[0]["body"]), (1, &json!(body(7))));
    let id = by_key[0]["offset_message_id"].as_str().expect("an id");
    let by_id = mq::json_lines(["store", "cat", folder, "--id", id]);
    assert_eq!(by_id, by_key);
    let some = mq::run([
        "store", "cat", folder, "--topic", TOPIC, "--queue", "1", "--from", "3", "--to", "5", "-o",
        "body",
    ]);
    assert_eq!(some, format!("{}\n{}\n", body(7), body(9)));
    assert_eq!(
        end(&["store", "cat", folder, "--key", "none"])
            .status
            .code(),
        Some(4)
    );

    a_flipped_byte_is_found(folder, &store, &by_key[0]);
    missing_queues_are_built(folder, &store);

    let broker = config.start();
    let mut connection = Connection::open(port).expect("the broker listens");
    for queue in 0..QUEUES {
        let read = wire::read_queue(&mut connection, TOPIC, queue).expect("the broker answers");
        assert_eq!(read.len() as u32, MESSAGES / QUEUES);
    }
    broker.stop();
}

fn a_flipped_byte_is_found(folder: &str, store: &Path, message: &Value) {
    let log = store.join("commitlog").join(format!("{:020}", 0));
    let mut flipped = None;
    let mut flip = || {
        let mut bytes = fs::read(&log).expect("the log");
        let at = message["commit_log_offset"].as_u64().expect("a number") as usize;
        let wanted = message["body"].as_str().expect("text").as_bytes();
        let find = || {
            bytes[at..]
                .windows(wanted.len())
                .position(|some| some == wanted)
        };
        // The second time it is not what it was.
        let byte = *flipped.get_or_insert_with(|| at + find().expect("the body"));
        bytes[byte] ^= 1;
        fs::write(&log, bytes).expect("the log");
    };
    flip();
    let found = end(&["store", "verify", folder, "-o", "json"]);
    assert_eq!(found.status.code(), Some(10));
    let found: Value = serde_json::from_slice(&found.stdout).expect("rows");
    assert_eq!(
        (&found[0]["severity"], &found[0]["problem"]),
        (&json!("lost"), &json!("log-broken"))
    );
    assert_eq!(found[0]["byte"], message["commit_log_offset"]);
    assert_eq!(
        end(&["store", "rebuild", folder, "--yes"]).status.code(),
        Some(5)
    );
    let cat = end(&["store", "cat", folder, "--topic", TOPIC, "-o", "name"]);
    assert_eq!(
        cat.status.code(),
        Some(3),
        "the others are printed, the damage is told"
    );
    flip();
    assert_eq!(mq::json(["store", "verify", folder]), json!([]));
}

fn missing_queues_are_built(folder: &str, store: &Path) {
    fs::remove_dir_all(store.join("consumequeue").join(TOPIC)).expect("a topic");
    let found = end(&["store", "verify", folder, "-o", "json"]);
    assert_eq!(found.status.code(), Some(10));
    let found: Value = serde_json::from_slice(&found.stdout).expect("rows");
    assert_eq!(found[0]["severity"], "derived");
    assert_eq!(
        end(&["store", "rebuild", folder]).status.code(),
        Some(2),
        "nobody to ask"
    );
    let built = mq::json(["store", "rebuild", folder, "--yes"]);
    assert_eq!(built[0]["missing"], 0);
    assert_eq!(mq::json(["store", "verify", folder]), json!([]));
    assert_eq!(
        end(&["store", "rebuild", folder, "--yes"]).status.code(),
        Some(5),
        "the old are kept"
    );
    mq::run(["store", "rebuild", folder, "--undo", "--yes"]);
    assert!(!store.join("consumequeue").join(TOPIC).exists());
    mq::run(["store", "rebuild", folder, "--yes"]);
    mq::run(["store", "rebuild", folder, "--delete-old", "--yes"]);
    assert!(!store.join("consumequeue.old").exists());
    assert_eq!(mq::json(["store", "verify", folder]), json!([]));
}

fn send_all(port: u16) {
    wire::create_topic(port, TOPIC, QUEUES, 6);
    let mut connection = Connection::open(port).expect("the broker listens");
    for n in 0..MESSAGES {
        let mut fields = wire::send_fields(TOPIC, n % QUEUES);
        fields["properties"] = json!(format!("KEYS\u{1}k{n}\u{2}TAGS\u{1}t{}\u{2}", n % 3));
        let answer = connection.ask(wire::SEND_MESSAGE, &fields, body(n).as_bytes());
        assert_eq!(answer.expect("the broker answers").code, wire::SUCCESS);
    }
}

fn body(n: u32) -> String {
    format!("message number {n}")
}

fn end(args: &[&str]) -> Output {
    let mut command = mq::command(args.iter().copied());
    command.output().expect("mq can be started")
}
