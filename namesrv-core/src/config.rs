//! What the name server is told: Apache's `.properties`, checked before anything starts.
//!
//! Values that cannot be read are errors with their place and with what would be right; keys that
//! do nothing are named in warnings. Nothing is ignored in silence.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use remoting::protocol::properties::{self, PropertiesError, Property};
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
    /// `serverChannelMaxIdleTimeSeconds`: a connection that is silent for so long is closed.
    pub server_channel_max_idle_time: Duration,
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

static KEYS: &[Key] = &[
    Key {
        name: "listenPort",
        live: false,
        assign: |config, text| {
            config.listen_port = text
                .parse()
                .map_err(|_| "must be a whole number between 0 and 65535".to_owned())?;
            Ok(())
        },
        show: |config| config.listen_port.to_string(),
    },
    Key {
        name: "bindAddress",
        live: false,
        assign: |config, text| {
            config.bind_address = text
                .parse()
                .map_err(|_| "must be an IP address, such as 0.0.0.0 or 127.0.0.1".to_owned())?;
            Ok(())
        },
        show: |config| config.bind_address.to_string(),
    },
    Key {
        name: "kvConfigPath",
        live: false,
        assign: |config, text| {
            config.kv_config_path = file_path(text)?;
            Ok(())
        },
        show: |config| config.kv_config_path.display().to_string(),
    },
    Key {
        name: "configStorePath",
        live: false,
        assign: |config, text| {
            config.config_store_path = file_path(text)?;
            Ok(())
        },
        show: |config| config.config_store_path.display().to_string(),
    },
    Key {
        name: "orderMessageEnable",
        live: true,
        assign: |config, text| {
            config.order_message_enable = boolean(text)?;
            Ok(())
        },
        show: |config| config.order_message_enable.to_string(),
    },
    Key {
        name: "returnOrderTopicConfigToBroker",
        live: true,
        assign: |config, text| {
            config.return_order_topic_config_to_broker = boolean(text)?;
            Ok(())
        },
        show: |config| config.return_order_topic_config_to_broker.to_string(),
    },
    Key {
        name: "configBlackList",
        live: false,
        assign: |config, text| {
            let keys = text.split(';').map(str::trim).filter(|key| !key.is_empty());
            config.config_black_list = keys.map(str::to_owned).collect();
            Ok(())
        },
        show: |config| config.config_black_list.join(";"),
    },
    Key {
        name: "serverChannelMaxIdleTimeSeconds",
        live: false,
        assign: |config, text| {
            let seconds = text.parse::<u32>().ok().filter(|seconds| *seconds > 0);
            let seconds = seconds
                .ok_or_else(|| "must be a whole number of seconds, at least 1".to_owned())?;
            config.server_channel_max_idle_time = Duration::from_secs(seconds.into());
            Ok(())
        },
        show: |config| config.server_channel_max_idle_time.as_secs().to_string(),
    },
    Key {
        name: "tls.server.mode",
        live: false,
        assign: |config, text| {
            config.tls.mode = text.parse().map_err(str::to_owned)?;
            Ok(())
        },
        show: |config| config.tls.mode.to_string(),
    },
    Key {
        name: "tls.server.certPath",
        live: false,
        assign: |config, text| assign_path(&mut config.tls.certificate, text),
        show: |config| show_path(config.tls.certificate.as_deref()),
    },
    Key {
        name: "tls.server.keyPath",
        live: false,
        assign: |config, text| assign_path(&mut config.tls.key, text),
        show: |config| show_path(config.tls.key.as_deref()),
    },
    Key {
        name: "tls.server.need.client.auth",
        live: false,
        assign: |config, text| {
            config.tls.client_auth = text.parse().map_err(str::to_owned)?;
            Ok(())
        },
        show: |config| config.tls.client_auth.to_string(),
    },
    Key {
        name: "tls.server.trustCertPath",
        live: false,
        assign: |config, text| assign_path(&mut config.tls.trusted, text),
        show: |config| show_path(config.tls.trusted.as_deref()),
    },
];

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
            server_channel_max_idle_time: Duration::from_secs(120),
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
            saved.push((key.name, (key.show)(&config)));
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

fn boolean(text: &str) -> Result<bool, String> {
    // Apache takes anything but `true` for false, so that a typo goes unnoticed.
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err("must be true or false".to_owned())
    }
}

/// Empty is "not set".
fn assign_path(path: &mut Option<PathBuf>, text: &str) -> Result<(), String> {
    *path = if text.is_empty() {
        None
    } else {
        Some(file_path(text)?)
    };
    Ok(())
}

fn show_path(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

fn file_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.file_name().is_none() || text.ends_with('/') || text.contains('\0') {
        return Err("must name a file".to_owned());
    }
    Ok(path)
}

fn is_same(a: &Path, b: &Path) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute(a) == absolute(b)
}

