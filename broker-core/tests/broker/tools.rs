//! Requests of tools.

use remoting::protocol::body::client::{ConsumerData, HeartbeatData, SubscriptionData};
use remoting::protocol::body::group::{
    CorrectionOffsets, QuerySubscriptionResponseBody, SubscriptionGroupConfig,
};
use remoting::protocol::body::replicas::HaRuntimeInfo;
use remoting::protocol::body::stats::{ConsumeStats, QueryConsumeQueueBody};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::fastjson;
use remoting::protocol::headers::admin::{
    ConsumeStatsRequestHeader, GroupRequestHeader, QueryConsumeQueueRequestHeader,
    QueryCorrectionOffsetRequestHeader, QuerySubscriptionRequestHeader, TopicRequestHeader,
};
use remoting::protocol::headers::offset::UpdateConsumerOffsetRequestHeader;

use crate::vocabulary::{Broker, NoFields};

#[tokio::test(flavor = "multi_thread")]
async fn tools_create_many_topics_and_groups_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[]).await;
    let create =
        async |code, body: &str| broker.code_of(RequestCode(code), &NoFields {}, body).await;
    let named = |name: &str| TopicRequestHeader {
        topic: name.to_owned(),
    };
    let topic = async |name: &str| {
        broker
            .code_of(RequestCode::GET_TOPIC_CONFIG, &named(name), "")
            .await
    };
    let topics = r#"{"topicConfigList":[{"topicName":"L1","readQueueNums":2,"writeQueueNums":2,"perm":6},
        {"topicName":"L2","readQueueNums":1,"writeQueueNums":1,"perm":6}]}"#;
    assert_eq!(create(18, topics).await, ResponseCode::SUCCESS);
    assert_eq!(topic("L1").await, ResponseCode::SUCCESS);
    assert_eq!(topic("L2").await, ResponseCode::SUCCESS);
    // One that is not allowed: none of them is created.
    let topics = r#"{"topicConfigList":[{"topicName":"L3"},{"topicName":"TBW102"}]}"#;
    assert_eq!(create(18, topics).await, ResponseCode::SYSTEM_ERROR);
    assert_eq!(topic("L3").await, ResponseCode::TOPIC_NOT_EXIST);

    let groups = r#"{"groupConfigList":[{"groupName":"G1","retryMaxTimes":3},{"groupName":"G2"}]}"#;
    assert_eq!(create(225, groups).await, ResponseCode::SUCCESS);
    let header = GroupRequestHeader {
        group: "G1".to_owned(),
    };
    let answer = broker
        .ask(RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG, &header, "")
        .await;
    let group: SubscriptionGroupConfig = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(group.retry_max_times, 3);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_look_into_queues_and_offsets() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("messageDelayLevel", "1s 1h")];
    let broker = Broker::start(&dir, &settings).await;
    for n in 0..3 {
        broker
            .send_with("T", &format!("m{n}"), &[("TAGS", "A")])
            .await;
    }
    let consumer = ConsumerData {
        group_name: "G".to_owned(),
        subscription_data_set: vec![SubscriptionData {
            topic: "T".to_owned(),
            sub_string: "B".to_owned(),
            code_set: vec![66],
            ..SubscriptionData::default()
        }],
        ..ConsumerData::default()
    };
    let data = HeartbeatData {
        client_id: "c".to_owned(),
        consumer_data_set: vec![consumer],
        producer_data_set: Vec::new(),
    };
    broker
        .ask(
            RequestCode::HEART_BEAT,
            &NoFields {},
            fastjson::to_vec(&data).unwrap(),
        )
        .await;

    let units = |index, consumer_group: Option<&str>| QueryConsumeQueueRequestHeader {
        topic: "T".to_owned(),
        queue_id: 0,
        index,
        count: 2,
        consumer_group: consumer_group.map(str::to_owned),
    };
    let query = async |index, group| {
        let header = units(index, group);
        broker
            .ask(RequestCode::QUERY_CONSUME_QUEUE, &header, "")
            .await
    };
    let answer = query(1, Some("G")).await;
    let body: QueryConsumeQueueBody = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!((body.min_queue_index, body.max_queue_index), (0, 3));
    let codes: Vec<_> = body.queue_data.iter().map(|unit| unit.tags_code).collect();
    assert_eq!(codes, [65, 65]);
    assert!(body.queue_data.iter().all(|unit| !unit.eval), "G wants B");
    assert_eq!(body.filter_data.as_deref(), Some("null"));
    assert_eq!(body.subscription_data.unwrap().sub_string, "B");
    let answer = query(0, Some("nobody")).await;
    let body: QueryConsumeQueueBody = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(body.filter_data.as_deref(), Some("nobody@T is not online!"));
    let answer = query(3, None).await;
    assert_eq!(
        (answer.response_code(), answer.remark.as_deref()),
        (ResponseCode::SUCCESS, Some("Index 3 of 0@T is not exist!"))
    );

    let header = QuerySubscriptionRequestHeader {
        group: "G".to_owned(),
        topic: "T".to_owned(),
    };
    let answer = broker
        .ask(RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER, &header, "")
        .await;
    let body: QuerySubscriptionResponseBody = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(body.subscription_data.unwrap().sub_string, "B");

    for (group, commit_offset) in [("A", 1), ("B", 2), ("C", 0)] {
        let header = UpdateConsumerOffsetRequestHeader {
            consumer_group: group.into(),
            topic: "T".into(),
            queue_id: 0,
            commit_offset,
        };
        broker
            .ask(RequestCode::UPDATE_CONSUMER_OFFSET, &header, "")
            .await;
    }
    let correction = async |filter_groups: &str, compare_group: &str| {
        let header = QueryCorrectionOffsetRequestHeader {
            topic: "T".to_owned(),
            filter_groups: Some(filter_groups.to_owned()),
            compare_group: compare_group.to_owned(),
        };
        let answer = broker
            .ask(RequestCode::QUERY_CORRECTION_OFFSET, &header, "")
            .await;
        let body: CorrectionOffsets = fastjson::from_slice(&answer.body).unwrap();
        body.correction_offsets[&0]
    };
    assert_eq!(correction("", "").await, 0);
    assert_eq!(correction("C", "B").await, 1);
    assert_eq!(correction("C,A", "A").await, i64::MAX);

    let answer = broker
        .ask(RequestCode::GET_ALL_DELAY_OFFSET, &NoFields {}, "")
        .await;
    assert_eq!(&answer.body[..], br#"{"offsetTable":{1:0,2:0}}"#);
    let answer = broker
        .ask(RequestCode::GET_BROKER_HA_STATUS, &NoFields {}, "")
        .await;
    let status: HaRuntimeInfo = fastjson::from_slice(&answer.body).unwrap();
    assert!(status.master && status.master_commit_log_max_offset > 0);
    for (code, expected) in [(50, 209), (51, 210), (52, 1), (53, 211), (54, 1)] {
        let answer = broker.ask(RequestCode(code), &NoFields {}, "").await;
        assert_eq!(answer.code, expected, "request {code}");
    }
    broker.stop().await;
}

