//! `mq namesrv`: name servers.

use clap::Subcommand;

use crate::error::{Exit, Result};
use crate::output::Output;

mod start;

pub(crate) use start::{BOOT_SUCCESS, not_started};

/// Run a name server
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Start(start::Args),
}

pub(crate) fn run(args: Args, output: &Output) -> Result<Exit> {
    match args.command {
        Command::Start(args) => start::run(&args, output),
    }
}
