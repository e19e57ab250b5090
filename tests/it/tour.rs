//! An operator's first steps on the command line, as the README shows them.

use std::io::Write;
use std::process::Stdio;

use mq_tests::mq;
use mq_tests::shell::Shell;

#[test]
fn create_send_consume_and_look() {
    let shell = Shell::with(&["broker-a"]);
    assert_eq!(
        shell.json("topic create orders --queues 4")[0]["result"],
        "created"
    );
    assert_eq!(
        shell.json("topic create orders --queues 4")[0]["result"],
        "unchanged"
    );
    assert!(
        shell
            .run("send orders hello --keys k1 --tag a")
            .starts_with("SEND_OK")
    );

    let mut lines = shell.command("send orders --tag numbers --batch 10");
    let mut child = lines
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("mq runs");
    let mut stdin = child.stdin.take().expect("piped");
    (1..=100).for_each(|n| writeln!(stdin, "{n}").expect("mq reads"));
    drop(stdin);
    assert!(child.wait().expect("mq ends").success());

    assert_eq!(
        shell
            .run("consume orders --from first --count 3 -o body")
            .lines()
            .count(),
        3
    );
    let numbers = shell.run("consume orders --from first --tag numbers -o body");
    let mut numbers: Vec<u32> = numbers
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    assert_eq!(
        shell.json("message get --key k1 --topic orders")[0]["body"],
        "hello"
    );

    let consumed = shell.run("consume orders --group billing --count 101 -o body");
    assert_eq!(consumed.lines().count(), 101);
    let lag = shell.json("group lag billing");
    assert_eq!(
        (&lag[0]["topic"], &lag[0]["lag"]),
        (&"orders".into(), &0.into())
    );
    shell.run("send orders late --queue broker-a:2");
    assert_eq!(shell.json("group lag")[0]["lag"], 1);

    let stats = shell.json("topic stats orders");
    let messages: i64 = stats
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["messages"].as_i64())
        .sum();
    assert_eq!(messages, 102);
    assert_eq!(shell.run("topic list -o name"), "orders\n");
    assert_eq!(shell.json("topic show orders")[0]["messages"], 102);
    assert_eq!(shell.json("topic route orders")[0]["write_queues"], 4);
    assert_eq!(shell.run("group list -o name"), "billing\n");
    assert_eq!(shell.json("broker list")[0]["role"], "master");
    assert_eq!(shell.json("broker status")[0]["broker"], "broker-a");
    assert_eq!(shell.json("cluster list")[0]["cluster"], "DefaultCluster");
    assert_eq!(shell.json("topic update orders --perm r")[0]["perm"], "r-");
    shell.fail("send orders refused");
}

#[test]
fn what_is_not_there_is_exit_4_with_the_nearest_name() {
    let shell = Shell::with(&["broker-a"]);
    shell.run("topic create orders");
    for line in [
        "topic show ordrs",
        "topic stats ordrs",
        "topic update ordrs --perm r",
    ] {
        let (code, text) = shell.fail(line);
        assert_eq!(code, 4, "{line}: {text}");
        assert!(text.contains("'orders'"), "{line}: {text}");
    }
    for line in [
        "group lag nobody",
        "broker status broker-z",
        "topic route nowhere",
        "consume nowhere",
    ] {
        let (code, text) = shell.fail(line);
        assert_eq!(code, 4, "{line}: {text}");
        assert!(text.contains("hint: "), "{line}: {text}");
    }
}

#[test]
fn nothing_is_deleted_without_a_yes() {
    let shell = Shell::with(&["broker-a"]);
    shell.run("topic create orders");
    assert_eq!(
        shell.fail("topic delete orders").0,
        2,
        "there is no terminal to ask on"
    );
    assert_eq!(
        shell.json("topic delete orders --dry-run")[0]["result"],
        "would be deleted"
    );
    assert_eq!(shell.run("topic list -o name"), "orders\n");
    shell.run("topic delete orders --yes");
    assert_eq!(shell.run("topic list -o name"), "");
}

#[test]
fn a_broker_that_does_not_answer_is_unknown_and_exit_3() {
    let shell = Shell::with(&["broker-a"]);
    shell.run("topic create orders");
    let Shell { namesrv, brokers } = shell;
    for broker in brokers {
        broker.kill();
    }
    for line in ["broker status -o json", "cluster list -o json"] {
        let mut command = mq::command(line.split_whitespace());
        let output = command
            .env("NAMESRV_ADDR", namesrv.address())
            .output()
            .expect("mq runs");
        let text = String::from_utf8_lossy(&output.stdout);
        // The name server forgets a broker with its connection: both answers are right, zeros are not.
        match output.status.code() {
            Some(3) => assert!(text.contains("\"unknown\""), "{line}: {text}"),
            Some(0) => assert_eq!(text.trim(), "[]", "{line}"),
            code => panic!("{line}: {code:?}"),
        }
    }
}
