//! One file per noun: arguments, what it does, its rows.

use std::future::Future;

use crate::args::Command;
use crate::error::{CliError, Exit, Result};
use crate::output::Output;

pub(crate) mod broker;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod dev;
pub(crate) mod namesrv;
pub(crate) mod shutdown;
pub(crate) mod status;
pub(crate) mod tui;

/// Runs a command, with a runtime only if it needs one.
pub(crate) fn run(command: Command, output: &Output) -> Result<Exit> {
    match command {
        Command::Completion(args) => completion::run(&args, output),
        Command::Config(args) => config::run(&args, output),
        Command::Dev(args) => dev::run(&args, output),
        Command::Broker(args) => broker::run(args, output),
        Command::Namesrv(args) => namesrv::run(args, output),
        Command::Shutdown(args) => wait_for(shutdown::run(&args, output)),
        Command::Tui(args) => wait_for(tui::run(&args, output)),
        Command::Status(args) => wait_for(status::run(&args, output)),
    }
}

/// Runs on this thread alone: such a runtime starts in no time.
fn wait_for(command: impl Future<Output = Result<Exit>>) -> Result<Exit> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| CliError::failed("cannot start the event loop").because(&e))?
        .block_on(command)
}
