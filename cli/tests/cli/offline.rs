//! Commands that need no server.

use std::process::Stdio;

use crate::mq::{Ended, Home};

fn ended(code: i32, out: &str, err: &str) -> Ended {
    Ended {
        code,
        out: out.to_owned(),
        err: err.to_owned(),
    }
}

#[test]
fn nothing_runs_on_a_new_host() {
    let home = Home::new();
    let header = "KIND  NAME  PID  ADDRESSES  STARTED  UPTIME  STORE\n";
    assert_eq!(home.run(&["status"]), ended(0, header, ""));
    for (format, printed) in [
        ("json", "[]\n"),
        ("jsonl", ""),
        ("yaml", "[]\n"),
        ("name", ""),
    ] {
        assert_eq!(
            home.run(&["status", "-o", format]),
            ended(0, printed, ""),
            "{format}"
        );
    }
    let csv = "kind,name,pid,addresses,started,uptime,store,log\n";
    assert_eq!(home.run(&["status", "-o", "csv"]), ended(0, csv, ""));
}

#[test]
fn errors_have_their_exit_code_and_a_hint() {
    let home = Home::new();
    let near = "error: there is no template 'brokr.conf'\nhint: did you mean 'broker.conf'?\n";
    assert_eq!(
        home.run(&["config", "template", "brokr.conf"]),
        ended(4, "", near)
    );
    assert_eq!(
        home.run(&["shutdown", "broker"]),
        ended(4, "", "error: no broker runs on this host\n")
    );
    let unknown = "error: no namesrv 'ns1' runs on this host\nhint: mq status lists what runs\n";
    assert_eq!(
        home.run(&["shutdown", "namesrv", "ns1"]),
        ended(4, "", unknown)
    );
    for usage in [
        &["nosuch"][..],
        &["status", "-o", "xml"],
        &["shutdown", "proxy"],
        &[],
    ] {
        assert_eq!(home.run(usage).code, 2, "{usage:?}");
    }
}

#[test]
fn templates_are_printed_as_they_are() {
    let home = Home::new();
    let list = home.run(&["config", "template"]);
    assert_eq!((list.code, list.out.lines().count()), (0, 5), "{list:?}");
    for line in list.out.lines().skip(1) {
        let name = line.split(' ').next().expect("a name in every line");
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../conf-templates")
            .join(name);
        assert_eq!(
            home.run(&["config", "template", name]).out,
            std::fs::read_to_string(file).expect("a template")
        );
    }
}

#[test]
fn a_closed_pipe_is_success() {
    let home = Home::new();
    // More than a pipe holds, so that the writer notices.
    let mut child = home
        .command(&["completion", "zsh"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("mq can be started");
    drop(child.stdout.take());
    assert!(child.wait().expect("our own child").success());
}

#[test]
fn every_shell_gets_its_script() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.run(&["completion", shell]);
        assert!(
            script.code == 0 && script.out.contains("shutdown"),
            "{shell}"
        );
    }
}
