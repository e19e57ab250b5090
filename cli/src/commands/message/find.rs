//! `mq message find`.

use super::{MessageRow, Select, search};
use crate::error::{CliError, Exit, Result};
use crate::lookup;
use crate::output::{Format, Output, Report};
use crate::queue;
use crate::watch::{self, Ask};

/// Find messages of a topic: by key, id, time, tag, properties, body
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq message find orders --key order-4711\n  \
                  mq message find orders --from -1h --tag paid --body 'amount\":\\s*[0-9]{4}'\n  \
                  mq message find orders --where \"region = 'eu' AND amount > 100\" -o jsonl > found.jsonl\n  \
                  mq message find orders --from '2026-01-31 12:00' --to '2026-01-31 12:05' -o wide\n\n\
                  Keys and ids are looked up in the brokers' index; anything else reads the topic, all queues at once, with\n\
                  -o jsonl printing what is found at once. Nothing is left out unless --max is given."
)]
pub(crate) struct Args {
    /// Name of the topic
    topic: String,
    #[command(flatten)]
    select: Select,
    /// In this queue only; may be given several times
    #[arg(short, long, value_name = "BROKER:ID", value_parser = queue::parse)]
    queue: Vec<(String, i32)>,
    #[command(flatten)]
    ask: Ask,
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let read = &args.ask.read;
    let at_once = read.format == Format::Jsonl && read.watch.is_none();
    watch::rows(output, &args.ask, async |admin| {
        let (_, mut missing) = lookup::topic(&admin, &args.topic).await?;
        let mut printed = false;
        let found = search(&admin, &args.topic, &args.queue, &args.select, |message| {
            if at_once {
                let row = MessageRow::from(message);
                let line = serde_json::to_string(&row)
                    .map_err(|e| CliError::failed("cannot write a message as JSON").because(&e))?;
                output.line(&line)?;
                printed = true;
            }
            Ok(!at_once)
        })
        .await?;
        missing.extend(found.missing);
        if found.messages.is_empty() && !printed && missing.is_empty() {
            return Err(CliError::not_found(format!(
                "topic '{}' has no such message",
                args.topic
            ))
            .hint(format!(
                "it may have expired; see from when on there are messages: mq topic stats {}",
                args.topic
            )));
        }
        Ok(Report {
            rows: found.messages.iter().map(MessageRow::from).collect(),
            missing,
        })
    })
    .await
}
