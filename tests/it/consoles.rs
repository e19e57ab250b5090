//! What Apache's web dashboard and the Prometheus exporter ask, request by request, and what they read in the answers.

use std::time::Duration;

use mq_tests::shell::Shell;
use mq_tests::wait;
use mq_tests::wire::{self, Answer, Connection};
use regex::Regex;
use serde_json::{Value, json};

use crate::groups::Member;

const SYSTEM_ERROR: i64 = 1;

/// `orders` with ten messages, and a member of `billing` that has read them.
fn cluster() -> (Shell, Member) {
    let shell = Shell::with(&["broker-a"]);
    shell.run("topic create orders --queues 2");
    shell.run("send orders m --count 10 --keys k1 --queue broker-a:0");
    shell.run("group create billing");
    shell.run("group reset billing --topic orders --to earliest --yes");
    let member = Member::join(&shell, "orders", "billing");
    wait::until("all to be read", Duration::from_secs(30), || {
        (member.lines() >= 10).then_some(())
    });
    (shell, member)
}

fn ask(connection: &mut Connection, code: i32, fields: &Value) -> Answer {
    let answer = connection.ask(code, fields, &[]);
    answer.unwrap_or_else(|e| panic!("request {code}: {e}"))
}

/// The body of a good answer, in which all of `names` stand.
#[track_caller]
fn read(connection: &mut Connection, code: i32, fields: &Value, names: &[&str]) -> String {
    let answer = ask(connection, code, fields);
    assert_eq!(answer.code, wire::SUCCESS, "{code} {fields}: {answer:?}");
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    for name in names {
        assert!(body.contains(name), "{code} {fields}: no {name} in {body}");
    }
    body
}

#[test]
fn a_name_server_tells_of_clusters_topics_and_routes() {
    let (shell, _member) = cluster();
    let mut namesrv = Connection::open(shell.namesrv.port).expect("the name server listens");
    let clusters = ["brokerAddrTable", "clusterAddrTable", "brokerAddrs"];
    read(&mut namesrv, 106, &json!({}), &clusters);
    // Consumers' groups are found by their retry topics.
    let topics = ["topicList", "orders", "%RETRY%billing"];
    read(&mut namesrv, 206, &json!({}), &topics);
    let route = ["brokerDatas", "queueDatas", "writeQueueNums", "perm"];
    read(&mut namesrv, 105, &json!({"topic": "orders"}), &route);
}

#[test]
fn a_broker_tells_of_topics_groups_clients_and_messages() {
    let (shell, _member) = cluster();
    let client = shell.column("group members billing", "client");
    let client = client[0].as_str().expect("a member has an id");
    let mut broker = Connection::open(shell.brokers[0].config.port).expect("it listens");
    let orders = json!({"topic": "orders"});
    let billing = json!({"consumerGroup": "billing"});
    let running = json!({"consumerGroup": "billing", "clientId": client, "jstackEnable": true});
    for (code, fields, names) in [
        (21, &json!({}), &["topicConfigTable", "dataVersion"][..]),
        (
            201,
            &json!({}),
            &["subscriptionGroupTable", "retryMaxTimes"],
        ),
        (
            26,
            &json!({}),
            &["brokerName=broker-a", "fileReservedTime=", "flushDiskType="],
        ),
        (
            351,
            &orders,
            &["topicName", "readQueueNums", "writeQueueNums", "perm"],
        ),
        (
            352,
            &json!({"group": "billing"}),
            &["groupName", "retryMaxTimes"],
        ),
        (
            202,
            &orders,
            &[
                "offsetTable",
                "minOffset",
                "maxOffset",
                "lastUpdateTimestamp",
            ],
        ),
        (300, &orders, &["groupList", "billing"]),
        (
            208,
            &billing,
            &[
                "consumeTps",
                "offsetTable",
                "brokerOffset",
                "consumerOffset",
                "lastTimestamp",
            ],
        ),
        (
            203,
            &billing,
            &[
                "connectionSet",
                "clientId",
                "language",
                "version",
                "consumeType",
                "messageModel",
                "consumeFromWhere",
                "subscriptionTable",
            ],
        ),
        (
            307,
            &running,
            &["properties", "subscriptionSet", "mqTable", "statusTable"],
        ),
        (328, &json!({}), &["data"]),
    ] {
        read(&mut broker, code, fields, names);
    }
    let time = json!({"topic": "orders", "queueId": 0, "timestamp": 0});
    let queue = json!({"topic": "orders", "queueId": 0});
    let empty = json!({"topic": "orders", "queueId": 1});
    for (code, fields, offset) in [
        (29, &time, "0"),
        (30, &queue, "10"),
        (31, &queue, "0"),
        (30, &empty, "0"),
        (31, &empty, "0"),
    ] {
        let answer = ask(&mut broker, code, fields);
        assert_eq!(answer.ext_fields["offset"], *offset, "{code}: {answer:?}");
    }
    let by_key = json!({
        "topic": "orders", "key": "k1", "maxNum": 64, "beginTimestamp": 0, "endTimestamp": i64::MAX,
    });
    let found = ask(&mut broker, 12, &by_key);
    let messages = wire::records(&found.body).len();
    assert_eq!((found.code, messages), (wire::SUCCESS, 10), "{found:?}");
}

