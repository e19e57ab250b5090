//! A broker in this process, over real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot do without may end it"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use broker_core::RunningBroker;
use broker_core::config::BrokerConfig;
use remoting::protocol::body::client::{
    ConsumerData, HeartbeatData, ProducerData, SubscriptionData,
};
use remoting::protocol::body::group::ResetOffsetBody;
use remoting::protocol::body::register::RegisterBrokerBody;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::{CommandView, RemotingCommand};
use remoting::protocol::fastjson;
use remoting::protocol::headers::client::{
    ConsumerRunningInfoRequestHeader, ResetOffsetRequestHeader,
};
use remoting::protocol::headers::offset::UpdateConsumerOffsetRequestHeader;
use remoting::protocol::headers::pull::{
    PULL_FLAG_SUBSCRIPTION, PULL_FLAG_SUSPEND, PullMessageRequestHeader, PullMessageResponseHeader,
};
use remoting::protocol::headers::send::{
    CheckTransactionStateRequestHeader, ConsumerSendMsgBackRequestHeader,
    EndTransactionRequestHeader, SendMessageRequestHeader, SendMessageResponseHeader,
};
use remoting::protocol::message::id::decode_offset_message_id;
use remoting::protocol::message::record::{Record, records};
use remoting::protocol::message::{properties, sys_flag};
use remoting::transport::connection::{Answer, Connection, Limits, ReplyHandle, Service};
use remoting::transport::listener::{self, Listening};
use remoting::transport::rpc::{NoService, RpcClient};
use serde::Serialize;
use tempfile::TempDir;
use tokio::sync::mpsc;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Longer than any test.
const FOR_EVER_MS: i64 = 60_000;

struct Broker {
    running: RunningBroker,
    address: String,
    rpc: RpcClient<NoService>,
}

impl Broker {
    async fn start(dir: &TempDir, settings: &[(&str, &str)]) -> Self {
        let root = dir.path().display().to_string();
        let mut all = vec![
            ("storePathRootDir", &*root),
            ("listenPort", "0"),
            ("bindAddress", "127.0.0.1"),
            ("brokerIP1", "127.0.0.1"),
            ("brokerName", "b"),
            ("namesrvAddr", ""),
            ("mappedFileSizeCommitLog", "1048576"),
        ];
        all.extend(settings);
        let config = BrokerConfig::with(&all).unwrap();
        let running = RunningBroker::start(config, None).await.unwrap();
        let address = running.address().to_string();
        Self {
            running,
            address,
            rpc: RpcClient::new(Arc::new(NoService), Limits::default()),
        }
    }

    async fn ask<H: Serialize>(
        &self,
        code: RequestCode,
        header: &H,
        body: impl Into<Vec<u8>>,
    ) -> RemotingCommand {
        let request = RemotingCommand::request(code)
            .with_header(header)
            .unwrap()
            .with_body(body.into());
        self.rpc
            .call(&self.address, request, TIMEOUT)
            .await
            .unwrap()
    }

    async fn send(&self, topic: &str, body: &str) -> SendMessageResponseHeader {
        self.send_with(topic, body, &[]).await
    }

    async fn send_with(
        &self,
        topic: &str,
        body: &str,
        more: &[(&str, &str)],
    ) -> SendMessageResponseHeader {
        let encoded = properties::encode(more.iter().copied());
        let header = SendMessageRequestHeader {
            properties: Some(String::from_utf8(encoded).unwrap().into()),
            producer_group: "P".into(),
            topic: topic.into(),
            default_topic: "TBW102".into(),
            default_topic_queue_nums: 1,
            born_timestamp: store_clock(),
            ..SendMessageRequestHeader::default()
        };
        let answer = self.ask(RequestCode::SEND_MESSAGE, &header, body).await;
        assert_eq!(
            answer.response_code(),
            ResponseCode::SUCCESS,
            "{:?}",
            answer.remark
        );
        answer.header().unwrap()
    }

    /// The messages of queue 0 from an offset on, once there are some.
    async fn wait_for(&self, topic: &str, offset: i64) -> Vec<Vec<u8>> {
        loop {
            let answer = self
                .ask(
                    RequestCode::PULL_MESSAGE,
                    &pull_header(topic, offset, true),
                    "",
                )
                .await;
            if answer.response_code() == ResponseCode::SUCCESS {
                let split = records(&answer.body).map(|record| record.unwrap().total_size);
                let mut rest = &answer.body[..];
                return split
                    .map(|size| {
                        let (record, after) = rest.split_at(size);
                        rest = after;
                        record.to_vec()
                    })
                    .collect();
            }
        }
    }

