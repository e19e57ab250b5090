//! Name servers and brokers.

use std::collections::{BTreeMap, BTreeSet};

use client::admin::Broker;
use client::checks::servers::{self, Condition};
use client::checks::{Finding, Level, Subject};
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE};

use super::{of_broker, on_broker, some};
use crate::commands::doctor::facts::{BrokerFacts, Facts};

pub(super) fn name_server_answers(facts: &Facts) -> Vec<Finding> {
    let down = facts.name_servers.iter().filter_map(|server| {
        let reason = server.brokers.as_ref().err()?;
        Some(servers::name_server_down(&server.address, reason))
    });
    down.collect()
}

pub(super) fn name_servers_agree(facts: &Facts) -> Vec<Finding> {
    let known = facts.name_servers.iter().filter_map(|server| {
        let brokers = server.brokers.as_ref().ok()?.iter().map(String::as_str);
        Some((server.address.as_str(), brokers.collect()))
    });
    servers::name_servers_differ(&Vec::from_iter(known))
}

pub(super) fn name_servers_topics(facts: &Facts) -> Vec<Finding> {
    let mut known = facts
        .name_servers
        .iter()
        .filter_map(|server| Some((&server.address, server.topics.as_ref().ok()?)));
    let Some((first, expected)) = known.next() else {
        return Vec::new();
    };
    let differs = |(address, topics): (&String, &BTreeSet<String>)| {
        let differing = expected.symmetric_difference(topics).map(String::as_str);
        let differing = Vec::from_iter(differing);
        (!differing.is_empty()).then(|| {
            Finding::new(
                Level::Warning,
                "topics differ",
                Subject::NameServer(address.clone()),
                format!("not known to both it and {first}: {}", some(differing)),
                "brokers register within 30 s; if it stays so, give every broker all name servers (namesrvAddr)",
            )
        })
    };
    known.filter_map(differs).collect()
}

pub(super) fn name_servers_settings(facts: &Facts) -> Vec<Finding> {
    let sides = facts.name_servers.iter();
    let sides = sides.filter_map(|s| Some((s.address.clone(), s.config.clone().ok()?)));
    let sides = Vec::from_iter(sides);
    let mut differing = servers::differing_settings(&sides, false);
    // Those of another release have other keys.
    differing.retain(|_, values| values.len() == sides.len());
    let keys = differing.keys().map(String::as_str);
    let evidence = some(keys);
    (!differing.is_empty())
        .then(|| {
            Finding::new(
                Level::Warning,
                "name server settings",
                Subject::Cluster,
                format!("name servers differ in {evidence}"),
                "mq namesrv config get KEY shows them, mq namesrv config set KEY=VALUE makes them alike",
            )
        })
        .into_iter()
        .collect()
}

pub(super) fn broker_registered(facts: &Facts) -> Vec<Finding> {
    let asked = facts.name_servers.iter().any(|s| s.brokers.is_ok());
    match asked && facts.brokers.is_empty() {
        true => vec![servers::no_broker(&facts.addresses)],
        false => Vec::new(),
    }
}

pub(super) fn broker_answers(facts: &Facts) -> Vec<Finding> {
    let down = facts.brokers.iter().filter_map(|broker| {
        let reason = broker.runtime.as_ref().err()?;
        let Broker { name, address, .. } = &broker.broker;
        Some(servers::broker_down(
            name,
            address,
            &broker.reached_at,
            reason,
        ))
    });
    down.collect()
}

pub(super) fn loopback_advertised(facts: &Facts) -> Vec<Finding> {
    let name_servers = facts.name_servers.iter().map(|s| s.address.as_str());
    let name_servers = Vec::from_iter(name_servers);
    let found = facts.brokers.iter().filter_map(|broker| {
        let Broker { name, address, .. } = &broker.broker;
        servers::advertised_loopback(name, address, &name_servers)
    });
    found.collect()
}

