//! Settings, drains and health: what an operator does with running servers.

use std::fs::File;
use std::process::Output;
use std::time::{Duration, SystemTime};

use mq_tests::shell::Shell;
use mq_tests::{BrokerConfig, Maker, Namesrv, mq, wait};
use serde_json::Value;

fn output(namesrv: &Namesrv, line: &str) -> Output {
    let mut command = mq::command(line.split_whitespace());
    command.env("NAMESRV_ADDR", namesrv.address());
    command.output().expect("mq runs")
}

/// Exit code, and standard output and error together.
fn run(namesrv: &Namesrv, line: &str) -> (i32, String) {
    let output = output(namesrv, line);
    let text = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("it was not killed");
    (code, String::from_utf8_lossy(&text).into_owned())
}

#[track_caller]
fn json(namesrv: &Namesrv, line: &str) -> Value {
    let output = output(namesrv, &format!("{line} -o json"));
    assert!(output.status.success(), "mq {line}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn settings_of_brokers_are_shown_changed_and_compared() {
    let namesrv = Namesrv::start(Maker::under_test());
    let start = |name, auto_create| {
        BrokerConfig::new(Maker::under_test(), name, &[&namesrv])
            .set("autoCreateTopicEnable", auto_create)
            .start()
    };
    let (_a, _b) = (start("broker-a", "true"), start("broker-b", "false"));
    let difference = &json(&namesrv, "broker config diff")[0];
    assert_eq!(difference["key"], "autoCreateTopicEnable");
    assert_eq!(
        difference["values"],
        serde_json::json!({"broker-a": "true", "broker-b": "false"})
    );

    let set = "broker config set autoCreateTopicEnable=false --broker broker-a";
    let planned = &json(&namesrv, &format!("{set} --dry-run"))[0];
    assert_eq!(
        (&planned["before"], &planned["result"]),
        (&"true".into(), &"would be changed".into())
    );
    assert_eq!(run(&namesrv, set).0, 2, "there is no terminal to ask on");
    assert_eq!(
        json(&namesrv, &format!("{set} --yes"))[0]["result"],
        "changed"
    );
    assert_eq!(
        json(&namesrv, &format!("{set} --yes"))[0]["result"],
        "unchanged"
    );
    assert_eq!(json(&namesrv, "broker config diff"), serde_json::json!([]));
    let got = json(&namesrv, "broker config get autoCreateTopicEnable");
    assert_eq!(
        (&got[0]["value"], &got[1]["value"]),
        (&"false".into(), &"false".into())
    );

    for (line, hint) in [
        (
            "broker config get autoCreateTopicEnabel",
            "'autoCreateTopicEnable'",
        ),
        (
            "broker config set autoCreateTopicEnabel=1 --all --yes",
            "'autoCreateTopicEnable'",
        ),
        ("broker config get --broker broker-c", "'broker-"),
    ] {
        let (code, text) = run(&namesrv, line);
        assert_eq!(code, 4, "{line}: {text}");
        assert!(text.contains(hint), "{line}: {text}");
    }
    assert_eq!(
        run(&namesrv, "broker config set a=b").0,
        2,
        "no broker is chosen"
    );
}

#[test]
fn settings_and_keys_of_name_servers() {
    let (one, two) = (
        Namesrv::start(Maker::under_test()),
        Namesrv::start(Maker::under_test()),
    );
    let both = format!("-n {};{}", one.address(), two.address());
    let set = json(
        &one,
        &format!("namesrv config set orderMessageEnable=true {both}"),
    );
    assert_eq!(
        (&set[0]["result"], &set[1]["result"]),
        (&"changed".into(), &"changed".into())
    );
    let got = json(&two, "namesrv config get orderMessageEnable");
    assert_eq!(got[0]["value"], "true");
    let (code, text) = run(&one, "namesrv config get orderMesageEnable");
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("'orderMessageEnable'"), "{text}");

    assert_eq!(json(&one, "namesrv kv list"), serde_json::json!([]));
    let put = "namesrv kv set NS colour blue";
    assert_eq!(
        json(&one, &format!("{put} --dry-run"))[0]["result"],
        "would be created"
    );
    assert_eq!(run(&one, "namesrv kv get NS colour").0, 4);
    assert_eq!(json(&one, &format!("{put} {both}"))[1]["result"], "created");
    assert_eq!(json(&one, put)[0]["result"], "unchanged");
    assert_eq!(json(&two, "namesrv kv get NS colour")[0]["value"], "blue");
    assert_eq!(json(&two, "namesrv kv list NS")[0]["key"], "colour");
    let (code, text) = run(&one, "namesrv kv get NS color");
    assert!(code == 4 && text.contains("'colour'"), "{text}");
    assert_eq!(run(&one, "namesrv kv delete NS colour").0, 2);
    let deleted = json(&one, "namesrv kv delete NS colour --yes");
    assert_eq!(deleted[0]["result"], "deleted");
    assert_eq!(run(&one, "namesrv kv delete NS colour --yes").0, 4);
    assert_eq!(run(&one, "namesrv kv list NOWHERE").0, 4);

    // One of them is gone: the other's answers stay, and the exit code says that it is not all.
    drop(two);
    let (code, text) = run(&one, &format!("namesrv config get listenPort {both}"));
    assert_eq!(code, 3, "{text}");
    let gone = Namesrv::start(Maker::under_test());
    let address = gone.address();
    drop(gone);
    for line in ["namesrv config get", "namesrv kv list", "broker config get"] {
        let (code, text) = run(&one, &format!("{line} -n {address}"));
        assert!(code == 1 && text.contains("hint: "), "{line}: {text}");
    }
}

