//! What is asked before anything is judged: every server, every master's topics and groups, and this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use client::admin::{Broker, Runtime};
use client::names::{is_system_group, is_system_topic};
use client::{Admin, fan_out};
use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::body::stats::{ConsumeStats, TopicOffset};
use remoting::protocol::body::topic::TopicConfig;
use remoting::protocol::properties::Property;

use crate::error::Result;
use crate::instance::{Instance, Registry};
use crate::profile::Settings;

/// A value, or why it is not known.
pub(crate) type Asked<T> = Result<T, String>;

/// Topics whose route and offsets are asked for, and members that are asked about themselves.
const MOST_TOPICS: usize = 1_000;
const MOST_MEMBERS: usize = 300;

/// Everything the checks look at. Times are milliseconds since the epoch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) now_ms: i64,
    /// As given: `host:port;host:port`.
    pub(crate) addresses: String,
    pub(crate) prod: bool,
    /// Rules of address rewriting, as they are written.
    pub(crate) rewrite: BTreeMap<String, String>,
    pub(crate) name_servers: Vec<NameServer>,
    pub(crate) brokers: Vec<BrokerFacts>,
    /// Topic → broker name → permissions, as the name servers give them to clients.
    pub(crate) routes: BTreeMap<String, BTreeMap<String, i32>>,
    /// Topic → broker name → queue → range.
    pub(crate) queues: BTreeMap<String, BTreeMap<String, BTreeMap<i32, TopicOffset>>>,
    pub(crate) groups: BTreeMap<String, GroupFacts>,
    pub(crate) host: Host,
    /// What was not asked, because there is too much of it.
    pub(crate) left_out: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct NameServer {
    pub(crate) address: String,
    /// Addresses of the brokers it knows.
    pub(crate) brokers: Asked<BTreeSet<String>>,
    pub(crate) topics: Asked<BTreeSet<String>>,
    pub(crate) config: Asked<Vec<Property>>,
    pub(crate) took_ms: u128,
}

#[derive(Debug, Clone)]
pub(crate) struct BrokerFacts {
    pub(crate) broker: Broker,
    /// Where it was asked, after rewriting.
    pub(crate) reached_at: String,
    pub(crate) runtime: Asked<Runtime>,
    pub(crate) config: Asked<Vec<Property>>,
    /// By how much its clock is ahead of ours.
    pub(crate) ahead_ms: Option<i64>,
    pub(crate) took_ms: u128,
    /// Of masters only.
    pub(crate) topics: BTreeMap<String, TopicConfig>,
    pub(crate) groups: BTreeMap<String, SubscriptionGroupConfig>,
}

impl BrokerFacts {
    /// A setting, if it tells.
    pub(crate) fn setting(&self, key: &str) -> Option<&str> {
        let config = self.config.as_ref().ok()?;
        let setting = config.iter().rfind(|setting| setting.key == key)?;
        Some(&setting.value)
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct GroupFacts {
    /// By topic, broker and queue.
    pub(crate) queues: BTreeMap<(String, String, i32), Progress>,
    /// `None`: no broker could be asked.
    pub(crate) members: Option<Vec<Member>>,
    /// Topics with their expressions, as the brokers have them of the member they heard last.
    pub(crate) subscriptions: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    pub(crate) max: i64,
    pub(crate) offset: i64,
    /// Store time of the last message consumed; 0 if unknown.
    pub(crate) last_ms: i64,
}

impl Progress {
    pub(crate) fn lag(self) -> i64 {
        (self.max - self.offset.max(0)).max(0)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) version: i32,
    /// What it says that it subscribes to; `None` if it was not asked or did not say.
    pub(crate) subscriptions: Option<BTreeSet<(String, String)>>,
    /// By topic, how many queues it says that it owns.
    pub(crate) owned: Option<BTreeMap<String, usize>>,
}

/// The machine that looks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Host {
    /// `NAMESRV_ADDR`, as programs that are started here find it.
    pub(crate) namesrv_variable: Option<String>,
    pub(crate) servers: Vec<LocalServer>,
}

/// A server that runs on this host.
#[derive(Debug, Clone)]
pub(crate) struct LocalServer {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) addresses: Vec<String>,
    /// Soft limit of its process.
    pub(crate) open_files: Option<u64>,
    pub(crate) files_open: Option<u64>,
}

/// Asks name servers and brokers how they are.
///
/// # Errors
/// For settings that no client can be made of. That nobody answers is a fact.
pub(crate) async fn of_servers(admin: &Admin, settings: &Settings) -> Result<Facts> {
    let name_servers = admin.client().name_servers().all().to_vec();
    let asked = fan_out::all(name_servers, |address| {
        let admin = admin.clone();
        async move { name_server(&admin, address).await }
    });
    let (name_servers, brokers): (Vec<_>, Vec<_>) = asked.await.into_iter().unzip();
    let brokers: BTreeSet<Broker> = brokers.into_iter().flatten().collect();
    let brokers = fan_out::all(brokers, |broker| {
        let admin = admin.clone();
        async move { of_broker(&admin, broker).await }
    });
    Ok(Facts {
        now_ms: jiff::Timestamp::now().as_millisecond(),
        addresses: settings.namesrv.value.clone(),
        prod: settings.prod.value,
        rewrite: settings.rewrite.value.clone(),
        name_servers,
        brokers: brokers.await,
        ..Facts::default()
    })
}

