//! The command line of `mq`: arguments in, rows and exit codes out.
//!
//! One file per noun in `commands`; `output` is the only place that prints. Clusters are known over the wire only (crate
//! `client`), so every command works on Apache's servers as well; the exceptions are `start` and `dev`, which run our
//! servers in this process, and `store`, which works on a folder. Called by the name of one of Apache's programs, it is
//! that program: see `dropin`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::CompleteEnv;

use crate::args::Cli;
use crate::commands::completion;
use crate::output::Output;

pub(crate) use client::time;

mod args;
mod change;
mod commands;
mod complete;
mod config_file;
mod confirm;
mod dropin;
mod error;
mod instance;
mod lookup;
mod output;
mod ports;
mod profile;
mod progress;
mod queue;
mod runtime;
mod server;
mod settings;
mod watch;

/// Runs one command line, program name first; returns how the process should end.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let completing = CompleteEnv::with_factory(complete::command).var(completion::VARIABLE);
    // A shell that asks for candidates; it has no use for errors.
    if !matches!(completing.try_complete(args.clone(), None), Ok(false)) {
        return ExitCode::SUCCESS;
    }
    let output = Output::new();
    if let Some(program) = dropin::Program::called(args.first()) {
        let words: Vec<String> = args
            .iter()
            .skip(1)
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        return program.run(&words, &output).into();
    }
    let (cli, unused) = match Cli::read(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version arrive here as well. A reader that went away does not matter.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    for flag in unused {
        output.note(&format!("warning: --{flag} has no effect on this command"));
    }
    commands::run(cli.command, Cli::command, &output)
        .unwrap_or_else(|error| output.error(&error))
        .into()
}
