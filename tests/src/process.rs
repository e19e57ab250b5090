//! A child process with its output in a file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// Lines of output shown when something went wrong.
const TAIL: usize = 40;

#[derive(Debug)]
pub struct Process {
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Standard output and standard error go to `output`, appended: a restarted server keeps one log.
    #[track_caller]
    pub fn spawn(command: &mut Command, output: &Path) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(output)
            .expect("output file in the test's folder");
        let twin = file.try_clone().expect("a file can be shared");
        let child = command
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(twin)
            .spawn();
        let child = child
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", command.get_program().display()));
        Self {
            child,
            output: output.to_owned(),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that was printed so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Waits for a whole line that contains `text`, beyond the first `seen` bytes of output; returns the line.
    #[track_caller]
    pub fn wait_for_line(&mut self, text: &str, seen: usize, patience: Duration) -> String {
        wait::until(
            &format!("a line with {text:?} in {}", self.output.display()),
            patience,
            || {
                // Looked at first: what it printed before its end is in the output then.
                let ended = self.child.try_wait().expect("our own child");
                let output = self.output();
                let end = output.rfind('\n').map_or(0, |end| end + 1);
                let whole = output.get(seen..end).unwrap_or_default();
                let line = whole.lines().find(|line| line.contains(text));
                if let (None, Some(status)) = (line, ended) {
                    panic!(
                        "ended with {status} before it printed {text:?}\n{}",
                        self.tail()
                    );
                }
                line.map(str::to_owned)
            },
        )
    }

    /// Writes a line to its standard input.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped at start");
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .expect("the program reads its input");
    }

    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        // As a shell would: a program that reads its input to the end must not wait for us.
        drop(self.child.stdin.take());
        wait::until(
            &format!("the end of process {}", self.child.id()),
            patience,
            || self.child.try_wait().expect("our own child"),
        )
    }

    #[track_caller]
    pub fn wait_for_success(&mut self, patience: Duration) {
        let status = self.wait(patience);
        assert!(status.success(), "{status}\n{}", self.tail());
    }

    pub fn terminate(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("our own child");
    }

    /// Keeps it from running, without ending it.
    pub fn freeze(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).expect("our own child");
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        // Fails only for a child that has ended and was waited for: then it is as dead as wanted.
        let _ = self.child.kill();
        self.child.wait().expect("our own child");
    }

    pub fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Folder;

    #[test]
    #[should_panic(expected = "ended with exit status: 0 before it printed \"ready\"")]
    fn a_program_that_ends_without_a_word_is_not_waited_for() {
        let folder = Folder::new();
        let mut process = Process::spawn(&mut Command::new("true"), &folder.join("output"));
        process.wait_for_line("ready", 0, Duration::from_secs(60));
    }
}
