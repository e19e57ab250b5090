//! What runs on this host: one small file per server process, so that `mq shutdown` stops exactly the one that was meant.
//!
//! Files lie in `$XDG_RUNTIME_DIR/mq`, or else in `mq/run` below the user's state folder. A process is known by its id
//! *and* its start time, since ids are used again. A server leaves behind what it did at its end (the flushed offset) for
//! the one who stopped it; such files, and those of processes that died, are cleared away by the next one who looks.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

use crate::error::{CliError, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Broker,
    Namesrv,
    /// Both in one process
    Dev,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broker => "broker",
            Self::Namesrv => "namesrv",
            Self::Dev => "dev",
        })
    }
}

/// A server process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) pid: i32,
    /// Clock ticks after boot, from `/proc/PID/stat`.
    pub(crate) start_ticks: u64,
    pub(crate) started_at_ms: i64,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) store: Option<PathBuf>,
    pub(crate) log: Option<PathBuf>,
    /// Set at the end of an orderly shutdown: what was made safe.
    pub(crate) stopped: Option<String>,
}

impl Instance {
    /// The present process.
    ///
    /// # Errors
    /// Failed, if `/proc` does not tell when it started.
    pub(crate) fn this(
        kind: Kind,
        name: &str,
        addresses: Vec<String>,
        store: Option<&Path>,
    ) -> Result<Self> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let start_ticks = start_ticks(pid)
            .ok_or_else(|| CliError::failed("cannot read the start time of this process"))?;
        Ok(Self {
            pid,
            start_ticks,
            started_at_ms: jiff::Timestamp::now().as_millisecond(),
            kind,
            name: name.to_owned(),
            addresses,
            store: store.map(Path::to_owned),
            log: None,
            stopped: None,
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }
}

/// The folder with the files.
#[derive(Debug)]
pub(crate) struct Registry {
    folder: PathBuf,
}

impl Registry {
    /// # Errors
    /// Failed, when the folder cannot be made or written.
    pub(crate) fn open() -> Result<Self> {
        let base = etcetera::choose_base_strategy()
            .map_err(|e| CliError::failed("cannot find the home folder").because(&e))?;
        let folder = match base.runtime_dir() {
            Some(runtime) if runtime.is_dir() => runtime.join("mq"),
            _ => state_folder(&base).join("run"),
        };
        Self::at(folder)
    }

    fn at(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).map_err(|e| {
            CliError::failed(format!("cannot create folder {}", folder.display())).because(&e)
        })?;
        Ok(Self { folder })
    }

    fn file(&self, instance: &Instance) -> PathBuf {
        self.folder.join(format!(
            "{}-{}-{}.json",
            instance.kind, instance.pid, instance.start_ticks
        ))
    }

    /// Makes a server known, or what has become of it.
    pub(crate) fn write(&self, instance: &Instance) -> Result<()> {
        let file = self.file(instance);
        let failed = |e: &(dyn std::error::Error + 'static)| {
            CliError::failed(format!("cannot write {}", file.display())).because(e)
        };
        let text = serde_json::to_vec(instance).map_err(|e| failed(&e))?;
        // A reader must not see half a file.
        let draft = file.with_extension("tmp");
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, &file))
            .map_err(|e| failed(&e))
    }

    /// What is on file for this process, also when it has ended.
    pub(crate) fn read(&self, instance: &Instance) -> Option<Instance> {
        serde_json::from_slice(&fs::read(self.file(instance)).ok()?).ok()
    }

    pub(crate) fn remove(&self, instance: &Instance) {
        // Somebody else may have cleared it away.
        let _ = fs::remove_file(self.file(instance));
    }

    /// All that run, by kind and name. Files of those that do not are removed.
    pub(crate) fn running(&self) -> Result<Vec<Instance>> {
        let failed = |e: io::Error| {
            CliError::failed(format!("cannot read folder {}", self.folder.display())).because(&e)
        };
        let mut running = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let instance = fs::read(&path)
                .ok()
                .and_then(|text| serde_json::from_slice::<Instance>(&text).ok());
            match instance {
                Some(instance) if instance.is_running() => running.push(instance),
                _ => {
                    let _ = fs::remove_file(&path);
                }
            }
        }
        running.sort_by(|a, b| (a.kind as u8, &a.name, a.pid).cmp(&(b.kind as u8, &b.name, b.pid)));
        Ok(running)
    }
}

/// Where logs and files about running servers go.
pub(crate) fn state_folder(base: &impl BaseStrategy) -> PathBuf {
    base.state_dir()
        .unwrap_or_else(|| base.data_dir())
        .join("mq")
}

/// Field 22 of `/proc/PID/stat`; `None` if there is no such process, or only its unclaimed remains.
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_start_ticks(&stat)
}

/// The name in parentheses may hold blanks and parentheses: fields are counted from the last one.
fn parse_start_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    // The state is field 3.
    fields.nth(22 - 4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> (tempfile::TempDir, Registry) {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::at(folder.path().join("run")).unwrap();
        (folder, registry)
    }

    fn this() -> Instance {
        Instance::this(
            Kind::Broker,
            "broker-a",
            vec!["127.0.0.1:10911".to_owned()],
            None,
        )
        .unwrap()
    }

    #[test]
    fn this_process_runs_and_is_listed() {
        let (_folder, registry) = registry();
        registry.write(&this()).unwrap();
        assert_eq!(registry.running().unwrap(), [this_as_written(&registry)]);
    }

    fn this_as_written(registry: &Registry) -> Instance {
        registry.read(&this()).unwrap()
    }

    #[test]
    fn a_reused_process_id_is_not_the_same_process() {
        let (_folder, registry) = registry();
        let other = Instance {
            start_ticks: this().start_ticks + 1,
            ..this()
        };
        registry.write(&other).unwrap();
        assert!(registry.running().unwrap().is_empty());
        assert!(
            registry.read(&other).is_none(),
            "stale files are cleared away"
        );
    }

    #[test]
    fn what_a_server_left_behind_can_be_read() {
        let (_folder, registry) = registry();
        let ended = Instance {
            stopped: Some("flushed up to 4096".to_owned()),
            ..this()
        };
        registry.write(&ended).unwrap();
        assert_eq!(
            registry.read(&this()).unwrap().stopped.as_deref(),
            Some("flushed up to 4096")
        );
        registry.remove(&ended);
        assert!(registry.read(&this()).is_none());
    }

    #[test]
    fn damaged_files_are_cleared_away() {
        let (_folder, registry) = registry();
        fs::write(registry.folder.join("broker-1-1.json"), "{").unwrap();
        assert!(registry.running().unwrap().is_empty());
        assert_eq!(fs::read_dir(&registry.folder).unwrap().count(), 0);
    }

    #[test]
    fn start_time_is_counted_from_the_last_parenthesis() {
        let fields: Vec<String> = (4..=30).map(|n| n.to_string()).collect();
        let stat = |state: &str| format!("42 (a) b (c)) {state} {}", fields.join(" "));
        assert_eq!(parse_start_ticks(&stat("S")), Some(22));
        assert_eq!(parse_start_ticks(&stat("Z")), None);
        assert_eq!(parse_start_ticks("42 (x"), None);
    }
}
