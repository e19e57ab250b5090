//! The only place that touches the terminal: entering it, and leaving it as it was, on return, error and panic alike.

use std::io::{self, stdout};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::execute;
use ratatui::{DefaultTerminal, Frame};

/// The alternate screen in raw mode, until dropped.
#[derive(Debug)]
pub(crate) struct Screen(DefaultTerminal);

impl Screen {
    /// # Errors
    /// When standard output is no terminal that can be set up.
    pub(crate) fn enter() -> io::Result<Self> {
        // Sets a panic hook as well.
        ratatui::try_init().map(Self)
    }

    pub(crate) fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(view).map(drop)
    }

    /// Into the clipboard of the terminal, wherever that runs: over ssh, it is the user's own.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    pub(crate) fn mouse(&mut self, on: bool) -> io::Result<()> {
        if on {
            execute!(stdout(), EnableMouseCapture)
        } else {
            execute!(stdout(), DisableMouseCapture)
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing more can be done on a terminal that takes nothing any more.
        let _ = self.mouse(false);
        ratatui::restore();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use mq_tests::terminal::Terminal;

    use super::*;

    /// Set for the process that is to panic.
    const PANICS: &str = "MQ_TUI_PANICS";

    /// Nothing by itself: what [`a_panic_leaves_the_terminal_as_it_was`] runs in a terminal.
    #[test]
    fn panics_while_it_draws() {
        if std::env::var_os(PANICS).is_none() {
            return;
        }
        let mut screen = Screen::enter().unwrap();
        screen.mouse(true).unwrap();
        screen.draw(|_| panic!("out of words")).unwrap();
    }

    #[test]
    fn a_panic_leaves_the_terminal_as_it_was() {
        let before = format!(
            "{:?}",
            Terminal::run(&mut Command::new("true"), 80, 24).settings()
        );
        let mut program = Command::new(std::env::current_exe().unwrap());
        let test = "terminal::tests::panics_while_it_draws";
        program
            .args([test, "--exact", "--nocapture"])
            .env(PANICS, "1");
        let mut terminal = Terminal::run(&mut program, 80, 24);
        assert_ne!(terminal.exit_code(), Some(0));
        terminal.wait_for("out of words");
        terminal.wait_for("\x1b[?1000l");
        let written = terminal.written();
        let [entered, left, said] = ["\x1b[?1049h", "\x1b[?1049l", "out of words"].map(|text| {
            written
                .find(text)
                .unwrap_or_else(|| panic!("{text:?}: {written:?}"))
        });
        // Said where it stays to be read.
        assert!(entered < left && left < said, "{written:?}");
        assert_eq!(format!("{:?}", terminal.settings()), before);
    }
}
