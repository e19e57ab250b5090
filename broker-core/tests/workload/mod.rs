//! A fixed workload over a real socket, from decoding over the log and the queues to the pull answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use broker_core::RunningBroker;
use broker_core::config::BrokerConfig;
use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::{CommandView, RemotingCommand};
use remoting::protocol::headers::pull::{PULL_FLAG_SUBSCRIPTION, PullMessageRequestHeader};
use remoting::protocol::headers::send::{SEND_MESSAGE_V2_NAMES, SendMessageRequestHeader};
use remoting::protocol::message::properties;
use remoting::protocol::message::record::records;

pub(crate) const IN_FLIGHT: usize = 64;
const BODY: [u8; 128] = [b'x'; 128];

/// A broker and one connection to it. The client's side allocates nothing while it works.
pub(crate) struct Workload {
    runtime: tokio::runtime::Runtime,
    broker: RunningBroker,
    _dir: tempfile::TempDir,
    socket: TcpStream,
    requests: Vec<u8>,
    answers: Vec<u8>,
}

impl Workload {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display().to_string();
        let config = BrokerConfig::with(&[
            ("storePathRootDir", &*root),
            ("listenPort", "0"),
            ("bindAddress", "127.0.0.1"),
            ("brokerIP1", "127.0.0.1"),
            ("namesrvAddr", ""),
            ("mappedFileSizeCommitLog", "67108864"),
        ])
        .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let broker = runtime
            .block_on(RunningBroker::start(config, None))
            .unwrap();
        let socket = TcpStream::connect(broker.address()).unwrap();
        Self {
            runtime,
            broker,
            _dir: dir,
            socket,
            requests: Vec::new(),
            answers: vec![0; 1024 * 1024],
        }
    }

    pub(crate) fn stop(self) {
        drop(self.socket);
        let stopped = self.broker.shutdown(Duration::from_secs(20));
        self.runtime.block_on(stopped).unwrap();
    }

    /// Sends so many bursts of messages, each when the one before is answered.
    pub(crate) fn send(&mut self, bursts: usize) {
        let properties = properties::encode([
            ("UNIQ_KEY", "7F000001ABCD18B4AAC20000000A0000"),
            ("WAIT", "true"),
            ("TAGS", "TagA"),
        ]);
        let header = SendMessageRequestHeader {
            producer_group: "P".into(),
            topic: "T".into(),
            default_topic: "TBW102".into(),
            default_topic_queue_nums: 1,
            born_timestamp: 1_700_000_000_000,
            properties: Some(String::from_utf8(properties).unwrap().into()),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            batch: Some(false),
            ..SendMessageRequestHeader::default()
        };
        let mut request = RemotingCommand::request(RequestCode::SEND_MESSAGE_V2)
            .with_short_header(&header, SEND_MESSAGE_V2_NAMES)
            .unwrap()
            .with_body(BODY.to_vec());
        self.requests.clear();
        for opaque in 0..IN_FLIGHT {
            request.opaque = i32::try_from(opaque).unwrap();
            request.encode_into(&mut self.requests);
        }
        for _ in 0..bursts {
            self.exchange(IN_FLIGHT);
        }
    }

    /// Pulls the first messages of the queue so often; returns how many came each time.
    pub(crate) fn pull(&mut self, times: usize, max: i32) -> usize {
        let header = PullMessageRequestHeader {
            consumer_group: "G".into(),
            topic: "T".into(),
            max_msg_nums: max,
            sys_flag: PULL_FLAG_SUBSCRIPTION,
            subscription: Some("*".into()),
            ..PullMessageRequestHeader::default()
        };
        let request = RemotingCommand::request(RequestCode::PULL_MESSAGE)
            .with_header(&header)
            .unwrap();
        self.requests.clear();
        request.encode_into(&mut self.requests);
        let mut length = 0;
        for _ in 0..times {
            length = self.exchange(1);
        }
        let answer = CommandView::parse(&self.answers[..length]).unwrap();
        records(answer.body).filter(Result::is_ok).count()
    }

    /// Writes the requests and reads so many answers; returns the length of all.
    fn exchange(&mut self, answers: usize) -> usize {
        self.socket.write_all(&self.requests).unwrap();
        let (mut filled, mut at, mut missing) = (0, 0, answers);
        while missing > 0 {
            filled += self.socket.read(&mut self.answers[filled..]).unwrap();
            while let Some(length) = self.answers[at..filled].first_chunk::<4>() {
                let end = at + 4 + u32::from_be_bytes(*length) as usize;
                if end > filled {
                    break;
                }
                at = end;
                missing -= 1;
            }
        }
        assert_eq!(at, filled, "an answer too many");
        filled
    }
}
