//! `mq completion`: scripts for shells.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::error::{Exit, Result};
use crate::output::Output;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq completion bash > ~/.local/share/bash-completion/completions/mq\n  \
                        mq completion zsh > ~/.zfunc/_mq\n  \
                        mq completion fish > ~/.config/fish/completions/mq.fish"
)]
pub(crate) struct Args {
    /// The shell to write for
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mq", &mut script);
    output.raw(&script)?;
    Ok(Exit::Done)
}
