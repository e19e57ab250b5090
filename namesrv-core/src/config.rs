//! What the name server is told: Apache's `.properties`, checked before anything starts.
//!
//! Values that cannot be read are errors with their place and with what would be right; keys that
//! do nothing are named in warnings. Nothing is ignored in silence.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use remoting::protocol::properties::{self, PropertiesError, Property, Value};
use remoting::transport::tls::TlsSettings;
use thiserror::Error;

use crate::safe_file;

/// A configuration file larger than this is none.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What a name server was told, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamesrvConfig {
    /// `listenPort`; 0 takes a free port.
    pub listen_port: u16,
    /// `bindAddress`: the local address it listens on (a key of 5.x).
    pub bind_address: IpAddr,
    /// `kvConfigPath`: the file with the KV configuration.
    pub kv_config_path: PathBuf,
    /// `configStorePath`: the file that gets what is changed over the network. It is the
    /// configuration file, if there is one.
    pub config_store_path: PathBuf,
    /// `orderMessageEnable`: routes say on which queues the order of a topic is strict.
    pub order_message_enable: bool,
    /// `returnOrderTopicConfigToBroker`: so do the answers to registrations (a key of 5.x).
    pub return_order_topic_config_to_broker: bool,
    /// `configBlackList`: keys that cannot be changed over the network.
    pub config_black_list: Vec<String>,
    /// `serverChannelMaxIdleTimeSeconds`: a connection that is silent for so many seconds is closed.
    pub server_channel_max_idle_time_seconds: u64,
    /// The `tls.server` keys: how connections are encrypted.
    pub tls: TlsSettings,
}

/// A setting with which the name server does not start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    #[error("{file}:{}: malformed \\u escape: it must have four hexadecimal digits", source.line)]
    Syntax {
        file: String,
        source: PropertiesError,
    },
    #[error("{place}: {key}={value}: {problem}")]
    Value {
        /// `FILE:LINE`, or "command line".
        place: String,
        key: String,
        value: String,
        /// What would be right; follows the key in a sentence.
        problem: String,
    },
}

/// A setting that does not act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    /// `FILE:LINE`, or "command line".
    pub place: String,
    pub key: String,
    pub problem: String,
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.key, self.problem)
    }
}

/// Why a change over the network was not made. None of it was.
#[derive(Debug, Error)]
pub(crate) enum UpdateError {
    /// Apache's words.
    #[error("Can not update config in black list.")]
    BlackListed,
    #[error(
        "{0} cannot be changed over the network: set it in the name server's file and restart it"
    )]
    AtStartOnly(String),
    #[error("{0}")]
    Invalid(String),
    /// The new values do not act, because they would be gone after a restart.
    #[error("save {}: {source}", path.display())]
    Save { path: PathBuf, source: io::Error },
}

/// A key that has an effect.
struct Key {
    name: &'static str,
    /// Whether it may be changed over the network, and then acts at once.
    live: bool,
    assign: fn(&mut NamesrvConfig, &str) -> Result<(), String>,
    show: fn(&NamesrvConfig) -> String,
}

macro_rules! keys {
    ($(
        $key:literal => $($field:ident).+ $(, in $range:expr)? $(, if $check:path)?, live: $live:literal;
    )*) => {
        static KEYS: &[Key] = &[$(Key {
            name: $key,
            live: $live,
            assign: |config, text| {
                let field = &mut config.$($field).+;
                *field = Value::parse(text, None$(.or(Some($range)))?)?;
                $($check(field)?;)?
                Ok(())
            },
            show: |config| config.$($field).+.show(),
        },)*];
    };
}

keys! {
    "listenPort" => listen_port, in 0..=65_535, live: false;
    "bindAddress" => bind_address, live: false;
    "kvConfigPath" => kv_config_path, if names_a_file, live: false;
    "configStorePath" => config_store_path, if names_a_file, live: false;
    "orderMessageEnable" => order_message_enable, live: true;
    "returnOrderTopicConfigToBroker" => return_order_topic_config_to_broker, live: true;
    "configBlackList" => config_black_list, live: false;
    "serverChannelMaxIdleTimeSeconds" => server_channel_max_idle_time_seconds, in 1..=4_294_967_295, live: false;
    "tls.server.mode" => tls.mode, live: false;
    "tls.server.certPath" => tls.certificate, live: false;
    "tls.server.keyPath" => tls.key, live: false;
    "tls.server.need.client.auth" => tls.client_auth, live: false;
    "tls.server.trustCertPath" => tls.trusted, live: false;
}

