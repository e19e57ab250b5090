//! Running `mq` in a folder of its own, without the configuration of the one who runs the tests.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// What a command printed, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A home folder.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("the system has a folder for temporary files"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mq"));
        command
            .args(args)
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        for name in [
            "NAMESRV_ADDR",
            "MQ_PROFILE",
            "MQ_CONFIG",
            "XDG_CONFIG_HOME",
            "XDG_RUNTIME_DIR",
            "XDG_STATE_HOME",
            "XDG_DATA_HOME",
            "RUST_LOG",
            "CLICOLOR_FORCE",
        ] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(args).output().expect("mq can be started");
        Ended {
            code: status.code().expect("mq ends by itself"),
            out: String::from_utf8(stdout).expect("mq prints UTF-8"),
            err: String::from_utf8(stderr).expect("mq prints UTF-8"),
        }
    }
}
