//! Our command line, and with it our client, on Apache's servers.

use mq_tests::{BrokerConfig, Maker, Namesrv, mq};
use serde_json::Value;

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
    assert_eq!(
        dashboard(&n, "groups")["rows"][0]["lag"].as_i64(),
        Some((COUNT / 2) as i64)
    );

    // The group goes on where it was.
    assert_eq!(consume(&n, &half).len(), COUNT / 2);
    assert_eq!(lag(&n), 0);
    assert_eq!(dashboard(&n, "group readers")["facts"]["lag"], 0);
    let topic = dashboard(&n, "topic orders");
    assert_eq!(rows(&topic["rows"]).len(), 4, "{topic}");
    let brokers = dashboard(&n, "brokers");
    assert_eq!(brokers["rows"][0]["broker"], "broker-a", "{brokers}");
}

/// One frame; the exit code says that everybody answered.
fn dashboard(namesrv: &str, view: &str) -> Value {
    mq::json(["tui", "--once", "--view", view, "-n", namesrv])
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
