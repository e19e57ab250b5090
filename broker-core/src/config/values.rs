//! How the text of a configuration value becomes a value, and back.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use remoting::transport::tls::{ClientAuth, TlsMode};
use store::FlushMode;

/// A type that a configuration key can have.
pub(super) trait Value: Sized {
    /// Reads a trimmed text. Numbers must lie in `range`. An error says what would be right.
    fn parse(text: &str, range: Option<RangeInclusive<i64>>) -> Result<Self, String>;

    /// The text that [`parse`](Self::parse) makes the same value of.
    fn show(&self) -> String;
}

macro_rules! number_values {
    ($($type:ty)*) => {
        $(impl Value for $type {
            fn parse(text: &str, range: Option<RangeInclusive<i64>>) -> Result<Self, String> {
                let (from, to) = range.map_or((0, i64::MAX), RangeInclusive::into_inner);
                let wrong = || format!("must be a whole number between {from} and {to}");
                let number: i64 = text.parse().map_err(|_| wrong())?;
                if number < from || number > to {
                    return Err(wrong());
                }
                Self::try_from(number).map_err(|_| wrong())
            }

            fn show(&self) -> String {
                self.to_string()
            }
        })*
    };
}

number_values!(u8 u16 u32 u64 i32 i64 usize);

impl Value for bool {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        // Apache takes anything but `true` for false, so that a typo goes unnoticed.
        if text.eq_ignore_ascii_case("true") {
            Ok(true)
        } else if text.eq_ignore_ascii_case("false") {
            Ok(false)
        } else {
            Err("must be true or false".to_owned())
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        if text.is_empty() {
            return Err("must not be empty".to_owned());
        }
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            return Err(format!("must not contain the control character {c:?}"));
        }
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for IpAddr {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "must be an IP address, such as 0.0.0.0 or 127.0.0.1".to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        if text.is_empty() {
            return Err("must name a folder".to_owned());
        }
        if text.contains(['\0', ',']) {
            return Err(
                "must name one folder: several of them, joined by commas, are not supported"
                    .to_owned(),
            );
        }
        Ok(Self::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

/// Empty is "not set".
impl Value for Option<PathBuf> {
    fn parse(text: &str, range: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        if text.is_empty() {
            Ok(None)
        } else {
            PathBuf::parse(text, range).map(Some)
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, Value::show)
    }
}

macro_rules! named_values {
    ($($type:ty)*) => {
        $(impl Value for $type {
            fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
                text.parse().map_err(str::to_owned)
            }

            fn show(&self) -> String {
                self.to_string()
            }
        })*
    };
}

named_values!(TlsMode ClientAuth);

/// Addresses `host:port`, joined by semicolons.
impl Value for Vec<String> {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        let mut addresses = Self::new();
        for address in text.split(';').map(str::trim).filter(|a| !a.is_empty()) {
            let valid = address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty()
                    && !host.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',')
                    && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
            if !valid {
                return Err(format!(
                    "{address:?} must be an address host:port; several are joined by semicolons"
                ));
            }
            if !addresses.iter().any(|known| known == address) {
                addresses.push(address.to_owned());
            }
        }
        Ok(addresses)
    }

    fn show(&self) -> String {
        self.join(";")
    }
}

/// Hours of the day, joined by semicolons (`deleteWhen`).
impl Value for Vec<u8> {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        let wrong = || {
            "must be hours of the day between 00 and 23, joined by semicolons, such as 04 or 04;16"
                .to_owned()
        };
        let mut hours = Self::new();
        for hour in text.split(';').map(str::trim).filter(|h| !h.is_empty()) {
            let hour: u8 = hour.parse().map_err(|_| wrong())?;
            if hour > 23 {
                return Err(wrong());
            }
            hours.push(hour);
        }
        if hours.is_empty() {
            return Err(wrong());
        }
        Ok(hours)
    }

    fn show(&self) -> String {
        let hours: Vec<String> = self.iter().map(|hour| format!("{hour:02}")).collect();
        hours.join(";")
    }
}

