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
fn where_the_cluster_is_may_stand_before_the_command() {
    let home = Home::new();
    let nobody = "127.0.0.1:1";
    for words in [
        &["-n", nobody, "topic", "list"][..],
        &["topic", "-n", nobody, "list"],
        &["topic", "list", "-n", nobody],
        &["-n", nobody, "mqadmin", "topicList"],
        &["mqadmin", "-n", nobody, "topicList"],
        &["mqadmin", "topicList", "-n", nobody],
    ] {
        let ended = home.run(words);
        assert_eq!(ended.code, 1, "{words:?}: {ended:?}");
        assert!(ended.err.contains(nobody), "{words:?}: {ended:?}");
    }
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
        .command(&["schema"])
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
            script.code == 0 && script.out.contains("MQ_COMPLETE"),
            "{shell}"
        );
    }
}

#[test]
fn codes_are_explained_by_number_and_name() {
    let home = Home::new();
    let by_number = home.run(&["error", "17"]);
    assert!(by_number.out.contains("response TOPIC_NOT_EXIST (17)"));
    assert!(
        by_number
            .out
            .contains("request UPDATE_AND_CREATE_TOPIC (17)")
    );
    assert!(by_number.out.contains("  fix: "), "{by_number:?}");
    assert_eq!(
        home.run(&["error", "topic_not_exist", "-o", "name"]),
        ended(0, "TOPIC_NOT_EXIST\n", "")
    );
    let near = home.run(&["error", "TOPIC_NOT_EXISTS"]);
    assert_eq!(near.code, 4);
    assert!(near.err.contains("'TOPIC_NOT_EXIST'"), "{near:?}");
    assert_eq!(home.run(&["error", "99999"]).code, 4);
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let home = Home::new();
    let page = home.run(&["man", "topic", "create"]);
    assert!(page.code == 0 && page.out.contains(".TH"), "{page:?}");
    assert_eq!(home.run(&["man", "topic", "craete"]).code, 4);
    assert_eq!(home.run(&["man", "--dir", "pages"]).code, 0);
    let pages = std::fs::read_dir(home.path().join("pages")).expect("a folder");
    let mut names = pages.map(|page| page.expect("an entry").file_name());
    assert!(names.any(|name| name == "mq-topic-create.1"));
}

#[test]
fn completion_is_quick_and_silent_without_a_cluster() {
    let home = Home::new();
    let complete = |words: &[&str], index: &str| {
        let mut command = home.command(&[&["--"], words].concat());
        command
            .env("MQ_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", index)
            .env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_COMPLETE_SPACE", "false")
            .env("_CLAP_IFS", "\n");
        let output = command.output().expect("mq can be started");
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(complete(&["mq", "top"], "1").contains("topic"));
    assert!(complete(&["mq", "error", "TOPIC_NOT"], "2").contains("TOPIC_NOT_EXIST"));
    // Port 1 refuses.
    let nobody = ["mq", "topic", "show", "-n", "127.0.0.1:1", "or"];
    assert_eq!(complete(&nobody, "5").trim(), "");
}
