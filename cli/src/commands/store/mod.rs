//! `mq store`: work on a store folder, without a broker.

use std::path::PathBuf;
use std::sync::Mutex;

use clap::Subcommand;
use indicatif::ProgressBar;
use store::fs::OsFileSystem;
use store::inspect::{OfflineStore, Step};
use store::{StoreConfig, StoreError};

use crate::commands::broker::settings::Settings;
use crate::error::{CliError, Exit, Result};
use crate::instance::Registry;
use crate::output::Output;
use crate::progress;

mod cat;
pub(crate) mod clean;
pub(crate) mod info;
pub(crate) mod rebuild;
pub(crate) mod verify;

/// The store folder of a broker that does not run
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Cat(cat::Args),
    Clean(clean::Args),
    Info(info::Args),
    Rebuild(rebuild::Args),
    Verify(verify::Args),
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::Cat(args) => cat::run(args, output),
        Command::Clean(args) => clean::run(args, output),
        Command::Info(args) => info::run(args, output),
        Command::Rebuild(args) => rebuild::run(args, output),
        Command::Verify(args) => verify::run(args, output),
    }
}

/// A store folder, and what its broker is told about it.
#[derive(Debug, clap::Args)]
struct Folder {
    /// The folder: storePathRootDir of the broker
    store: PathBuf,
    /// Configuration file of the broker, where it differs from the defaults: folder of the log, sizes of index files,
    /// delay levels, retention
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Folder {
    /// `what`: what cannot be done when this fails, as "check".
    fn open(&self, what: &str) -> Result<OfflineStore> {
        let config = self.store_config()?;
        OfflineStore::open(OsFileSystem, config).map_err(|error| self.refused(what, &error))
    }

    fn store_config(&self) -> Result<StoreConfig> {
        let Some(file) = &self.config else {
            return Ok(StoreConfig::new(&self.store));
        };
        let (broker, _) = Settings::of_file(file).read()?;
        let what = format!("cannot use the configuration file {}", file.display());
        let config = broker
            .store_config(broker.listen_port)
            .map_err(|e| CliError::usage(what).because(&e))?;
        Ok(StoreConfig {
            root: self.store.clone(),
            ..config
        })
    }

    fn refused(&self, what: &str, error: &StoreError) -> CliError {
        let what = format!("cannot {what} the store {}", self.store.display());
        match error {
            StoreError::Locked { pid, .. } => {
                CliError::refused(format!("{what}: it is in use by {}", user(*pid)))
                    .hint("stop the broker first: mq shutdown broker; a running broker deletes expired files by itself")
            }
            StoreError::Unsupported { .. } => CliError::not_found(what).because(error),
            _ => CliError::failed(what).because(error),
        }
    }
}

/// The process as people know it.
fn user(pid: Option<i32>) -> String {
    let Some(pid) = pid else {
        return "another process".to_owned();
    };
    let running = Registry::open().and_then(|registry| registry.running());
    let ours = running
        .ok()
        .and_then(|running| running.into_iter().find(|instance| instance.pid == pid));
    let name = ours.map_or_else(
        || {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.map_or("another process".to_owned(), |name| name.trim().to_owned())
        },
        |instance| instance.name,
    );
    format!("{name} (pid {pid})")
}

/// Shows how far the work has come, as the library tells it.
struct Shown {
    verb: &'static str,
    bar: Mutex<ProgressBar>,
}

impl Shown {
    fn new(verb: &'static str) -> Self {
        Self {
            verb,
            bar: Mutex::new(ProgressBar::hidden()),
        }
    }

    fn step(&self, step: Step) {
        let Ok(mut bar) = self.bar.lock() else {
            return;
        };
        match step {
            Step::Begin { what, bytes } => {
                bar.finish_and_clear();
                *bar = progress::bytes(bytes, format!("{} {what}", self.verb));
            }
            Step::Done(bytes) => bar.inc(bytes),
        }
    }

    /// Nothing is left of it on the screen.
    fn end(&self) {
        if let Ok(bar) = self.bar.lock() {
            bar.finish_and_clear();
        }
    }
}