#[test]
fn a_drained_broker_gets_no_messages_until_it_is_undone() {
    let namesrv = Namesrv::start(Maker::under_test());
    let start = |name| BrokerConfig::new(Maker::under_test(), name, &[&namesrv]).start();
    let (_a, _b) = (start("broker-a"), start("broker-b"));
    json(&namesrv, "topic create orders --queues 2");
    json(&namesrv, "topic create archive --queues 2 --perm r");
    let perms = |topic| {
        let mut route = json(&namesrv, &format!("topic route {topic}"));
        let rows = route.as_array_mut().expect("rows");
        rows.sort_by_key(|row| row["broker"].to_string());
        Vec::from_iter(
            rows.iter()
                .map(|row| row["perm"].as_str().unwrap_or_default().to_owned()),
        )
    };
    let (code, text) = run(&namesrv, "broker drain broker-a --dry-run");
    assert!(code == 0 && text.contains("would be wiped"), "{text}");
    assert_eq!(perms("orders"), ["rw", "rw"]);

    let (code, text) = run(
        &namesrv,
        "broker drain broker-a --refuse --yes --quiet-for 1s --timeout 60s",
    );
    assert!(code == 0 && text.contains("is quiet; 0 messages"), "{text}");
    assert_eq!(perms("orders"), ["r-", "rw"]);
    // Producers with an old route lose nothing.
    let (code, text) = run(&namesrv, "send orders late --queue broker-a:0");
    assert_eq!(code, 0, "{text}");

    // A topic that only one broker takes messages for would have none.
    let (code, text) = run(&namesrv, "broker drain broker-b --yes --no-wait");
    assert!(code == 5 && text.contains("orders"), "{text}");

    let (code, text) = run(&namesrv, "broker drain broker-a --undo");
    assert_eq!(code, 0, "{text}");
    assert_eq!(perms("orders"), ["rw", "rw"]);
    assert_eq!(
        perms("archive"),
        ["r-", "r-"],
        "what was read-only stays so"
    );
    json(&namesrv, "topic list");
    let (code, text) = run(&namesrv, "send orders taken --queue broker-a:0");
    assert_eq!(code, 0, "{text}");
    assert_eq!(run(&namesrv, "broker drain broker-z").0, 4);
}

