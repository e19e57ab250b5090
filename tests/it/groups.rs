//! Consumer groups, as an operator makes, moves and removes them.

use std::time::Duration;

use mq_tests::shell::Shell;
use mq_tests::{Folder, Process, wait};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

/// `orders` with one queue and ten messages, of which group `billing` has read four.
fn shell() -> Shell {
    let shell = Shell::with(&["broker-a"]);
    shell.run("topic create orders --queues 1");
    shell.run("send orders m --count 10");
    shell.run("group create billing");
    shell.run("group reset billing --topic orders --offset 4 --yes");
    shell
}

/// A member of a group, until it is dropped.
pub(crate) struct Member {
    process: Process,
    _folder: Folder,
}

impl Member {
    pub(crate) fn join(shell: &Shell, topic: &str, group: &str) -> Self {
        let folder = Folder::new();
        let line = format!("consume {topic} --group {group} --follow");
        let output = folder.join("consumed");
        let process = Process::spawn(&mut shell.command(&line), &output);
        let members = format!("group members {group}");
        wait::until("a member", PATIENCE, || {
            (!shell.column(&members, "client").is_empty()).then_some(())
        });
        Self {
            process,
            _folder: folder,
        }
    }

    /// Messages consumed.
    pub(crate) fn lines(&self) -> usize {
        self.process.output().lines().count()
    }
}

fn offset(shell: &Shell, group: &str) -> Value {
    shell.column(
        &format!("group lag {group} --topic orders --queues"),
        "consumer_offset",
    )[0]
    .clone()
}

#[test]
fn a_group_is_created_shown_changed_and_deleted() {
    let shell = Shell::with(&["broker-a", "broker-b"]);
    let create = "group create billing --retry-max-times 3";
    assert_eq!(
        shell.column(&format!("{create} --dry-run"), "result"),
        ["would be created"; 2]
    );
    assert_eq!(shell.run("group list -o name"), "");
    assert_eq!(shell.column(create, "result"), ["created"; 2]);
    assert_eq!(shell.column(create, "result"), ["unchanged"; 2]);
    shell.run("group update billing --consume false --broker broker-b");
    assert_eq!(
        shell.column("group show billing", "consume_enabled"),
        [true, false]
    );
    assert_eq!(
        shell.column("group show billing", "retry_max_times"),
        [3, 3]
    );

    for line in [
        "group show biling",
        "group update biling --consume true",
        "group reset biling --to latest",
    ] {
        let (code, text) = shell.fail(line);
        assert_eq!(code, 4, "{line}: {text}");
        assert!(text.contains("did you mean 'billing'?"), "{line}: {text}");
    }
    assert_eq!(shell.fail("group create x --broker broker-c").0, 4);
    assert_eq!(shell.fail("group create b,d").0, 2);
    assert_eq!(
        shell.fail("group delete billing").0,
        2,
        "there is no terminal to ask on"
    );
    shell.run("group delete billing --yes");
    assert_eq!(shell.fail("group show billing").0, 4);
}

#[test]
fn a_group_without_members_goes_where_it_is_sent() {
    let shell = shell();
    let dry = &shell.json("group reset billing --topic orders --to latest --dry-run")[0];
    for (field, expected) in [
        ("consumer_offset", json!(4)),
        ("new_offset", json!(10)),
        ("skipped", json!(6)),
        ("again", json!(0)),
        ("result", json!("would be moved")),
    ] {
        assert_eq!(dry[field], expected, "{field}");
    }
    assert_eq!(offset(&shell, "billing"), 4, "that was a dry run");
    let refused = shell.fail("group reset billing --to latest");
    assert_eq!(
        refused.0, 2,
        "there is no terminal to ask on: {}",
        refused.1
    );
    for (to, expected) in [
        ("--to latest", 10),
        ("--to earliest", 0),
        ("--offset 7", 7),
        ("--shift=-2", 5),
        ("--shift 1", 6),
        ("--to -1h", 0),
        ("--to now", 10),
        ("--queue broker-a:0 --offset 3", 3),
    ] {
        let row = &shell.json(&format!("group reset billing {to} --yes"))[0];
        assert_eq!(row["result"], "moved", "{to}");
        assert_eq!(offset(&shell, "billing"), expected, "{to}");
    }
    let again = &shell.json("group reset billing --offset 3 --yes")[0];
    assert_eq!(again["result"], "unchanged");
    assert_eq!(
        shell
            .fail("group reset billing --offset 1 --queue broker-a:7 --topic orders --yes")
            .0,
        4
    );
    assert_eq!(
        shell.fail("group reset billing --to latest --offset 1").0,
        2
    );
    assert_eq!(shell.fail("group reset billing").0, 2);
    assert_eq!(
        shell
            .fail("group reset billing --topic ordrs --to latest")
            .0,
        4
    );

    assert_eq!(
        shell.column("group clone billing audit --yes", "result"),
        ["moved"]
    );
    assert_eq!(offset(&shell, "audit"), 3);
    shell.run("group reset audit --to latest --yes");
    shell.run("group reset billing --like audit --yes");
    assert_eq!(offset(&shell, "billing"), 10);
}

