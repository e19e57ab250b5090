//! The only place that touches the terminal: entering it, and leaving it as it was, on return, error and panic alike.

use std::io;

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
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
