//! What is wrong, as rows: the checks of the client crate on what the dashboard knows, and the pages that show it.

use std::collections::{BTreeMap, BTreeSet};

use client::checks::servers::{self, Condition};
use client::checks::{self, Finding, Level, Subject};
use client::names::{DLQ_PREFIX, RETRY_PREFIX};
use client::verdict::{STUCK_AFTER_MS, Verdict, short, span};

use crate::app::App;
use crate::history::unread;
use crate::page::Page;
use crate::sheet::Tone;
use crate::snapshot::{Broker, Group, GroupQueue, Snapshot, Topic};

pub(crate) fn tone(level: Level) -> Tone {
    match level {
        Level::Critical => Tone::Bad,
        Level::Warning => Tone::Warn,
        Level::Note => Tone::Plain,
    }
}

/// Dead letters that are younger still arrive.
const ARRIVING_MS: i64 = 300_000;

const GONE: &str = "broker gone";

/// The page with more about it.
pub(crate) fn page(finding: &Finding) -> Page {
    match &finding.subject {
        // It has no page any more.
        Subject::Broker { .. } if finding.what == GONE => Page::Brokers,
        Subject::Broker { address, .. } => Page::Broker(address.clone()),
        Subject::Topic(topic) => Page::Topic(topic.clone()),
        Subject::Group(group) => Page::Group(group.clone()),
        Subject::DeadLetters(group) => Page::Topic(format!("{DLQ_PREFIX}{group}")),
        Subject::Cluster | Subject::NameServer(_) | Subject::Host => Page::Brokers,
    }
}

/// Everything that is wrong, worst first.
pub(crate) fn findings(app: &App) -> Vec<Finding> {
    let Some(snapshot) = &app.latest else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let name_servers = snapshot.name_servers.iter();
    let name_servers = Vec::from_iter(name_servers.map(|server| server.address.as_str()));
    for broker in &snapshot.brokers {
        found.extend(of_broker(broker));
        let (name, address) = (&broker.name, &broker.address);
        found.extend(servers::advertised_loopback(name, address, &name_servers));
    }
    for (name, address, seen_ms) in app.history.gone(snapshot) {
        found.push(Finding::new(
            Level::Critical,
            GONE,
            Subject::Broker {
                name: format!("{name} ({address})"),
                address: address.to_owned(),
            },
            format!(
                "stopped, or silent for so long that no name server knows it; last registered {} ago",
                span(app.now_ms - seen_ms)
            ),
            "start it again (on its host: mq status); if it was taken away on purpose, a new dashboard forgets it",
        ));
    }
    if snapshot.brokers.is_empty() {
        found.push(servers::no_broker(&app.source));
    }
    let versions = snapshot.brokers.iter();
    found.extend(servers::version_skew(versions.filter_map(|broker| {
        Some(broker.runtime.as_ref().ok()?.version.as_str())
    })));
    found.extend(of_name_servers(snapshot));
    for group in &snapshot.groups {
        found.extend(of_group(app, snapshot, group));
    }
    found.extend(
        snapshot
            .topics
            .iter()
            .filter_map(|topic| of_dead_letters(app, topic)),
    );
    found.extend(snapshot.missing.iter().map(|missing| {
        Finding::new(
            Level::Warning,
            "incomplete",
            Subject::Cluster,
            missing.clone(),
            "mq cluster list",
        )
    }));
    found.sort_by_key(|finding| finding.level);
    found
}

fn of_broker(broker: &Broker) -> Vec<Finding> {
    let (name, address) = (&broker.name, &broker.address);
    match &broker.runtime {
        Err(reason) => vec![servers::broker_down(name, address, address, reason)],
        Ok(runtime) => {
            let condition = Condition {
                disk_used: runtime.disk_used,
                dispatch_behind_bytes: runtime.dispatch_behind_bytes,
                page_cache_lock_ms: runtime.page_cache_lock_ms,
                read_only_reason: runtime.read_only_reason.as_deref(),
                failed_puts: runtime.failed_puts,
                to_flush: runtime.to_flush.as_deref(),
            };
            let mut found = servers::store(name, address, condition);
            let ahead_ms = runtime.ahead_ms;
            found.extend(ahead_ms.and_then(|ahead| servers::clock_skew(name, address, ahead)));
            found
        }
    }
}

