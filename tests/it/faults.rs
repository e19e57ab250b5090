//! What every command that reads says when part of the cluster is away, lies about where it is, or refuses.

use std::net::TcpListener;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use mq_tests::wire::{self, Connection};
use mq_tests::{BrokerConfig, Folder, Maker, Namesrv, Process, mq, ports, wait};
use serde_json::json;

/// Whom a command asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Nobody,
    NameServers,
    Brokers,
    /// All of them, and it says how they are: what is away is its subject.
    Health,
}
use Asks::{Brokers, Health, NameServers, Nobody};

/// Every command that reads, with what it is called with. `CLIENT` and `ID` are a member of `billing` and a message.
const COMMANDS: &[(&str, &str, Asks)] = &[
    ("broker config diff", "", Brokers),
    ("broker config get", "listenPort", Brokers),
    ("broker list", "", NameServers),
    ("broker status", "", Brokers),
    ("client list", "", Brokers),
    ("client show", "CLIENT", Brokers),
    ("cluster health", "", Health),
    ("cluster list", "", Brokers),
    ("dlq list", "", Brokers),
    ("dlq show", "billing", Brokers),
    ("doctor", "", Health),
    ("group lag", "", Brokers),
    ("group lag", "billing --queues", Brokers),
    ("group list", "", Brokers),
    ("group members", "billing", Brokers),
    ("group show", "billing", Brokers),
    ("message find", "orders --body hello", Brokers),
    ("message get", "--key k1 --topic orders", Brokers),
    ("message trace", "ID", Brokers),
    ("namesrv config get", "", NameServers),
    ("namesrv kv get", "NS colour", NameServers),
    ("namesrv kv list", "", NameServers),
    ("status", "", Nobody),
    ("topic list", "", Brokers),
    ("topic perm", "orders", Brokers),
    ("topic route", "orders", NameServers),
    ("topic show", "orders", Brokers),
    ("topic stats", "orders", Brokers),
];

/// All are waited for at once, for 3 s; who did not answer is not waited for again, which would take another 3.
const DEADLINE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);

/// A name server, a broker with something of everything, and a member of its group.
struct Scene {
    namesrv: Namesrv,
    client: String,
    id: String,
    _member: Process,
    _broker: mq_tests::Broker,
    home: Folder,
}

impl Scene {
    fn new() -> Self {
        let namesrv = Namesrv::start(Maker::Mq);
        let broker = BrokerConfig::new(Maker::Mq, "broker-a", &[&namesrv]).start();
        let home = Folder::new();
        let run = |line: &str| {
            let mut command = mq::command(line.split(' '));
            let output = command.env("NAMESRV_ADDR", namesrv.address()).output();
            let output = output.expect("mq runs");
            assert!(output.status.success(), "mq {line}: {output:?}");
            String::from_utf8(output.stdout).expect("mq prints UTF-8")
        };
        run("topic create orders --queues 2");
        run("namesrv kv set NS colour blue");
        let sent = run("send orders hello --keys k1");
        let id = sent.split_whitespace().nth(1).expect("an id").to_owned();
        let mut consume = mq::command("consume orders --group billing --follow".split(' '));
        consume.env("NAMESRV_ADDR", namesrv.address());
        let member = Process::spawn(&mut consume, &home.join("member.out"));
        let client = wait::until("the member at the broker", PATIENCE, || {
            let mut command = mq::command("client list -o json".split(' '));
            let output = command.env("NAMESRV_ADDR", namesrv.address()).output();
            let rows: serde_json::Value = serde_json::from_slice(&output.ok()?.stdout).ok()?;
            let mut rows = rows.as_array()?.iter();
            let row = rows.rfind(|row| row["group"] == "billing")?;
            Some(row["client"].as_str()?.to_owned())
        });
        run("dlq list");
        Self {
            namesrv,
            client,
            id,
            _member: member,
            _broker: broker,
            home,
        }
    }

