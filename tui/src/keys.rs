//! All keys, once: what they do, what the footer and the help say about them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::app::Mode;

/// What a key makes happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Quit,
    Help,
    Open,
    Back,
    Previous,
    NextView,
    PreviousView,
    Jump(Kind),
    Heat,
    /// Looking for messages.
    Find,
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Filter,
    Command,
    /// By a column, from 0; once more turns the order round.
    Sort(usize),
    Freeze,
    Expand,
    Copy,
    Equivalent,
    /// The menu of changes.
    Act,
    Mark,
    Mouse,
    Refresh,
    /// While typing.
    Type(char),
    Erase,
    Complete,
    Accept,
    Cancel,
    NextField,
    PreviousField,
}

/// A kind of object that a row can lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Broker,
    Topic,
    Group,
    Messages,
    Trace,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Binding {
    keys: &'static [KeyCode],
    action: Action,
    /// As shown: `Tab`, `↑ k`.
    pub(crate) label: &'static str,
    /// Empty for keys that another row explains.
    pub(crate) help: &'static str,
    /// A word for the footer; `None` keeps it out.
    pub(crate) footer: Option<&'static str>,
}

const fn bind(
    keys: &'static [KeyCode],
    action: Action,
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        keys,
        action,
        label,
        help,
        footer: None,
    }
}

const fn shown(
    keys: &'static [KeyCode],
    action: Action,
    label: &'static str,
    footer: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        keys,
        action,
        label,
        help,
        footer: Some(footer),
    }
}

use KeyCode::Char;

/// While looking around.
pub(crate) const BROWSE: &[Binding] = &[
    shown(
        &[KeyCode::Enter],
        Action::Open,
        "Enter",
        "open",
        "open what the row stands for",
    ),
    shown(
        &[KeyCode::Esc],
        Action::Back,
        "Esc",
        "back",
        "remove the filter, else go back a page",
    ),
    shown(
        &[Char(':')],
        Action::Command,
        ":",
        "go to",
        "go to a page: :groups, :topic orders; Tab completes, the first letter is enough",
    ),
    shown(&[Char('?')], Action::Help, "?", "help", "this help"),
    shown(
        &[Char('/')],
        Action::Filter,
        "/",
        "filter",
        "keep rows that contain a text; /!text those that do not",
    ),
    shown(
        &[Char('e')],
        Action::Expand,
        "e",
        "more",
        "all fields of the row, with evidence and fix",
    ),
    shown(
        &[Char('!')],
        Action::Equivalent,
        "!",
        "cmd",
        "show and copy the mq command that does the same",
    ),
    bind(
        &[KeyCode::Tab, KeyCode::Right, Char('l')],
        Action::NextView,
        "Tab → l",
        "next page of the top",
    ),
    bind(
        &[KeyCode::BackTab, KeyCode::Left, Char('h')],
        Action::PreviousView,
        "S-Tab ← h",
        "previous page of the top",
    ),
    bind(&[Char('-')], Action::Previous, "-", "the page seen before"),
    bind(&[KeyCode::Down, Char('j')], Action::Down, "↓ j", "next row"),
    bind(&[KeyCode::Up, Char('k')], Action::Up, "↑ k", "previous row"),
    bind(
        &[KeyCode::PageDown],
        Action::PageDown,
        "PgDn",
        "ten rows down",
    ),
    bind(&[KeyCode::PageUp], Action::PageUp, "PgUp", "ten rows up"),
    bind(
        &[KeyCode::Home, Char('g')],
        Action::Top,
        "Home g",
        "first row",
    ),
    bind(
        &[KeyCode::End, Char('G')],
        Action::Bottom,
        "End G",
        "last row",
    ),
    bind(
        &[Char('b')],
        Action::Jump(Kind::Broker),
        "b",
        "jump to the broker of the row",
    ),
    bind(
        &[Char('t')],
        Action::Jump(Kind::Topic),
        "t",
        "jump to the topic of the row",
    ),
    bind(
        &[Char('c')],
        Action::Jump(Kind::Group),
        "c",
        "jump to the consumer group of the row",
    ),
    bind(
        &[Char('v')],
        Action::Jump(Kind::Messages),
        "v",
        "view the latest messages of the row's topic or queue",
    ),
    bind(
        &[Char('s')],
        Action::Find,
        "s",
        "search messages of the topic: by key, by id, or since when, as -1h",
    ),
    bind(
        &[Char('w')],
        Action::Jump(Kind::Trace),
        "w",
        "what became of the message: its trace",
    ),
    bind(
        &[Char('H')],
        Action::Heat,
        "H",
        "heat map: all queues of the topic or group, by owner",
    ),
    bind(
        &[Char('1')],
        Action::Sort(0),
        "1 … 9",
        "sort by that column, once more turns the order round",
    ),
    bind(&[Char('2')], Action::Sort(1), "2", ""),
    bind(&[Char('3')], Action::Sort(2), "3", ""),
    bind(&[Char('4')], Action::Sort(3), "4", ""),
    bind(&[Char('5')], Action::Sort(4), "5", ""),
    bind(&[Char('6')], Action::Sort(5), "6", ""),
    bind(&[Char('7')], Action::Sort(6), "7", ""),
    bind(&[Char('8')], Action::Sort(7), "8", ""),
    bind(&[Char('9')], Action::Sort(8), "9", ""),
    shown(
        &[Char('a')],
        Action::Act,
        "a",
        "act",
        "change something: a menu of what can be done here",
    ),
    bind(
        &[Char(' ')],
        Action::Mark,
        "Space",
        "mark the row; y copies all marked ones",
    ),
    bind(
        &[Char('y')],
        Action::Copy,
        "y",
        "copy what the row is about to the clipboard (OSC 52)",
    ),
    bind(
        &[Char('f')],
        Action::Freeze,
        "f",
        "freeze the picture; asking goes on",
    ),
    bind(
        &[Char('m')],
        Action::Mouse,
        "m",
        "mouse on and off; off, the terminal selects text",
    ),
    bind(&[Char('r')], Action::Refresh, "r", "ask the servers now"),
    shown(
        &[Char('q')],
        Action::Quit,
        "q",
        "quit",
        "quit (also Ctrl-C)",
    ),
];

