//! Consumer groups.

use std::collections::{BTreeMap, BTreeSet};

use client::admin::version_name;
use client::checks::groups::{self, Standing};
use client::checks::{Finding, Level, Subject};
use client::verdict::{Facts as GroupState, Sample, Verdict, short, span};

use super::some;
use super::topics::masters;
use crate::commands::doctor::facts::{Facts, GroupFacts, Progress};

fn retry_topic(group: &str) -> String {
    format!("%RETRY%{group}")
}

fn lag_of(group: &GroupFacts) -> i64 {
    group.queues.values().map(|queue| queue.lag()).sum()
}

pub(super) fn lag(facts: &Facts) -> Vec<Finding> {
    let hours = facts.brokers.iter();
    let hours = hours.filter_map(|b| b.setting("fileReservedTime")?.parse::<i64>().ok());
    let retention_ms = hours.min().map(|hours| hours.saturating_mul(3_600_000));
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let waiting = group.queues.values().filter(|queue| queue.lag() > 0);
        let behind = waiting.filter(|queue| queue.last_ms > 0);
        let behind_ms = behind
            .map(|queue| (facts.now_ms - queue.last_ms).max(0))
            .max();
        let members = group.members.as_ref().map(Vec::len);
        let unread = unread(facts, group);
        let lag = lag_of(group);
        let state = GroupState {
            members,
            behind_ms,
            retention_ms,
            lost: lost(facts, group),
            unread,
        };
        let sample = Sample {
            at_ms: facts.now_ms,
            lag,
            consumed: group.queues.values().map(|queue| queue.offset).sum(),
        };
        let standing = Standing {
            lag: lag + unread,
            behind_ms,
            members,
            ..Standing::default()
        };
        groups::verdict(name, Verdict::of(&[sample], state), standing)
    });
    found.collect()
}

/// Messages that were deleted before the group came to them. One that never consumed has missed nothing yet.
fn lost(facts: &Facts, group: &GroupFacts) -> i64 {
    let gap = |((topic, broker, id), queue): (&(String, String, i32), &Progress)| {
        let range = facts.queues.get(topic)?.get(broker)?.get(id)?;
        (queue.offset > 0).then(|| (range.min_offset - queue.offset).max(0))
    };
    group.queues.iter().filter_map(gap).sum()
}

/// Messages in subscribed topics of which the group has no offset at all.
fn unread(facts: &Facts, group: &GroupFacts) -> i64 {
    let started = |topic: &str| group.queues.keys().any(|(known, _, _)| known == topic);
    let messages = |topic: &String| {
        let ranges = facts.queues.get(topic)?.values().flat_map(BTreeMap::values);
        Some(
            ranges
                .map(|range| range.max_offset - range.min_offset)
                .sum::<i64>(),
        )
    };
    let wanted = group.subscriptions.keys().filter(|topic| !started(topic));
    wanted.filter_map(messages).sum()
}

pub(super) fn subscriptions(facts: &Facts) -> Vec<Finding> {
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let members = group.members.iter().flatten().filter_map(|member| {
            let wanted = member.subscriptions.as_ref()?.iter();
            let wanted = wanted.map(|(topic, expression)| (topic.as_str(), expression.as_str()));
            Some((member.id.as_str(), wanted.collect()))
        });
        groups::different_subscriptions(name, members)
    });
    found.collect()
}

pub(super) fn subscribed_topic(facts: &Facts) -> Vec<Finding> {
    if !facts.left_out.is_empty() || masters(facts).next().is_none() {
        return Vec::new();
    }
    let known: BTreeSet<&str> = masters(facts)
        .flat_map(|broker| broker.topics.keys().map(String::as_str))
        .collect();
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let wanted = group.subscriptions.keys().map(String::as_str);
        let missing = wanted.filter(|topic| !known.contains(topic) && *topic != retry_topic(name));
        let missing = Vec::from_iter(missing);
        (!missing.is_empty()).then(|| {
            Finding::new(
                Level::Warning,
                "topic missing",
                Subject::Group(name.clone()),
                format!(
                    "its members subscribe to {}, which no broker has",
                    some(missing.iter().copied())
                ),
                format!(
                    "mq topic create {}, or mend the name in the program",
                    missing[0]
                ),
            )
        })
    });
    found.collect()
}

pub(super) fn idle_members(facts: &Facts) -> Vec<Finding> {
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let members = group.members.as_ref()?.len();
        let queues = group.queues.keys();
        let queues = queues.filter(|(topic, _, _)| *topic != retry_topic(name));
        groups::idle_members(name, members, queues.count())
    });
    found.collect()
}

pub(super) fn uneven_queues(facts: &Facts) -> Vec<Finding> {
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let members = group.members.as_ref()?.iter();
        let owned = members.map(|member| Some((member.id.as_str(), member.owned.clone()?)));
        groups::uneven_queues(name, owned)
    });
    found.collect()
}