#[test]
fn profiles_say_where_the_cluster_is_and_what_is_allowed() {
    let namesrv = Namesrv::start(Maker::under_test());
    let broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[&namesrv])
        .set("brokerIP1", "192.0.2.7")
        .start_as("192.0.2.7");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.toml");
    let text = format!(
        "default_profile = 'local'\n[profile.local]\nnamesrv = '{0}'\n[profile.local.rewrite]\n\
         '192.0.2.*' = '127.0.0.1'\n[profile.live]\nnamesrv = '{0}'\nread_only = true\n\
         rewrite = {{ '192.0.2.7:{1}' = '127.0.0.1:{1}' }}\n",
        namesrv.address(),
        broker.config.port
    );
    std::fs::write(&file, text).expect("the test's own folder");
    let mq = |line: &str| {
        let mut command = mq::command(line.split_whitespace());
        command.env("MQ_CONFIG", &file).env_remove("MQ_PROFILE");
        let output = command.output().expect("mq runs");
        let text = [output.stdout, output.stderr].concat();
        let code = output.status.code().expect("it was not killed");
        (code, String::from_utf8_lossy(&text).into_owned())
    };
    let (code, text) = mq("topic create orders --queues 1");
    assert_eq!(code, 0, "by the rewritten address: {text}");
    assert_eq!(mq("send orders hello").0, 0);
    let (code, text) = mq("tui --once --view topics");
    assert!(code == 0 && text.contains("orders"), "{text}");

    // What changes something is refused, wherever the profile is named; what reads is not.
    for line in [
        "--profile live send orders no",
        "topic create other --profile live",
        "topic delete orders --yes --profile live",
        "broker config set fileReservedTime=1 --all --yes --profile live",
        "broker drain broker-a --yes --profile live",
        "namesrv kv set NS a b --profile live",
        "consume orders --group g --profile live",
    ] {
        let (code, text) = mq(line);
        assert_eq!(code, 5, "{line}: {text}");
        assert!(text.contains("config.toml:8"), "{line}: {text}");
    }
    for line in [
        "topic delete orders --dry-run --profile live",
        "consume orders --from first --profile live",
        "broker status --profile live",
    ] {
        let (code, text) = mq(line);
        assert_eq!(code, 0, "{line}: {text}");
    }

    let (_, shown) = mq("profile show --profile live -n 127.0.0.1:1 -o jsonl");
    for origin in ["config.toml:8", "--namesrv", "--profile"] {
        assert!(shown.contains(origin), "{origin} is not in {shown}");
    }
    assert_eq!(mq("profile list -o name").1, "live\nlocal\n");
    let (code, text) = mq("--profile lcal topic list");
    assert!(code == 4 && text.contains("'local'"), "{text}");
}

#[test]
fn a_healthy_cluster_is_well_and_a_stopped_one_is_not() {
    let namesrv = Namesrv::start(Maker::under_test());
    let broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[&namesrv])
        .set("diskSpaceWarningLevelRatio", "100")
        .start();
    let (code, text) = run(&namesrv, "cluster health");
    assert_eq!(code, 0, "{text}");
    let (_, text) = run(&namesrv, "doctor -o jsonl");
    assert!(!text.contains("\"critical\""), "{text}");

    // A broker that is gone, and a name server that is not there.
    broker.kill();
    namesrv.wait_for("broker-a", false);
    let (code, text) = run(&namesrv, "cluster health -o jsonl");
    assert_eq!(code, 10, "{text}");
    assert!(text.contains("no broker"), "{text}");
    let nobody = format!("-n {};127.0.0.1:1", namesrv.address());
    let (code, text) = run(&namesrv, &format!("doctor {nobody} -o jsonl"));
    assert_eq!(code, 10, "{text}");
    for check in ["name-server-answers", "broker-registered"] {
        assert!(text.contains(check), "{check}: {text}");
    }
}

#[test]
fn an_address_that_cannot_be_reached_is_explained() {
    let namesrv = Namesrv::start(Maker::under_test());
    let _broker = BrokerConfig::new(Maker::under_test(), "broker-a", &[&namesrv])
        .set("brokerIP1", "169.254.77.77")
        .start_as("169.254.77.77");
    let (code, text) = run(&namesrv, "doctor -o jsonl");
    assert_eq!(code, 10, "{text}");
    let line = text.lines().find(|line| line.contains("broker-answers"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    for words in ["it advertises 169.254.77.77", "brokerIP1", "rewrite"] {
        assert!(line.contains(words), "{words}: {line}");
    }
}

#[test]
fn files_go_by_the_time_that_a_running_broker_is_told() {
    let shell = Shell::of(&["broker-a"], |config| {
        config
            .set("mappedFileSizeCommitLog", "1048576")
            .set("cleanResourceInterval", "100")
    });
    let broker = &shell.brokers[0];
    shell.run("topic create orders --queues 1");
    shell.run("bench send orders --size 64KiB --duration 1s --warmup 0s");
    let log = broker.config.store().join("commitlog");
    let first = log.join("00000000000000000000");
    let old = SystemTime::now() - Duration::from_secs(2 * 3600);
    let file = File::options().write(true).open(&first);
    file.and_then(|file| file.set_modified(old))
        .expect("its first file");
    let address = format!("127.0.0.1:{}", broker.config.port);
    let delete = format!("mqadmin deleteExpiredCommitLog -b {address}");
    shell.run(&delete);
    assert!(first.exists(), "72 hours have not passed");
    shell.run("broker config set fileReservedTime=1 --all --yes");
    shell.run(&delete);
    wait::until("the file to go", Duration::from_secs(30), || {
        (!first.exists()).then_some(())
    });
}
