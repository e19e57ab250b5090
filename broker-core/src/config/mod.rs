//! What the broker is told: Apache's `.properties`, checked before anything starts.
//!
//! Text becomes a [`BrokerConfig`] here, from a file, the command line and the environment. Values
//! that cannot be read, or that ask for something this broker would not do, are errors with their
//! place and with what would be right; keys that do nothing are named in warnings. Nothing is
//! ignored in silence. The key table is in `keys`, Apache's other keys in `without_effect`.

mod environment;
mod keys;
mod live;
mod values;
mod without_effect;

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE};
use remoting::protocol::properties::{self, Property};
use remoting::transport::tls::TlsSettings;
use store::{RetentionRules, StoreConfig};
use thiserror::Error;

pub use environment::Environment;
pub use keys::{BrokerConfig, Change, KEYS, Key};
pub use live::LiveConfig;
pub use values::{BrokerRole, DelayLevels, Hours};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// The environment variable of this name.
    Environment(&'static str),
    /// A line, counted from 1, of the file with this name.
    File {
        name: Arc<str>,
        line: usize,
    },
    CommandLine,
    /// `UPDATE_BROKER_CONFIG`, since the start.
    Remote,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::CommandLine => f.write_str("command line"),
            Self::Remote => f.write_str("changed while running"),
        }
    }
}

/// A setting with which the broker does not start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{origin}: {key}={value}: {problem}")]
pub struct ConfigError {
    pub origin: Origin,
    pub key: String,
    pub value: String,
    /// What is wrong and what would be right; follows the key in a sentence.
    pub problem: String,
}

/// A setting that does not act, or not as it seems to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    pub origin: Origin,
    pub key: String,
    pub problem: String,
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.key, self.problem)
    }
}

/// A value that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveValue {
    pub key: &'static str,
    pub value: String,
    pub origin: Origin,
    pub change: Change,
    pub help: &'static str,
}

/// Why a change over the network was not made. None of it was.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// Answered with Apache's code for keys of its black list, 16.
    #[error("{0} cannot be changed over the network: set it in the broker's file and restart it")]
    Refused(String),
    #[error("{0}")]
    Invalid(String),
    /// The new values do not act, because they would be gone after a restart.
    #[error("save the configuration file: {0}")]
    Save(#[source] std::io::Error),
}

/// Less and more between two registrations is not done: Apache's bounds, in milliseconds.
const REGISTER_PERIOD_MS: (u64, u64) = (10_000, 60_000);

/// One setting on its way into the configuration.
struct Setting<'a> {
    key: &'a str,
    value: &'a str,
    origin: Origin,
}

impl BrokerConfig {
    /// From a file (its name and entries) and from the command line (key, value), whose settings
    /// win. All errors are found, not only the first.
    pub fn from_properties(
        file: Option<(&str, &[Property])>,
        command_line: &[(&str, &str)],
        environment: &Environment,
    ) -> Result<(Self, Vec<ConfigWarning>), Vec<ConfigError>> {
        let mut settings = Vec::new();
        if let Some(addresses) = &environment.namesrv_addr {
            settings.push(Setting {
                key: "namesrvAddr",
                value: addresses.trim(),
                origin: Origin::Environment("NAMESRV_ADDR"),
            });
        }
        if let Some((name, entries)) = file {
            let name: Arc<str> = name.into();
            settings.extend(entries.iter().map(|entry| Setting {
                key: entry.key.trim(),
                value: entry.value.trim(),
                origin: Origin::File {
                    name: name.clone(),
                    line: entry.line,
                },
            }));
        }
        settings.extend(command_line.iter().map(|(key, value)| Setting {
            key: key.trim(),
            value: value.trim(),
            origin: Origin::CommandLine,
        }));

        let mut reading = Reading {
            config: Self::defaults(environment),
            warnings: Vec::new(),
            errors: Vec::new(),
        };
        for setting in &settings {
            reading.apply(setting);
        }
        reading.check_as_a_whole(&settings);
        if reading.errors.is_empty() {
            Ok((reading.config, reading.warnings))
        } else {
            Err(reading.errors)
        }
    }

