//! `mq bench`: how fast a cluster is, as its clients see it. Works on Apache's servers as well.
//!
//! Closed loop: each of the requests in flight is followed by the next when it is answered, so the
//! cluster sets the pace. Open loop (`--rate`): messages are due at fixed times whatever the cluster
//! does, and their latency counts from the time they were due, so that a cluster that stalls cannot
//! hide it by being asked less often.

mod consume;
mod deliver;
mod measure;
mod pace;
pub(crate) mod report;
mod send;
mod target;

use std::path::PathBuf;

use jiff::SignedDuration;

use crate::error::{Exit, Result};
use crate::output::{Output, Print};
use crate::profile::Cluster;
use crate::runtime;

/// Measure how fast a cluster stores and delivers messages
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The topic must exist: mq topic create bench --queues 8\n\nExamples:\n  \
                  mq bench send bench --in-flight 64                 as fast as the cluster can\n  \
                  mq bench send bench --rate 10000 --size 1KiB       10,000 a second, latency from when each was due\n  \
                  mq bench consume bench --batch 32\n  mq bench e2e bench --rate 1000\n  \
                  mq bench send bench --save before.json             and later: --compare before.json"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Send(send::Args),
    Consume(consume::Args),
    E2e(deliver::E2eArgs),
    Mixed(deliver::MixedArgs),
}

/// Flags of every measurement.
#[derive(Debug, clap::Args)]
struct Run {
    /// Name of the topic
    topic: String,
    /// Measure for so long
    #[arg(short, long, value_name = "SPAN", default_value = "10s")]
    duration: SignedDuration,
    /// Work so long before measuring
    #[arg(long, value_name = "SPAN", default_value = "3s")]
    warmup: SignedDuration,
    /// Connections, each to every broker of the topic
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,
    #[command(flatten)]
    print: Print,
    /// Write the results to a file as JSON
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Say how the results differ from those of a file that --save wrote
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Write the latencies to a file that HdrHistogram's tools read, in nanoseconds
    #[arg(long, value_name = "FILE")]
    histogram: Option<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.action {
        Action::Send(args) => wait_for(args.connections(), send::run(args, output)),
        Action::Consume(args) => wait_for(args.connections(), consume::run(args, output)),
        Action::E2e(args) => wait_for(args.connections(), deliver::e2e(args, output)),
        Action::Mixed(args) => wait_for(args.connections(), deliver::mixed(args, output)),
    }
}

/// On as many threads as can be of use: one connection is no faster on two.
fn wait_for(connections: u16, command: impl Future<Output = Result<Exit>>) -> Result<Exit> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    runtime::of_threads(cores.min(connections.into()))?.block_on(command)
}

/// Bytes as people write them: `128`, `64KiB`, `1k`.
fn size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1024,
        "m" | "mb" | "mib" => 1024 * 1024,
        unit => return Err(format!("'{unit}' is no unit of size; KiB and MiB are")),
    };
    let number: usize = digits.parse().map_err(|_| "write 128, 64KiB or 1MiB")?;
    let bytes = number.saturating_mul(unit);
    if !(1..=client::message::MAX_BODY_BYTES).contains(&bytes) {
        let most = client::message::MAX_BODY_BYTES;
        return Err(format!("a message has 1 to {most} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("128", Some(128)),
            ("1k", Some(1024)),
            ("64KiB", Some(65_536)),
            ("4MiB", Some(4_194_304)),
            ("5MiB", None),
            ("0", None),
            ("x", None),
            ("1x", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
    }
}