pub(super) fn address_shared(facts: &Facts) -> Vec<Finding> {
    let mut holders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for broker in &facts.brokers {
        let names = holders.entry(&broker.broker.address).or_default();
        names.insert(&broker.broker.name);
    }
    holders.retain(|_, names| names.len() > 1);
    let found = holders.into_iter().map(|(address, names)| {
        Finding::new(
            Level::Critical,
            "address shared",
            Subject::Cluster,
            format!("{} all advertise {address}", some(names)),
            "clients reach only one of them: set brokerIP1 and listenPort in each broker.conf; a stale one goes after 2 minutes",
        )
    });
    found.collect()
}

pub(super) fn master_present(facts: &Facts) -> Vec<Finding> {
    let mut ids: BTreeMap<&str, Vec<&BrokerFacts>> = BTreeMap::new();
    for broker in &facts.brokers {
        ids.entry(&broker.broker.name).or_default().push(broker);
    }
    ids.retain(|_, members| !members.iter().any(|broker| broker.broker.is_master()));
    let found = ids.values().filter_map(|members| {
        Some(on_broker(
            Level::Critical,
            "no master",
            members.first()?,
            "only slaves are registered: it can be read, not written",
            "start its master (brokerId=0); on its host: mq broker start -c broker.conf",
        ))
    });
    found.collect()
}

pub(super) fn broker_permission(facts: &Facts) -> Vec<Finding> {
    let found = facts.brokers.iter().filter_map(|broker| {
        let perm: i32 = broker.setting("brokerPermission")?.parse().ok()?;
        let lacks = match (perm & PERM_READ != 0, perm & PERM_WRITE != 0) {
            (true, true) => return None,
            (true, false) => "written",
            (false, true) => "read",
            (false, false) => "read or written",
        };
        Some(on_broker(
            Level::Warning,
            "permission",
            broker,
            format!("brokerPermission={perm}: it cannot be {lacks}"),
            format!(
                "if it is not being drained: mq broker drain {} --undo",
                broker.broker.name
            ),
        ))
    });
    found.collect()
}

/// The findings on the broker's store with these words.
fn of_store(facts: &Facts, what: &str) -> Vec<Finding> {
    let found = facts.brokers.iter().filter_map(|broker| {
        let runtime = broker.runtime.as_ref().ok()?;
        let condition = Condition {
            disk_used: runtime.disk_used,
            dispatch_behind_bytes: runtime.dispatch_behind_bytes,
            page_cache_lock_ms: number(broker, "pageCacheLockTimeMills"),
            read_only_reason: runtime.read_only_reason.as_deref(),
            failed_puts: number(broker, "putMessageFailedTimes"),
            to_flush: runtime
                .table
                .get("remainHowManyDataToFlush")
                .map(String::as_str),
        };
        let found = servers::store(&broker.broker.name, &broker.broker.address, condition);
        Some(found.into_iter().filter(|found| found.what == what))
    });
    found.flatten().collect()
}

/// A number in a broker's table.
fn number(broker: &BrokerFacts, key: &str) -> Option<i64> {
    let runtime = broker.runtime.as_ref().ok()?;
    runtime.table.get(key)?.trim().parse().ok()
}

pub(super) fn disk(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "disk")
}

pub(super) fn read_only_store(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "read-only")
}

pub(super) fn failed_writes(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "failed writes")
}

pub(super) fn page_cache(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "page cache busy")
}

pub(super) fn dispatch(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "dispatch behind")
}

pub(super) fn flush(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "flush behind")
}

/// As the brokers' own limit (`waitTimeMillsInSendQueue`): older requests are refused.
const WAIT_MS: i64 = 200;

pub(super) fn requests_wait(facts: &Facts) -> Vec<Finding> {
    let found = facts.brokers.iter().flat_map(|broker| {
        ["send", "pull", "query"].into_iter().filter_map(move |pool| {
            let key = format!("{pool}ThreadPoolQueueHeadWaitTimeMills");
            let waited = number(broker, &key).filter(|waited| *waited >= WAIT_MS)?;
            let waiting = number(broker, &format!("{pool}ThreadPoolQueueSize"));
            Some(on_broker(
                Level::Warning,
                "requests wait",
                broker,
                format!(
                    "{} {pool} requests wait, the first for {waited} ms",
                    waiting.unwrap_or(1)
                ),
                "it is overloaded: see mq broker status --watch, and add a broker or slow the clients down",
            ))
        })
    });
    found.collect()
}

