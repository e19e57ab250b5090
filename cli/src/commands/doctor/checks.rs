//! The checks: each a function of the facts. Those that the dashboard makes as well are in the client crate.

use std::collections::{BTreeMap, BTreeSet};

use client::admin::{Broker, version_name};
use client::checks::groups::{self, Standing};
use client::checks::servers::{self, Condition};
use client::checks::{Finding, Level, Subject};
use client::names::is_system_topic;
use client::verdict::{Facts as GroupState, Sample, Verdict, short, span};
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE};

use super::facts::{BrokerFacts, Facts, GroupFacts, Progress, of_users};

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Servers,
    Topics,
    Groups,
    Host,
}

pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// What is so when it finds nothing.
    pub(crate) expects: &'static str,
    pub(crate) scope: Scope,
    pub(crate) run: fn(&Facts) -> Vec<Finding>,
}

macro_rules! checks {
    ($($scope:ident $name:literal $run:path => $expects:literal;)*) => {
        /// All of them, along the way from a client to its messages.
        pub(crate) const CHECKS: &[Check] = &[
            $(Check { name: $name, expects: $expects, scope: Scope::$scope, run: $run },)*
        ];
    };
}

checks! {
    Servers "name-server-answers" name_server_answers => "every name server answers";
    Servers "name-servers-agree" name_servers_agree => "all name servers know the same brokers";
    Servers "name-servers-topics" name_servers_topics => "all name servers know the same topics";
    Servers "name-servers-settings" name_servers_settings => "all name servers have the same settings";
    Servers "broker-registered" broker_registered => "a broker is registered";
    Servers "broker-answers" broker_answers => "every broker answers at the address it advertises";
    Servers "loopback-advertised" loopback_advertised => "no broker advertises an address that means every machine itself";
    Servers "address-shared" address_shared => "no two brokers advertise the same address";
    Servers "master-present" master_present => "every broker name has a master";
    Servers "broker-permission" broker_permission => "brokers may be read and written";
    Servers "disk" disk => "no disk is filling up";
    Servers "read-only-store" read_only_store => "every store takes messages";
    Servers "failed-writes" failed_writes => "no write has failed";
    Servers "page-cache" page_cache => "writes are quick";
    Servers "dispatch" dispatch => "what is stored is visible at once";
    Servers "flush" flush => "what is stored is soon on disk";
    Servers "requests-wait" requests_wait => "requests are handled at once";
    Servers "answer-time" answer_time => "servers answer quickly";
    Servers "clock" clock => "all clocks agree";
    Servers "versions" versions => "all brokers run the same release";
    Servers "config-drift" config_drift => "brokers of a cluster have the same settings";
    Servers "durability" durability => "production survives the loss of a machine's memory";
    Servers "auto-create" auto_create => "topics of production are made on purpose";
    Topics "topic-routed" topic_routed => "every topic of a broker is known to the name servers";
    Topics "topic-held" topic_held => "every topic that name servers know is on a broker";
    Topics "topic-alike" topic_alike => "a topic has the same settings on all its brokers";
    Topics "write-permission" write_permission => "name servers give out the permissions that brokers have";
    Topics "topic-spread" topic_spread => "topics of production are on more than one broker";
    Groups "lag" lag => "every group keeps up";
    Groups "subscriptions" subscriptions => "all members of a group subscribe to the same";
    Groups "subscribed-topic" subscribed_topic => "every subscribed topic exists";
    Groups "idle-members" idle_members => "every member of a group has a queue";
    Groups "uneven-queues" uneven_queues => "the members of a group own as many queues as each other";
    Groups "hot-queue" hot_queue => "the queues of a topic are consumed evenly";
    Groups "retries" retries => "messages are consumed at the first try";
    Groups "dead-letters" dead_letters => "no message was given up";
    Groups "consume-enabled" consume_enabled => "no group with members is switched off";
    Groups "group-everywhere" group_everywhere => "a group exists on all brokers of its topics";
    Groups "client-versions" client_versions => "the members of a group run the same client";
    Groups "dead-group" dead_group => "no group is left over";
    Host "open-files" open_files => "servers of this host may open enough files";
    Host "namesrv-variable" namesrv_variable => "programs started here find the same name servers";
    Host "local-broker" local_broker => "brokers of this host are registered here";
    Host "rewrite-used" rewrite_used => "every rule of address rewriting meets a broker";
}

fn of_broker(broker: &BrokerFacts) -> Subject {
    Subject::Broker {
        name: broker.broker.name.clone(),
        address: broker.broker.address.clone(),
    }
}

fn on_broker(
    level: Level,
    what: &'static str,
    broker: &BrokerFacts,
    evidence: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding::new(level, what, of_broker(broker), evidence, fix)
}

/// Up to five of many names.
fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names = Vec::from_iter(names);
    let more = names.len().saturating_sub(5);
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

// Name servers.

fn name_server_answers(facts: &Facts) -> Vec<Finding> {
    let down = facts.name_servers.iter().filter_map(|server| {
        let reason = server.brokers.as_ref().err()?;
        Some(servers::name_server_down(&server.address, reason))
    });
    down.collect()
}

fn name_servers_agree(facts: &Facts) -> Vec<Finding> {
    let known = facts.name_servers.iter().filter_map(|server| {
        let brokers = server.brokers.as_ref().ok()?.iter().map(String::as_str);
        Some((server.address.as_str(), brokers.collect()))
    });
    servers::name_servers_differ(&Vec::from_iter(known))
}

