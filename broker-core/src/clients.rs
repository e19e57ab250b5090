//! Who is connected: producers and consumers by group, with what consumers subscribe.
//!
//! A plain value. Clients introduce themselves by heartbeats and leave by saying so, by their
//! connection's end or by silence. Whatever changes the members or the topics of a consumer group
//! names the group, so that the owner tells its members.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use remoting::protocol::body::client::{
    ClientConnection, ConsumerConnection, ConsumerData, HeartbeatData, ProducerConnection,
    ProducerInfo, ProducerTableInfo, SubscriptionData,
};
use remoting::protocol::command::Language;

use crate::filter::{Filter, FilterError};

/// A client that has sent no heartbeat for so long is gone. They come every 30 s.
const SILENCE_MS: i64 = 120_000;
/// Groups of either kind. Further ones are not noted.
const GROUPS_MAX: usize = 100_000;

pub(crate) type GroupName = Arc<str>;

/// Consumer groups that are to share their queues anew.
pub(crate) type Changed = Vec<GroupName>;

/// The connection behind a client. `C` is what reaches it.
#[derive(Debug, Clone)]
pub(crate) struct Peer<C> {
    pub(crate) id: u64,
    pub(crate) remote: SocketAddr,
    pub(crate) language: Language,
    pub(crate) version: i32,
    pub(crate) connection: C,
}

/// A client as member of a group.
#[derive(Debug, Clone)]
pub(crate) struct Member<C> {
    pub(crate) client_id: String,
    pub(crate) peer: Peer<C>,
    last_heartbeat: i64,
}

/// A consumer group with its members, by connection.
#[derive(Debug)]
pub(crate) struct ConsumerGroup<C> {
    consume_from_where: String,
    consume_type: String,
    message_model: String,
    members: BTreeMap<u64, Member<C>>,
    subscriptions: BTreeMap<String, Subscription>,
}

/// What a group wants of a topic.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) data: SubscriptionData,
    /// Compiled once for all pulls.
    pub(crate) filter: Result<Arc<Filter>, FilterError>,
}

/// All clients.
#[derive(Debug)]
pub(crate) struct Clients<C> {
    consumers: HashMap<GroupName, ConsumerGroup<C>>,
    producers: HashMap<GroupName, BTreeMap<u64, Member<C>>>,
}

impl<C> Default for Clients<C> {
    fn default() -> Self {
        Self {
            consumers: HashMap::new(),
            producers: HashMap::new(),
        }
    }
}

impl<C: Clone> Clients<C> {
    /// Notes a client with its groups.
    pub(crate) fn heartbeat(&mut self, data: &HeartbeatData, peer: &Peer<C>, now: i64) -> Changed {
        let member = || Member {
            client_id: data.client_id.clone(),
            peer: peer.clone(),
            last_heartbeat: now,
        };
        for producer in &data.producer_data_set {
            if let Some(members) = entry(&mut self.producers, &producer.group_name) {
                members.insert(peer.id, member());
            }
        }
        let mut changed = Changed::new();
        for consumer in &data.consumer_data_set {
            let Some(group) = entry(&mut self.consumers, &consumer.group_name) else {
                continue;
            };
            let is_new = group.members.insert(peer.id, member()).is_none();
            if group.update(consumer) || is_new {
                changed.push(consumer.group_name.as_str().into());
            }
        }
        changed
    }

    /// Forgets a client's membership in the groups named.
    pub(crate) fn unregister(
        &mut self,
        connection_id: u64,
        producer_group: Option<&str>,
        consumer_group: Option<&str>,
    ) -> Changed {
        if let Some(name) = producer_group
            && let Some(members) = self.producers.get_mut(name)
        {
            members.remove(&connection_id);
            if members.is_empty() {
                self.producers.remove(name);
            }
        }
        let mut changed = Changed::new();
        if let Some(name) = consumer_group
            && let Some(group) = self.consumers.get_mut(name)
            && group.members.remove(&connection_id).is_some()
        {
            changed.push(name.into());
        }
        self.forget_empty();
        changed
    }

    /// Forgets a connection that has ended.
    pub(crate) fn connection_closed(&mut self, connection_id: u64) -> Changed {
        for members in self.producers.values_mut() {
            members.remove(&connection_id);
        }
        let groups = self.consumers.iter_mut();
        let changed = groups
            .filter_map(|(name, group)| group.members.remove(&connection_id).map(|_| name.clone()))
            .collect();
        self.forget_empty();
        changed
    }

    /// Forgets silent clients; returns their connections, which are to be closed.
    pub(crate) fn expire(&mut self, now: i64) -> (Changed, Vec<C>) {
        let mut silent = BTreeMap::new();
        let mut forget = |members: &mut BTreeMap<u64, Member<C>>| {
            let gone = members.extract_if(.., |_, member| now - member.last_heartbeat > SILENCE_MS);
            let before = silent.len();
            silent.extend(gone.map(|(id, member)| (id, member.peer.connection)));
            silent.len() > before
        };
        for members in self.producers.values_mut() {
            forget(members);
        }
        let mut changed = Changed::new();
        for (name, group) in &mut self.consumers {
            let members = group.members.len();
            forget(&mut group.members);
            if group.members.len() < members {
                changed.push(name.clone());
            }
        }
        self.forget_empty();
        (changed, silent.into_values().collect())
    }

