//! Where the queues of a topic are.
//!
//! Routes are kept for [`ROUTE_LIFETIME`]. While no name server answers, the last known route goes
//! on being used, as messages can still be sent by it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::body::topic::{
    BrokerData, PERM_READ, PERM_WRITE, QueueData, TopicRouteData,
};

/// How long a route is used before the name server is asked again.
pub const ROUTE_LIFETIME: Duration = Duration::from_secs(30);
/// Id of a master among the addresses of a broker.
pub const MASTER_ID: i64 = 0;

/// No broker has more queues of one topic; a larger number from the network is cut.
const MAX_QUEUES_PER_BROKER: i32 = 65_536;
const MAX_CACHED_ROUTES: usize = 4096;

/// The route of one topic, with the queues worked out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRoute {
    pub topic: String,
    /// As the name server answered.
    pub data: TopicRouteData,
    publish_queues: Vec<MessageQueue>,
    subscribe_queues: Vec<MessageQueue>,
}

impl TopicRoute {
    /// From what a name server answered.
    pub fn new(topic: &str, mut data: TopicRouteData) -> Self {
        data.queue_datas
            .sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
        data.broker_datas
            .sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
        Self {
            topic: topic.to_owned(),
            publish_queues: publish_queues(topic, &data),
            subscribe_queues: queues(topic, &data, PERM_READ, |queues| queues.read_queue_nums),
            data,
        }
    }

    /// The route a producer uses for a topic that does not exist, made of the default topic's:
    /// at most `queue_count` queues on each of its brokers.
    pub fn for_new_topic(topic: &str, default_topic: &Self, queue_count: i32) -> Self {
        let mut data = default_topic.data.clone();
        for queues in &mut data.queue_datas {
            let count = queues.read_queue_nums.min(queue_count);
            queues.read_queue_nums = count;
            queues.write_queue_nums = count;
        }
        Self::new(topic, data)
    }

    /// The queues that can be sent to, in order of broker name and queue id. An order-topic
    /// configuration decides them alone.
    pub fn publish_queues(&self) -> &[MessageQueue] {
        &self.publish_queues
    }

    /// The queues that can be read, in order of broker name and queue id.
    pub fn subscribe_queues(&self) -> &[MessageQueue] {
        &self.subscribe_queues
    }

    /// Address of the master of a broker.
    pub fn master(&self, broker_name: &str) -> Option<&str> {
        self.broker(broker_name)?
            .broker_addrs
            .get(&MASTER_ID)
            .map(String::as_str)
    }

    /// Address of the broker with this id, or of any other behind the same name; and its id.
    pub fn address(&self, broker_name: &str, broker_id: i64) -> Option<(i64, &str)> {
        let addresses = &self.broker(broker_name)?.broker_addrs;
        addresses
            .get_key_value(&broker_id)
            .or_else(|| addresses.first_key_value())
            .map(|(id, address)| (*id, address.as_str()))
    }

    fn broker(&self, broker_name: &str) -> Option<&BrokerData> {
        self.data
            .broker_datas
            .iter()
            .find(|broker| broker.broker_name == broker_name)
    }
}

fn publish_queues(topic: &str, data: &TopicRouteData) -> Vec<MessageQueue> {
    match data.order_topic_conf.as_deref().map(str::trim) {
        Some(conf) if !conf.is_empty() => conf
            .split(';')
            .filter_map(|entry| {
                let (broker_name, count) = entry.trim().split_once(':')?;
                Some((broker_name, count.trim().parse().ok()?))
            })
            .flat_map(|(broker_name, count)| numbered(topic, broker_name, count))
            .collect(),
        _ => queues(topic, data, PERM_WRITE, |queues| queues.write_queue_nums)
            .into_iter()
            .filter(|queue| {
                data.broker_datas.iter().any(|broker| {
                    broker.broker_name == queue.broker_name
                        && broker.broker_addrs.contains_key(&MASTER_ID)
                })
            })
            .collect(),
    }
}

fn queues(
    topic: &str,
    data: &TopicRouteData,
    permission: i32,
    count: fn(&QueueData) -> i32,
) -> Vec<MessageQueue> {
    data.queue_datas
        .iter()
        .filter(|queues| queues.perm & permission != 0)
        .flat_map(|queues| numbered(topic, &queues.broker_name, count(queues)))
        .collect()
}

fn numbered<'a>(
    topic: &'a str,
    broker_name: &'a str,
    count: i32,
) -> impl Iterator<Item = MessageQueue> + 'a {
    (0..count.min(MAX_QUEUES_PER_BROKER)).map(move |queue_id| MessageQueue {
        broker_name: broker_name.to_owned(),
        queue_id,
        topic: topic.to_owned(),
    })
}

