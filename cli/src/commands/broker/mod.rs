//! `mq broker`: brokers.

use clap::Subcommand;

use crate::error::{Exit, Result};
use crate::output::Output;
use crate::runtime::wait_for;

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod drain;
pub(crate) mod list;
pub(crate) mod settings;
mod start;
pub(crate) mod status;

pub(crate) use start::{boot_success, last_word, not_started, serve};

/// Run a broker, or look at running ones
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Start(start::Args),
    Check(check::Args),
    List(list::Args),
    Status(status::Args),
    Config(config::Args),
    Drain(drain::Args),
}

pub(crate) fn run(args: Args, output: &Output) -> Result<Exit> {
    match args.command {
        Command::Start(args) => start::run(&args, output),
        Command::Check(args) => check::run(&args, output),
        Command::List(args) => wait_for(list::run(&args, output)),
        Command::Status(args) => wait_for(status::run(&args, output)),
        Command::Config(args) => wait_for(config::run(&args, output)),
        Command::Drain(args) => wait_for(drain::run(&args, output)),
    }
}
