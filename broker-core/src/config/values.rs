//! The types of values that only a broker's keys have, and what else must be true of a value.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use remoting::protocol::properties::Value;

/// Hours of the day, joined by semicolons (`deleteWhen`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours(pub Vec<u8>);

impl Value for Hours {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        let wrong = || {
            "must be hours of the day between 00 and 23, joined by semicolons, such as 04 or 04;16"
                .to_owned()
        };
        let mut hours = Vec::new();
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
        Ok(Self(hours))
    }

    fn show(&self) -> String {
        let hours: Vec<String> = self.0.iter().map(|hour| format!("{hour:02}")).collect();
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayLevels(pub Vec<i64>);

impl Value for DelayLevels {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        let levels: Option<Vec<i64>> = text
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
            .map(Self)
            .ok_or_else(|| {
                format!(
                    "must be 1 to {MAX_DELAY_LEVELS} times with unit s, m, h or d, separated by blanks, such as 1s 5s 10s"
                )
            })
    }

    fn show(&self) -> String {
        let levels: Vec<String> = self
            .0
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

/// One folder: Apache takes several, joined by commas.
pub(super) fn folder(path: &Path) -> Result<(), String> {
    if path.as_os_str().as_encoded_bytes().contains(&b',') {
        return Err(
            "must name one folder: several of them, joined by commas, are not supported".to_owned(),
        );
    }
    Ok(())
}

/// One folder, or none.
pub(super) fn folder_if_set(path: &Option<PathBuf>) -> Result<(), String> {
    path.as_deref().map_or(Ok(()), folder)
}

/// Addresses `host:port`.
pub(super) fn addresses(addresses: &[String]) -> Result<(), String> {
    for address in addresses {
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
