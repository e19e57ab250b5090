use std::collections::{BTreeMap, BTreeSet};

use client::admin::{Broker, Runtime};
use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::body::stats::TopicOffset;
use remoting::protocol::body::topic::TopicConfig;
use remoting::protocol::properties;

use super::*;
use crate::commands::doctor::facts::{GroupFacts, LocalServer, Member, NameServer, Progress};

const NOW_MS: i64 = 1_790_000_000_000;
const HOUR_MS: i64 = 3_600_000;

fn table(broker: &mut BrokerFacts, key: &str, value: &str) {
    let mut table = broker.runtime.clone().unwrap().table;
    table.insert(key.to_owned(), value.to_owned());
    broker.runtime = Ok(Runtime::read(table));
}

fn set(broker: &mut BrokerFacts, key: &str, value: &str) {
    let text = format!("{key}={value}");
    let config = broker.config.as_mut().unwrap();
    config.retain(|setting| setting.key != key);
    config.extend(properties::parse(&text).unwrap());
}

fn topic(name: &str) -> (String, TopicConfig) {
    let config = TopicConfig {
        topic_name: name.to_owned(),
        ..TopicConfig::default()
    };
    (name.to_owned(), config)
}

fn broker(name: &str, address: &str) -> BrokerFacts {
    let mut broker = BrokerFacts {
        broker: Broker {
            cluster: "C".to_owned(),
            name: name.to_owned(),
            id: 0,
            address: address.to_owned(),
        },
        reached_at: address.to_owned(),
        runtime: Ok(Runtime::default()),
        config: Ok(Vec::new()),
        ahead_ms: Some(400),
        took_ms: 3,
        topics: BTreeMap::from([
            topic("orders"),
            topic("%DLQ%billing"),
            topic("%RETRY%billing"),
        ]),
        groups: BTreeMap::from([("billing".to_owned(), SubscriptionGroupConfig::default())]),
    };
    for (key, value) in [
        ("brokerVersionDesc", "V4_9_8"),
        ("commitLogDiskRatio", "0.3"),
        ("remainHowManyDataToFlush", "12.5 KiB"),
        ("sendThreadPoolQueueHeadWaitTimeMills", "0"),
        ("putMessageFailedTimes", "0"),
        ("pageCacheLockTimeMills", "0"),
        ("dispatchBehindBytes", "0"),
    ] {
        table(&mut broker, key, value);
    }
    for (key, value) in [
        ("brokerName", name),
        ("brokerPermission", "6"),
        ("fileReservedTime", "72"),
        ("flushDiskType", "SYNC_FLUSH"),
        ("autoCreateTopicEnable", "false"),
        ("autoCreateSubscriptionGroup", "false"),
    ] {
        set(&mut broker, key, value);
    }
    broker
}

/// Two brokers, two name servers, a topic and a group that has caught up.
fn healthy() -> Facts {
    let brokers = vec![broker("a", "10.0.0.1:10911"), broker("b", "10.0.0.2:10911")];
    let name_server = |address: &str| NameServer {
        address: address.to_owned(),
        brokers: Ok(brokers.iter().map(|b| b.broker.address.clone()).collect()),
        topics: Ok(brokers[0].topics.keys().cloned().collect()),
        config: Ok(properties::parse("orderMessageEnable=false").unwrap()),
        took_ms: 2,
    };
    let range = TopicOffset {
        min_offset: 5,
        max_offset: 100,
        last_update_timestamp: NOW_MS - 60_000,
    };
    let both = |value: BTreeMap<i32, TopicOffset>| {
        BTreeMap::from([("a".to_owned(), value.clone()), ("b".to_owned(), value)])
    };
    let empty = TopicOffset::default();
    let member = |id: &str| Member {
        id: id.to_owned(),
        version: 407,
        subscriptions: Some(BTreeSet::from([("orders".to_owned(), "*".to_owned())])),
        owned: Some(BTreeMap::from([("orders".to_owned(), 1)])),
    };
    let progress = Progress {
        max: 100,
        offset: 100,
        last_ms: NOW_MS - 60_000,
    };
    let billing = GroupFacts {
        queues: BTreeMap::from([
            (("orders".to_owned(), "a".to_owned(), 0), progress),
            (("orders".to_owned(), "b".to_owned(), 0), progress),
        ]),
        members: Some(vec![member("m1"), member("m2")]),
        subscriptions: BTreeMap::from([
            ("orders".to_owned(), "*".to_owned()),
            ("%RETRY%billing".to_owned(), "*".to_owned()),
        ]),
    };
    let perms = BTreeMap::from([("a".to_owned(), 6), ("b".to_owned(), 6)]);
    Facts {
        now_ms: NOW_MS,
        addresses: "10.0.0.8:9876;10.0.0.9:9876".to_owned(),
        prod: true,
        rewrite: BTreeMap::from([("10.0.*".to_owned(), "gateway".to_owned())]),
        name_servers: vec![name_server("10.0.0.8:9876"), name_server("10.0.0.9:9876")],
        routes: BTreeMap::from([("orders".to_owned(), perms)]),
        queues: BTreeMap::from([
            ("orders".to_owned(), both(BTreeMap::from([(0, range)]))),
            (
                "%DLQ%billing".to_owned(),
                both(BTreeMap::from([(0, empty)])),
            ),
        ]),
        groups: BTreeMap::from([("billing".to_owned(), billing)]),
        brokers,
        ..Facts::default()
    }
}