#[test]
fn runtime_figures_can_be_taken_apart() {
    let (shell, _member) = cluster();
    let mut broker = Connection::open(shell.brokers[0].config.port).expect("it listens");
    let body = read(&mut broker, 28, &json!({}), &[]);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let figure = |name: &str| {
        let value = body["table"][name].as_str();
        value.unwrap_or_else(|| panic!("no {name} in {body}"))
    };
    let whole = "^-?[0-9]+$";
    let number = r"^-?[0-9]+(\.[0-9]+)?(E-?[0-9]+)?$";
    // Of windows that are not full yet there are none.
    let windows = r"^ *[0-9.E-]*( [0-9.E-]+){0,2}$";
    for (names, pattern) in [
        (
            &[
                "msgPutTotalTodayNow",
                "msgGetTotalTodayNow",
                "msgPutTotalTodayMorning",
                "msgGetTotalTodayMorning",
                "msgPutTotalYesterdayMorning",
                "msgGetTotalYesterdayMorning",
                "dispatchBehindBytes",
                "dispatchMaxBuffer",
                "putMessageSizeTotal",
                "putMessageTimesTotal",
                "putMessageEntireTimeMax",
                "getMessageEntireTimeMax",
                "earliestMessageTimeStamp",
                "startAcceptSendRequestTimeStamp",
                "pageCacheLockTimeMills",
                "commitLogMaxOffset",
                "commitLogMinOffset",
                "remainTransientStoreBufferNumbs",
                "sendThreadPoolQueueSize",
                "sendThreadPoolQueueCapacity",
                "sendThreadPoolQueueHeadWaitTimeMills",
                "pullThreadPoolQueueSize",
                "pullThreadPoolQueueCapacity",
                "pullThreadPoolQueueHeadWaitTimeMills",
                "queryThreadPoolQueueSize",
                "queryThreadPoolQueueCapacity",
                "queryThreadPoolQueueHeadWaitTimeMills",
                "bootTimestamp",
                "brokerVersion",
            ][..],
            whole,
        ),
        (
            &[
                "putMessageAverageSize",
                "commitLogDiskRatio",
                "consumeQueueDiskRatio",
                "putLatency99",
                "putLatency999",
            ],
            number,
        ),
        (
            &[
                "putTps",
                "getFoundTps",
                "getMissTps",
                "getTotalTps",
                "getTransferredTps",
                "getTransferedTps",
            ],
            windows,
        ),
        (
            &["commitLogDirCapacity"],
            r"^Total : [0-9.]+ [KMGTP]iB, Free : [0-9.]+ [KMGTP]iB\.$",
        ),
        (&["remainHowManyDataToFlush"], r"^[0-9.]+ ([KMGT]i)?B$"),
        (
            &["putMessageDistributeTime"],
            r"^(\[[^\] ]+\]:[0-9]+ ?){13}$",
        ),
        (&["brokerVersionDesc"], "^V4_9_[0-9]+(_MQ)?$"),
    ] {
        let pattern = Regex::new(pattern).expect("a pattern");
        for name in names {
            let value = figure(name);
            assert!(pattern.is_match(value), "{name}: {value:?}");
        }
    }
}

#[test]
fn statistics_are_told_by_name_and_key() {
    let (shell, _member) = cluster();
    let mut broker = Connection::open(shell.brokers[0].config.port).expect("it listens");
    for (name, key) in [
        ("TOPIC_PUT_NUMS", "orders"),
        ("TOPIC_PUT_SIZE", "orders"),
        ("GROUP_GET_NUMS", "orders@billing"),
        ("GROUP_GET_SIZE", "orders@billing"),
        ("BROKER_PUT_NUMS", "DefaultCluster"),
        ("BROKER_GET_NUMS", "DefaultCluster"),
    ] {
        let fields = json!({"statsName": name, "statsKey": key});
        let windows = [
            "statsMinute",
            "statsHour",
            "statsDay",
            "sum",
            "tps",
            "avgpt",
        ];
        read(&mut broker, 315, &fields, &windows);
    }
    // Taken for zero by both.
    let fields = json!({"statsName": "SNDBCK_PUT_NUMS", "statsKey": "orders@nobody"});
    assert_eq!(ask(&mut broker, 315, &fields).code, SYSTEM_ERROR);
}
