//! `mq dlq`: dead letters, the messages that a consumer group could not consume.

use std::collections::BTreeMap;

use clap::Subcommand;
use client::message::MessageExt;
use client::names::DLQ_PREFIX;
use remoting::protocol::message::properties;

use crate::error::{Exit, Result};
use crate::output::Output;

pub(crate) mod list;
pub(crate) mod resend;
pub(crate) mod show;

/// Dead letters: messages that a consumer group has tried to consume as often as it may
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Resend(resend::Args),
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::List(args) => list::run(args, output).await,
        Command::Show(args) => show::run(args, output).await,
        Command::Resend(args) => resend::run(args, output).await,
    }
}

/// The dead letter of which a message is a copy: the id of its place in a broker's log.
const RESENT_FROM: &str = "MQ_RESENT_FROM";
/// How often the message has been sent again from the dead letters.
const RESENT_TIMES: &str = "MQ_RESENT_TIMES";

/// The group, of its own name or of its topic of dead letters: people paste both.
fn group_of(text: &str) -> &str {
    text.strip_prefix(DLQ_PREFIX).unwrap_or(text)
}

fn topic_of(group: &str) -> String {
    format!("{DLQ_PREFIX}{group}")
}

/// Where a dead letter was sent to at first.
fn origin_topic(message: &MessageExt) -> Option<&str> {
    message.property(properties::RETRY_TOPIC)
}

fn resent_times(message: &MessageExt) -> u32 {
    let times = message.property(RESENT_TIMES);
    times.and_then(|times| times.parse().ok()).unwrap_or(0)
}

/// Properties that brokers and clients have put on a message on its way to the dead letters, which would be wrong on
/// its way back.
const NOT_SENT_AGAIN: [&str; 12] = [
    properties::DELAY,
    properties::REAL_TOPIC,
    properties::REAL_QUEUE_ID,
    properties::TRANSACTION_PREPARED,
    properties::RECONSUME_TIME,
    properties::MAX_RECONSUME_TIMES,
    properties::WAIT,
    properties::CLUSTER,
    properties::TIMER_DELAY_SEC,
    properties::TIMER_DELAY_MS,
    properties::TIMER_DELIVER_MS,
    "POP_CK",
];

/// The properties of the copy that is sent again.
fn properties_again(message: &MessageExt) -> BTreeMap<String, String> {
    let mut properties = message.properties.clone();
    for name in NOT_SENT_AGAIN {
        properties.remove(name);
    }
    let mark = [
        (RESENT_FROM, message.offset_message_id.clone()),
        (RESENT_TIMES, (resent_times(message) + 1).to_string()),
    ];
    properties.extend(mark.map(|(name, value)| (name.to_owned(), value)));
    properties
}
