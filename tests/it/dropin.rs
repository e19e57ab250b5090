//! Called by the names of Apache's programs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use mq_tests::{BrokerConfig, Folder, Maker, Namesrv, Process, mq, ports};

const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with the links.
fn links() -> Folder {
    let folder = Folder::new();
    mq::run([
        "install-links",
        folder.path().to_str().expect("a path of ours"),
    ]);
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mqadmin(bin: &Path, line: &str) -> Command {
    let mut command = Command::new(bin.join("mqadmin"));
    command.args(line.split(' ')).env_remove("NAMESRV_ADDR");
    command
}

fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it can be started");
    (status.code(), text(&stdout), text(&stderr))
}

#[test]
fn mqadmin_by_its_name() {
    let bin = links();
    let namesrv = Namesrv::start(Maker::Mq);
    let broker = BrokerConfig::new(Maker::Mq, "broker-a", &[&namesrv]).start();
    let address = format!("127.0.0.1:{}", broker.config.port);
    let run = |line: &str| {
        let mut command = mqadmin(bin.path(), line);
        ended(command.env("NAMESRV_ADDR", namesrv.address()))
    };

    let (code, out, err) = run(&format!("updateTopic -b {address} -t orders -r 2 -w 2"));
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(
        out,
        format!(
            "create topic to {address} success.\nTopicConfig [topicName=orders, readQueueNums=2, writeQueueNums=2, \
             perm=RW-, topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false]"
        )
    );
    // The name server may stand anywhere on the line, and goes before the environment.
    let mut command = mqadmin(bin.path(), &format!("topicList -n {}", namesrv.address()));
    let (code, out, _) = ended(command.env("NAMESRV_ADDR", "127.0.0.1:1"));
    assert_eq!(code, Some(0));
    assert!(out.lines().any(|topic| topic == "orders"), "{out}");

    let (code, _, err) = run("topicRoute -t order");
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("did you mean 'orders'?"), "{err}");
    let (code, out, err) = run("topicRoute");
    assert_eq!(code, Some(2), "{err}");
    assert!(
        out.starts_with("usage: mqadmin topicRoute [-h] [-l] [-n <arg>] -t <arg>\n"),
        "{out}"
    );
    assert!(err.contains("Missing required option: t"), "{err}");
    let (code, _, err) = run("topicRout -t orders");
    assert_eq!(code, Some(2));
    assert!(err.contains("did you mean 'topicRoute'?"), "{err}");
    let (code, out, _) = run("TOPICROUTE -t orders -l");
    assert_eq!(code, Some(0));
    assert!(out.starts_with("#ClusterName "), "{out}");
}

#[test]
fn exit_codes_of_java_when_they_are_wanted() {
    let bin = links();
    let gone = format!("-n 127.0.0.1:{}", ports::one());
    for (line, real, of_java) in [
        (format!("topicList {gone}"), 1, 0),
        ("nothing".to_owned(), 2, 1),
        ("topicRoute -x".to_owned(), 2, 1),
        ("help topicRoute".to_owned(), 0, 0),
    ] {
        let (code, _, err) = ended(&mut mqadmin(bin.path(), &line));
        assert_eq!(code, Some(real), "{line}: {err}");
        let (code, _, err) = ended(mqadmin(bin.path(), &line).env("MQADMIN_EXIT_ZERO", "1"));
        assert_eq!(code, Some(of_java), "{line}: {err}");
    }
}

#[test]
fn a_server_that_does_not_answer_does_not_hide_the_other() {
    let bin = links();
    let namesrv = Namesrv::start(Maker::Mq);
    let gone = format!("127.0.0.1:{}", ports::one());
    let line = format!("getNamesrvConfig -n {gone};{}", namesrv.address());
    let (code, out, err) = ended(&mut mqadmin(bin.path(), &line));
    assert_eq!(code, Some(3), "{out}{err}");
    let banner = format!("============{}============\n", namesrv.address());
    assert!(out.starts_with(&banner), "{out}");
    assert!(err.contains(&gone), "{err}");
}

#[test]
fn scripts_that_start_and_stop_servers() {
    let bin = links();
    let home = Folder::new();
    let start = |program: &str, text: &str| {
        let file = home.join(&format!("{program}.conf"));
        fs::write(&file, text).expect("the test's own folder");
        let mut command = Command::new(bin.join(program));
        command.arg("-c").arg(&file).current_dir(home.path());
        command
            .env_remove("NAMESRV_ADDR")
            .env("XDG_RUNTIME_DIR", home.path());
        command.env("XDG_STATE_HOME", home.path());
        command
    };
    let port = ports::one();
    let kv = home.join("kv.json");
    let text = format!("listenPort={port}\nkvConfigPath={}\n", kv.display());
    let mut command = start("mqnamesrv", &text);
    let mut namesrv = Process::spawn(&mut command, &home.join("namesrv.out"));
    namesrv.wait_for_line("The Name Server boot success.", 0, PATIENCE);

    let broker_port = ports::broker();
    let store = home.join("store");
    let text = format!(
        "brokerName=broker-a\nbrokerIP1=127.0.0.1\nlistenPort={broker_port}\nstorePathRootDir={}\n",
        store.display()
    );
    let mut command = start("mqbroker", &text);
    command.args(["-n", &format!("127.0.0.1:{port}")]);
    let mut broker = Process::spawn(&mut command, &home.join("broker.out"));
    broker.wait_for_line("boot success.", 0, PATIENCE);

    let (code, out, err) = ended(start("mqbroker", &text).arg("-p"));
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.lines()
            .any(|line| line == format!("listenPort={broker_port}")),
        "{out}"
    );
    let (_, important, _) = ended(start("mqbroker", &text).arg("-m"));
    assert!(
        important.contains("brokerName=broker-a") && important.len() < out.len(),
        "{important}"
    );

    for (kind, server) in [("broker", &mut broker), ("namesrv", &mut namesrv)] {
        let shutdown = |word: &str| {
            let mut command = Command::new(bin.join("mqshutdown"));
            command
                .arg(word)
                .env("XDG_RUNTIME_DIR", home.path())
                .env("XDG_STATE_HOME", home.path());
            ended(&mut command)
        };
        let (code, out, err) = shutdown(kind);
        assert_eq!(code, Some(0), "{out}{err}");
        assert!(
            out.contains(&format!("Send shutdown request to mq{kind}(")),
            "{out}"
        );
        assert!(server.wait(PATIENCE).success());
        let (code, _, err) = shutdown(kind);
        assert_eq!(code, Some(4));
        assert!(err.contains(&format!("No mq{kind} running.")), "{err}");
    }
}

#[test]
fn links_do_not_take_the_place_of_something_else() {
    let folder = Folder::new();
    let other = folder.join("mqadmin");
    fs::write(&other, "something else").expect("the test's own folder");
    let path = folder.path().to_str().expect("a path of ours");
    let (code, _, err) = ended(&mut mq::command(["install-links", path]));
    assert_eq!(code, Some(5), "{err}");
    assert_eq!(
        fs::read_to_string(&other).expect("still there"),
        "something else"
    );
    mq::run(["install-links", path, "--force"]);
    mq::run(["install-links", path]);
    let (code, out, _) = ended(&mut Command::new(&other));
    assert_eq!(code, Some(0));
    assert!(
        out.starts_with("The most commonly used mqadmin commands are:\n"),
        "{out}"
    );
}