    /// Apache's defaults on this machine, with a few settings as on a command line.
    pub fn with(command_line: &[(&str, &str)]) -> Result<Self, Vec<ConfigError>> {
        Self::from_properties(None, command_line, &Environment::of_process())
            .map(|(config, _)| config)
    }

    /// Every value with its origin, in the order of the key table.
    pub fn effective(&self) -> Vec<EffectiveValue> {
        KEYS.iter()
            .map(|key| EffectiveValue {
                key: key.name,
                value: (key.show)(self),
                origin: self.origin(key.name),
                change: key.change,
                help: key.help,
            })
            .collect()
    }

    /// Where the value of a key comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Every key and value as properties text: the answer to `GET_BROKER_CONFIG` (26).
    pub fn to_properties(&self) -> String {
        properties::render(KEYS.iter().map(|key| (key.name, (key.show)(self))))
    }

    /// The same with some values changed: `UPDATE_BROKER_CONFIG` (25).
    pub fn changed(&self, changes: &[Property]) -> Result<Self, UpdateError> {
        let mut config = self.clone();
        for change in changes {
            let name = canonical(change.key.trim());
            let Some(key) = keys::find(name) else {
                return Err(UpdateError::Invalid(match unknown(name) {
                    Unknown::WithoutEffect(why) => format!("{name} has no effect: {why}"),
                    Unknown::Stranger(hint) => format!("{name} is not a key of a broker{hint}"),
                }));
            };
            if key.change != Change::Live {
                return Err(UpdateError::Refused(name.to_owned()));
            }
            let value = change.value.trim();
            (key.assign)(&mut config, value)
                .map_err(|problem| UpdateError::Invalid(format!("{name}={value}: {problem}")))?;
            config.origins.insert(key.name, Origin::Remote);
        }
        Ok(config)
    }

    /// How connections to it are encrypted.
    pub(crate) fn tls(&self) -> TlsSettings {
        TlsSettings {
            mode: self.tls_server_mode,
            certificate: self.tls_server_cert_path.clone(),
            key: self.tls_server_key_path.clone(),
            client_auth: self.tls_server_need_client_auth,
            trusted: self.tls_server_trust_cert_path.clone(),
        }
    }

    /// `brokerIP1:port`, as name servers give it to clients.
    pub fn broker_address(&self, port: u16) -> String {
        join_port(&self.broker_ip1, port)
    }

    /// `brokerIP2`, and the port above the listening one, as name servers give it to slaves.
    pub fn ha_address(&self, port: u16) -> String {
        join_port(&self.broker_ip2, port.saturating_add(1))
    }

    /// How long to wait between two registrations, in milliseconds.
    pub fn register_period_ms(&self) -> u64 {
        let (least, most) = REGISTER_PERIOD_MS;
        self.register_name_server_period.clamp(least, most)
    }

    /// Whether `brokerPermission` lets messages be sent.
    pub fn is_writable(&self) -> bool {
        self.broker_permission & PERM_WRITE != 0
    }

    /// Whether `brokerPermission` lets messages be pulled.
    pub fn is_readable(&self) -> bool {
        self.broker_permission & PERM_READ != 0
    }

    /// `config/NAME` in the store's folder.
    pub fn table_path(&self, name: &str) -> PathBuf {
        self.store_path_root_dir.join("config").join(name)
    }

    /// Which files of the log go, and when.
    pub(crate) fn retention(&self) -> RetentionRules {
        RetentionRules {
            file_reserved_hours: self.file_reserved_time,
            delete_when: self.delete_when.0.clone(),
            disk_max_used_space_ratio: self.disk_max_used_space_ratio,
            disk_space_clean_forcibly_ratio: self.disk_space_clean_forcibly_ratio,
            disk_space_warning_level_ratio: self.disk_space_warning_level_ratio,
            clean_file_forcibly: self.clean_file_forcibly_enable,
        }
    }

