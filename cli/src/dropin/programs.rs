//! Apache's start and stop scripts.

use std::path::Path;

use super::Generation;
use super::options::{Given, Opt, Options, flag, val};
use crate::commands::broker::settings::Settings;
use crate::commands::{broker, namesrv, shutdown};
use crate::error::{CliError, Exit, Result};
use crate::instance::{Kind, Registry};
use crate::output::Output;
use crate::runtime::wait_for;

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

/// `mqbroker -c FILE -n ADDRESSES`.
pub(super) fn mqbroker(words: &[String], output: &Output) -> Result<Exit> {
    let Some(given) = parse("mqbroker", BROKER_OPTIONS, words, output)? else {
        return Ok(Exit::Done);
    };
    let settings = Settings::new(given.get("c").map(Path::new), given.get("n"));
    if given.has("p") || given.has("m") {
        return print_broker_config(&settings, given.has("p"), output);
    }
    broker::serve(&settings, output)
}

fn print_broker_config(settings: &Settings, all: bool, output: &Output) -> Result<Exit> {
    let (config, _) = settings.read()?;
    for line in config.to_properties().lines() {
        let key = line.split('=').next().unwrap_or_default();
        if all || IMPORTANT.contains(&key) {
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
    let file = given.get("c").map(Path::new);
    if given.has("p") {
        let (config, _) = namesrv::read_config(file, None)?;
        output.raw(config.to_properties().as_bytes())?;
        return Ok(Exit::Done);
    }
    namesrv::serve(file, None, output)
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
    wait_for(async {
        for instance in running {
            shutdown::stop(instance, shutdown::WAIT).await?;
        }
        Ok(Exit::Done)
    })?;
    output.line(&format!("Send shutdown request to {name}({pids}) OK"))?;
    Ok(Exit::Done)
}
