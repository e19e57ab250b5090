//! `mq group`: consumer groups.

use clap::Subcommand;

use crate::error::{Exit, Result};
use crate::output::Output;

pub(crate) mod delete;
pub(crate) mod lag;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod reset;
pub(crate) mod show;
pub(crate) mod write;

pub(crate) use members::member_count;

/// Consumer groups
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Members(members::Args),
    Lag(lag::Args),
    /// Create a consumer group; done already if it is there with the same settings
    #[command(
        after_help = "Examples:\n  mq group create billing\n  mq group create billing --retry-max-times 3 --dry-run"
    )]
    Create(write::Args),
    /// Change settings of a consumer group; what is not named stays as it is
    #[command(
        after_help = "Examples:\n  mq group update billing --retry-max-times 5\n  \
                      mq group update billing --consume false        nobody of it may read"
    )]
    Update(write::Args),
    Delete(delete::Args),
    Reset(reset::Args),
    Clone(reset::CloneArgs),
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::List(args) => list::run(args, output).await,
        Command::Show(args) => show::run(args, output).await,
        Command::Members(args) => members::run(args, output).await,
        Command::Lag(args) => lag::run(args, output).await,
        Command::Create(args) => write::run(args, true, output).await,
        Command::Update(args) => write::run(args, false, output).await,
        Command::Delete(args) => delete::run(args, output).await,
        Command::Reset(args) => reset::run(args, output).await,
        Command::Clone(args) => reset::clone(args, output).await,
    }
}
