//! Apache's Python client, which is its C++ client inside, on our name server and broker: a test per scenario.

use mq_tests::{BrokerConfig, Maker, Namesrv, client_programs};

fn run(scenario: &str) {
    let namesrv = Namesrv::start(Maker::under_test());
    let _broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[&namesrv]).start();
    let topic = format!("T-python-{scenario}");
    let group = format!("G-python-{scenario}");
    client_programs::python(&namesrv.address(), scenario, &topic, &group).run();
}

#[test]
fn tags() {
    run("tags");
}

#[test]
fn oneway() {
    run("oneway");
}

#[test]
fn order() {
    run("order");
}

#[test]
fn pull() {
    run("pull");
}
