//! `mq bench send`, and the sending half of the others.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use client::ClientError;
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::send::{SEND_MESSAGE_V2_NAMES, SendMessageRequestHeader};
use remoting::protocol::message::batch::{BatchItem, push_item};
use remoting::protocol::message::id::UniqueKeys;
use remoting::protocol::message::properties;
use tokio::task::JoinSet;

use super::measure::{Meter, Phases, watch};
use super::pace::Pace;
use super::target::{Queue, Target, Wanted};
use super::{Run, report, size};
use crate::error::{CliError, Exit, Result};
use crate::output::Output;

/// Producer group of the benchmarks.
const GROUP: &str = "mq-bench";
/// After a request that failed: a cluster that refuses everything should not be flooded.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(20);

/// Measure how fast messages are stored
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq bench send bench --in-flight 64\n  mq bench send bench --rate 10000 --size 1KiB"
)]
pub(super) struct Args {
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    load: Load,
    /// Messages per second in all, each with its own time [default: as fast as they are answered]
    #[arg(short, long, value_name = "PER SECOND")]
    rate: Option<f64>,
}

/// What is sent, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Load {
    /// Bytes of each message
    #[arg(short, long, value_parser = size, default_value = "128")]
    pub(super) size: usize,
    /// Requests that wait for their answers on each connection
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) in_flight: u16,
    /// Each connection sends when the request before is answered: the same as --in-flight 1
    #[arg(long, conflicts_with = "in_flight")]
    pub(super) sync: bool,
    /// Messages in one request
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) batch: u32,
    /// The tag of each message
    #[arg(short, long)]
    pub(super) tag: Option<String>,
    /// Do not wait until messages are flushed and replicated, whatever the broker's settings
    #[arg(long)]
    pub(super) no_wait: bool,
}

impl Args {
    pub(super) fn connections(&self) -> u16 {
        self.run.connections
    }
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let target = Target::find(&args.run, Wanted::Writing).await?;
    let phases = Phases::new(&args.run)?;
    let meter = Meter::new("send", phases);
    let senders = Senders::start(&target, &args.load, args.rate, phases, &meter, None)?;
    watch(std::slice::from_ref(&meter), phases).await;
    senders.stop().await;
    target.close().await;
    report::finish(&args.run, phases, &[meter], output)
}

/// The tasks that send.
pub(super) struct Senders(JoinSet<()>);

/// What all of them need.
struct Shared {
    /// Random, so that nothing on the way can make it smaller.
    body: Bytes,
    batch: u32,
    tag: Option<String>,
    no_wait: bool,
    queues: Vec<Queue>,
    /// Whose turn it is.
    turn: AtomicUsize,
    pace: Pace,
    phases: Phases,
    meter: Arc<Meter>,
    /// Written into each body, for whoever receives it.
    stamp: Option<Stamp>,
}

/// The first bytes of a body: whose it is, and when it was due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// Tells the messages of one run from all others.
    pub(super) run: u64,
    /// From where the time counts.
    pub(super) begin: Instant,
}

impl Stamp {
    pub(super) const BYTES: usize = 16;

    fn write(self, body: &mut [u8], since: Instant) {
        let due = u64::try_from((since - self.begin).as_nanos()).unwrap_or(u64::MAX);
        if let Some(place) = body.first_chunk_mut::<{ Self::BYTES }>() {
            place[..8].copy_from_slice(&self.run.to_be_bytes());
            place[8..].copy_from_slice(&due.to_be_bytes());
        }
    }

    /// When the message was due; `None` if it is not one of this run.
    pub(super) fn read(self, body: &[u8]) -> Option<Instant> {
        let (run, rest) = body.split_first_chunk::<8>()?;
        let due = rest.first_chunk::<8>()?;
        let mine = u64::from_be_bytes(*run) == self.run;
        mine.then(|| self.begin + Duration::from_nanos(u64::from_be_bytes(*due)))
    }
}

impl Senders {
    /// Starts sending. `rate` counts messages, not requests.
    ///
    /// # Errors
    /// Usage, for a rate that is none.
    pub(super) fn start(
        target: &Target,
        load: &Load,
        rate: Option<f64>,
        phases: Phases,
        meter: &Arc<Meter>,
        stamp: Option<Stamp>,
    ) -> Result<Self> {
        let requests = rate.map(|rate| rate / f64::from(load.batch));
        let shared = Arc::new(Shared {
            body: noise(load.size).into(),
            batch: load.batch,
            tag: load.tag.clone(),
            no_wait: load.no_wait,
            queues: target.queues.clone(),
            turn: AtomicUsize::new(0),
            pace: Pace::new(requests, phases.begin, phases.end)?,
            phases,
            meter: meter.clone(),
            stamp,
        });
        let in_flight = if load.sync { 1 } else { load.in_flight };
        let mut tasks = JoinSet::new();
        let mut number = 0;
        for client in &target.clients {
            for _ in 0..in_flight {
                let sender = Sender {
                    client: client.clone(),
                    shared: shared.clone(),
                    keys: Keys {
                        source: UniqueKeys {
                            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                            process_id: std::process::id(),
                            instance: number,
                        },
                        counter: 0,
                    },
                };
                number += 1;
                tasks.spawn(sender.run());
            }
        }
        Ok(Self(tasks))
    }

    /// Ends it, once what is in flight is answered or the longest wait is over.
    pub(super) async fn stop(mut self) {
        let answered = async { while self.0.join_next().await.is_some() {} };
        // What a flooded cluster answers later is not measured any more.
        let _ = tokio::time::timeout(Duration::from_secs(2), answered).await;
        self.0.shutdown().await;
    }
}

