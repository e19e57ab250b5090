//! A store moves between Apache's broker and ours, both ways: messages, queues, index, topics, groups, offsets.

use std::fs;

use mq_tests::{BrokerConfig, Maker, Namesrv, client_programs};

const CLIENT: &str = "4.9.8";

#[test]
fn ours_opens_what_apache_494_wrote() {
    exchange(Maker::Apache("4.9.4"), Maker::under_test());
}

#[test]
fn apache_494_opens_what_ours_wrote() {
    exchange(Maker::under_test(), Maker::Apache("4.9.4"));
}

fn exchange(writer: Maker, reader: Maker) {
    let run = client_programs::unique();
    let namesrv = Namesrv::start(writer);
    let broker = BrokerConfig::new(writer, "broker-a", &[&namesrv]).start();
    client_programs::java(CLIENT, &namesrv.address(), "store-write", &run).run();
    let config = broker.stop();

    // The reader may create neither topics nor groups: it has them from the store or not at all.
    let groups = fs::read_to_string(config.store().join("config/subscriptionGroup.json"))
        .expect("the writer keeps a table of groups");
    assert!(
        groups.contains(&format!("G-store-{run}")),
        "the group is in the writer's table: {groups}"
    );
    let broker = config
        .made_by(reader)
        .set("autoCreateTopicEnable", "false")
        .set("autoCreateSubscriptionGroup", "false")
        .start();
    client_programs::java(CLIENT, &namesrv.address(), "store-read", &run).run();
    broker.stop();
}