    /// What the store is told, for a broker that listens on `port`. Looks up `brokerIP1` when that
    /// is a name.
    pub fn store_config(&self, port: u16) -> Result<StoreConfig, ConfigError> {
        Ok(StoreConfig {
            root: self.store_path_root_dir.clone(),
            commit_log_dir: self.store_path_commit_log.clone(),
            commit_log_file_size: self.mapped_file_size_commit_log,
            consume_queue_file_size: self.mapped_file_size_consume_queue,
            flush_mode: self.flush_disk_type,
            flush_interval_commit_log_ms: self.flush_interval_commit_log,
            flush_commit_log_least_pages: self.flush_commit_log_least_pages,
            flush_commit_log_thorough_interval_ms: self.flush_commit_log_thorough_interval,
            flush_interval_consume_queue_ms: self.flush_interval_consume_queue,
            flush_consume_queue_thorough_interval_ms: self.flush_consume_queue_thorough_interval,
            sync_flush_timeout_ms: self.sync_flush_timeout,
            max_message_size: self.max_message_size,
            retention: self.retention(),
            clean_resource_interval_ms: self.clean_resource_interval,
            delete_commit_log_files_interval_ms: self.delete_commit_log_files_interval,
            message_index_enable: self.message_index_enable,
            message_index_safe: self.message_index_safe,
            max_hash_slot_num: self.max_hash_slot_num,
            max_index_num: self.max_index_num,
            check_crc_on_recover: self.check_crc_on_recover,
            max_transfer_bytes_on_message_in_memory: self.max_transfer_bytes_on_message_in_memory,
            max_transfer_count_on_message_in_memory: self.max_transfer_count_on_message_in_memory,
            max_transfer_bytes_on_message_in_disk: self.max_transfer_bytes_on_message_in_disk,
            max_transfer_count_on_message_in_disk: self.max_transfer_count_on_message_in_disk,
            access_message_in_memory_max_ratio: self.access_message_in_memory_max_ratio,
            delay_levels_ms: self.message_delay_level.0.clone(),
            store_host: self.store_host(port)?,
            ..StoreConfig::new(&self.store_path_root_dir)
        })
    }

    /// `brokerIP1` and the port, as they stand in records and message ids.
    pub(crate) fn store_host(&self, port: u16) -> Result<SocketAddr, ConfigError> {
        let failed = |problem: String| ConfigError {
            origin: self.origin("brokerIP1"),
            key: "brokerIP1".to_owned(),
            value: self.broker_ip1.clone(),
            problem,
        };
        let found: Vec<SocketAddr> = (self.broker_ip1.as_str(), port)
            .to_socket_addrs()
            .map_err(|e| failed(format!("cannot be looked up: {e}; give the IP address")))?
            .collect();
        // Four bytes in every record instead of sixteen.
        let v4 = found.iter().find(|address| address.is_ipv4());
        v4.or(found.first())
            .copied()
            .ok_or_else(|| failed("has no address; give the IP address".to_owned()))
    }
}

/// IPv6 addresses stand in brackets.
fn join_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

struct Reading {
    config: BrokerConfig,
    warnings: Vec<ConfigWarning>,
    errors: Vec<ConfigError>,
}

impl Reading {
    fn apply(&mut self, setting: &Setting<'_>) {
        let name = canonical(setting.key);
        let refused = without_effect::REFUSED
            .iter()
            .find(|(key, value, _)| *key == name && value.eq_ignore_ascii_case(setting.value));
        if let Some((_, _, why)) = refused {
            return self.error(setting, (*why).to_owned());
        }
        let Some(key) = keys::find(name) else {
            return self.without_effect(setting, name);
        };
        // Two settings may differ on purpose in how they came in; in one file it is a slip.
        if let (Some(Origin::File { line, .. }), Origin::File { .. }) =
            (self.config.origins.get(key.name), &setting.origin)
        {
            let problem = format!("is set in line {line} as well; this line counts");
            self.warn(setting, problem);
        }
        match (key.assign)(&mut self.config, setting.value) {
            Ok(()) => {
                self.config.origins.insert(key.name, setting.origin.clone());
            }
            Err(problem) => self.error(setting, problem),
        }
    }

