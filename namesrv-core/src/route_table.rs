//! Which broker has which topic, and which broker is alive.
//!
//! A plain value: no clock, no socket, no lock. Invariants:
//! - A broker address that is in `brokers` has an entry in `live`; when that goes, so does the
//!   address, and with its last address the broker name with all its queues.
//! - A topic has queues on at least one broker name, and every such name is in `brokers`.
//! - `queue_rows` and `topic_name_bytes` count what is in `topics`, so that growth has an end.
//!
//! The encoded routes are kept with the topics, because asking for one is by far the most frequent
//! request. Whatever changes a route drops its encoding.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use remoting::protocol::body::cluster::{BrokerMemberGroupBody, ClusterInfo};
use remoting::protocol::body::topic::{
    BrokerData, DataVersion, PERM_READ, PERM_WRITE, QueueData, TopicConfig,
    TopicConfigSerializeWrapper, TopicList, TopicRouteData,
};
use remoting::protocol::fastjson;
use thiserror::Error;

/// A broker that says nothing else is dropped when it has been silent for this long.
pub(crate) const HEARTBEAT_TIMEOUT_MS: u64 = 120_000;

const MASTER_ID: i64 = 0;
/// Names and addresses may be this long, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// Addresses that may be registered.
const MAX_ADDRESSES: usize = 10_000;
/// Filter servers a broker may have.
const MAX_FILTER_SERVERS: usize = 64;
/// Pairs of topic and broker name.
const MAX_QUEUE_ROWS: usize = 2_000_000;
/// The list of all topics must fit a frame.
const MAX_TOPIC_NAME_BYTES: usize = 15 * 1024 * 1024;
/// What a name takes in a list beside itself: quotes and comma.
const NAME_OVERHEAD_BYTES: usize = 3;

/// What a broker says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub cluster: String,
    pub broker_name: String,
    pub broker_id: i64,
    /// `ip:port` for clients.
    pub address: String,
    /// `ip:port` for slaves.
    pub ha_address: String,
    pub heartbeat_timeout_ms: u64,
    /// The connection it came on: when that closes, the broker goes.
    pub connection: u64,
    pub topics: TopicConfigSerializeWrapper,
    pub filter_servers: Vec<String>,
}

/// What a broker learns from its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    /// The address was not known before.
    pub is_new: bool,
    /// For a slave: its master, if that is registered.
    pub master: Option<MasterAddresses>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MasterAddresses {
    pub address: String,
    pub ha_address: String,
}

