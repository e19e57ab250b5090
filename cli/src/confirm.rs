//! Asking before something is destroyed, or a running server made to work differently.

use std::io::{self, BufRead, IsTerminal};

use clap::Args;

use crate::error::{CliError, Result};
use crate::output::Output;

/// Flags of every command that destroys something, or lets a server work differently.
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// Only show what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do it without asking; needed when standard input or output is no terminal
    #[arg(short, long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
}

impl Confirm {
    /// Whether somebody will be asked, who is to see the plan first.
    pub(crate) fn asks(&self, output: &Output) -> bool {
        !self.dry_run && !self.yes && io::stdin().is_terminal() && output.is_terminal()
    }

    /// Whether to go on, once the plan has been shown.
    ///
    /// # Errors
    /// Usage (exit 2) when nobody can be asked, refused (exit 5) when the answer was no.
    pub(crate) fn go_on(&self, output: &Output, question: &str) -> Result<bool> {
        if let Some(settled) = self.settled(output)? {
            return Ok(settled);
        }
        output.note_inline(&format!("{question} [y/N] "));
        if matches!(answer()?.trim(), "y" | "Y" | "yes") {
            return Ok(true);
        }
        Err(CliError::refused("not confirmed, nothing was changed"))
    }

    /// As [`Self::go_on`], for what cannot be undone: the name of what it is done to has to be typed.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn go_on_by_name(&self, output: &Output, why: &str, named: &str) -> Result<bool> {
        if let Some(settled) = self.settled(output)? {
            return Ok(settled);
        }
        name(output, why, named)?;
        Ok(true)
    }

    /// What the flags say; `None` when somebody is to be asked.
    fn settled(&self, output: &Output) -> Result<Option<bool>> {
        if self.dry_run {
            return Ok(Some(false));
        }
        if self.yes {
            return Ok(Some(true));
        }
        if !(io::stdin().is_terminal() && output.is_terminal()) {
            return Err(
                CliError::usage("this wants a yes, and there is no terminal to ask on")
                    .hint("add --yes to do it, or --dry-run to see what would be done"),
            );
        }
        Ok(None)
    }
}

/// Asks whoever sits at the terminal to type a name before a change; in a pipe nobody is asked.
///
/// # Errors
/// Refused (exit 5) when it was another name.
pub(crate) fn name(output: &Output, why: &str, name: &str) -> Result<()> {
    if !(io::stdin().is_terminal() && output.is_terminal()) {
        return Ok(());
    }
    output.note_inline(&format!("{why}; type {name} to go on: "));
    if answer()?.trim() == name {
        return Ok(());
    }
    Err(CliError::refused("not confirmed, nothing was changed"))
}

fn answer() -> Result<String> {
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| CliError::failed("cannot read the answer").because(&e))?;
    Ok(answer)
}
