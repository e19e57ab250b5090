//! Route tables and what is done to them.

use super::*;

fn topic(perm: i32, sys_flag: i32) -> TopicConfig {
    TopicConfig {
        perm,
        read_queue_nums: 8,
        topic_sys_flag: sys_flag,
        write_queue_nums: 4,
        ..TopicConfig::default()
    }
}

/// A broker `NAME/ID@ADDRESS` in `cluster`, whose topics have a version.
fn broker(cluster: &str, place: &str, counter: i64, topics: &[&str]) -> Registration {
    let (name, place) = place.split_once('/').unwrap();
    let (id, address) = place.split_once('@').unwrap();
    Registration {
        cluster: cluster.to_owned(),
        broker_name: name.to_owned(),
        broker_id: id.parse().unwrap(),
        address: address.to_owned(),
        ha_address: format!("ha-{address}"),
        heartbeat_timeout_ms: HEARTBEAT_TIMEOUT_MS,
        connection: connection(address),
        topics: TopicConfigSerializeWrapper {
            data_version: DataVersion {
                counter,
                ..DataVersion::default()
            },
            topic_config_table: topics
                .iter()
                .map(|name| ((*name).to_owned(), topic(6, 0)))
                .collect(),
        },
        filter_servers: Vec::new(),
    }
}

/// A cluster of a master with its slave and another master, and a cluster of one master.
fn table() -> RouteTable {
    let mut table = RouteTable::default();
    for registration in [
        broker("c1", "a/0@a0", 1, &["T", "OnlyA"]),
        broker("c1", "a/1@a1", 1, &["T", "OnlyA", "NotOfSlaves"]),
        broker("c1", "b/0@b0", 1, &["T"]),
        broker("c2", "c/0@c0", 1, &["T", "Other"]),
    ] {
        table.register(registration, 1000).unwrap();
    }
    table
}

fn connection(address: &str) -> u64 {
    address
        .bytes()
        .fold(0, |id: u64, byte| id.rotate_left(8) ^ u64::from(byte))
}

/// `topic: broker(addresses) …` for each topic: what clients can see.
fn view(table: &RouteTable) -> String {
    let mut lines = Vec::new();
    for topic in table.topics().topic_list {
        let json = table.encoded_route(&topic, false).unwrap();
        let route: TopicRouteData = fastjson::from_slice(&json).unwrap();
        assert_eq!(
            route,
            table.route(&topic).unwrap(),
            "a stale encoding of {topic}"
        );
        let json = table.encoded_route(&topic, true).unwrap();
        let standard: TopicRouteData = fastjson::from_slice(&json).unwrap();
        assert_eq!(standard, route, "a stale encoding of {topic}");
        let brokers: Vec<_> = route
            .broker_datas
            .iter()
            .zip(&route.queue_datas)
            .map(|(broker, queues)| {
                assert_eq!(broker.broker_name, queues.broker_name);
                let addresses: Vec<_> = broker.broker_addrs.values().cloned().collect();
                format!(
                    "{}{}({})",
                    broker.broker_name,
                    queues.perm,
                    addresses.join(" ")
                )
            })
            .collect();
        lines.push(format!("{topic}: {}", brokers.join(" ")));
    }
    let rows: usize = table.topics.values().map(|topic| topic.queues.len()).sum();
    let bytes: usize = table
        .topics
        .keys()
        .map(|name| name.len() + NAME_OVERHEAD_BYTES)
        .sum();
    assert_eq!((table.queue_rows, table.topic_name_bytes), (rows, bytes));
    lines.join("; ")
}

