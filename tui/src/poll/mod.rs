//! The one task that asks the servers. Each round asks everybody at once, each with its own deadline, and ends in a whole
//! snapshot: a server that does not answer is data in it.
//!
//! A round asks for a bounded number of topics and for the members of a bounded number of groups, those asked longest ago
//! first, so that watching ten thousand topics costs the brokers no more than watching a few hundred. What was not asked keeps
//! its value and its age. How far all groups of a broker are, it says in one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use client::Admin;
use client::fan_out::all;
use client::names::{DLQ_PREFIX, is_system_group, is_system_topic};

use crate::snapshot::{Broker, Group, GroupQueue, Known, NameServer, Running, Snapshot, Topic};

mod ask;

/// Topics asked in a round, and in the first one.
const TOPICS_PER_ROUND: usize = 150;
const TOPICS_AT_FIRST: usize = 1_000;
/// Groups that are asked for their members in a round.
const GROUPS_PER_ROUND: usize = 64;
/// Up to so many groups, a master is asked for the lag of all of them at once, in each round. With more, the answer would be
/// too long: they are asked for their lag as for their members.
const GROUPS_AT_ONCE: usize = 500;
/// Consumers asked about themselves in a round: the broker passes each question on to its client.
const CLIENTS_PER_ROUND: usize = 16;
/// Lists of names and settings are asked for every so many rounds.
const LISTS_EVERY: u64 = 5;
/// Why nothing is known of what has not had its turn.
const NOT_ASKED: &str = "not asked yet";

/// What is remembered from round to round.
#[derive(Debug)]
pub(crate) struct Poller {
    admin: Admin,
    rounds: u64,
    /// By broker address.
    retention_ms: BTreeMap<String, i64>,
    /// By master: what it has.
    topics: BTreeMap<Master, Known<Vec<String>>>,
    groups: BTreeMap<Master, Known<Vec<String>>>,
    known: Snapshot,
    /// When it was last asked who is connected, by group.
    connected: BTreeMap<String, i64>,
    /// When consumers were last asked about themselves, and what they said, by group and client.
    running: BTreeMap<(String, String), (i64, Known<Running>)>,
}

/// By master's address and group: its queues.
type Standings = BTreeMap<String, BTreeMap<String, Vec<GroupQueue>>>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Master {
    name: String,
    address: String,
}

impl Master {
    /// Whether it is registered, or at least no other one is in its place.
    fn is_among(&self, registered: &[Self]) -> bool {
        registered.contains(self) || !registered.iter().any(|other| other.name == self.name)
    }

    /// Why it is not asked, if the round already knows that it does not answer.
    fn dead(&self, alive: &BTreeSet<String>) -> Option<String> {
        (!alive.contains(&self.address)).then(|| format!("{} does not answer", self.name))
    }
}

