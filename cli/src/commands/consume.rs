//! `mq consume`: read a topic, as a member of a group or without leaving a trace.

use std::time::Duration;

use client::consumer::{ConsumeFrom, Consumer, ConsumerOptions, MessageModel};
use client::pull::{PullStatus, Puller};
use client::{Client, ClientError, Expression};

use remoting::protocol::body::queue_map::MessageQueue;

use super::message::{Format, Printer};
use crate::error::{CliError, Exit, Result};
use crate::output::Output;
use crate::profile::Cluster;
use crate::time;

/// Messages asked for at once.
const BATCH: i32 = 32;
/// A group has caught up when nothing has come for so long: longer than a broker holds a pull
/// before it looks again, and than members take to divide the queues.
const QUIET: Duration = Duration::from_secs(6);

/// Read messages of a topic, one per line
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq consume orders --from first             everything that is there, nobody's offsets move\n  \
                        mq consume orders --from -1h --tag paid -o json\n  \
                        mq consume orders --follow                 what arrives from now on, until Ctrl-C\n  \
                        mq consume orders --group billing          what is new to the group, until it has caught up"
)]
pub(crate) struct Args {
    /// Name of the topic
    topic: String,
    /// Read as a member of this consumer group: shares the queues with its other members, and moves its offsets
    #[arg(short, long)]
    group: Option<String>,
    /// Where to begin: first, last, or a time; a group begins there only if it is new [default: last with --follow, else
    /// first]
    #[arg(long, value_name = "first|last|TIME", allow_hyphen_values = true, value_parser = from)]
    from: Option<From>,
    /// Only these tags: a, or 'a || b'
    #[arg(short, long, value_name = "TAGS")]
    tag: Option<String>,
    /// Stop after so many messages
    #[arg(short, long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Go on with what arrives, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How to print a message
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Line)]
    output: Format,
    #[command(flatten)]
    cluster: Cluster,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    First,
    Last,
    Time(time::Time),
}

fn from(text: &str) -> Result<From, String> {
    match text {
        "first" => Ok(From::First),
        "last" => Ok(From::Last),
        time => time::parse_now(time)
            .map(From::Time)
            .map_err(|e| format!("neither first nor last, and {e}")),
    }
}

impl Args {
    fn from(&self) -> From {
        let first_or_last = match self.follow {
            true => From::Last,
            false => From::First,
        };
        self.from.unwrap_or(first_or_last)
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let expression = Expression::tags(args.tag.as_deref().unwrap_or_default())
        .map_err(|e| CliError::client("cannot select messages", &e))?;
    let client = match args.group {
        Some(_) => args.cluster.client_to_change(output, false)?,
        None => args.cluster.client()?,
    };
    let mut printer = Printer {
        output,
        format: args.output,
        left: args.count,
    };
    let outcome = match &args.group {
        // Ctrl-C has it leave the group in order.
        Some(group) => as_member(args, client.clone(), group, expression, &mut printer).await,
        None => {
            let reading = async {
                match args.follow {
                    true => follow(args, client.clone(), &expression, &mut printer).await,
                    false => read(args, client.clone(), &expression, &mut printer).await,
                }
            };
            tokio::select! {
                outcome = reading => outcome,
                _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
            }
        }
    };
    client.close().await;
    outcome
}

fn failed(args: &Args) -> impl Fn(ClientError) -> CliError {
    let what = format!("cannot read topic '{}'", args.topic);
    move |error| CliError::client(what.clone(), &error)
}

/// Where each queue is read from, and where it ends at the moment.
async fn ranges(args: &Args, puller: &Puller) -> Result<Vec<(MessageQueue, i64, i64)>> {
    let failed = failed(args);
    let from = args.from();
    let mut ranges = Vec::new();
    for queue in puller.queues(&args.topic).await.map_err(&failed)? {
        let end = puller.max_offset(&queue).await.map_err(&failed)?;
        let begin = match from {
            From::Last => end,
            From::First => puller.min_offset(&queue).await.map_err(&failed)?.max(0),
            From::Time(time) => puller
                .offset_by_time(&queue, time.epoch_ms())
                .await
                .map_err(&failed)?
                .max(0),
        };
        ranges.push((queue, begin, end));
    }
    Ok(ranges)
}

/// Reads queue by queue what is there now.
async fn read(
    args: &Args,
    client: Client,
    expression: &Expression,
    printer: &mut Printer<'_>,
) -> Result<Exit> {
    let puller = Puller::new(client);
    for (queue, begin, end) in ranges(args, &puller).await? {
        let mut offset = begin;
        while offset < end {
            let pulled = puller
                .pull(&queue, offset, BATCH, expression)
                .await
                .map_err(failed(args))?;
            for message in pulled
                .messages
                .iter()
                .filter(|message| message.queue_offset < end)
            {
                if printer.print(message)? {
                    return Ok(Exit::Done);
                }
            }
            let stuck = pulled.next_begin_offset <= offset;
            if stuck || pulled.status == PullStatus::NoNewMessage {
                break;
            }
            offset = pulled.next_begin_offset;
        }
    }
    Ok(Exit::Done)
}

/// Goes on with what arrives.
async fn follow(
    args: &Args,
    client: Client,
    expression: &Expression,
    printer: &mut Printer<'_>,
) -> Result<Exit> {
    let puller = Puller::new(client);
    let starts = ranges(args, &puller)
        .await?
        .into_iter()
        .map(|(queue, begin, _)| (queue, begin));
    let mut follower = puller.follow(starts.collect(), expression);
    while let Some(message) = follower.next().await {
        match message {
            Ok(message) => {
                if printer.print(&message)? {
                    break;
                }
            }
            Err(error) => printer
                .output
                .note(&format!("warning: {error}; trying again")),
        }
    }
    Ok(Exit::Done)
}

async fn as_member(
    args: &Args,
    client: Client,
    group: &str,
    expression: Expression,
    printer: &mut Printer<'_>,
) -> Result<Exit> {
    let options = ConsumerOptions {
        group: group.to_owned(),
        topic: args.topic.clone(),
        expression,
        from: match args.from() {
            From::First => ConsumeFrom::First,
            From::Last => ConsumeFrom::Last,
            From::Time(time) => ConsumeFrom::Timestamp(time.epoch_ms()),
        },
        model: MessageModel::Clustering,
    };
    let mut consumer = Consumer::start(client, options)
        .await
        .map_err(failed(args))?;
    let outcome = loop {
        let next = tokio::select! {
            next = consumer.next() => next,
            () = tokio::time::sleep(QUIET), if !args.follow => None,
            _ = tokio::signal::ctrl_c() => None,
        };
        let Some(message) = next else {
            break Ok(Exit::Done);
        };
        let printed = printer.print(&message);
        // What could not be printed is for somebody else.
        if printed.is_ok() {
            consumer.ack(&message);
        }
        match printed {
            Ok(false) => {}
            Ok(true) => break Ok(Exit::Done),
            Err(error) => break Err(error),
        }
    };
    consumer.close().await;
    outcome
}
