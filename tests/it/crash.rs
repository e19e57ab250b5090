//! `kill -9` under load: whatever was acknowledged is there afterwards, where the answer said.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use mq_tests::wire::{self, Connection};
use mq_tests::{BrokerConfig, Maker, wait};

const TOPIC: &str = "Crash";
const QUEUES: u32 = 4;
const CYCLES: u64 = 20;
const CONNECTIONS: u64 = 8;
/// Together 64 sends are in flight.
const WINDOW: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Body of each acknowledged message by the queue and queue offset of its answer.
type Acknowledged = Mutex<BTreeMap<(u32, u64), String>>;

#[test]
fn acknowledged_messages_survive_with_asynchronous_flush() {
    kill_and_restart("ASYNC_FLUSH");
}

#[test]
fn acknowledged_messages_survive_with_synchronous_flush() {
    kill_and_restart("SYNC_FLUSH");
}

fn kill_and_restart(flush: &str) {
    // Segments of 1 MiB: some kills fall on a change of segment.
    let mut config = BrokerConfig::new(Maker::under_test(), "broker-a", &[])
        .set("flushDiskType", flush)
        .set("mappedFileSizeCommitLog", "1048576");
    let acknowledged = Acknowledged::default();
    for cycle in 0..CYCLES {
        let mut broker = Some(config.start());
        let port = broker.as_ref().expect("just started").config.port;
        if cycle == 0 {
            wire::create_topic(port, TOPIC, QUEUES, 6);
        }
        check_all_there(port, &acknowledged, cycle);
        // Spread over the first moments of a run; the same in every run of the test.
        let kill_after = 1 + (cycle * 997) % 2500;
        let before = count(&acknowledged);
        config = std::thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                let acknowledged = &acknowledged;
                scope.spawn(move || send_until_cut(port, cycle, connection, acknowledged));
            }
            wait::until("acknowledged sends", PATIENCE, || {
                (count(&acknowledged) >= before + kill_after).then_some(())
            });
            broker.take().expect("killed once").kill()
        });
    }
    let broker = config.start();
    check_all_there(broker.config.port, &acknowledged, CYCLES);
    broker.stop();
}

/// Sends on one connection, always [`WINDOW`] in flight, until the broker is gone.
fn send_until_cut(port: u16, cycle: u64, connection: u64, acknowledged: &Acknowledged) {
    let cut: io::Result<()> = (|| {
        let mut wire = Connection::open(port)?;
        let queue = (connection % u64::from(QUEUES)) as u32;
        let fields = wire::send_fields(TOPIC, queue);
        let body = |number: u64| format!("cycle {cycle} connection {connection} message {number}");
        for number in 0.. {
            wire.send(
                wire::SEND_MESSAGE,
                number as i64,
                &fields,
                body(number).as_bytes(),
            )?;
            if number < WINDOW {
                continue;
            }
            let answer = wire.receive()?;
            // Flow control is an answer, too: such a message is just not acknowledged.
            if answer.code == wire::SUCCESS {
                let offset = answer.ext_fields["queueOffset"]
                    .as_str()
                    .and_then(|o| o.parse().ok());
                let place = (
                    queue,
                    offset.expect("an answer to a send names the queue offset"),
                );
                let before = acknowledged
                    .lock()
                    .expect("no holder panics")
                    .insert(place, body(answer.opaque as u64));
                assert_eq!(before, None, "queue offset given twice: {place:?}");
            }
        }
        Ok(())
    })();
    cut.expect_err("only the kill ends this");
}

fn check_all_there(port: u16, acknowledged: &Acknowledged, cycle: u64) {
    let mut connection = Connection::open(port).expect("the broker listens");
    let queues: Vec<Vec<Vec<u8>>> = (0..QUEUES)
        .map(|queue| wire::read_queue(&mut connection, TOPIC, queue).expect("the broker answers"))
        .collect();
    for ((queue, offset), body) in acknowledged.lock().expect("no holder panics").iter() {
        let stored = queues[*queue as usize].get(*offset as usize);
        assert_eq!(
            stored.map(|bytes| String::from_utf8_lossy(bytes)),
            Some(body.into()),
            "queue {queue} offset {offset}, acknowledged before start number {cycle}"
        );
    }
}

fn count(acknowledged: &Acknowledged) -> u64 {
    acknowledged.lock().expect("no holder panics").len() as u64
}