    fn forget_empty(&mut self) {
        self.producers.retain(|_, members| !members.is_empty());
        self.consumers.retain(|_, group| !group.members.is_empty());
    }

    /// A group with members.
    pub(crate) fn consumer_group(&self, name: &str) -> Option<&ConsumerGroup<C>> {
        self.consumers.get(name)
    }

    /// The members of a consumer group.
    pub(crate) fn members(&self, group: &str) -> Vec<Member<C>> {
        self.consumers
            .get(group)
            .map(|group| group.members.values().cloned().collect())
            .unwrap_or_default()
    }

    /// The members of a producer group.
    pub(crate) fn producers(&self, group: &str) -> Vec<Member<C>> {
        self.producers
            .get(group)
            .map(|members| members.values().cloned().collect())
            .unwrap_or_default()
    }

    /// A producer by its client id, whatever its group.
    pub(crate) fn producer(&self, client_id: &str) -> Option<Member<C>> {
        let mut members = self.producers.values().flat_map(BTreeMap::values);
        members
            .find(|member| member.client_id == client_id)
            .cloned()
    }

    /// Client ids of a group's members, each once, in order.
    pub(crate) fn consumer_ids(&self, group: &str) -> Vec<String> {
        let members = self
            .consumers
            .get(group)
            .into_iter()
            .flat_map(|group| group.members.values());
        let mut ids: Vec<_> = members.map(|member| member.client_id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Groups whose members subscribe a topic.
    pub(crate) fn groups_of_topic(&self, topic: &str) -> Vec<String> {
        let groups = self
            .consumers
            .iter()
            .filter(|(_, group)| group.subscriptions.contains_key(topic));
        groups.map(|(name, _)| name.to_string()).collect()
    }

    /// What a group wants of a topic, as its members say.
    pub(crate) fn subscription(&self, group: &str, topic: &str) -> Option<SubscriptionData> {
        let subscription = self.consumers.get(group)?.subscription(topic)?;
        Some(subscription.data.clone())
    }

    pub(crate) fn consumer_connection(&self, group: &str) -> Option<ConsumerConnection> {
        let group = self.consumers.get(group)?;
        let subscriptions = group.subscriptions.iter();
        Some(ConsumerConnection {
            connection_set: group.members.values().map(Member::to_body).collect(),
            consume_from_where: Some(group.consume_from_where.clone()),
            consume_type: Some(group.consume_type.clone()),
            message_model: Some(group.message_model.clone()),
            subscription_table: subscriptions
                .map(|(topic, found)| (topic.clone(), found.data.clone()))
                .collect(),
        })
    }

    /// All producers by group.
    pub(crate) fn producer_table(&self) -> ProducerTableInfo {
        let groups = self.producers.iter().map(|(name, members)| {
            let members = members.values().map(|member| ProducerInfo {
                client_id: member.client_id.clone(),
                language: member.peer.language.name().to_owned(),
                last_update_timestamp: member.last_heartbeat,
                // As Java prints an address.
                remote_ip: format!("/{}", member.peer.remote),
                version: member.peer.version,
            });
            (name.to_string(), members.collect())
        });
        ProducerTableInfo {
            data: groups.collect(),
        }
    }

    pub(crate) fn producer_connection(&self, group: &str) -> Option<ProducerConnection> {
        let members = self.producers.get(group)?;
        Some(ProducerConnection {
            connection_set: members.values().map(Member::to_body).collect(),
        })
    }
}

/// The entry of a group, which is made if there is room.
fn entry<'a, T: Default>(table: &'a mut HashMap<GroupName, T>, name: &str) -> Option<&'a mut T> {
    if table.len() >= GROUPS_MAX && !table.contains_key(name) {
        return None;
    }
    Some(table.entry(name.into()).or_default())
}

impl<C> Member<C> {
    fn to_body(&self) -> ClientConnection {
        ClientConnection {
            client_addr: self.peer.remote.to_string(),
            client_id: self.client_id.clone(),
            language: self.peer.language.name().to_owned(),
            version: self.peer.version,
        }
    }
}

impl<C> Default for ConsumerGroup<C> {
    fn default() -> Self {
        Self {
            consume_from_where: String::new(),
            consume_type: String::new(),
            message_model: String::new(),
            members: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
        }
    }
}

impl<C> ConsumerGroup<C> {
    pub(crate) fn is_broadcasting(&self) -> bool {
        self.message_model == "BROADCASTING"
    }

    pub(crate) fn subscription(&self, topic: &str) -> Option<&Subscription> {
        self.subscriptions.get(topic)
    }

