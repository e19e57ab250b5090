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
use remoting::protocol::body::group::{
    CorrectionOffsets, QuerySubscriptionResponseBody, ResetOffsetBody, SubscriptionGroupConfig,
};
use remoting::protocol::body::register::RegisterBrokerBody;
use remoting::protocol::body::replicas::HaRuntimeInfo;
use remoting::protocol::body::stats::QueryConsumeQueueBody;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::{CommandView, RemotingCommand};
use remoting::protocol::fastjson;
use remoting::protocol::headers::admin::{
    CreateTopicRequestHeader, GroupRequestHeader, QueryConsumeQueueRequestHeader,
    QueryCorrectionOffsetRequestHeader, QuerySubscriptionRequestHeader,
    ResumeCheckHalfMessageRequestHeader, TopicRequestHeader,
};
use remoting::protocol::headers::client::{
    ConsumeMessageDirectlyRequestHeader, ConsumerRunningInfoRequestHeader,
    ConsumerStatusRequestHeader, ResetOffsetRequestHeader,
};
use remoting::protocol::headers::offset::UpdateConsumerOffsetRequestHeader;
use remoting::protocol::headers::pull::{
    PULL_FLAG_SUBSCRIPTION, PULL_FLAG_SUSPEND, PullMessageRequestHeader, PullMessageResponseHeader,
};
use remoting::protocol::headers::send::{
    CheckTransactionStateRequestHeader, ConsumerSendMsgBackRequestHeader,
    EndTransactionRequestHeader, SendMessageRequestHeader, SendMessageResponseHeader,
};
use remoting::protocol::message::id::{decode_offset_message_id, offset_message_id};
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

    /// A client that produces in group `P` and consumes in these; and what the broker asks of it.
    async fn joined(
        &self,
        client_id: &str,
        consumes: &[&str],
    ) -> (
        RpcClient<Recorder>,
        mpsc::UnboundedReceiver<RemotingCommand>,
    ) {
        let (asked, requests) = mpsc::unbounded_channel();
        let client = RpcClient::new(Arc::new(Recorder { asked }), Limits::default());
        let consumer = |group: &&str| ConsumerData {
            group_name: (*group).to_owned(),
            ..ConsumerData::default()
        };
        let data = HeartbeatData {
            client_id: client_id.to_owned(),
            producer_data_set: vec![ProducerData {
                group_name: "P".to_owned(),
            }],
            consumer_data_set: consumes.iter().map(consumer).collect(),
        };
        let heartbeat = RemotingCommand::request(RequestCode::HEART_BEAT)
            .with_body(fastjson::to_vec(&data).unwrap());
        client
            .call(&self.address, heartbeat, TIMEOUT)
            .await
            .unwrap();
        (client, requests)
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
    let (_producer, mut requests) = broker.joined("p", &[]).await;
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

    // An operator lets it be asked for again.
    let resume = async |msg_id: String| {
        let header = ResumeCheckHalfMessageRequestHeader {
            msg_id,
            topic: None,
        };
        broker
            .ask(RequestCode::RESUME_CHECK_HALF_MESSAGE, &header, "")
            .await
            .response_code()
    };
    let id = offset_message_id(given_up.store_host, given_up.physical_offset);
    assert_eq!(resume(id).await, ResponseCode::SUCCESS);
    let again = broker.wait_for(topic, 1).await;
    assert_eq!(Record::parse(&again[0]).unwrap().body, b"forgotten");
    let plain = broker.send("T", "no half message").await;
    assert_eq!(resume(plain.msg_id).await, ResponseCode::SYSTEM_ERROR);
    assert_eq!(
        resume("nonsense".to_owned()).await,
        ResponseCode::SYSTEM_ERROR
    );
    broker.stop().await;
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
    let answer = broker
        .ask(RequestCode::CONSUME_MESSAGE_DIRECTLY, &directly, "")
        .await;
    assert_eq!(
        answer.response_code(),
        ResponseCode::SUCCESS,
        "{:?}",
        answer.remark
    );
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
    let answer = broker
        .ask(RequestCode::CONSUME_MESSAGE_DIRECTLY, &absent, "")
        .await;
    assert_eq!(answer.response_code(), ResponseCode::SYSTEM_ERROR);
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
        .ask(RequestCode::SEND_REPLY_MESSAGE, &reply("c"), "the reply")
        .await;
    assert_eq!(
        answer.response_code(),
        ResponseCode::SUCCESS,
        "{:?}",
        answer.remark
    );
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
    let answer = broker
        .ask(RequestCode::SEND_REPLY_MESSAGE, &reply("gone"), "too late")
        .await;
    assert_eq!(answer.response_code(), ResponseCode::SYSTEM_ERROR);
    let stored = broker.wait_for(TOPIC, 1).await;
    assert_eq!(Record::parse(&stored[0]).unwrap().body, b"too late");
    broker.stop().await;

    let settings = [("storeReplyMessageEnable", "false")];
    let broker = Broker::start(&dir, &settings).await;
    let answer = broker
        .ask(RequestCode::SEND_REPLY_MESSAGE, &reply("gone"), "not kept")
        .await;
    assert_eq!(answer.response_code(), ResponseCode::SYSTEM_ERROR);
    assert_eq!(
        broker.pull(TOPIC, 2, false).await.0,
        ResponseCode::PULL_NOT_FOUND
    );
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_create_many_topics_and_groups_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[]).await;
    let create = async |code, body: &str| {
        broker
            .ask(RequestCode(code), &NoFields {}, body)
            .await
            .response_code()
    };
    let named = |name: &str| TopicRequestHeader {
        topic: name.to_owned(),
    };
    let topic = async |name: &str| {
        broker
            .ask(RequestCode::GET_TOPIC_CONFIG, &named(name), "")
            .await
            .response_code()
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
async fn a_drained_broker_takes_what_still_comes_except_for_ordered_topics() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(&dir, &[("brokerPermission", "4")]).await;
    broker.send("Plain", "late").await;

    let ordered = r#"{"topicConfigList":[{"topicName":"Ordered","readQueueNums":1,"writeQueueNums":1,"perm":6,"order":true}]}"#;
    let create = RequestCode(18);
    let answer = broker.ask(create, &NoFields {}, ordered).await;
    assert_eq!(answer.response_code(), ResponseCode::SUCCESS);
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
        let answer = broker.ask(code, &NoFields {}, "").await;
        assert_eq!(answer.response_code(), ResponseCode::SUCCESS, "{code}");
    }
    assert!(!dir.path().join("consumequeue/gone").exists());
    assert_eq!(broker.pull("kept", 0, false).await.1, ["m"]);
    broker.stop().await;
}

/// A request without header fields.
#[derive(Serialize)]
struct NoFields {}

/// What every consumer says of its queues.
const STATUS: &str = r#"{{"brokerName":"b","queueId":0,"topic":"T"}:7}"#;

/// Answers every request with success, and passes it on to the test.
struct Recorder {
    asked: mpsc::UnboundedSender<RemotingCommand>,
}

impl Service for Recorder {
    fn request(&self, connection: &Arc<Connection>, request: &CommandView<'_>, _: &[u8]) {
        let answer = match request.request_code() {
            RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT => {
                Answer::ok().body(format!(r#"{{"messageQueueTable":{STATUS}}}"#).into_bytes())
            }
            _ => Answer::ok(),
        };
        // The test knows of it before whoever asked has the answer.
        let _ = self.asked.send(request.to_owned());
        ReplyHandle::new(connection, request).send(&answer);
    }

    fn closed(&self, _: &Arc<Connection>) {}
}
