//! What a message costs, counted rather than timed: allocations of the broker, and instructions where
//! valgrind is installed. A fixed workload over a real socket, from decoding over the log and the
//! queues to the pull answer.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot do without may end it"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use broker_core::RunningBroker;
use broker_core::config::BrokerConfig;
use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::{CommandView, RemotingCommand};
use remoting::protocol::headers::pull::{PULL_FLAG_SUBSCRIPTION, PullMessageRequestHeader};
use remoting::protocol::headers::send::{SEND_MESSAGE_V2_NAMES, SendMessageRequestHeader};
use remoting::protocol::message::properties;
use remoting::protocol::message::record::records;

/// Allocations and reallocations of this process.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

#[expect(unsafe_code, reason = "an allocator can only be written so")]
// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(place, layout, size) }
    }
}

const IN_FLIGHT: usize = 64;
const BODY: [u8; 128] = [b'x'; 128];

/// Set for the process that valgrind watches: sends and pulls so many messages, and ends.
const WORKLOAD: &str = "MQ_COST_WORKLOAD";

/// A broker and one connection to it. The client's side allocates nothing while it works.
struct Workload {
    runtime: tokio::runtime::Runtime,
    broker: RunningBroker,
    _dir: tempfile::TempDir,
    socket: TcpStream,
    requests: Vec<u8>,
    answers: Vec<u8>,
}

impl Workload {
    fn start() -> Self {
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

    fn stop(self) {
        drop(self.socket);
        let stopped = self.broker.shutdown(Duration::from_secs(20));
        self.runtime.block_on(stopped).unwrap();
    }

    /// Sends so many bursts of messages, each when the one before is answered.
    fn send(&mut self, bursts: usize) {
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
    fn pull(&mut self, times: usize, max: i32) -> usize {
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

    fn allocations(&mut self, work: impl FnOnce(&mut Self)) -> f64 {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        work(self);
        (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64
    }
}

#[test]
fn allocations_per_message_stay_within_bounds() {
    let mut workload = Workload::start();
    // The topic is created, and all buffers have their size.
    workload.send(20);
    const BURSTS: usize = 100;
    let sending = workload.allocations(|workload| workload.send(BURSTS));
    let per_message = sending / (BURSTS * IN_FLIGHT) as f64;
    assert!(
        per_message <= 2.0,
        "{per_message} allocations per message sent"
    );

    const PULLS: usize = 200;
    assert_eq!(workload.pull(20, 32), 32);
    let one =
        workload.allocations(|workload| assert_eq!(workload.pull(PULLS, 1), 1)) / PULLS as f64;
    let many =
        workload.allocations(|workload| assert_eq!(workload.pull(PULLS, 32), 32)) / PULLS as f64;
    let per_message = (many - one) / 31.0;
    assert!(
        per_message <= 0.1,
        "{per_message} allocations per message pulled"
    );
    assert!(one <= 24.0, "{one} allocations per pull");
    workload.stop();
}

#[test]
#[ignore = "the number belongs to the dev profile as it is: tests/run cost"]
fn instructions_per_message_stay_within_bounds() {
    if let Ok(bursts) = std::env::var(WORKLOAD) {
        let mut workload = Workload::start();
        workload.send(bursts.parse().unwrap());
        workload.pull(bursts.parse().unwrap(), 32);
        return workload.stop();
    }
    let Some(few) = instructions(10) else {
        println!("valgrind is not installed: instructions are not counted");
        return;
    };
    let many = instructions(40).unwrap();
    // A burst is 64 messages sent and 32 pulled.
    let per_burst = (many - few) / 30;
    const BUDGET: u64 = 3_000_000;
    assert!(
        per_burst <= BUDGET,
        "{per_burst} instructions for 64 messages sent and 32 pulled"
    );
}

/// Instructions of a process that runs the workload; `None` without valgrind.
fn instructions(bursts: usize) -> Option<u64> {
    let dir = tempfile::tempdir().unwrap();
    let counts = dir.path().join("counts");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--vgdb=no"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "instructions_per_message_stay_within_bounds",
        ])
        .env(WORKLOAD, bursts.to_string())
        .output();
    let run = match run {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
        run => run.unwrap(),
    };
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let counts = std::fs::read_to_string(counts).unwrap();
    let total = counts.lines().find_map(|line| {
        let number = line
            .strip_prefix("summary: ")
            .or(line.strip_prefix("totals: "))?;
        number.trim().parse().ok()
    });
    Some(total.unwrap())
}
