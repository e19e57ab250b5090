//! The dashboard in a terminal, as its users have it.

use mq_tests::terminal::Terminal;
use mq_tests::{Maker, Namesrv, mq};

const ENTER_SCREEN: &str = "\x1b[?1049h";
const LEAVE_SCREEN: &str = "\x1b[?1049l";

/// A name server without brokers is enough to have something on the screen.
fn open(namesrv: &Namesrv) -> Terminal {
    let address = namesrv.address();
    let terminal = Terminal::run(&mut mq::command(["tui", "-n", &address]), 80, 24);
    terminal.wait_for("no broker is registered");
    terminal
}

/// Whether the user's shell would find its terminal as it was.
#[track_caller]
fn assert_restored(terminal: &Terminal, before: &str) {
    let written = terminal.written();
    let entered = written.find(ENTER_SCREEN).expect("the screen was entered");
    let left = written.rfind(LEAVE_SCREEN).expect("the screen was left");
    assert!(entered < left);
    assert_eq!(format!("{:?}", terminal.settings()), before);
}

#[test]
fn it_opens_takes_keys_and_leaves_the_terminal_as_it_was() {
    let namesrv = Namesrv::start(Maker::Mq);
    let fresh = Terminal::run(&mut mq::command(["--version"]), 80, 24);
    let before = format!("{:?}", fresh.settings());
    let mut terminal = open(&namesrv);
    assert_ne!(
        format!("{:?}", terminal.settings()),
        before,
        "keys come one by one"
    );
    terminal.press(":g\r");
    terminal.wait_for("› groups");
    // The command goes to the clipboard of the terminal.
    terminal.press("!");
    terminal.wait_for("\x1b]52;c;");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), Some(0));
    assert_restored(&terminal, &before);
}

#[test]
fn being_ended_it_leaves_the_terminal_as_it_was() {
    let namesrv = Namesrv::start(Maker::Mq);
    let fresh = Terminal::run(&mut mq::command(["--version"]), 80, 24);
    let before = format!("{:?}", fresh.settings());
    let mut terminal = open(&namesrv);
    terminal.press("m");
    terminal.wait_for("mouse");
    terminal.terminate();
    assert_eq!(terminal.exit_code(), Some(0));
    assert_restored(&terminal, &before);
    assert!(
        terminal.written().contains("\x1b[?1000l"),
        "the mouse is given back"
    );
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let mut command = mq::command(["tui", "-n", "127.0.0.1:1"]);
    let output = command.output().expect("mq can be started");
    assert_eq!(output.status.code(), Some(1));
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(problem.contains("--once"), "{problem}");
}
