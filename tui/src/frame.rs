//! A drawn screen as text.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
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
        let blank = |cell: &Cell| cell.symbol() == " " && cell.modifier.is_empty();
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

/// As a picture: a drawing of the screen, for documents.
#[cfg(test)]
pub(crate) fn svg(buffer: &Buffer) -> String {
    const CELL: (usize, usize) = (8, 17);
    let (columns, rows) = (buffer.area.width, buffer.area.height);
    let (width, height) = (
        usize::from(columns) * CELL.0 + 16,
        usize::from(rows) * CELL.1 + 16,
    );
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-size=\"13\" \
         font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#161b22\"/>\n"
    );
    let rows = buffer.content().chunks(usize::from(columns).max(1));
    for (row, cells) in rows.enumerate() {
        let top = row * CELL.1 + 8;
        let mut column = 0;
        let alike = |a: &Cell, b: &Cell| (a.fg, a.modifier) == (b.fg, b.modifier);
        for run in cells.chunk_by(alike) {
            let text: String = run.iter().map(Cell::symbol).collect();
            let (left, length) = (column * CELL.0 + 8, run.len() * CELL.0);
            column += run.len();
            let style = run[0].modifier;
            let color = match run[0].fg {
                Color::Red => "#ff7b72",
                Color::Green => "#7ee787",
                Color::Yellow => "#e3b341",
                _ => "#e6edf3",
            };
            let ink = match style.contains(Modifier::REVERSED) {
                true => {
                    let _ = writeln!(
                        picture,
                        "<rect x=\"{left}\" y=\"{top}\" width=\"{length}\" height=\"{}\" fill=\"{color}\"/>",
                        CELL.1
                    );
                    "#161b22"
                }
                false => color,
            };
            let shown = text.trim_end();
            if shown.is_empty() {
                continue;
            }
            let bold = if style.contains(Modifier::BOLD) {
                " font-weight=\"bold\""
            } else {
                ""
            };
            let dim = if style.contains(Modifier::DIM) {
                " opacity=\"0.6\""
            } else {
                ""
            };
            let shown_text = shown.replace('&', "&amp;").replace('<', "&lt;");
            let _ = writeln!(
                picture,
                "<text x=\"{left}\" y=\"{}\" textLength=\"{}\" xml:space=\"preserve\" fill=\"{ink}\"{bold}{dim}>{shown_text}</text>",
                top + 13,
                shown.width() * CELL.0
            );
        }
    }
    picture + "</svg>\n"
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
