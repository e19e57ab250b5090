//! `mq namesrv`: name servers.

use clap::Subcommand;

use crate::commands::wait_for;
use crate::error::{Exit, Result};
use crate::output::Output;

pub(crate) mod config;
pub(crate) mod kv;
mod start;

pub(crate) use start::{BOOT_SUCCESS, not_started};

/// Run a name server, or look at running ones and change their settings
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Start(start::Args),
    Config(config::Args),
    Kv(kv::Args),
}

pub(crate) fn run(args: Args, output: &Output) -> Result<Exit> {
    match args.command {
        Command::Start(args) => start::run(&args, output),
        Command::Config(args) => wait_for(config::run(&args, output)),
        Command::Kv(args) => wait_for(kv::run(&args, output)),
    }
}