#[test]
fn what_is_done_and_what_clients_see() {
    type Deed = fn(&mut RouteTable);
    let cases: &[(&str, Deed, &str)] = &[
        (
            "nothing",
            |_| {},
            "OnlyA: a6(a0 a1); Other: c6(c0); T: a6(a0 a1) b6(b0) c6(c0)",
        ),
        (
            "a master unregisters, its slave stays with the topics",
            |table| assert!(table.unregister("a", "a0")),
            "OnlyA: a6(a1); Other: c6(c0); T: a6(a1) b6(b0) c6(c0)",
        ),
        (
            "a broker name goes with its last address",
            |table| {
                assert!(table.unregister("a", "a0"));
                assert!(table.unregister("a", "a1"));
            },
            "Other: c6(c0); T: b6(b0) c6(c0)",
        ),
        (
            "unregistering what is not registered",
            |table| {
                assert!(!table.unregister("a", "b0"));
                assert!(!table.unregister("x", "a0"));
            },
            "OnlyA: a6(a0 a1); Other: c6(c0); T: a6(a0 a1) b6(b0) c6(c0)",
        ),
        (
            "a connection closes",
            |table| {
                assert_eq!(table.connection_closed(connection("c0")), ["c0"]);
                assert!(table.connection_closed(connection("c0")).is_empty());
                assert!(!table.cluster_info().cluster_addr_table.contains_key("c2"));
            },
            "OnlyA: a6(a0 a1); T: a6(a0 a1) b6(b0)",
        ),
        (
            "the old connection of a broker that came back closes",
            |table| {
                let again = Registration {
                    connection: 7,
                    ..broker("c2", "c/0@c0", 1, &[])
                };
                table.register(again, 2000).unwrap();
                assert!(table.connection_closed(connection("c0")).is_empty());
                assert!(table.is_broker(7));
            },
            "OnlyA: a6(a0 a1); Other: c6(c0); T: a6(a0 a1) b6(b0) c6(c0)",
        ),
        (
            "silence, except of one that reports and one that asks",
            |table| {
                table
                    .register(broker("c1", "b/0@b0", 1, &[]), 2000)
                    .unwrap();
                table.refresh("a1", 2000);
                assert!(table.expire(121_000).is_empty());
                let mut gone = table.expire(121_001);
                gone.sort();
                assert_eq!(gone, ["a0", "c0"]);
            },
            "OnlyA: a6(a1); T: a6(a1) b6(b0)",
        ),
        (
            "an unchanged version changes no topics, a changed one removes none",
            |table| {
                table
                    .register(broker("c1", "b/0@b0", 1, &["Unseen"]), 2000)
                    .unwrap();
                table
                    .register(broker("c2", "c/0@c0", 2, &["New"]), 2000)
                    .unwrap();
            },
            "New: c6(c0); OnlyA: a6(a0 a1); Other: c6(c0); T: a6(a0 a1) b6(b0) c6(c0)",
        ),
        (
            "a slave becomes the master",
            |table| {
                assert!(table.unregister("a", "a0"));
                table
                    .register(broker("c1", "a/0@a1", 1, &["T", "OnlyA"]), 2000)
                    .unwrap();
            },
            "OnlyA: a6(a1); Other: c6(c0); T: a6(a1) b6(b0) c6(c0)",
        ),
        (
            "a broker returns at another address, the old one goes without it",
            |table| {
                table
                    .register(broker("c1", "b/0@b9", 1, &["T"]), 2000)
                    .unwrap();
                assert!(!table.unregister("b", "b0"));
                assert_eq!(table.connection_closed(connection("b0")), ["b0"]);
            },
            "OnlyA: a6(a0 a1); Other: c6(c0); T: a6(a0 a1) b6(b9) c6(c0)",
        ),
        (
            "write permission is wiped",
            |table| assert_eq!(table.wipe_write_perm("a"), 2),
            "OnlyA: a4(a0 a1); Other: c6(c0); T: a4(a0 a1) b6(b0) c6(c0)",
        ),
        (
            "and given back",
            |table| {
                assert_eq!(table.wipe_write_perm("a"), 2);
                assert_eq!(table.add_write_perm("a"), 2);
                assert_eq!(table.add_write_perm("unknown"), 0);
            },
            "OnlyA: a6(a0 a1); Other: c6(c0); T: a6(a0 a1) b6(b0) c6(c0)",
        ),
        (
            "a topic is deleted everywhere",
            |table| table.delete_topic("T", None),
            "OnlyA: a6(a0 a1); Other: c6(c0)",
        ),
        (
            "a topic is deleted in a cluster, in an unknown one nothing",
            |table| {
                table.delete_topic("T", Some("c1"));
                table.delete_topic("Other", Some("c3"));
            },
            "OnlyA: a6(a0 a1); Other: c6(c0); T: c6(c0)",
        ),
        (
            "a topic is registered by hand",
            |table| {
                let queues = |broker_name: &str| QueueData {
                    broker_name: broker_name.to_owned(),
                    perm: 2,
                    ..QueueData::default()
                };
                table.register_topic("Hand", &[queues("b")]).unwrap();
                assert_eq!(
                    table.register_topic("Bad", &[queues("x")]),
                    Err(RegisterError::UnknownBroker("x".to_owned()))
                );
            },
            "Hand: b2(b0); OnlyA: a6(a0 a1); Other: c6(c0); T: a6(a0 a1) b6(b0) c6(c0)",
        ),
    ];
    for (name, deed, expected) in cases {
        let mut table = table();
        // So that there are encodings that could become stale.
        view(&table);
        deed(&mut table);
        assert_eq!(view(&table), *expected, "{name}");
    }
}