/// An answer that takes longer makes every client slow.
const SLOW_MS: u128 = 500;

pub(super) fn answer_time(facts: &Facts) -> Vec<Finding> {
    let slow = |subject, took_ms: u128| {
        (took_ms > SLOW_MS).then(|| {
            Finding::new(
                Level::Warning,
                "slow answers",
                subject,
                format!("a simple question took {took_ms} ms"),
                "look at the network between (ping, mtr) and at the load of its host",
            )
        })
    };
    let name_servers = facts.name_servers.iter().filter(|s| s.brokers.is_ok());
    let name_servers =
        name_servers.filter_map(|s| slow(Subject::NameServer(s.address.clone()), s.took_ms));
    let brokers = facts.brokers.iter().filter(|b| b.runtime.is_ok());
    let brokers = brokers.filter_map(|broker| slow(of_broker(broker), broker.took_ms));
    name_servers.chain(brokers).collect()
}

pub(super) fn clock(facts: &Facts) -> Vec<Finding> {
    let found = facts.brokers.iter().filter_map(|broker| {
        let Broker { name, address, .. } = &broker.broker;
        servers::clock_skew(name, address, broker.ahead_ms?)
    });
    found.collect()
}

pub(super) fn versions(facts: &Facts) -> Vec<Finding> {
    let versions = facts.brokers.iter();
    let versions = versions.filter_map(|b| Some(b.runtime.as_ref().ok()?.version.as_str()));
    servers::version_skew(versions).into_iter().collect()
}

pub(super) fn config_drift(facts: &Facts) -> Vec<Finding> {
    let mut clusters: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for broker in facts.brokers.iter().filter(|b| b.broker.is_master()) {
        if let Ok(config) = &broker.config {
            let side = (broker.broker.name.clone(), config.clone());
            clusters
                .entry(&broker.broker.cluster)
                .or_default()
                .push(side);
        }
    }
    let found = clusters.values().filter_map(|sides| {
        let mut differing = servers::differing_settings(sides, false);
        // A broker of another release or maker has other keys; permissions have a check of their own.
        differing.retain(|key, values| values.len() == sides.len() && key != "brokerPermission");
        servers::config_drift(&differing)
    });
    found.collect()
}

pub(super) fn durability(facts: &Facts) -> Vec<Finding> {
    let alone = |broker: &&BrokerFacts| {
        let name = &broker.broker.name;
        let mut slaves = facts.brokers.iter();
        broker.broker.is_master()
            && !slaves.any(|other| other.broker.name == *name && !other.broker.is_master())
    };
    let found = facts.brokers.iter().filter(alone).filter(|_| facts.prod);
    let found = found.filter(|broker| broker.setting("flushDiskType") == Some("ASYNC_FLUSH"));
    found
        .map(|broker| {
            on_broker(
                Level::Note,
                "durability",
                broker,
                "flushDiskType=ASYNC_FLUSH without a slave: a power failure may take the last half second",
                "set flushDiskType=SYNC_FLUSH in its broker.conf if no message may be lost, and restart it",
            )
        })
        .collect()
}

pub(super) fn auto_create(facts: &Facts) -> Vec<Finding> {
    let found = facts.brokers.iter().filter(|_| facts.prod);
    let found = found.filter(|broker| broker.setting("autoCreateTopicEnable") == Some("true"));
    found
        .map(|broker| {
            on_broker(
                Level::Note,
                "auto create",
                broker,
                "autoCreateTopicEnable=true: a misspelt topic is created, on the broker that got its first message only",
                "mq broker config set autoCreateTopicEnable=false --broker ".to_owned()
                    + &broker.broker.name,
            )
        })
        .collect()
}
