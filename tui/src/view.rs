//! State in, screen out. Nothing here asks a server, reads a clock or changes the state.

use client::checks::Level;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::app::{App, Mode, Page};
use crate::change;
use crate::command;
use crate::findings::{findings, tone};
use crate::keys;
use crate::sheet::{Cell, Column, Fact, Row, Sheet, Tone, Value};
use crate::theme::Theme;

/// Small bars in a line of facts.
const FACT_BARS: usize = 16;
/// Figures older than this, in rounds, are called old in bold.
const OLD_MS: i64 = 10_000;
/// Cells for the names of details.
const DETAIL_NAME: usize = 13;
/// Cells that a filling column may get beyond its least width, unless it is the last.
const MOST_FILL: usize = 20;
/// Before a row: the cursor, a mark.
const GUTTER: usize = 2;

/// Draws everything.
pub(crate) fn view(app: &App, theme: Theme, frame: &mut Frame<'_>) {
    let sheet = app.sheet();
    let cursor = app.cursor(&sheet);
    let details = details(app, &sheet, cursor, theme, frame.area());
    let [header, crumbs, facts, body, expanded, prompt, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(sheet.facts.len() as u16),
        Constraint::Fill(1),
        Constraint::Length(details.len() as u16),
        Constraint::Length(u16::from(has_prompt(app))),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header_line(app, theme), header);
    frame.render_widget(crumbs_line(app, theme, usize::from(crumbs.width)), crumbs);
    let lines: Vec<Line<'_>> = sheet
        .facts
        .iter()
        .map(|line| fact_line(line, theme))
        .collect();
    frame.render_widget(Paragraph::new(lines), facts);
    let lines = match &app.mode {
        Mode::Menu(at) => menu(app, *at, theme),
        Mode::Form => form(app, theme),
        _ => table(app, &sheet, cursor, theme, body),
    };
    let body_text = Paragraph::new(lines);
    // Sentences are read to their end; rows are cut.
    let body_text = match app.mode {
        Mode::Menu(_) => body_text,
        Mode::Form => body_text.wrap(Wrap { trim: false }),
        _ if sheet.rows.is_empty() => body_text.wrap(Wrap { trim: false }),
        _ => body_text,
    };
    frame.render_widget(body_text, body);
    let lines = details.iter().map(|(name, text)| {
        let name = fit(name, DETAIL_NAME, true, theme);
        let name = Span::styled(format!(" {name}  "), theme.style(Tone::Dim));
        Line::from_iter([name, Span::raw(theme.text(text))])
    });
    frame.render_widget(Paragraph::new(Vec::from_iter(lines)), expanded);
    frame.render_widget(prompt_line(app, theme), prompt);
    frame.render_widget(footer_line(app, theme), footer);
}

fn header_line(app: &App, theme: Theme) -> Line<'static> {
    let title = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
    let mut spans = vec![
        Span::styled(" mq ", title),
        Span::raw(format!(" {}", app.source)),
    ];
    if let Some(latest) = &app.latest {
        let down = latest
            .brokers
            .iter()
            .filter(|broker| broker.runtime.is_err())
            .count();
        let brokers = theme.words("brokers");
        spans.push(Span::raw(format!("  {brokers} {}", latest.brokers.len())));
        if down > 0 {
            spans.push(Span::styled(
                theme.words(&format!(" ({down} DOWN)")),
                theme.style(Tone::Bad),
            ));
        }
        let found = findings(app);
        for level in [Level::Critical, Level::Warning] {
            let count = found
                .iter()
                .filter(|finding| finding.level == level)
                .count();
            if count > 0 {
                spans.push(Span::styled(
                    format!("  {count} {}", theme.words(level.word())),
                    theme.style(tone(level)),
                ));
            }
        }
    }
    if let Some(age_ms) = app.age_ms() {
        let tone = if age_ms > OLD_MS || app.failure.is_some() {
            Tone::Bad
        } else {
            Tone::Dim
        };
        spans.push(Span::styled(
            format!(
                "  {}",
                theme.words(&format!("{} old", client::verdict::span(age_ms)))
            ),
            theme.style(tone),
        ));
    }
    if app.frozen {
        spans.push(Span::styled(
            format!("  {}", theme.words("FROZEN")),
            theme.style(Tone::Warn),
        ));
    }
    if app.mouse {
        spans.push(Span::styled(
            format!("  {}", theme.words("mouse")),
            theme.style(Tone::Dim),
        ));
    }
    Line::from(spans)
}

