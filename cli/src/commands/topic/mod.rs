//! `mq topic`: list, look at, make, change and delete topics.

use clap::Subcommand;
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE};

use crate::error::{Exit, Result};
use crate::output::Output;

pub(crate) mod change;
pub(crate) mod show;

use change::{Delete, PermArgs, Write};
use show::{List, One};

/// Topics
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the topics of the cluster
    #[command(
        after_help = "Examples:\n  mq topic list\n  mq topic list --all -o wide\n  mq topic list -o name | grep order"
    )]
    List(List),
    /// Show a topic's settings and its number of messages, by broker
    #[command(after_help = "Example:\n  mq topic show orders")]
    Show(One),
    /// Show where clients find a topic: addresses and queues, as the name server tells them
    #[command(after_help = "Example:\n  mq topic route orders")]
    Route(One),
    /// Show the offsets of each queue
    #[command(after_help = "Examples:\n  mq topic stats orders\n  mq topic stats orders --watch")]
    Stats(One),
    /// Create a topic; done already if it is there with the same settings
    #[command(
        after_help = "Examples:\n  mq topic create orders\n  mq topic create orders --queues 16 --broker broker-a\n  \
                            mq topic create audit --perm w --dry-run"
    )]
    Create(Write),
    /// Change the settings of a topic
    #[command(
        after_help = "Examples:\n  mq topic update orders --queues 16\n  mq topic update orders --perm r"
    )]
    Update(Write),
    /// Show what clients may do with a topic, or change it
    #[command(
        after_help = "Examples:\n  mq topic perm orders\n  mq topic perm orders r        nobody may send, consumers drain it\n  \
                            mq topic perm orders rw --broker broker-a"
    )]
    Perm(PermArgs),
    /// Delete a topic with its messages, from all brokers and name servers
    #[command(
        after_help = "Examples:\n  mq topic delete orders --dry-run\n  mq topic delete orders --yes"
    )]
    Delete(Delete),
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::List(args) => show::list(args, output).await,
        Command::Show(args) => show::show(args, output).await,
        Command::Route(args) => show::route(args, output).await,
        Command::Stats(args) => show::stats(args, output).await,
        Command::Create(args) => change::write(args, true, output).await,
        Command::Update(args) => change::write(args, false, output).await,
        Command::Perm(args) => change::perm(args, output).await,
        Command::Delete(args) => change::delete(args, output).await,
    }
}

fn perm_text(perm: i32) -> String {
    let bit = |bit, letter| if perm & bit == 0 { "-" } else { letter };
    format!("{}{}", bit(PERM_READ, "r"), bit(PERM_WRITE, "w"))
}
