//! Name servers and brokers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use remoting::protocol::properties::Property;

use super::{Finding, Level, Subject};
use crate::verdict::{bytes, span};

/// Apache's brokers warn at 75 %, delete early from 85 % on, and refuse messages at 90 %.
const DISK_WARNING: f64 = 0.75;
const DISK_REFUSES: f64 = 0.90;
/// Commit log that waits for its consume queues: consumers do not see these messages yet.
const DISPATCH_WARNING_BYTES: i64 = 64 << 20;
/// Written and not flushed: what a power failure would take under ASYNC_FLUSH.
const UNFLUSHED_BYTES: f64 = 512.0 * 1024.0 * 1024.0;
/// As the brokers' own limit (`osPageCacheBusyTimeOutMills`): from here on they refuse messages.
const PAGE_CACHE_BUSY_MS: i64 = 1_000;

/// A name server that does not answer.
pub fn name_server_down(address: &str, reason: &str) -> Finding {
    Finding::new(
        Level::Critical,
        "name server down",
        Subject::NameServer(address.to_owned()),
        reason,
        "start it, or leave it out of the addresses (-n); on its host: mq status",
    )
}

/// Name servers that know different brokers: they do not talk to each other. `known`: by address of the name server, in
/// order; only those that answered.
pub fn name_servers_differ(known: &[(&str, BTreeSet<&str>)]) -> Vec<Finding> {
    let Some(((first, expected), others)) = known.split_first() else {
        return Vec::new();
    };
    let differs = |(address, brokers): &(&str, BTreeSet<&str>)| {
        let differing = Vec::from_iter(expected.symmetric_difference(brokers).copied());
        (!differing.is_empty()).then(|| {
            Finding::new(
                Level::Warning,
                "name servers differ",
                Subject::NameServer((*address).to_owned()),
                format!(
                    "{} is not known to both it and {first}",
                    differing.join(", ")
                ),
                "give every broker all name servers (namesrvAddr): mq broker config get namesrvAddr",
            )
        })
    };
    others.iter().filter_map(differs).collect()
}

/// No broker anywhere. `name_servers`: where one would register.
pub fn no_broker(name_servers: &str) -> Finding {
    Finding::new(
        Level::Critical,
        "no broker",
        Subject::Cluster,
        "no broker is registered with a name server",
        format!("mq broker start -n '{name_servers}'"),
    )
}

/// A broker that does not answer at `reached_at`, although the name servers give out `address`: most often an address
/// that only its own machine or container can reach.
pub fn broker_down(name: &str, address: &str, reached_at: &str, reason: &str) -> Finding {
    let rewritten = match address == reached_at {
        true => String::new(),
        false => format!(" (reached for at {reached_at})"),
    };
    let subject = Subject::Broker {
        name: format!("{name} ({address})"),
        address: address.to_owned(),
    };
    match private(host_of(reached_at)) {
        Some(kind) => Finding::new(
            Level::Critical,
            "broker unreachable",
            subject,
            format!(
                "it advertises {address}{rewritten}, {kind} that does not answer from here: {reason}"
            ),
            "set brokerIP1 in its broker.conf to an address that clients reach and restart it, or map the address in a \
             profile: mq profile show --help (rewrite)",
        ),
        None => Finding::new(
            Level::Critical,
            "broker down",
            subject,
            format!("{reason}{rewritten}"),
            "is it running, and its port open? on its host: mq status",
        ),
    }
}

/// Says what kind of address it is, if it is one that means something else on every machine.
fn private(host: &str) -> Option<&'static str> {
    let ip: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    match ip {
        IpAddr::V4(v4) if v4.octets()[0] == 172 && (17..=31).contains(&v4.octets()[1]) => {
            Some("the address of a container or private network")
        }
        IpAddr::V4(v4) if v4.is_link_local() => Some("a link-local address"),
        IpAddr::V4(v4) if v4.is_private() => Some("an address of a private network"),
        IpAddr::V6(v6) if v6.is_unique_local() => Some("an address of a private network"),
        _ => None,
    }
}

/// `host` of `host:port`.
fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Whether an address means the machine itself.
pub fn is_loopback(address: &str) -> bool {
    let host = host_of(address).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A broker that advertises this machine's name for itself, to clients of name servers elsewhere.
pub fn advertised_loopback(name: &str, address: &str, name_servers: &[&str]) -> Option<Finding> {
    let elsewhere = name_servers.iter().any(|server| !is_loopback(server));
    (elsewhere && is_loopback(address)).then(|| {
        Finding::new(
            Level::Critical,
            "loopback advertised",
            broker(name, address),
            format!("it advertises {address}: every client would look for it on its own machine"),
            "set brokerIP1 in its broker.conf to an address that clients reach, and restart it",
        )
    })
}

fn broker(name: &str, address: &str) -> Subject {
    Subject::Broker {
        name: name.to_owned(),
        address: address.to_owned(),
    }
}

/// What a broker says of itself, as far as it says it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Condition<'a> {
    /// 0 to 1.
    pub disk_used: Option<f64>,
    pub dispatch_behind_bytes: Option<i64>,
    /// How long one write has taken by now.
    pub page_cache_lock_ms: Option<i64>,
    pub read_only_reason: Option<&'a str>,
    /// Since its start.
    pub failed_puts: Option<i64>,
    /// Written and not on disk yet, in Apache's way of writing sizes: `1.5 KiB`.
    pub to_flush: Option<&'a str>,
}

