//! A drawn screen as text.

use std::fmt::Write;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// Lines without trailing blanks.
pub(crate) fn text(buffer: &Buffer) -> String {
    lines(buffer, |_, _, _| {})
}

/// Lines with the escape sequences of their colours; each begins and ends plain.
pub(crate) fn ansi(buffer: &Buffer) -> String {
    const PLAIN: (Color, Modifier) = (Color::Reset, Modifier::empty());
    let mut present = PLAIN;
    lines(buffer, |line, color, modifier| {
        if (color, modifier) == present {
            return;
        }
        present = (color, modifier);
        line.push_str("\x1b[0");
        for (flag, code) in [
            (Modifier::BOLD, 1),
            (Modifier::DIM, 2),
            (Modifier::REVERSED, 7),
        ] {
            if modifier.contains(flag) {
                let _ = write!(line, ";{code}");
            }
        }
        let code = match color {
            Color::Red => 31,
            Color::Green => 32,
            Color::Yellow => 33,
            Color::Blue => 34,
            Color::Magenta => 35,
            _ => 39,
        };
        let _ = write!(line, ";{code}m");
    })
}

/// Every line of the screen, `styled` called before each cell with what it looks like, and plain at the end.
fn lines(buffer: &Buffer, mut styled: impl FnMut(&mut String, Color, Modifier)) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let mut text = String::new();
    for cells in buffer.content().chunks(width) {
        let blank = |cell: &ratatui::buffer::Cell| cell.symbol() == " " && cell.modifier.is_empty();
        let length = cells.len() - cells.iter().rev().take_while(|cell| blank(cell)).count();
        let mut line = String::new();
        let mut hidden = 0;
        for cell in &cells[..length] {
            // The cells behind a wide character are blank.
            if hidden > 0 {
                hidden -= 1;
                continue;
            }
            hidden = cell.symbol().width().saturating_sub(1);
            styled(&mut line, cell.fg, cell.modifier);
            line.push_str(cell.symbol());
        }
        styled(&mut line, Color::Reset, Modifier::empty());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn a_screen_as_text_and_with_colours() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 2));
        buffer.set_string(0, 0, "订 ok", Style::new());
        buffer.set_string(0, 1, "bad", Style::new().fg(Color::Red).bold());
        assert_eq!(text(&buffer), "订 ok\nbad\n");
        assert_eq!(ansi(&buffer), "订 ok\n\x1b[0;1;31mbad\x1b[0;39m\n");
    }
}
