//! The host on which the check runs.

use std::collections::BTreeSet;

use client::checks::{Finding, Level, Subject};

use crate::commands::doctor::facts::Facts;

/// What Apache's tuning script sets is 655,350: a file for each queue and segment, and one for each connection.
const ENOUGH_FILES: u64 = 65_536;
/// With less, a few hundred clients and topics are too many.
const FEW_FILES: u64 = 4_096;
/// Part of the limit that may be in use.
const FILES_USED: f64 = 0.8;

pub(super) fn open_files(facts: &Facts) -> Vec<Finding> {
    let found = facts.host.servers.iter().filter_map(|server| {
        let limit = server.open_files?;
        let open = server.files_open.unwrap_or(0);
        let nearly = open as f64 > limit as f64 * FILES_USED;
        (limit < ENOUGH_FILES || nearly).then(|| {
            Finding::new(
                match limit {
                    _ if nearly => Level::Critical,
                    ..FEW_FILES => Level::Warning,
                    _ => Level::Note,
                },
                "open files",
                Subject::Host,
                format!(
                    "{} ({}) may open {limit} files, and has {open} open",
                    server.name, server.kind
                ),
                "start it with a higher limit: ulimit -n 655350, or LimitNOFILE=655350 in its systemd unit",
            )
        })
    });
    found.collect()
}

pub(super) fn namesrv_variable(facts: &Facts) -> Vec<Finding> {
    let split = |text: &str| -> BTreeSet<String> {
        let parts = text.split([';', ',']).map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let Some(variable) = &facts.host.namesrv_variable else {
        return Vec::new();
    };
    let (variable, used) = (split(variable), split(&facts.addresses));
    if variable.is_empty() || variable == used {
        return Vec::new();
    }
    vec![Finding::new(
        Level::Note,
        "NAMESRV_ADDR",
        Subject::Host,
        format!(
            "programs started here go to {}, this looks at {}",
            Vec::from_iter(variable).join(";"),
            facts.addresses
        ),
        format!(
            "export NAMESRV_ADDR='{}', if they are meant to use this cluster",
            facts.addresses
        ),
    )]
}

pub(super) fn local_broker(facts: &Facts) -> Vec<Finding> {
    let port = |address: &str| address.rsplit_once(':').map(|(_, port)| port.to_owned());
    let registered: BTreeSet<_> = facts
        .brokers
        .iter()
        .map(|b| port(&b.broker.address))
        .collect();
    let names: BTreeSet<&str> = facts
        .brokers
        .iter()
        .map(|b| b.broker.name.as_str())
        .collect();
    let brokers = facts
        .host
        .servers
        .iter()
        .filter(|server| server.kind == "broker");
    let lost = brokers.filter(|server| {
        let mut addresses = server.addresses.iter();
        !names.contains(server.name.as_str()) && !addresses.any(|a| registered.contains(&port(a)))
    });
    lost.map(|server| {
        Finding::new(
            Level::Note,
            "not registered",
            Subject::Host,
            format!(
                "broker {} runs on this host and is not known to {}",
                server.name, facts.addresses
            ),
            "if it belongs to this cluster, start it with -n, or set namesrvAddr in its broker.conf",
        )
    })
    .collect()
}

pub(super) fn rewrite_used(facts: &Facts) -> Vec<Finding> {
    let unused = facts.rewrite.iter().filter(|(from, to)| {
        let rule = client::AddressRules::parse([(from.as_str(), to.as_str())]);
        let mut brokers = facts.brokers.iter();
        rule.is_ok_and(|rule| {
            !brokers.any(|b| rule.apply(&b.broker.address) != b.broker.address.as_str())
        })
    });
    unused
        .map(|(from, to)| {
            Finding::new(
                Level::Note,
                "rewrite unused",
                Subject::Host,
                format!("no broker advertises what the rule {from} → {to} is for"),
                "mq broker list shows what they advertise; mend or remove the rule in config.toml",
            )
        })
        .collect()
}