fn queue<'a>(facts: &'a mut Facts, broker: &str) -> &'a mut Progress {
    let key = ("orders".to_owned(), broker.to_owned(), 0);
    group(facts).queues.get_mut(&key).unwrap()
}

fn group(facts: &mut Facts) -> &mut GroupFacts {
    facts.groups.get_mut("billing").unwrap()
}

fn local(facts: &mut Facts, open_files: u64, address: &str) {
    facts.host.servers.push(LocalServer {
        kind: "broker".to_owned(),
        name: "local".to_owned(),
        addresses: vec![address.to_owned()],
        open_files: Some(open_files),
        files_open: Some(200),
    });
}

fn retrying(facts: &mut Facts) {
    let key = ("%RETRY%billing".to_owned(), "a".to_owned(), 0);
    let progress = Progress {
        max: 500,
        offset: 10,
        last_ms: NOW_MS,
    };
    group(facts).queues.insert(key, progress);
}

/// For every check, what makes it find something, and words that its findings must have.
type Case = (&'static str, fn(&mut Facts), &'static str);

const CASES: &[Case] = &[
    (
        "name-server-answers",
        |f| f.name_servers[1].brokers = Err("refused".to_owned()),
        "refused",
    ),
    (
        "name-servers-agree",
        |f| {
            f.name_servers[1].brokers.as_mut().unwrap().pop_first();
        },
        "10.0.0.1:10911 is not known",
    ),
    (
        "name-servers-topics",
        |f| {
            f.name_servers[1]
                .topics
                .as_mut()
                .unwrap()
                .insert("x".to_owned());
        },
        ": x",
    ),
    (
        "name-servers-settings",
        |f| f.name_servers[1].config = Ok(properties::parse("orderMessageEnable=true").unwrap()),
        "orderMessageEnable",
    ),
    ("broker-registered", |f| f.brokers.clear(), "no broker"),
    (
        "broker-answers",
        |f| f.brokers[0].runtime = Err("timed out".to_owned()),
        "brokerIP1",
    ),
    (
        "loopback-advertised",
        |f| f.brokers[0].broker.address = "127.0.0.1:10911".to_owned(),
        "its own machine",
    ),
    (
        "address-shared",
        |f| f.brokers[1].broker.address = f.brokers[0].broker.address.clone(),
        "a, b all advertise",
    ),
    (
        "master-present",
        |f| f.brokers[1].broker.id = 1,
        "only slaves",
    ),
    (
        "broker-permission",
        |f| set(&mut f.brokers[0], "brokerPermission", "4"),
        "cannot be written",
    ),
    (
        "disk",
        |f| table(&mut f.brokers[0], "commitLogDiskRatio", "0.93"),
        "93% used",
    ),
    (
        "read-only-store",
        |f| table(&mut f.brokers[0], "storeReadOnlyReason", "sync failed"),
        "sync failed",
    ),
    (
        "failed-writes",
        |f| table(&mut f.brokers[0], "putMessageFailedTimes", "3"),
        "3 messages",
    ),
    (
        "page-cache",
        |f| table(&mut f.brokers[0], "pageCacheLockTimeMills", "4000"),
        "4000 ms",
    ),
    (
        "dispatch",
        |f| table(&mut f.brokers[0], "dispatchBehindBytes", "99999999999"),
        "not visible",
    ),
    (
        "flush",
        |f| table(&mut f.brokers[0], "remainHowManyDataToFlush", "1.5 GiB"),
        "1.5 GiB",
    ),
    (
        "requests-wait",
        |f| {
            table(
                &mut f.brokers[0],
                "sendThreadPoolQueueHeadWaitTimeMills",
                "900",
            )
        },
        "900 ms",
    ),
    ("answer-time", |f| f.brokers[0].took_ms = 2_000, "2000 ms"),
    (
        "clock",
        |f| f.brokers[0].ahead_ms = Some(-90_000),
        "1m30s behind",
    ),
    (
        "versions",
        |f| table(&mut f.brokers[0], "brokerVersionDesc", "V5_3_3"),
        "V4_9_8, V5_3_3",
    ),
    (
        "config-drift",
        |f| set(&mut f.brokers[0], "fileReservedTime", "48"),
        "fileReservedTime: a 48, b 72",
    ),
    (
        "durability",
        |f| set(&mut f.brokers[0], "flushDiskType", "ASYNC_FLUSH"),
        "half second",
    ),
    (
        "auto-create",
        |f| set(&mut f.brokers[0], "autoCreateTopicEnable", "true"),
        "misspelt",
    ),
    (
        "topic-routed",
        |f| {
            f.name_servers[0].topics.as_mut().unwrap().remove("orders");
        },
        "does not know orders",
    ),
    (
        "topic-held",
        |f| {
            f.name_servers[0]
                .topics
                .as_mut()
                .unwrap()
                .insert("gone".to_owned());
        },
        "no broker has gone",
    ),
    (
        "topic-alike",
        |f| f.brokers[0].topics.get_mut("orders").unwrap().perm = 4,
        "a: perm 4",
    ),
    (
        "write-permission",
        |f| {
            f.routes
                .get_mut("orders")
                .unwrap()
                .insert("a".to_owned(), 4);
        },
        "drain a --undo",
    ),
    (
        "topic-spread",
        |f| {
            f.brokers[0].topics.remove("orders");
        },
        "on b alone",
    ),
    (
        "lag",
        |f| {
            queue(f, "a").offset = 50;
            group(f).members = Some(Vec::new());
        },
        "50 messages",
    ),
    (
        "subscriptions",
        |f| {
            let other = BTreeSet::from([("orders".to_owned(), "b".to_owned())]);
            group(f).members.as_mut().unwrap()[1].subscriptions = Some(other);
        },
        "m2 wants orders:b",
    ),
    (
        "subscribed-topic",
        |f| {
            group(f)
                .subscriptions
                .insert("oders".to_owned(), "*".to_owned());
        },
        "oders",
    ),
    (
        "idle-members",
        |f| {
            let members = group(f).members.as_mut().unwrap();
            members.push(members[0].clone());
        },
        "1 have none",
    ),
    (
        "uneven-queues",
        |f| {
            let owned = BTreeMap::from([("orders".to_owned(), 3)]);
            group(f).members.as_mut().unwrap()[1].owned = Some(owned);
        },
        "m2 owns 3 queues",
    ),
    ("hot-queue", |f| queue(f, "a").max = 5_000, "4900 messages"),
    ("retries", retrying, "490 messages failed"),
    (
        "dead-letters",
        |f| {
            let queues = f
                .queues
                .get_mut("%DLQ%billing")
                .unwrap()
                .get_mut("a")
                .unwrap();
            queues.get_mut(&0).unwrap().max_offset = 3;
        },
        "3 messages",
    ),
    (
        "consume-enabled",
        |f| {
            f.brokers[0]
                .groups
                .get_mut("billing")
                .unwrap()
                .consume_enable = false
        },
        "refused by a",
    ),
    (
        "group-everywhere",
        |f| {
            f.brokers[1].groups.remove("billing");
        },
        "b have its topics",
    ),
    (
        "client-versions",
        |f| group(f).members.as_mut().unwrap()[0].version = 300,
        "its members run clients V",
    ),
    (
        "dead-group",
        |f| {
            group(f).members = Some(Vec::new());
            for broker in ["a", "b"] {
                queue(f, broker).last_ms = NOW_MS - 30 * 24 * HOUR_MS;
            }
        },
        "30d00h ago",
    ),
    (
        "open-files",
        |f| local(f, 1_024, "10.0.0.1:10911"),
        "1024 files",
    ),
    (
        "namesrv-variable",
        |f| f.host.namesrv_variable = Some("elsewhere:9876".to_owned()),
        "elsewhere:9876",
    ),
    (
        "local-broker",
        |f| local(f, 1 << 20, "10.0.0.1:10999"),
        "broker local runs",
    ),
    (
        "rewrite-used",
        |f| {
            f.rewrite.insert("172.17.0.2".to_owned(), "x".to_owned());
        },
        "172.17.0.2",
    ),
];

