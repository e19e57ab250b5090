//! Topics.

use std::collections::{BTreeMap, BTreeSet};

use client::checks::{Finding, Level, Subject};
use client::names::is_system_topic;
use remoting::protocol::body::topic::PERM_WRITE;

use super::{on_broker, some};
use crate::commands::doctor::facts::{BrokerFacts, Facts, of_users};

/// Masters that told their topics.
pub(super) fn masters(facts: &Facts) -> impl Iterator<Item = &BrokerFacts> {
    let masters = facts.brokers.iter();
    masters.filter(|broker| broker.broker.is_master() && !broker.topics.is_empty())
}

/// Topic → masters that have it, of those that people made.
fn holders(facts: &Facts) -> BTreeMap<&str, Vec<&BrokerFacts>> {
    let mut holders: BTreeMap<&str, Vec<&BrokerFacts>> = BTreeMap::new();
    for broker in masters(facts) {
        for topic in broker.topics.keys().filter(|topic| of_users(topic, broker)) {
            holders.entry(topic).or_default().push(broker);
        }
    }
    holders
}

pub(super) fn topic_routed(facts: &Facts) -> Vec<Finding> {
    let answered = facts.name_servers.iter();
    let answered = answered.filter_map(|s| Some((&s.address, s.topics.as_ref().ok()?)));
    let holders = holders(facts);
    let found = answered.filter_map(|(address, topics)| {
        let unknown = holders.keys().copied().filter(|topic| !topics.contains(*topic));
        let unknown = Vec::from_iter(unknown);
        (!unknown.is_empty()).then(|| {
            Finding::new(
                Level::Warning,
                "no route",
                Subject::NameServer(address.clone()),
                format!("it does not know {}, which brokers have", some(unknown)),
                "brokers register within 30 s; if it stays so, look for its address in mq broker config get namesrvAddr",
            )
        })
    });
    found.collect()
}

pub(super) fn topic_held(facts: &Facts) -> Vec<Finding> {
    let complete = facts.brokers.iter().all(|broker| {
        broker.runtime.is_ok() && (!broker.broker.is_master() || !broker.topics.is_empty())
    });
    if !complete || facts.brokers.is_empty() {
        return Vec::new();
    }
    let held: BTreeSet<&str> = masters(facts)
        .flat_map(|broker| broker.topics.keys().map(String::as_str))
        .collect();
    let found = facts.name_servers.iter().filter_map(|server| {
        let topics = server.topics.as_ref().ok()?.iter().map(String::as_str);
        let orphans = topics.filter(|topic| !held.contains(topic) && !is_system_topic(topic));
        let orphans = Vec::from_iter(orphans.filter(|topic| {
            let mut brokers = facts.brokers.iter();
            !brokers.any(|b| b.broker.name == *topic || b.broker.cluster == *topic)
        }));
        (!orphans.is_empty()).then(|| {
            Finding::new(
                Level::Warning,
                "topic without broker",
                Subject::NameServer(server.address.clone()),
                format!("no broker has {}, which it still gives out", some(orphans)),
                "they went with a broker that is gone, or were deleted on brokers only: mq topic delete NAME",
            )
        })
    });
    found.collect()
}

pub(super) fn topic_alike(facts: &Facts) -> Vec<Finding> {
    let found = holders(facts).into_iter().filter_map(|(topic, on)| {
        let settings = |broker: &&BrokerFacts| {
            let config = &broker.topics[topic];
            (config.perm, config.read_queue_nums, config.write_queue_nums)
        };
        let different: BTreeSet<_> = on.iter().map(settings).collect();
        (different.len() > 1).then(|| {
            let each = on.iter().map(|broker| {
                let (perm, read, write) = settings(broker);
                format!("{}: perm {perm}, queues {read}/{write}", broker.broker.name)
            });
            Finding::new(
                Level::Note,
                "topic differs",
                Subject::Topic(topic.to_owned()),
                Vec::from_iter(each).join("; "),
                format!("if it is not meant so: mq topic update {topic} --queues N --perm rw"),
            )
        })
    });
    found.collect()
}

pub(super) fn write_permission(facts: &Facts) -> Vec<Finding> {
    let mut wiped: BTreeMap<&str, (&BrokerFacts, Vec<&str>)> = BTreeMap::new();
    for broker in masters(facts) {
        let perm = broker
            .setting("brokerPermission")
            .and_then(|perm| perm.parse::<i32>().ok());
        if perm.is_some_and(|perm| perm & PERM_WRITE == 0) {
            continue;
        }
        let name = broker.broker.name.as_str();
        for (topic, config) in &broker.topics {
            let given = facts.routes.get(topic).and_then(|route| route.get(name));
            if config.perm & PERM_WRITE != 0 && given.is_some_and(|perm| perm & PERM_WRITE == 0) {
                let entry = wiped.entry(name).or_insert((broker, Vec::new()));
                entry.1.push(topic);
            }
        }
    }
    let found = wiped.into_values().map(|(broker, topics)| {
        on_broker(
            Level::Warning,
            "write permission wiped",
            broker,
            format!("name servers give out {} for reading only", some(topics)),
            format!(
                "if it is not being drained: mq broker drain {} --undo",
                broker.broker.name
            ),
        )
    });
    found.collect()
}

pub(super) fn topic_spread(facts: &Facts) -> Vec<Finding> {
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    for broker in masters(facts) {
        *all.entry(&broker.broker.cluster).or_default() += 1;
    }
    let found = holders(facts).into_iter().filter(|_| facts.prod);
    let found = found.filter_map(|(topic, on)| {
        let [only] = on.as_slice() else { return None };
        let several = all
            .get(only.broker.cluster.as_str())
            .is_some_and(|all| *all > 1);
        (several && !topic.starts_with('%')).then(|| {
            Finding::new(
                Level::Note,
                "one broker only",
                Subject::Topic(topic.to_owned()),
                format!(
                    "it is on {} alone: while that is down, nothing can be sent",
                    only.broker.name
                ),
                format!("mq topic create {topic}"),
            )
        })
    });
    found.collect()
}
