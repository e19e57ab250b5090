//! `mq dev`: a name server and brokers in one process, on loopback, ready to use.

use std::path::{Path, PathBuf};

use broker_core::RunningBroker;
use broker_core::config::BrokerConfig;
use etcetera::BaseStrategy;
use namesrv_core::{Namesrv, NamesrvConfig};
use tempfile::TempDir;

use crate::commands::{broker, namesrv};
use crate::error::{CliError, Exit, Result};
use crate::instance::{Instance, Kind};
use crate::output::Output;
use crate::profile;
use crate::server::{self, DRAIN, EndSignals, Server};
use crate::settings;

/// A broker's default port, seen from the name server's.
const BROKER_PORT_ABOVE: u16 = 10_911 - 9876;
/// From one broker to the next; two below each is taken as well.
const BROKER_PORT_STEP: u16 = 10;

/// Run a name server and a broker on this machine, ready to use
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq dev                  data is kept for the next time\n  mq dev --temp           gone at the end\n  \
                  mq dev --brokers 2      two masters: topics are spread over both\n\n\
                  Ctrl-C or mq shutdown dev ends it. Nobody but programs on this machine can connect."
)]
pub(crate) struct Args {
    /// So many brokers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=26))]
    brokers: u8,
    /// Keep the data in this folder [default: mq/dev in the user's data folder]
    #[arg(long, value_name = "DIR", conflicts_with = "temp")]
    data: Option<PathBuf>,
    /// Keep the data in a folder that is gone at the end
    #[arg(long)]
    temp: bool,
    /// The name server's port, the first broker's being 1035 above it and each next one's 10 above the last; 0 takes free
    /// ports
    #[arg(long, default_value_t = profile::DEFAULT_PORT)]
    port: u16,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    // Held to the end: then it is gone with all it holds.
    let (_temp, data) = data_folder(args)?;
    // What is worth knowing is on the screen; the log is for what goes wrong.
    let log = server::start_log("dev", "warn")?;
    server::runtime()?.block_on(async {
        let mut signals = EndSignals::watch()?;
        let namesrv = Namesrv::start(namesrv_config(args.port, &data)?)
            .await
            .map_err(namesrv::not_started)?;
        let address = namesrv.address().to_string();
        let mut lines = vec![namesrv::BOOT_SUCCESS.to_owned()];
        let mut addresses = vec![address.clone()];
        let mut brokers = Vec::new();
        for number in 0..args.brokers {
            let config = broker_config(number, args.port, &address, &data)?;
            let broker = RunningBroker::start(config.clone(), None)
                .await
                .map_err(|e| broker::not_started(&e, &config))?;
            broker.registered().await;
            lines.push(broker::boot_success(&broker, &config));
            addresses.push(broker.advertised_address());
            brokers.push((config, broker));
        }
        lines.extend(welcome(args, &address, &data));
        let instance = Instance::this(Kind::Dev, "dev", addresses, Some(&data))?;
        let server = Server::booted(instance, log, &lines, output)?;
        signals.received().await;
        let mut last_words = Vec::new();
        for (config, broker) in brokers {
            let word =
                broker::last_word(&config.store_path_root_dir, broker.shutdown(DRAIN).await)?;
            last_words.push(format!("{} {word}", config.broker_name));
        }
        namesrv.shutdown(DRAIN).await;
        server.stopped(&last_words.join("; "), output)
    })
}

fn data_folder(args: &Args) -> Result<(Option<TempDir>, PathBuf)> {
    if args.temp {
        let folder = TempDir::with_prefix("mq-dev-")
            .map_err(|e| CliError::failed("cannot create a folder for the data").because(&e))?;
        let path = folder.path().to_owned();
        return Ok((Some(folder), path));
    }
    let path = match &args.data {
        Some(path) => std::path::absolute(path),
        None => etcetera::choose_base_strategy()
            .map(|base| base.data_dir().join("mq").join("dev"))
            .map_err(std::io::Error::other),
    };
    let path =
        path.map_err(|e| CliError::failed("cannot find the folder for the data").because(&e))?;
    std::fs::create_dir_all(&path).map_err(|e| {
        CliError::failed(format!("cannot create folder {}", path.display())).because(&e)
    })?;
    Ok((None, path))
}

fn namesrv_config(port: u16, data: &Path) -> Result<NamesrvConfig> {
    let file = |name: &str| data.join("namesrv").join(name).display().to_string();
    let settings = [
        ("listenPort", port.to_string()),
        ("bindAddress", "127.0.0.1".to_owned()),
        ("kvConfigPath", file("kvConfig.json")),
        ("configStorePath", file("namesrv.properties")),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    NamesrvConfig::from_properties("", "", &settings)
        .map(|(config, _)| config)
        .map_err(|errors| settings::wrong("name server", &errors))
}

fn broker_config(
    number: u8,
    namesrv_port: u16,
    namesrv: &str,
    data: &Path,
) -> Result<BrokerConfig> {
    let name = format!("broker-{}", char::from(b'a' + number));
    let port = broker_port(number, namesrv_port)?.to_string();
    let store = data.join(&name).display().to_string();
    BrokerConfig::with(&[
        ("brokerName", &name),
        ("brokerIP1", "127.0.0.1"),
        ("brokerIP2", "127.0.0.1"),
        ("bindAddress", "127.0.0.1"),
        ("listenPort", &port),
        ("namesrvAddr", namesrv),
        ("storePathRootDir", &store),
        // A developer's disk is often nearly full, and not because of us.
        ("diskMaxUsedSpaceRatio", "95"),
        ("diskSpaceCleanForciblyRatio", "97"),
        ("diskSpaceWarningLevelRatio", "99"),
    ])
    .map_err(|errors| settings::wrong("broker", &errors))
}

fn broker_port(number: u8, namesrv_port: u16) -> Result<u16> {
    if namesrv_port == 0 {
        return Ok(0);
    }
    namesrv_port
        .checked_add(BROKER_PORT_ABOVE + u16::from(number) * BROKER_PORT_STEP)
        .ok_or_else(|| {
            CliError::usage(format!(
                "port {namesrv_port} leaves no ports for the brokers above it"
            ))
        })
}

fn welcome(args: &Args, address: &str, data: &Path) -> Vec<String> {
    let n = if args.port == profile::DEFAULT_PORT {
        String::new()
    } else {
        format!(" -n {address}")
    };
    let fate = if args.temp {
        "gone at the end"
    } else {
        "kept for the next time"
    };
    vec![
        String::new(),
        format!("name server for your programs: {address}"),
        format!("data ({fate}): {}", data.display()),
        String::new(),
        "Try in another terminal:".to_owned(),
        format!("  mq send orders 'hello'{n}"),
        format!("  mq consume orders --from first{n}"),
        format!("  mq tui{n}"),
        String::new(),
        "Ctrl-C ends it.".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_follow_from_the_name_servers() {
        for (number, namesrv, expected) in [
            (0, 9876, Some(10_911)),
            (1, 9876, Some(10_921)),
            (3, 0, Some(0)),
            (0, 65_000, None),
        ] {
            assert_eq!(
                broker_port(number, namesrv).ok(),
                expected,
                "{number} {namesrv}"
            );
        }
    }

    #[test]
    fn all_brokers_that_can_be_asked_for_can_be_configured() {
        for number in [0, 25] {
            broker_config(number, 9876, "127.0.0.1:9876", Path::new("/data")).unwrap();
        }
    }
}
