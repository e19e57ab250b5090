//! `mq consume`: read a topic, as a member of a group or without leaving a trace.

use clap::ValueEnum;

use crate::profile::Cluster;
use crate::time;

/// Read messages of a topic, one per line
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mq consume orders --from first             everything that is there, nobody's offsets move\n  \
                        mq consume orders --from -1h --tag paid -o json\n  \
                        mq consume orders --follow                 what arrives from now on, until Ctrl-C\n  \
                        mq consume orders --group billing          what is new to the group, until it has caught up")]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Store time, broker:queue:offset, tag, keys, body; separated by tabs
    Line,
    /// One JSON object per line
    #[value(alias = "jsonl")]
    Json,
    /// Only the body, as it is, and a line end
    Body,
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
        time => time::parse_now(time).map(From::Time).map_err(|e| format!("neither first nor last, and {e}")),
    }
}
