//! `mq message tail`.

use client::message::MessageExt;
use client::pull::Puller;
use client::search::last;
use client::{ClientError, fan_out};
use remoting::protocol::body::queue_map::MessageQueue;

use super::select::failed;
use super::{Format, Printer, Select};
use crate::error::{CliError, Exit, Result};
use crate::lookup;
use crate::output::Output;
use crate::profile::Cluster;
use crate::queue;

/// Show the last messages of a topic, and those that follow
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq message tail orders\n  mq message tail orders --count 100 --tag paid -o json\n  \
                  mq message tail orders -f --body timeout             what matches, as it arrives, until Ctrl-C"
)]
pub(crate) struct Args {
    /// Name of the topic
    topic: String,
    /// How many, of all queues together
    #[arg(short, long, default_value_t = 10)]
    count: usize,
    /// Go on with what arrives, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// With one of these tags: a, or 'a || b'
    #[arg(short, long, value_name = "TAGS")]
    tag: Option<String>,
    /// With properties that meet this SQL92 condition
    #[arg(short = 'w', long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// With a body that has a match of this regular expression
    #[arg(short, long, value_name = "REGEX")]
    body: Option<regex::bytes::Regex>,
    /// In this queue only; may be given several times
    #[arg(short, long, value_name = "BROKER:ID", value_parser = queue::parse)]
    queue: Vec<(String, i32)>,
    /// How to print a message
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Line)]
    output: Format,
    #[command(flatten)]
    cluster: Cluster,
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let tailing = tail(args, output);
    tokio::select! {
        outcome = tailing => outcome,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
    }
}

async fn tail(args: &Args, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin()?;
    let what = || format!("cannot read topic '{}'", args.topic);
    let select = Select {
        tag: args.tag.clone(),
        condition: args.condition.clone(),
        body: args.body.clone(),
        ..Select::default()
    };
    let expression = select.expression()?;
    let tags = Select {
        condition: None,
        ..select.clone()
    }
    .expression()?;
    lookup::topic(&admin, &args.topic).await?;
    let puller = Puller::new(admin.client().clone());
    let queues = puller.queues(&args.topic).await;
    let mut queues = queues.map_err(|e| CliError::client(what(), &e))?;
    let chosen = |queue: &MessageQueue| {
        let mut wanted = args.queue.iter();
        wanted.len() == 0
            || wanted.any(|(broker, id)| *broker == queue.broker_name && *id == queue.queue_id)
    };
    queues.retain(chosen);
    if queues.is_empty() {
        let error = CliError::not_found(format!("{}: it has no such queue to read", what()));
        return Err(error.hint(format!("see mq topic stats {}", args.topic)));
    }
    let answers = fan_out::all(queues, |queue| {
        let (puller, expression, count) = (puller.clone(), expression.clone(), args.count);
        let (select, tags) = (select.clone(), tags.clone());
        async move {
            let wanted = |message: &MessageExt| select.accepts(&tags, message);
            let found = last(&puller, &queue, count, &expression, wanted).await;
            (queue, found)
        }
    });
    let mut printer = Printer {
        output,
        format: args.output,
        left: None,
    };
    let mut found = Vec::new();
    let mut starts = Vec::new();
    let mut failures: Vec<(MessageQueue, ClientError)> = Vec::new();
    for (queue, answer) in answers.await {
        match answer {
            Ok((messages, end)) => {
                found.extend(messages);
                starts.push((queue, end));
            }
            Err(error) => failures.push((queue, error)),
        }
    }
    if starts.is_empty()
        && let Some((_, error)) = failures.first()
    {
        return Err(failed(what(), error));
    }
    found.sort_by_key(|message| (message.store_timestamp, message.queue_offset));
    let surplus = found.len().saturating_sub(args.count);
    for message in found.iter().skip(surplus) {
        printer.print(message)?;
    }
    for (queue, error) in &failures {
        output.note(&format!(
            "warning: {}:{}: {error}",
            queue.broker_name, queue.queue_id
        ));
    }
    if args.follow {
        let mut follower = puller.follow(starts, &expression);
        while let Some(next) = follower.next().await {
            match next {
                Ok(message) if select.accepts(&tags, &message) => {
                    printer.print(&message)?;
                }
                Ok(_) => {}
                Err(error) => output.note(&format!("warning: {error}; trying again")),
            }
        }
    }
    Ok(if failures.is_empty() {
        Exit::Done
    } else {
        Exit::Partly
    })
}
