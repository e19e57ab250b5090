//! `mq send`: test messages, from the command line, from lines, from a file.

use std::path::PathBuf;

use crate::profile::Cluster;

/// Send messages to a topic
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mq send orders 'hello'\n  seq 1000 | mq send orders --tag numbers   one message per line\n  \
                        mq send orders --file order.json --keys 4711 --property source=test\n  \
                        mq send orders 'tick' --count 100 --rate 10\n  mq send orders 'x' --queue broker-a:3")]
pub(crate) struct Args {
    /// Name of the topic
    topic: String,
    /// The message [default: one message for each line of standard input]
    #[arg(conflicts_with = "file")]
    body: Option<String>,
    /// Send the contents of a file as one message
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The tag that consumers can select by
    #[arg(short, long)]
    tag: Option<String>,
    /// Keys that messages can be found by; several separated by blanks
    #[arg(short, long)]
    keys: Option<String>,
    /// A property of the message; may be given several times
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = property)]
    property: Vec<(String, String)>,
    /// Send so many messages: the body again and again, or at most so many lines
    #[arg(short, long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Messages per second, at most
    #[arg(short, long, value_name = "PER SECOND")]
    rate: Option<f64>,
    /// Always to this queue
    #[arg(long, value_name = "BROKER:ID")]
    queue: Option<String>,
    /// Do not wait for the broker's answer
    #[arg(long, conflicts_with = "batch")]
    oneway: bool,
    /// Send so many messages in one request
    #[arg(long, value_name = "SIZE", value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: Option<u32>,
    #[command(flatten)]
    cluster: Cluster,
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
