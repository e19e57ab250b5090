//! Messages as they are sent and pulled, at once, later, or again.

use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::headers::send::{
    ConsumerSendMsgBackRequestHeader, SendMessageRequestHeader,
};
use remoting::protocol::message::id::decode_offset_message_id;
use remoting::protocol::message::record::Record;

use crate::vocabulary::{Broker, NoFields};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_pulled_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[]).await;
    for n in 0..3 {
        let sent = broker.send("T", &format!("m{n}")).await;
        assert_eq!(sent.queue_offset, n);
    }
    assert_eq!(
        broker.pull("T", 1, false).await,
        (
            ResponseCode::SUCCESS,
            vec!["m1".to_owned(), "m2".to_owned()]
        )
    );
    assert_eq!(
        broker.pull("T", 3, false).await.0,
        ResponseCode::PULL_NOT_FOUND
    );
    assert_eq!(
        broker.pull("no-such-topic", 0, false).await.0,
        ResponseCode::TOPIC_NOT_EXIST
    );
    broker.stop().await;

    let broker = Broker::start(&dir, &[("autoCreateTopicEnable", "false")]).await;
    assert_eq!(broker.send("T", "m3").await.queue_offset, 3);
    assert_eq!(broker.pull("T", 0, false).await.1, ["m0", "m1", "m2", "m3"]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_pull_is_woken_by_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[]).await;
    broker.send("T", "first").await;
    let (pulled, _) = tokio::join!(broker.pull("T", 1, true), async {
        // On the same connection, so the pull is there before the send is.
        broker.send("T", "second").await
    });
    assert_eq!(pulled, (ResponseCode::SUCCESS, vec!["second".to_owned()]));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_comes_back_until_it_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[("messageDelayLevel", "1s 1s 1s")]).await;
    let sent = broker
        .send_with("T", "m", &[("KEYS", "k"), ("UNIQ_KEY", "U")])
        .await;
    let (_, offset) = decode_offset_message_id(&sent.msg_id).unwrap();
    let send_back = async |offset, delay_level| {
        let header = ConsumerSendMsgBackRequestHeader {
            offset,
            group: "G".to_owned(),
            delay_level,
            max_reconsume_times: Some(1),
            ..ConsumerSendMsgBackRequestHeader::default()
        };
        broker
            .code_of(RequestCode::CONSUMER_SEND_MSG_BACK, &header, "")
            .await
    };
    assert_eq!(
        send_back(offset + 1, 0).await,
        ResponseCode::SYSTEM_ERROR,
        "no message begins there"
    );
    assert_eq!(send_back(offset, 0).await, ResponseCode::SUCCESS);
    let retried = broker.wait_for("%RETRY%G", 0).await;
    let retried = Record::parse(&retried[0]).unwrap();
    let expected = [
        ("RETRY_TOPIC", "T"),
        ("ORIGIN_MESSAGE_ID", &sent.msg_id),
        ("REAL_TOPIC", "%RETRY%G"),
        ("DELAY", "3"),
        ("UNIQ_KEY", "U"),
        ("KEYS", "k"),
    ];
    for (name, value) in expected {
        assert_eq!(retried.property(name), Some(value), "{name}");
    }
    assert_eq!((retried.body, retried.reconsume_times), (&b"m"[..], 1));

    // Tried once, which is as often as the group wants.
    assert_eq!(
        send_back(retried.physical_offset, 0).await,
        ResponseCode::SUCCESS
    );
    let dead = broker.wait_for("%DLQ%G", 0).await;
    let dead = Record::parse(&dead[0]).unwrap();
    assert_eq!(
        (dead.property("RETRY_TOPIC"), dead.property("DELAY")),
        (Some("T"), None)
    );
    assert_eq!(
        (dead.property("ORIGIN_MESSAGE_ID"), dead.reconsume_times),
        (Some(&*sent.msg_id), 2)
    );

    // A consumer in order sends its message to the retry topic itself.
    let header = SendMessageRequestHeader {
        producer_group: "G".into(),
        topic: "%RETRY%G".into(),
        reconsume_times: Some(16),
        max_reconsume_times: Some(16),
        properties: Some("DELAY\u{1}3\u{2}".into()),
        ..SendMessageRequestHeader::default()
    };
    broker
        .ask_ok(RequestCode::SEND_MESSAGE, &header, "by itself")
        .await;
    let dead = broker.wait_for("%DLQ%G", 1).await;
    assert_eq!(Record::parse(&dead[0]).unwrap().body, b"by itself");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delayed_messages_come_in_order_not_early_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("messageDelayLevel", "1s 2s")];
    let broker = Broker::start(&dir, &settings).await;
    broker.send("T", "at once").await;
    for n in 0..50 {
        broker
            .send_with("T", &format!("d{n}"), &[("DELAY", "1"), ("TAGS", "a")])
            .await;
    }
    broker.send_with("T", "beyond", &[("DELAY", "9")]).await;
    assert_eq!(broker.pull("T", 0, false).await.1, ["at once"]);
    let mut bodies = Vec::new();
    while bodies.len() < 50 {
        for record in broker.wait_for("T", 1 + bodies.len() as i64).await {
            let record = Record::parse(&record).unwrap();
            assert!(record.store_timestamp >= record.born_timestamp + 1000);
            assert_eq!(record.property("REAL_TOPIC"), Some("T"));
            bodies.push(String::from_utf8_lossy(record.body).into_owned());
        }
    }
    assert_eq!(bodies, (0..50).map(|n| format!("d{n}")).collect::<Vec<_>>());
    // The one of the second level is still to come, after a restart.
    broker.stop().await;
    let broker = Broker::start(&dir, &settings).await;
    let rest = broker.wait_for("T", 51).await;
    assert_eq!(
        rest.iter()
            .map(|record| Record::parse(record).unwrap().body)
            .collect::<Vec<_>>(),
        [b"beyond"]
    );
    assert_eq!(
        broker.pull("T", 52, false).await.0,
        ResponseCode::PULL_NOT_FOUND
    );
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_broker_takes_what_still_comes_except_for_ordered_topics() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[("brokerPermission", "4")]).await;
    broker.send("Plain", "late").await;

    let ordered = r#"{"topicConfigList":[{"topicName":"Ordered","readQueueNums":1,"writeQueueNums":1,"perm":6,"order":true}]}"#;
    let create = RequestCode(18);
    broker.ask_ok(create, &NoFields {}, ordered).await;
    let header = SendMessageRequestHeader {
        producer_group: "P".into(),
        topic: "Ordered".into(),
        ..SendMessageRequestHeader::default()
    };
    let answer = broker.ask(RequestCode::SEND_MESSAGE, &header, "late").await;
    assert_eq!(answer.response_code(), ResponseCode::NO_PERMISSION);
    assert_eq!(
        answer.remark.as_deref(),
        Some("the broker[127.0.0.1] sending message is forbidden")
    );
    broker.stop().await;
}
