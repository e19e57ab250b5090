//! A broker, and what is done with it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use broker_core::RunningBroker;
use broker_core::config::BrokerConfig;
use remoting::protocol::body::client::{ConsumerData, HeartbeatData, ProducerData};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::{CommandView, RemotingCommand};
use remoting::protocol::fastjson;
use remoting::protocol::headers::pull::{
    PULL_FLAG_SUBSCRIPTION, PULL_FLAG_SUSPEND, PullMessageRequestHeader, PullMessageResponseHeader,
};
use remoting::protocol::headers::send::{SendMessageRequestHeader, SendMessageResponseHeader};
use remoting::protocol::message::properties;
use remoting::protocol::message::record::records;
use remoting::transport::answer::{Answer, ReplyHandle};
use remoting::transport::connection::{Connection, Limits, Service};
use remoting::transport::rpc::{NoService, RpcClient};
use serde::Serialize;
use tempfile::TempDir;
use tokio::sync::mpsc;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
/// Longer than any test.
const FOR_EVER_MS: i64 = 60_000;

pub(crate) struct Broker {
    pub(crate) running: RunningBroker,
    pub(crate) address: String,
    pub(crate) rpc: RpcClient<NoService>,
}

impl Broker {
    pub(crate) async fn start(dir: &TempDir, settings: &[(&str, &str)]) -> Self {
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

    pub(crate) async fn ask<H: Serialize>(
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

    /// The answer to a request that must succeed.
    pub(crate) async fn ask_ok<H: Serialize>(
        &self,
        code: RequestCode,
        header: &H,
        body: impl Into<Vec<u8>>,
    ) -> RemotingCommand {
        let answer = self.ask(code, header, body).await;
        assert_eq!(
            answer.response_code(),
            ResponseCode::SUCCESS,
            "{code}: {:?}",
            answer.remark
        );
        answer
    }

    /// The code of the answer to a request.
    pub(crate) async fn code_of<H: Serialize>(
        &self,
        code: RequestCode,
        header: &H,
        body: impl Into<Vec<u8>>,
    ) -> ResponseCode {
        self.ask(code, header, body).await.response_code()
    }

    pub(crate) async fn send(&self, topic: &str, body: &str) -> SendMessageResponseHeader {
        self.send_with(topic, body, &[]).await
    }

    pub(crate) async fn send_with(
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
        let answer = self.ask_ok(RequestCode::SEND_MESSAGE, &header, body).await;
        answer.header().unwrap()
    }

    /// The messages of queue 0 from an offset on, once there are some.
    pub(crate) async fn wait_for(&self, topic: &str, offset: i64) -> Vec<Vec<u8>> {
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

    pub(crate) async fn pull(
        &self,
        topic: &str,
        offset: i64,
        wait: bool,
    ) -> (ResponseCode, Vec<String>) {
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
    pub(crate) async fn joined(
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

    pub(crate) async fn stop(self) {
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

/// A request without header fields.
#[derive(Serialize)]
pub(crate) struct NoFields {}

/// What every consumer says of its queues.
pub(crate) const STATUS: &str = r#"{{"brokerName":"b","queueId":0,"topic":"T"}:7}"#;

/// Answers every request with success, and passes it on to the test.
pub(crate) struct Recorder {
    pub(crate) asked: mpsc::UnboundedSender<RemotingCommand>,
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
