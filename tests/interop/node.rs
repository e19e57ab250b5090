//! ali-ons, the client written in JavaScript, on our name server and broker: a test per scenario.

use mq_tests::{BrokerConfig, Maker, Namesrv, client_programs, mq};

fn run(scenario: &str) {
    let namesrv = Namesrv::start(Maker::under_test());
    let _broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[&namesrv])
        .set("enablePropertyFilter", "true")
        .start();
    let address = namesrv.address();
    let topic = format!("T-node-{scenario}");
    let group = format!("G-node-{scenario}");
    let created = mq::command(["topic", "create", &topic, "-n", &address]).output();
    assert!(created.expect("mq runs").status.success());
    client_programs::node(&address, scenario, &topic, &group).run();
}

#[test]
fn tags() {
    run("tags");
}

#[test]
fn sql() {
    run("sql");
}

#[test]
fn retry() {
    run("retry");
}
