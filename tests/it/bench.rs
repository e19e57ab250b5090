//! `mq bench`: what it counts is what the broker stored, and what it writes can be read again.

use std::fs;
use std::process::Output;

use mq_tests::{Broker, BrokerConfig, Folder, Maker, Namesrv, mq};
use serde_json::Value;

struct Bench {
    namesrv: Namesrv,
    _broker: Broker,
    folder: Folder,
}

impl Bench {
    fn new() -> Self {
        let namesrv = Namesrv::start(Maker::under_test());
        let broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[&namesrv]).start();
        let bench = Self {
            namesrv,
            _broker: broker,
            folder: Folder::new(),
        };
        bench.succeed("topic create speed --queues 4");
        bench
    }

    fn run(&self, line: &str) -> Output {
        let mut command = mq::command(line.split_whitespace());
        command.env("NAMESRV_ADDR", self.namesrv.address());
        command.output().expect("mq runs")
    }

    #[track_caller]
    fn succeed(&self, line: &str) -> Output {
        let output = self.run(line);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "mq {line}: {error}");
        output
    }

    #[track_caller]
    fn rows(&self, line: &str) -> Vec<Value> {
        let output = self.succeed(&format!("bench {line} -o json"));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

fn count(row: &Value) -> u64 {
    row["messages"].as_u64().expect("a number")
}

#[test]
fn sends_are_counted_saved_and_compared() {
    let bench = Bench::new();
    let (saved, log) = (bench.file("before.json"), bench.file("before.hlog"));
    let rows = bench.rows(&format!(
        "send speed --warmup 0s -d 500ms --in-flight 8 -c 2 --tag a --save {saved} --histogram {log}"
    ));
    let [row] = &rows[..] else {
        panic!("one row expected: {rows:?}")
    };
    assert_eq!((&row["what"], &row["failed"]), (&"send".into(), &0.into()));
    assert!(count(row) > 0);
    let stored = bench.succeed("topic stats speed -o json").stdout;
    let stored: Vec<Value> = serde_json::from_slice(&stored).expect("JSON");
    let stored: u64 = stored
        .iter()
        .filter_map(|queue| queue["max_offset"].as_u64())
        .sum();
    // Those that were answered after the time was over are stored and not counted.
    assert!(
        (count(row)..=count(row) + 16).contains(&stored),
        "{stored} {row}"
    );
    let kept: Value =
        serde_json::from_str(&fs::read_to_string(&saved).expect("saved")).expect("JSON");
    assert_eq!(kept, Value::from(rows.clone()));
    assert!(
        fs::read_to_string(&log)
            .expect("written")
            .contains("Tag=send,")
    );

    let compared = bench.succeed(&format!(
        "bench send speed --warmup 0s -d 200ms --batch 4 --sync --compare {saved}"
    ));
    let note = String::from_utf8_lossy(&compared.stderr).into_owned();
    assert!(note.contains("messages a second than in"), "{note}");
    let other = bench.run(&format!(
        "bench consume speed --warmup 0s -d 100ms --compare {saved}"
    ));
    assert_eq!(other.status.code(), Some(1), "another kind of measurement");
}

#[test]
fn stored_messages_are_read_over_and_over() {
    let bench = Bench::new();
    let empty = bench.run("bench consume speed");
    assert_eq!(empty.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&empty.stderr).contains("holds no messages"));
    bench.succeed("send speed x --count 40");
    let rows = bench.rows("consume speed --warmup 0s -d 500ms --batch 8");
    assert!(count(&rows[0]) > 40, "{rows:?}");
}

#[test]
fn messages_are_timed_from_when_they_were_due_to_their_receipt() {
    let bench = Bench::new();
    let rows = bench.rows("e2e speed --rate 200 --warmup 0s -d 1s --size 64");
    let [row] = &rows[..] else {
        panic!("one row expected: {rows:?}")
    };
    assert_eq!(row["what"], "receive");
    // 200 were due; a busy machine may take the last ones out of the measured time.
    assert!((1..=200).contains(&count(row)), "{row}");

    let rows = bench.rows("mixed speed --warmup 0s -d 500ms --in-flight 4");
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| count(row) > 0), "{rows:?}");

    let small = bench.run("bench e2e speed --size 8");
    assert_eq!(small.status.code(), Some(2), "no room for the time in it");
}

#[test]
fn what_cannot_be_measured_is_said() {
    let bench = Bench::new();
    let missing = bench.run("bench send nowhere");
    assert_eq!(missing.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("mq topic create nowhere"));
    for wrong in [
        "bench send speed --rate 0",
        "bench send speed --size 5MiB",
        "bench send speed -d 0s",
    ] {
        assert_eq!(bench.run(wrong).status.code(), Some(2), "{wrong}");
    }
}
