//! The executable under test.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// `mq`, built with the profile of the running test.
#[track_caller]
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own file");
    // target/PROFILE/deps/it-HASH
    let profile = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("cargo puts tests two folders deep");
    let mq = profile.join("mq");
    assert!(
        mq.exists(),
        "{} is missing: run `cargo build` first",
        mq.display()
    );
    mq
}

/// A command that finds no configuration but the one given to it.
pub fn command<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = wrapped(&[]);
    command.args(args);
    command
}

/// The same without arguments yet, run by a command that is given this one.
pub fn wrapped(wrapper: &[String]) -> Command {
    let mut command = match wrapper {
        [] => Command::new(path()),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(path());
            command
        }
    };
    command
        .env_remove("NAMESRV_ADDR")
        .env_remove("MQ_PROFILE")
        .env("MQ_CONFIG", "/nonexistent/config.toml");
    command
}

/// Runs `mq ARGS` to its end; panics unless it exits with 0.
#[track_caller]
pub fn run<'a>(args: impl IntoIterator<Item = &'a str>) -> String {
    let mut command = command(args);
    let output = command.output().expect("mq can be started");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("mq prints UTF-8")
}

/// Runs `mq ARGS -o json` and reads what it printed.
#[track_caller]
pub fn json<'a>(args: impl IntoIterator<Item = &'a str>) -> Value {
    parse(&run(args.into_iter().chain(["-o", "json"])))
}

/// The same for commands that print an object per line.
#[track_caller]
pub fn json_lines<'a>(args: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    run(args.into_iter().chain(["-o", "json"]))
        .lines()
        .map(parse)
        .collect()
}

#[track_caller]
fn parse(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap_or_else(|e| panic!("not JSON ({e}): {printed}"))
}

/// Every command that has none below it: its path, `topic list`, and its `--help`.
#[track_caller]
pub fn commands() -> Vec<(String, String)> {
    fn below(path: &[&str], into: &mut Vec<(String, String)>) {
        let help = run(path.iter().copied().chain(["--help"]));
        let names = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names = names.take_while(|line| line.starts_with("  "));
        let names = names.filter(|line| !line.starts_with("   "));
        let names: Vec<&str> = names
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .collect();
        for name in &names {
            below(&[path, &[*name]].concat(), into);
        }
        if names.is_empty() {
            into.push((path.join(" "), help));
        }
    }
    let mut commands = Vec::new();
    below(&[], &mut commands);
    commands
}
