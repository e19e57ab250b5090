use crossterm::event::{KeyCode, KeyModifiers};

use super::*;
use crate::messages::Query;
use crate::samples;

/// Presses keys one after the other; returns what the last one asked for.
pub(crate) fn press(app: &mut App, keys: &str) -> Option<Effect> {
    let code = |letter| match letter {
        '\t' => KeyCode::Tab,
        '\n' => KeyCode::Enter,
        '\x1b' => KeyCode::Esc,
        '\x08' => KeyCode::Backspace,
        letter => KeyCode::Char(letter),
    };
    let press = |app: &mut App, letter| {
        update(
            app,
            Event::Key(KeyEvent::new(code(letter), KeyModifiers::NONE)),
        )
    };
    keys.chars()
        .map(|letter| press(app, letter))
        .last()
        .flatten()
}

#[test]
fn keys_lead_to_pages_and_rows() {
    let topic = |name: &str| Page::Topic(name.to_owned());
    let group = |name: &str| Page::Group(name.to_owned());
    let messages = |id: Option<i32>| {
        let queue = id.map(|id| ("broker-a".to_owned(), id));
        Page::Messages(Query::latest("orders", queue))
    };
    // Keys typed from the start; the page, the row and the filter that they lead to.
    for (keys, page, row, filter) in [
        (":b\n", Page::Brokers, "127.0.0.1:10911", ""),
        (":t\n", Page::Topics, "audit", ""),
        ("\t\t", Page::Topics, "audit", ""),
        (":topics\n", Page::Topics, "audit", ""),
        (":tx\x08\n", Page::Topics, "audit", ""),
        (":topic o\t\n", topic("orders"), "broker-a/0", ""),
        (":t\njj", Page::Topics, "payments", ""),
        (":t\nG", Page::Topics, "payments", ""),
        (":t\nGg", Page::Topics, "audit", ""),
        (":t\njjjjkk", Page::Topics, "audit", ""),
        (":t\n/PAY\n", Page::Topics, "payments", "PAY"),
        (":t\n/!audit\n", Page::Topics, "orders", "!audit"),
        (":t\n/pay\x08\x08\x08\n", Page::Topics, "audit", ""),
        (":t\n/pay\x1b", Page::Topics, "audit", ""),
        (":t\n/pay\n\x1b", Page::Topics, "audit", ""),
        (":g\n", Page::Groups, "billing", ""),
        (":g\n\n", group("billing"), "orders broker-a/0", ""),
        (":g\n\n\x1b", Page::Groups, "billing", ""),
        (":g\nt", topic("orders"), "broker-a/0", ""),
        (":g\ntc", group("billing"), "orders broker-a/0", ""),
        (
            ":g\n\nb",
            Page::Broker("127.0.0.1:10911".to_owned()),
            "%DLQ%billing",
            "",
        ),
        (":g\n:b\n-", Page::Groups, "billing", ""),
        (":t\njv", messages(None), "", ""),
        (":messages ord\n", messages(None), "", ""),
        (":topic ord\nj\n", messages(Some(1)), "", ""),
        (":g\n\njjv", messages(Some(2)), "", ""),
        // Of a group, those of its topic; of a member, those of its worst queue.
        (":g\nv", messages(None), "", ""),
        (":heat b\nv", messages(Some(3)), "", ""),
        // By lag, the smallest first.
        (":g\n22", Page::Groups, "audit-writer", ""),
        (":g\n1", Page::Groups, "audit-writer", ""),
        ("?", Page::Help, "Enter", ""),
        (":g\n??", Page::Pulse, "group billing", ""),
        (":nosuch\n", Page::Pulse, "group billing", ""),
        (":\x1b\x1b\x1b", Page::Pulse, "group billing", ""),
    ] {
        let mut app = samples::app(samples::healthy());
        press(&mut app, keys);
        let row_key = app.selected_row().map(|row| row.key).unwrap_or_default();
        let seen = (
            app.page().clone(),
            row_key.as_str(),
            app.place().filter.as_str(),
        );
        assert_eq!(seen, (page, row, filter), "{keys:?}");
        assert_eq!(app.mode, Mode::Browse, "{keys:?}");
    }
}