pub(super) fn hot_queue(facts: &Facts) -> Vec<Finding> {
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let queues = group.queues.iter();
        let queues = queues.map(|((topic, broker, id), progress)| groups::Queue {
            topic,
            broker,
            id: *id,
            lag: progress.lag(),
        });
        groups::hot_queue(name, queues)
    });
    found.collect()
}

/// So many messages waiting for their next try are more than an accident.
const MANY_RETRIES: i64 = 100;

pub(super) fn retries(facts: &Facts) -> Vec<Finding> {
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let retry = retry_topic(name);
        let queues = group
            .queues
            .iter()
            .filter(|((topic, _, _), _)| *topic == retry);
        let waiting: i64 = queues.map(|(_, queue)| queue.lag()).sum();
        (waiting >= MANY_RETRIES).then(|| {
            Finding::new(
                Level::Warning,
                "retries",
                Subject::Group(name.clone()),
                format!(
                    "{} messages failed and wait to be tried again",
                    short(waiting)
                ),
                format!("look into one: mq consume '{retry}' --from first --count 1 -o json"),
            )
        })
    });
    found.collect()
}

pub(super) fn dead_letters(facts: &Facts) -> Vec<Finding> {
    let found = facts.queues.iter().filter_map(|(topic, brokers)| {
        let group = topic.strip_prefix("%DLQ%")?;
        let ranges = || brokers.values().flat_map(BTreeMap::values);
        let messages = ranges()
            .map(|range| range.max_offset - range.min_offset)
            .sum();
        let last = ranges().map(|range| range.last_update_timestamp).max();
        let age_ms = last
            .filter(|last| *last > 0)
            .map(|last| facts.now_ms - last);
        groups::dead_letters(group, messages, age_ms, false)
    });
    found.collect()
}

pub(super) fn consume_enabled(facts: &Facts) -> Vec<Finding> {
    let mut off: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for broker in &facts.brokers {
        let groups = broker
            .groups
            .iter()
            .filter(|(_, group)| !group.consume_enable);
        for (name, _) in groups {
            off.entry(name).or_default().push(&broker.broker.name);
        }
    }
    let found = off.into_iter().filter_map(|(name, brokers)| {
        let members = facts.groups.get(name)?.members.as_ref()?.len();
        (members > 0).then(|| {
            Finding::new(
                Level::Warning,
                "consuming off",
                Subject::Group(name.to_owned()),
                format!("{members} members are refused by {}: consumeEnable=false", some(brokers)),
                format!("mq mqadmin updateSubGroup -g {name} -s true, for each broker (-b) or the cluster (-c)"),
            )
        })
    });
    found.collect()
}

pub(super) fn group_everywhere(facts: &Facts) -> Vec<Finding> {
    let found = facts.groups.iter().filter_map(|(name, group)| {
        if group.members.as_ref().is_none_or(Vec::is_empty) {
            return None;
        }
        let wanted = |topic: &String| group.subscriptions.contains_key(topic);
        let lacks = masters(facts).filter(|broker| {
            !broker.groups.contains_key(name)
                && broker.setting("autoCreateSubscriptionGroup") == Some("false")
                && broker.topics.keys().any(wanted)
        });
        let lacks = Vec::from_iter(lacks.map(|broker| broker.broker.name.as_str()));
        (!lacks.is_empty()).then(|| {
            Finding::new(
                Level::Critical,
                "group missing",
                Subject::Group(name.clone()),
                format!(
                    "{} have its topics and not the group: nothing is consumed there",
                    some(lacks)
                ),
                format!("mq group create {name}"),
            )
        })
    });
    found.collect()
}

pub(super) fn client_versions(facts: &Facts) -> Vec<Finding> {
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let members = group.members.iter().flatten();
        let versions: BTreeSet<i32> = members.map(|member| member.version).collect();
        (versions.len() > 1).then(|| {
            let versions = versions.iter().map(|version| version_name(*version));
            Finding::new(
                Level::Note,
                "client versions",
                Subject::Group(name.clone()),
                format!(
                    "its members run clients {}",
                    Vec::from_iter(versions).join(", ")
                ),
                "fine during a roll-out; releases may divide queues differently",
            )
        })
    });
    found.collect()
}

/// For so long without consuming, nobody comes back.
const DEAD_AFTER_MS: i64 = 7 * 24 * 3_600_000;

pub(super) fn dead_group(facts: &Facts) -> Vec<Finding> {
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let nobody = group.members.as_ref().is_some_and(Vec::is_empty);
        let last = group.queues.values().map(|queue| queue.last_ms).max()?;
        let age_ms = facts.now_ms - last;
        (nobody && lag_of(group) == 0 && last > 0 && age_ms > DEAD_AFTER_MS).then(|| {
            Finding::new(
                Level::Note,
                "dead group",
                Subject::Group(name.clone()),
                format!(
                    "no member, nothing to consume, last consumed {} ago",
                    span(age_ms)
                ),
                format!("if it is not needed: mq group delete {name}"),
            )
        })
    });
    found.collect()
}
