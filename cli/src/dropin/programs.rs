//! Apache's start and stop scripts.

use broker_core::config::{BrokerConfig, Environment};
use clap::Parser;

use super::Generation;
use super::options::{Given, Opt, Options, flag, val};
use crate::args::Cli;
use crate::commands::{self, shutdown};
use crate::error::{CliError, Exit, Result};
use crate::instance::{Kind, Registry};
use crate::output::Output;

const BROKER_OPTIONS: &[Opt] = &[
    val("c", "configFile", "configuration file"),
    flag("p", "printConfigItem", "print all settings and end"),
    flag(
        "m",
        "printImportantConfig",
        "print the settings that matter most and end",
    ),
];

const NAMESRV_OPTIONS: &[Opt] = &[
    val("c", "configFile", "configuration file"),
    flag("p", "printConfigItem", "print all settings and end"),
];

/// Settings that `mqbroker -m` prints.
const IMPORTANT: [&str; 35] = [
    "accessMessageInMemoryMaxRatio",
    "aclEnable",
    "autoCreateSubscriptionGroup",
    "autoCreateTopicEnable",
    "brokerClusterName",
    "brokerId",
    "brokerIP1",
    "brokerName",
    "brokerRole",
    "cleanFileForciblyEnable",
    "commitIntervalCommitLog",
    "deleteWhen",
    "fetchNamesrvAddrByAddressServer",
    "fileReservedTime",
    "flushCommitLogTimed",
    "flushDiskType",
    "flushIntervalCommitLog",
    "haMasterAddress",
    "maxTransferBytesOnMessageInDisk",
    "maxTransferBytesOnMessageInMemory",
    "maxTransferCountOnMessageInDisk",
    "maxTransferCountOnMessageInMemory",
    "messageIndexEnable",
    "messageIndexSafe",
    "msgTraceTopicName",
    "namesrvAddr",
    "rejectTransactionMessage",
    "storePathCommitLog",
    "storePathDLedgerCommitLog",
    "storePathRootDir",
    "traceTopicEnable",
    "transactionCheckInterval",
    "transactionCheckMax",
    "transactionTimeOut",
    "transientStorePoolEnable",
];

/// Reads the options of a script; `None` if help was asked for and given.
fn parse(name: &str, own: &[Opt], words: &[String], output: &Output) -> Result<Option<Given>> {
    let options = Options::new(own, Generation::Four);
    let parsed = options.parse(words);
    if !parsed.as_ref().is_ok_and(|given| !given.has("h")) {
        output.raw(options.help(name).as_bytes())?;
    }
    match parsed {
        Ok(given) if given.has("h") => Ok(None),
        Ok(given) => Ok(Some(given)),
        Err(problem) => Err(CliError::usage(format!("{name}: {problem}"))),
    }
}

/// The same in our own words.
fn run_ours(words: &[&str], output: &Output) -> Result<Exit> {
    let cli = Cli::try_parse_from(["mq"].iter().chain(words))
        .map_err(|e| CliError::usage(e.to_string()))?;
    commands::run(cli.command, output)
}

/// `mqbroker -c FILE -n ADDRESSES`.
pub(super) fn mqbroker(words: &[String], output: &Output) -> Result<Exit> {
    let Some(given) = parse("mqbroker", BROKER_OPTIONS, words, output)? else {
        return Ok(Exit::Done);
    };
    if given.has("p") || given.has("m") {
        return print_broker_config(&given, output);
    }
    let mut words = vec!["broker", "start"];
    words.extend(given.get("c").into_iter().flat_map(|file| ["-c", file]));
    words.extend(given.get("n").into_iter().flat_map(|list| ["-n", list]));
    run_ours(&words, output)
}

fn print_broker_config(given: &Given, output: &Output) -> Result<Exit> {
    let entries = match given.get("c") {
        Some(file) => {
            let text = crate::settings::read(file.as_ref())?;
            let entries = remoting::protocol::properties::parse(&text).map_err(|e| {
                CliError::usage(format!("cannot read the configuration file {file}")).because(&e)
            })?;
            Some((file, entries))
        }
        None => None,
    };
    let file = entries
        .as_ref()
        .map(|(name, entries)| (*name, entries.as_slice()));
    let command_line: Vec<(&str, &str)> = given
        .get("n")
        .map(|list| ("namesrvAddr", list))
        .into_iter()
        .collect();
    let (config, _) =
        BrokerConfig::from_properties(file, &command_line, &Environment::of_process())
            .map_err(|errors| crate::settings::wrong("broker", &errors))?;
    let all = config.to_properties();
    let key = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    for line in all.lines() {
        if given.has("p") || IMPORTANT.contains(&key(line).as_str()) {
            output.line(line)?;
        }
    }
    Ok(Exit::Done)
}

/// `mqnamesrv -c FILE`.
pub(super) fn mqnamesrv(words: &[String], output: &Output) -> Result<Exit> {
    let Some(given) = parse("mqnamesrv", NAMESRV_OPTIONS, words, output)? else {
        return Ok(Exit::Done);
    };
    if given.has("p") {
        let (text, name) = match given.get("c") {
            Some(file) => (crate::settings::read(file.as_ref())?, file),
            None => (String::new(), ""),
        };
        let (config, _) = namesrv_core::NamesrvConfig::from_properties(&text, name, &[])
            .map_err(|errors| crate::settings::wrong("name server", &errors))?;
        output.raw(config.to_properties().as_bytes())?;
        return Ok(Exit::Done);
    }
    let mut words = vec!["namesrv", "start"];
    words.extend(given.get("c").into_iter().flat_map(|file| ["-c", file]));
    run_ours(&words, output)
}

/// `mqshutdown broker|namesrv`: all of this host, as Apache does; but only ours, and it waits for their end.
pub(super) fn mqshutdown(words: &[String], output: &Output) -> Result<Exit> {
    let kind = match words {
        [kind] if kind == "broker" => Kind::Broker,
        [kind] if kind == "namesrv" => Kind::Namesrv,
        _ => {
            return Err(CliError::usage("Useage: mqshutdown broker | namesrv"));
        }
    };
    let name = format!("mq{kind}");
    let mut running = Registry::open()?.running()?;
    running.retain(|instance| instance.kind == kind);
    if running.is_empty() {
        return Err(CliError::not_found(format!("No {name} running.")));
    }
    let pids: Vec<String> = running
        .iter()
        .map(|instance| instance.pid.to_string())
        .collect();
    let pids = pids.join(" ");
    output.line(&format!("The {name}({pids}) is running..."))?;
    commands::wait_for(async {
        for instance in running {
            shutdown::stop(instance, shutdown::WAIT).await?;
        }
        Ok(Exit::Done)
    })?;
    output.line(&format!("Send shutdown request to {name}({pids}) OK"))?;
    Ok(Exit::Done)
}