    /// Runs all commands at this name server, and checks each: its exit code, its words, and how long it waits.
    #[track_caller]
    fn check(
        &self,
        namesrv: &str,
        codes: impl Fn(Asks) -> i32 + Sync,
        words: impl Fn(Asks) -> Option<&'static str> + Sync,
    ) {
        let run = |(path, args, asks): &(&str, &str, Asks)| {
            let args = args.replace("CLIENT", &self.client).replace("ID", &self.id);
            let line = format!("{path} {args}");
            let mut command = mq::command(line.split_whitespace());
            command
                .env("NAMESRV_ADDR", namesrv)
                .env("XDG_RUNTIME_DIR", self.home.path())
                .env("XDG_STATE_HOME", self.home.path());
            let begin = Instant::now();
            let Output {
                status,
                stdout,
                stderr,
            } = command.output().expect("mq runs");
            let took = begin.elapsed();
            let text = [stdout, stderr].concat();
            let text = String::from_utf8_lossy(&text);
            let code = status.code();
            let told = words(*asks).is_none_or(|words| text.contains(words));
            let right = code == Some(codes(*asks)) && told && took <= DEADLINE;
            (!right).then(|| format!("mq {line}: {code:?} after {took:?}\n{text}"))
        };
        let run = &run;
        let wrong: Vec<String> = thread::scope(|scope| {
            let running: Vec<_> = COMMANDS
                .iter()
                .map(|command| scope.spawn(move || run(command)))
                .collect();
            let ended = running.into_iter().map(|run| run.join().expect("it ends"));
            ended.flatten().collect()
        });
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// One broker of two does not tell.
fn partly(asks: Asks) -> i32 {
    match asks {
        Nobody | NameServers => 0,
        Brokers => 3,
        Health => 10,
    }
}

fn of_brokers(asks: Asks, words: &'static str) -> Option<&'static str> {
    matches!(asks, Brokers | Health).then_some(words)
}

#[test]
fn no_command_that_reads_is_forgotten() {
    let reading = mq::commands();
    let reading = reading
        .iter()
        .filter(|(_, help)| help.contains("--watch"))
        .map(|(path, _)| path.as_str());
    let missing: Vec<&str> = reading
        .filter(|path| !COMMANDS.iter().any(|(known, _, _)| known == path))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn one_of_two_brokers_is_frozen() {
    let scene = Scene::new();
    let broker = BrokerConfig::new(Maker::Mq, "broker-b", &[&scene.namesrv]).start();
    wire::create_topic(broker.config.port, "orders", 2, 6);
    scene.namesrv.wait_for("broker-b", true);
    broker.freeze();
    let address = scene.namesrv.address();
    scene.check(&address, partly, |asks| of_brokers(asks, "broker-b"));
}

#[test]
fn no_name_server_listens() {
    let scene = Scene::new();
    let nobody = format!("127.0.0.1:{}", ports::one());
    let codes = |asks| match asks {
        Nobody => 0,
        NameServers | Brokers => 1,
        Health => 10,
    };
    scene.check(&nobody, codes, |asks| {
        (asks != Nobody).then_some("Connection refused")
    });
}

#[test]
fn a_broker_advertises_an_address_where_nobody_is() {
    let scene = Scene::new();
    let _broker = BrokerConfig::new(Maker::Mq, "broker-b", &[&scene.namesrv])
        .set("brokerIP1", "169.254.77.77")
        .start_as("169.254.77.77");
    let address = scene.namesrv.address();
    scene.check(&address, partly, |asks| of_brokers(asks, "169.254.77.77"));
}

#[test]
fn a_broker_refuses_everything() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    // Both end with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut connection = Connection::accepted(stream);
                while let Ok(question) = connection.receive_question() {
                    let no = "the account may not do that";
                    let answered = connection.answer(question.opaque, wire::NO_PERMISSION, no);
                    if answered.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let fields = json!({
        "brokerName": "broker-b", "brokerAddr": address, "clusterName": "DefaultCluster", "haServerAddr": "",
        "brokerId": "0", "compressed": "false", "bodyCrc32": "0",
    });
    let topic = json!({
        "topicName": "orders", "readQueueNums": 2, "writeQueueNums": 2, "perm": 6,
        "topicFilterType": "SINGLE_TAG", "topicSysFlag": 0, "order": false,
    });
    let body = json!({
        "topicConfigSerializeWrapper": {
            "topicConfigTable": {"orders": topic}, "dataVersion": {"timestamp": 1, "counter": 1},
        },
        "filterServerList": [],
    });
    let mut registered = Connection::open(scene.namesrv.port).expect("the name server listens");
    let answer = registered.ask(wire::REGISTER_BROKER, &fields, body.to_string().as_bytes());
    assert_eq!(answer.expect("an answer").code, wire::SUCCESS);
    scene.namesrv.wait_for("broker-b", true);
    let address = scene.namesrv.address();
    scene.check(&address, partly, |asks| {
        of_brokers(asks, "the account may not do that")
    });
    drop(registered);
}
