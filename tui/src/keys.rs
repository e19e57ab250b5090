//! All keys, once: what they do, what the footer and the help say about them.

use crossterm::event::KeyCode::{
    BackTab, Backspace, Char, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up,
};
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
    /// By a column, from 0; once more turns the order round. The keys of one binding stand for columns next to each other.
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
    /// A word for the footer; `None` keeps it out.
    pub(crate) footer: Option<&'static str>,
    /// What the help says of it; nothing outside of [`BROWSE`].
    pub(crate) help: &'static str,
}

const fn bind(
    keys: &'static [KeyCode],
    action: Action,
    label: &'static str,
    footer: Option<&'static str>,
    help: &'static str,
) -> Binding {
    Binding {
        keys,
        action,
        label,
        footer,
        help,
    }
}

/// A key that the footer alone explains.
const fn hint(
    keys: &'static [KeyCode],
    action: Action,
    label: &'static str,
    footer: Option<&'static str>,
) -> Binding {
    bind(keys, action, label, footer, "")
}

const DIGITS: [KeyCode; 9] = [
    Char('1'),
    Char('2'),
    Char('3'),
    Char('4'),
    Char('5'),
    Char('6'),
    Char('7'),
    Char('8'),
    Char('9'),
];

/// While looking around.
#[rustfmt::skip]
pub(crate) const BROWSE: &[Binding] = &[
    bind(&[Enter],                    Action::Open,                 "Enter",     Some("open"),   "open what the row stands for"),
    bind(&[Esc],                      Action::Back,                 "Esc",       Some("back"),   "remove the filter, else go back a page"),
    bind(&[Char(':')],                Action::Command,              ":",         Some("go to"),  "go to a page: :groups, :topic orders; Tab completes, the first letter is enough"),
    bind(&[Char('?')],                Action::Help,                 "?",         Some("help"),   "this help"),
    bind(&[Char('/')],                Action::Filter,               "/",         Some("filter"), "keep rows that contain a text; /!text those that do not"),
    bind(&[Char('e')],                Action::Expand,               "e",         Some("more"),   "all fields of the row, with evidence and fix"),
    bind(&[Char('!')],                Action::Equivalent,           "!",         Some("cmd"),    "show and copy the mq command that does the same"),
    bind(&[Tab, Right, Char('l')],    Action::NextView,             "Tab → l",   None,           "next page of the top"),
    bind(&[BackTab, Left, Char('h')], Action::PreviousView,         "S-Tab ← h", None,           "previous page of the top"),
    bind(&[Char('-')],                Action::Previous,             "-",         None,           "the page seen before"),
    bind(&[Down, Char('j')],          Action::Down,                 "↓ j",       None,           "next row"),
    bind(&[Up, Char('k')],            Action::Up,                   "↑ k",       None,           "previous row"),
    bind(&[PageDown],                 Action::PageDown,             "PgDn",      None,           "ten rows down"),
    bind(&[PageUp],                   Action::PageUp,               "PgUp",      None,           "ten rows up"),
    bind(&[Home, Char('g')],          Action::Top,                  "Home g",    None,           "first row"),
    bind(&[End, Char('G')],           Action::Bottom,               "End G",     None,           "last row"),
    bind(&[Char('b')],                Action::Jump(Kind::Broker),   "b",         None,           "jump to the broker of the row"),
    bind(&[Char('t')],                Action::Jump(Kind::Topic),    "t",         None,           "jump to the topic of the row"),
    bind(&[Char('c')],                Action::Jump(Kind::Group),    "c",         None,           "jump to the consumer group of the row"),
    bind(&[Char('v')],                Action::Jump(Kind::Messages), "v",         None,           "view the latest messages of the row's topic or queue"),
    bind(&[Char('s')],                Action::Find,                 "s",         None,           "search messages of the topic: by key, by id, or since when, as -1h"),
    bind(&[Char('w')],                Action::Jump(Kind::Trace),    "w",         None,           "what became of the message: its trace"),
    bind(&[Char('H')],                Action::Heat,                 "H",         None,           "heat map: all queues of the topic or group, by owner"),
    bind(&DIGITS,                     Action::Sort(0),              "1 … 9",     None,           "sort by that column, once more turns the order round"),
    bind(&[Char('a')],                Action::Act,                  "a",         Some("act"),    "change something: a menu of what can be done here"),
    bind(&[Char(' ')],                Action::Mark,                 "Space",     None,           "mark the row; y copies all marked ones"),
    bind(&[Char('y')],                Action::Copy,                 "y",         None,           "copy what the row is about to the clipboard (OSC 52)"),
    bind(&[Char('f')],                Action::Freeze,               "f",         None,           "freeze the picture; asking goes on"),
    bind(&[Char('m')],                Action::Mouse,                "m",         None,           "mouse on and off; off, the terminal selects text"),
    bind(&[Char('r')],                Action::Refresh,              "r",         None,           "ask the servers now"),
    bind(&[Char('q')],                Action::Quit,                 "q",         Some("quit"),   "quit (also Ctrl-C)"),
];

/// While typing the filter.
#[rustfmt::skip]
const FILTER: &[Binding] = &[
    hint(&[Enter],     Action::Accept, "Enter", Some("keep")),
    hint(&[Esc],       Action::Cancel, "Esc",   Some("remove")),
    hint(&[Backspace], Action::Erase,  "Bksp",  Some("erase")),
];

/// While typing a command.
#[rustfmt::skip]
const COMMAND: &[Binding] = &[
    hint(&[Enter],     Action::Accept,   "Enter", Some("go")),
    hint(&[Tab],       Action::Complete, "Tab",   Some("complete")),
    hint(&[Esc],       Action::Cancel,   "Esc",   Some("stay")),
    hint(&[Backspace], Action::Erase,    "Bksp",  Some("erase")),
];

/// While choosing an action.
#[rustfmt::skip]
const MENU: &[Binding] = &[
    hint(&[Enter],                  Action::Accept,        "Enter", Some("choose")),
    hint(&[Down, Tab, Char('j')],   Action::NextField,     "↓ j",   Some("next")),
    hint(&[Up, BackTab, Char('k')], Action::PreviousField, "↑ k",   Some("previous")),
    hint(&[Esc, Char('q')],         Action::Cancel,        "Esc",   Some("nothing")),
];

/// While filling in and confirming an action.
#[rustfmt::skip]
const FORM: &[Binding] = &[
    hint(&[Enter],       Action::Accept,        "Enter", Some("go on")),
    hint(&[Tab, Down],   Action::NextField,     "Tab",   Some("next field")),
    hint(&[BackTab, Up], Action::PreviousField, "S-Tab", Some("previous")),
    hint(&[Esc],         Action::Cancel,        "Esc",   Some("do nothing")),
    hint(&[Backspace],   Action::Erase,         "Bksp",  None),
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
    let bound = table(mode).iter().find_map(|binding| {
        let place = binding.keys.iter().position(|known| *known == key.code)?;
        Some(match binding.action {
            Action::Sort(first) => Action::Sort(first + place),
            action => action,
        })
    });
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
