//! Finding messages, following them, and giving dead letters to their group once more.

use mq_tests::shell::Shell;
use mq_tests::wire::{self, Connection};
use serde_json::{Value, json};

/// `orders` with two queues and 100 messages: number `n` has body `order n`, key `k<n>`, the tag `even` or `odd` and
/// its number as property `n`.
pub(crate) fn shell() -> Shell {
    let shell = Shell::of(&["broker-a"], |config| {
        config.set("enablePropertyFilter", "true")
    });
    shell.run("topic create orders --queues 2");
    let mut connection =
        Connection::open(shell.brokers[0].config.port).expect("the broker listens");
    for n in 0..100 {
        let tag = if n % 2 == 0 { "even" } else { "odd" };
        send(
            &mut connection,
            n % 2,
            &format!(
                "n\u{1}{n}\u{2}KEYS\u{1}all k{n}\u{2}TAGS\u{1}{tag}\u{2}UNIQ_KEY\u{1}ID{n}\u{2}"
            ),
            &format!("order {n}"),
        );
    }
    shell
}

fn send(connection: &mut Connection, queue: u32, properties: &str, body: &str) {
    let mut fields = wire::send_fields("orders", queue);
    fields["properties"] = json!(properties);
    let answer = connection.ask(wire::SEND_MESSAGE, &fields, body.as_bytes());
    assert_eq!(answer.expect("the broker answers").code, wire::SUCCESS);
}

#[test]
fn messages_are_found_by_everything_they_have() {
    let shell = shell();
    let find = |rest: &str| shell.column(&format!("message find orders {rest}"), "body");
    assert_eq!(find("--key k7"), ["order 7"]);
    assert_eq!(find("--id ID8 --id ID9"), ["order 8", "order 9"]);
    assert_eq!(
        find("--key all --scan").len(),
        100,
        "more than a broker tells of one second"
    );
    assert_eq!(find("--from -1h").len(), 100);
    assert_eq!(find("--tag even --body 4[02]$"), ["order 40", "order 42"]);
    assert_eq!(find("--where n>97 --tag odd"), ["order 99"]);
    assert_eq!(find("--queue broker-a:1 --body 9 --max 1"), ["order 9"]);
    assert_eq!(find("--key all --body [0-4]{2} --scan").len(), 20);
    let lines = shell.run("message find orders --tag odd -o jsonl");
    assert_eq!(lines.lines().count(), 50);
    for (rest, code) in [
        ("orders --key nothing", 4),
        ("orders --to -1h", 4),
        ("orders --queue broker-a:9", 4),
        ("ordrs --key k7", 4),
        ("orders --body (", 2),
        ("orders --where n>", 1),
    ] {
        let (found, text) = shell.fail(&format!("message find {rest}"));
        assert_eq!(found, code, "{rest}: {text}");
    }
}

#[test]
fn the_tail_of_a_topic_is_in_order() {
    let shell = shell();
    let tail = |rest: &str| -> Vec<String> {
        let lines = shell.run(&format!("message tail orders -o body {rest}"));
        lines.lines().map(str::to_owned).collect()
    };
    assert_eq!(tail("--count 3"), ["order 97", "order 98", "order 99"]);
    assert_eq!(
        tail("--count 2 --tag even --body [12]$"),
        ["order 82", "order 92"]
    );
    assert_eq!(
        tail("--count 1 --queue broker-a:0 --where n<3"),
        ["order 2"]
    );
    assert_eq!(tail("--count 2 --body nothing"), Vec::<String>::new());
    assert_eq!(shell.fail("message tail nowhere").0, 4);
}

