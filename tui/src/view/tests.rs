use std::path::Path;

use client::trace;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::messages::{Answer, Query};
use crate::samples;
use crate::snapshot::{Known, Snapshot};
use crate::update::tests::press;
use crate::update::{Event, update};

mod chinese;
mod incidents;

const PLAIN: Theme = Theme {
    palette: crate::theme::Palette::None,
    ascii: false,
    lang: crate::Lang::English,
};

/// The screen as lines without trailing blanks, after some keys.
fn screen(app: &mut App, (width, height): (u16, u16), keys: &str) -> String {
    press(app, keys);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view(app, PLAIN, frame)).unwrap();
    crate::frame::text(terminal.backend().buffer())
}

/// Compares with `screens/NAME.txt`, or writes it when `MQ_WRITE_SCREENS` is set.
fn check(name: &str, screen: &str) {
    check_file(&format!("{name}.txt"), screen);
}

fn check_file(name: &str, screen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("screens")
        .join(name);
    if std::env::var_os("MQ_WRITE_SCREENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, screen).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        screen == expected,
        "{} differs; if that is meant, run with MQ_WRITE_SCREENS=1 and look at the change\n{screen}",
        path.display()
    );
}

/// Only for files that are read: the blank middle of a screen is as it should be.
fn without_blank_lines(screen: &str) -> String {
    screen
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Five rounds in which orders arrive and `billing` consumes half of them.
fn with_traffic(first: Snapshot) -> App {
    samples::app_after(5, first, |snapshot| {
        for id in 0..4 {
            samples::send(snapshot, "orders", id, 400 + i64::from(id) * 100);
        }
        if snapshot.groups.iter().any(|group| group.name == "billing") {
            samples::consume(snapshot, "billing", 200);
        }
    })
}

type Situation = (&'static str, fn() -> Snapshot);

const SITUATIONS: [Situation; 4] = [
    ("healthy", samples::healthy),
    ("empty", samples::empty),
    ("dead-broker", samples::failing),
    ("huge", samples::huge),
];
/// Pages, and the keys that lead to them.
const PAGES: [(&str, &str); 14] = [
    ("pulse", ""),
    ("brokers", ":b\n"),
    ("broker", ":b\n\n"),
    ("topics", ":t\n"),
    ("topic", ":topic o\n"),
    ("topic-heat", ":heat o\n"),
    ("groups", ":g\n"),
    ("group", ":g\n\n"),
    ("group-heat", ":g\nH"),
    ("dlq", ":d\n"),
    ("clients", ":c\n"),
    ("store", ":s\n"),
    ("log", ":l\n"),
    ("help", "?"),
];
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

#[test]
fn every_page_in_every_situation() {
    // One cluster of each kind, looked at from all sides: making the huge one takes longest.
    let mut apps = SITUATIONS.map(|(situation, snapshot)| (situation, with_traffic(snapshot())));
    for (page, keys) in PAGES {
        let mut screens = String::new();
        for (situation, app) in &mut apps {
            press(app, keys);
            for size in SIZES {
                let seen = screen(app, size, "");
                screens.push_str(&format!(
                    "--- {situation}, {}x{}\n{}",
                    size.0,
                    size.1,
                    without_blank_lines(&seen)
                ));
            }
            // Home again.
            press(app, "\x1b\x1b\x1b\x1b");
        }
        check(page, &screens);
    }
}

#[test]
fn details_filter_and_commands() {
    let mut screens = String::new();
    for (name, keys) in [
        ("details", ":g\ne"),
        ("filter", ":t\n/ord"),
        ("nothing matches", ":t\n/nosuch\n"),
        ("command", ":topic a"),
        ("sorted", ":t\n2"),
        ("equivalent", ":g\n!"),
        ("frozen", "f"),
        ("menu of a topic", ":t\nja"),
        ("menu of a broker", ":b\na"),
        ("a form", ":t\najjj\n"),
        ("a refused form", ":t\najjj\norders\n"),
        ("a form that asks the brokers", ":g\na\n\n"),
        ("a plan", ":t\najjj\nnew\n"),
        ("a plan that destroys", ":g\najj\n\nbill"),
    ] {
        let seen = screen(&mut with_traffic(samples::healthy()), (80, 24), keys);
        screens.push_str(&format!("--- {name}\n{}", without_blank_lines(&seen)));
    }
    check("modes", &screens);
}

/// What the brokers answer to what the page asks them.
type Answering = fn() -> Known<Answer>;

/// A page that asks the brokers something itself, in each situation and size.
fn screens_of_answers(page: &Page, answers: [Answering; 4]) -> String {
    let mut screens = String::new();
    for ((situation, snapshot), answer) in SITUATIONS.into_iter().zip(answers) {
        let mut app = with_traffic(snapshot());
        app.open(page.clone());
        let question = app.page().question().unwrap();
        update(&mut app, Event::Answer(question, answer()));
        for size in SIZES {
            let seen = without_blank_lines(&screen(&mut app, size, ""));
            screens.push_str(&format!("--- {situation}, {}x{}\n{seen}", size.0, size.1));
        }
    }
    screens
}

const NO_ANSWER: &str = "no answer from 127.0.0.1:10921 within 1.5s";

#[test]
fn messages_in_every_situation() {
    let some = || {
        let bodies = [
            "{\"order\":17,\"items\":[\"订单\"]}",
            "plain text",
            "\u{1b}[31mnot a command\n\tto us",
        ];
        let found = bodies.iter().zip(0..).map(|(body, place)| {
            let mut message = samples::message(body);
            message.queue_offset += place;
            message
        });
        Ok(Answer::Messages(found.collect(), None))
    };
    let none = || Ok(Answer::Messages(Vec::new(), None));
    let dead = || {
        let found = vec![samples::message("of the other broker")];
        Ok(Answer::Messages(found, Some(NO_ANSWER.to_owned())))
    };
    // As many as are shown of a topic.
    let many = || {
        let found = (0..128).map(|place| {
            let mut message = samples::message(&"x".repeat(300));
            message.queue_offset += 9_876_543_210 * place;
            message
        });
        Ok(Answer::Messages(found.collect(), None))
    };
    let answers: [Answering; 4] = [some, none, dead, many];
    let query = Query::latest("orders", None);
    let list = screens_of_answers(&Page::Messages(query.clone()), answers);
    check("messages", &list);
    let place = "broker-a/0/41".to_owned();
    check(
        "message",
        &screens_of_answers(&Page::Message { query, place }, answers),
    );
}

#[test]
fn the_life_of_a_message_in_every_situation() {
    let some = || Ok(Answer::Trace(life(1), None));
    let none = || Ok(Answer::Trace(Vec::new(), None));
    let dead = || Err(NO_ANSWER.to_owned());
    // It failed for all of a day.
    let many = || Ok(Answer::Trace(life(100), None));
    let page = Page::Trace("ID".to_owned());
    check(
        "trace",
        &screens_of_answers(&page, [some, none, dead, many]),
    );
}

/// Sent, failed some times, and consumed.
fn life(failures: i64) -> Vec<trace::Event> {
    let event = |ms: i64, what, outcome: &str| trace::Event {
        time_ms: samples::START_MS + ms,
        what,
        group: if what == "sent" { "shop" } else { "billing" }.to_owned(),
        client: "10.0.0.9".to_owned(),
        outcome: outcome.to_owned(),
        cost_ms: Some(3),
        retries: (what == "consumed").then_some(ms / 10_000),
        message_id: "ID".to_owned(),
        topic: None,
        tag: None,
        keys: None,
        store_host: None,
    };
    let failed = (0..failures).map(|n| event(n * 10_000 + 5, "consumed", "exception"));
    let sent = [event(0, "sent", "success")];
    let consumed = event(failures * 10_000 + 5, "consumed", "success");
    sent.into_iter().chain(failed).chain([consumed]).collect()
}

/// The picture in the README.
#[test]
fn a_night_on_call() {
    let mut first = samples::healthy();
    samples::group_queues(&mut first, "billing")[3].offset -= 40;
    samples::group(&mut first, "audit-writer").members = Ok(Vec::new());
    first.brokers[1].runtime.as_mut().unwrap().disk_used = Some(0.81);
    let mut app = samples::app_after(14, first, |snapshot| {
        for id in 0..4 {
            samples::send(snapshot, "orders", id, 400 + i64::from(id) * 100);
            samples::send(snapshot, "payments", id, 30);
        }
        samples::send(snapshot, "audit", 0, 7);
        samples::send(snapshot, "%DLQ%billing", 0, 1);
        samples::consume(snapshot, "mailer", 40);
        let hung = samples::group_queues(snapshot, "billing")[3].offset;
        samples::consume(snapshot, "billing", 400);
        samples::group_queues(snapshot, "billing")[3].offset = hung;
    });
    app.source = "10.0.0.1:9876;10.0.0.2:9876".to_owned();
    press(&mut app, "j");
    let mut terminal = Terminal::new(TestBackend::new(100, 20)).unwrap();
    let theme = Theme {
        palette: crate::theme::Palette::Default,
        ..PLAIN
    };
    terminal.draw(|frame| view(&app, theme, frame)).unwrap();
    check_file("pulse.svg", &crate::frame::svg(terminal.backend().buffer()));
}

#[test]
fn before_the_first_answer() {
    let mut app = App::new("10.0.0.1:9876".to_owned(), false, 0);
    assert!(screen(&mut app, (80, 24), "").contains("Asking the name servers"));
    let failure = "name server 10.0.0.1:9876: no answer within 3s".to_owned();
    update(&mut app, Event::Failed(failure));
    let failed = screen(&mut app, (80, 24), "");
    assert!(
        failed.contains("Nothing is known yet") && failed.contains("! name server 10.0.0.1:9876"),
        "{failed}"
    );
}

#[test]
fn when_a_broker_dies_no_figure_of_before_looks_like_one_of_now() {
    let mut app = with_traffic(samples::healthy());
    let before = screen(&mut app, (120, 40), "");
    assert!(
        before.contains("in/s 2469") && before.contains("since the start"),
        "{before}"
    );
    for round in 0..2 {
        let failing = samples::later(&samples::failing(), 20_000 + round * 2_000);
        update(&mut app, Event::Snapshot(failing.into()));
    }
    let pulse = screen(&mut app, (120, 40), "");
    for text in [
        "in/s ≥1235",
        "out/s ≥99.0",
        "backlog ≥6000",
        "≥6000 messages; partly known",
    ] {
        assert!(pulse.contains(text), "{text}\n{pulse}");
    }
    assert!(!pulse.contains("since the start"), "{pulse}");
    let groups = screen(&mut app, (120, 40), ":g\n");
    assert!(
        groups.contains("≥6000 partly known") && !groups.contains("growing"),
        "{groups}"
    );
    let topics = screen(&mut app, (120, 40), ":t\n");
    let orders = topics.lines().find(|line| line.contains("orders")).unwrap();
    assert!(orders.contains("≥0.0"), "{topics}");
}

#[test]
fn a_broker_that_is_gone_has_a_row() {
    let mut app = samples::app_after(3, samples::healthy(), |snapshot| {
        snapshot.brokers.truncate(1)
    });
    let brokers = screen(&mut app, (120, 40), ":b\n");
    let gone = brokers
        .lines()
        .find(|line| line.contains("broker-b"))
        .unwrap();
    assert!(
        gone.contains("GONE") && gone.contains("127.0.0.1:10921"),
        "{brokers}"
    );
}

#[test]
fn a_narrow_screen_shows_what_matters_most() {
    let mut app = with_traffic(samples::failing());
    app.source = "10.0.0.1:9876;10.0.0.2:9876;10.0.0.3:9876".to_owned();
    for (keys, shown) in [
        // How bad, and how old; which broker; sentences end between words.
        (
            "",
            &["1 CRIT", "1s old", "broker-b", "connection refused\n"][..],
        ),
        ("f", &["FROZEN"]),
        (":g\n", &["LAG", "partly known"]),
        (":group b\n", &["LAG"]),
        (":topic o\n", &["IN/S"]),
        ("?", &["open what the row"]),
    ] {
        let seen = screen(&mut app, (40, 12), keys);
        for text in shown {
            assert!(seen.contains(text), "{keys:?}: {text:?} is missing\n{seen}");
        }
    }
}

#[test]
fn numbers_are_not_cut() {
    let mut snapshot = samples::healthy();
    samples::group_queues(&mut snapshot, "billing")[0].offset = 1_234_567_890_123;
    let seen = screen(&mut samples::app(snapshot), (120, 40), ":group b\n");
    assert!(seen.contains("1234567890123"), "{seen}");
}

#[test]
fn ascii_is_ascii() {
    let mut app = with_traffic(samples::failing());
    for keys in ["", ":t\n", ":g\n", "\n", "?", ":topic a"] {
        press(&mut app, keys);
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        let theme = Theme {
            ascii: true,
            ..PLAIN
        };
        terminal.draw(|frame| view(&app, theme, frame)).unwrap();
        let seen = crate::frame::text(terminal.backend().buffer());
        assert!(seen.is_ascii(), "{seen}");
    }
}

#[test]
fn of_a_long_way_the_end_is_seen() {
    let mut app = samples::app(samples::healthy());
    let keys =
        ":topic orders\n:group billing\n:topic payments\n:group mailer\n:heat audit-writer\n";
    let seen = screen(&mut app, (60, 24), keys);
    let crumbs = seen.lines().nth(1).unwrap();
    assert_eq!(
        crumbs,
        " … › billing › payments › mailer › heat of audit-writer"
    );
}

#[test]
fn wide_characters_are_measured() {
    assert_eq!(fit("订单", 5, false, PLAIN), "订单 ");
    assert_eq!(fit("订单主题", 5, false, PLAIN), "订单…");
    assert_eq!(fit("订单主题", 4, true, PLAIN), "订… ");
    assert_eq!(fit("订单", 0, false, PLAIN), "");
}

#[test]
fn a_calm_cluster_says_so() {
    let mut snapshot = samples::healthy();
    samples::consume(&mut snapshot, "billing", i64::MAX);
    let seen = screen(&mut samples::app(snapshot), (80, 24), "");
    assert!(seen.contains("All is well"), "{seen}");
}

#[test]
fn a_long_list_is_scrolled_to_the_selection() {
    let seen = screen(&mut samples::app(samples::huge()), (80, 24), ":t\nG");
    assert!(seen.contains("> topic-09999"), "{seen}");
}

fn any_situation() -> impl Strategy<Value = Snapshot> {
    prop_oneof![
        Just(samples::healthy()),
        Just(samples::empty()),
        Just(samples::failing())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// No size and no order of keys does harm.
    #[test]
    fn any_size_and_any_keys(
        snapshot in any_situation(),
        width in 1_u16..400,
        height in 1_u16..100,
        keys in "[ -~\t\n\x1b\x08订]{0,40}",
    ) {
        let mut app = with_traffic(snapshot);
        let seen = screen(&mut app, (width, height), &keys);
        prop_assert_eq!(seen.lines().count(), usize::from(height));
    }
}