/// Why a registration changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum RegisterError {
    #[error("register broker failed: {what} must have 1 to {MAX_NAME_BYTES} bytes")]
    Name { what: &'static str },
    #[error("register broker failed: more than {limit} {what}")]
    Full { what: &'static str, limit: usize },
    #[error("register topic failed: broker {0} is not registered")]
    UnknownBroker(String),
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    topics: BTreeMap<String, Topic>,
    brokers: BTreeMap<Arc<str>, Broker>,
    clusters: BTreeMap<String, BTreeSet<Arc<str>>>,
    /// By address.
    live: HashMap<String, Live>,
    queue_rows: usize,
    topic_name_bytes: usize,
}

#[derive(Debug, Default)]
struct Topic {
    /// By broker name.
    queues: BTreeMap<Arc<str>, Queues>,
    encoded: Encoded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Queues {
    read: i32,
    write: i32,
    perm: i32,
    sys_flag: i32,
}

/// The route as JSON, made when it is first asked for.
#[derive(Debug, Default)]
struct Encoded {
    fastjson: OnceLock<Bytes>,
    standard: OnceLock<Bytes>,
}

#[derive(Debug)]
struct Broker {
    cluster: String,
    /// By broker id.
    addresses: BTreeMap<i64, String>,
}

#[derive(Debug)]
struct Live {
    last_update_ms: u64,
    timeout_ms: u64,
    version: DataVersion,
    connection: u64,
    ha_address: String,
    filter_servers: Vec<String>,
}

impl RouteTable {
    /// Takes in a broker, or hears from it again. Topics are those of the master; a topic that is
    /// missing in a later registration stays.
    pub(crate) fn register(
        &mut self,
        registration: Registration,
        now_ms: u64,
    ) -> Result<Registered, RegisterError> {
        let Registration {
            cluster,
            broker_name,
            broker_id,
            address,
            ha_address,
            heartbeat_timeout_ms,
            connection,
            topics,
            filter_servers,
        } = registration;
        check_name("brokerName", &broker_name)?;
        check_name("clusterName", &cluster)?;
        check_name("brokerAddr", &address)?;
        if ha_address.len() > MAX_NAME_BYTES {
            return Err(RegisterError::Name {
                what: "haServerAddr",
            });
        }
        if filter_servers.len() > MAX_FILTER_SERVERS {
            return Err(RegisterError::Full {
                what: "filter servers",
                limit: MAX_FILTER_SERVERS,
            });
        }
        for server in &filter_servers {
            check_name("a filter server", server)?;
        }

        let known = self.brokers.get(broker_name.as_str());
        let is_first = known.is_none_or(|broker| !broker.addresses.contains_key(&broker_id));
        let is_new = !self.live.contains_key(&address);
        let full = |count: usize| count >= MAX_ADDRESSES;
        if is_first && full(self.brokers.values().map(|b| b.addresses.len()).sum())
            || is_new && full(self.live.len())
        {
            return Err(RegisterError::Full {
                what: "broker addresses",
                limit: MAX_ADDRESSES,
            });
        }
        let takes_topics = broker_id == MASTER_ID
            && (is_first || self.data_version(&address) != Some(&topics.data_version));
        if takes_topics {
            self.check_room(&broker_name, topics.topic_config_table.keys())?;
        }

        let name = self.put_broker(&broker_name, &cluster);
        let mut route_changed = self.put_address(&name, broker_id, &address);
        if takes_topics {
            for (topic, config) in topics.topic_config_table {
                self.put_queues(topic, &name, Queues::of(&config));
            }
        }
        let live = Live {
            last_update_ms: now_ms,
            timeout_ms: heartbeat_timeout_ms,
            version: topics.data_version,
            connection,
            ha_address,
            filter_servers,
        };
        let filters_now = live.filter_servers.clone();
        let before = self.live.insert(address, live);
        route_changed |= before.map_or_else(Vec::new, |live| live.filter_servers) != filters_now;
        if route_changed {
            self.forget_routes_of(&name);
        }
        Ok(Registered {
            is_new,
            master: (broker_id != MASTER_ID)
                .then(|| self.master_of(&name))
                .flatten(),
        })
    }

    fn master_of(&self, broker_name: &str) -> Option<MasterAddresses> {
        let address = self.brokers.get(broker_name)?.addresses.get(&MASTER_ID)?;
        Some(MasterAddresses {
            address: address.clone(),
            ha_address: self.live.get(address)?.ha_address.clone(),
        })
    }

    /// Whether the topics of one registration may be added.
    fn check_room<'t>(
        &self,
        broker_name: &str,
        topics: impl Iterator<Item = &'t String>,
    ) -> Result<(), RegisterError> {
        let (mut rows, mut name_bytes) = (self.queue_rows, self.topic_name_bytes);
        for topic in topics {
            check_name("a topic", topic)?;
            match self.topics.get(topic) {
                Some(known) => rows += usize::from(!known.queues.contains_key(broker_name)),
                None => {
                    rows += 1;
                    name_bytes += topic.len() + NAME_OVERHEAD_BYTES;
                }
            }
        }
        if rows > MAX_QUEUE_ROWS {
            return Err(RegisterError::Full {
                what: "topics on brokers",
                limit: MAX_QUEUE_ROWS,
            });
        }
        if name_bytes > MAX_TOPIC_NAME_BYTES {
            return Err(RegisterError::Full {
                what: "bytes of topic names",
                limit: MAX_TOPIC_NAME_BYTES,
            });
        }
        Ok(())
    }

    /// The broker is in this cluster from now on, and in no other.
    fn put_broker(&mut self, broker_name: &str, cluster: &str) -> Arc<str> {
        let name = match self.brokers.get_key_value(broker_name) {
            Some((name, broker)) if broker.cluster == cluster => return name.clone(),
            Some((name, _)) => name.clone(),
            None => Arc::from(broker_name),
        };
        self.remove_from_cluster(&name);
        self.clusters
            .entry(cluster.to_owned())
            .or_default()
            .insert(name.clone());
        let broker = self.brokers.entry(name.clone()).or_insert_with(|| Broker {
            cluster: String::new(),
            addresses: BTreeMap::new(),
        });
        cluster.clone_into(&mut broker.cluster);
        self.forget_routes_of(&name);
        name
    }

    /// True when the addresses of the broker are others than before.
    fn put_address(&mut self, broker_name: &str, id: i64, address: &str) -> bool {
        let Some(broker) = self.brokers.get_mut(broker_name) else {
            return false;
        };
        if broker
            .addresses
            .get(&id)
            .is_some_and(|known| known == address)
        {
            return false;
        }
        // A slave that became the master: its old id is gone.
        broker.addresses.retain(|_, known| known != address);
        broker.addresses.insert(id, address.to_owned());
        true
    }

    fn put_queues(&mut self, topic: String, broker_name: &Arc<str>, queues: Queues) {
        let name_bytes = topic.len() + NAME_OVERHEAD_BYTES;
        let entry = self.topics.entry(topic).or_default();
        if entry.queues.is_empty() {
            self.topic_name_bytes += name_bytes;
        }
        let before = entry.queues.insert(broker_name.clone(), queues);
        self.queue_rows += usize::from(before.is_none());
        if before != Some(queues) {
            entry.encoded = Encoded::default();
        }
    }

    /// The broker says goodbye. False: this address is not registered under this name.
    pub(crate) fn unregister(&mut self, broker_name: &str, address: &str) -> bool {
        // A broker that was replaced by another one at its name must not take that with it.
        let is_registered = self
            .brokers
            .get(broker_name)
            .is_some_and(|broker| broker.addresses.values().any(|known| known == address));
        if is_registered {
            self.remove_address(address);
        }
        is_registered
    }

    /// Removes the brokers that were silent for too long; returns their addresses.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Vec<String> {
        self.remove_where(|live| live.last_update_ms.saturating_add(live.timeout_ms) < now_ms)
    }

    /// Removes the brokers that registered on a connection; returns their addresses.
    pub(crate) fn connection_closed(&mut self, connection: u64) -> Vec<String> {
        self.remove_where(|live| live.connection == connection)
    }

    /// Whether a broker registered on this connection.
    pub(crate) fn is_broker(&self, connection: u64) -> bool {
        self.live.values().any(|live| live.connection == connection)
    }

    fn remove_where(&mut self, condition: impl Fn(&Live) -> bool) -> Vec<String> {
        let gone: Vec<String> = self
            .live
            .iter()
            .filter(|(_, live)| condition(live))
            .map(|(address, _)| address.clone())
            .collect();
        for address in &gone {
            self.remove_address(address);
        }
        gone
    }

    fn remove_address(&mut self, address: &str) {
        self.live.remove(address);
        let mut changed = Vec::new();
        for (name, broker) in &mut self.brokers {
            let before = broker.addresses.len();
            broker.addresses.retain(|_, known| known != address);
            if broker.addresses.len() != before {
                changed.push((name.clone(), broker.addresses.is_empty()));
            }
        }
        for (name, is_empty) in changed {
            if is_empty {
                self.remove_from_cluster(&name);
                self.brokers.remove(&name);
                self.remove_queues(|_, broker_name| *broker_name == *name);
            } else {
                self.forget_routes_of(&name);
            }
        }
    }

    fn remove_from_cluster(&mut self, broker_name: &str) {
        let Some(broker) = self.brokers.get(broker_name) else {
            return;
        };
        if let Some(names) = self.clusters.get_mut(&broker.cluster) {
            names.remove(broker_name);
            if names.is_empty() {
                self.clusters.remove(&broker.cluster);
            }
        }
    }

    /// Removes queues by topic and broker name.
    fn remove_queues(&mut self, condition: impl Fn(&str, &str) -> bool) {
        self.topics.retain(|name, topic| {
            let before = topic.queues.len();
            topic
                .queues
                .retain(|broker_name, _| !condition(name, broker_name));
            if topic.queues.len() != before {
                self.queue_rows -= before - topic.queues.len();
                topic.encoded = Encoded::default();
            }
            if topic.queues.is_empty() {
                self.topic_name_bytes -= name.len() + NAME_OVERHEAD_BYTES;
            }
            !topic.queues.is_empty()
        });
    }

    fn forget_routes_of(&mut self, broker_name: &str) {
        for topic in self.topics.values_mut() {
            if topic.queues.contains_key(broker_name) {
                topic.encoded = Encoded::default();
            }
        }
    }

    /// The version of the topics that this broker has registered.
    pub(crate) fn data_version(&self, address: &str) -> Option<&DataVersion> {
        Some(&self.live.get(address)?.version)
    }

    /// The broker is alive. Nothing happens when it is not registered.
    pub(crate) fn refresh(&mut self, address: &str, now_ms: u64) {
        if let Some(live) = self.live.get_mut(address) {
            live.last_update_ms = now_ms;
        }
    }

    /// Where a topic is, as JSON; `standard`: with quoted keys.
    pub(crate) fn encoded_route(&self, topic: &str, standard: bool) -> Option<Bytes> {
        let entry = self.topics.get(topic)?;
        let encoded = if standard {
            &entry.encoded.standard
        } else {
            &entry.encoded.fastjson
        };
        let bytes = encoded.get_or_init(|| encode_route(&self.route_of(entry), standard));
        Some(bytes.clone())
    }

    /// Where a topic is.
    pub(crate) fn route(&self, topic: &str) -> Option<TopicRouteData> {
        Some(self.route_of(self.topics.get(topic)?))
    }

    fn route_of(&self, topic: &Topic) -> TopicRouteData {
        let mut route = TopicRouteData::default();
        for (name, queues) in &topic.queues {
            route.queue_datas.push(QueueData {
                broker_name: name.as_ref().to_owned(),
                perm: queues.perm,
                read_queue_nums: queues.read,
                topic_sys_flag: Some(queues.sys_flag),
                topic_syn_flag: Some(queues.sys_flag),
                write_queue_nums: queues.write,
            });
            let Some(broker) = self.brokers.get(name) else {
                continue;
            };
            for address in broker.addresses.values() {
                let live = self.live.get(address);
                if let Some(live) = live.filter(|live| !live.filter_servers.is_empty()) {
                    route
                        .filter_server_table
                        .insert(address.clone(), live.filter_servers.clone());
                }
            }
            route.broker_datas.push(broker.to_data(name));
        }
        route
    }

    /// Takes the write permission from all queues of a broker name; returns how many topics it has.
    pub(crate) fn wipe_write_perm(&mut self, broker_name: &str) -> usize {
        self.change_perm(broker_name, |perm| perm & !PERM_WRITE)
    }

    /// Lets all queues of a broker name be read and written; returns how many topics it has.
    pub(crate) fn add_write_perm(&mut self, broker_name: &str) -> usize {
        self.change_perm(broker_name, |_| PERM_READ | PERM_WRITE)
    }

    fn change_perm(&mut self, broker_name: &str, change: impl Fn(i32) -> i32) -> usize {
        let mut count = 0;
        for topic in self.topics.values_mut() {
            if let Some(queues) = topic.queues.get_mut(broker_name) {
                queues.perm = change(queues.perm);
                topic.encoded = Encoded::default();
                count += 1;
            }
        }
        count
    }

    /// Forgets a topic, on the brokers of one cluster or everywhere.
    pub(crate) fn delete_topic(&mut self, topic: &str, cluster: Option<&str>) {
        match cluster {
            None => self.remove_queues(|name, _| name == topic),
            Some(cluster) => {
                let of_cluster = self.clusters.get(cluster).cloned().unwrap_or_default();
                self.remove_queues(|name, broker| name == topic && of_cluster.contains(broker));
            }
        }
    }

    /// Adds queues of a topic on registered brokers (5.x).
    pub(crate) fn register_topic(
        &mut self,
        topic: &str,
        queue_datas: &[QueueData],
    ) -> Result<(), RegisterError> {
        for queues in queue_datas {
            let name = self.brokers.get_key_value(queues.broker_name.as_str());
            let Some((name, _)) = name else {
                return Err(RegisterError::UnknownBroker(queues.broker_name.clone()));
            };
            let name = name.clone();
            self.check_room(&name, std::iter::once(&topic.to_owned()))?;
            let queues = Queues {
                read: queues.read_queue_nums,
                write: queues.write_queue_nums,
                perm: queues.perm,
                sys_flag: queues.topic_sys_flag.or(queues.topic_syn_flag).unwrap_or(0),
            };
            self.put_queues(topic.to_owned(), &name, queues);
        }
        Ok(())
    }

    /// All clusters and brokers.
    pub(crate) fn cluster_info(&self) -> ClusterInfo {
        ClusterInfo {
            broker_addr_table: self
                .brokers
                .iter()
                .map(|(name, broker)| (name.as_ref().to_owned(), broker.to_data(name)))
                .collect(),
            cluster_addr_table: self
                .clusters
                .iter()
                .map(|(cluster, names)| {
                    let names = names.iter().map(|name| name.as_ref().to_owned());
                    (cluster.clone(), names.collect())
                })
                .collect(),
        }
    }

    /// The addresses of one broker name (5.x); none when it is not registered.
    pub(crate) fn member_group(&self, cluster: &str, broker_name: &str) -> BrokerMemberGroupBody {
        let broker = self.brokers.get(broker_name);
        BrokerMemberGroupBody {
            broker_member_group: BrokerData {
                broker_addrs: broker.map_or_else(BTreeMap::new, |b| b.addresses.clone()),
                broker_name: broker_name.to_owned(),
                cluster: cluster.to_owned(),
            },
        }
    }

    /// All topics.
    pub(crate) fn topics(&self) -> TopicList {
        self.topics_where(|_| true)
    }

    /// The topics that have queues on a broker of this cluster.
    pub(crate) fn topics_of_cluster(&self, cluster: &str) -> TopicList {
        match self.clusters.get(cluster) {
            Some(names) => {
                self.topics_where(|topic| topic.queues.keys().any(|name| names.contains(name)))
            }
            None => TopicList::default(),
        }
    }

    /// The topics whose system flags, on the first of their brokers, are as wanted.
    pub(crate) fn topics_with_flags(&self, wanted: impl Fn(i32) -> bool) -> TopicList {
        self.topics_where(|topic| {
            topic
                .queues
                .values()
                .next()
                .is_some_and(|queues| wanted(queues.sys_flag))
        })
    }

    fn topics_where(&self, wanted: impl Fn(&Topic) -> bool) -> TopicList {
        let topics = self.topics.iter().filter(|(_, topic)| wanted(topic));
        TopicList {
            broker_addr: None,
            topic_list: topics.map(|(name, _)| name.clone()).collect(),
        }
    }

    /// What Apache calls system topics: names of clusters and brokers, for which every broker has
    /// a topic; and the address of some broker.
    pub(crate) fn system_topics(&self) -> TopicList {
        let mut topic_list = Vec::new();
        for (cluster, names) in &self.clusters {
            topic_list.push(cluster.clone());
            topic_list.extend(names.iter().map(|name| name.as_ref().to_owned()));
        }
        let mut addresses = self.brokers.values().flat_map(|b| b.addresses.values());
        TopicList {
            broker_addr: addresses.next().cloned(),
            topic_list,
        }
    }
}

impl Queues {
    fn of(config: &TopicConfig) -> Self {
        Self {
            read: config.read_queue_nums,
            write: config.write_queue_nums,
            perm: config.perm,
            sys_flag: config.topic_sys_flag,
        }
    }
}

impl Broker {
    fn to_data(&self, name: &str) -> BrokerData {
        BrokerData {
            broker_addrs: self.addresses.clone(),
            broker_name: name.to_owned(),
            cluster: self.cluster.clone(),
        }
    }
}

/// A route in fastjson's dialect or with quoted keys.
pub(crate) fn encode_route(route: &TopicRouteData, standard: bool) -> Bytes {
    let json = if standard {
        fastjson::to_vec_standard(route)
    } else {
        fastjson::to_vec(route)
    };
    json.expect("texts and numbers can be written as JSON")
        .into()
}

fn check_name(what: &'static str, name: &str) -> Result<(), RegisterError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(RegisterError::Name { what });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
