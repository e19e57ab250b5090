//! A cluster with somebody who types commands at it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::{Broker, BrokerConfig, Maker, Namesrv, mq};

/// A name server, brokers, and `mq` that finds them.
#[derive(Debug)]
pub struct Shell {
    pub namesrv: Namesrv,
    pub brokers: Vec<Broker>,
}

impl Shell {
    /// With brokers of these names.
    #[track_caller]
    pub fn with(names: &[&str]) -> Self {
        Self::of(names, |config| config)
    }

    /// With brokers of these names, each changed before it starts.
    #[track_caller]
    pub fn of(names: &[&str], change: impl Fn(BrokerConfig) -> BrokerConfig) -> Self {
        let namesrv = Namesrv::start(Maker::under_test());
        let start =
            |name: &&str| change(BrokerConfig::new(Maker::under_test(), name, &[&namesrv])).start();
        let brokers = names.iter().map(start).collect();
        Self { namesrv, brokers }
    }

    /// Words are separated by blanks; those that hold some are given to the command itself.
    pub fn command(&self, line: &str) -> Command {
        let mut command = mq::command(line.split_whitespace());
        command.env("NAMESRV_ADDR", self.namesrv.address());
        command
    }

    pub fn output(&self, line: &str) -> Output {
        self.command(line).output().expect("mq runs")
    }

    /// Standard output of a command that must succeed.
    #[track_caller]
    pub fn run(&self, line: &str) -> String {
        let output = self.output(line);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "mq {line}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    #[track_caller]
    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.run(&format!("{line} -o json"))).expect("JSON")
    }

    /// One field of all rows.
    #[track_caller]
    pub fn column(&self, line: &str, field: &str) -> Vec<Value> {
        let rows = self.json(line);
        let rows = rows.as_array().expect("rows");
        rows.iter().map(|row| row[field].clone()).collect()
    }

    /// Exit code and standard error of a command that must fail.
    #[track_caller]
    pub fn fail(&self, line: &str) -> (i32, String) {
        let output = self.output(line);
        let code = output.status.code().expect("it was not killed");
        assert_ne!(code, 0, "mq {line}");
        (code, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