async fn name_server(admin: &Admin, address: String) -> (NameServer, Vec<Broker>) {
    let asked_at = Instant::now();
    let known = match admin.cluster_info(&address).await {
        Ok(info) => Ok(Vec::from_iter(client::admin::brokers_of(info))),
        Err(error) => Err(error.to_string()),
    };
    let took_ms = asked_at.elapsed().as_millis();
    let (topics, config) = match &known {
        // It would take its whole deadline again, twice.
        Err(reason) => (Err(reason.clone()), Err(reason.clone())),
        Ok(_) => (
            admin
                .name_server_topics(&address)
                .await
                .map(BTreeSet::from_iter)
                .map_err(|e| e.to_string()),
            admin
                .name_server_config(&address)
                .await
                .map_err(|e| e.to_string()),
        ),
    };
    let brokers = known.clone().unwrap_or_default();
    let server = NameServer {
        address,
        brokers: known.map(|brokers| brokers.into_iter().map(|b| b.address).collect()),
        topics,
        config,
        took_ms,
    };
    (server, brokers)
}

async fn of_broker(admin: &Admin, broker: Broker) -> BrokerFacts {
    let asked_at = Instant::now();
    let runtime = admin.runtime(&broker.address).await;
    let took = asked_at.elapsed();
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let ahead_ms = runtime.as_ref().ok().and_then(|runtime| {
        let half = i64::try_from(took.as_millis() / 2).unwrap_or_default();
        Some(runtime.clock_ms()? - (now_ms - half))
    });
    let mut facts = BrokerFacts {
        reached_at: admin.client().reached_at(&broker.address).into_owned(),
        config: Err(String::new()),
        runtime: runtime.map_err(|e| e.to_string()),
        ahead_ms,
        took_ms: took.as_millis(),
        topics: BTreeMap::new(),
        groups: BTreeMap::new(),
        broker,
    };
    facts.config = match &facts.runtime {
        Err(reason) => Err(reason.clone()),
        Ok(_) => {
            let config = admin.broker_config(&facts.broker.address).await;
            config.map_err(|e| e.to_string())
        }
    };
    facts
}

/// Adds topics, groups, and this machine.
pub(crate) async fn of_everything(admin: &Admin, settings: &Settings) -> Result<Facts> {
    let mut facts = of_servers(admin, settings).await?;
    let masters: Vec<Broker> = facts
        .brokers
        .iter()
        .filter(|broker| broker.broker.is_master() && broker.runtime.is_ok())
        .map(|broker| broker.broker.clone())
        .collect();
    let asked = fan_out::all(masters.clone(), |master| {
        let admin = admin.clone();
        async move {
            let topics = admin.topics(&master.address).await;
            let groups = admin.groups(&master.address).await;
            let progress = admin.all_consume_stats(&master.address).await;
            (master, topics, groups, progress)
        }
    });
    for (master, topics, groups, progress) in asked.await {
        let failed =
            |what: &str, e: &client::ClientError| format!("{what} of {}: {e}", master.name);
        let mut left_out = Vec::new();
        left_out.extend(topics.as_ref().err().map(|e| failed("topics", e)));
        left_out.extend(groups.as_ref().err().map(|e| failed("groups", e)));
        left_out.extend(
            progress
                .as_ref()
                .err()
                .map(|e| failed("progress of groups", e)),
        );
        facts.left_out.extend(left_out);
        let groups = groups.unwrap_or_default();
        for name in groups.keys().filter(|name| !is_system_group(name)) {
            facts.groups.entry(name.clone()).or_default();
        }
        for (group, stats) in progress.unwrap_or_default() {
            if !is_system_group(&group) {
                add_progress(facts.groups.entry(group).or_default(), stats);
            }
        }
        let broker = facts.brokers.iter_mut().find(|b| b.broker == master);
        if let Some(broker) = broker {
            broker.topics = topics.unwrap_or_default();
            broker.groups = groups;
        }
    }
    of_topics(admin, &masters, &mut facts).await;
    of_members(admin, &masters, &mut facts).await;
    match Registry::open().and_then(|registry| of_host(&registry)) {
        Ok(host) => facts.host = host,
        Err(error) => facts
            .left_out
            .push(format!("servers of this host: {error}")),
    }
    Ok(facts)
}

fn add_progress(group: &mut GroupFacts, stats: Vec<ConsumeStats>) {
    for (queue, offsets) in stats.into_iter().flat_map(|stats| stats.offset_table.0) {
        let key = (queue.topic, queue.broker_name, queue.queue_id);
        let progress = Progress {
            max: offsets.broker_offset,
            offset: offsets.consumer_offset,
            last_ms: offsets.last_timestamp,
        };
        group.queues.insert(key, progress);
    }
}

