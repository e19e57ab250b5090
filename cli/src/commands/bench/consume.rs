//! `mq bench consume`: stored messages, read as fast as they come. Also what the others pull with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::pull::Puller;
use client::{Client, ClientError};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::pull::{
    PULL_FLAG_SUBSCRIPTION, PULL_FLAG_SUSPEND, PullMessageRequestHeader, PullMessageResponseHeader,
};
use remoting::protocol::message::record::peek;
use tokio::task::JoinSet;

use super::measure::{Meter, Phases, watch};
use super::target::{Queue, Target, Wanted};
use super::{Run, report};
use crate::error::{CliError, Exit, Result};
use crate::output::Output;

/// A group that every broker knows; nothing is committed.
const GROUP: &str = "TOOLS_CONSUMER";
/// How long a broker may keep a pull waiting.
const SUSPEND: Duration = Duration::from_secs(15);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(20);

/// Measure how fast stored messages are read
///
/// Each queue is read from its first message to its last, and then again; all queues at the same time, as consumers do.
/// No consumer group is involved, and no offset is committed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mq bench consume bench --batch 32")]
pub(super) struct Args {
    #[command(flatten)]
    run: Run,
    /// Messages in one answer, at most
    #[arg(short, long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Only messages with this tag; several separated by ||
    #[arg(short, long, default_value = "*")]
    tag: String,
}

impl Args {
    pub(super) fn connections(&self) -> u16 {
        self.run.connections
    }
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let target = Target::find(&args.run, Wanted::Reading).await?;
    let mut ranges = Vec::new();
    let mut messages = 0;
    for (queue, (min, max)) in target.queues.iter().zip(offsets(&target).await?) {
        // A queue that was never written to begins at -1.
        let min = min.max(0);
        messages += max - min;
        if max > min {
            ranges.push((queue, min));
        }
    }
    if messages == 0 {
        return Err(
            CliError::failed(format!("topic '{}' holds no messages", args.run.topic))
                .hint(format!("mq bench send {} stores some", args.run.topic)),
        );
    }
    let phases = Phases::new(&args.run)?;
    let meter = Meter::new("consume", phases);
    let mut tasks = JoinSet::new();
    for ((queue, first), client) in ranges.into_iter().zip(target.clients.iter().cycle()) {
        let reader = Reader {
            client: client.clone(),
            queue: queue.clone(),
            first,
            batch: args.batch.into(),
            tag: args.tag.clone(),
            meter: meter.clone(),
            end: phases.end,
        };
        tasks.spawn(reader.run());
    }
    watch(std::slice::from_ref(&meter), phases).await;
    tasks.shutdown().await;
    target.close().await;
    report::finish(&args.run, phases, &[meter], output)
}

/// First and next offset of each queue.
pub(super) async fn offsets(target: &Target) -> Result<Vec<(i64, i64)>> {
    let mut offsets = Vec::new();
    let Some(client) = target.clients.first() else {
        return Ok(offsets);
    };
    let puller = Puller::new(client.clone());
    for Queue { queue, .. } in &target.queues {
        let range = async {
            let min = puller.min_offset(queue).await?;
            Ok::<_, ClientError>((min, puller.max_offset(queue).await?))
        };
        offsets.push(range.await.map_err(|e| {
            let (broker, id) = (&queue.broker_name, queue.queue_id);
            CliError::client(
                format!("cannot read the offsets of queue {broker}:{id}"),
                &e,
            )
        })?);
    }
    Ok(offsets)
}

/// Reads one queue, over and over.
struct Reader {
    client: Client,
    queue: Queue,
    /// The offset at which the queue begins.
    first: i64,
    batch: i32,
    tag: String,
    meter: Arc<Meter>,
    end: Instant,
}

impl Reader {
    async fn run(self) {
        let mut offset = self.first;
        while Instant::now() < self.end {
            offset = self.read(offset).await.unwrap_or(self.first);
        }
    }

    /// Reads once; returns where to go on, `None` at the end.
    async fn read(&self, offset: i64) -> Option<i64> {
        let since = Instant::now();
        match pull(
            &self.client,
            &self.queue,
            offset,
            self.batch,
            &self.tag,
            false,
        )
        .await
        {
            Ok(pulled) => {
                if pulled.found {
                    let (messages, bytes) =
                        pulled.records().fold((0, 0), |(messages, bytes), record| {
                            (messages + 1, bytes + record.len() as u64)
                        });
                    self.meter.done(since, messages, bytes);
                }
                (pulled.next > offset).then_some(pulled.next)
            }
            Err(error) => {
                self.meter.failed(&error);
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                None
            }
        }
    }
}

/// The answer to a pull.
pub(super) struct Pulled {
    found: bool,
    /// The offset to go on at.
    pub(super) next: i64,
    answer: RemotingCommand,
}

impl Pulled {
    /// The stored records.
    pub(super) fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.answer.body[..];
        std::iter::from_fn(move || {
            let (size, _) = peek(rest)?;
            let (record, after) = rest.split_at_checked(usize::try_from(size).ok()?)?;
            rest = after;
            Some(record).filter(|record| !record.is_empty())
        })
    }
}

/// Reads messages of one queue. `wait`: until there is one, for a while.
pub(super) async fn pull(
    client: &Client,
    queue: &Queue,
    offset: i64,
    max: i32,
    tag: &str,
    wait: bool,
) -> Result<Pulled, ClientError> {
    let header = PullMessageRequestHeader {
        consumer_group: GROUP.into(),
        topic: queue.queue.topic.as_str().into(),
        queue_id: queue.queue.queue_id,
        queue_offset: offset,
        max_msg_nums: max,
        sys_flag: PULL_FLAG_SUBSCRIPTION | if wait { PULL_FLAG_SUSPEND } else { 0 },
        suspend_timeout_millis: i64::try_from(SUSPEND.as_millis()).unwrap_or(i64::MAX),
        subscription: Some(tag.into()),
        expression_type: Some("TAG".into()),
        bname: Some(queue.queue.broker_name.as_str().into()),
        ..PullMessageRequestHeader::default()
    };
    let request = RemotingCommand::request(RequestCode::PULL_MESSAGE).with_header(&header)?;
    let answer = client
        .call_within(&queue.address, request, 2 * SUSPEND)
        .await?;
    let found = match answer.response_code() {
        ResponseCode::SUCCESS => true,
        ResponseCode::PULL_NOT_FOUND
        | ResponseCode::PULL_RETRY_IMMEDIATELY
        | ResponseCode::PULL_OFFSET_MOVED => false,
        code => {
            return Err(ClientError::Refused {
                address: queue.address.clone(),
                code,
                remark: answer.remark.unwrap_or_default(),
            });
        }
    };
    // The answer to a pull that has waited in vain has no header.
    let header: Option<PullMessageResponseHeader> = answer.header().ok();
    Ok(Pulled {
        found,
        next: header.map_or(offset, |header| header.next_begin_offset),
        answer,
    })
}
