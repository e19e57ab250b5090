//! The key table, as it is.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::keys;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let line = |binding: &keys::Binding| {
        Line::from(vec![
            Span::styled(format!("  {:<6}", binding.label), bold),
            Span::raw(binding.help),
        ])
    };
    let mut lines = vec![Line::from("")];
    lines.extend(keys::BROWSE.iter().map(line));
    lines.push(Line::from(""));
    lines.push(Line::from(
        "  -  not known: a server did not answer.   ≥  at least: one of several did not.",
    ));
    frame.render_widget(Paragraph::new(lines), area);
}
