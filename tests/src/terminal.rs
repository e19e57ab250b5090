//! A terminal of our own: a program runs in it as in a user's, and what it writes is looked at.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::wait;

const PATIENCE: Duration = Duration::from_secs(20);

/// The user's side of a pseudo-terminal with a program in it.
#[derive(Debug)]
pub struct Terminal {
    keyboard: File,
    /// The program's side, kept open: with it, settings can be read when the program has ended.
    line: File,
    written: Arc<Mutex<Vec<u8>>>,
    child: Child,
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl Terminal {
    /// Runs a program in a terminal of this size.
    #[track_caller]
    pub fn run(command: &mut Command, columns: u16, rows: u16) -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&user).expect("a fresh pseudo-terminal");
        unlockpt(&user).expect("a fresh pseudo-terminal");
        tcsetwinsize(&user, size(columns, rows)).expect("a terminal has a size");
        let name = ptsname(&user, Vec::new()).expect("a pseudo-terminal has a name");
        let name = name.to_str().expect("a path below /dev/pts");
        let line = File::options()
            .read(true)
            .write(true)
            .open(name)
            .expect("its other side");
        let side = || {
            Stdio::from(OwnedFd::from(
                line.try_clone().expect("a file can be shared"),
            ))
        };
        let child = command
            .env("TERM", "xterm-256color")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("the program can be started");
        let keyboard = File::from(user);
        let mut screen = keyboard.try_clone().expect("a file can be shared");
        let written = Arc::new(Mutex::new(Vec::new()));
        let seen = written.clone();
        // Ends with the terminal: reading fails once all its other sides are closed.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                seen.lock()
                    .expect("nobody panics with it")
                    .extend_from_slice(&buffer[..count]);
            }
        });
        Self {
            keyboard,
            line,
            written,
            child,
        }
    }

    /// All that was written so far, with its escape sequences.
    pub fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().expect("nobody panics with it")).into_owned()
    }

    /// Waits until a text has been written.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait::until(&format!("{text:?} on the screen"), PATIENCE, || {
            self.written().contains(text).then_some(())
        });
    }

    pub fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
    }

    /// Makes the terminal larger or smaller, and tells the program, as a window does.
    pub fn resize(&self, columns: u16, rows: u16) {
        tcsetwinsize(&self.keyboard, size(columns, rows)).expect("a terminal has a size");
        self.signal(Signal::WINCH);
    }

    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill_process(Pid::from_raw(id).expect("not zero"), signal).expect("it runs");
    }

    /// Waits for the program's end; returns its exit code.
    #[track_caller]
    pub fn exit_code(&mut self) -> Option<i32> {
        let child = &mut self.child;
        wait::until("the program's end", PATIENCE, || {
            child.try_wait().expect("our own child")
        })
        .code()
    }

    /// How the terminal is set: line by line with echo, or raw.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.line).expect("a terminal has settings")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