/// The routes a client knows.
#[derive(Debug, Default)]
pub(crate) struct RouteCache {
    entries: Mutex<HashMap<String, Entry>>,
    /// Held while a name server is asked, so that many senders ask once.
    pub(crate) asking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Entry {
    route: Arc<TopicRoute>,
    /// `None`: to be asked for again before it is used.
    fresh_until: Option<Instant>,
}

impl RouteCache {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The route of a topic, unless it is to be asked for again.
    pub(crate) fn fresh(&self, topic: &str) -> Option<Arc<TopicRoute>> {
        let entries = self.entries();
        let entry = entries.get(topic)?;
        let fresh = entry
            .fresh_until
            .is_some_and(|until| Instant::now() < until);
        fresh.then(|| entry.route.clone())
    }

    /// Takes over a new route.
    pub(crate) fn put(&self, route: Arc<TopicRoute>) {
        let mut entries = self.entries();
        let now = Instant::now();
        if entries.len() >= MAX_CACHED_ROUTES {
            entries.retain(|_, entry| entry.fresh_until.is_some_and(|until| now < until));
            if entries.len() >= MAX_CACHED_ROUTES {
                entries.clear();
            }
        }
        let fresh_until = Some(now + ROUTE_LIFETIME);
        entries.insert(route.topic.clone(), Entry { route, fresh_until });
    }

    /// The last known route, used on because nobody can be asked.
    pub(crate) fn prolong(&self, topic: &str) -> Option<Arc<TopicRoute>> {
        let mut entries = self.entries();
        let entry = entries.get_mut(topic)?;
        entry.fresh_until = Some(Instant::now() + ROUTE_LIFETIME);
        Some(entry.route.clone())
    }

    /// The topic is gone.
    pub(crate) fn remove(&self, topic: &str) {
        self.entries().remove(topic);
    }

    /// Something went wrong by this route: ask again before the next use.
    pub(crate) fn doubt(&self, topic: &str) {
        if let Some(entry) = self.entries().get_mut(topic) {
            entry.fresh_until = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(order_topic_conf: Option<&str>) -> TopicRoute {
        let broker = |name: &str, ids: &[i64]| BrokerData {
            broker_addrs: ids.iter().map(|id| (*id, format!("{name}:{id}"))).collect(),
            broker_name: name.to_owned(),
            cluster: "c".to_owned(),
        };
        let queues = |name: &str, perm, read, write| QueueData {
            broker_name: name.to_owned(),
            perm,
            read_queue_nums: read,
            write_queue_nums: write,
            ..QueueData::default()
        };
        let data = TopicRouteData {
            broker_datas: vec![broker("b", &[0, 1]), broker("a", &[0]), broker("c", &[1])],
            queue_datas: vec![
                queues("c", 6, 1, 1),
                queues("b", 4, 1, 1),
                queues("a", 6, 3, 2),
                queues("d", 2, 1, -1),
            ],
            order_topic_conf: order_topic_conf.map(str::to_owned),
            ..TopicRouteData::default()
        };
        TopicRoute::new("T", data)
    }

    fn names(queues: &[MessageQueue]) -> Vec<String> {
        queues
            .iter()
            .map(|queue| format!("{}{}", queue.broker_name, queue.queue_id))
            .collect()
    }

    #[test]
    fn queues_follow_permissions_masters_and_order_configuration() {
        let plain = route(None);
        // "b" may not be written, "c" has no master.
        assert_eq!(names(plain.publish_queues()), ["a0", "a1"]);
        assert_eq!(
            names(plain.subscribe_queues()),
            ["a0", "a1", "a2", "b0", "c0"]
        );
        assert_eq!(
            names(route(Some("b:2;a:1;junk")).publish_queues()),
            ["b0", "b1", "a0"]
        );
        let new = TopicRoute::for_new_topic("N", &plain, 1);
        assert_eq!(names(new.publish_queues()), ["a0"]);
        assert_eq!(new.publish_queues()[0].topic, "N");
    }

    #[test]
    fn a_suggested_broker_is_preferred_and_any_other_is_better_than_none() {
        let route = route(None);
        assert_eq!(route.master("b"), Some("b:0"));
        assert_eq!(route.master("c"), None);
        assert_eq!(route.address("b", 1), Some((1, "b:1")));
        assert_eq!(route.address("a", 1), Some((0, "a:0")));
        assert_eq!(route.address("c", 0), Some((1, "c:1")));
        assert_eq!(route.address("x", 0), None);
    }
}
