//! `mq install-links`: Apache's programs under their own names.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::dropin::Program;
use crate::error::{CliError, Exit, Result};
use crate::output::Output;

/// Make links named mqadmin, mqnamesrv, mqbroker and mqshutdown, by which this program is each of them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq install-links ~/.local/bin\n  mq install-links /opt/rocketmq/bin --force"
)]
pub(crate) struct Args {
    /// Where to make them; made if it does not exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Put them in the place of what has these names
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let ours = std::env::current_exe()
        .and_then(fs::canonicalize)
        .map_err(|e| CliError::failed("cannot find this program's file").because(&e))?;
    let folder = args.folder.display();
    fs::create_dir_all(&args.folder)
        .map_err(|e| CliError::failed(format!("cannot make the folder {folder}")).because(&e))?;
    for name in Program::NAMES {
        let link = args.folder.join(name);
        let failed = |e: io::Error| {
            CliError::failed(format!("cannot make the link {}", link.display())).because(&e)
        };
        if fs::canonicalize(&link).is_ok_and(|target| target == ours) {
            output.line(&format!("{} is there", link.display()))?;
            continue;
        }
        if fs::symlink_metadata(&link).is_ok() {
            if !args.force {
                let problem = format!("{} is something else", link.display());
                return Err(CliError::refused(problem).hint("--force replaces it"));
            }
            fs::remove_file(&link).map_err(failed)?;
        }
        symlink(&ours, &link).map_err(failed)?;
        output.line(&format!("{} made", link.display()))?;
    }
    Ok(Exit::Done)
}
