//! Every example of every `--help`, run as it stands by a shell, against a cluster that has what they speak of.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use mq_tests::{BrokerConfig, Maker, Namesrv, mq, wait};

/// Examples that are not run: those that go on until somebody ends them, want a terminal or other machines, or stop servers
/// that are not there.
const NOT_RUN: &[&str] = &[
    "mq dev",
    " start",
    "--watch",
    "--follow",
    "mq tui",
    "mq shutdown",
    "man -l",
    "10.0.0.",
    "mq bench",
    "mq message get 7F",
    "--profile live",
    "~/",
    "page somebody",
    "message tail",
    "install-links",
];

/// Exit codes that an example may have because of what others did before it, or because it asks first.
const ENDS_OTHERWISE: &[(&str, i32)] = &[
    // A topic that only one broker takes messages for.
    ("mq broker drain broker-a --yes", 5),
    ("mq broker drain broker-a --refuse --timeout 20m", 5),
    ("mq config template broker.conf > broker.conf", 0),
];

/// Exit codes of all others: done, or honest about what is not there or not well.
const FINE: &[i32] = &[0, 3, 4, 10];

fn shell(line: &str, folder: &Path, namesrv: &Namesrv) -> Output {
    let path = mq::path();
    let bin = path.parent().expect("it lies in a folder");
    let search = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    Command::new("timeout")
        .args(["60", "sh", "-c", line])
        .current_dir(folder)
        .env("PATH", search)
        .env("HOME", folder)
        .env("XDG_RUNTIME_DIR", folder)
        .env("XDG_STATE_HOME", folder)
        .env("MQ_CONFIG", folder.join("config.toml"))
        .env("NAMESRV_ADDR", namesrv.address())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("there is a shell")
}

/// The example lines of all commands, and those of the README; a remark follows two blanks.
fn examples() -> Vec<String> {
    let of_help = |(_, help): (String, String)| {
        let lines = help.lines().filter(|line| line.starts_with("  mq "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut found: Vec<String> = mq::commands().into_iter().flat_map(of_help).collect();
    let blocks = include_str!("../../README.md").split("```sh\n").skip(1);
    let lines = blocks.filter_map(|block| block.split("```").next());
    let lines = lines.flat_map(str::lines);
    // A pipe into it is one as well.
    let lines = lines.filter(|line| line.starts_with("mq ") || line.contains("| mq "));
    found.extend(lines.map(str::to_owned));
    let command = |line: &String| {
        let line = line.trim();
        let end = line.find("   ").or_else(|| line.find("  #"));
        line[..end.unwrap_or(line.len())].trim_end().to_owned()
    };
    found.iter().map(command).collect()
}

#[test]
fn every_example_runs() {
    let namesrv = Namesrv::start(Maker::Mq);
    let _broker = BrokerConfig::new(Maker::Mq, "broker-a", &[&namesrv]).start();
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("[profile.local]\nnamesrv = '{}'\n", namesrv.address());
    std::fs::write(folder.path().join("config.toml"), text).expect("the test's own folder");
    std::fs::write(folder.path().join("order.json"), "{}").expect("the test's own folder");
    let examples = examples();
    assert!(examples.len() > 100, "{examples:?}");
    let run = |line: &str| shell(line, folder.path(), &namesrv);
    let prepare = || {
        for line in [
            "mq config template broker.conf > broker.conf",
            "mq topic create orders --queues 4 --perm rw",
            "mq send orders hello --keys k1 --tag paid",
            "mq consume orders --group billing --count 1",
            "mq namesrv kv set ORDER_TOPIC_CONFIG orders 'broker-a:4'",
        ] {
            let output = run(line);
            assert!(output.status.success(), "{line}: {output:?}");
        }
    };
    prepare();
    let mut wrong = Vec::new();
    for line in examples {
        if NOT_RUN.iter().any(|words| line.contains(words)) {
            continue;
        }
        let output = run(&line);
        let code = output.status.code().unwrap_or(-1);
        let expected = ENDS_OTHERWISE.iter().find(|(example, _)| *example == line);
        let fine = match expected {
            Some((_, expected)) => code == *expected,
            // What destroys wants a yes.
            None => FINE.contains(&code) || (code == 2 && asks(&output)),
        };
        if !fine {
            let text = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{line}: exit {code}: {text}"));
        }
        if line.contains("delete") {
            prepare();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Nothing that an example began is left behind.
    wait::until("the cluster to answer", Duration::from_secs(10), || {
        run("mq broker status").status.success().then_some(())
    });
}

fn asks(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stderr).contains("there is no terminal to ask on")
}