/// The way to where one is; where it is too long, its end.
fn crumbs_line(app: &App, theme: Theme, width: usize) -> Line<'static> {
    let crumbs = app.crumbs().map(|page| match page.is_named() {
        true => theme.text(&page.title()),
        false => theme.words(&page.title()),
    });
    let crumbs = Vec::from_iter(crumbs);
    let mut first = 0;
    let way = |first: usize| {
        let left_out = if first > 0 { "… › " } else { "" };
        format!(
            "{left_out}{}",
            crumbs.get(first..).unwrap_or_default().join(" › ")
        )
    };
    while first + 1 < crumbs.len() && way(first).width() + 1 > width {
        first += 1;
    }
    let crumbs = way(first);
    let mut spans = vec![Span::styled(
        theme.text(&format!(" {crumbs}")),
        theme.style(Tone::Head),
    )];
    let place = app.place();
    if app.mode != Mode::Filter && !place.filter.is_empty() {
        spans.push(Span::styled(
            format!("  /{}", place.filter),
            theme.style(Tone::Warn),
        ));
    }
    if !place.marked.is_empty() {
        let marked = theme.words(&format!("{} marked", place.marked.len()));
        spans.push(Span::raw(format!("  {marked}")));
    }
    Line::from(spans)
}

fn fact_line(facts: &[Fact], theme: Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for fact in facts {
        let text = match &fact.cell.value {
            Value::Nothing => continue,
            Value::Spark(values) => theme.spark(values, FACT_BARS),
            Value::Heat(part) => theme.heat(*part, FACT_BARS),
            Value::Strip(parts) => theme.strip(parts, FACT_BARS),
            Value::Words(text) => theme.words(text),
            _ => theme.text(fact.cell.plain()),
        };
        if text.is_empty() {
            continue;
        }
        spans.push(Span::raw(" "));
        if !fact.name.is_empty() {
            spans.push(Span::styled(
                format!("{} ", theme.words(fact.name)),
                theme.style(Tone::Dim),
            ));
        }
        spans.push(Span::styled(text, theme.style(fact.cell.tone)));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

/// The header of the table and the rows that fit around the cursor.
fn table(app: &App, sheet: &Sheet, cursor: usize, theme: Theme, area: Rect) -> Vec<Line<'static>> {
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
    let widths = widths(sheet.columns, usize::from(area.width));
    let sorted = app.place().sort;
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

/// The widths of the columns that fit; those that do not are left out, the last ones first.
fn widths(columns: &[Column], available: usize) -> Vec<usize> {
    let available = available.saturating_sub(GUTTER);
    let mut widths: Vec<usize> = Vec::new();
    let mut used = 0;
    for column in columns {
        let width = usize::from(column.width);
        if !widths.is_empty() && used + width + 1 > available {
            break;
        }
        used += width + 1;
        widths.push(width);
    }
    let fills = columns
        .iter()
        .take(widths.len())
        .filter(|column| column.fill)
        .count();
    let mut spare = available.saturating_sub(used);
    let mut left = fills;
    for (width, column) in widths.iter_mut().zip(columns) {
        if column.fill && left > 0 {
            // Only the last one may be as wide as it likes: eyes must find the way along a row.
            let share = if left == 1 {
                spare
            } else {
                (spare / left).min(MOST_FILL)
            };
            *width += share;
            spare -= share;
            left -= 1;
        }
    }
    widths
}

/// A text in exactly `width` cells of the screen, cut where it is too long.
fn fit(text: &str, width: usize, right: bool, theme: Theme) -> String {
    let length = text.width();
    if length <= width {
        let blanks = " ".repeat(width - length);
        return if right {
            blanks + text
        } else {
            text.to_owned() + &blanks
        };
    }
    let Some(room) = width.checked_sub(1) else {
        return String::new();
    };
    let mut cut = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let size = letter.width().unwrap_or(0);
        if used + size > room {
            break;
        }
        used += size;
        cut.push(letter);
    }
    cut.push(if theme.ascii { '~' } else { '…' });
    cut + &" ".repeat(room - used)
}

/// What can be done here.
fn menu(app: &App, at: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    lines.extend(
        change::actions(app)
            .iter()
            .enumerate()
            .map(|(place, action)| {
                let sign = if place == at { ">" } else { " " };
                let line = Line::raw(format!("  {sign} {}", theme.words(&action.title())));
                if place == at {
                    line.style(theme.style(Tone::Head))
                } else {
                    line
                }
            }),
    );
    lines
}

/// The fields of an action, or the plan that is to be confirmed.
fn form(app: &App, theme: Theme) -> Vec<Line<'static>> {
    let Some(form) = &app.form else {
        return Vec::new();
    };
    let mut lines = vec![Line::styled(
        format!("  {}", theme.words(&form.action.title())),
        theme.style(Tone::Head),
    )];
    let mut say =
        |text: String, tone| lines.push(Line::styled(theme.words(&text), theme.style(tone)));
    let Some((plan, typed)) = &form.plan else {
        for (place, field) in form.fields.iter().enumerate() {
            let (sign, caret) = if place == form.at {
                (">", "_")
            } else {
                (" ", "")
            };
            say(
                format!(
                    "  {sign} {:>8}: {}{caret}   ({})",
                    field.name, field.text, field.help
                ),
                Tone::Plain,
            );
        }
        if let Some(problem) = &form.problem {
            say(format!("    ! {problem}"), Tone::Bad);
        }
        let hint = match form.asking {
            Some(_) => "    Asking the brokers …",
            None => "    Enter shows what would be done.",
        };
        say(hint.to_owned(), Tone::Dim);
        return lines;
    };
    match &plan.word {
        Some(word) => {
            say(
                format!("  This cannot be undone. Type {word} and Enter to do it: {typed}_"),
                Tone::Bad,
            );
        }
        None => say("  Enter does it.".to_owned(), Tone::Head),
    }
    say(format!("  the same as: {}", plan.command), Tone::Dim);
    for line in plan.lines.iter().skip(form.at) {
        say(format!("    {line}"), Tone::Plain);
    }
    lines
}

