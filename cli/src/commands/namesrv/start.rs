//! `mq namesrv start`.

use std::path::{Path, PathBuf};

use namesrv_core::{ConfigWarning, Namesrv, NamesrvConfig, StartError};

use crate::error::{CliError, Exit, Result};
use crate::instance::{Instance, Kind};
use crate::output::Output;
use crate::ports;
use crate::server::{self, DRAIN, EndSignals, Server};
use crate::settings;

/// Apache's words; scripts wait for them.
pub(crate) const BOOT_SUCCESS: &str = "The Name Server boot success. serializeType=JSON";

/// Start a name server
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq namesrv start\n  mq namesrv start -c namesrv.conf -d\n\n\
                  SIGTERM, Ctrl-C or mq shutdown namesrv end it in an orderly way. RUST_LOG=debug logs more."
)]
pub(crate) struct Args {
    /// Configuration file, as of Apache's name server; mq config template namesrv.conf prints one
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen here, whatever the file says [default: 9876]
    #[arg(long)]
    port: Option<u16>,
    /// Go on in the background once it listens
    #[arg(short, long)]
    detach: bool,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    if server::must_detach(args.detach) {
        return server::detach(output);
    }
    serve(args.config.as_deref(), args.port, output)
}

/// What a name server is told by a file, and by a port that wins over it; and what in it has no effect.
///
/// # Errors
/// Not found, failed, or usage with all settings that are wrong.
pub(crate) fn read_config(
    file: Option<&Path>,
    port: Option<u16>,
) -> Result<(NamesrvConfig, Vec<ConfigWarning>)> {
    let (text, name) = match file {
        Some(file) => (settings::read(file)?, file.display().to_string()),
        None => (String::new(), String::new()),
    };
    let port = port.map(|port| ("listenPort".to_owned(), port.to_string()));
    NamesrvConfig::from_properties(&text, &name, port.as_slice())
        .map_err(|errors| settings::wrong("name server", &errors))
}

/// Is a name server until it is told to end.
pub(crate) fn serve(file: Option<&Path>, port: Option<u16>, output: &Output) -> Result<Exit> {
    let (config, warnings) = read_config(file, port)?;
    let log = server::start_log("namesrv", "info")?;
    for warning in &warnings {
        server::warn(output, &warning.to_string());
    }
    let kv_config = config.kv_config_path.display().to_string();
    server::runtime()?.block_on(async {
        let mut signals = EndSignals::watch()?;
        let namesrv = Namesrv::start(config).await.map_err(not_started)?;
        let address = namesrv.address();
        let name = address.port().to_string();
        let instance = Instance::this(Kind::Namesrv, &name, vec![address.to_string()], None)?;
        let lines = [
            BOOT_SUCCESS.to_owned(),
            format!("listening on {address}; KV configuration in {kv_config}"),
        ];
        let server = Server::booted(instance, log, &lines, output)?;
        let signal = signals.received().await;
        tracing::info!("{signal}: stopping");
        namesrv.shutdown(DRAIN).await;
        server.stopped("routes are gone, the KV configuration is saved", output)
    })
}

pub(crate) fn not_started(error: StartError) -> CliError {
    let failed = CliError::failed("cannot start the name server").because(&error);
    match error {
        StartError::AddressInUse { address } => {
            failed.hint(ports::hint(address.port(), "--port takes another"))
        }
        _ => failed,
    }
}