/// Apache's keys that do nothing here: key, the value that asks for what is done anyway, and why.
const WITHOUT_EFFECT: &[(&str, &str, &str)] = &[
    ("rocketmqHome", "", NO_INSTALLATION),
    ("productEnvName", "center", NO_CLUSTER_TEST),
    ("clusterTest", "false", NO_CLUSTER_TEST),
    ("serverWorkerThreads", "8", THREADS),
    ("serverCallbackExecutorThreads", "0", THREADS),
    ("serverSelectorThreads", "3", THREADS),
    ("clientRequestThreadPoolNums", "8", THREADS),
    ("clientRequestThreadPoolQueueCapacity", "50000", THREADS),
    ("defaultThreadPoolNums", "16", THREADS),
    ("defaultThreadPoolQueueCapacity", "10000", THREADS),
    ("unRegisterBrokerQueueCapacity", "3000", THREADS),
    ("serverOnewaySemaphoreValue", "256", NO_CALLS),
    ("serverAsyncSemaphoreValue", "64", NO_CALLS),
    ("serverSocketSndBufSize", "0", SOCKETS),
    ("serverSocketRcvBufSize", "0", SOCKETS),
    ("writeBufferHighWaterMark", "0", SOCKETS),
    ("writeBufferLowWaterMark", "0", SOCKETS),
    ("serverSocketBacklog", "1024", SOCKETS),
    ("serverPooledByteBufAllocatorEnable", "true", SOCKETS),
    ("useEpollNativeSelector", "false", SOCKETS),
    ("useTLS", "false", NO_CALLS),
    ("tls.enable", "false", NO_CALLS),
    ("tls.test.mode.enable", "true", TLS),
    ("tls.config.file", "", TLS),
    ("tls.server.keyPassword", "", TLS),
    ("tls.server.authClient", "false", TLS),
    (
        "scanNotActiveBrokerInterval",
        "5000",
        "silent brokers are looked for every 5 seconds",
    ),
    ("enableAllTopicList", "true", LISTS),
    ("enableTopicList", "true", LISTS),
    ("notifyMinBrokerIdChanged", "false", NO_ACTING_MASTER),
    ("supportActingMaster", "false", NO_ACTING_MASTER),
    (
        "enableControllerInNamesrv",
        "false",
        "there is no controller",
    ),
    (
        "needWaitForService",
        "false",
        "routes are given from the start",
    ),
    (
        "waitSecondsForService",
        "45",
        "routes are given from the start",
    ),
    (
        "deleteTopicWithBrokerRegistration",
        "false",
        "a topic that a registration leaves out stays",
    ),
];

const NO_INSTALLATION: &str = "nothing is read from an installation folder";
const NO_CLUSTER_TEST: &str = "name servers of other environments are not asked";
const THREADS: &str = "threads and queues are sized by the program";
const TLS: &str = "TLS is set by the tls.server keys here, with a key that is not encrypted";
const NO_CALLS: &str = "a name server calls nobody";
const SOCKETS: &str = "sockets are as the operating system and the program set them";
const LISTS: &str = "lists of topics are given to everybody";
const NO_ACTING_MASTER: &str = "slaves never act as masters";

impl Default for NamesrvConfig {
    /// Apache's defaults, with files in the folder `namesrv` of the home folder.
    fn default() -> Self {
        let folder = std::env::home_dir().unwrap_or_default().join("namesrv");
        Self {
            listen_port: 9876,
            bind_address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            kv_config_path: folder.join("kvConfig.json"),
            config_store_path: folder.join("namesrv.properties"),
            order_message_enable: false,
            return_order_topic_config_to_broker: true,
            config_black_list: ["configBlackList", "configStorePath", "kvConfigPath"]
                .map(str::to_owned)
                .to_vec(),
            server_channel_max_idle_time_seconds: 120,
            tls: TlsSettings::default(),
        }
    }
}

/// One setting on its way into the configuration.
struct Setting<'a> {
    place: String,
    key: &'a str,
    value: &'a str,
}

