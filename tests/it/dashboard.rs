//! The dashboard in a terminal, as its users have it.

use std::time::Duration;

use mq_tests::terminal::Terminal;
use mq_tests::{BrokerConfig, Maker, Namesrv, mq, wait};

use crate::messages;

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
    // What a program has written may come after its end is known.
    terminal.wait_for(LEAVE_SCREEN);
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
    // The mouse is given back.
    terminal.wait_for("\x1b[?1000l");
}

#[test]
fn it_follows_the_size_of_its_window() {
    let namesrv = Namesrv::start(Maker::Mq);
    let address = namesrv.address();
    let mut terminal = Terminal::run(&mut mq::command(["tui", "-n", &address]), 40, 12);
    terminal.wait_for("help");
    assert!(
        !terminal.written().contains("quit"),
        "there is no room for it"
    );
    terminal.resize(120, 40);
    terminal.wait_for("quit");
    terminal.resize(40, 12);
    terminal.press("q");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn no_key_is_lost_while_the_window_changes() {
    let namesrv = Namesrv::start(Maker::Mq);
    let mut terminal = open(&namesrv);
    terminal.press("/");
    for (column, letter) in (81..).zip("αβγδεζηθικλμνξοπρστυφχψω".chars()) {
        terminal.resize(column, 24);
        terminal.press(&letter.to_string());
        terminal.wait_for(&letter.to_string());
    }
}

#[test]
fn brokers_are_watched_on_when_the_name_server_is_gone() {
    let namesrv = Namesrv::start(Maker::Mq);
    let _broker = BrokerConfig::new(Maker::Mq, "broker-a", &[&namesrv]).start();
    let mut command = mq::command(["tui", "-n", &namesrv.address()]);
    let mut terminal = Terminal::run(&mut command, 120, 40);
    terminal.wait_for("well:");
    drop(namesrv);
    // Its finding's fix.
    terminal.wait_for("leave");
    terminal.press(":broker broker-a\r");
    terminal.wait_for("DefaultCluster");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), Some(0));
}

/// Their members are asked for in turns; where they stand is told at once.
#[test]
fn all_groups_are_there_from_the_start() {
    let shell = messages::shell();
    for number in 0..150 {
        shell.run(&format!("group create crowd-{number:03}"));
    }
    let groups = shell.json("tui --once --view groups");
    let rows = groups["rows"].as_array().expect("a list of rows");
    let known = rows.iter().filter(|row| row["lag"] == 0);
    assert_eq!(known.count(), 150, "{groups}");
}

#[test]
fn it_speaks_chinese_where_the_locale_does() {
    let namesrv = Namesrv::start(Maker::Mq);
    let mut command = mq::command(["tui", "-n", &namesrv.address()]);
    let mut terminal = Terminal::run(command.env("LC_ALL", "zh_CN.UTF-8"), 80, 24);
    // Behind a wide character the cursor is set anew.
    terminal.wait_for("退");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn a_blocking_message_is_skipped_and_dead_letters_are_sent_once_more() {
    let shell = messages::shell();
    shell.run("group create billing");
    shell.run("group reset billing --topic orders --to earliest --yes");
    let message = &shell.json("message find orders --key k1")[0];
    messages::give_up(&shell, "billing", message);
    let mut terminal = Terminal::run(&mut shell.command("tui"), 120, 40);
    terminal.wait_for("no member");

    // The first queue, by one message: the plan says so before it is typed.
    terminal.press(":group billing\ra\r\r");
    terminal.wait_for("skips 1");
    terminal.press("billing\r");
    terminal.wait_for("moved");
    let offsets = shell.column("group lag billing --queues", "consumer_offset");
    assert!(offsets.contains(&1.into()), "{offsets:?}");

    terminal.press(":dlq\ra\r\r");
    terminal.wait_for("1 of 1 dead letters go");
    terminal.press("\r");
    wait::until("the dead letter is sent", Duration::from_secs(10), || {
        let planned = shell.column("dlq resend billing --all --dry-run", "result");
        (planned == ["already sent"]).then_some(())
    });
    terminal.press("q");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let mut command = mq::command(["tui", "-n", "127.0.0.1:1"]);
    let output = command.output().expect("mq can be started");
    assert_eq!(output.status.code(), Some(1));
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(problem.contains("--once"), "{problem}");
}
