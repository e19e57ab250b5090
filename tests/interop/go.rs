//! Apache's Go client on our name server and broker: a test per scenario.

use std::time::Duration;

use mq_tests::shell::Shell;
use mq_tests::{BrokerConfig, Maker, Namesrv, client_programs, wait};

const PATIENCE: Duration = Duration::from_secs(120);

macro_rules! scenarios {
    ($($test:ident: $scenario:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                let namesrv = Namesrv::start(Maker::under_test());
                let _broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[&namesrv])
                    .for_scenarios()
                    .start();
                client_programs::go(&namesrv.address(), $scenario, &client_programs::unique()).run();
            }
        )*
    };
}

scenarios!(
    send_sync: "sync",
    send_async: "async",
    send_oneway: "oneway",
    send_batch: "batch",
    tags: "tags",
    order: "order",
    pull: "pull",
    dead_letters: "dead-letters",
    delay: "delay",
    transaction: "transaction",
    sql: "sql",
    request_reply: "request-reply",
    orderly_leave: "orderly-leave",
);

/// While it consumes, its group is sent back by `mq`.
#[test]
fn reset() {
    let shell = Shell::of(&["broker-a"], BrokerConfig::for_scenarios);
    let namesrv = shell.namesrv.address();
    let mut consumer = client_programs::go(&namesrv, "reset", &client_programs::unique()).start();
    let line = consumer.wait_for_line("reset ", 0, PATIENCE);
    let words: Vec<&str> = line.split(' ').collect();
    let ["reset", group, "in", topic, "to", time] = words[..] else {
        panic!("{line}");
    };
    shell.run(&format!(
        "group reset {group} --topic {topic} --to {time} --no-wait --yes"
    ));
    consumer.wait_for_success(PATIENCE);
}

/// What the client writes down of a message, `mq` can read.
#[test]
fn trace() {
    let shell = Shell::of(&["broker-a"], BrokerConfig::for_scenarios);
    let namesrv = shell.namesrv.address();
    let mut client = client_programs::go(&namesrv, "trace", &client_programs::unique()).start();
    let line = client.wait_for_line("traced ", 0, PATIENCE);
    let id = line.strip_prefix("traced ").expect("an id");
    client.wait_for_success(PATIENCE);
    wait::until("all that was traced", PATIENCE, || {
        let found = shell.output(&format!("message trace {id} -o csv")).stdout;
        let found = String::from_utf8_lossy(&found).into_owned();
        ["sent", "consumed"]
            .iter()
            .all(|event| found.contains(&format!(",{event},")))
            .then_some(())
    });
}
