//! Apache's Go client on our name server and broker: a test per scenario.

use mq_tests::{BrokerConfig, Maker, Namesrv, client_programs};

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
);
