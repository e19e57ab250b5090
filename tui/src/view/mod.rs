//! State in, screen out. Nothing here asks a server, reads a clock or changes the state.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table, TableState};

use crate::app::{App, Mode, View};
use crate::keys;

mod brokers;
mod groups;
mod help;
mod topics;

/// Lines for what is missing, at most.
const WARNINGS: usize = 3;

/// Draws everything.
pub(crate) fn view(app: &App, frame: &mut Frame<'_>) {
    let warnings = warnings(app);
    let [header, tabs, body, warned, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(warnings.len() as u16),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header_line(app), header);
    frame.render_widget(tab_line(app), tabs);
    match (app.mode, &app.latest, app.view) {
        (Mode::Help, ..) => help::draw(frame, body),
        (_, None, _) => {
            let text = if app.failure.is_some() {
                "Nothing is known yet."
            } else {
                "Asking the name servers …"
            };
            frame.render_widget(Paragraph::new(text).alignment(Alignment::Center), body);
        }
        (_, Some(latest), View::Brokers) => brokers::draw(app, latest, frame, body),
        (_, Some(latest), View::Topics) => topics::draw(app, latest, frame, body),
        (_, Some(_), View::Groups) => groups::draw(app, frame, body),
    }
    frame.render_widget(Paragraph::new(warnings), warned);
    frame.render_widget(footer_line(app), footer);
}

fn header_line(app: &App) -> Line<'_> {
    let mut spans = vec![
        Span::styled(
            " mq ",
            Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
        ),
        Span::raw(format!(" {}", app.source)),
    ];
    if let Some(latest) = &app.latest {
        let down = latest
            .brokers
            .iter()
            .filter(|broker| broker.runtime.is_err())
            .count();
        let lag: i64 = latest
            .groups
            .iter()
            .filter_map(|group| group.progress.as_ref().ok())
            .map(|p| p.lag)
            .sum();
        let least = latest
            .groups
            .iter()
            .any(|group| group.progress.as_ref().map_or(true, |p| p.incomplete));
        spans.push(Span::raw(format!("  brokers {}", latest.brokers.len())));
        if down > 0 {
            spans.push(Span::styled(format!(" ({down} DOWN)"), bad(app)));
        }
        let lag = format!(
            "  topics {}  groups {}  lag {}",
            latest.topics.len(),
            latest.groups.len(),
            bound(lag, least)
        );
        spans.push(Span::raw(lag));
    }
    if let Some(age) = app.age() {
        let style = if app.failure.is_some() {
            bad(app)
        } else {
            dim()
        };
        spans.push(Span::styled(format!("  {}s old", age.as_secs()), style));
    }
    Line::from(spans)
}

fn tab_line(app: &App) -> Line<'_> {
    let tab = |(place, view): (usize, &View)| {
        let text = format!(" {} {} ", place + 1, view.title());
        if *view == app.view && app.mode != Mode::Help {
            Span::styled(
                format!("[{}]", text.trim()),
                Style::new().add_modifier(Modifier::BOLD),
            )
        } else {
            Span::styled(text, dim())
        }
    };
    let mut spans: Vec<Span<'_>> = View::ALL.iter().enumerate().map(tab).collect();
    if app.mode == Mode::Filter {
        spans.push(Span::raw(format!("  /{}_", app.filter)));
    } else if !app.filter.is_empty() {
        spans.push(Span::raw(format!("  filter: {}", app.filter)));
    }
    Line::from(spans)
}

fn warnings(app: &App) -> Vec<Line<'_>> {
    let missing = app.latest.iter().flat_map(|latest| &latest.missing);
    let all: Vec<&String> = app.failure.iter().chain(missing).collect();
    let mut lines: Vec<Line<'_>> = all
        .iter()
        .take(WARNINGS)
        .map(|text| Line::styled(format!(" ! {text}"), bad(app)))
        .collect();
    if all.len() > WARNINGS {
        lines[WARNINGS - 1] = Line::styled(
            format!(" ! and {} more", all.len() - WARNINGS + 1),
            bad(app),
        );
    }
    lines
}

fn footer_line(app: &App) -> Line<'_> {
    let hints = keys::table(app.mode)
        .iter()
        .filter_map(|binding| Some((binding.label, binding.footer?)));
    let spans = hints.flat_map(|(label, word)| {
        [
            Span::styled(
                format!(" {label}"),
                Style::new().add_modifier(Modifier::BOLD),
            ),
            Span::styled(format!(" {word} "), dim()),
        ]
    });
    Line::from_iter(spans)
}

/// A table with its header and its selected row, scrolled so that the row is seen.
fn table<'a>(
    app: &App,
    frame: &mut Frame<'_>,
    area: Rect,
    columns: &[(&'a str, Constraint)],
    rows: Vec<Row<'a>>,
) {
    if rows.is_empty() {
        let text = if app.filter.is_empty() {
            "none"
        } else {
            "nothing matches the filter"
        };
        frame.render_widget(Paragraph::new(text).alignment(Alignment::Center), area);
        return;
    }
    let header = Row::new(columns.iter().map(|(title, width)| match width {
        // Numbers stand right, and so do their titles.
        Constraint::Length(_) => Line::from(*title).alignment(Alignment::Right),
        _ => Line::from(*title),
    }));
    let cursor = app.cursor(&app.names());
    let table = Table::new(rows, columns.iter().map(|(_, width)| *width))
        .header(header.style(Style::new().add_modifier(Modifier::BOLD)))
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .highlight_symbol("> ");
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(cursor));
}

fn number(text: String) -> Line<'static> {
    Line::from(text).alignment(Alignment::Right)
}

/// What is not known, in place of a number. The reason is among the warnings.
fn unknown() -> Line<'static> {
    number("-".to_owned())
}

/// A count; a lower bound when somebody did not answer.
fn bound(count: i64, incomplete: bool) -> String {
    if incomplete {
        format!("≥{}", short(count))
    } else {
        short(count)
    }
}

/// Up to six digits as they are, then with a unit: `999999`, `1.0M`, `1.2G`.
fn short(count: i64) -> String {
    match count.unsigned_abs() {
        0..1_000_000 => count.to_string(),
        1_000_000..1_000_000_000 => format!("{:.1}M", count as f64 / 1e6),
        _ => format!("{:.1}G", count as f64 / 1e9),
    }
}

fn rate(per_second: f64) -> String {
    if per_second < 100.0 {
        format!("{per_second:.1}")
    } else {
        short(per_second.round() as i64)
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// For what is wrong. The text says so, too: nothing is told by colour alone.
fn bad(app: &App) -> Style {
    let style = Style::new().add_modifier(Modifier::BOLD);
    if app.color {
        style.fg(Color::Red)
    } else {
        style
    }
}

#[cfg(test)]
mod tests;
