//! Clusters for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use client::message::MessageExt;
use remoting::protocol::body::queue_map::MessageQueue;

use crate::app::App;
use crate::snapshot::{
    Broker, Group, GroupQueue, Member, NameServer, Running, Runtime, Snapshot, Subscription, Topic,
    TopicQueue,
};
use crate::update::{Event, update};

/// A fine day in 2026.
pub(crate) const START_MS: i64 = 1_790_000_000_000;
const HOUR_MS: i64 = 3_600_000;
const BROKERS: [(&str, &str); 2] = [
    ("broker-a", "127.0.0.1:10911"),
    ("broker-b", "127.0.0.1:10921"),
];

/// A second after the snapshot came.
pub(crate) fn app(snapshot: Snapshot) -> App {
    let mut app = App::new("127.0.0.1:9876".to_owned(), false, snapshot.taken_ms);
    let now_ms = snapshot.taken_ms + 1_000;
    update(&mut app, Event::Snapshot(Arc::new(snapshot)));
    update(&mut app, Event::Tick(now_ms));
    app
}

/// Rounds two seconds apart, as `change` makes them of the round before: as many as `rounds`.
pub(crate) fn app_after(rounds: i64, first: Snapshot, change: impl Fn(&mut Snapshot)) -> App {
    let mut app = App::new("127.0.0.1:9876".to_owned(), false, first.taken_ms);
    let mut snapshot = first;
    for _ in 0..rounds {
        update(&mut app, Event::Snapshot(Arc::new(snapshot.clone())));
        snapshot = later(&snapshot, 2_000);
        change(&mut snapshot);
    }
    let now_ms = app.now_ms + 1_000;
    update(&mut app, Event::Tick(now_ms));
    app
}

/// The same, asked again.
pub(crate) fn later(snapshot: &Snapshot, ms: i64) -> Snapshot {
    let mut next = snapshot.clone();
    next.taken_ms += ms;
    next.topics
        .iter_mut()
        .for_each(|topic| topic.asked_ms += ms);
    next.groups
        .iter_mut()
        .for_each(|group| group.asked_ms += ms);
    next
}

/// The healthy cluster some time later, with `more` messages in topic `orders`.
pub(crate) fn at(ms: i64, more: i64) -> Snapshot {
    let mut snapshot = later(&healthy(), ms);
    send(&mut snapshot, "orders", 0, more);
    snapshot
}

/// Messages arrive in a queue of broker-a; the groups that read it are that much further behind.
pub(crate) fn send(snapshot: &mut Snapshot, topic: &str, id: i32, count: i64) {
    let taken_ms = snapshot.taken_ms;
    let topics = snapshot
        .topics
        .iter_mut()
        .filter(|candidate| candidate.name == topic);
    for queue in topics.flat_map(|topic| topic.queues.iter_mut().flatten()) {
        if queue.broker == "broker-a" && queue.id == id {
            queue.max += count;
            queue.last_ms = Some(taken_ms);
        }
    }
    for queue in snapshot
        .groups
        .iter_mut()
        .flat_map(|group| group.queues.iter_mut().flatten())
    {
        if queue.topic == topic && queue.broker == "broker-a" && queue.id == id {
            queue.max += count;
        }
    }
}

pub(crate) fn group<'a>(snapshot: &'a mut Snapshot, name: &str) -> &'a mut Group {
    snapshot
        .groups
        .iter_mut()
        .find(|group| group.name == name)
        .unwrap()
}

pub(crate) fn group_queues<'a>(snapshot: &'a mut Snapshot, name: &str) -> &'a mut Vec<GroupQueue> {
    group(snapshot, name).queues.as_mut().unwrap()
}

/// A group consumes up to `count` messages of each of its queues.
pub(crate) fn consume(snapshot: &mut Snapshot, name: &str, count: i64) {
    let taken_ms = snapshot.taken_ms;
    for queue in group_queues(snapshot, name) {
        if queue.lag() > 0 {
            queue.offset += count.min(queue.lag());
            queue.last_ms = Some(taken_ms);
        }
    }
}

fn broker(place: usize) -> Broker {
    let runtime = Runtime {
        version: "V4_9_8".to_owned(),
        in_per_second: 1234.5,
        out_per_second: 99.04,
        disk_used: Some(0.42),
        commit_log_bytes: Some(3 << 30),
        dispatch_behind_bytes: Some(0),
        to_flush: Some("12.3 KiB".to_owned()),
        page_cache_lock_ms: Some(0),
        send_queue: Some(0),
        pull_queue: Some(2),
        boot_ms: Some(START_MS - 30 * HOUR_MS),
        earliest_message_ms: Some(START_MS - 29 * HOUR_MS),
        retention_ms: Some(72 * HOUR_MS),
        ahead_ms: Some(0),
        failed_puts: Some(0),
        read_only_reason: None,
    };
    let (name, address) = BROKERS[place];
    Broker {
        cluster: "DefaultCluster".to_owned(),
        name: name.to_owned(),
        id: 0,
        address: address.to_owned(),
        runtime: Ok(runtime),
    }
}

