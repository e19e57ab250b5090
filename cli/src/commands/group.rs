//! `mq group`: consumer groups, and how far behind they are.

use clap::Subcommand;

use crate::output::{Known, Read, row};
use crate::profile::Cluster;

/// Consumer groups
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the groups of the cluster
    #[command(after_help = "Examples:\n  mq group list\n  mq group list --all -o json")]
    List(List),
    /// Show how many messages groups have yet to consume: all groups, one group by topic, or by queue
    #[command(after_help = "Examples:\n  mq group lag                        all groups, worst first\n  \
                            mq group lag billing\n  mq group lag billing --queues --watch")]
    Lag(Lag),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Also those that RocketMQ makes for itself
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

#[derive(Debug, clap::Args)]
struct Lag {
    /// Only this group
    group: Option<String>,
    /// Only this topic
    #[arg(short, long)]
    topic: Option<String>,
    /// A row for each queue
    #[arg(long, requires = "group")]
    queues: bool,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

row! {
    struct GroupRow named by group {
        group: String,
        brokers: Vec<String>,
        members: Known<usize>,
    }
}

row! {
    struct LagRow named by group {
        group: String,
        topic: String,
        lag: Known<i64>,
        queues: Known<usize>,
        out_per_second: Known<f64>,
        members: Known<usize>,
    }
}

row! {
    struct QueueLagRow named by group {
        group: String,
        topic: String,
        broker: String,
        queue_id: i32,
        max_offset: i64,
        consumer_offset: i64,
        lag: i64,
        last_consume_time: Option<String>,
    }
}