#[test]
fn members_are_sent_to_any_offset() {
    let shell = shell();
    let member = Member::join(&shell, "orders", "billing");
    wait::until("the group to catch up", PATIENCE, || {
        (offset(&shell, "billing") == 10).then_some(())
    });
    let row = &shell.json("group reset billing --topic orders --shift=-4 --yes --no-wait")[0];
    assert_eq!((&row["again"], &row["new_offset"]), (&4.into(), &6.into()));
    let result = row["result"].as_str().expect("it is known");
    assert_eq!(result, "its members are told to go to 6");
    // Six messages at first, and four of them again.
    wait::until("the group to read again", PATIENCE, || {
        (member.lines() == 6 + 4).then_some(())
    });
}

#[test]
fn lag_has_a_trend_and_a_verdict() {
    let shell = shell();
    let row = &shell.json("group lag --for 2s")[0];
    for (field, expected) in [
        ("group", json!("billing")),
        ("lag", json!(6)),
        ("lag_per_second", json!(0.0)),
        ("verdict", json!("no member")),
        ("members", json!(0)),
    ] {
        assert_eq!(row[field], expected, "{field}");
    }
    assert!(row["lag_ms"].is_number(), "{row}");
    shell.run("group reset billing --to latest --yes");
    assert_eq!(shell.column("group lag", "verdict"), ["caught up"]);
    assert_eq!(shell.fail("group lag --for 0s").0, 2);
}

#[test]
fn clients_are_listed_and_tell_of_themselves() {
    let shell = shell();
    let _member = Member::join(&shell, "orders", "billing");
    let client = shell.column("client list --group billing", "client");
    assert_eq!(client.len(), 1);
    assert_eq!(client, shell.column("group members billing", "client"));
    let client = client[0].as_str().expect("a text").to_owned();
    let queue = wait::until("the queue to have an owner", PATIENCE, || {
        let queues = shell.json(&format!("client show {client}"));
        let queues = queues.as_array().cloned().unwrap_or_default();
        queues.into_iter().find(|queue| queue["topic"] == "orders")
    });
    assert_eq!(queue["queue_id"], 0);
    let settings = shell.column(&format!("client show {client} --settings"), "key");
    assert!(
        settings.contains(&"PROP_CONSUME_TYPE".into()),
        "{settings:?}"
    );
    let (code, text) = shell.fail("client show 1.2.3.4@nobody");
    assert_eq!(code, 4, "{text}");
    assert_eq!(shell.json("client list --kind producer"), json!([]));
}

#[test]
fn permissions_of_a_topic_are_shown_and_changed() {
    let shell = Shell::with(&["broker-a", "broker-b"]);
    shell.run("topic create orders");
    assert_eq!(shell.column("topic perm orders", "perm"), ["rw", "rw"]);
    assert_eq!(
        shell.column("topic perm orders r --dry-run", "result"),
        ["would be changed"; 2]
    );
    shell.run("topic perm orders r --broker broker-b");
    assert_eq!(shell.column("topic perm orders", "perm"), ["rw", "r-"]);
    shell.run("topic perm orders none");
    assert_eq!(shell.column("topic perm orders", "perm"), ["--", "--"]);
    // It is there: creating it, as for a topic that is nowhere, would not help.
    wait::until(
        "routes that cannot be written",
        Duration::from_secs(20),
        || {
            shell
                .column("topic route orders", "perm")
                .iter()
                .all(|perm| perm == "--")
                .then_some(())
        },
    );
    let (code, error) = shell.fail("send orders hello");
    assert_eq!(code, 5, "{error}");
    assert!(error.contains("mq topic perm orders rw"), "{error}");
    assert_eq!(shell.fail("topic perm ordrs").0, 4);
}

#[test]
fn a_frozen_broker_is_named_and_the_rest_is_told() {
    let shell = Shell::with(&["broker-a", "broker-b"]);
    shell.run("topic create orders --queues 1");
    shell.run("group create billing");
    shell.brokers[1].freeze();
    for line in [
        "group show billing",
        "group members billing",
        "group lag",
        "client list",
        "dlq list",
        "topic perm orders",
    ] {
        let output = shell.output(&format!("{line} -o json"));
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{line}: {text}");
        assert!(text.contains("broker-b"), "{line}: {text}");
    }
}
