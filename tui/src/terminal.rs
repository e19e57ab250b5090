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
