//! `kill -9` under load: whatever was acknowledged is there afterwards, where the answer said, once, and in order.
//!
//! `MQ_KILL_CYCLES=N` kills N times instead of the few of the normal suite.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mq_tests::wire::{self, Connection};
use mq_tests::{BrokerConfig, Maker, mq, wait};
use serde_json::json;

/// With their queues.
const TOPICS: [(&str, u32); 2] = [("Crash", 3), ("CrashToo", 2)];
const CYCLES: u64 = 20;
const CONNECTIONS: u64 = 8;
/// Together 64 sends are in flight.
const WINDOW: u64 = 8;
/// Every so many sends of a connection one is a batch of [`BATCH`].
const BATCH_EVERY: u64 = 5;
const BATCH: u64 = 3;
const GROUP: &str = "CrashGroup";
const PATIENCE: Duration = Duration::from_secs(60);

/// A queue: the number of its topic, and its own.
type Queue = (usize, u32);

/// Body of each acknowledged message by the place that its answer named.
type Acknowledged = Mutex<BTreeMap<(Queue, u64), String>>;

#[test]
fn acknowledged_messages_survive_with_asynchronous_flush() {
    kill_and_restart("ASYNC_FLUSH");
}

#[test]
fn acknowledged_messages_survive_with_synchronous_flush() {
    kill_and_restart("SYNC_FLUSH");
}

fn cycles() -> u64 {
    match std::env::var("MQ_KILL_CYCLES") {
        Ok(cycles) => cycles.parse().expect("MQ_KILL_CYCLES is a number"),
        Err(_) => CYCLES,
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the figures of a long run are its result"
)]
fn kill_and_restart(flush: &str) {
    // Segments of 1 MiB: some kills fall on a change of segment.
    let mut config = BrokerConfig::new(Maker::under_test(), "broker-a", &[])
        .set("flushDiskType", flush)
        .set("mappedFileSizeCommitLog", "1048576")
        .set("flushConsumerOffsetInterval", "200");
    let acknowledged = Acknowledged::default();
    let mut audit = Audit::default();
    let committed = AtomicI64::new(-1);
    for cycle in 0..cycles() {
        let mut broker = Some(config.start());
        let port = broker.as_ref().expect("just started").config.port;
        if cycle == 0 {
            for (topic, queues) in TOPICS {
                wire::create_topic(port, topic, queues, 6);
            }
        }
        audit.look(port, &acknowledged);
        audit.check_group(port, committed.load(Ordering::Relaxed));
        // Spread over the first moments of a run; the same in every run of the test.
        let kill_after = 1 + (cycle * 997) % 2500;
        let before = count(&acknowledged);
        config = std::thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                let acknowledged = &acknowledged;
                scope.spawn(move || send_until_cut(port, cycle, connection, acknowledged));
            }
            scope.spawn(|| commit_until_cut(port, &committed));
            wait::until("acknowledged sends", PATIENCE, || {
                (count(&acknowledged) >= before + kill_after).then_some(())
            });
            broker.take().expect("killed once").kill()
        });
    }
    let broker = config.start();
    let port = broker.config.port;
    audit.look(port, &acknowledged);
    audit.check_group(port, committed.load(Ordering::Relaxed));
    let mut whole = Audit::default();
    whole.look(port, &acknowledged);
    println!(
        "{flush}: {} kills, {} messages acknowledged, {} found, {} of them not acknowledged; none lost, twice or out of order",
        cycles(),
        count(&acknowledged),
        whole.found,
        whole.found - count(&acknowledged),
    );
    let config = broker.stop();
    if Maker::under_test() == Maker::Mq {
        let store = config.store();
        let folder = store.to_str().expect("the test's own folder");
        assert_eq!(mq::json(["store", "verify", folder]), json!([]));
    }
}