/// The selected row in full, if that is wanted: a line per field, a third of the screen at most. On the pulse, the
/// evidence and the fix are always there.
fn details(
    app: &App,
    sheet: &Sheet,
    cursor: usize,
    theme: Theme,
    area: Rect,
) -> Vec<(String, String)> {
    let browsing = !matches!(app.mode, Mode::Menu(_) | Mode::Form);
    let wanted = browsing && (app.expanded || *app.page() == Page::Pulse);
    let Some(row) = sheet.rows.get(cursor).filter(|_| wanted) else {
        return Vec::new();
    };
    let details = row
        .details
        .iter()
        .map(|(name, text)| (theme.words(name), theme.lang.words(text).into_owned()));
    let mut details = Vec::from_iter(details);
    if app.expanded {
        details.extend(
            row.command
                .iter()
                .map(|command| (theme.words("command"), command.clone())),
        );
        details.extend(
            sheet
                .columns
                .iter()
                .zip(&row.cells)
                .filter_map(|(column, cell)| {
                    let text = match &cell.value {
                        Value::Unknown(reason) => format!("unknown: {reason}"),
                        Value::Spark(_) | Value::Heat(_) | Value::Strip(_) | Value::Nothing => {
                            return None;
                        }
                        Value::Words(text) => theme.lang.words(text).into_owned(),
                        _ => cell.plain().to_owned(),
                    };
                    Some((theme.words(column.title).to_lowercase(), text))
                }),
        );
    }
    let width = usize::from(area.width)
        .saturating_sub(DETAIL_NAME + 3)
        .max(1);
    let lines = details.into_iter().flat_map(|(name, text)| {
        let lines = wrap(&text, width);
        lines.into_iter().enumerate().map(move |(place, line)| {
            (
                if place == 0 {
                    name.clone()
                } else {
                    String::new()
                },
                line,
            )
        })
    });
    lines.take(usize::from(area.height / 3)).collect()
}

/// A text in lines of at most `width` cells.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for letter in text.chars() {
        let size = letter.width().unwrap_or(0);
        if used + size > width {
            lines.push(String::new());
            used = 0;
        }
        used += size;
        if let Some(line) = lines.last_mut() {
            line.push(letter);
        }
    }
    lines
}

fn has_prompt(app: &App) -> bool {
    matches!(app.mode, Mode::Filter | Mode::Command(_))
        || app.notice.is_some()
        || app.failure.is_some()
}

fn prompt_line(app: &App, theme: Theme) -> Line<'static> {
    match &app.mode {
        Mode::Filter => Line::raw(format!(" /{}_", app.place().filter)),
        Mode::Command(text) => {
            let candidates = command::candidates(app, text).join("  ");
            Line::from_iter([
                Span::raw(format!(" :{text}_   ")),
                Span::styled(candidates, theme.style(Tone::Dim)),
            ])
        }
        Mode::Browse | Mode::Menu(_) | Mode::Form => match (&app.notice, &app.failure) {
            (Some(notice), _) => Line::raw(format!(" {}", theme.words(notice))),
            (None, Some(failure)) => {
                Line::styled(theme.text(&format!(" ! {failure}")), theme.style(Tone::Bad))
            }
            (None, None) => Line::default(),
        },
    }
}

fn footer_line(app: &App, theme: Theme) -> Line<'static> {
    let hints = keys::table(&app.mode)
        .iter()
        .filter_map(|binding| Some((binding.label, binding.footer?)));
    let spans = hints.flat_map(|(label, word)| {
        [
            Span::styled(format!(" {}", theme.text(label)), theme.style(Tone::Head)),
            Span::styled(format!(" {} ", theme.words(word)), theme.style(Tone::Dim)),
        ]
    });
    Line::from_iter(spans)
}

#[cfg(test)]
mod tests;
