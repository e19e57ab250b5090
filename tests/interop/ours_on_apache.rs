//! Our command line, and with it our client, on Apache's servers.

use std::time::Duration;

use mq_tests::{BrokerConfig, Folder, Maker, Namesrv, Process, mq, wait};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const COUNT: usize = 20;

#[test]
fn apache_494() {
    sends_consumes_and_tells_the_lag(Maker::Apache("4.9.4"));
}

#[test]
fn apache_533() {
    sends_consumes_and_tells_the_lag(Maker::Apache("5.3.3"));
}

fn sends_consumes_and_tells_the_lag(maker: Maker) {
    let namesrv = Namesrv::start(maker);
    let _broker = BrokerConfig::new(maker, "broker-a", &[&namesrv]).start();
    let n = namesrv.address();
    let count = COUNT.to_string();

    mq::run(["topic", "create", "orders", "--queues", "4", "-n", &n]);
    mq::run([
        "send", "orders", "hello", "--tag", "new", "--keys", "k1", "--count", &count, "-n", &n,
    ]);
    let topics = mq::json(["topic", "list", "-n", &n]);
    assert!(
        rows(&topics).iter().any(|row| row["topic"] == "orders"),
        "{topics}"
    );

    let half = (COUNT / 2).to_string();
    let consumed = consume(&n, &half);
    assert_eq!(consumed.len(), COUNT / 2);
    for message in &consumed {
        let found = (&message["body"], &message["tag"], &message["keys"]);
        assert_eq!(
            found,
            (&"hello".into(), &"new".into(), &"k1".into()),
            "{message}"
        );
    }
    assert_eq!(lag(&n), (COUNT / 2) as i64);
    the_dashboard_tells_the_lag(&n);

    // The group goes on where it was.
    assert_eq!(consume(&n, &half).len(), COUNT / 2);
    assert_eq!(lag(&n), 0);
    assert_eq!(dashboard(&n, "group readers")["facts"]["lag"], 0);
    let brokers = dashboard(&n, "brokers");
    assert_eq!(brokers["rows"][0]["broker"], "broker-a", "{brokers}");
    the_dashboard_knows_who_consumes(&n);
}

/// Half of what was sent was consumed, and nobody is connected.
fn the_dashboard_tells_the_lag(namesrv: &str) {
    let sum = |rows: &[Value], of: &str| {
        let figures = rows.iter().map(|row| row[of].as_i64());
        figures
            .map(|figure| figure.expect("a figure that is known"))
            .sum::<i64>()
    };
    let (all, half) = (COUNT as i64, (COUNT / 2) as i64);
    let groups = dashboard(namesrv, "groups");
    let readers = &groups["rows"][0];
    let told = (&readers["group"], &readers["lag"], &readers["verdict"]);
    assert_eq!(
        told,
        (&"readers".into(), &half.into(), &"no member".into()),
        "{groups}"
    );

    let group = dashboard(namesrv, "group readers");
    let of_topic = |row: &&Value| row["topic"] == "orders";
    let queues: Vec<Value> = rows(&group["rows"])
        .iter()
        .filter(of_topic)
        .cloned()
        .collect();
    assert_eq!(group["facts"]["lag"], half, "{group}");
    assert_eq!(sum(&queues, "lag"), half, "{group}");
    assert_eq!(sum(&queues, "offset"), all - half, "{group}");
    assert_eq!(sum(&queues, "max"), all, "{group}");

    let topic = dashboard(namesrv, "topic orders");
    assert_eq!(topic["facts"]["messages"], all, "{topic}");
    assert_eq!(
        topic["facts"]["groups"],
        format!("readers (lag {half})"),
        "{topic}"
    );
    assert_eq!(rows(&topic["rows"]).len(), 4, "{topic}");
    assert_eq!(sum(rows(&topic["rows"]), "max"), all, "{topic}");
}

fn the_dashboard_knows_who_consumes(namesrv: &str) {
    let folder = Folder::new();
    let args = [
        "consume", "orders", "--group", "readers", "--follow", "-n", namesrv,
    ];
    let _reader = Process::spawn(&mut mq::command(args), &folder.join("reader.out"));
    // Those of the topic, and that of the retry topic.
    let client = wait::until("the reader to own all queues", PATIENCE, || {
        let clients = dashboard(namesrv, "clients");
        let client = rows(&clients["rows"]).first()?.clone();
        (client["queues"] == 5).then_some(client)
    });
    assert_eq!(client["group"], "readers", "{client}");
    assert_eq!(client["subscriptions"], "orders:*", "{client}");
    let group = dashboard(namesrv, "group readers");
    assert_eq!(group["facts"]["members"], 1, "{group}");
    let owned = |row: &Value| row["owner"] == client["client"];
    assert!(rows(&group["rows"]).iter().all(owned), "{group}");
}

/// One frame to which everybody answered. One that says it is not whole (exit code 3) is asked for again: the dashboard
/// does not wait for a JVM on a busy machine.
fn dashboard(namesrv: &str, view: &str) -> Value {
    let args = ["tui", "--once", "--view", view, "-n", namesrv, "-o", "json"];
    wait::until(&format!("a whole frame of {view}"), PATIENCE, || {
        let output = mq::command(args).output().expect("mq can be started");
        match output.status.code() {
            Some(0) => Some(serde_json::from_slice(&output.stdout).expect("JSON")),
            Some(3) => None,
            _ => panic!("{args:?}: {output:?}"),
        }
    })
}

fn consume(namesrv: &str, count: &str) -> Vec<Value> {
    let args = [
        "consume", "orders", "--group", "readers", "--from", "first", "--count", count,
    ];
    mq::json_lines(args.into_iter().chain(["-n", namesrv]))
}

fn lag(namesrv: &str) -> i64 {
    let groups = mq::json(["group", "lag", "readers", "-n", namesrv]);
    rows(&groups)
        .iter()
        .map(|row| row["lag"].as_i64().expect("a lag that is known"))
        .sum()
}

fn rows(report: &Value) -> &[Value] {
    report.as_array().expect("a list of rows")
}
