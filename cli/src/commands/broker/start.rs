//! `mq broker start`.

use std::path::Path;

use broker_core::config::BrokerConfig;
use broker_core::{RunningBroker, StartError};
use store::{FlushMode, ShutdownReport, StoreError};

use super::settings::Settings;
use crate::error::{CliError, Exit, Result};
use crate::instance::{Instance, Kind, Registry};
use crate::output::Output;
use crate::ports;
use crate::server::{self, DRAIN, EndSignals, Server};

/// Start a broker
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq broker start -n 127.0.0.1:9876\n  mq broker start -c broker.conf -d\n  \
                  mq broker start -c broker.conf --set listenPort=10921 --set flushDiskType=SYNC_FLUSH\n\n\
                  SIGTERM, Ctrl-C or mq shutdown broker end it in an orderly way. RUST_LOG=debug logs more."
)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Go on in the background once it has booted
    #[arg(short, long)]
    detach: bool,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    if server::must_detach(args.detach) {
        return server::detach(output);
    }
    serve(&args.settings, output)
}

/// Is a broker until it is told to end.
pub(crate) fn serve(settings: &Settings, output: &Output) -> Result<Exit> {
    let (config, warnings) = settings.read()?;
    let log = server::start_log(&format!("broker-{}", config.broker_name), "info")?;
    for warning in &warnings {
        server::warn(output, &warning.to_string());
    }
    if config.namesrv_addr.is_empty() {
        let problem =
            "no name server is set: clients do not find this broker; -n or namesrvAddr names one";
        server::warn(output, problem);
    }
    server::runtime()?.block_on(async {
        let mut signals = EndSignals::watch()?;
        let broker = RunningBroker::start(config.clone(), settings.config.clone())
            .await
            .map_err(|e| not_started(&e, &config))?;
        let store = config.store_path_root_dir.as_path();
        let address = broker.address().to_string();
        let instance = Instance::this(
            Kind::Broker,
            &config.broker_name,
            vec![address],
            Some(store),
        )?;
        let server = Server::booted(instance, log, &boot_lines(&broker, &config), output)?;
        let signal = signals.received().await;
        tracing::info!("{signal}: stopping");
        let stopped = broker.shutdown(DRAIN).await;
        server.stopped(&last_word(store, stopped)?, output)
    })
}

/// Apache's words; scripts wait for them.
pub(crate) fn boot_success(broker: &RunningBroker, config: &BrokerConfig) -> String {
    let mut line = format!(
        "The broker[{}, {}] boot success. serializeType=JSON",
        config.broker_name,
        broker.advertised_address()
    );
    if !config.namesrv_addr.is_empty() {
        line += " and name server is ";
        line += &config.namesrv_addr.join(";");
    }
    line
}

fn boot_lines(broker: &RunningBroker, config: &BrokerConfig) -> [String; 3] {
    let durability = match config.flush_disk_type {
        FlushMode::Sync => "SYNC_FLUSH: an answered send survives a power failure".to_owned(),
        FlushMode::Async => format!(
            "ASYNC_FLUSH: an answered send survives the end of the process; flushed every {} ms",
            config.flush_interval_commit_log
        ),
    };
    [
        boot_success(broker, config),
        format!(
            "listening on {}, given to clients as {}, in cluster {}",
            broker.address(),
            broker.advertised_address(),
            config.broker_cluster_name
        ),
        format!(
            "store {}, {durability}",
            config.store_path_root_dir.display()
        ),
    ]
}

/// What a shutdown made safe.
///
/// # Errors
/// Failed, when something is not on the disk.
pub(crate) fn last_word(
    store: &Path,
    stopped: Result<ShutdownReport, StoreError>,
) -> Result<String> {
    let hint = "nothing that was answered is lost unless the machine fails; the next start checks the store";
    let failed = || {
        CliError::failed(format!(
            "cannot close the store {} in good order",
            store.display()
        ))
        .hint(hint)
    };
    let report = stopped.map_err(|e| failed().because(&e))?;
    if !report.clean {
        return Err(failed());
    }
    Ok(format!(
        "flushed up to commit log offset {}",
        report.flushed_offset
    ))
}

pub(crate) fn not_started(error: &StartError, config: &BrokerConfig) -> CliError {
    let failed =
        CliError::failed(format!("cannot start broker {}", config.broker_name)).because(error);
    match error {
        StartError::AddressInUse { address } if address.port() == config.listen_port => {
            failed.hint(ports::hint(address.port(), "listenPort chooses another"))
        }
        StartError::AddressInUse { address } => failed.hint(ports::hint(
            address.port(),
            "listenPort, from which it is two below, chooses another",
        )),
        StartError::Store(StoreError::Locked { .. }) => {
            match store_user(&config.store_path_root_dir) {
                Some(user) => failed.hint(format!(
                    "{} {} (pid {}) uses it: mq shutdown {} {}",
                    user.kind, user.name, user.pid, user.kind, user.name
                )),
                None => {
                    failed.hint("one store belongs to one broker; storePathRootDir chooses another")
                }
            }
        }
        StartError::Store(StoreError::Io { .. }) => failed.hint(
            "the store needs a folder that this user may write and room on its disk: see mq broker check; \
             storePathRootDir chooses another",
        ),
        _ => failed,
    }
}

/// The server of ours that runs on this store.
fn store_user(root: &Path) -> Option<Instance> {
    let root = root.canonicalize().ok()?;
    let running = Registry::open()
        .and_then(|registry| registry.running())
        .ok()?;
    running.into_iter().find(|instance| {
        let store = instance
            .store
            .as_ref()
            .and_then(|store| store.canonicalize().ok());
        // The folder of `mq dev` holds those of its brokers.
        store.is_some_and(|store| root.starts_with(store))
    })
}