    async fn pull(&self, topic: &str, offset: i64, wait: bool) -> (ResponseCode, Vec<String>) {
        let answer = self
            .ask(
                RequestCode::PULL_MESSAGE,
                &pull_header(topic, offset, wait),
                "",
            )
            .await;
        let bodies = records(&answer.body)
            .map(|record| String::from_utf8_lossy(record.unwrap().body).into_owned());
        let found: PullMessageResponseHeader = answer.header().unwrap_or_default();
        let bodies: Vec<_> = bodies.collect();
        assert!(found.next_begin_offset >= offset || bodies.is_empty());
        (answer.response_code(), bodies)
    }

    async fn stop(self) {
        self.running.shutdown(TIMEOUT).await.unwrap();
    }
}

/// Milliseconds since the epoch, as the broker's own clock counts them.
fn store_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn pull_header(topic: &str, offset: i64, wait: bool) -> PullMessageRequestHeader<'_> {
    PullMessageRequestHeader {
        consumer_group: "G".into(),
        topic: topic.into(),
        queue_offset: offset,
        max_msg_nums: 32,
        sys_flag: PULL_FLAG_SUBSCRIPTION | if wait { PULL_FLAG_SUSPEND } else { 0 },
        suspend_timeout_millis: FOR_EVER_MS,
        subscription: Some("*".into()),
        ..PullMessageRequestHeader::default()
    }
}

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
            .ask(RequestCode::CONSUMER_SEND_MSG_BACK, &header, "")
            .await
            .response_code()
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
    let answer = broker
        .ask(RequestCode::SEND_MESSAGE, &header, "by itself")
        .await;
    assert_eq!(
        answer.response_code(),
        ResponseCode::SUCCESS,
        "{:?}",
        answer.remark
    );
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
async fn transactions_end_as_their_producer_says_also_when_it_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("transactionCheckInterval", "20"),
        ("transactionTimeOut", "1"),
    ];
    let broker = Broker::start(&dir, &settings).await;
    broker.send("T", "first").await;
    let half = [("TRAN_MSG", "true"), ("PGROUP", "P"), ("UNIQ_KEY", "U")];
    let end = async |producer_group: &str, queue_offset, commit_log_offset, commit_or_rollback| {
        let header = EndTransactionRequestHeader {
            producer_group: producer_group.to_owned(),
            tran_state_table_offset: queue_offset,
            commit_log_offset,
            commit_or_rollback,
            ..EndTransactionRequestHeader::default()
        };
        broker
            .ask(RequestCode::END_TRANSACTION, &header, "")
            .await
            .response_code()
    };
    // Committed by itself; what others say of it does not count.
    let sent = broker.send_with("T", "committed", &half).await;
    let (_, at) = decode_offset_message_id(&sent.msg_id).unwrap();
    assert_eq!(
        broker.pull("T", 1, false).await.0,
        ResponseCode::PULL_NOT_FOUND
    );
    assert_eq!(
        end("other", sent.queue_offset, at, sys_flag::TRANSACTION_COMMIT).await,
        ResponseCode::SYSTEM_ERROR
    );
    assert_eq!(
        end("P", sent.queue_offset + 1, at, sys_flag::TRANSACTION_COMMIT).await,
        ResponseCode::SYSTEM_ERROR
    );
    assert_eq!(
        end("P", sent.queue_offset, at, sys_flag::TRANSACTION_COMMIT).await,
        ResponseCode::SUCCESS
    );
    let message = broker.wait_for("T", 1).await;
    let message = Record::parse(&message[0]).unwrap();
    assert_eq!(
        (message.body, message.prepared_transaction_offset),
        (&b"committed"[..], at)
    );
    assert_eq!(
        message.sys_flag & sys_flag::TRANSACTION_MASK,
        sys_flag::TRANSACTION_COMMIT
    );

    let sent = broker.send_with("T", "rolled back", &half).await;
    let (_, at) = decode_offset_message_id(&sent.msg_id).unwrap();
    assert_eq!(
        end("P", sent.queue_offset, at, sys_flag::TRANSACTION_ROLLBACK).await,
        ResponseCode::SUCCESS
    );

    // Nobody says anything of this one, so a producer of the group is asked.
    broker.send_with("T", "asked for", &half).await;
    let (asked, mut requests) = mpsc::unbounded_channel();
    let producer = RpcClient::new(Arc::new(Recorder { asked }), Limits::default());
    let data = HeartbeatData {
        client_id: "p".to_owned(),
        producer_data_set: vec![ProducerData {
            group_name: "P".to_owned(),
        }],
        consumer_data_set: Vec::new(),
    };
    let heartbeat = RemotingCommand::request(RequestCode::HEART_BEAT)
        .with_body(fastjson::to_vec(&data).unwrap());
    producer
        .call(&broker.address, heartbeat, TIMEOUT)
        .await
        .unwrap();
    let question = requests.recv().await.unwrap();
    assert_eq!(
        RequestCode(question.code),
        RequestCode::CHECK_TRANSACTION_STATE
    );
    let asked_for = Record::parse(&question.body).unwrap();
    assert_eq!((asked_for.topic, asked_for.body), ("T", &b"asked for"[..]));
    let header: CheckTransactionStateRequestHeader = question.header().unwrap();
    let committed = end(
        "P",
        header.tran_state_table_offset,
        header.commit_log_offset,
        sys_flag::TRANSACTION_COMMIT,
    );
    assert_eq!(committed.await, ResponseCode::SUCCESS);
    let message = broker.wait_for("T", 2).await;
    assert_eq!(Record::parse(&message[0]).unwrap().body, b"asked for");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_nobody_ends_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("transactionCheckInterval", "20"),
        ("transactionTimeOut", "1"),
        ("transactionCheckMax", "2"),
    ];
    let broker = Broker::start(&dir, &settings).await;
    broker
        .send_with("T", "forgotten", &[("TRAN_MSG", "true"), ("PGROUP", "P")])
        .await;
    let topic = "TRANS_CHECK_MAX_TIME_TOPIC";
    while broker.pull(topic, 0, false).await.0 == ResponseCode::TOPIC_NOT_EXIST {}
    let given_up = broker.wait_for(topic, 0).await;
    let given_up = Record::parse(&given_up[0]).unwrap();
    assert_eq!(
        (given_up.body, given_up.property("TRANSACTION_CHECK_TIMES")),
        (&b"forgotten"[..], Some("2"))
    );
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_asked_for_tools_and_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[]).await;
    broker.send("T", "m").await;
    let (asked, mut requests) = mpsc::unbounded_channel();
    let client = RpcClient::new(Arc::new(Recorder { asked }), Limits::default());
    let data = HeartbeatData {
        client_id: "c".to_owned(),
        producer_data_set: vec![ProducerData {
            group_name: "P".to_owned(),
        }],
        consumer_data_set: vec![ConsumerData {
            group_name: "G".to_owned(),
            ..ConsumerData::default()
        }],
    };
    let heartbeat = RemotingCommand::request(RequestCode::HEART_BEAT)
        .with_body(fastjson::to_vec(&data).unwrap());
    client
        .call(&broker.address, heartbeat, TIMEOUT)
        .await
        .unwrap();
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
    let answer = broker
        .ask(RequestCode::GET_CONSUMER_RUNNING_INFO, &header, "")
        .await;
    assert_eq!(
        answer.response_code(),
        ResponseCode::SUCCESS,
        "{:?}",
        answer.remark
    );
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
        .ask(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, &reset("G"), "")
        .await;
    assert_eq!(
        answer.response_code(),
        ResponseCode::SUCCESS,
        "{:?}",
        answer.remark
    );
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
    let answer = broker
        .ask(
            RequestCode::INVOKE_BROKER_TO_RESET_OFFSET,
            &reset("offline"),
            "",
        )
        .await;
    assert_eq!(answer.response_code(), ResponseCode::CONSUMER_NOT_ONLINE);

    let reply = SendMessageRequestHeader {
        producer_group: "responders".into(),
        topic: "c_REPLY_TOPIC".into(),
        properties: Some("REPLY_TO_CLIENT\u{1}c\u{2}CORRELATION_ID\u{1}7\u{2}".into()),
        ..SendMessageRequestHeader::default()
    };
    let answer = broker
        .ask(RequestCode::SEND_REPLY_MESSAGE, &reply, "the reply")
        .await;
    assert_eq!(
        answer.response_code(),
        ResponseCode::SUCCESS,
        "{:?}",
        answer.remark
    );
    let pushed = next().await;
    assert_eq!(
        RequestCode(pushed.code),
        RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT
    );
    assert_eq!(&pushed.body[..], b"the reply");
    broker.stop().await;
}

/// Answers every request with success, and passes it on to the test.
struct Recorder {
    asked: mpsc::UnboundedSender<RemotingCommand>,
}

impl Service for Recorder {
    fn request(&self, connection: &Arc<Connection>, request: &CommandView<'_>, _: &[u8]) {
        ReplyHandle::new(connection, request).send(&Answer::ok());
        let _ = self.asked.send(request.to_owned());
    }

    fn closed(&self, _: &Arc<Connection>) {}
}
