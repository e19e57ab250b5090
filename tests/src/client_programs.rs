//! The programs of `interop/`: real clients, one scenario per run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::process::Process;

/// Longer than the watchdog of every program, so that its own message is the one that is seen.
const PATIENCE: Duration = Duration::from_secs(150);

/// What `tests/run` fetched and built.
pub fn built(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target-interop")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing: run `tests/run programs` first",
        path.display()
    );
    path
}

/// A program with the folder that holds its logs and its output; the folder stays for inspection.
#[derive(Debug)]
pub struct Program {
    command: Command,
    output: PathBuf,
}

/// A word that makes topics and groups of this run its own.
pub fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A scenario of `interop/java`, with the published client of that version.
pub fn java(client_version: &str, namesrv: &str, scenario: &str, run: &str) -> Program {
    let logs = logs(&format!("java-{client_version}-{scenario}"));
    let mut command = java_command(&logs);
    let class_path = built(&format!("java-{client_version}"))
        .join("lib")
        .join("*");
    command
        .arg("-cp")
        .arg(class_path)
        .args(["interop.Main", namesrv, scenario, run]);
    Program {
        command,
        output: logs.join("output"),
    }
}

/// A class of Apache's integration cases, below `org.apache.rocketmq.test`.
pub fn apache_cases(namesrv: &str, class: &str) -> Program {
    let logs = logs(&format!("apache-cases-{class}"));
    let mut command = java_command(&logs);
    let cases = built("apache-cases");
    // Our base class comes before the one of the published jar.
    let class_path = format!("{0}/classes:{0}/lib/*", cases.display());
    command
        .arg(format!("-Dinterop.namesrv={namesrv}"))
        .arg("-cp")
        .arg(class_path)
        .arg("org.junit.runner.JUnitCore")
        .arg(format!("org.apache.rocketmq.test.{class}"));
    Program {
        command,
        output: logs.join("output"),
    }
}

/// The Spring Boot application with client 4.3.0.
pub fn java_430(namesrv: &str, run: &str) -> Program {
    let logs = logs("java-430-springboot");
    let mut command = java_command(&logs);
    command
        .arg("-jar")
        .arg(built("java-430-springboot/app.jar"));
    command.arg(format!("--apache.rocketmq.namesrvAddr={namesrv}"));
    command.arg(format!("--apache.rocketmq.topic=T-springboot-{run}"));
    command.arg(format!(
        "--apache.rocketmq.producer.producerGroup=P-springboot-{run}"
    ));
    command.arg(format!(
        "--apache.rocketmq.consumer.PushConsumer=C-springboot-{run}"
    ));
    Program {
        command,
        output: logs.join("output"),
    }
}

/// A scenario of `interop/go`.
pub fn go(namesrv: &str, scenario: &str, run: &str) -> Program {
    let logs = logs(&format!("go-{scenario}"));
    let mut command = Command::new(built("go/interop"));
    command.env("HOME", &logs).args([namesrv, scenario, run]);
    Program {
        command,
        output: logs.join("output"),
    }
}

/// A scenario of `interop/node`; the topic must exist.
pub fn node(namesrv: &str, scenario: &str, topic: &str, group: &str) -> Program {
    let logs = logs(&format!("node-{scenario}"));
    let mut command = Command::new("node");
    command
        .env("HOME", &logs)
        .env("NODE_PATH", built("node/node_modules"))
        .arg(source("node/main.js"))
        .args([namesrv, scenario, topic, group]);
    Program {
        command,
        output: logs.join("output"),
    }
}

/// A scenario of `interop/python`.
pub fn python(namesrv: &str, scenario: &str, topic: &str, group: &str) -> Program {
    let logs = logs(&format!("python-{scenario}"));
    let mut command = Command::new(built("python/bin/python3"));
    command
        .env("HOME", &logs)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(source("python/main.py"))
        .args([namesrv, scenario, topic, group]);
    Program {
        command,
        output: logs.join("output"),
    }
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("interop")
        .join(path)
}

impl Program {
    #[track_caller]
    pub fn start(mut self) -> Process {
        Process::spawn(&mut self.command, &self.output)
    }

    /// Runs to the end; panics with its output unless it reports success.
    #[track_caller]
    pub fn run(self) {
        self.start().wait_for_success(PATIENCE);
    }
}

/// A JVM that keeps to `home` what it writes.
pub fn java_command(home: &Path) -> Command {
    let mut command = Command::new("java");
    // Small and quick to start: several of them share two cores with the servers.
    command.args([
        "-Xmx192m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dfile.encoding=UTF-8",
    ]);
    command.arg(format!("-Duser.home={}", home.display()));
    command.arg(format!("-Djava.io.tmpdir={}", home.display()));
    command
}

fn logs(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("target-interop/logs/{name}-{}", unique()));
    std::fs::create_dir_all(&folder).expect("the folder of builds can be written");
    folder
}
