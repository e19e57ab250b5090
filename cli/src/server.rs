//! What all server processes have in common: runtime, log, signals, being detached, being on file while they run.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

use crate::error::{CliError, Exit, Result};
use crate::instance::{Instance, Registry, state_folder};
use crate::output::Output;
use crate::runtime;

/// Set for the process that `-d` starts.
const DETACHED: &str = "MQ_DETACHED";
const WORKERS: usize = 2;
/// Daily log files kept by a detached server.
const LOG_FILES: usize = 14;
/// What is under way when a server is asked to end gets so long to finish.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// For the servers: what is heavy has threads of its own.
pub(crate) fn runtime() -> Result<Runtime> {
    runtime::of_threads(WORKERS)
}

/// Whether `-d` was given, and this is not yet the process that it starts.
pub(crate) fn must_detach(detach: bool) -> bool {
    detach && !is_detached()
}

fn is_detached() -> bool {
    std::env::var_os(DETACHED).is_some()
}

/// Runs this command line again, in a session of its own, and returns when that process has booted or ended.
pub(crate) fn detach(output: &Output) -> Result<Exit> {
    let failed =
        |e: std::io::Error| CliError::failed("cannot start a detached process").because(&e);
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(std::env::args_os().skip(1))
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // It prints nothing before it has booted, and then gives its standard output away.
    let mut booted = false;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout)
            .lines()
            .map_while(std::io::Result::ok)
        {
            output.line(&line)?;
            booted = true;
        }
    }
    if booted {
        return Ok(Exit::Done);
    }
    // Its standard error is ours: it has said why.
    child.wait().map_err(failed)?;
    Ok(Exit::Failed)
}

/// A server process: its log, and its entry among the running ones.
#[derive(Debug)]
pub(crate) struct Server {
    registry: Registry,
    instance: Instance,
    log: Log,
}

/// Where this server's log goes.
#[derive(Debug)]
pub(crate) struct Log {
    folder: Option<PathBuf>,
    /// Writes out what is left when dropped.
    _guard: Option<WorkerGuard>,
}

/// Starts the log: on standard error, or for a detached server in daily files `NAME.DATE.log`. `RUST_LOG` chooses what is
/// in it, else `level` does.
pub(crate) fn start_log(name: &str, level: &str) -> Result<Log> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false);
    if !is_detached() {
        let color = std::io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        subscriber
            .with_writer(std::io::stderr)
            .with_ansi(color)
            .init();
        return Ok(Log {
            folder: None,
            _guard: None,
        });
    }
    // Ctrl-C in the terminal that it was started from, and the end of that terminal, are not for it.
    rustix::process::setsid()
        .map_err(|e| CliError::failed("cannot leave the terminal's session").because(&e))?;
    let base = etcetera::choose_base_strategy()
        .map_err(|e| CliError::failed("cannot find the home folder").because(&e))?;
    let folder = state_folder(&base).join("log");
    let unwritable = |e: &(dyn std::error::Error + 'static)| {
        CliError::failed(format!("cannot write logs to {}", folder.display())).because(e)
    };
    std::fs::create_dir_all(&folder).map_err(|e| unwritable(&e))?;
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(name)
        .filename_suffix("log")
        .max_log_files(LOG_FILES)
        .build(&folder)
        .map_err(|e| unwritable(&e))?;
    let (writer, guard) = tracing_appender::non_blocking(file);
    subscriber.with_writer(writer).with_ansi(false).init();
    // Standard error will be closed: a panic has to be found in the log.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(Log {
        folder: Some(folder),
        _guard: Some(guard),
    })
}

impl Server {
    /// Called when everything listens: puts the process on file and says so, a detached one for the last time.
    pub(crate) fn booted(
        mut instance: Instance,
        log: Log,
        lines: &[String],
        output: &Output,
    ) -> Result<Self> {
        let registry = Registry::open()?;
        // Clears away what others left behind.
        registry.running()?;
        instance.log.clone_from(&log.folder);
        registry.write(&instance)?;
        for line in lines {
            output.line(line)?;
        }
        if let Some(folder) = &log.folder {
            output.line(&format!(
                "pid {}, logs in {}",
                instance.pid,
                folder.display()
            ))?;
            let failed = |e: std::io::Error| CliError::failed("cannot open /dev/null").because(&e);
            let null = OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/null")
                .map_err(failed)?;
            rustix::stdio::dup2_stdout(&null).map_err(|e| failed(e.into()))?;
            rustix::stdio::dup2_stderr(&null).map_err(|e| failed(e.into()))?;
        }
        Ok(Self {
            registry,
            instance,
            log,
        })
    }

    /// Called when everything is safe: says so here, in the log, and to the one who asked for the shutdown.
    pub(crate) fn stopped(self, last_word: &str, output: &Output) -> Result<Exit> {
        tracing::info!(
            "{} {} stopped: {last_word}",
            self.instance.kind,
            self.instance.name
        );
        let stopped = Instance {
            stopped: Some(last_word.to_owned()),
            ..self.instance
        };
        self.registry.write(&stopped)?;
        drop(self.log);
        output.line(&format!("stopped: {last_word}"))?;
        Ok(Exit::Done)
    }
}

/// A warning about the start: in the log, and before the eyes of the one who starts a detached server.
pub(crate) fn warn(output: &Output, text: &str) {
    tracing::warn!("{text}");
    if is_detached() {
        output.note(&format!("warning: {text}"));
    }
}

/// The signals that ask the process to end. Once this exists they do nothing else any more.
pub(crate) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// Must be called within the runtime.
    pub(crate) fn watch() -> Result<Self> {
        let watch = |kind| {
            signal(kind).map_err(|e| CliError::failed("cannot wait for signals").because(&e))
        };
        Ok(Self {
            terminate: watch(SignalKind::terminate())?,
            interrupt: watch(SignalKind::interrupt())?,
        })
    }

    /// Returns when one has come, with its name.
    pub(crate) async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
