//! `mq broker check`: what a broker would do with its settings, and whether this machine lets it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use broker_core::config::{BrokerConfig, Change, EffectiveValue};
use rustix::fs::Access;
use store::fs::{File, FileSystem, OpenMode, OsFileSystem};

use super::settings::Settings;
use crate::error::{CliError, Exit, Result};
use crate::output::{Output, Print, Report, row};
use crate::ports;

/// Check a broker's settings without starting it: effective values with their origin, ports, folders
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq broker check -c broker.conf\n  mq broker check -c broker.conf -o wide\n  \
                  mq broker check -c broker.conf --set listenPort=10921 -o json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    print: Print,
}

row! {
    struct SettingRow named by key {
        key: String,
        value: String,
        origin: String,
        changes_live: bool as wide,
        help: String as wide,
    }
}

impl From<EffectiveValue> for SettingRow {
    fn from(value: EffectiveValue) -> Self {
        Self {
            key: value.key.to_owned(),
            value: value.value,
            origin: value.origin.to_string(),
            changes_live: value.change == Change::Live,
            help: value.help.to_owned(),
        }
    }
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let (config, warnings) = args.settings.read()?;
    let rows: Vec<SettingRow> = config
        .effective()
        .into_iter()
        .map(SettingRow::from)
        .collect();
    output.report(args.print.format, &Report::from(rows))?;
    for warning in &warnings {
        output.note(&format!("warning: {warning}"));
    }
    let found: Vec<Result<String, String>> = ports_of(&config)
        .map(|port| try_port(SocketAddr::new(config.bind_address, port)))
        .chain(folders_of(&config).map(try_folder))
        .chain([try_lock(&config), try_space(&config)])
        .collect();
    for line in &found {
        match line {
            Ok(fine) => output.note(&format!("ok: {fine}")),
            Err(problem) => output.note(&format!("problem: {problem}")),
        }
    }
    match found.iter().filter(|line| line.is_err()).count() {
        0 => Ok(Exit::Done),
        problems => Err(CliError::failed(format!(
            "broker {} cannot start on this machine as it is now: {problems} of {} checks failed",
            config.broker_name,
            found.len()
        ))),
    }
}

/// The port for clients, and the one two below for those that prefer it.
fn ports_of(config: &BrokerConfig) -> impl Iterator<Item = u16> + use<> {
    let port = config.listen_port;
    [Some(port), port.checked_sub(2)]
        .into_iter()
        .flatten()
        .filter(|port| *port != 0)
}

fn folders_of(config: &BrokerConfig) -> impl Iterator<Item = &Path> {
    let log = config.store_path_commit_log.as_deref();
    [Some(config.store_path_root_dir.as_path()), log]
        .into_iter()
        .flatten()
}

fn try_port(address: SocketAddr) -> Result<String, String> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(format!("{address} is free")),
        Err(e) => {
            let holder =
                ports::holder(address.port()).map_or(String::new(), |who| format!(", by {who}"));
            Err(format!("{address} cannot be listened on: {e}{holder}"))
        }
    }
}

/// A folder that is not there yet is made below the nearest one that is.
fn try_folder(folder: &Path) -> Result<String, String> {
    let absolute = std::path::absolute(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let existing = absolute
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    let access = if existing.is_dir() {
        rustix::fs::access(existing, Access::WRITE_OK | Access::EXEC_OK).map_err(|e| e.to_string())
    } else {
        Err("is not a folder".to_owned())
    };
    match access {
        Err(e) => Err(format!(
            "folder {} cannot be used: {}: {e}",
            folder.display(),
            existing.display()
        )),
        Ok(()) if existing == absolute => Ok(format!("folder {} can be written", folder.display())),
        Ok(()) => Ok(format!("folder {} will be created", folder.display())),
    }
}

fn try_lock(config: &BrokerConfig) -> Result<String, String> {
    let root = config.store_path_root_dir.display();
    let lock = config.store_path_root_dir.join("lock");
    // A store that was never opened has none, and one that cannot be read has been reported.
    let taken = OsFileSystem
        .open(&lock, OpenMode::ReadWrite)
        .is_ok_and(|file| matches!(file.try_lock(), Ok(false)));
    if taken {
        Err(format!("store {root} is in use by another broker"))
    } else {
        Ok(format!("store {root} is not in use"))
    }
}

fn try_space(config: &BrokerConfig) -> Result<String, String> {
    let log = config
        .store_path_commit_log
        .as_deref()
        .unwrap_or(&config.store_path_root_dir);
    let absolute = std::path::absolute(log).map_err(|e| format!("{}: {e}", log.display()))?;
    let existing = absolute
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    let usage = OsFileSystem
        .disk_usage(existing)
        .map_err(|e| format!("the space of {} is unknown: {e}", existing.display()))?;
    let used = usage.used_ratio() * 100.0;
    let limit = config.disk_space_warning_level_ratio;
    let place = existing.display();
    if used > f64::from(limit) {
        Err(format!(
            "the disk of {place} is {used:.0} % full: sends are refused above {limit} % (diskSpaceWarningLevelRatio)"
        ))
    } else {
        Ok(format!(
            "the disk of {place} is {used:.0} % full, sends are refused above {limit} %"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_tried_without_being_made() {
        let home = tempfile::tempdir().unwrap();
        let new = home.path().join("a/b");
        assert!(try_folder(&new).unwrap().ends_with("will be created"));
        assert!(!new.exists());
        assert!(try_folder(home.path()).unwrap().ends_with("can be written"));
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(
            try_folder(&file.join("store"))
                .unwrap_err()
                .ends_with("is not a folder")
        );
    }

    #[test]
    fn a_port_in_use_names_its_holder() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let problem = try_port(listener.local_addr().unwrap()).unwrap_err();
        assert!(
            problem.contains(&format!("(pid {})", std::process::id())),
            "{problem}"
        );
    }
}
