//! Two masters behind two name servers: one master dies under load and comes back.

use std::collections::HashSet;
use std::time::Duration;

use mq_tests::{BrokerConfig, Maker, Namesrv, Process, client_programs, wait, wire};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);
/// Messages that show that things flow (again).
const FLOW: usize = 100;

/// Where a message lies: id, broker, queue, queue offset.
type Place = (String, String, i64, i64);

#[test]
fn java_498_goes_on_while_a_master_is_away() {
    goes_on_while_a_master_is_away("4.9.8");
}

#[test]
fn java_533_goes_on_while_a_master_is_away() {
    goes_on_while_a_master_is_away("5.3.3");
}

fn goes_on_while_a_master_is_away(client_version: &str) {
    let maker = Maker::under_test();
    let namesrvs = [Namesrv::start(maker), Namesrv::start(maker)];
    let both = [&namesrvs[0], &namesrvs[1]];
    let a = BrokerConfig::new(maker, "broker-a", &both).start();
    let b = BrokerConfig::new(maker, "broker-b", &both).start();
    // Created on both: automatic creation would put it where the first message goes.
    let run = client_programs::unique();
    for broker in [&a, &b] {
        wire::create_topic(broker.config.port, &format!("T-failover-{run}"), 4, 6);
    }
    let addresses = format!("{};{}", namesrvs[0].address(), namesrvs[1].address());
    let program =
        |scenario| client_programs::java(client_version, &addresses, scenario, &run).start();
    let mut consumer = program("failover-consumer");
    let mut producer = program("failover-producer");

    wait_for_flow(
        "both masters take messages",
        &producer,
        "sent",
        &["broker-a", "broker-b"],
    );
    wait_for_flow(
        "both masters give messages",
        &consumer,
        "received",
        &["broker-a", "broker-b"],
    );
    let b = b.kill();
    wait_for_flow("the producer goes on", &producer, "sent", &["broker-a"]);
    wait_for_flow("the consumer goes on", &consumer, "received", &["broker-a"]);
    let b = b.start();
    wait_for_flow(
        "messages to the master that returned",
        &producer,
        "sent",
        &["broker-a", "broker-b"],
    );

    producer.tell("stop");
    producer.wait_for_success(PATIENCE);
    let sent = places(&producer, "sent");
    wait::until(
        "everything acknowledged to be consumed as stored",
        PATIENCE,
        || sent.is_subset(&places(&consumer, "received")).then_some(()),
    );
    consumer.tell("stop");
    consumer.wait_for_success(PATIENCE);
    for broker in [a, b] {
        broker.stop();
    }
}

/// Waits until the program has reported [`FLOW`] more messages on each of the brokers.
#[track_caller]
fn wait_for_flow(what: &str, program: &Process, event: &str, brokers: &[&str]) {
    let count = |broker: &str| {
        places(program, event)
            .iter()
            .filter(|place| place.1 == broker)
            .count()
    };
    let before: Vec<usize> = brokers.iter().map(|broker| count(broker)).collect();
    wait::until(what, PATIENCE, || {
        brokers
            .iter()
            .zip(&before)
            .all(|(broker, before)| count(broker) >= before + FLOW)
            .then_some(())
    });
}

/// What the program has reported so far in lines of JSON.
fn places(program: &Process, event: &str) -> HashSet<Place> {
    let output = program.output();
    let lines = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter_map(|line| {
            let text = |key: &str| line[key].as_str().map(str::to_owned);
            Some((
                text(event)?,
                text("broker")?,
                line["queue"].as_i64()?,
                line["offset"].as_i64()?,
            ))
        })
        .collect()
}
