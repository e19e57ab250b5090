//! The rows of a sheet, in columns that fit.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::fit::fit;
use crate::app::App;
use crate::sheet::{Cell, Column, Row, Sheet, Tone, Value};
use crate::theme::Theme;

/// A filling column that is not as wide as wanted still says something from here on.
const LEAST_FILL: usize = 10;
/// Before a row: the cursor, a mark.
const GUTTER: usize = 2;

/// The header of the table and the rows that fit around the cursor.
pub(super) fn table(
    app: &App,
    sheet: &Sheet,
    cursor: usize,
    theme: Theme,
    area: Rect,
) -> Vec<Line<'static>> {
    let Some(height) = usize::from(area.height)
        .checked_sub(1)
        .filter(|height| *height > 0)
    else {
        return Vec::new();
    };
    if app.latest.is_none() && !sheet.rows.iter().any(|row| row.open.is_none()) {
        let text = match &app.failure {
            Some(_) => "Nothing is known yet.",
            None => "Asking the name servers …",
        };
        return vec![
            Line::default(),
            Line::raw(format!("  {}", theme.words(text))),
        ];
    }
    if sheet.rows.is_empty() {
        return vec![
            Line::default(),
            Line::raw(format!("  {}", theme.words(&sheet.empty))),
        ];
    }
    let sorted = app.place().sort;
    let by = sorted.map(|(by, _)| by);
    let widths = widths(sheet, by, usize::from(area.width), theme);
    let head = sheet
        .columns
        .iter()
        .zip(&widths)
        .enumerate()
        .map(|(place, (column, width))| {
            let sign = match sorted {
                Some((by, true)) if by == place => "↓",
                Some((by, false)) if by == place => "↑",
                _ => "",
            };
            fit(
                &format!("{}{}", theme.words(column.title), theme.text(sign)),
                *width,
                column.right,
                theme,
            )
        });
    let head = format!("{}{}", " ".repeat(GUTTER), Vec::from_iter(head).join(" "));
    let mut lines = vec![Line::styled(head, theme.style(Tone::Head))];
    let offset = cursor
        .saturating_sub(height / 2)
        .min(sheet.rows.len().saturating_sub(height));
    for (place, row) in sheet.rows.iter().enumerate().skip(offset).take(height) {
        let marked = app.place().marked.contains(&row.key);
        lines.push(row_line(
            row,
            sheet.columns,
            &widths,
            (place == cursor, marked),
            theme,
        ));
    }
    lines
}

fn row_line(
    row: &Row,
    columns: &[Column],
    widths: &[usize],
    (selected, marked): (bool, bool),
    theme: Theme,
) -> Line<'static> {
    let gutter = format!(
        "{}{}",
        if selected { ">" } else { " " },
        if marked { "*" } else { " " }
    );
    let mut spans = vec![Span::raw(gutter)];
    for ((cell, column), width) in row.cells.iter().zip(columns).zip(widths) {
        let style = theme.style(cell.tone);
        spans.push(Span::styled(
            cell_text(cell, *width, column.right, theme),
            style,
        ));
        spans.push(Span::raw(" "));
    }
    let line = Line::from(spans);
    if selected {
        line.style(Style::new().add_modifier(Modifier::REVERSED))
    } else {
        line
    }
}

fn cell_text(cell: &Cell, width: usize, right: bool, theme: Theme) -> String {
    match &cell.value {
        Value::Spark(values) => fit(&theme.spark(values, width), width, false, theme),
        Value::Heat(part) => theme.heat(*part, width),
        Value::Strip(parts) => fit(&theme.strip(parts, width), width, false, theme),
        Value::Words(text) => fit(&theme.words(text), width, right, theme),
        _ => fit(&theme.text(cell.plain()), width, right, theme),
    }
}

/// The widths of the columns that fit; those that do not are left out, the last ones first. Filling columns are as wide as
/// what stands in them, so that a row is read along without a gap, and numbers are never cut.
fn widths(sheet: &Sheet, sorted: Option<usize>, available: usize, theme: Theme) -> Vec<usize> {
    let wanted = |place: usize, column: &Column| {
        // With the sign of the order behind it.
        let title = theme.words(column.title).width() + usize::from(sorted == Some(place));
        let cells = sheet.rows.iter().filter_map(|row| row.cells.get(place));
        let widest = cells.map(|cell| match &cell.value {
            Value::Strip(parts) => parts.len(),
            Value::Words(text) => theme.lang.words(text).width(),
            _ => cell.plain().width(),
        });
        widest.max().unwrap_or(0).max(title)
    };
    let mut widths: Vec<(usize, usize)> = Vec::new();
    let mut spare = available.saturating_sub(GUTTER);
    for (place, column) in sheet.columns.iter().enumerate() {
        let own = usize::from(column.width);
        let most = match (column.fill, column.right) {
            (true, _) => wanted(place, column),
            // A number without its end is another number.
            (false, true) => own.max(wanted(place, column)),
            (false, false) => own,
        };
        let own = if column.right { most } else { own };
        let room = spare.saturating_sub(1);
        let width = match own.min(most) {
            width if width <= room || widths.is_empty() => width,
            _ if column.fill && room >= LEAST_FILL => room,
            _ => break,
        };
        spare = spare.saturating_sub(width + 1);
        widths.push((width, most));
    }
    let grown = widths.into_iter().map(|(width, most)| {
        let more = (most - width).min(spare);
        spare -= more;
        width + more
    });
    grown.collect()
}