    pub(crate) fn has_subscriptions(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// Takes over what a member says of its group: the last to speak is right. True: the topics are
    /// others than before.
    fn update(&mut self, data: &ConsumerData) -> bool {
        self.consume_from_where.clone_from(&data.consume_from_where);
        self.consume_type.clone_from(&data.consume_type);
        self.message_model.clone_from(&data.message_model);
        let mut changed = false;
        for wanted in &data.subscription_data_set {
            let known = self.subscriptions.get(&wanted.topic);
            changed |= known.is_none();
            // Members that were not told of a new expression keep sending the old one.
            if known.is_none_or(|known| known.data.sub_version < wanted.sub_version) {
                self.subscriptions
                    .insert(wanted.topic.clone(), Subscription::new(wanted));
            }
        }
        let before = self.subscriptions.len();
        self.subscriptions.retain(|topic, _| {
            data.subscription_data_set
                .iter()
                .any(|wanted| wanted.topic == *topic)
        });
        changed || self.subscriptions.len() < before
    }
}

impl Subscription {
    fn new(data: &SubscriptionData) -> Self {
        Self {
            filter: Filter::of_subscription(data).map(Arc::new),
            data: data.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remoting::protocol::body::client::ProducerData;

    fn peer(id: u64) -> Peer<u64> {
        let remote = ([10, 0, 0, 1], 1000 + u16::try_from(id).unwrap()).into();
        Peer {
            id,
            remote,
            language: Language::JAVA,
            version: 409,
            connection: id,
        }
    }

    fn beat(
        clients: &mut Clients<u64>,
        id: u64,
        topics: &[(&str, i64, &[i32])],
        now: i64,
    ) -> Vec<String> {
        let subscription_data_set = topics
            .iter()
            .map(|(topic, version, codes)| SubscriptionData {
                topic: (*topic).to_owned(),
                sub_version: *version,
                code_set: codes.to_vec(),
                ..SubscriptionData::default()
            })
            .collect();
        let data = HeartbeatData {
            client_id: format!("client-{id}"),
            consumer_data_set: vec![ConsumerData {
                group_name: "G".to_owned(),
                message_model: "CLUSTERING".to_owned(),
                subscription_data_set,
                ..ConsumerData::default()
            }],
            producer_data_set: vec![ProducerData {
                group_name: "P".to_owned(),
            }],
        };
        names(&clients.heartbeat(&data, &peer(id), now))
    }

    fn names(changed: &Changed) -> Vec<String> {
        changed.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn groups_change_when_members_or_topics_do() {
        let mut clients = Clients::default();
        assert_eq!(beat(&mut clients, 1, &[("T", 1, &[])], 0), ["G"]);
        assert!(beat(&mut clients, 1, &[("T", 1, &[])], 1).is_empty());
        assert_eq!(
            beat(&mut clients, 2, &[("T", 1, &[])], 2),
            ["G"],
            "a member came"
        );
        assert_eq!(
            beat(&mut clients, 2, &[("T", 1, &[]), ("U", 1, &[])], 3),
            ["G"],
            "a topic came"
        );
        assert_eq!(clients.groups_of_topic("U"), ["G"]);
        assert_eq!(
            beat(&mut clients, 2, &[("T", 2, &[])], 4),
            ["G"],
            "a topic left"
        );
        assert!(clients.groups_of_topic("U").is_empty());
        assert_eq!(clients.consumer_ids("G"), ["client-1", "client-2"]);
        assert_eq!(names(&clients.unregister(1, Some("P"), Some("G"))), ["G"]);
        assert_eq!(clients.producers("P").len(), 1);
        assert_eq!(names(&clients.connection_closed(2)), ["G"]);
        assert!(clients.connection_closed(2).is_empty());
        assert!(
            clients.consumer_group("G").is_none() && clients.producer_connection("P").is_none()
        );
    }

    #[test]
    fn an_older_expression_does_not_replace_a_newer_one() {
        let mut clients = Clients::default();
        beat(&mut clients, 1, &[("T", 5, &[7])], 0);
        beat(&mut clients, 2, &[("T", 4, &[8])], 0);
        let matches = |clients: &Clients<u64>, code| {
            clients
                .consumer_group("G")
                .unwrap()
                .subscription("T")
                .unwrap()
                .filter
                .as_ref()
                .unwrap()
                .may_match(code)
        };
        assert!(matches(&clients, 7) && !matches(&clients, 8));
        beat(&mut clients, 2, &[("T", 6, &[8])], 0);
        assert!(!matches(&clients, 7) && matches(&clients, 8));
    }

    #[test]
    fn silent_clients_are_forgotten() {
        let mut clients = Clients::default();
        beat(&mut clients, 1, &[("T", 1, &[])], 0);
        beat(&mut clients, 2, &[("T", 1, &[])], 100_000);
        let (changed, silent) = clients.expire(120_000);
        assert!(changed.is_empty() && silent.is_empty());
        let (changed, silent) = clients.expire(120_001);
        assert_eq!((names(&changed), silent), (vec!["G".to_owned()], vec![1]));
        assert_eq!(clients.members("G").len(), 1);
        assert_eq!(clients.producers("P").len(), 1);
    }
}