impl NamesrvConfig {
    /// From the text of the file `file_name` and from `overrides` (key, value) of the command
    /// line, which win. An empty `file_name` says that there is no file. With a file,
    /// [`config_store_path`](Self::config_store_path) is that file, as Apache does it, so that
    /// changes over the network are there at the next start. All errors are found, not only the
    /// first.
    pub fn from_properties(
        text: &str,
        file_name: &str,
        overrides: &[(String, String)],
    ) -> Result<(Self, Vec<ConfigWarning>), Vec<ConfigError>> {
        let entries = properties::parse(text).map_err(|source| {
            vec![ConfigError::Syntax {
                file: file_name.to_owned(),
                source,
            }]
        })?;
        let mut warnings = Vec::new();
        let mut lines: HashMap<&str, usize> = HashMap::new();
        let mut settings = Vec::new();
        for Property { key, value, line } in &entries {
            let place = format!("{file_name}:{line}");
            if let Some(earlier) = lines.insert(key, *line) {
                warnings.push(ConfigWarning {
                    place: place.clone(),
                    key: key.clone(),
                    problem: format!("is set in line {earlier} as well; this line counts"),
                });
            }
            settings.push(Setting { place, key, value });
        }
        settings.extend(overrides.iter().map(|(key, value)| Setting {
            place: "command line".to_owned(),
            key: key.trim(),
            value: value.trim(),
        }));

        let mut config = Self::default();
        let mut errors = Vec::new();
        for setting in &settings {
            let Some(key) = find(setting.key) else {
                warnings.extend(without_effect(setting));
                continue;
            };
            if let Err(problem) = (key.assign)(&mut config, setting.value) {
                errors.push(ConfigError::Value {
                    place: setting.place.clone(),
                    key: setting.key.to_owned(),
                    value: setting.value.to_owned(),
                    problem,
                });
            }
        }
        if !file_name.is_empty() {
            let asked = std::mem::replace(&mut config.config_store_path, file_name.into());
            let setting = settings.iter().rfind(|s| s.key == "configStorePath");
            if let Some(setting) = setting.filter(|_| !is_same(&asked, Path::new(file_name))) {
                warnings.push(ConfigWarning {
                    place: setting.place.clone(),
                    key: setting.key.to_owned(),
                    problem: format!("has no effect: changes are kept in {file_name}"),
                });
            }
        }
        if errors.is_empty() {
            Ok((config, warnings))
        } else {
            Err(errors)
        }
    }

    /// Every key and value as properties text: the answer to `GET_NAMESRV_CONFIG` (319).
    pub fn to_properties(&self) -> String {
        properties::render(KEYS.iter().map(|key| (key.name, (key.show)(self))))
    }

    /// The same with some values changed, saved in
    /// [`config_store_path`](Self::config_store_path): `UPDATE_NAMESRV_CONFIG` (318).
    pub(crate) fn updated(&self, changes: &[Property]) -> Result<Self, UpdateError> {
        let mut config = self.clone();
        let mut saved = Vec::new();
        for Property {
            key: name, value, ..
        } in changes
        {
            if self.config_black_list.contains(name) {
                return Err(UpdateError::BlackListed);
            }
            let Some(key) = find(name) else {
                if asks_for_what_is(name, value) {
                    continue;
                }
                return Err(UpdateError::Invalid(format!("{name}: {}", why_not(name))));
            };
            if !key.live {
                return Err(UpdateError::AtStartOnly(name.clone()));
            }
            (key.assign)(&mut config, value)
                .map_err(|problem| UpdateError::Invalid(format!("{name}={value}: {problem}")))?;
            saved.push((key.name, value.as_str()));
        }
        if !saved.is_empty() {
            save(&self.config_store_path, &saved).map_err(|source| UpdateError::Save {
                path: self.config_store_path.clone(),
                source,
            })?;
        }
        Ok(config)
    }
}

fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The warning about a key that is not in the table. None when the setting asks for what is.
fn without_effect(setting: &Setting<'_>) -> Option<ConfigWarning> {
    (!asks_for_what_is(setting.key, setting.value)).then(|| ConfigWarning {
        place: setting.place.clone(),
        key: setting.key.to_owned(),
        problem: why_not(setting.key),
    })
}

/// Whether a key that does nothing has the value by which Apache does what is done here.
fn asks_for_what_is(name: &str, value: &str) -> bool {
    WITHOUT_EFFECT
        .iter()
        .any(|(key, usual, _)| *key == name && *usual == value)
}

/// Why a key that is not in the table does nothing; follows the key in a sentence.
fn why_not(name: &str) -> String {
    if let Some((_, _, why)) = WITHOUT_EFFECT.iter().find(|(key, _, _)| *key == name) {
        return format!("has no effect: {why}");
    }
    let distance =
        |key: &Key| strsim::damerau_levenshtein(&name.to_lowercase(), &key.name.to_lowercase());
    let nearest = KEYS.iter().min_by_key(|key| distance(key));
    match nearest.filter(|key| distance(key) <= key.name.len() / 4) {
        Some(key) => format!("is not a key of a name server; did you mean {}?", key.name),
        None => "is not a key of a name server".to_owned(),
    }
}

fn names_a_file(path: &Path) -> Result<(), String> {
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err("must name a file".to_owned());
    }
    Ok(())
}

fn is_same(a: &Path, b: &Path) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute(a) == absolute(b)
}

fn save(path: &Path, changes: &[(&str, &str)]) -> io::Result<()> {
    let before = safe_file::read(path, MAX_FILE_BYTES)?.unwrap_or_default();
    let text = String::from_utf8(before)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8"))?;
    safe_file::replace(path, properties::rewrite(&text, changes).as_bytes())
}

#[cfg(test)]
mod tests;