/// One request in flight.
struct Sender {
    client: client::Client,
    shared: Arc<Shared>,
    keys: Keys,
}

/// The ids of the messages of one sender.
struct Keys {
    source: UniqueKeys,
    counter: u32,
}

impl Keys {
    fn next(&mut self) -> String {
        self.counter = self.counter.wrapping_add(1);
        let [high1, high0, low1, low0] = self.counter.to_be_bytes();
        self.source.key(
            i32::from(u16::from_be_bytes([high1, high0])),
            u16::from_be_bytes([low1, low0]),
        )
    }
}

impl Sender {
    async fn run(mut self) {
        let shared = self.shared.clone();
        let end = shared.phases.end;
        while let Some(since) = shared.pace.next(end).await {
            if Instant::now() >= end {
                return;
            }
            match self.send(&shared, since).await {
                Ok(()) => {
                    let messages = u64::from(shared.batch);
                    let bytes = messages * shared.body.len() as u64;
                    shared.meter.done(since, messages, bytes);
                }
                Err(error) => {
                    shared.meter.failed(&error);
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    async fn send(&mut self, shared: &Shared, since: Instant) -> Result<(), ClientError> {
        let turn = shared.turn.fetch_add(1, Ordering::Relaxed);
        let Some(queue) = shared.queues.get(turn % shared.queues.len()) else {
            return Ok(());
        };
        let request = shared.request(&queue.queue, since, &mut self.keys)?;
        let answer = self.client.call(&queue.address, request).await?;
        match answer.response_code() {
            ResponseCode::SUCCESS
            | ResponseCode::FLUSH_DISK_TIMEOUT
            | ResponseCode::FLUSH_SLAVE_TIMEOUT
            | ResponseCode::SLAVE_NOT_AVAILABLE => Ok(()),
            code => Err(ClientError::Refused {
                address: queue.address.clone(),
                code,
                remark: answer.remark.unwrap_or_default(),
            }),
        }
    }
}

impl Shared {
    fn request(
        &self,
        queue: &MessageQueue,
        since: Instant,
        keys: &mut Keys,
    ) -> Result<RemotingCommand, ClientError> {
        let body = match self.stamp {
            None => self.body.clone(),
            Some(stamp) => {
                let mut body = self.body.to_vec();
                stamp.write(&mut body, since);
                body.into()
            }
        };
        let wait = if self.no_wait { "false" } else { "true" };
        let (code, body, properties) = if self.batch == 1 {
            let properties = self.properties(keys, Some(wait));
            (RequestCode::SEND_MESSAGE_V2, body, properties)
        } else {
            let mut items = Vec::new();
            for _ in 0..self.batch {
                let item = BatchItem {
                    flag: 0,
                    body: &body,
                    properties: &self.properties(keys, None),
                };
                if push_item(&mut items, &item).is_none() {
                    return Err(too_large(queue));
                }
            }
            let properties = properties::encode([(properties::WAIT, wait)]);
            (RequestCode::SEND_BATCH_MESSAGE, items.into(), properties)
        };
        if body.len() > client::message::MAX_BODY_BYTES {
            return Err(too_large(queue));
        }
        let header = SendMessageRequestHeader {
            producer_group: GROUP.into(),
            topic: queue.topic.as_str().into(),
            default_topic: client::names::DEFAULT_TOPIC.into(),
            default_topic_queue_nums: 4,
            queue_id: queue.queue_id,
            born_timestamp: now_ms(),
            properties: Some(String::from_utf8_lossy(&properties)),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            batch: Some(self.batch > 1),
            bname: Some(queue.broker_name.as_str().into()),
            ..SendMessageRequestHeader::default()
        };
        let request = RemotingCommand::request(code)
            .with_short_header(&header, SEND_MESSAGE_V2_NAMES)?
            .with_body(body);
        Ok(request)
    }

    fn properties(&self, keys: &mut Keys, wait: Option<&str>) -> Vec<u8> {
        let mut properties = properties::encode([(properties::UNIQUE_KEY, &*keys.next())]);
        if let Some(wait) = wait {
            properties::append(&mut properties, properties::WAIT, wait);
        }
        if let Some(tag) = &self.tag {
            properties::append(&mut properties, properties::TAGS, tag);
        }
        properties
    }
}

fn too_large(queue: &MessageQueue) -> ClientError {
    let most = client::message::MAX_BODY_BYTES;
    ClientError::Invalid {
        what: "batch for",
        value: queue.topic.clone(),
        problem: format!("it takes more than {most} bytes"),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Bytes that do not compress, the same in every run.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    std::iter::from_fn(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(state.to_be_bytes())
    })
    .flatten()
    .take(len)
    .collect()
}

/// Sends no message that a receiver could not tell the time of.
///
/// # Errors
/// Usage, when the messages are too small.
pub(super) fn check_stamped(load: &Load) -> Result<()> {
    if load.size < Stamp::BYTES {
        let least = Stamp::BYTES;
        return Err(CliError::usage(format!(
            "--size needs {least} at least: messages carry the time they were due"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_and_foreign_bodies_have_none() {
        let stamp = Stamp {
            run: 7,
            begin: Instant::now(),
        };
        let due = stamp.begin + Duration::from_millis(1234);
        let mut body = noise(64);
        stamp.write(&mut body, due);
        assert_eq!(stamp.read(&body), Some(due));
        assert_eq!(Stamp { run: 8, ..stamp }.read(&body), None);
        assert_eq!(stamp.read(b"short"), None);
    }
}
