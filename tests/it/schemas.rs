//! What each command prints with `-o json`, beside what `mq schema` says of it.

use std::time::Duration;

use mq_tests::shell::Shell;
use mq_tests::{BrokerConfig, Folder, Maker, Process, mq, wait, wire};
use serde_json::Value;

/// A call of every command that prints rows, and of its other shapes. In capitals what differs from run to run.
const CALLS: &[&str] = &[
    "bench consume orders -d 1s --warmup 0s",
    "bench e2e speed -d 1s --warmup 0s --rate 100",
    "bench mixed speed -d 1s --warmup 0s --rate 100",
    "bench send speed -d 1s --warmup 0s --rate 100",
    "broker check -c BROKER_CONF",
    "broker config diff",
    "broker config get",
    "broker config set fileReservedTime=71 --all --dry-run",
    "broker drain broker-a --dry-run",
    "broker list",
    "broker status",
    "client list",
    "client show CLIENT",
    "cluster health",
    "cluster list",
    "config template",
    "consume orders --from first --count 1",
    "dlq list",
    "dlq resend billing --all --dry-run",
    "dlq show billing",
    "doctor --all",
    "error",
    "error 17",
    "group clone billing copied --dry-run",
    "group create others",
    "group delete billing --dry-run",
    "group lag",
    "group lag billing --queues",
    "group list",
    "group members billing",
    "group reset billing --to earliest --dry-run",
    "group show billing",
    "group update others --retry-max-times 3",
    "message find orders --body hello",
    "message get --key k1 --topic orders",
    "message tail orders --count 1",
    "message trace TRACED",
    "namesrv config get",
    "namesrv config set orderMessageEnable=true",
    "namesrv kv delete NS colour --dry-run",
    "namesrv kv get NS colour",
    "namesrv kv list NS",
    "namesrv kv set NS shape round",
    "profile list",
    "profile show",
    "status",
    "store clean STORE --all --dry-run",
    "store info STORE",
    "store info STORE --files",
    "store rebuild STORE --dry-run",
    "store verify STORE",
    "topic create more",
    "topic delete orders --dry-run",
    "topic list",
    "topic perm orders",
    "topic perm orders r --dry-run",
    "topic route orders",
    "topic show orders",
    "topic stats orders",
    "topic update orders --queues 4",
];

#[test]
fn what_is_printed_fits_its_schema() {
    let shell = Shell::of(&["broker-a", "broker-b"], |config| {
        let auto_create = (config.name == "broker-a").to_string();
        config
            .for_scenarios()
            .set("autoCreateTopicEnable", &auto_create)
    });
    shell.run("topic create orders --queues 2");
    shell.run("topic create speed --queues 2");
    shell.run("namesrv kv set NS colour blue");
    shell.run("send orders hello --keys k1");
    shell.run("mqadmin sendMessage -t orders -p traced -k k2 -m true");
    let traced = wait::until("a message with a trace", Duration::from_secs(20), || {
        let found = shell
            .output("message get --key k2 --topic orders -o json")
            .stdout;
        let rows: Value = serde_json::from_slice(&found).ok()?;
        Some(rows.as_array()?.first()?["message_id"].as_str()?.to_owned())
    });
    let folder = Folder::new();
    let mut consume = shell.command("consume orders --group billing --follow");
    let _member = Process::spawn(&mut consume, &folder.join("member.out"));
    let client = wait::until("the member at its brokers", Duration::from_secs(20), || {
        let rows = shell.json("client list");
        let row = rows
            .as_array()?
            .iter()
            .find(|row| row["group"] == "billing");
        Some(row?["client"].as_str()?.to_owned())
    });
    // A dead letter, as a broker writes it.
    let port = shell.brokers[0].config.port;
    wire::create_topic(port, "%DLQ%billing", 1, 6);
    let mut fields = wire::send_fields("%DLQ%billing", 0);
    fields["properties"] = "RETRY_TOPIC\u{1}orders\u{2}".into();
    let answer = wire::Connection::open(port)
        .and_then(|mut broker| broker.ask(wire::SEND_MESSAGE, &fields, b"dead"));
    assert_eq!(answer.expect("an answer").code, wire::SUCCESS);
    let config = folder.join("config.toml");
    let text = format!("[profile.local]\nnamesrv = '{}'\n", shell.namesrv.address());
    std::fs::write(&config, text).expect("the test's own folder");
    let broker_conf = folder.join("broker.conf");
    std::fs::write(&broker_conf, "brokerName=broker-c\n").expect("the test's own folder");
    let third = BrokerConfig::new(Maker::Mq, "broker-c", &[]).start();
    wire::create_topic(third.config.port, "orders", 1, 6);
    let answer = wire::Connection::open(third.config.port).and_then(|mut broker| {
        broker.ask(wire::SEND_MESSAGE, &wire::send_fields("orders", 0), b"x")
    });
    assert_eq!(answer.expect("an answer").code, wire::SUCCESS);
    // Its folder is there as long as the value.
    let stopped = third.stop();
    let store = stopped.store();

    // Where a broker says that it runs on this host.
    let running = shell.brokers[0].config.store().join("..");
    let schemas: Value = serde_json::from_str(&mq::run(["schema"])).expect("JSON");
    let schemas = schemas["commands"].as_object().expect("commands");
    let mut left: Vec<&str> = schemas.keys().map(String::as_str).collect();
    let mut wrong = Vec::new();
    for call in CALLS {
        let line = call
            .replace("CLIENT", &client)
            .replace("TRACED", &traced)
            .replace("BROKER_CONF", &broker_conf.display().to_string())
            .replace("STORE", &store.display().to_string());
        let mut command = shell.command(&format!("{line} -o json"));
        let output = command
            .env("MQ_CONFIG", &config)
            .env("XDG_RUNTIME_DIR", &running)
            .env("XDG_STATE_HOME", &running)
            .output()
            .expect("mq runs");
        let path = schemas.keys().filter(|path| line.starts_with(*path));
        let path = path.max_by_key(|path| path.len()).expect("a schema");
        left.retain(|other| other != path);
        let rows = match serde_json::from_slice(&output.stdout) {
            Ok(rows @ Value::Array(_)) => Ok(rows),
            // A row per line, as they come.
            _ => String::from_utf8_lossy(&output.stdout)
                .lines()
                .map(serde_json::from_str)
                .collect::<Result<Vec<Value>, _>>()
                .map(Value::from),
        };
        match rows {
            Err(error) => wrong.push(format!("mq {line}: {error}: {output:?}")),
            // Of a store that is well there is nothing to say.
            Ok(rows) if rows == Value::Array(Vec::new()) && *path != "store verify" => {
                wrong.push(format!("mq {line}: no rows: {output:?}"));
            }
            Ok(rows) => {
                if let Err(error) = jsonschema::validate(&schemas[path], &rows) {
                    wrong.push(format!("mq {line}: {error}: {rows}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(left.is_empty(), "without a call: {left:?}");
}