const DELAY_UNITS_MS: [(char, i64); 4] = [
    ('d', 86_400_000),
    ('h', 3_600_000),
    ('m', 60_000),
    ('s', 1000),
];

/// Delay levels in milliseconds (`messageDelayLevel`): numbers with unit, separated by blanks.
impl Value for Vec<i64> {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        let levels: Option<Self> = text
            .split_whitespace()
            .map(|level| {
                DELAY_UNITS_MS.iter().find_map(|&(unit, ms)| {
                    let number: i64 = level.strip_suffix(unit)?.parse().ok()?;
                    number.checked_mul(ms).filter(|&ms| ms > 0)
                })
            })
            .collect();
        levels
            .filter(|levels| (1..=MAX_DELAY_LEVELS).contains(&levels.len()))
            .ok_or_else(|| {
                format!(
                    "must be 1 to {MAX_DELAY_LEVELS} times with unit s, m, h or d, separated by blanks, such as 1s 5s 10s"
                )
            })
    }

    fn show(&self) -> String {
        let levels: Vec<String> = self
            .iter()
            .map(|&ms| {
                let unit = DELAY_UNITS_MS.iter().find(|&&(_, unit)| ms % unit == 0);
                unit.map_or_else(
                    || format!("{}s", ms / 1000),
                    |(c, unit)| format!("{}{c}", ms / unit),
                )
            })
            .collect();
        levels.join(" ")
    }
}

/// Each level is a queue of one topic.
const MAX_DELAY_LEVELS: usize = 256;

/// What the broker is to its name (`brokerRole`). Slaves are not supported yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerRole {
    /// A send is answered when it is stored here.
    AsyncMaster,
    /// A send is answered when a slave has it as well.
    SyncMaster,
}

impl Value for BrokerRole {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        match text {
            "ASYNC_MASTER" => Ok(Self::AsyncMaster),
            "SYNC_MASTER" => Ok(Self::SyncMaster),
            "SLAVE" => Err(
                "is not supported yet: this broker cannot copy from a master; use ASYNC_MASTER"
                    .to_owned(),
            ),
            _ => Err("must be ASYNC_MASTER or SYNC_MASTER".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::AsyncMaster => "ASYNC_MASTER",
            Self::SyncMaster => "SYNC_MASTER",
        }
        .to_owned()
    }
}

impl Value for FlushMode {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        match text {
            "ASYNC_FLUSH" => Ok(Self::Async),
            "SYNC_FLUSH" => Ok(Self::Sync),
            _ => Err("must be ASYNC_FLUSH or SYNC_FLUSH".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Async => "ASYNC_FLUSH",
            Self::Sync => "SYNC_FLUSH",
        }
        .to_owned()
    }
}

/// A name of a broker or cluster: it becomes a topic, and stands in files and lists.
pub(super) fn name(text: &str) -> Result<(), String> {
    let bad = |c: char| c.is_whitespace() || matches!(c, '/' | '\\' | ';' | ':' | ',' | '@');
    if text.len() > 127 || text.contains(bad) || text.chars().all(|c| c == '.') {
        return Err(
            "must be a name of at most 127 bytes without blanks and without / \\ ; : , @"
                .to_owned(),
        );
    }
    Ok(())
}

/// A topic that clients may use.
pub(super) fn topic(text: &str) -> Result<(), String> {
    crate::names::validate_topic(text)
}

/// An IP address or a host name, without port.
pub(super) fn host(text: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.parse::<IpAddr>().is_ok() || text.chars().all(legal) {
        Ok(())
    } else {
        Err("must be an IP address or a host name, without port".to_owned())
    }
}

/// The listening port: the second port lies two below, the replication port one above.
pub(super) fn listen_port(port: &u16) -> Result<(), String> {
    if *port == 0 || (3..=65_534).contains(port) {
        Ok(())
    } else {
        Err(
            "must be between 3 and 65534: the ports two below and one above belong to it"
                .to_owned(),
        )
    }
}
