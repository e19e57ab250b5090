//! What the broker tells and asks those that are connected to it, and its name servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use remoting::protocol::body::client::{ConsumerData, HeartbeatData, SubscriptionData};
use remoting::protocol::body::group::ResetOffsetBody;
use remoting::protocol::body::register::RegisterBrokerBody;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::admin::CreateTopicRequestHeader;
use remoting::protocol::headers::client::{
    ConsumeMessageDirectlyRequestHeader, ConsumerRunningInfoRequestHeader,
    ConsumerStatusRequestHeader, ResetOffsetRequestHeader,
};
use remoting::protocol::headers::offset::UpdateConsumerOffsetRequestHeader;
use remoting::protocol::headers::send::{SendMessageRequestHeader, SendMessageResponseHeader};
use remoting::protocol::message::id::decode_offset_message_id;
use remoting::protocol::message::record::Record;
use remoting::transport::connection::Limits;
use remoting::transport::listener::{self, Listening};
use remoting::transport::rpc::RpcClient;
use tokio::sync::mpsc;

use crate::vocabulary::{Broker, Recorder, STATUS, TIMEOUT};

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_creates_group_and_retry_topic_and_tells_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[]).await;
    let (asked, mut requests) = mpsc::unbounded_channel();
    let first = RpcClient::new(Arc::new(Recorder { asked }), Limits::default());
    let heartbeat = |client: &str| {
        let consumer = ConsumerData {
            group_name: "G".to_owned(),
            message_model: "CLUSTERING".to_owned(),
            subscription_data_set: vec![SubscriptionData {
                topic: "T".to_owned(),
                ..SubscriptionData::default()
            }],
            ..ConsumerData::default()
        };
        let data = HeartbeatData {
            client_id: client.to_owned(),
            consumer_data_set: vec![consumer],
            producer_data_set: Vec::new(),
        };
        RemotingCommand::request(RequestCode::HEART_BEAT)
            .with_body(fastjson::to_vec(&data).unwrap())
    };
    for (client, request) in [(&first, heartbeat("a")), (&first, heartbeat("a"))] {
        let answer = client
            .call(&broker.address, request, TIMEOUT)
            .await
            .unwrap();
        assert_eq!(answer.response_code(), ResponseCode::SUCCESS);
    }
    let notified = async || RequestCode(requests.recv().await.unwrap().code);
    let mut notified = notified;
    assert_eq!(
        notified().await,
        RequestCode::NOTIFY_CONSUMER_IDS_CHANGED,
        "it came itself"
    );
    broker
        .rpc
        .call(&broker.address, heartbeat("b"), TIMEOUT)
        .await
        .unwrap();
    assert_eq!(
        notified().await,
        RequestCode::NOTIFY_CONSUMER_IDS_CHANGED,
        "another one came"
    );
    broker.rpc.close().await;
    assert_eq!(
        notified().await,
        RequestCode::NOTIFY_CONSUMER_IDS_CHANGED,
        "it left"
    );
    assert_eq!(
        broker.pull("%RETRY%G", 0, false).await.0,
        ResponseCode::PULL_NOT_FOUND
    );
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn name_servers_are_told_at_start_on_change_when_they_come_back_and_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (asked, mut requests) = mpsc::unbounded_channel();
    let start = async |address: SocketAddr| {
        let listener = listener::bind(address).unwrap();
        Listening::start(
            listener,
            Arc::new(Recorder {
                asked: asked.clone(),
            }),
            Limits::default(),
        )
        .unwrap()
    };
    let namesrv = start("127.0.0.1:0".parse().unwrap()).await;
    let address = namesrv.address;
    let mut next = async || requests.recv().await.unwrap();
    let has_topic = |request: &RemotingCommand| {
        assert_eq!(RequestCode(request.code), RequestCode::REGISTER_BROKER);
        let body = RegisterBrokerBody::decode(&request.body, false, request.version).unwrap();
        body.topic_config_serialize_wrapper
            .topic_config_table
            .contains_key("T")
    };

    let broker = Broker::start(&dir, &[("namesrvAddr", &address.to_string())]).await;
    broker.running.registered().await;
    assert!(!has_topic(&next().await));
    broker.send("T", "creates the topic").await;
    assert!(has_topic(&next().await));
    let create = CreateTopicRequestHeader {
        topic: "U".to_owned(),
        read_queue_nums: 1,
        write_queue_nums: 1,
        perm: 6,
        ..CreateTopicRequestHeader::default()
    };
    broker
        .ask(RequestCode::UPDATE_AND_CREATE_TOPIC, &create, "")
        .await;
    let known = requests.try_recv().expect("told before the creator is");
    assert!(has_topic(&known));
    let mut next = async || requests.recv().await.unwrap();
    namesrv.shutdown(Duration::ZERO).await;
    let namesrv = start(address).await;
    assert!(has_topic(&next().await), "it came back");
    broker.stop().await;
    assert_eq!(
        RequestCode(next().await.code),
        RequestCode::UNREGISTER_BROKER
    );
    namesrv.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_asked_for_tools_and_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[]).await;
    broker.send("T", "m").await;
    let (_client, mut requests) = broker.joined("c", &["G"]).await;
    let mut next = async || requests.recv().await.unwrap();
    assert_eq!(
        RequestCode(next().await.code),
        RequestCode::NOTIFY_CONSUMER_IDS_CHANGED
    );

    let header = ConsumerRunningInfoRequestHeader {
        consumer_group: "G".to_owned(),
        client_id: "c".to_owned(),
        jstack_enable: None,
    };
    broker
        .ask_ok(RequestCode::GET_CONSUMER_RUNNING_INFO, &header, "")
        .await;
    assert_eq!(
        RequestCode(next().await.code),
        RequestCode::GET_CONSUMER_RUNNING_INFO
    );

    let reset = |group: &str| ResetOffsetRequestHeader {
        topic: "T".to_owned(),
        group: group.to_owned(),
        timestamp: -1,
        is_force: true,
        queue_id: None,
        offset: None,
    };
    let commit = |group: &'static str| UpdateConsumerOffsetRequestHeader {
        consumer_group: group.into(),
        topic: "T".into(),
        queue_id: 0,
        commit_offset: 0,
    };
    for group in ["G", "offline"] {
        broker
            .ask(RequestCode::UPDATE_CONSUMER_OFFSET, &commit(group), "")
            .await;
    }
    let answer = broker
        .ask_ok(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, &reset("G"), "")
        .await;
    let order = next().await;
    assert_eq!(
        RequestCode(order.code),
        RequestCode::RESET_CONSUMER_CLIENT_OFFSET
    );
    assert_eq!(order.body, answer.body);
    let table: ResetOffsetBody = fastjson::from_slice(&order.body).unwrap();
    assert_eq!(
        table.offset_table.0.into_values().collect::<Vec<_>>(),
        [1],
        "the end of the queue"
    );
    let code = broker
        .code_of(
            RequestCode::INVOKE_BROKER_TO_RESET_OFFSET,
            &reset("offline"),
            "",
        )
        .await;
    assert_eq!(code, ResponseCode::CONSUMER_NOT_ONLINE);

    let status = ConsumerStatusRequestHeader {
        topic: "T".to_owned(),
        group: "G".to_owned(),
        client_addr: None,
    };
    let answer = broker
        .ask(
            RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
            &status,
            "",
        )
        .await;
    assert_eq!(
        RequestCode(next().await.code),
        RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT
    );
    assert_eq!(
        String::from_utf8_lossy(&answer.body),
        format!(r#"{{"consumerTable":{{"c":{STATUS}}}}}"#)
    );

    let sent = broker.send("T", "consume me").await;
    let directly = ConsumeMessageDirectlyRequestHeader {
        consumer_group: "G".to_owned(),
        client_id: Some("c".to_owned()),
        msg_id: Some(sent.msg_id),
        broker_name: Some("b".to_owned()),
    };
    broker
        .ask_ok(RequestCode::CONSUME_MESSAGE_DIRECTLY, &directly, "")
        .await;
    let question = next().await;
    assert_eq!(
        RequestCode(question.code),
        RequestCode::CONSUME_MESSAGE_DIRECTLY
    );
    assert_eq!(Record::parse(&question.body).unwrap().body, b"consume me");
    let absent = ConsumeMessageDirectlyRequestHeader {
        client_id: Some("nobody".to_owned()),
        ..directly
    };
    let code = broker
        .code_of(RequestCode::CONSUME_MESSAGE_DIRECTLY, &absent, "")
        .await;
    assert_eq!(code, ResponseCode::SYSTEM_ERROR);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_stored_and_brought_to_its_producer() {
    const TOPIC: &str = "DefaultCluster_REPLY_TOPIC";
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[]).await;
    let (_client, mut requests) = broker.joined("c", &[]).await;
    let reply = |to: &str| SendMessageRequestHeader {
        producer_group: "responders".into(),
        topic: TOPIC.into(),
        properties: Some(format!("REPLY_TO_CLIENT\u{1}{to}\u{2}CORRELATION_ID\u{1}7\u{2}").into()),
        ..SendMessageRequestHeader::default()
    };
    let answer = broker
        .ask_ok(RequestCode::SEND_REPLY_MESSAGE, &reply("c"), "the reply")
        .await;
    let pushed = requests.recv().await.unwrap();
    assert_eq!(
        RequestCode(pushed.code),
        RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT
    );
    assert_eq!(&pushed.body[..], b"the reply");
    let place: SendMessageResponseHeader = answer.header().unwrap();
    let stored = broker.wait_for(TOPIC, place.queue_offset).await;
    let stored = Record::parse(&stored[0]).unwrap();
    assert_eq!(stored.body, b"the reply");
    let (_, at) = decode_offset_message_id(&place.msg_id).unwrap();
    assert_eq!(stored.physical_offset, at);

    // One for a producer that has left is kept all the same.
    let code = broker
        .code_of(RequestCode::SEND_REPLY_MESSAGE, &reply("gone"), "too late")
        .await;
    assert_eq!(code, ResponseCode::SYSTEM_ERROR);
    let stored = broker.wait_for(TOPIC, 1).await;
    assert_eq!(Record::parse(&stored[0]).unwrap().body, b"too late");
    broker.stop().await;

    let settings = [("storeReplyMessageEnable", "false")];
    let broker = Broker::start(&dir, &settings).await;
    let code = broker
        .code_of(RequestCode::SEND_REPLY_MESSAGE, &reply("gone"), "not kept")
        .await;
    assert_eq!(code, ResponseCode::SYSTEM_ERROR);
    assert_eq!(
        broker.pull(TOPIC, 2, false).await.0,
        ResponseCode::PULL_NOT_FOUND
    );
    broker.stop().await;
}