/// Tools of 5.x subtract what a group has consumed from what it has pulled, and show what is under way.
#[tokio::test(flavor = "multi_thread")]
async fn progress_tells_what_is_pulled_and_not_yet_consumed() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[]).await;
    for n in 0..3 {
        broker.send("T", &format!("m{n}")).await;
    }
    let commit = async |offset| {
        let header = UpdateConsumerOffsetRequestHeader {
            consumer_group: "G".into(),
            topic: "T".into(),
            queue_id: 0,
            commit_offset: offset,
        };
        broker
            .ask(RequestCode::UPDATE_CONSUMER_OFFSET, &header, "")
            .await;
    };
    let progress = async || {
        let header = ConsumeStatsRequestHeader {
            consumer_group: "G".to_owned(),
            topic: None,
        };
        let answer = broker
            .ask(RequestCode::GET_CONSUME_STATS, &header, "")
            .await;
        let stats: ConsumeStats = fastjson::from_slice(&answer.body).unwrap();
        let (_, queue) = stats.offset_table.0.into_iter().next().unwrap();
        (queue.consumer_offset, queue.pull_offset)
    };
    commit(1).await;
    assert_eq!(progress().await, (1, Some(1)));
    broker.pull("T", 1, false).await;
    assert_eq!(progress().await, (1, Some(3)));
    commit(2).await;
    assert_eq!(progress().await, (2, Some(3)));
    // A group that is set back begins anew there.
    commit(0).await;
    assert_eq!(progress().await, (0, Some(0)));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_of_topics_that_are_gone_are_cleaned() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[]).await;
    for topic in ["kept", "gone"] {
        broker.send(topic, "m").await;
    }
    broker.stop().await;
    // As if the table had been taken from another broker.
    let file = dir.path().join("config/topics.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"gone\"", "\"other\"")).unwrap();

    let broker = Broker::start(&dir, &[]).await;
    for code in [
        RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE,
        RequestCode::CLEAN_UNUSED_TOPIC,
    ] {
        let before = dir.path().join("consumequeue/gone").exists();
        assert!(before, "before {code}");
        broker.ask_ok(code, &NoFields {}, "").await;
    }
    assert!(!dir.path().join("consumequeue/gone").exists());
    assert_eq!(broker.pull("kept", 0, false).await.1, ["m"]);
    broker.stop().await;
}
