//! All keys, once: what they do, what the footer and the help say about them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::app::{Mode, View};

/// What a key makes happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Quit,
    Help,
    /// Leaves help, or removes the filter.
    Back,
    NextView,
    PreviousView,
    Show(View),
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Filter,
    Refresh,
    /// While typing the filter.
    Type(char),
    Erase,
    Accept,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Binding {
    keys: &'static [KeyCode],
    action: Action,
    /// As shown: `Tab`, `↑ k`.
    pub(crate) label: &'static str,
    pub(crate) help: &'static str,
    /// A word for the footer; `None` keeps it out.
    pub(crate) footer: Option<&'static str>,
}

macro_rules! bind {
    ($label:literal, [$($key:expr),+], $action:expr, $help:literal $(, $footer:literal)?) => {
        Binding { keys: &[$($key),+], action: $action, label: $label, help: $help, footer: bind!(@ $($footer)?) }
    };
    (@) => { None };
    (@ $footer:literal) => { Some($footer) };
}

use KeyCode::Char;

/// While looking around. The first binding of a key counts.
pub(crate) const BROWSE: &[Binding] = &[
    bind!(
        "1",
        [Char('1')],
        Action::Show(View::Brokers),
        "brokers: state, rates, disk"
    ),
    bind!(
        "2",
        [Char('2')],
        Action::Show(View::Topics),
        "topics: messages, arrival rate"
    ),
    bind!(
        "3",
        [Char('3')],
        Action::Show(View::Groups),
        "groups: lag, largest first"
    ),
    bind!(
        "Tab",
        [KeyCode::Tab, KeyCode::Right, Char('l')],
        Action::NextView,
        "next view (also → l)",
        "view"
    ),
    bind!(
        "⇧Tab",
        [KeyCode::BackTab, KeyCode::Left, Char('h')],
        Action::PreviousView,
        "previous view (also ← h)"
    ),
    bind!(
        "↑↓",
        [KeyCode::Down, Char('j')],
        Action::Down,
        "next and previous row (also j k)",
        "move"
    ),
    bind!("k", [KeyCode::Up, Char('k')], Action::Up, "previous row"),
    bind!("PgDn", [KeyCode::PageDown], Action::PageDown, "a page down"),
    bind!("PgUp", [KeyCode::PageUp], Action::PageUp, "a page up"),
    bind!(
        "Home",
        [KeyCode::Home, Char('g')],
        Action::Top,
        "first row (also g)"
    ),
    bind!(
        "End",
        [KeyCode::End, Char('G')],
        Action::Bottom,
        "last row (also G)"
    ),
    bind!(
        "/",
        [Char('/')],
        Action::Filter,
        "filter by name; /!text shows what does not contain it",
        "filter"
    ),
    bind!(
        "Esc",
        [KeyCode::Esc],
        Action::Back,
        "remove the filter, leave this help"
    ),
    bind!(
        "r",
        [Char('r')],
        Action::Refresh,
        "ask the servers now",
        "refresh"
    ),
    bind!("?", [Char('?')], Action::Help, "this help", "help"),
    bind!("q", [Char('q')], Action::Quit, "quit (also Ctrl-C)", "quit"),
];

/// While typing the filter.
pub(crate) const FILTER: &[Binding] = &[
    bind!(
        "Enter",
        [KeyCode::Enter],
        Action::Accept,
        "keep the filter",
        "keep"
    ),
    bind!(
        "Esc",
        [KeyCode::Esc],
        Action::Back,
        "remove the filter",
        "remove"
    ),
    bind!(
        "⌫",
        [KeyCode::Backspace],
        Action::Erase,
        "erase a letter",
        "erase"
    ),
];

/// The keys that count in a mode.
pub(crate) fn table(mode: Mode) -> &'static [Binding] {
    match mode {
        Mode::Filter => FILTER,
        Mode::Browse | Mode::Help => BROWSE,
    }
}

/// What a key means in a mode.
pub(crate) fn action(mode: Mode, key: KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == Char('c')).then_some(Action::Quit);
    }
    let bound = table(mode)
        .iter()
        .find(|binding| binding.keys.contains(&key.code))
        .map(|binding| binding.action);
    match (bound, mode, key.code) {
        (None, Mode::Filter, Char(letter)) => Some(Action::Type(letter)),
        _ => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_bound_twice() {
        for table in [BROWSE, FILTER] {
            let keys: Vec<KeyCode> = table
                .iter()
                .flat_map(|binding| binding.keys)
                .copied()
                .collect();
            for (place, key) in keys.iter().enumerate() {
                assert!(!keys[..place].contains(key), "{key} is bound twice");
            }
        }
    }

    #[test]
    fn letters_are_text_while_filtering() {
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert_eq!(
            action(Mode::Filter, key(Char('q'))),
            Some(Action::Type('q'))
        );
        assert_eq!(action(Mode::Browse, key(Char('q'))), Some(Action::Quit));
        assert_eq!(action(Mode::Browse, key(Char('x'))), None);
        let control_c = KeyEvent::new(Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(Mode::Filter, control_c), Some(Action::Quit));
    }
}