fn name_servers_topics(facts: &Facts) -> Vec<Finding> {
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

fn name_servers_settings(facts: &Facts) -> Vec<Finding> {
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

// Brokers.

fn broker_registered(facts: &Facts) -> Vec<Finding> {
    let asked = facts.name_servers.iter().any(|s| s.brokers.is_ok());
    match asked && facts.brokers.is_empty() {
        true => vec![servers::no_broker(&facts.addresses)],
        false => Vec::new(),
    }
}

fn broker_answers(facts: &Facts) -> Vec<Finding> {
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

fn loopback_advertised(facts: &Facts) -> Vec<Finding> {
    let name_servers = facts.name_servers.iter().map(|s| s.address.as_str());
    let name_servers = Vec::from_iter(name_servers);
    let found = facts.brokers.iter().filter_map(|broker| {
        let Broker { name, address, .. } = &broker.broker;
        servers::advertised_loopback(name, address, &name_servers)
    });
    found.collect()
}

fn address_shared(facts: &Facts) -> Vec<Finding> {
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

fn master_present(facts: &Facts) -> Vec<Finding> {
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

fn broker_permission(facts: &Facts) -> Vec<Finding> {
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

fn disk(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "disk")
}

fn read_only_store(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "read-only")
}

fn failed_writes(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "failed writes")
}

fn page_cache(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "page cache busy")
}

fn dispatch(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "dispatch behind")
}

fn flush(facts: &Facts) -> Vec<Finding> {
    of_store(facts, "flush behind")
}

/// As the brokers' own limit (`waitTimeMillsInSendQueue`): older requests are refused.
const WAIT_MS: i64 = 200;

fn requests_wait(facts: &Facts) -> Vec<Finding> {
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

fn answer_time(facts: &Facts) -> Vec<Finding> {
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

fn clock(facts: &Facts) -> Vec<Finding> {
    let found = facts.brokers.iter().filter_map(|broker| {
        let Broker { name, address, .. } = &broker.broker;
        servers::clock_skew(name, address, broker.ahead_ms?)
    });
    found.collect()
}

fn versions(facts: &Facts) -> Vec<Finding> {
    let versions = facts.brokers.iter();
    let versions = versions.filter_map(|b| Some(b.runtime.as_ref().ok()?.version.as_str()));
    servers::version_skew(versions).into_iter().collect()
}

fn config_drift(facts: &Facts) -> Vec<Finding> {
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

fn durability(facts: &Facts) -> Vec<Finding> {
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

fn auto_create(facts: &Facts) -> Vec<Finding> {
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

// Topics.

/// Masters that told their topics.
fn masters(facts: &Facts) -> impl Iterator<Item = &BrokerFacts> {
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

fn topic_routed(facts: &Facts) -> Vec<Finding> {
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

fn topic_held(facts: &Facts) -> Vec<Finding> {
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

fn topic_alike(facts: &Facts) -> Vec<Finding> {
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

fn write_permission(facts: &Facts) -> Vec<Finding> {
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

fn topic_spread(facts: &Facts) -> Vec<Finding> {
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

// Groups.

fn retry_topic(group: &str) -> String {
    format!("%RETRY%{group}")
}

fn lag_of(group: &GroupFacts) -> i64 {
    group.queues.values().map(|queue| queue.lag()).sum()
}

fn lag(facts: &Facts) -> Vec<Finding> {
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

fn subscriptions(facts: &Facts) -> Vec<Finding> {
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

fn subscribed_topic(facts: &Facts) -> Vec<Finding> {
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

fn idle_members(facts: &Facts) -> Vec<Finding> {
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let members = group.members.as_ref()?.len();
        let queues = group.queues.keys();
        let queues = queues.filter(|(topic, _, _)| *topic != retry_topic(name));
        groups::idle_members(name, members, queues.count())
    });
    found.collect()
}

fn uneven_queues(facts: &Facts) -> Vec<Finding> {
    let found = facts.groups.iter().filter_map(|(name, group)| {
        let members = group.members.as_ref()?.iter();
        let owned = members.map(|member| Some((member.id.as_str(), member.owned.clone()?)));
        groups::uneven_queues(name, owned)
    });
    found.collect()
}

fn hot_queue(facts: &Facts) -> Vec<Finding> {
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

fn retries(facts: &Facts) -> Vec<Finding> {
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

fn dead_letters(facts: &Facts) -> Vec<Finding> {
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

fn consume_enabled(facts: &Facts) -> Vec<Finding> {
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

fn group_everywhere(facts: &Facts) -> Vec<Finding> {
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

fn client_versions(facts: &Facts) -> Vec<Finding> {
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

fn dead_group(facts: &Facts) -> Vec<Finding> {
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

// This host.

/// What Apache's tuning script sets is 655,350: a file for each queue and segment, and one for each connection.
const ENOUGH_FILES: u64 = 65_536;
/// With less, a few hundred clients and topics are too many.
const FEW_FILES: u64 = 4_096;
/// Part of the limit that may be in use.
const FILES_USED: f64 = 0.8;

fn open_files(facts: &Facts) -> Vec<Finding> {
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

fn namesrv_variable(facts: &Facts) -> Vec<Finding> {
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

fn local_broker(facts: &Facts) -> Vec<Finding> {
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

fn rewrite_used(facts: &Facts) -> Vec<Finding> {
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

#[cfg(test)]
mod tests;