/// How the store of a broker is.
pub fn store(name: &str, address: &str, condition: Condition<'_>) -> Vec<Finding> {
    let finding = |level, what, evidence: String, fix: &str| {
        Finding::new(level, what, broker(name, address), evidence, fix)
    };
    let mut found = Vec::new();
    if let Some(used) = condition.disk_used.filter(|used| *used >= DISK_WARNING) {
        let full = used >= DISK_REFUSES;
        let (level, meaning) = match full {
            true => (Level::Critical, "messages are refused"),
            false => (Level::Warning, "old messages are deleted early from 85% on"),
        };
        found.push(finding(
            level,
            "disk",
            format!("{:.0}% used; {meaning}", used * 100.0),
            "free space on the disk, or keep messages for less: fileReservedTime in its broker.conf",
        ));
    }
    let behind = condition.dispatch_behind_bytes;
    if let Some(behind) = behind.filter(|behind| *behind > DISPATCH_WARNING_BYTES) {
        found.push(finding(
            Level::Warning,
            "dispatch behind",
            format!("{} stored, not visible to consumers yet", bytes(behind)),
            "its disk is too slow for what comes in, or it recovers after a crash: mq broker status --watch",
        ));
    }
    let held = condition.page_cache_lock_ms;
    if let Some(held) = held.filter(|held| *held > PAGE_CACHE_BUSY_MS) {
        found.push(finding(
            Level::Critical,
            "page cache busy",
            format!("one write takes {held} ms by now; messages are refused"),
            "look at the disk of its host (iostat -x 1): it does not keep up",
        ));
    }
    if let Some(reason) = condition.read_only_reason {
        found.push(finding(
            Level::Critical,
            "read-only",
            format!("messages are refused: {reason}"),
            "mend what the reason names, then restart the broker: it stays read-only until then",
        ));
    }
    if let Some(failed) = condition.failed_puts.filter(|failed| *failed > 0) {
        found.push(finding(
            Level::Warning,
            "failed writes",
            format!("{failed} messages could not be stored since the broker started"),
            "its log says why: disk full, disk slow, or messages too large",
        ));
    }
    let to_flush = condition.to_flush.and_then(size);
    if let Some(waiting) = to_flush.filter(|waiting| *waiting > UNFLUSHED_BYTES) {
        found.push(finding(
            Level::Warning,
            "flush behind",
            format!(
                "{} are written and not on disk: a power failure would take them",
                bytes(waiting as i64)
            ),
            "its disk does not keep up, or flushing fails: see its log and iostat -x 1",
        ));
    }
    found
}

/// Apache's way of writing sizes: `12 B`, `1.5 KiB`.
fn size(text: &str) -> Option<f64> {
    let (count, unit) = text.trim().split_once(' ')?;
    let power = ["B", "KiB", "MiB", "GiB", "TiB"]
        .iter()
        .position(|known| *known == unit)?;
    Some(count.parse::<f64>().ok()? * 1024_f64.powi(i32::try_from(power).ok()?))
}

/// Brokers of different releases side by side.
pub fn version_skew<'a>(versions: impl IntoIterator<Item = &'a str>) -> Option<Finding> {
    let versions: BTreeSet<&str> = versions.into_iter().collect();
    (versions.len() > 1).then(|| {
        Finding::new(
            Level::Note,
            "version skew",
            Subject::Cluster,
            format!("brokers run {}", Vec::from_iter(versions).join(", ")),
            "fine during an upgrade; mq broker list -o wide shows which runs what",
        )
    })
}

/// How far a broker's clock may be from ours: what it tells has a resolution of a second, and takes a moment.
const CLOCK_SKEW_MS: i64 = 5_000;

/// A clock that is off: delays, retention and consuming by time go by it. `ahead_ms`: by how much the broker's is ahead of
/// ours.
pub fn clock_skew(name: &str, address: &str, ahead_ms: i64) -> Option<Finding> {
    (ahead_ms.abs() > CLOCK_SKEW_MS).then(|| {
        let direction = match ahead_ms > 0 {
            true => "ahead of",
            false => "behind",
        };
        Finding::new(
            Level::Warning,
            "clock skew",
            broker(name, address),
            format!(
                "its clock is {} {direction} this machine's",
                span(ahead_ms.abs())
            ),
            "let both hosts keep time by NTP: timedatectl",
        )
    })
}

