//! `mq dlq`: dead letters, the messages that a consumer group could not consume.

use clap::Subcommand;

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
