//! `mq namesrv`: name servers.

use clap::Subcommand;
use client::{Admin, ClientError, fan_out};

use crate::error::{CliError, Exit, Result};
use crate::output::Output;
use crate::runtime::wait_for;

pub(crate) mod config;
pub(crate) mod kv;
mod start;

pub(crate) use start::{BOOT_SUCCESS, not_started, read_config, serve};

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

/// Asks every name server that is given; `what` cannot be done when none answers.
///
/// # Errors
/// When none answered.
async fn ask_all<T, F>(
    admin: &Admin,
    what: &str,
    ask: impl Fn(Admin, String) -> F,
) -> Result<Vec<(String, Result<T, ClientError>)>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ClientError>> + Send + 'static,
{
    let servers = admin.client().name_servers().all().to_vec();
    let answers = fan_out::all(servers.clone(), |server| ask(admin.clone(), server)).await;
    if answers.iter().all(Result::is_err) {
        let error = ClientError::of_name_servers(answers.into_iter().filter_map(Result::err));
        return Err(CliError::client(what, &error));
    }
    Ok(servers.into_iter().zip(answers).collect())
}
