//! In Chinese: screens, and that no word of ours is left in English on any of them.

use super::incidents::INCIDENTS;
use super::*;

#[test]
fn in_chinese() {
    let theme = Theme {
        lang: crate::Lang::Chinese,
        ..PLAIN
    };
    let mut screens = String::new();
    for (name, keys) in [
        ("pulse", ""),
        ("groups", ":g\n"),
        ("group", ":group b\n"),
        ("heat map", ":heat b\n"),
        ("menu", ":g\na"),
        ("help", "\x1b?"),
    ] {
        let mut app = with_traffic(samples::failing());
        press(&mut app, keys);
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| view(&app, theme, frame)).unwrap();
        let seen = crate::frame::text(terminal.backend().buffer());
        assert!(seen.lines().all(|line| line.width() <= 80), "{seen}");
        screens.push_str(&format!("--- {name}\n{}", without_blank_lines(&seen)));
    }
    check("chinese", &screens);
}

/// Words of a Chinese screen that are neither names nor something to be typed.
fn left_in_english(screen: &str) -> Vec<String> {
    const NAMES: &str = "Broker NameServer DLQ RETRY JSON OSC NTP KEYS DefaultCluster JAVA MiB GiB KiB \
        Enter Esc Tab Space Home End PgDn PgUp Ctrl text \
        latest earliest true false orders audit writer billing mailer payments shop broker conf profile rewrite \
        fileReservedTime namesrvAddr brokerIP enableMsgTrace traceTopicEnable timedatectl iostat \
        topics groups topic group find nosuch now test vip order lag heat";
    // What the sample's servers say, and commands: those end with the line.
    let mut text = screen.replace(NO_ANSWER, "");
    for said in [
        "connect to 127.0.0.1:10921: connection refused",
        "connection refused",
    ] {
        text = text.replace(said, "");
    }
    let lines = text.lines().skip(1);
    let own = lines.map(|line| line.split("mq ").next().unwrap_or_default());
    let words = own.flat_map(|line| line.split(|letter: char| !letter.is_ascii_alphabetic()));
    let known: Vec<&str> = NAMES.split_whitespace().collect();
    words
        .filter(|word| word.len() > 2 && !known.contains(word))
        .filter(|word| !word.starts_with("topic") && !word.starts_with("group"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn nothing_is_left_in_english() {
    let theme = Theme {
        lang: crate::Lang::Chinese,
        ..PLAIN
    };
    let draw = |app: &App| {
        let mut terminal = Terminal::new(TestBackend::new(200, 60)).unwrap();
        terminal.draw(|frame| view(app, theme, frame)).unwrap();
        crate::frame::text(terminal.backend().buffer())
    };
    let mut left = std::collections::BTreeMap::new();
    let mut look = |what: String, app: &App| {
        let screen = draw(app);
        for word in left_in_english(&screen) {
            left.entry(word)
                .or_insert_with(|| format!("{what}\n{screen}"));
        }
    };
    for (situation, snapshot) in &SITUATIONS[..3] {
        for (page, keys) in PAGES {
            let mut app = with_traffic(snapshot());
            press(&mut app, keys);
            look(format!("{page}, {situation}"), &app);
            press(&mut app, "e");
            look(format!("{page}, {situation}, in full"), &app);
        }
        look("at first".to_owned(), &samples::app(snapshot()));
    }
    for incident in INCIDENTS {
        let mut app = (incident.app)();
        for row in app.sheet().rows {
            app.place_mut().selected = Some(row.key);
            look(incident.name.to_owned(), &app);
        }
        press(&mut app, ":b\n");
        look(incident.name.to_owned(), &app);
    }
    // Every action that is offered: its form, and its plan or why there is none.
    for keys in [":t\nj", ":g\n", ":g\n\n", ":b\n", ":d\n", ":topic %\n"] {
        for action in 0..7 {
            let mut app = with_traffic(samples::healthy());
            press(&mut app, keys);
            press(&mut app, &format!("a{}\n", "j".repeat(action)));
            look(format!("{keys:?}, action {action}"), &app);
            press(&mut app, "\n");
            look(format!("{keys:?}, action {action}, planned"), &app);
            press(&mut app, "x\n");
            look(format!("{keys:?}, action {action}, x typed"), &app);
        }
    }
    for keys in [
        "?b",
        "?t",
        "?c",
        "?v",
        "?w",
        "?H",
        "?!",
        "?a",
        "!",
        "y",
        "m",
        "f",
        " ",
        ":trace\n",
        ":find\n",
        ":find nosuch x\n",
        ":nosuch\n",
        ":find orders -x\n",
        ":find orders from:x\n",
        ":t\n/nosuch\n",
        ":trace k\n",
    ] {
        let mut app = with_traffic(samples::healthy());
        press(&mut app, keys);
        look(format!("{keys:?}"), &app);
        app.read_only = true;
        press(&mut app, "a");
        look(format!("{keys:?}, read-only"), &app);
    }
    let query = Query::latest("orders", None);
    let place = "broker-a/0/41".to_owned();
    for (page, answer) in [
        (
            Page::Messages(query.clone()),
            Ok(Answer::Messages(Vec::new(), None)),
        ),
        (
            Page::Message {
                query: query.clone(),
                place: place.clone(),
            },
            Ok(Answer::Messages(Vec::new(), None)),
        ),
        (
            Page::Message { query, place },
            Ok(Answer::Messages(vec![samples::message("{}")], None)),
        ),
        (
            Page::Trace("ID".to_owned()),
            Ok(Answer::Trace(life(2), None)),
        ),
        (
            Page::Trace("ID".to_owned()),
            Ok(Answer::Trace(Vec::new(), None)),
        ),
        (Page::Trace("ID".to_owned()), Err(NO_ANSWER.to_owned())),
    ] {
        let mut app = samples::app(samples::healthy());
        app.open(page.clone());
        let question = app.page().question().unwrap();
        update(&mut app, Event::Answer(question, answer));
        look(format!("{page:?}"), &app);
    }
    let mut seen = Vec::from_iter(left.values().cloned());
    seen.dedup();
    let words = Vec::from_iter(left.keys());
    assert!(words.is_empty(), "{words:?}\n{}", seen.join("\n"));
}
