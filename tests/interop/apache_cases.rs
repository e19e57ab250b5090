//! Apache's own integration cases, unmodified, on our name server and two of our brokers. [`choice`] touches each of their
//! subjects; [`rest`] is what is left of the whole set, which `tests/run cases` runs.

use mq_tests::{BrokerConfig, Maker, Namesrv, client_programs};

macro_rules! cases {
    ($($test:ident: $class:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                super::run($class);
            }
        )*
    };
}

mod choice {
    cases!(
        smoke: "smoke.NormalMessageSendAndRecvIT",
        user_properties: "client.producer.exception.msg.MessageUserPropIT",
        async_send_to_a_queue: "client.producer.async.AsyncSendWithMessageQueueIT",
        oneway_send_to_a_queue: "client.producer.oneway.OneWaySendWithMQIT",
        batch: "client.producer.batch.BatchSendIT",
        query_by_id: "client.producer.querymsg.QueryMsgByIdIT",
        query_by_key: "client.producer.querymsg.QueryMsgByKeyIT",
        tags: "client.consumer.tag.TagMessageWith1ConsumerIT",
        sql: "client.consumer.filter.SqlFilterIT",
        topics: "client.consumer.topic.OneConsumerMulTopicIT",
        broadcast: "client.consumer.broadcast.tag.BroadCastTwoConsumerSubDiffTagIT",
        balance: "client.consumer.balance.NormalMsgStaticBalanceIT",
        membership: "client.consumer.cluster.DynamicAddConsumerIT",
        order: "client.producer.order.OrderMsgIT",
        transaction: "client.producer.transaction.TransactionalMsgIT",
        delay: "delay.NormalMsgDelayIT",
        tls: "tls.TLS_Mix_IT",
    );
}

mod rest {
    cases!(
        message_exceptions: "client.producer.exception.msg.MessageExceptionIT",
        chinese_properties: "client.producer.exception.msg.ChinaPropIT",
        group_and_instance: "client.producer.exception.producer.ProducerGroupAndInstanceNameValidityIT",
        async_send_exceptions: "client.producer.async.AsyncSendExceptionIT",
        async_send_with_callback: "client.producer.async.AsyncSendWithOnlySendCallBackIT",
        async_send_with_selector: "client.producer.async.AsyncSendWithMessageQueueSelectorIT",
        oneway_send_exceptions: "client.producer.oneway.OneWaySendExceptionIT",
        oneway_send: "client.producer.oneway.OneWaySendIT",
        oneway_send_with_selector: "client.producer.oneway.OneWaySendWithSelectorIT",
        query_by_id_exceptions: "client.producer.querymsg.QueryMsgByIdExceptionIT",
        tags_with_many_consumers: "client.consumer.tag.TagMessageWithMulConsumerIT",
        tags_in_one_group: "client.consumer.tag.TagMessageWithSameGroupConsumerIT",
        several_tags: "client.consumer.tag.MulTagSubIT",
        topics_of_many_consumers: "client.consumer.topic.MulConsumerMulTopicIT",
        two_in_one_group: "client.consumer.broadcast.normal.NormalMsgTwoSameGroupConsumerIT",
        broadcast_to_two_groups: "client.consumer.broadcast.normal.BroadCastNormalMsgTwoDiffGroupRecvIT",
        broadcast_not_received: "client.consumer.broadcast.normal.BroadCastNormalMsgNotRecvIT",
        broadcast_and_crash: "client.consumer.broadcast.normal.BroadCastNormalMsgRecvCrashIT",
        broadcast_and_failure: "client.consumer.broadcast.normal.BroadCastNormalMsgRecvFailIT",
        broadcast_and_late_start: "client.consumer.broadcast.normal.BroadCastNormalMsgRecvStartLaterIT",
        broadcast_filter: "client.consumer.broadcast.tag.BroadCastTwoConsumerFilterIT",
        broadcast_tag: "client.consumer.broadcast.tag.BroadCastTwoConsumerSubTagIT",
        balance_of_changing_members: "client.consumer.balance.NormalMsgDynamicBalanceIT",
        crash_of_a_member: "client.consumer.cluster.DynamicCrashConsumerIT",
        members_come_and_crash: "client.consumer.cluster.DynamicAddAndCrashIT",
        order_with_tags: "client.producer.order.OrderMsgWithTagIT",
        order_and_rebalance: "client.producer.order.OrderMsgRebalanceIT",
        order_of_changing_members: "client.producer.order.OrderMsgDynamicRebalanceIT",
        tls_everywhere: "tls.TLS_IT",
        tls_and_plain: "tls.TLS_Mix2_IT",
    );
}

fn run(class: &str) {
    let maker = Maker::under_test();
    let namesrv = Namesrv::start(maker);
    let _brokers = ["broker-a", "broker-b"].map(|name| {
        BrokerConfig::new(maker, name, &[&namesrv])
            .set("enablePropertyFilter", "true")
            .set("transactionCheckInterval", "5000")
            .start()
    });
    client_programs::apache_cases(&namesrv.address(), class).run();
}