async fn of_topics(admin: &Admin, masters: &[Broker], facts: &mut Facts) {
    let mut holders: BTreeMap<String, Vec<Broker>> = BTreeMap::new();
    for broker in facts.brokers.iter().filter(|b| masters.contains(&b.broker)) {
        for topic in broker.topics.keys().filter(|topic| of_users(topic, broker)) {
            holders
                .entry(topic.clone())
                .or_default()
                .push(broker.broker.clone());
        }
    }
    if holders.len() > MOST_TOPICS {
        let more = holders.len() - MOST_TOPICS;
        let note = format!("routes and offsets of {more} topics");
        facts.left_out.push(note);
    }
    let asked = fan_out::all(holders.into_iter().take(MOST_TOPICS), |(topic, brokers)| {
        let admin = admin.clone();
        async move {
            let route = admin.client().route(&topic).await.ok();
            let mut queues = BTreeMap::new();
            for broker in brokers {
                if let Ok(stats) = admin.topic_stats(&broker.address, &topic).await {
                    let ranges = stats.offset_table.0.into_iter();
                    let ranges = ranges.map(|(queue, range)| (queue.queue_id, range));
                    queues.insert(broker.name, ranges.collect());
                }
            }
            (topic, route, queues)
        }
    });
    for (topic, route, queues) in asked.await {
        if let Some(route) = route {
            let perms = route.data.queue_datas.iter();
            let perms = perms.map(|queues| (queues.broker_name.clone(), queues.perm));
            facts.routes.insert(topic.clone(), perms.collect());
        }
        facts.queues.insert(topic, queues);
    }
}

/// Topics that people made: not RocketMQ's own, not those named after a broker or its cluster. Dead letters are people's.
pub(crate) fn of_users(topic: &str, broker: &BrokerFacts) -> bool {
    let own = topic == broker.broker.name || topic == broker.broker.cluster;
    !own && (topic.starts_with("%DLQ%") || !is_system_topic(topic))
}

async fn of_members(admin: &Admin, masters: &[Broker], facts: &mut Facts) {
    let asked = fan_out::all(facts.groups.keys().cloned(), |group| {
        let (admin, masters) = (admin.clone(), masters.to_vec());
        async move {
            // Consumers are connected to every broker: the first that knows any knows them all.
            let mut found = None;
            for master in masters {
                let Ok(connected) = admin.members(&master.address, &group).await else {
                    continue;
                };
                let some = !connected.connection_set.is_empty();
                found = Some((master, connected));
                if some {
                    break;
                }
            }
            (group, found)
        }
    });
    let mut to_ask = Vec::new();
    for (group, found) in asked.await {
        let Some((master, connected)) = found else {
            continue;
        };
        let facts = facts.groups.entry(group.clone()).or_default();
        let subscriptions = connected.subscription_table.into_iter();
        facts.subscriptions = subscriptions
            .map(|(topic, subscription)| (topic, subscription.sub_string))
            .collect();
        let members = connected.connection_set.into_iter().map(|member| Member {
            id: member.client_id,
            version: member.version,
            subscriptions: None,
            owned: None,
        });
        let members: Vec<Member> = members.collect();
        // One alone agrees with itself.
        if members.len() > 1 {
            let members = members.iter().map(|member| member.id.clone());
            to_ask.extend(members.map(|id| (master.clone(), group.clone(), id)));
        }
        facts.members = Some(members);
    }
    if to_ask.len() > MOST_MEMBERS {
        let more = to_ask.len() - MOST_MEMBERS;
        facts
            .left_out
            .push(format!("subscriptions of {more} members of groups"));
        to_ask.truncate(MOST_MEMBERS);
    }
    let asked = fan_out::all(to_ask, |(master, group, id)| {
        let admin = admin.clone();
        async move {
            let info = admin.running_info(&master.address, &group, &id, false);
            (info.await.ok(), group, id)
        }
    });
    for (info, group, id) in asked.await {
        let member = facts.groups.get_mut(&group).and_then(|group| {
            let mut members = group.members.iter_mut().flatten();
            members.find(|member| member.id == id)
        });
        if let (Some(info), Some(member)) = (info, member) {
            let wanted = info.subscription_set.into_iter();
            let wanted = wanted.map(|wanted| (wanted.topic, wanted.sub_string));
            member.subscriptions = Some(wanted.collect());
            let mut owned = BTreeMap::new();
            for queue in info.mq_table.0.into_keys() {
                *owned.entry(queue.topic).or_default() += 1;
            }
            member.owned = Some(owned);
        }
    }
}

fn of_host(registry: &Registry) -> Result<Host> {
    let running = registry.running()?;
    let server = |instance: Instance| LocalServer {
        kind: instance.kind.to_string(),
        open_files: open_files(instance.pid),
        files_open: std::fs::read_dir(format!("/proc/{}/fd", instance.pid))
            .ok()
            .map(|folder| folder.count() as u64),
        name: instance.name,
        addresses: instance.addresses,
    };
    Ok(Host {
        namesrv_variable: std::env::var("NAMESRV_ADDR").ok(),
        servers: running.into_iter().map(server).collect(),
    })
}

/// The soft limit on open files of a process.
fn open_files(pid: i32) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_this_process_is_read() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(open_files(own).is_some_and(|limit| limit > 0));
    }
}
