//! Unmodified Java clients on our name server and broker: a test per scenario and client version.

use mq_tests::{BrokerConfig, Maker, Namesrv, client_programs, wire};

/// A Spring Boot application as tutorials show it. Its client creates topics after the template `AUTO_CREATE_TOPIC_KEY`,
/// which ours offers and no broker of Apache's has offered since 4.3.
#[test]
fn java_430_springboot() {
    let namesrv = Namesrv::start(Maker::under_test());
    let broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[&namesrv]).start();
    if Maker::under_test() != Maker::Mq {
        // 7: readable, writable, and a template for others.
        wire::create_topic(broker.config.port, "AUTO_CREATE_TOPIC_KEY", 4, 7);
    }
    client_programs::java_430(&namesrv.address(), &client_programs::unique()).run();
}

macro_rules! scenarios {
    ($client_version:literal: $($scenario:ident)*) => {
        $(
            #[test]
            fn $scenario() {
                super::run($client_version, &stringify!($scenario).replace('_', "-"));
            }
        )*
    };
}

mod java_498 {
    scenarios!("4.9.8": quickstart json_header rocketmq_header vip oneway async_ batch orderly tags keys pull lite_pull
        broadcast offsets rebalance first_message dead_letters delay transaction orderly_leave sql request_reply reset
        trace);
}

/// Without requests: this client takes the answer to the send of a request for the end of its wait. It can reply.
mod java_533 {
    use std::time::Duration;

    use mq_tests::{BrokerConfig, Maker, Namesrv, client_programs};

    const PATIENCE: Duration = Duration::from_secs(120);

    scenarios!("5.3.3": quickstart json_header rocketmq_header vip oneway async_ batch orderly tags keys pull lite_pull
        broadcast offsets rebalance first_message dead_letters delay transaction orderly_leave sql reset trace);

    #[test]
    fn replies_to_requests_of_498() {
        let namesrv = Namesrv::start(Maker::under_test());
        let _broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[&namesrv])
            .for_scenarios()
            .start();
        let (address, run) = (namesrv.address(), client_programs::unique());
        let mut answers = client_programs::java("5.3.3", &address, "request-answer", &run).start();
        answers.wait_for_line("answering", 0, PATIENCE);
        client_programs::java("4.9.8", &address, "request-ask", &run).run();
        answers.wait_for_success(PATIENCE);
    }
}

fn run(client_version: &str, scenario: &str) {
    let namesrv = Namesrv::start(Maker::under_test());
    let _broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[&namesrv])
        .for_scenarios()
        .start();
    // `async` is a word of Rust.
    let scenario = scenario.trim_end_matches('-');
    client_programs::java(
        client_version,
        &namesrv.address(),
        scenario,
        &client_programs::unique(),
    )
    .run();
}
