//! Servers are started, found, and stopped; what keeps them from starting is said.

use std::net::TcpListener;
use std::path::Path;

use crate::mq::{Ended, Home};

/// Settings that keep a broker within its home folder, on free ports.
fn broker_file(home: &Home, more: &str) -> String {
    let file = home.path().join("broker.conf");
    let store = home.path().join("store");
    let text = format!(
        "brokerName=broker-a\nbrokerIP1=127.0.0.1\nbindAddress=127.0.0.1\nlistenPort=0\n\
         diskSpaceWarningLevelRatio=100\ndiskMaxUsedSpaceRatio=95\nstorePathRootDir={}\n{more}",
        store.display()
    );
    std::fs::write(&file, text).expect("the test's own folder");
    file.display().to_string()
}

#[track_caller]
fn assert_ends(ended: &Ended, code: i32, says: &str) {
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(
        ended.out.contains(says) || ended.err.contains(says),
        "{says:?} is not in {ended:?}"
    );
}

#[test]
fn a_detached_name_server_is_listed_and_stopped() {
    let home = Home::new();
    let started = home.run(&["namesrv", "start", "--port", "0", "-d"]);
    assert_ends(
        &started,
        0,
        "The Name Server boot success. serializeType=JSON",
    );
    let listed = home.run(&["status", "-o", "jsonl"]);
    assert_ends(&listed, 0, "\"kind\":\"namesrv\"");
    assert_ends(&home.run(&["shutdown", "namesrv"]), 0, "stopped: ");
    assert_eq!(home.run(&["status", "-o", "name"]).out, "");
}

#[test]
fn a_detached_broker_tells_up_to_where_it_is_flushed() {
    let home = Home::new();
    let file = broker_file(&home, "");
    let started = home.run(&["broker", "start", "-c", &file, "-d"]);
    assert_ends(&started, 0, "The broker[broker-a, 127.0.0.1:");
    assert!(started.err.contains("no name server is set"), "{started:?}");
    // Another one on the same store.
    let second = home.run(&["broker", "start", "-c", &file]);
    assert_ends(&second, 1, "hint: broker broker-a (pid ");
    assert_ends(
        &home.run(&["broker", "check", "-c", &file]),
        1,
        "is in use by another broker",
    );
    let stopped = home.run(&["shutdown", "broker", "broker-a"]);
    assert_ends(&stopped, 0, "flushed up to commit log offset 0");
    assert!(!home.path().join("store/abort").exists());
}

#[test]
fn a_port_in_use_names_who_holds_it() {
    let home = Home::new();
    let listener = TcpListener::bind(("0.0.0.0", 0)).expect("a free port");
    let port = listener
        .local_addr()
        .expect("just bound")
        .port()
        .to_string();
    let me = format!("(pid {}) holds port {port}", std::process::id());
    assert_ends(&home.run(&["namesrv", "start", "--port", &port]), 1, &me);
    let set = format!("listenPort={port}");
    let file = broker_file(&home, "bindAddress=0.0.0.0\n");
    assert_ends(
        &home.run(&["broker", "start", "-c", &file, "--set", &set]),
        1,
        &me,
    );
    assert!(
        !Path::new(&home.path().join("store")).exists(),
        "nothing was touched"
    );
}

#[test]
fn all_wrong_settings_are_named_with_their_lines() {
    let home = Home::new();
    let file = broker_file(&home, "flushDiskType=NEVER\ndeleteWhen=25\nlistenPrt=1\n");
    let ended = home.run(&["broker", "start", "-c", &file]);
    assert_ends(&ended, 2, "broker.conf:8: flushDiskType=NEVER: ");
    assert_ends(&ended, 2, "broker.conf:9: deleteWhen=25: ");
    let file = broker_file(&home, "aclEnable=true\n");
    assert_ends(
        &home.run(&["broker", "start", "-c", &file]),
        2,
        "aclEnable=true: ",
    );
    let missing = home.run(&["broker", "start", "-c", "nosuch.conf"]);
    assert_ends(&missing, 4, "hint: mq config template");
}

#[test]
fn a_check_shows_each_value_with_its_origin() {
    let home = Home::new();
    let file = broker_file(&home, "listenPrt=1\n");
    let checked = home.run(&[
        "broker",
        "check",
        "-c",
        &file,
        "--set",
        "defaultTopicQueueNums=3",
        "-o",
        "csv",
    ]);
    assert_ends(&checked, 0, "did you mean listenPort?");
    for line in [
        format!("brokerName,broker-a,{file}:1,"),
        "defaultTopicQueueNums,3,command line,".to_owned(),
        "regionId,DefaultRegion,default,".to_owned(),
    ] {
        assert!(checked.out.contains(&line), "{line} is not in {checked:?}");
    }
    assert!(
        !home.path().join("store").exists(),
        "a check touches nothing"
    );
}