/// Adds the settings to the end of the file, where they win; lines that set the same keys become
/// comments, so that the file does not contradict itself.
fn save(path: &Path, settings: &[(&str, String)]) -> io::Result<()> {
    let before = safe_file::read(path, MAX_FILE_BYTES)?.unwrap_or_default();
    let text = String::from_utf8(before)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8"))?;
    let entries = properties::parse(&text)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
    let replaced = |line: usize| {
        entries
            .iter()
            .any(|entry| entry.line == line && settings.iter().any(|(key, _)| *key == entry.key))
    };
    let mut out = String::with_capacity(text.len() + 64);
    let mut continues = false;
    for (number, line) in text.lines().enumerate() {
        if continues || replaced(number + 1) {
            out.push('#');
            let backslashes = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
            continues = backslashes % 2 == 1;
        }
        out.push_str(line);
        out.push('\n');
    }
    out.push_str(&properties::render(settings.iter().map(|(k, v)| (k, v))));
    safe_file::replace(path, out.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn owned(overrides: &[(&str, &str)]) -> Vec<(String, String)> {
        overrides
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_file_and_the_command_line() {
        let text = "# comment\nlistenPort = 9999 \nkvConfigPath=/data/kv.json\norderMessageEnable=TRUE\nclusterTest=false\nbindAddress=::1\n";
        let overrides = owned(&[("listenPort", "0"), ("configBlackList", "a;b")]);
        let (config, warnings) =
            NamesrvConfig::from_properties(text, "ns.conf", &overrides).unwrap();
        assert_eq!(warnings, []);
        assert_eq!((config.listen_port, config.order_message_enable), (0, true));
        assert_eq!(config.config_store_path, Path::new("ns.conf"));
        assert_eq!(config.config_black_list, ["a", "b"]);
        let all = config.to_properties();
        let (again, warnings) = NamesrvConfig::from_properties(&all, "ns.conf", &[]).unwrap();
        assert_eq!((again, warnings), (config, vec![]));
        assert_eq!(
            NamesrvConfig::from_properties("", "", &[]).unwrap().0,
            NamesrvConfig::default()
        );
    }

    #[test]
    fn what_does_not_act_is_named() {
        let text = "listenport=1\nrocketmqHome=/opt/mq\nclusterTest=true\nbroker=x\nconfigStorePath=/else\norderMessageEnable=true\norderMessageEnable=false";
        let (config, warnings) =
            NamesrvConfig::from_properties(text, "ns.conf", &owned(&[("useTLS", "true")])).unwrap();
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "ns.conf:7: orderMessageEnable: is set in line 6 as well; this line counts",
                "ns.conf:1: listenport: is not a key of a name server; did you mean listenPort?",
                "ns.conf:2: rocketmqHome: has no effect: nothing is read from an installation folder",
                "ns.conf:3: clusterTest: has no effect: name servers of other environments are not asked",
                "ns.conf:4: broker: is not a key of a name server",
                "command line: useTLS: has no effect: a name server calls nobody",
                "ns.conf:5: configStorePath: has no effect: changes are kept in ns.conf",
            ]
        );
        assert!(!config.order_message_enable);
    }

    #[test]
    fn wrong_values_are_all_found() {
        let text = "listenPort=70000\nbindAddress=here\nkvConfigPath=\nconfigStorePath=/etc/\norderMessageEnable=ture\nserverChannelMaxIdleTimeSeconds=0\n";
        let errors =
            NamesrvConfig::from_properties(text, "ns.conf", &owned(&[("listenPort", "x")]))
                .unwrap_err();
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "ns.conf:1: listenPort=70000: must be a whole number between 0 and 65535",
                "ns.conf:2: bindAddress=here: must be an IP address, such as 0.0.0.0 or 127.0.0.1",
                "ns.conf:3: kvConfigPath=: must name a file",
                "ns.conf:4: configStorePath=/etc/: must name a file",
                "ns.conf:5: orderMessageEnable=ture: must be true or false",
                "ns.conf:6: serverChannelMaxIdleTimeSeconds=0: must be a whole number of seconds, at least 1",
                "command line: listenPort=x: must be a whole number between 0 and 65535",
            ]
        );
        let syntax = NamesrvConfig::from_properties("a=1\nb=\\u12", "ns.conf", &[]).unwrap_err();
        assert_eq!(
            syntax[0].to_string(),
            "ns.conf:2: malformed \\u escape: it must have four hexadecimal digits"
        );
    }

    #[test]
    fn updates_are_saved_or_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ns.conf");
        let name = path.display().to_string();
        let text = "# mine\nlistenPort=0\norderMessageEnable=\\\n  false\nother=1";
        fs::write(&path, text).unwrap();
        let (config, _) = NamesrvConfig::from_properties(text, &name, &[]).unwrap();
        let update = |text: &str| config.updated(&properties::parse(text).unwrap());
        for (changes, problem) in [
            (
                "orderMessageEnable=true\nkvConfigPath=/x",
                "Can not update config in black list.",
            ),
            (
                "listenPort=1",
                "listenPort cannot be changed over the network: set it in the name server's file and restart it",
            ),
            (
                "orderMessageEnable=yes",
                "orderMessageEnable=yes: must be true or false",
            ),
            ("nonsense=1", "nonsense: is not a key of a name server"),
            (
                "clusterTest=true",
                "clusterTest: has no effect: name servers of other environments are not asked",
            ),
        ] {
            assert_eq!(update(changes).unwrap_err().to_string(), problem);
        }
        // What is done anyway may be asked for.
        assert_eq!(update("clusterTest=false").unwrap(), config);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);

        let updated = update("orderMessageEnable=true").unwrap();
        assert!(updated.order_message_enable);
        let saved = fs::read_to_string(&path).unwrap();
        assert_eq!(
            saved,
            "# mine\nlistenPort=0\n#orderMessageEnable=\\\n#  false\nother=1\norderMessageEnable=true\n"
        );
        let (restarted, _) = NamesrvConfig::from_properties(&saved, &name, &[]).unwrap();
        assert_eq!(restarted, updated);
    }
}
