//! `mq message`: single messages, and their lives.

use clap::Subcommand;

use crate::error::{Exit, Result};
use crate::output::Output;

mod find;
mod get;
mod line;
mod select;
mod tail;
pub(crate) mod trace;

pub(crate) use line::{Format, MessageLine, MessageRow, Printer};
pub(crate) use select::{Select, search};

/// Single messages
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Get(get::Args),
    Find(find::Args),
    Tail(tail::Args),
    Trace(trace::Args),
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::Get(args) => get::run(args, output).await,
        Command::Find(args) => find::run(args, output).await,
        Command::Tail(args) => tail::run(args, output).await,
        Command::Trace(args) => trace::run(args, output).await,
    }
}