    fn without_effect(&mut self, setting: &Setting<'_>, name: &str) {
        if keys::DERIVED_PATHS.iter().any(|(key, _)| *key == name) {
            // Compared at the end, when the root is known.
            return;
        }
        match unknown(name) {
            Unknown::WithoutEffect(why) => {
                let asks_for_what_is = without_effect::WITHOUT_EFFECT
                    .iter()
                    .flat_map(|group| group.keys)
                    .any(|(key, usual)| {
                        *key == name
                            && usual
                                .iter()
                                .any(|value| value.eq_ignore_ascii_case(setting.value))
                    });
                if !asks_for_what_is {
                    self.warn(setting, format!("has no effect: {why}"));
                }
            }
            Unknown::Stranger(hint) => {
                self.warn(setting, format!("is not a key of a broker; ignored{hint}"));
            }
        }
    }

    /// What can only be judged when all settings are known.
    fn check_as_a_whole(&mut self, settings: &[Setting<'_>]) {
        for setting in settings {
            let derived = keys::DERIVED_PATHS
                .iter()
                .find(|(key, _)| *key == setting.key);
            if let Some((_, folder)) = derived {
                let actual = self.config.store_path_root_dir.join(folder);
                if normal(Path::new(setting.value)) != normal(&actual) {
                    let problem = format!(
                        "has no effect: the place follows from storePathRootDir and is {}",
                        actual.display()
                    );
                    self.warn(setting, problem);
                }
            }
            match setting.key {
                "brokerId" if self.config.broker_id != 0 => {
                    let problem = "is taken as 0: brokerRole makes it a master";
                    self.warn(setting, problem.to_owned());
                }
                "registerNameServerPeriod"
                    if self.config.register_period_ms()
                        != self.config.register_name_server_period =>
                {
                    let problem = format!("is taken as {}", self.config.register_period_ms());
                    self.warn(setting, problem);
                }
                "brokerRole" if self.config.broker_role == BrokerRole::SyncMaster => {
                    let problem = "sends are stored, and answered with SLAVE_NOT_AVAILABLE: this broker has no slaves yet";
                    self.warn(setting, problem.to_owned());
                }
                _ => {}
            }
        }
        self.config.broker_id = 0;
        let (warning, forcibly) = (
            self.config.disk_space_warning_level_ratio,
            self.config.disk_space_clean_forcibly_ratio,
        );
        if forcibly > warning
            && let Some(setting) = settings.iter().rfind(|setting| {
                matches!(
                    setting.key,
                    "diskSpaceCleanForciblyRatio" | "diskSpaceWarningLevelRatio"
                )
            })
        {
            let problem = format!(
                "sends would be refused (at {warning} %) before the oldest files are deleted (at {forcibly} %): diskSpaceCleanForciblyRatio must not exceed diskSpaceWarningLevelRatio"
            );
            self.error(setting, problem);
        }
    }

    fn warn(&mut self, setting: &Setting<'_>, problem: String) {
        self.warnings.push(ConfigWarning {
            origin: setting.origin.clone(),
            key: setting.key.to_owned(),
            problem,
        });
    }

    fn error(&mut self, setting: &Setting<'_>, problem: String) {
        self.errors.push(ConfigError {
            origin: setting.origin.clone(),
            key: setting.key.to_owned(),
            value: setting.value.to_owned(),
            problem,
        });
    }
}

fn canonical(key: &str) -> &str {
    keys::ALIASES
        .iter()
        .find(|(alias, _)| *alias == key)
        .map_or(key, |(_, canonical)| canonical)
}

/// A key that is not in the table.
enum Unknown {
    /// Apache knows it. Why it does nothing here.
    WithoutEffect(&'static str),
    /// What it may have been meant to be, as the end of a sentence, or nothing.
    Stranger(String),
}

fn unknown(name: &str) -> Unknown {
    for group in without_effect::WITHOUT_EFFECT {
        if group.keys.iter().any(|(key, _)| *key == name) {
            return Unknown::WithoutEffect(group.why);
        }
    }
    let nearest = KEYS
        .iter()
        .map(|key| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), &key.name.to_lowercase()),
                key,
            )
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, key)| *distance <= key.name.len() / 4);
    Unknown::Stranger(nearest.map_or_else(String::new, |(_, key)| {
        format!("; did you mean {}?", key.name)
    }))
}

/// A path as the same path would always be written, without looking at the disk.
fn normal(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut out = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests;