/// While typing the filter.
const FILTER: &[Binding] = &[
    shown(
        &[KeyCode::Enter],
        Action::Accept,
        "Enter",
        "keep",
        "keep the filter",
    ),
    shown(
        &[KeyCode::Esc],
        Action::Cancel,
        "Esc",
        "remove",
        "remove the filter",
    ),
    shown(
        &[KeyCode::Backspace],
        Action::Erase,
        "Bksp",
        "erase",
        "erase a letter",
    ),
];

/// While typing a command.
const COMMAND: &[Binding] = &[
    shown(&[KeyCode::Enter], Action::Accept, "Enter", "go", "go there"),
    shown(
        &[KeyCode::Tab],
        Action::Complete,
        "Tab",
        "complete",
        "complete",
    ),
    shown(&[KeyCode::Esc], Action::Cancel, "Esc", "stay", "stay here"),
    shown(
        &[KeyCode::Backspace],
        Action::Erase,
        "Bksp",
        "erase",
        "erase a letter",
    ),
];

/// While choosing an action.
const MENU: &[Binding] = &[
    shown(
        &[KeyCode::Enter],
        Action::Accept,
        "Enter",
        "choose",
        "choose it",
    ),
    shown(
        &[KeyCode::Down, KeyCode::Tab, Char('j')],
        Action::NextField,
        "↓ j",
        "next",
        "next",
    ),
    shown(
        &[KeyCode::Up, KeyCode::BackTab, Char('k')],
        Action::PreviousField,
        "↑ k",
        "previous",
        "previous",
    ),
    shown(
        &[KeyCode::Esc, Char('q')],
        Action::Cancel,
        "Esc",
        "nothing",
        "do nothing",
    ),
];

/// While filling in and confirming an action.
const FORM: &[Binding] = &[
    shown(
        &[KeyCode::Enter],
        Action::Accept,
        "Enter",
        "go on",
        "show the plan; carry it out",
    ),
    shown(
        &[KeyCode::Tab, KeyCode::Down],
        Action::NextField,
        "Tab",
        "next field",
        "next field",
    ),
    shown(
        &[KeyCode::BackTab, KeyCode::Up],
        Action::PreviousField,
        "S-Tab",
        "previous",
        "previous field",
    ),
    shown(
        &[KeyCode::Esc],
        Action::Cancel,
        "Esc",
        "do nothing",
        "do nothing",
    ),
    bind(
        &[KeyCode::Backspace],
        Action::Erase,
        "Bksp",
        "erase a letter",
    ),
];

/// The keys that count in a mode.
pub(crate) fn table(mode: &Mode) -> &'static [Binding] {
    match mode {
        Mode::Browse => BROWSE,
        Mode::Filter => FILTER,
        Mode::Command(_) => COMMAND,
        Mode::Menu(_) => MENU,
        Mode::Form => FORM,
    }
}

/// What a key means in a mode.
pub(crate) fn action(mode: &Mode, key: KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == Char('c')).then_some(Action::Quit);
    }
    let bound = table(mode)
        .iter()
        .find(|binding| binding.keys.contains(&key.code))
        .map(|binding| binding.action);
    match (bound, key.code) {
        (None, Char(letter)) if !matches!(mode, Mode::Browse | Mode::Menu(_)) => {
            Some(Action::Type(letter))
        }
        _ => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_bound_twice() {
        for table in [BROWSE, FILTER, COMMAND, MENU, FORM] {
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
    fn labels_are_readable_in_ascii() {
        let ascii = crate::theme::Theme {
            ascii: true,
            ..Default::default()
        };
        for binding in [BROWSE, FILTER, COMMAND, MENU, FORM].into_iter().flatten() {
            let unknown = |text: &str| text.matches('?').count();
            let shown = ascii.text(binding.label);
            assert_eq!(unknown(&shown), unknown(binding.label), "{shown}");
        }
    }

    #[test]
    fn letters_are_text_while_typing() {
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        for mode in [Mode::Filter, Mode::Command(String::new()), Mode::Form] {
            assert_eq!(action(&mode, key(Char('q'))), Some(Action::Type('q')));
            let control_c = KeyEvent::new(Char('c'), KeyModifiers::CONTROL);
            assert_eq!(action(&mode, control_c), Some(Action::Quit));
        }
        assert_eq!(action(&Mode::Browse, key(Char('q'))), Some(Action::Quit));
        assert_eq!(action(&Mode::Browse, key(Char('x'))), None);
    }
}
