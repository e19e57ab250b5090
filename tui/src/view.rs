//! State in, screen out. Nothing here asks a server, reads a clock or changes the state.

use client::checks::Level;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use crate::app::{App, Mode};
use crate::command;
use crate::findings::{findings, tone};
use crate::keys;
use crate::menu;
use crate::page::Page;
use crate::sheet::{Fact, Sheet, Tone, Value};
use crate::theme::Theme;

use fit::{fit, wrap};
use table::table;

mod fit;
mod table;

/// Small bars in a line of facts.
const FACT_BARS: usize = 16;
/// Figures older than this, five rounds, stand out.
const OLD_MS: i64 = 10_000;

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
    frame.render_widget(header_line(app, theme, usize::from(header.width)), header);
    frame.render_widget(crumbs_line(app, theme, usize::from(crumbs.width)), crumbs);
    let lines: Vec<Line<'_>> = sheet
        .facts
        .iter()
        .map(|line| fact_line(line, theme, usize::from(facts.width)))
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
    let widest = details.iter().map(|(name, _)| name.width()).max();
    let lines = details.iter().map(|(name, text)| {
        let name = fit(name, widest.unwrap_or_default(), true, theme);
        let name = Span::styled(format!(" {name}  "), theme.style(Tone::Dim));
        Line::from_iter([name, Span::raw(theme.text(text))])
    });
    frame.render_widget(Paragraph::new(Vec::from_iter(lines)), expanded);
    frame.render_widget(prompt_line(app, theme), prompt);
    frame.render_widget(footer_line(app, theme, usize::from(footer.width)), footer);
}

/// Where there is no room, the name of what is watched is cut, and not how it is; brokers are counted on the pulse as well.
fn header_line(app: &App, theme: Theme, width: usize) -> Line<'static> {
    let title = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
    let title = Span::styled(" mq ", title);
    let width_of = |spans: &[Span<'_>]| spans.iter().map(Span::width).sum::<usize>();
    let (mut brokers, state) = (broker_spans(app, theme), state_spans(app, theme));
    let used = title.width() + 1 + width_of(&state);
    if used + width_of(&brokers) > width {
        brokers.clear();
    }
    let used = used + width_of(&brokers);
    let source = theme.text(&app.source);
    let source = fit(
        &source,
        source.width().min(width.saturating_sub(used)),
        false,
        theme,
    );
    let source = Span::raw(format!(" {source}"));
    Line::from_iter([title, source].into_iter().chain(brokers).chain(state))
}

fn broker_spans(app: &App, theme: Theme) -> Vec<Span<'static>> {
    let Some(latest) = &app.latest else {
        return Vec::new();
    };
    let brokers = latest.brokers.iter();
    let down = brokers.filter(|broker| broker.runtime.is_err()).count();
    let count = format!("  {} {}", theme.words("brokers"), latest.brokers.len());
    let mut spans = vec![Span::raw(count)];
    if down > 0 {
        let down = theme.words(&format!(" ({down} DOWN)"));
        spans.push(Span::styled(down, theme.style(Tone::Bad)));
    }
    spans
}

/// What is wrong, and how old that is.
fn state_spans(app: &App, theme: Theme) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    if app.latest.is_some() {
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
    spans
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

/// Facts side by side; where the line ends, one is cut, or left out if nothing of it would be seen.
fn fact_line(facts: &[Fact], theme: Theme, width: usize) -> Line<'static> {
    let mut spans = Vec::new();
    let mut room = width;
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
        let name = match fact.name {
            "" => " ".to_owned(),
            name => format!(" {} ", theme.words(name)),
        };
        let Some(left) = room.checked_sub(name.width()).filter(|left| *left > 0) else {
            break;
        };
        let text = fit(&text, text.width().min(left), false, theme);
        room = left.saturating_sub(text.width() + 1);
        spans.push(Span::styled(name, theme.style(Tone::Dim)));
        spans.push(Span::styled(text, theme.style(fact.cell.tone)));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

/// What can be done here.
fn menu(app: &App, at: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    lines.extend(
        menu::actions(app)
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
    // What a line is made of is looked up piece by piece.
    let mut say =
        |text: String, tone| lines.push(Line::styled(theme.text(&text), theme.style(tone)));
    let words = |text: &str| theme.words(text);
    let Some((plan, typed)) = &form.plan else {
        let names = Vec::from_iter(form.fields.iter().map(|field| words(field.name)));
        let widest = names
            .iter()
            .map(|name| name.width())
            .max()
            .unwrap_or_default();
        for (place, (field, name)) in form.fields.iter().zip(names).enumerate() {
            let (sign, caret) = if place == form.at {
                (">", "_")
            } else {
                (" ", "")
            };
            let name = fit(&name, widest, true, theme);
            let help = match field.help {
                "" => String::new(),
                help => format!("   ({})", words(help)),
            };
            say(
                format!("  {sign} {name}: {}{caret}{help}", field.text),
                Tone::Plain,
            );
        }
        if let Some(problem) = &form.problem {
            say(format!("    ! {}", words(problem)), Tone::Bad);
        }
        let hint = match form.asking {
            Some(_) => "asking the brokers …",
            None => "Enter shows what would be done.",
        };
        say(format!("    {}", words(hint)), Tone::Dim);
        return lines;
    };
    match &plan.word {
        Some(word) => {
            let wanted = format!("This cannot be undone. Type {word} and Enter to do it:");
            say(format!("  {} {typed}_", words(&wanted)), Tone::Bad);
        }
        None => say(format!("  {}", words("Enter does it.")), Tone::Head),
    }
    let same = words("the same as:");
    say(format!("  {same} {}", plan.command), Tone::Dim);
    for line in plan.lines.iter().skip(form.at) {
        say(format!("    {}", words(line)), Tone::Plain);
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
                        Value::Unknown(reason) => {
                            let text = format!("unknown: {reason}");
                            theme.lang.words(&text).into_owned()
                        }
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
    let widest = details.iter().map(|(name, _)| name.width()).max();
    let width = usize::from(area.width)
        .saturating_sub(widest.unwrap_or_default() + 3)
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

/// The hints that fit.
fn footer_line(app: &App, theme: Theme, width: usize) -> Line<'static> {
    let hints = keys::table(&app.mode)
        .iter()
        .filter_map(|binding| Some((binding.label, binding.footer?)));
    let mut used = 0;
    let spans = hints.map(|(label, word)| {
        [
            Span::styled(format!(" {}", theme.text(label)), theme.style(Tone::Head)),
            Span::styled(format!(" {} ", theme.words(word)), theme.style(Tone::Dim)),
        ]
    });
    let spans = spans.take_while(|hint| {
        used += hint.iter().map(Span::width).sum::<usize>();
        // A blank ends each.
        used <= width + 1
    });
    Line::from_iter(spans.flatten())
}

#[cfg(test)]
mod tests;
