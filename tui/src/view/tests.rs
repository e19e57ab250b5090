use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::samples;
use crate::update::{Event, update};

/// The screen as lines without trailing blanks, after some keys.
fn screen(app: &mut App, width: u16, height: u16, keys: &str) -> Vec<String> {
    for letter in keys.chars() {
        update(
            app,
            Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)),
        );
    }
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view(app, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(width));
    lines
        .map(|line| {
            line.iter()
                .map(|cell| cell.symbol())
                .collect::<String>()
                .trim_end()
                .to_owned()
        })
        .collect()
}

fn without_blank_lines(screen: &[String]) -> Vec<&str> {
    screen
        .iter()
        .map(String::as_str)
        .filter(|line| !line.is_empty())
        .collect()
}

const FOOTER: &str = " Tab view  ↑↓ move  / filter  r refresh  ? help  q quit";

#[test]
fn a_healthy_cluster_at_80_by_24() {
    let mut app = samples::app(samples::healthy());
    let brokers = screen(&mut app, 80, 24, "1");
    assert_eq!(
        without_blank_lines(&brokers),
        [
            " mq  127.0.0.1:9876  brokers 2  topics 3  groups 3  lag 12003  1s old",
            "[1 Brokers] 2 Topics  3 Groups",
            "  BROKER          ID ADDRESS               VERSION    IN/S   OUT/S  DISK STATE",
            "> broker-a         0 127.0.0.1:10911       V4_9_8     1235    99.0   42% up",
            "  broker-b         0 127.0.0.1:10921       V4_9_8     1235    99.0   42% up",
            FOOTER,
        ]
    );
    let groups = screen(&mut app, 80, 24, "3");
    assert_eq!(
        without_blank_lines(&groups)[2..6],
        [
            "  GROUP                             TOPICS MEMBERS        LAG    CHANGE    OUT/S",
            "> billing                                1       2      12000         -     12.0",
            "  mailer                                 1       2          3         -     12.0",
            "  audit-writer                           1       2          0         -     12.0",
        ]
    );
}

#[test]
fn rates_need_two_snapshots() {
    let mut app = samples::app(samples::healthy());
    let mut next = samples::healthy();
    next.taken += Duration::from_secs(2);
    if let Ok(stats) = &mut next.topics[1].stats {
        stats.ends += 500;
    }
    if let Ok(progress) = &mut next.groups[1].progress {
        progress.lag += 10;
    }
    update(&mut app, Event::Snapshot(Box::new(next)));
    let topics = screen(&mut app, 80, 24, "2").join("\n");
    assert!(topics.contains("1.2M      250"), "{topics}");
    let groups = screen(&mut app, 80, 24, "3").join("\n");
    assert!(groups.contains("12010       +10"), "{groups}");
}

#[test]
fn a_dead_broker_is_shown_and_the_rest_goes_on() {
    let mut app = samples::app(samples::failing());
    let brokers = screen(&mut app, 80, 24, "1").join("\n");
    for expected in [
        "brokers 2 (1 DOWN)",
        "DOWN",
        "lag ≥12000",
        "! broker-b: connect to 127.0.0.1:10921: connection refused",
    ] {
        assert!(
            brokers.contains(expected),
            "{expected:?} is missing:\n{brokers}"
        );
    }
    let topics = screen(&mut app, 80, 24, "2").join("\n");
    assert!(topics.contains("≥1.2M"), "{topics}");
    let groups = screen(&mut app, 80, 24, "3");
    // What is unknown may be the worst: it stands on top, without a number.
    assert!(
        groups[3].starts_with("> mailer") && !groups[3].contains(char::is_numeric),
        "{}",
        groups[3]
    );
}

#[test]
fn nothing_there_and_nothing_known() {
    let empty = screen(&mut samples::app(samples::empty()), 80, 24, "2").join("\n");
    assert!(empty.contains("none"), "{empty}");
    let filtered = screen(&mut samples::app(samples::healthy()), 80, 24, "2/nosuch").join("\n");
    assert!(
        filtered.contains("nothing matches the filter") && filtered.contains("/nosuch_"),
        "{filtered}"
    );

    let mut app = App::new("10.0.0.1:9876".to_owned(), false, std::time::Instant::now());
    assert!(
        screen(&mut app, 80, 24, "")
            .join("\n")
            .contains("Asking the name servers")
    );
    update(
        &mut app,
        Event::Failed("name server 10.0.0.1:9876: no answer within 3s".to_owned()),
    );
    let failed = screen(&mut app, 80, 24, "").join("\n");
    assert!(
        failed.contains("Nothing is known yet") && failed.contains("! name server 10.0.0.1:9876"),
        "{failed}"
    );
}

#[test]
fn help_lists_every_key() {
    let help = screen(&mut samples::app(samples::healthy()), 80, 24, "?").join("\n");
    for binding in keys::BROWSE {
        assert!(
            help.contains(binding.help),
            "{} is missing:\n{help}",
            binding.label
        );
    }
}

#[test]
fn every_size_is_drawn() {
    for (width, height) in [
        (1, 1),
        (10, 3),
        (40, 12),
        (80, 24),
        (120, 40),
        (200, 50),
        (400, 100),
    ] {
        for snapshot in [samples::healthy(), samples::empty(), samples::failing()] {
            for keys in ["1", "2", "3", "?", "2/x"] {
                let lines = screen(&mut samples::app(snapshot.clone()), width, height, keys);
                assert_eq!(lines.len(), usize::from(height));
            }
        }
    }
    let wide = screen(&mut samples::app(samples::healthy()), 200, 50, "2");
    assert!(wide[2].ends_with("IN/S") && wide[49] == FOOTER, "{wide:#?}");
}

#[test]
fn a_long_list_is_scrolled_to_the_selection() {
    let mut snapshot = samples::healthy();
    let template = snapshot.topics[0].clone();
    snapshot.topics = (0..1000)
        .map(|n| crate::snapshot::Topic {
            name: format!("topic-{n:04}"),
            ..template.clone()
        })
        .collect();
    let lines = screen(&mut samples::app(snapshot), 80, 24, "2G");
    assert!(lines[22].starts_with("> topic-0999"), "{lines:#?}");
}