/// Settings that differ between brokers which should be alike: by key, what each broker has.
pub fn config_drift(differences: &BTreeMap<String, BTreeMap<String, String>>) -> Option<Finding> {
    if differences.is_empty() {
        return None;
    }
    let shown = differences.iter().take(5).map(|(key, values)| {
        let values = values.iter().map(|(who, value)| format!("{who} {value}"));
        format!("{key}: {}", Vec::from_iter(values).join(", "))
    });
    let more = differences.len().saturating_sub(5);
    let more = match more {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(Finding::new(
        Level::Warning,
        "config drift",
        Subject::Cluster,
        format!("{}{more}", Vec::from_iter(shown).join("; ")),
        "mq broker config diff",
    ))
}

/// Brokers write values in their own way: `03` as `3`, `TRUE` as `true`, `1.0` as `1`.
pub fn same_value(a: &str, b: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    a.eq_ignore_ascii_case(b) || number(a).zip(number(b)).is_some_and(|(a, b)| a == b)
}

/// Settings in which brokers of one cluster differ by nature.
fn differs_by_nature(key: &str) -> bool {
    const KEYS: [&str; 9] = [
        "brokerName",
        "brokerId",
        "brokerIP1",
        "brokerIP2",
        "brokerRole",
        "bindAddress",
        "listenPort",
        "haListenPort",
        "fastListenPort",
    ];
    let lower = key.to_lowercase();
    KEYS.contains(&key) || lower.contains("path") || lower.ends_with("dir")
}

/// The settings in which sides (brokers, or a file) differ, with what each has; those that have no such key are not among
/// them. `all`: also settings that differ by nature.
pub fn differing_settings(
    sides: &[(String, Vec<Property>)],
    all: bool,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut table: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, settings) in sides {
        for setting in settings {
            let values = table.entry(setting.key.clone()).or_default();
            values.insert(name.clone(), setting.value.clone());
        }
    }
    table.retain(|key, values| {
        let mut several = values.values();
        let first = several.next();
        let same = first.is_none_or(|first| several.all(|value| same_value(first, value)));
        (all || !differs_by_nature(key)) && (!same || values.len() < sides.len())
    });
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_is_explained_in_one_line() {
        let reason = "connect to 172.17.0.2:10911: timed out";
        let found = broker_down("broker-a", "172.17.0.2:10911", "172.17.0.2:10911", reason);
        assert_eq!(
            format!("{}; {}", found.evidence, found.fix),
            "it advertises 172.17.0.2:10911, the address of a container or private network that does not answer from here: \
             connect to 172.17.0.2:10911: timed out; set brokerIP1 in its broker.conf to an address that clients reach and \
             restart it, or map the address in a profile: mq profile show --help (rewrite)"
        );
        let found = broker_down("broker-a", "203.0.113.9:1", "203.0.113.9:1", "refused");
        assert_eq!(
            (found.what, found.evidence.as_str()),
            ("broker down", "refused")
        );
    }

    #[test]
    fn loopback_is_fine_only_where_everything_is() {
        assert!(advertised_loopback("b", "127.0.0.1:1", &["localhost:9876"]).is_none());
        assert!(advertised_loopback("b", "127.0.0.1:1", &["10.0.0.1:9876"]).is_some());
        assert!(advertised_loopback("b", "10.0.0.2:1", &["10.0.0.1:9876"]).is_none());
    }

    #[test]
    fn sizes_as_brokers_write_them() {
        assert_eq!(size("12.5 KiB"), Some(12_800.0));
        assert_eq!(size("3 B"), Some(3.0));
        assert_eq!(size("many"), None);
    }

    #[test]
    fn a_store_that_is_well_has_no_findings() {
        let found = |condition| {
            let found = store("b", "b:1", condition);
            Vec::from_iter(
                found
                    .into_iter()
                    .map(|finding| (finding.what, finding.level)),
            )
        };
        let well = Condition {
            disk_used: Some(0.74),
            dispatch_behind_bytes: Some(0),
            page_cache_lock_ms: Some(5),
            read_only_reason: None,
            failed_puts: Some(0),
            to_flush: Some("511.0 MiB"),
        };
        assert_eq!(found(well), []);
        assert_eq!(found(Condition::default()), []);
        let ill = Condition {
            disk_used: Some(0.91),
            dispatch_behind_bytes: Some(1 << 30),
            page_cache_lock_ms: Some(2_000),
            read_only_reason: Some("write failed"),
            failed_puts: Some(1),
            to_flush: Some("1.5 GiB"),
        };
        assert_eq!(
            found(ill),
            [
                ("disk", Level::Critical),
                ("dispatch behind", Level::Warning),
                ("page cache busy", Level::Critical),
                ("read-only", Level::Critical),
                ("failed writes", Level::Warning),
                ("flush behind", Level::Warning),
            ]
        );
    }
}
