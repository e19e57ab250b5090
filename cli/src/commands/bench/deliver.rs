//! `mq bench e2e` and `mq bench mixed`: messages sent and received at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::Client;
use remoting::protocol::message::record::Record;
use tokio::task::JoinSet;

use super::consume::{offsets, pull};
use super::measure::{Meter, Phases, watch};
use super::send::{Load, Senders, Stamp, check_stamped};
use super::target::{Queue, Target, Wanted};
use super::{Run, report};
use crate::error::{Exit, Result};
use crate::output::Output;

/// Messages in one answer, at most.
const BATCH: i32 = 32;
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(20);
/// What was sent at the very end is still received for so long.
const LAST_ONES: Duration = Duration::from_millis(500);

/// Measure how long messages take from their sender to a waiting consumer
///
/// Latency counts from the time a message was due to its receipt by a long poll.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mq bench e2e bench --rate 1000")]
pub(super) struct E2eArgs {
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    load: Load,
    /// Messages per second in all
    #[arg(short, long, value_name = "PER SECOND", default_value_t = 1000.0)]
    rate: f64,
}

/// Measure storing and delivering at the same time
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mq bench mixed bench --rate 1000")]
pub(super) struct MixedArgs {
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    load: Load,
    /// Messages per second in all, each with its own time [default: as fast as they are answered]
    #[arg(short, long, value_name = "PER SECOND")]
    rate: Option<f64>,
}

impl E2eArgs {
    pub(super) fn connections(&self) -> u16 {
        self.run.connections
    }
}

impl MixedArgs {
    pub(super) fn connections(&self) -> u16 {
        self.run.connections
    }
}

pub(super) async fn e2e(args: &E2eArgs, output: &Output) -> Result<Exit> {
    let meters = deliver(&args.run, &args.load, Some(args.rate)).await?;
    report::finish(&args.run, meters.phases, &[meters.receiving], output)
}

pub(super) async fn mixed(args: &MixedArgs, output: &Output) -> Result<Exit> {
    let meters = deliver(&args.run, &args.load, args.rate).await?;
    let both = [meters.sending, meters.receiving];
    report::finish(&args.run, meters.phases, &both, output)
}

struct Meters {
    phases: Phases,
    sending: Arc<Meter>,
    receiving: Arc<Meter>,
}

async fn deliver(run: &Run, load: &Load, rate: Option<f64>) -> Result<Meters> {
    check_stamped(load)?;
    let sending = Target::find(run, Wanted::Writing).await?;
    // Connections of their own: an answer with many messages should not delay that to a send.
    let receiving = Target::find(run, Wanted::Reading).await?;
    let starts = offsets(&receiving).await?;
    let phases = Phases::new(run)?;
    let meters = Meters {
        phases,
        sending: Meter::new("send", phases),
        receiving: Meter::new("receive", phases),
    };
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let stamp = Stamp {
        run: u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX),
        begin: phases.begin,
    };
    let mut receivers = JoinSet::new();
    for (number, (queue, (_, end))) in receiving.queues.iter().zip(starts).enumerate() {
        let Some(client) = receiving.clients.get(number % receiving.clients.len()) else {
            continue;
        };
        let receiver = Receiver {
            client: client.clone(),
            queue: queue.clone(),
            tag: load.tag.clone().unwrap_or_else(|| "*".to_owned()),
            stamp,
            meter: meters.receiving.clone(),
        };
        receivers.spawn(receiver.run(end));
    }
    let senders = Senders::start(&sending, load, rate, phases, &meters.sending, Some(stamp))?;
    watch(&[meters.sending.clone(), meters.receiving.clone()], phases).await;
    senders.stop().await;
    tokio::time::sleep(LAST_ONES).await;
    receivers.shutdown().await;
    sending.close().await;
    receiving.close().await;
    Ok(meters)
}

/// One queue that is waited on.
struct Receiver {
    client: Client,
    queue: Queue,
    tag: String,
    stamp: Stamp,
    meter: Arc<Meter>,
}

impl Receiver {
    /// Goes on until it is aborted.
    async fn run(self, mut offset: i64) {
        loop {
            match pull(&self.client, &self.queue, offset, BATCH, &self.tag, true).await {
                Ok(pulled) => {
                    for record in pulled.records() {
                        let Ok(record) = Record::parse(record) else {
                            continue;
                        };
                        if let Some(due) = self.stamp.read(record.body) {
                            self.meter
                                .done(due.min(Instant::now()), 1, record.body.len() as u64);
                        }
                    }
                    offset = pulled.next;
                }
                Err(error) => {
                    self.meter.failed(&error);
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }
}