#[test]
fn effects() {
    let mut app = samples::app(samples::healthy());
    for (keys, expected) in [
        ("q", Some(Effect::Quit)),
        (":q\n", Some(Effect::Quit)),
        ("r", Some(Effect::Refresh)),
        ("/q\x1b", None),
        ("m", Some(Effect::Mouse(true))),
        (":t\ny", Some(Effect::Copy("audit".to_owned()))),
        ("  y", Some(Effect::Copy("audit\norders".to_owned()))),
        (
            "!",
            Some(Effect::Copy(
                "mq topic stats payments -n 127.0.0.1:9876".to_owned(),
            )),
        ),
        // What the row is about.
        (":p\ny", Some(Effect::Copy("billing".to_owned()))),
        (
            ":c\ny",
            Some(Effect::Copy("10.0.0.1@audit-writer".to_owned())),
        ),
    ] {
        assert_eq!(press(&mut app, keys), expected, "{keys:?}");
    }
}

#[test]
fn the_selection_stays_with_its_name() {
    let mut app = samples::app(samples::healthy());
    press(&mut app, ":t\njj");
    let mut next = samples::healthy();
    next.topics.remove(1);
    update(&mut app, Event::Snapshot(Arc::new(next)));
    assert_eq!(app.selected_row().unwrap().key, "payments");
}

#[test]
fn moving_in_an_empty_list_is_harmless() {
    let mut app = samples::app(samples::empty());
    press(&mut app, ":t\njjGgk y!\nbtc123:g\n\nj");
    assert!(app.selected_row().is_none());
}

#[test]
fn a_failed_round_keeps_what_was_known() {
    let mut app = samples::app(samples::healthy());
    update(&mut app, Event::Failed("no answer".to_owned()));
    assert!(app.latest.is_some() && app.failure.is_some());
    update(&mut app, Event::Snapshot(Arc::new(samples::healthy())));
    assert!(app.failure.is_none());
}

#[test]
fn a_frozen_picture_stays_while_history_goes_on() {
    let mut app = samples::app(samples::healthy());
    press(&mut app, "f");
    update(&mut app, Event::Snapshot(Arc::new(samples::at(2_000, 100))));
    assert_eq!(app.latest.as_ref().unwrap().taken_ms, samples::START_MS);
    press(&mut app, "f");
    assert_eq!(
        app.latest.as_ref().unwrap().taken_ms,
        samples::START_MS + 2_000
    );
    assert_eq!(app.history.topic("orders").unwrap().rate(), Some(50.0));
}

