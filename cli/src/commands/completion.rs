//! `mq completion`: scripts for shells. They ask `mq` itself for candidates, so that topics, groups and brokers are those of
//! the moment.

use clap::ValueEnum;
use clap_complete::env::Shells;

use crate::error::{CliError, Exit, Result};
use crate::output::Output;

/// Tells the executable that it is asked for candidates, by which shell.
pub(crate) const VARIABLE: &str = "MQ_COMPLETE";

/// Print a completion script for a shell; completes names of topics, groups and brokers as well
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq completion bash > ~/.local/share/bash-completion/completions/mq\n  \
                        mq completion zsh > ~/.zfunc/_mq\n  \
                        mq completion fish > ~/.config/fish/completions/mq.fish\n\n\
                        Names come from the cluster that -n, --profile or the environment mean; they are kept for a few \
                        seconds, and nothing is said when the cluster is away. Print the script anew after an upgrade."
)]
pub(crate) struct Args {
    /// The shell to write for
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let name = match args.shell {
        Shell::Bash => "bash",
        Shell::Elvish => "elvish",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Zsh => "zsh",
    };
    let shells = Shells::builtins();
    let shell = shells
        .completer(name)
        .ok_or_else(|| CliError::failed(format!("there is no completion for {name}")))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "mq", "mq", "mq", &mut script)?;
    output.raw(&script)?;
    Ok(Exit::Done)
}