#[test]
fn a_trace_says_why_there_is_none() {
    let shell = Shell::of(&["broker-a"], |config| {
        config.set("traceTopicEnable", "true")
    });
    let (code, text) = shell.fail("message trace ID --topic somewhere");
    assert_eq!(code, 4);
    assert!(
        text.contains("nothing is traced: no broker has topic 'somewhere'"),
        "{text}"
    );
    let (code, text) = shell.fail("message trace ID");
    assert_eq!(code, 4);
    assert!(text.contains("nobody has traced 'ID'"), "{text}");
    let record = [
        "Pub",
        "1700000000000",
        "r",
        "PG",
        "orders",
        "ID",
        "",
        "",
        "h:1",
        "5",
        "3",
        "0",
        "O",
        "true",
    ];
    let mut fields = wire::send_fields("RMQ_SYS_TRACE_TOPIC", 0);
    fields["properties"] = json!("KEYS\u{1}ID\u{2}");
    let mut connection =
        Connection::open(shell.brokers[0].config.port).expect("the broker listens");
    let answer = connection.ask(wire::SEND_MESSAGE, &fields, record.join("\u{1}").as_bytes());
    assert_eq!(answer.expect("the broker answers").code, wire::SUCCESS);
    let row = &shell.json("message trace ID")[0];
    let shown = (
        &row["event"],
        &row["group"],
        &row["outcome"],
        &row["cost_ms"],
    );
    assert_eq!(
        shown,
        (&"sent".into(), &"PG".into(), &"success".into(), &3.into())
    );
}

/// Lets a consumer give up on a message, as one does that has tried long enough.
pub(crate) fn give_up(shell: &Shell, group: &str, message: &Value) {
    let id = message["offset_message_id"].as_str().expect("a text");
    let offset =
        i64::from_str_radix(&id[16..], 16).expect("the end of the id is a place in the log");
    let fields = json!({
        "offset": offset.to_string(), "group": group, "delayLevel": "-1", "originMsgId": "", "originTopic": "orders",
        "unitMode": "false", "maxReconsumeTimes": "16",
    });
    let mut connection =
        Connection::open(shell.brokers[0].config.port).expect("the broker listens");
    let answer = connection.ask(wire::CONSUMER_SEND_MSG_BACK, &fields, b"");
    let answer = answer.expect("the broker answers");
    assert_eq!(answer.code, wire::SUCCESS, "{:?}", answer.remark);
}

#[test]
fn dead_letters_are_sent_once_and_do_not_go_round() {
    let shell = shell();
    shell.run("group create billing");
    assert_eq!(shell.json("dlq list"), json!([]));
    assert_eq!(shell.json("dlq show billing"), json!([]));
    for key in ["k1", "k2"] {
        let message = &shell.json(&format!("message find orders --key {key}"))[0];
        give_up(&shell, "billing", message);
    }
    assert_eq!(shell.column("dlq list", "messages"), [2]);
    assert_eq!(
        shell.column("dlq show billing", "body"),
        ["order 1", "order 2"]
    );
    assert_eq!(
        shell.column("dlq show %DLQ%billing --key k2", "origin_topic"),
        ["orders"]
    );

    assert_eq!(shell.fail("dlq resend billing --yes").0, 2, "which ones?");
    assert_eq!(
        shell.fail("dlq resend billing --id ID1").0,
        2,
        "there is no terminal to ask on"
    );
    assert_eq!(
        shell.column("dlq resend billing --all --dry-run", "result"),
        ["would be sent"; 2]
    );
    assert_eq!(
        shell.column("dlq resend billing --id ID1 --yes", "result"),
        ["sent"]
    );
    assert_eq!(
        shell.column("dlq resend billing --all --yes", "result"),
        ["already sent", "sent"]
    );
    assert_eq!(
        shell.column("dlq resend billing --all --yes", "result"),
        ["already sent"; 2]
    );
    let copies = shell.json("message find %RETRY%billing --from -1h");
    assert_eq!(copies.as_array().map(Vec::len), Some(2));
    assert_eq!(copies[0]["properties"]["RETRY_TOPIC"], "orders");

    // It kills its consumer again.
    give_up(&shell, "billing", &copies[0]);
    let output = shell.output("dlq resend billing --all --yes -o json");
    assert_eq!(output.status.code(), Some(3));
    let rows: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let why = rows[2]["result"]["unknown"]
        .as_str()
        .expect("it was refused");
    assert!(
        why.starts_with("it was sent again 1 times and came back"),
        "{why}"
    );
    let again = shell.column("dlq resend billing --all --max-resends 2 --yes", "result");
    assert_eq!(again, ["already sent", "already sent", "sent"]);

    assert_eq!(shell.fail("dlq show nobody").0, 4);
    shell.run("group update billing --retry-max-times 0");
    assert_eq!(
        shell.fail("dlq resend billing --all --yes").0,
        5,
        "they would be dead at once"
    );
}
