//! A broker in this process, over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use broker_core::RunningBroker;
use broker_core::config::BrokerConfig;
use remoting::protocol::body::client::{ConsumerData, HeartbeatData, SubscriptionData};
use remoting::protocol::body::register::RegisterBrokerBody;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::{CommandView, RemotingCommand};
use remoting::protocol::fastjson;
use remoting::protocol::headers::pull::{
    PULL_FLAG_SUBSCRIPTION, PULL_FLAG_SUSPEND, PullMessageRequestHeader, PullMessageResponseHeader,
};
use remoting::protocol::headers::send::{SendMessageRequestHeader, SendMessageResponseHeader};
use remoting::protocol::message::record::records;
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
        let header = SendMessageRequestHeader {
            producer_group: "P".into(),
            topic: topic.into(),
            default_topic: "TBW102".into(),
            default_topic_queue_nums: 1,
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

    async fn pull(&self, topic: &str, offset: i64, wait: bool) -> (ResponseCode, Vec<String>) {
        let header = PullMessageRequestHeader {
            consumer_group: "G".into(),
            topic: topic.into(),
            queue_offset: offset,
            max_msg_nums: 32,
            sys_flag: PULL_FLAG_SUBSCRIPTION | if wait { PULL_FLAG_SUSPEND } else { 0 },
            suspend_timeout_millis: FOR_EVER_MS,
            subscription: Some("*".into()),
            ..PullMessageRequestHeader::default()
        };
        let answer = self.ask(RequestCode::PULL_MESSAGE, &header, "").await;
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