impl Poller {
    pub(crate) fn new(admin: Admin) -> Self {
        Self {
            admin,
            rounds: 0,
            retention_ms: BTreeMap::new(),
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            known: Snapshot::default(),
            connected: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// Asks everybody once; `all_lists`: also for the lists of names that are not due yet.
    ///
    /// # Errors
    /// When no name server answered, and none did before: then nothing is known.
    pub(crate) async fn round(&mut self, all_lists: bool) -> Result<Arc<Snapshot>, String> {
        let (name_servers, mut brokers) = self.brokers().await?;
        let masters: Vec<Master> = brokers
            .iter()
            .filter(|broker| broker.id == 0)
            .map(|broker| Master {
                name: broker.name.clone(),
                address: broker.address.clone(),
            })
            .collect();
        let alive: BTreeSet<String> = brokers
            .iter()
            .filter(|broker| broker.runtime.is_ok())
            .map(|broker| broker.address.clone())
            .collect();
        let due = all_lists || self.rounds.is_multiple_of(LISTS_EVERY);
        self.lists(&masters, &alive, due).await;
        for broker in &mut brokers {
            if let Ok(runtime) = &mut broker.runtime {
                runtime.retention_ms = self.retention_ms.get(&broker.address).copied();
            }
        }
        let topics = self.ask_topics(&brokers, &alive).await;
        let groups = self.ask_groups(&alive).await;
        self.rounds += 1;
        let mut missing = Vec::new();
        for (what, lists) in [("topics", &self.topics), ("groups", &self.groups)] {
            let failed = lists
                .iter()
                .filter_map(|(master, list)| Some((master, list.as_ref().err()?)));
            // That a broker is down is said once, at the broker.
            let failed = failed.filter(|(master, _)| alive.contains(&master.address));
            missing.extend(
                failed.map(|(master, reason)| format!("{what} of {}: {reason}", master.name)),
            );
        }
        self.known = Snapshot {
            taken_ms: now_ms(),
            name_servers,
            brokers,
            topics,
            groups,
            missing,
        };
        Ok(Arc::new(self.known.clone()))
    }

    /// The brokers of all name servers, or those of before if none answers, and how each is.
    async fn brokers(&self) -> Result<(Vec<NameServer>, Vec<Broker>), String> {
        let admin = &self.admin;
        let asked = all(
            admin.client().name_servers().all().iter().cloned(),
            |address| {
                let admin = admin.clone();
                async move {
                    (
                        admin
                            .cluster_info(&address)
                            .await
                            .map_err(|error| error.to_string()),
                        address,
                    )
                }
            },
        );
        let mut name_servers = Vec::new();
        let mut brokers = BTreeMap::new();
        for (cluster, address) in asked.await {
            let known = cluster.map(|cluster| {
                let mut addresses = Vec::new();
                for (name, data) in cluster.broker_addr_table {
                    for (id, broker) in data.broker_addrs {
                        addresses.push(broker.clone());
                        brokers.insert((data.cluster.clone(), name.clone(), id), broker);
                    }
                }
                addresses
            });
            name_servers.push(NameServer {
                address,
                brokers: known,
            });
        }
        if name_servers.iter().all(|server| server.brokers.is_err()) {
            // Brokers go on without name servers, and so does watching those that are known.
            for broker in &self.known.brokers {
                let key = (broker.cluster.clone(), broker.name.clone(), broker.id);
                brokers.insert(key, broker.address.clone());
            }
            if brokers.is_empty() {
                let failed = name_servers.into_iter();
                let reasons = Vec::from_iter(failed.filter_map(|server| server.brokers.err()));
                return Err(format!("name server: {}", reasons.join("; ")));
            }
        }
        let asked = all(brokers, |((cluster, name, id), address)| {
            let admin = admin.clone();
            async move {
                let runtime = ask::runtime(&admin, &address).await;
                Broker {
                    cluster,
                    name,
                    id,
                    address,
                    runtime,
                }
            }
        });
        let mut brokers = asked.await;
        brokers.sort_by(|a, b| (&a.cluster, &a.name, a.id).cmp(&(&b.cluster, &b.name, b.id)));
        Ok((name_servers, brokers))
    }

    /// The names of topics and groups, and how long messages are kept, by master. One that is dead keeps its old lists, also
    /// when no name server knows it any more: what lies on it is missing, and not gone.
    async fn lists(&mut self, masters: &[Master], alive: &BTreeSet<String>, due: bool) {
        self.topics.retain(|master, _| master.is_among(masters));
        self.groups.retain(|master, _| master.is_among(masters));
        let wanted = masters
            .iter()
            .filter(|master| due || !self.topics.contains_key(master))
            .cloned();
        let admin = &self.admin;
        let asked = all(
            wanted.filter(|master| alive.contains(&master.address)),
            |master| {
                let admin = admin.clone();
                async move {
                    let topics = ask::topics(&admin, &master.address).await;
                    let groups = ask::groups(&admin, &master.address).await;
                    (
                        topics,
                        groups,
                        ask::retention_ms(&admin, &master.address).await,
                        master,
                    )
                }
            },
        );
        for (topics, groups, retention_ms, master) in asked.await {
            if let Some(retention_ms) = retention_ms {
                self.retention_ms
                    .insert(master.address.clone(), retention_ms);
            }
            self.topics.insert(master.clone(), topics);
            self.groups.insert(master, groups);
        }
    }

    async fn ask_topics(&self, brokers: &[Broker], alive: &BTreeSet<String>) -> Vec<Topic> {
        let mut where_it_is = holders(&self.topics);
        // Brokers have topics by their own name and by that of their cluster.
        let clusters = BTreeSet::from_iter(brokers.iter().map(|broker| broker.cluster.as_str()));
        where_it_is.retain(|name, masters| {
            (!is_system_topic(name) || name.starts_with(DLQ_PREFIX))
                && !clusters.contains(name.as_str())
                && !masters.iter().any(|m| m.name == *name)
        });
        let known: BTreeMap<&str, &Topic> = self
            .known
            .topics
            .iter()
            .map(|topic| (topic.name.as_str(), topic))
            .collect();
        let asked_ms = |name: &str| known.get(name).map_or(0, |topic| topic.asked_ms);
        let count = match known.is_empty() {
            true => TOPICS_AT_FIRST,
            false => TOPICS_PER_ROUND,
        };
        let (due, kept) = oldest(where_it_is, count, asked_ms);
        let admin = &self.admin;
        let asked = all(due, |(name, masters)| {
            let (admin, alive) = (admin.clone(), alive.clone());
            async move {
                let mut parts = Vec::new();
                for master in &masters {
                    parts.push(match master.dead(&alive) {
                        Some(reason) => Err(reason),
                        None => ask::topic_queues(&admin, &master.address, &name).await,
                    });
                }
                let (queues, incomplete) = together(parts);
                Topic {
                    name,
                    asked_ms: now_ms(),
                    queues,
                    incomplete,
                }
            }
        });
        let mut topics = asked.await;
        topics.extend(kept.into_iter().map(|(name, _)| {
            let known = known.get(name.as_str()).copied().cloned();
            known.unwrap_or_else(|| Topic {
                name,
                asked_ms: 0,
                queues: Err(NOT_ASKED.to_owned()),
                incomplete: true,
            })
        }));
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    /// Where all groups of each live master stand, by its address: one answer for all. A master that does not give it is
    /// asked group by group.
    async fn standings(&self, alive: &BTreeSet<String>) -> Standings {
        let admin = &self.admin;
        let masters = self.groups.keys().map(|master| master.address.clone());
        let asked = all(
            masters.filter(|address| alive.contains(address)),
            |address| {
                let admin = admin.clone();
                async move { (ask::standings(&admin, &address).await, address) }
            },
        );
        let answers = asked.await.into_iter();
        answers
            .filter_map(|(standings, address)| Some((address, standings.ok()?)))
            .collect()
    }

    async fn ask_groups(&mut self, alive: &BTreeSet<String>) -> Vec<Group> {
        let mut where_it_is = holders(&self.groups);
        where_it_is.retain(|name, _| !is_system_group(name));
        let standings = match where_it_is.len() {
            ..=GROUPS_AT_ONCE => self.standings(alive).await,
            _ => Standings::new(),
        };
        let standings = Arc::new(standings);
        let known: BTreeMap<&str, &Group> = self
            .known
            .groups
            .iter()
            .map(|group| (group.name.as_str(), group))
            .collect();
        self.connected
            .retain(|name, _| where_it_is.contains_key(name));
        let asked_ms = |name: &str| self.connected.get(name).copied().unwrap_or(0);
        let (due, kept) = oldest(where_it_is, GROUPS_PER_ROUND, asked_ms);
        let kept: Vec<Group> = kept
            .into_iter()
            .map(|(name, masters)| {
                let known = known.get(name.as_str()).copied().cloned();
                let mut group = known.unwrap_or_else(|| unasked(&name));
                if let Some(parts) = parts_of(&name, &masters, alive, &standings) {
                    (group.queues, group.incomplete) = together(parts);
                    group.asked_ms = now_ms();
                }
                group
            })
            .collect();
        let admin = &self.admin;
        let asked = all(due, |(name, masters)| {
            let (admin, alive, standings) = (admin.clone(), alive.clone(), standings.clone());
            async move {
                let mut parts = Vec::new();
                match parts_of(&name, &masters, &alive, &standings) {
                    Some(known) => parts = known,
                    None => {
                        for master in &masters {
                            parts.push(match master.dead(&alive) {
                                Some(reason) => Err(reason),
                                None => ask::group_queues(&admin, &master.address, &name).await,
                            });
                        }
                    }
                }
                let (queues, incomplete) = together(parts);
                // Consumers are connected to every broker: the first that answers knows them all.
                let mut connections = Err("no broker of the group answers".to_owned());
                let mut through = None;
                for master in masters
                    .iter()
                    .filter(|master| alive.contains(&master.address))
                {
                    connections = ask::connections(&admin, &master.address, &name).await;
                    if connections
                        .as_ref()
                        .is_ok_and(|known| !known.members.is_empty())
                    {
                        through = Some(master.address.clone());
                        break;
                    }
                }
                let (members, model, subscriptions) = match connections {
                    Ok(known) => (Ok(known.members), known.model, known.subscriptions),
                    Err(reason) => (Err(reason), None, Vec::new()),
                };
                let group = Group {
                    name,
                    asked_ms: now_ms(),
                    queues,
                    incomplete,
                    members,
                    model,
                    subscriptions,
                };
                (group, through)
            }
        });
        let asked = asked.await;
        let now_ms = now_ms();
        let names = asked.iter().map(|(group, _)| (group.name.clone(), now_ms));
        self.connected.extend(names);
        let mut groups: Vec<Group> = self.ask_clients(asked).await;
        groups.extend(kept);
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        groups
    }

    /// Asks members about themselves, those asked longest ago first. `groups` come with the broker that knows them.
    async fn ask_clients(&mut self, groups: Vec<(Group, Option<String>)>) -> Vec<Group> {
        let mut due: Vec<(i64, String, String, String)> = Vec::new();
        for (group, through) in &groups {
            let Some(through) = through else { continue };
            for member in group.members.iter().flatten() {
                let asked = self.running.get(&(group.name.clone(), member.id.clone()));
                let asked_ms = asked.map_or(0, |(asked_ms, _)| *asked_ms);
                due.push((
                    asked_ms,
                    group.name.clone(),
                    member.id.clone(),
                    through.clone(),
                ));
            }
        }
        due.sort();
        due.truncate(CLIENTS_PER_ROUND);
        let admin = &self.admin;
        let asked = all(due, |(_, group, member, through)| {
            let admin = admin.clone();
            async move {
                let running = ask::running(&admin, &through, &group, &member).await;
                ((group, member), (now_ms(), running))
            }
        });
        let asked = asked.await;
        self.running.extend(asked);
        let mut seen = BTreeSet::new();
        let mut groups = Vec::from_iter(groups.into_iter().map(|(group, _)| group));
        for group in &mut groups {
            for member in group.members.iter_mut().flatten() {
                let key = (group.name.clone(), member.id.clone());
                member.running = self.running.get(&key).map(|(_, running)| running.clone());
                seen.insert(key);
            }
        }
        let asked: BTreeSet<&String> = groups.iter().map(|group| &group.name).collect();
        self.running
            .retain(|key, _| seen.contains(key) || !asked.contains(&key.0));
        groups
    }
}

/// A group whose turn has not come.
fn unasked(name: &str) -> Group {
    Group {
        name: name.to_owned(),
        asked_ms: 0,
        queues: Err(NOT_ASKED.to_owned()),
        incomplete: true,
        members: Err(NOT_ASKED.to_owned()),
        model: None,
        subscriptions: Vec::new(),
    }
}

/// Names, each with the masters that have it.
type Holders = Vec<(String, Vec<Master>)>;

/// By name: the masters that have it.
fn holders(lists: &BTreeMap<Master, Known<Vec<String>>>) -> BTreeMap<String, Vec<Master>> {
    let mut holders: BTreeMap<String, Vec<Master>> = BTreeMap::new();
    for (master, names) in lists {
        for name in names.iter().flatten() {
            holders
                .entry(name.clone())
                .or_default()
                .push(master.clone());
        }
    }
    holders
}

/// The `count` that were asked longest ago, and the others.
fn oldest(
    all: BTreeMap<String, Vec<Master>>,
    count: usize,
    asked_ms: impl Fn(&str) -> i64,
) -> (Holders, Holders) {
    let mut due = Vec::from_iter(all);
    due.sort_by_key(|(name, _)| asked_ms(name));
    let kept = due.split_off(count.min(due.len()));
    (due, kept)
}

/// What each master says of a group's queues; `None` if a live one has not told of all its groups.
fn parts_of(
    group: &str,
    masters: &[Master],
    alive: &BTreeSet<String>,
    standings: &Standings,
) -> Option<Vec<Known<Vec<GroupQueue>>>> {
    let parts = masters.iter().map(|master| {
        if let Some(reason) = master.dead(alive) {
            return Some(Err(reason));
        }
        let groups = standings.get(&master.address)?;
        Some(Ok(groups.get(group).cloned().unwrap_or_default()))
    });
    parts.collect()
}

/// The parts of all masters as one, and whether one is missing.
fn together<T>(parts: Vec<Known<Vec<T>>>) -> (Known<Vec<T>>, bool) {
    let (mut whole, mut answered, mut failure) = (Vec::new(), false, None);
    for part in parts {
        match part {
            Ok(part) => {
                answered = true;
                whole.extend(part);
            }
            Err(reason) => failure = Some(reason),
        }
    }
    match failure {
        Some(reason) if !answered => (Err(reason), true),
        failure => (Ok(whole), failure.is_some()),
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_asked_longest_ago_come_first() {
        let all = BTreeMap::from(["a", "b", "c"].map(|name| (name.to_owned(), Vec::new())));
        let (due, kept) = oldest(all, 2, |name| i64::from(name != "c"));
        let names =
            |holders: Holders| Vec::from_iter(holders.into_iter().map(|(name, _)| name)).join(" ");
        assert_eq!((names(due).as_str(), names(kept).as_str()), ("c a", "b"));
    }

    #[test]
    fn a_master_that_is_gone_is_missing_until_another_takes_its_place() {
        let master = |name: &str, port: u16| Master {
            name: name.to_owned(),
            address: format!("{name}:{port}"),
        };
        let gone = master("b", 1);
        assert!(gone.is_among(&[master("a", 1), master("b", 1)]));
        assert!(gone.is_among(&[master("a", 1)]));
        assert!(!gone.is_among(&[master("a", 1), master("b", 2)]));
    }

    #[test]
    fn one_answer_tells_of_all_groups_of_a_master_that_is_alive() {
        let master = |name: &str| Master {
            name: name.to_owned(),
            address: format!("{name}:1"),
        };
        let masters = [master("a"), master("b")];
        let alive = BTreeSet::from(["a:1".to_owned()]);
        let mut standings = Standings::new();
        assert_eq!(parts_of("g", &masters, &alive, &standings), None);
        standings.insert("a:1".to_owned(), BTreeMap::new());
        let dead = Err("b does not answer".to_owned());
        assert_eq!(
            parts_of("g", &masters, &alive, &standings),
            Some(vec![Ok(Vec::new()), dead])
        );
    }

    #[test]
    fn a_missing_part_makes_the_sum_incomplete() {
        let failed = || Err("no answer".to_owned());
        assert_eq!(
            together(vec![Ok(vec![1]), Ok(vec![2])]),
            (Ok(vec![1, 2]), false)
        );
        assert_eq!(together(vec![Ok(vec![1]), failed()]), (Ok(vec![1]), true));
        assert_eq!(
            together(vec![failed(), Ok(Vec::<i32>::new())]),
            (Ok(vec![]), true)
        );
        assert_eq!(together::<i32>(vec![failed(), failed()]), (failed(), true));
    }
}
