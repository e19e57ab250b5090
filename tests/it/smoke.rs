//! Name server and broker start, find each other, and stop.

use mq_tests::{BrokerConfig, Maker, Namesrv};

#[test]
fn a_broker_registers_and_stops_cleanly() {
    let namesrv = Namesrv::start(Maker::Mq);
    let broker = BrokerConfig::new(Maker::Mq, "broker-a", &[&namesrv]).start();
    let abort = broker.config.store().join("abort");
    assert!(
        abort.exists(),
        "a running broker leaves the mark of an unclean stop"
    );
    broker.stop();
    assert!(!abort.exists(), "a clean stop removes the mark");
    namesrv.wait_for("broker-a", false);
}

#[test]
fn a_broker_registers_with_a_name_server_that_comes_back() {
    let mut namesrv = Namesrv::start(Maker::Mq);
    let _broker = BrokerConfig::new(Maker::Mq, "broker-a", &[&namesrv]).start();
    namesrv.restart();
    namesrv.wait_for("broker-a", true);
}