/// Sends on one connection, always [`WINDOW`] in flight, until the broker is gone.
fn send_until_cut(port: u16, cycle: u64, connection: u64, acknowledged: &Acknowledged) {
    let cut: io::Result<()> = (|| {
        let mut wire = Connection::open(port)?;
        let topic = connection as usize % TOPICS.len();
        let (name, queues) = TOPICS[topic];
        let queue = (connection / TOPICS.len() as u64) as u32 % queues;
        let bodies = |number: u64| -> Vec<String> {
            let count = if number.is_multiple_of(BATCH_EVERY) {
                BATCH
            } else {
                1
            };
            let body = |part| format!("{cycle}.{connection} {:08}", number * BATCH + part);
            (0..count).map(body).collect()
        };
        let properties =
            |body: &str| format!("TAGS\u{1}tag{}\u{2}KEYS\u{1}{body}\u{2}", connection % 3);
        for number in 0.. {
            let bodies_now = bodies(number);
            let mut fields = wire::send_fields(name, queue);
            let body = if let [one] = &*bodies_now {
                fields["properties"] = json!(properties(one));
                one.clone().into_bytes()
            } else {
                fields["batch"] = json!("true");
                let parts = bodies_now.iter();
                let parts = parts.map(|body| wire::batch_part(body.as_bytes(), &properties(body)));
                parts.collect::<Vec<_>>().concat()
            };
            wire.send(wire::SEND_MESSAGE, number as i64, &fields, &body)?;
            if number < WINDOW {
                continue;
            }
            let answer = wire.receive()?;
            // Flow control is an answer, too: such a message is just not acknowledged.
            if answer.code == wire::SUCCESS {
                let offset = answer.ext_fields["queueOffset"].as_str();
                let first: u64 = offset
                    .and_then(|offset| offset.parse().ok())
                    .expect("an answer to a send names the queue offset");
                let mut acknowledged = acknowledged.lock().expect("no holder panics");
                for (offset, body) in (first..).zip(bodies(answer.opaque as u64)) {
                    let place = ((topic, queue), offset);
                    let before = acknowledged.insert(place, body);
                    assert_eq!(before, None, "queue offset given twice: {place:?}");
                }
            }
        }
        Ok(())
    })();
    cut.expect_err("only the kill ends this");
}

/// Moves the group on in the first queue, step by step, until the broker is gone.
fn commit_until_cut(port: u16, committed: &AtomicI64) {
    let cut: io::Result<()> = (|| {
        let mut wire = Connection::open(port)?;
        loop {
            let next = committed.load(Ordering::Relaxed) + 1;
            let mut fields = group_fields();
            fields["commitOffset"] = json!(next.to_string());
            // It counts as committed before its answer: the broker may be killed in between.
            committed.store(next, Ordering::Relaxed);
            wire.ask(wire::UPDATE_CONSUMER_OFFSET, &fields, b"")?;
        }
    })();
    cut.expect_err("only the kill ends this");
}

fn group_fields() -> serde_json::Value {
    json!({ "consumerGroup": GROUP, "topic": TOPICS[0].0, "queueId": "0" })
}

/// What has been found so far.
#[derive(Default)]
struct Audit {
    found: u64,
    /// Where each queue ended, and what stood in it.
    queues: BTreeMap<Queue, (u64, HashSet<String>)>,
    group: i64,
}

impl Audit {
    /// Reads what is new in the queues.
    fn look(&mut self, port: u16, acknowledged: &Acknowledged) {
        let mut connection = Connection::open(port).expect("the broker listens");
        let acknowledged = acknowledged.lock().expect("no holder panics");
        for (topic, (name, queues)) in TOPICS.into_iter().enumerate() {
            for number in 0..queues {
                let queue = (topic, number);
                let (end, known) = self.queues.entry(queue).or_default();
                let new = wire::read_messages_from(&mut connection, name, number, *end);
                let new = new.expect("the broker answers");
                let bodies: Vec<String> = new
                    .into_iter()
                    .map(|stored| String::from_utf8(stored.body).expect("sent as text"))
                    .collect();
                for ((_, offset), body) in acknowledged.range((queue, *end)..(queue, u64::MAX)) {
                    let stored = bodies.get((offset - *end) as usize);
                    assert_eq!(stored, Some(body), "acknowledged: {name} {number} {offset}");
                }
                let mut last = BTreeMap::new();
                for body in &bodies {
                    assert!(known.insert(body.clone()), "{name} {number}: {body} twice");
                    let (sender, message) = body.split_once(' ').expect("as it was sent");
                    let before = last.insert(sender, message);
                    assert!(
                        before < Some(message),
                        "{name} {number}: {body} out of order"
                    );
                }
                self.found += bodies.len() as u64;
                *end += bodies.len() as u64;
            }
        }
    }

    /// The group stands at a place that was committed, not in front of where it was found before.
    fn check_group(&mut self, port: u16, committed: i64) {
        let mut connection = Connection::open(port).expect("the broker listens");
        let answer = connection.ask(wire::QUERY_CONSUMER_OFFSET, &group_fields(), b"");
        let answer = answer.expect("the broker answers");
        if let Some(offset) = answer.ext_fields["offset"].as_str() {
            let offset = offset.parse().expect("a number");
            assert!(
                (self.group..=committed.max(0)).contains(&offset),
                "the group stands at {offset}, it was found at {}, and committed up to {committed}",
                self.group
            );
            self.group = offset;
        }
    }
}

fn count(acknowledged: &Acknowledged) -> u64 {
    acknowledged.lock().expect("no holder panics").len() as u64
}
