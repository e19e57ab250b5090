//! Events in, changed state and effects out.

use std::time::Instant;

use crossterm::event::KeyEvent;

use crate::app::{App, Mode, View};
use crate::keys::{self, Action};
use crate::snapshot::Snapshot;

/// Rows that PageUp and PageDown move by.
const PAGE: usize = 10;
/// A longer filter matches nothing anyway: RocketMQ's names end at 127 characters.
const FILTER_LENGTH: usize = 127;

#[derive(Debug)]
pub(crate) enum Event {
    Key(KeyEvent),
    Snapshot(Box<Snapshot>),
    /// A round of asking gave nothing at all.
    Failed(String),
    Tick(Instant),
    /// Only a reason to draw.
    Resized,
}

/// What the state cannot do itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Quit,
    Refresh,
}

pub(crate) fn update(app: &mut App, event: Event) -> Option<Effect> {
    match event {
        Event::Key(key) => return keys::action(app.mode, key).and_then(|action| act(app, action)),
        Event::Snapshot(snapshot) => {
            app.now = app.now.max(snapshot.taken);
            app.previous = app.latest.replace(*snapshot);
            app.failure = None;
        }
        Event::Failed(failure) => app.failure = Some(failure),
        Event::Tick(now) => app.now = now,
        Event::Resized => {}
    }
    None
}

fn act(app: &mut App, action: Action) -> Option<Effect> {
    match action {
        Action::Quit => return Some(Effect::Quit),
        Action::Refresh => return Some(Effect::Refresh),
        Action::Help => {
            app.mode = if app.mode == Mode::Help {
                Mode::Browse
            } else {
                Mode::Help
            }
        }
        Action::Back => {
            if app.mode != Mode::Help {
                app.filter.clear();
            }
            app.mode = Mode::Browse;
        }
        Action::Filter => app.mode = Mode::Filter,
        Action::Accept => app.mode = Mode::Browse,
        Action::Type(letter) if app.filter.len() < FILTER_LENGTH => app.filter.push(letter),
        Action::Type(_) => {}
        Action::Erase => {
            app.filter.pop();
        }
        Action::Show(view) => show(app, view),
        Action::NextView => show(app, View::ALL[(app.view as usize + 1) % View::ALL.len()]),
        Action::PreviousView => show(
            app,
            View::ALL[(app.view as usize + View::ALL.len() - 1) % View::ALL.len()],
        ),
        Action::Down => select(app, |cursor| cursor + 1),
        Action::Up => select(app, |cursor| cursor.saturating_sub(1)),
        Action::PageDown => select(app, |cursor| cursor + PAGE),
        Action::PageUp => select(app, |cursor| cursor.saturating_sub(PAGE)),
        Action::Top => select(app, |_| 0),
        Action::Bottom => select(app, |_| usize::MAX),
    }
    None
}

fn show(app: &mut App, view: View) {
    app.view = view;
    app.mode = Mode::Browse;
}

fn select(app: &mut App, to: impl FnOnce(usize) -> usize) {
    let mut names = app.names();
    let Some(last) = names.len().checked_sub(1) else {
        return;
    };
    let cursor = to(app.cursor(&names)).min(last);
    app.selected[app.view as usize] = Some(names.swap_remove(cursor));
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;
    use crate::samples;

    fn press(app: &mut App, keys: &str) -> Option<Effect> {
        let code = |letter| match letter {
            '\t' => KeyCode::Tab,
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\x08' => KeyCode::Backspace,
            letter => KeyCode::Char(letter),
        };
        let mut effect = None;
        for letter in keys.chars() {
            effect = update(
                app,
                Event::Key(KeyEvent::new(code(letter), KeyModifiers::NONE)),
            );
        }
        effect
    }

    #[test]
    fn keys_lead_to_views_and_rows() {
        // Keys typed from the start; the view, the row and the filter that they lead to.
        for (keys, view, row, filter) in [
            ("", View::Brokers, "127.0.0.1:10911", ""),
            ("2", View::Topics, "audit", ""),
            ("\t", View::Topics, "audit", ""),
            ("\t\t\t", View::Brokers, "127.0.0.1:10911", ""),
            ("2jj", View::Topics, "payments", ""),
            ("2G", View::Topics, "payments", ""),
            ("2Gg", View::Topics, "audit", ""),
            ("2jjjjkk", View::Topics, "audit", ""),
            ("2/PAY\n", View::Topics, "payments", "PAY"),
            ("2/!audit\n", View::Topics, "orders", "!audit"),
            ("2/pay\x08\x08\x08\n", View::Topics, "audit", ""),
            ("2/pay\x1b", View::Topics, "audit", ""),
            ("3", View::Groups, "billing", ""),
            ("3?1", View::Brokers, "127.0.0.1:10911", ""),
        ] {
            let mut app = samples::app(samples::healthy());
            press(&mut app, keys);
            let names = app.names();
            assert_eq!(
                (
                    app.view,
                    names[app.cursor(&names)].as_str(),
                    app.filter.as_str()
                ),
                (view, row, filter),
                "{keys:?}"
            );
            assert_eq!(app.mode, Mode::Browse, "{keys:?}");
        }
    }

    #[test]
    fn effects() {
        let mut app = samples::app(samples::healthy());
        assert_eq!(press(&mut app, "q"), Some(Effect::Quit));
        assert_eq!(press(&mut app, "r"), Some(Effect::Refresh));
        assert_eq!(press(&mut app, "/q"), None);
    }

    #[test]
    fn the_selection_stays_with_its_name() {
        let mut app = samples::app(samples::healthy());
        press(&mut app, "2jj");
        let mut next = samples::healthy();
        next.topics.remove(0);
        update(&mut app, Event::Snapshot(Box::new(next)));
        assert_eq!(app.names()[app.cursor(&app.names())], "payments");
    }

    #[test]
    fn moving_in_an_empty_list_is_harmless() {
        let mut app = samples::app(samples::empty());
        press(&mut app, "2jjGgk3j");
        assert!(app.names().is_empty());
    }

    #[test]
    fn a_failed_round_keeps_what_was_known() {
        let mut app = samples::app(samples::healthy());
        update(&mut app, Event::Failed("no answer".to_owned()));
        assert!(app.latest.is_some() && app.failure.is_some());
        update(&mut app, Event::Snapshot(Box::new(samples::healthy())));
        assert!(app.failure.is_none());
    }
}