/// Eight queues on two brokers, with so many messages each.
pub(crate) fn topic(name: &str, messages: i64) -> Topic {
    let queue = |place: i32| TopicQueue {
        broker: BROKERS[(place / 4) as usize].0.to_owned(),
        id: place % 4,
        min: 7,
        max: messages + 7,
        last_ms: (messages > 0).then_some(START_MS - 2_000),
    };
    Topic {
        name: name.to_owned(),
        asked_ms: START_MS,
        queues: Ok((0..8).map(queue).collect()),
        incomplete: false,
    }
}

/// Two members share the queues of a topic; so many messages wait in each.
pub(crate) fn group_of(name: &str, topic: &str, max: i64, lag: i64) -> Group {
    let subscription = Subscription {
        topic: topic.to_owned(),
        expression: "*".to_owned(),
    };
    let queue = |place: i32| GroupQueue {
        topic: topic.to_owned(),
        broker: BROKERS[(place / 4) as usize].0.to_owned(),
        id: place % 4,
        max,
        offset: max - lag,
        last_ms: Some(START_MS - if lag > 0 { 90_000 } else { 2_000 }),
    };
    let queues = Vec::from_iter((0..8).map(queue));
    let member = |half: usize| Member {
        id: format!("10.0.0.{}@{name}", half + 1),
        address: format!("10.0.0.{}:43210", half + 1),
        language: "JAVA".to_owned(),
        version: "V4_9_8".to_owned(),
        running: Some(Ok(Running {
            subscriptions: vec![subscription.clone()],
            queues: queues[half * 4..half * 4 + 4]
                .iter()
                .map(|queue| (queue.topic.clone(), queue.broker.clone(), queue.id))
                .collect(),
        })),
    };
    Group {
        name: name.to_owned(),
        asked_ms: START_MS,
        incomplete: false,
        members: Ok(vec![member(0), member(1)]),
        model: Some("CLUSTERING".to_owned()),
        subscriptions: vec![subscription],
        queues: Ok(queues),
    }
}

pub(crate) fn healthy() -> Snapshot {
    let brokers = vec![broker(0), broker(1)];
    let addresses = brokers
        .iter()
        .map(|broker| broker.address.clone())
        .collect();
    Snapshot {
        taken_ms: START_MS,
        name_servers: vec![NameServer {
            address: "127.0.0.1:9876".to_owned(),
            brokers: Ok(addresses),
        }],
        brokers,
        topics: vec![
            topic("%DLQ%billing", 0),
            topic("audit", 0),
            topic("orders", 154_321),
            topic("payments", 50),
        ],
        groups: vec![
            group_of("audit-writer", "audit", 7, 0),
            group_of("billing", "orders", 154_328, 1_500),
            group_of("mailer", "payments", 57, 0),
        ],
        missing: Vec::new(),
    }
}

pub(crate) fn empty() -> Snapshot {
    Snapshot {
        name_servers: healthy().name_servers,
        taken_ms: START_MS,
        ..Snapshot::default()
    }
}

/// What lies on broker-b is not known any more.
pub(crate) fn lose_broker_b(snapshot: &mut Snapshot) {
    for topic in &mut snapshot.topics {
        topic
            .queues
            .iter_mut()
            .for_each(|queues| queues.retain(|queue| queue.broker == "broker-a"));
        topic.incomplete = true;
    }
    for group in &mut snapshot.groups {
        group
            .queues
            .iter_mut()
            .for_each(|queues| queues.retain(|queue| queue.broker == "broker-a"));
        group.incomplete = true;
    }
}

/// Broker-b is dead, and with it half of everything.
pub(crate) fn failing() -> Snapshot {
    let mut snapshot = healthy();
    let reason = "connect to 127.0.0.1:10921: connection refused";
    snapshot.brokers[1].runtime = Err(reason.to_owned());
    lose_broker_b(&mut snapshot);
    snapshot.topics[3].queues = Err(reason.to_owned());
    snapshot.groups[2].queues = Err(reason.to_owned());
    snapshot.groups[2].members = Err(reason.to_owned());
    snapshot
        .missing
        .push(format!("groups of broker-b: {reason}"));
    snapshot
}

/// Ten thousand topics, two hundred groups.
pub(crate) fn huge() -> Snapshot {
    let mut snapshot = healthy();
    snapshot.topics = (0..10_000)
        .map(|n| topic(&format!("topic-{n:05}"), n))
        .collect();
    snapshot.groups = (0..200)
        .map(|n| {
            group_of(
                &format!("group-{n:03}"),
                &format!("topic-{:05}", n * 50),
                n * 50 + 7,
                (n % 5) * n,
            )
        })
        .collect();
    snapshot
}

/// The 42nd message of the first queue of topic `orders`.
pub(crate) fn message(body: &str) -> MessageExt {
    MessageExt {
        topic: "orders".to_owned(),
        queue: MessageQueue {
            topic: "orders".to_owned(),
            broker_name: "broker-a".to_owned(),
            queue_id: 0,
        },
        queue_offset: 41,
        commit_log_offset: 4_100,
        store_size: 100,
        sys_flag: 0,
        flag: 0,
        body_crc: 0,
        born_timestamp: START_MS - 5,
        born_host: ([10, 0, 0, 9], 5000).into(),
        store_timestamp: START_MS,
        store_host: ([127, 0, 0, 1], 10911).into(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        properties: BTreeMap::from([("KEYS".to_owned(), "order-1".to_owned())]),
        body: body.as_bytes().to_vec().into(),
        body_problem: None,
        offset_message_id: "7F00000100002A9F0000000000001004".to_owned(),
    }
}