#[test]
fn a_healthy_cluster_has_no_findings() {
    let facts = healthy();
    for check in CHECKS {
        assert_eq!((check.run)(&facts), [], "{}", check.name);
    }
}

#[test]
fn every_check_fails_on_what_it_is_for_and_says_what_to_do() {
    for check in CHECKS {
        let case = CASES.iter().find(|(name, _, _)| *name == check.name);
        let (_, spoil, words) = case.unwrap_or_else(|| panic!("{} has no case", check.name));
        let mut facts = healthy();
        spoil(&mut facts);
        let found = (check.run)(&facts);
        assert!(!found.is_empty(), "{} found nothing", check.name);
        let text = found.iter().map(|f| format!("{} {}\n", f.evidence, f.fix));
        let text = text.collect::<String>();
        assert!(text.contains(words), "{}: {text}", check.name);
        assert!(
            found.iter().all(|found| !found.fix.is_empty()),
            "{}",
            check.name
        );
    }
    assert_eq!(CASES.len(), CHECKS.len());
}

#[test]
fn what_is_not_known_is_not_wrong() {
    let mut facts = healthy();
    let unknown = || "no answer".to_owned();
    facts.brokers[0].runtime = Err(unknown());
    facts.brokers[0].config = Err(unknown());
    facts.brokers[0].topics.clear();
    facts.brokers[0].groups.clear();
    for check in CHECKS {
        let found = (check.run)(&facts);
        let expected = usize::from(check.name == "broker-answers");
        assert!(
            found.len() == expected || check.name == "topic-spread",
            "{}: {found:?}",
            check.name
        );
    }
}
