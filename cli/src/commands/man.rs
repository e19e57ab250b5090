//! `mq man`: manual pages, made of what `--help` says.

use std::path::PathBuf;

use clap::Command;

use crate::error::{CliError, Exit, Result};
use crate::output::Output;

/// Print a manual page, or write all of them into a folder
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq man | man -l -\n  mq man topic create | man -l -\n  \
                        mq man --dir ~/.local/share/man/man1"
)]
pub(crate) struct Args {
    /// The command; mq itself without one
    command: Vec<String>,
    /// Write a page for every command into this folder, which is made if it is not there
    #[arg(long, conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// `root`: the whole command line.
pub(crate) fn run(args: &Args, mut root: Command, output: &Output) -> Result<Exit> {
    let failed = |e: std::io::Error| CliError::failed("cannot write the manual").because(&e);
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).map_err(failed)?;
        clap_mangen::generate_to(root, dir).map_err(failed)?;
        output.note(&format!("manual pages are in {}", dir.display()));
        return Ok(Exit::Done);
    }
    root.build();
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(find(&root, &args.command)?.clone());
    man.render(&mut page).map_err(failed)?;
    output.raw(&page)?;
    Ok(Exit::Done)
}

/// The command that stands at the end of a path of names.
///
/// # Errors
/// Not found, with the nearest name.
pub(crate) fn find<'a>(root: &'a Command, path: &[String]) -> Result<&'a Command> {
    let mut command = root;
    for (place, name) in path.iter().enumerate() {
        command = command.find_subcommand(name).ok_or_else(|| {
            let path = path[..=place].join(" ");
            let names = command.get_subcommands().map(Command::get_name);
            CliError::not_found(format!("there is no command 'mq {path}'")).did_you_mean(
                name,
                names,
                "mq --help lists them",
            )
        })?;
    }
    Ok(command)
}