#[test]
fn the_json_of_a_route_is_apaches() {
    let mut table = RouteTable::default();
    let mut registration = broker("DefaultCluster", "broker-a/0@10.0.0.1:10911", 1, &["T"]);
    registration.filter_servers = vec!["10.0.0.1:7000".to_owned()];
    table.register(registration, 0).unwrap();
    let expected = r#"{"brokerDatas":[{"brokerAddrs":{0:"10.0.0.1:10911"},"brokerName":"broker-a","cluster":"DefaultCluster"}],"filterServerTable":{"10.0.0.1:10911":["10.0.0.1:7000"]},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":8,"topicSysFlag":0,"topicSynFlag":0,"writeQueueNums":4}]}"#;
    assert_eq!(table.encoded_route("T", false).unwrap(), expected);
    let standard = expected.replace("{0:", "{\"0\":");
    assert_eq!(table.encoded_route("T", true).unwrap(), standard);
    assert_eq!(table.encoded_route("U", true), None);
}

#[test]
fn slaves_learn_their_master() {
    let mut table = RouteTable::default();
    let slave = || broker("c1", "a/1@a1", 1, &[]);
    let alone = table.register(slave(), 0).unwrap();
    assert_eq!((alone.is_new, alone.master), (true, None));
    let master = table.register(broker("c1", "a/0@a0", 1, &[]), 0).unwrap();
    assert_eq!(master.master, None);
    let expected = MasterAddresses {
        address: "a0".to_owned(),
        ha_address: "ha-a0".to_owned(),
    };
    let again = table.register(slave(), 0).unwrap();
    assert_eq!((again.is_new, again.master), (false, Some(expected)));
}

#[test]
fn lists() {
    let mut table = table();
    let flagged = |name: &str, flag| {
        let mut registration = broker("c3", &format!("{name}/0@{name}0"), 1, &[]);
        let configs = &mut registration.topics.topic_config_table;
        configs.insert(format!("Flag{flag}"), topic(6, flag));
        registration
    };
    for (name, flag) in [("x", 1), ("y", 2), ("z", 3)] {
        table.register(flagged(name, flag), 0).unwrap();
    }
    let cases = [
        (table.topics(), "Flag1 Flag2 Flag3 OnlyA Other T"),
        (table.topics_of_cluster("c1"), "OnlyA T"),
        (table.topics_of_cluster("c2"), "Other T"),
        (table.topics_of_cluster("unknown"), ""),
        (table.topics_with_flags(|flag| flag & 1 != 0), "Flag1 Flag3"),
        (table.system_topics(), "c1 a b c2 c c3 x y z"),
    ];
    for (list, expected) in cases {
        assert_eq!(list.topic_list.join(" "), expected);
    }
    assert_eq!(table.system_topics().broker_addr.as_deref(), Some("a0"));
    let moved = broker("c2", "b/0@b0", 1, &[]);
    table.register(moved, 0).unwrap();
    let info = table.cluster_info();
    assert_eq!(info.cluster_addr_table["c1"], ["a"]);
    assert_eq!(info.cluster_addr_table["c2"], ["b", "c"]);
    assert_eq!(info.broker_addr_table["b"].cluster, "c2");
    let group = table.member_group("c1", "a").broker_member_group;
    assert_eq!(group.broker_addrs.len(), 2);
}

#[test]
fn what_is_too_much_is_refused_and_changes_nothing() {
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    let many: Vec<String> = (0..70_000).map(|n| format!("{n:0>250}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cases = [
        broker("", "n/0@n0", 1, &["N"]),
        broker("c1", "/0@n0", 1, &["N"]),
        broker("c1", "n/0@", 1, &["N"]),
        broker("c1", "n/0@n0", 1, &["N", ""]),
        broker("c1", "n/0@n0", 1, &["N", &long]),
        broker("c1", "n/0@n0", 1, &many),
        Registration {
            filter_servers: vec!["f".to_owned(); MAX_FILTER_SERVERS + 1],
            ..broker("c1", "n/0@n0", 1, &["N"])
        },
        Registration {
            ha_address: long.clone(),
            ..broker("c1", "n/0@n0", 1, &["N"])
        },
    ];
    let mut table = table();
    let before = (view(&table), table.cluster_info());
    for registration in cases {
        table.register(registration, 5000).unwrap_err();
        assert_eq!((view(&table), table.cluster_info()), before);
    }
    for n in 0..MAX_ADDRESSES {
        let name = format!("n{n}/0@n0");
        if let Err(error) = table.register(broker("c1", &name, 1, &[]), 0) {
            assert!(matches!(error, RegisterError::Full { .. }));
            assert_eq!(n, MAX_ADDRESSES - 4);
            return;
        }
    }
    panic!("addresses have no limit");
}
