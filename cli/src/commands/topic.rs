//! `mq topic`: list, look at, make, change and delete topics.

use clap::{Subcommand, ValueEnum};

use crate::confirm::Confirm;
use crate::error::{CliError, Exit, Result, nearest};
use crate::output::{Known, Output, Read, Report, row};
use crate::profile::Cluster;
use crate::time;
use crate::watch;

/// Topics
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the topics of the cluster
    #[command(after_help = "Examples:\n  mq topic list\n  mq topic list --all -o wide\n  mq topic list -o name | grep order")]
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
    #[command(after_help = "Examples:\n  mq topic create orders\n  mq topic create orders --queues 16 --broker broker-a\n  \
                            mq topic create audit --perm w --dry-run")]
    Create(Write),
    /// Change the settings of a topic
    #[command(after_help = "Examples:\n  mq topic update orders --queues 16\n  mq topic update orders --perm r")]
    Update(Write),
    /// Delete a topic with its messages, from all brokers and name servers
    #[command(after_help = "Examples:\n  mq topic delete orders --dry-run\n  mq topic delete orders --yes")]
    Delete(Delete),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Also those that RocketMQ uses for itself: retry and dead-letter topics, system topics
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

#[derive(Debug, clap::Args)]
struct One {
    /// Name of the topic
    topic: String,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

#[derive(Debug, clap::Args)]
struct Write {
    /// Name of the topic: letters, digits, and _-%|
    topic: String,
    /// Queues on each broker [default for a new topic: 8]
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    queues: Option<u32>,
    /// What clients may do with it: r, w or rw [default for a new topic: rw]
    #[arg(short, long, value_enum)]
    perm: Option<Perm>,
    /// On this broker only; may be given several times [default: all masters]
    #[arg(short, long, value_name = "NAME")]
    broker: Vec<String>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

#[derive(Debug, clap::Args)]
struct Delete {
    /// Name of the topic
    topic: String,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Perm {
    R,
    W,
    Rw,
}

impl Perm {
    fn bits(self) -> i32 {
        match self {
            Self::R => 4,
            Self::W => 2,
            Self::Rw => 6,
        }
    }
}
