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
use crate::instance::{Instance, Registry};
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
        self.open_or(what, |_| STOP_FIRST.to_owned())
    }

    /// As [`Self::open`]. `hint`: what to do while the process uses the folder, which is a server if it is known.
    fn open_or(
        &self,
        what: &str,
        hint: impl FnOnce(Option<&Instance>) -> String,
    ) -> Result<OfflineStore> {
        let config = self.store_config()?;
        OfflineStore::open(OsFileSystem, config).map_err(|error| {
            let what = format!("cannot {what} the store {}", self.store.display());
            match &error {
                StoreError::Locked { pid, .. } => {
                    let server = pid.and_then(server);
                    let user = user(*pid, server.as_ref());
                    CliError::refused(format!("{what}: it is in use by {user}"))
                        .hint(hint(server.as_ref()))
                }
                StoreError::Unsupported { .. } => CliError::not_found(what).because(&error),
                _ => CliError::failed(what).because(&error),
            }
        })
    }

    /// What it is called among the folders beside it.
    fn name(&self) -> String {
        let whole = self.store.canonicalize();
        let whole = whole.as_deref().unwrap_or(&self.store);
        let name = whole.file_name().unwrap_or(whole.as_os_str());
        name.to_string_lossy().into_owned()
    }

    fn store_config(&self) -> Result<StoreConfig> {
        let Some(file) = &self.config else {
            return Ok(StoreConfig::new(&self.store));
        };
        let (broker, _) = Settings::new(Some(file), None).read()?;
        let what = format!("cannot use the configuration file {}", file.display());
        let config = broker
            .store_config(broker.listen_port)
            .map_err(|e| CliError::usage(what).because(&e))?;
        Ok(StoreConfig {
            root: self.store.clone(),
            ..config
        })
    }
}

const STOP_FIRST: &str = "stop the broker first: mq shutdown broker";

/// The server that a process is, if it is one of ours.
fn server(pid: i32) -> Option<Instance> {
    let running = Registry::open().and_then(|registry| registry.running());
    let mut running = running.ok()?.into_iter();
    running.find(|instance| instance.pid == pid)
}

/// The process as people know it.
fn user(pid: Option<i32>, server: Option<&Instance>) -> String {
    let Some(pid) = pid else {
        return "another process".to_owned();
    };
    let name = server.map_or_else(
        || {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.map_or("another process".to_owned(), |name| name.trim().to_owned())
        },
        |instance| instance.name.clone(),
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