fn of_name_servers(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut known = Vec::new();
    for server in &snapshot.name_servers {
        match &server.brokers {
            Err(reason) => found.push(servers::name_server_down(&server.address, reason)),
            Ok(brokers) => {
                let brokers = brokers.iter().map(String::as_str);
                known.push((server.address.as_str(), brokers.collect()));
            }
        }
    }
    found.extend(servers::name_servers_differ(&known));
    found
}

fn of_group(app: &App, snapshot: &Snapshot, group: &Group) -> Vec<Finding> {
    let name = &group.name;
    let mut found = Vec::new();
    let verdict = app.history.verdict(group, snapshot);
    if let Ok(lag) = group.lag() {
        let standing = checks::groups::Standing {
            lag: lag + unread(group, snapshot),
            at_least: group.incomplete,
            behind_ms: group.behind_ms(snapshot.taken_ms),
            members: group.member_count(),
        };
        found.extend(checks::groups::verdict(name, verdict, standing));
    }
    if !matches!(
        verdict,
        Verdict::Stuck { .. } | Verdict::NoMember | Verdict::Unread
    ) {
        found.extend(stuck_queue(app, group));
    }
    let queues = group.queues.iter().flatten();
    found.extend(checks::groups::hot_queue(
        name,
        queues.map(|queue| checks::groups::Queue {
            topic: &queue.topic,
            broker: &queue.broker,
            id: queue.id,
            lag: queue.lag(),
        }),
    ));
    found.extend(different_subscriptions(group));
    found.extend(shares(group));
    found
}

/// A queue that stands still while the group as a whole goes on: its client hangs, or nobody owns it.
fn stuck_queue(app: &App, group: &Group) -> Option<Finding> {
    let queues = group.queues.as_ref().ok()?;
    let still = |queue: &&GroupQueue| app.history.stands_still_ms(&group.name, queue);
    let worst = queues
        .iter()
        .filter(|queue| queue.lag() > 0)
        .max_by_key(still)?;
    let ms = still(&worst);
    (ms >= STUCK_AFTER_MS).then(|| {
        let owner = group
            .owner(worst)
            .map_or("nobody known".to_owned(), |member| member.id.clone());
        Finding::new(
            Level::Critical,
            "stuck queue",
            Subject::Group(group.name.clone()),
            format!(
                "{} {}/{}: {} messages, still for {}, owned by {owner}",
                worst.topic,
                worst.broker,
                worst.id,
                short(worst.lag()),
                span(ms)
            ),
            format!("mq group lag {} --queues", group.name),
        )
    })
}

/// How the members of a group share its queues. Of a group that broadcasts, everybody has all.
fn shares(group: &Group) -> Vec<Finding> {
    let (Ok(members), Ok(queues)) = (&group.members, &group.queues) else {
        return Vec::new();
    };
    // Of a broker that is down, nobody knows the queues.
    if group.incomplete || group.model.as_deref() != Some("CLUSTERING") {
        return Vec::new();
    }
    let queues = queues
        .iter()
        .filter(|queue| !queue.topic.starts_with(RETRY_PREFIX));
    let idle = checks::groups::idle_members(&group.name, members.len(), queues.count());
    let owned = members.iter().map(|member| {
        let running = member.running.as_ref()?.as_ref().ok()?;
        let mut owned = BTreeMap::new();
        for (topic, _, _) in &running.queues {
            *owned.entry(topic.clone()).or_default() += 1;
        }
        Some((member.id.as_str(), owned))
    });
    let uneven = checks::groups::uneven_queues(&group.name, owned);
    idle.into_iter().chain(uneven).collect()
}

/// Whether the members of a group subscribe to the same, as far as they were asked.
pub(crate) fn different_subscriptions(group: &Group) -> Option<Finding> {
    let members = group.members.as_ref().ok()?.iter();
    let told = members.filter_map(|member| {
        let running = member.running.as_ref()?.as_ref().ok()?;
        let wanted = running.subscriptions.iter();
        let wanted = wanted.map(|wanted| (wanted.topic.as_str(), wanted.expression.as_str()));
        Some((member.id.as_str(), BTreeSet::from_iter(wanted)))
    });
    checks::groups::different_subscriptions(&group.name, told)
}

fn of_dead_letters(app: &App, topic: &Topic) -> Option<Finding> {
    let group = topic.name.strip_prefix(DLQ_PREFIX)?;
    let age_ms = topic.last_ms().map(|last| app.now_ms - last);
    let arriving = age_ms.is_some_and(|age| age < ARRIVING_MS);
    checks::groups::dead_letters(group, topic.messages().ok()?, age_ms, arriving)
}
