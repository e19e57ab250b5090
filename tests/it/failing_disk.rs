//! A disk that is full, and one that fails, under the real process: what senders, consumers and operators are told.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mq_tests::wire::{self, Answer, Connection};
use mq_tests::{BrokerConfig, Maker, Namesrv, mq, wait};
use serde_json::Value;

const TOPIC: &str = "Disk";
const SERVICE_NOT_AVAILABLE: i64 = 14;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_full_disk_refuses_sends_until_there_is_space() {
    // A file system of its own, which only the broker sees.
    let mounts = ["unshare", "--map-root-user", "--mount"];
    let possible = Command::new(mounts[0])
        .args(&mounts[1..])
        .args(["mount", "-t", "tmpfs", "tmpfs", "/tmp"])
        .stderr(Stdio::null())
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        println!("no file system can be mounted here: a full disk is not tried");
        return;
    }
    let config = BrokerConfig::new(Maker::Mq, "broker-a", &[])
        .set("mappedFileSizeCommitLog", "1048576")
        .set("mappedFileSizeConsumeQueue", "60000")
        .set("cleanResourceInterval", "100");
    let store = config.store();
    fs::create_dir(&store).expect("the test's own folder");
    let mount = format!(
        "mount -t tmpfs -o size=24m tmpfs '{}' && exec \"$@\"",
        store.display()
    );
    let wrapper = mounts.into_iter().chain(["sh", "-c", &mount, "sh"]);
    let broker = config.run_by(wrapper).start();
    let port = broker.config.port;
    let seen_by_it = PathBuf::from(format!("/proc/{}/root{}", broker.pid(), store.display()));
    wire::create_topic(port, TOPIC, 1, 6);
    let mut connection = Connection::open(port).expect("the broker listens");
    assert_eq!(send(&mut connection).code, wire::SUCCESS);

    for _ in 0..2 {
        let filler = seen_by_it.join("filler");
        fill(&filler);
        let mut stored = 0;
        let refused = loop {
            let answer = send(&mut connection);
            if answer.code != wire::SUCCESS {
                break answer;
            }
            stored += 1;
            assert!(stored < 20_000, "the disk is full, and sends are taken");
        };
        assert_eq!(refused.code, SERVICE_NOT_AVAILABLE);
        let said = refused.remark.unwrap_or_default();
        assert!(said.contains("disk"), "{said}");
        let read = wire::read_queue(&mut connection, TOPIC, 0).expect("the broker answers");
        assert!(read.len() > stored, "what is stored is consumed");

        fs::remove_file(&filler).expect("the test's own file");
        wait::until("sends to be taken again", PATIENCE, || {
            (send(&mut connection).code == wire::SUCCESS).then_some(())
        });
    }
    let end = wire::read_queue(&mut connection, TOPIC, 0).expect("the broker answers");
    assert!(end.iter().all(|body| *body == [b'b'; 1000]));
    broker.stop();
}

#[test]
fn a_failed_write_makes_the_broker_read_only_until_its_restart() {
    let namesrv = Namesrv::start(Maker::Mq);
    let config = BrokerConfig::new(Maker::Mq, "broker-a", &[&namesrv]);
    // The limit that is set below shall be an error, not a signal.
    let ignoring = ["sh", "-c", "trap '' XFSZ && exec \"$@\"", "sh"];
    let broker = config.run_by(ignoring).start();
    let port = broker.config.port;
    wire::create_topic(port, TOPIC, 1, 6);
    let mut connection = Connection::open(port).expect("the broker listens");
    let mut stored = 0;
    let mut limited = false;
    let refused = loop {
        let answer = send(&mut connection);
        if answer.code != wire::SUCCESS {
            break answer;
        }
        stored += 1;
        assert!(stored < 20_000, "writes fail, and sends are taken");
        if !limited {
            limited = true;
            let pid = broker.pid().to_string();
            let set = Command::new("prlimit")
                .args(["--pid", &pid, "--fsize=524288"])
                .status();
            assert!(set.is_ok_and(|status| status.success()));
        }
    };
    assert_eq!(refused.code, SERVICE_NOT_AVAILABLE);
    let said = refused.remark.unwrap_or_default();
    assert!(said.contains("commitlog"), "{said}");
    let status = mq::json(["broker", "status", "-n", &namesrv.address()]);
    let reason = status[0]["read_only"].as_str().unwrap_or_default();
    assert!(reason.contains("commitlog"), "{status}");
    assert!(broker.output().contains("is read-only from now on"));
    let again = send(&mut connection);
    assert_eq!(again.code, SERVICE_NOT_AVAILABLE, "there is no second try");
    let read = wire::read_queue(&mut connection, TOPIC, 0).expect("the broker answers");
    assert_eq!(read.len(), stored);

    let config = broker.stop();
    let broker = config.run_by([]).start();
    let mut connection = Connection::open(port).expect("the broker listens");
    let read = wire::read_queue(&mut connection, TOPIC, 0).expect("the broker answers");
    assert_eq!(read.len(), stored);
    assert_eq!(send(&mut connection).code, wire::SUCCESS);
    let status = mq::json(["broker", "status", "-n", &namesrv.address()]);
    assert_eq!(status[0]["read_only"], Value::Null);
    broker.stop();
}

fn send(connection: &mut Connection) -> Answer {
    let fields = wire::send_fields(TOPIC, 0);
    let answer = connection.ask(wire::SEND_MESSAGE, &fields, &[b'b'; 1000]);
    answer.expect("the broker answers")
}

/// Takes all the space there is.
fn fill(filler: &Path) {
    let mut file = File::create(filler).expect("the broker's file system");
    let full = std::io::copy(&mut std::io::repeat(0), &mut file);
    full.expect_err("it is small");
}
