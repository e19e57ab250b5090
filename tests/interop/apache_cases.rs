//! Apache's own integration cases, unmodified, on our name server and two of our brokers: a choice that touches each of
//! their subjects.

use mq_tests::{BrokerConfig, Maker, Namesrv, client_programs};

macro_rules! cases {
    ($($test:ident: $class:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                run($class);
            }
        )*
    };
}

cases!(
    smoke: "smoke.NormalMessageSendAndRecvIT",
    user_properties: "client.producer.exception.msg.MessageUserPropIT",
    async_send_to_a_queue: "client.producer.async.AsyncSendWithMessageQueueIT",
    oneway_send_to_a_queue: "client.producer.oneway.OneWaySendWithMQIT",
    batch: "client.producer.batch.BatchSendIT",
    query_by_id: "client.producer.querymsg.QueryMsgByIdIT",
    query_by_key: "client.producer.querymsg.QueryMsgByKeyIT",
    tags: "client.consumer.tag.TagMessageWith1ConsumerIT",
    topics: "client.consumer.topic.OneConsumerMulTopicIT",
    broadcast: "client.consumer.broadcast.tag.BroadCastTwoConsumerSubDiffTagIT",
    balance: "client.consumer.balance.NormalMsgStaticBalanceIT",
    membership: "client.consumer.cluster.DynamicAddConsumerIT",
    order: "client.producer.order.OrderMsgIT",
);

fn run(class: &str) {
    let maker = Maker::under_test();
    let namesrv = Namesrv::start(maker);
    let _brokers =
        ["broker-a", "broker-b"].map(|name| BrokerConfig::new(maker, name, &[&namesrv]).start());
    client_programs::apache_cases(&namesrv.address(), class).run();
}