#[test]
fn messages_come_for_the_page_that_asked() {
    let query = |id: i32| {
        let queue = Some(("broker-a".to_owned(), id));
        Question::Messages(Query::latest("orders", queue))
    };
    let mut app = samples::app(samples::healthy());
    press(&mut app, ":topic o\n\n");
    assert_eq!(app.sheet().empty, "asking the brokers …");
    update(
        &mut app,
        Event::Answer(query(1), Err("too late".to_owned())),
    );
    assert_eq!(app.sheet().empty, "asking the brokers …");
    update(
        &mut app,
        Event::Answer(
            query(0),
            Ok(Answer::Messages(
                vec![samples::message(r#"{"n":[1]}"#)],
                None,
            )),
        ),
    );
    assert_eq!(app.sheet().rows[0].key, "broker-a/0/41");
    // In full: a JSON tree.
    press(&mut app, "\n");
    let values: Vec<String> = app
        .sheet()
        .rows
        .iter()
        .map(|row| row.cells[1].plain().to_owned())
        .collect();
    assert!(
        values.ends_with(&["{", "  \"n\": [", "    1", "  ]", "}"].map(str::to_owned)),
        "{values:?}"
    );
    // Frozen: newer messages do not push it out.
    press(&mut app, "f");
    let nothing = Ok(Answer::Messages(Vec::new(), None));
    update(&mut app, Event::Answer(query(0), nothing));
    assert!(!app.sheet().rows.is_empty());
}

#[test]
fn a_change_is_planned_confirmed_and_logged() {
    let mut app = samples::app(samples::healthy());
    // A wrong word does nothing.
    assert_eq!(press(&mut app, ":g\najj\n\nbillin\n"), None);
    assert_eq!(app.mode, Mode::Form);
    let notice = app.notice.as_deref();
    assert_eq!(notice, Some("nothing is done before 'billing' is typed"));
    let Some(Effect::CarryOut(id, Change::DeleteGroup { group, brokers })) = press(&mut app, "g\n")
    else {
        panic!("{:?}", app.form);
    };
    assert_eq!((group.as_str(), brokers.len()), ("billing", 2));
    assert_eq!((&app.mode, &app.form), (&Mode::Browse, &None));
    let refused = Outcome {
        summary: Err("1 of 2 failed: no answer".to_owned()),
        targets: vec![
            ("127.0.0.1:10911".to_owned(), Ok("done".to_owned())),
            ("127.0.0.1:10921".to_owned(), Err("no answer".to_owned())),
        ],
    };
    assert_eq!(
        update(&mut app, Event::CarriedOut(id, refused)),
        Some(Effect::Refresh)
    );
    press(&mut app, ":l\n");
    let row = app.selected_row().unwrap();
    assert_eq!(row.cells[1].plain(), "mq group delete billing --yes");
    assert_eq!(row.cells[2].plain(), "1 of 2 failed: no answer");
    // Target by target.
    press(&mut app, "\n");
    let sheet = app.sheet();
    let seen = sheet.rows.iter().map(|row| row.cells[1].plain());
    assert_eq!(Vec::from_iter(seen), ["done", "no answer"]);
}

#[test]
fn what_the_brokers_must_be_asked_for_is_planned_when_they_answer() {
    let mut app = samples::app(samples::healthy());
    let reset = press(&mut app, ":g\na\n\n");
    let Some(Effect::WorkOut(number, change::Question::Reset { group, topic, .. })) = reset else {
        panic!("{reset:?}");
    };
    assert_eq!((group.as_str(), topic.as_str()), ("billing", "orders"));
    let plan = |word: &str| Plan {
        lines: (0..40).map(|line| format!("line {line}")).collect(),
        command: "mq group reset billing".to_owned(),
        word: Some(word.to_owned()),
        change: Change::Reset {
            group: word.to_owned(),
            parts: Vec::new(),
        },
    };
    // The answer to a form that was left comes too late.
    update(&mut app, Event::Planned(number - 1, Ok(plan("other"))));
    assert!(app.form.as_ref().is_some_and(|form| form.plan.is_none()));
    update(&mut app, Event::Planned(number, Ok(plan("billing"))));
    press(&mut app, "\t\t");
    assert_eq!(app.form.as_ref().map(|form| form.at), Some(2));
    let carried_out = press(&mut app, "billing\n");
    assert!(
        matches!(carried_out, Some(Effect::CarryOut(1, Change::Reset { .. }))),
        "{carried_out:?}"
    );
    // A refusal leaves the form as it was filled in.
    let Some(Effect::WorkOut(number, _)) = press(&mut app, "a\n\n") else {
        panic!("{:?}", app.form);
    };
    update(
        &mut app,
        Event::Planned(number, Err("no answer".to_owned())),
    );
    let form = app.form.as_ref().unwrap();
    assert_eq!(form.problem.as_deref(), Some("no answer"));
    assert!(form.plan.is_none() && form.asking.is_none());
}

#[test]
fn a_queue_is_skipped_and_dead_letters_are_sent_from_where_they_are_seen() {
    let mut app = samples::app(samples::healthy());
    let skip = press(&mut app, ":group b\njja\n\n");
    let expected = change::Question::Reset {
        group: "billing".to_owned(),
        topic: "orders".to_owned(),
        queue: Some("broker-a:2".to_owned()),
        to: change::Aim::Shift(1),
    };
    assert_eq!(skip, Some(Effect::WorkOut(1, expected)));
    let resend = press(&mut app, "\x1b:d\na\n\n");
    let expected = change::Question::Resend {
        group: "billing".to_owned(),
        id: None,
        max_resends: 1,
    };
    assert_eq!(resend, Some(Effect::WorkOut(2, expected)));
}

#[test]
fn searches_begin_at_the_topic_that_is_looked_at() {
    let mut app = samples::app(samples::healthy());
    press(&mut app, ":topic o\ns");
    assert_eq!(app.mode, Mode::Command("find orders ".to_owned()));
    press(&mut app, "k1\n");
    let question = app.page().question().unwrap();
    assert!(!question.goes_on());
    let message = samples::message("x");
    update(
        &mut app,
        Event::Answer(question, Ok(Answer::Messages(vec![message], None))),
    );
    assert_eq!(
        app.sheet().command.as_deref(),
        Some("mq message find orders --key k1")
    );
    press(&mut app, "w");
    assert!(matches!(app.page(), Page::Trace(id) if id == "7F00000100002A9F0000000000001004"));
}

#[test]
fn nothing_is_changed_by_leaving_or_where_it_is_read_only() {
    let mut app = samples::app(samples::healthy());
    for keys in [":g\na\x1b", "a\n\x1b", "a\n\n\x1b", "a\n\nbillin\x1b", "?a"] {
        assert_eq!(press(&mut app, keys), None, "{keys:?}");
        assert_eq!(app.mode, Mode::Browse, "{keys:?}");
    }
    app.read_only = true;
    assert_eq!(press(&mut app, ":g\na\n"), None);
    assert!(app.log.is_empty() && app.form.is_none());
}
