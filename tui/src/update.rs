//! Events in, changed state and effects out.

use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};

use crate::app::{App, Mode, Outcome};
use crate::change::{self, Change, Form, Plan, Planned, quoted};
use crate::command::{self, Target};
use crate::keys::{self, Action, Kind};
use crate::menu;
use crate::messages::{Answer, Query, Question};
use crate::page::{Heat, Page};
use crate::sheet::Row;
use crate::snapshot::{Known, Snapshot};

/// Rows that PageUp and PageDown move by.
const PAGE: usize = 10;
/// A longer text matches nothing anyway: RocketMQ's names end at 255 characters.
const TEXT_LENGTH: usize = 255;

#[derive(Debug)]
pub(crate) enum Event {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Snapshot(Arc<Snapshot>),
    /// A round of asking gave nothing at all.
    Failed(String),
    /// What a page wanted to know.
    Answer(Question, Known<Answer>),
    /// What was asked for the form of this number.
    Planned(u64, Known<Plan>),
    /// The change of this number has ended.
    CarriedOut(u64, Outcome),
    /// The time, in milliseconds since the epoch.
    Tick(i64),
    /// Only a reason to draw.
    Resized,
}

/// What the state cannot do itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Quit,
    Refresh,
    /// Into the clipboard of the terminal.
    Copy(String),
    Mouse(bool),
    /// A plan that the brokers must be asked for, for the form of this number.
    WorkOut(u64, change::Question),
    /// A change that was confirmed, with its number.
    CarryOut(u64, Change),
}

pub(crate) fn update(app: &mut App, event: Event) -> Option<Effect> {
    match event {
        Event::Key(key) => {
            app.notice = None;
            return keys::action(&app.mode, key).and_then(|action| act(app, action));
        }
        Event::Mouse(mouse) => match mouse.kind {
            _ if app.mode != Mode::Browse => {}
            MouseEventKind::ScrollDown => select(app, |cursor| cursor + 1),
            MouseEventKind::ScrollUp => select(app, |cursor| cursor.saturating_sub(1)),
            MouseEventKind::Down(MouseButton::Right) => app.back(),
            MouseEventKind::Down(MouseButton::Left) => open(app),
            _ => {}
        },
        Event::Snapshot(snapshot) => app.take(snapshot),
        // A frozen picture keeps the answer it has; a late answer to another page's question is dropped.
        Event::Answer(question, found) => {
            let seen = app.page().question().as_ref() == Some(&question);
            let has = app
                .answer
                .as_ref()
                .is_some_and(|(asked, _)| *asked == question);
            if seen && !(app.frozen && has) {
                app.answer = Some((question, found));
            }
        }
        // A form that was left wants no answer any more.
        Event::Planned(number, planned) => {
            if let Some(form) = &mut app.form
                && form.asking == Some(number)
            {
                form.asking = None;
                form.take(planned);
            }
        }
        Event::CarriedOut(id, outcome) => {
            app.end(id, outcome);
            return Some(Effect::Refresh);
        }
        Event::Failed(failure) => app.failure = Some(failure),
        Event::Tick(now_ms) => app.now_ms = now_ms,
        Event::Resized => {}
    }
    None
}

fn act(app: &mut App, action: Action) -> Option<Effect> {
    match action {
        Action::Quit => return Some(Effect::Quit),
        Action::Refresh => return Some(Effect::Refresh),
        Action::Help if *app.page() == Page::Help => app.back(),
        Action::Help => app.open(Page::Help),
        Action::Open => open(app),
        Action::Back if !app.place().filter.is_empty() => app.place_mut().filter.clear(),
        Action::Back => app.back(),
        Action::Previous => app.open_previous(),
        Action::NextView => step(app, 1),
        Action::PreviousView => step(app, Page::TOP.len() - 1),
        Action::Jump(kind) => jump(app, kind),
        Action::Down => select(app, |cursor| cursor + 1),
        Action::Up => select(app, |cursor| cursor.saturating_sub(1)),
        Action::PageDown => select(app, |cursor| cursor + PAGE),
        Action::PageUp => select(app, |cursor| cursor.saturating_sub(PAGE)),
        Action::Top => select(app, |_| 0),
        Action::Bottom => select(app, |_| usize::MAX),
        Action::Heat => heat(app),
        Action::Find => find(app),
        Action::Filter => app.mode = Mode::Filter,
        Action::Command => app.mode = Mode::Command(String::new()),
        Action::Sort(column) => sort(app, column),
        Action::Freeze => app.freeze(),
        Action::Expand => app.expanded = !app.expanded,
        Action::Copy => return copy(app),
        Action::Equivalent => return equivalent(app),
        Action::Act => menu(app),
        Action::Mark => mark(app),
        Action::Mouse => {
            app.mouse = !app.mouse;
            return Some(Effect::Mouse(app.mouse));
        }
        Action::Type(_)
        | Action::Erase
        | Action::Complete
        | Action::Accept
        | Action::Cancel
        | Action::NextField
        | Action::PreviousField => {
            return typing(app, action);
        }
    }
    None
}

fn typing(app: &mut App, action: Action) -> Option<Effect> {
    match std::mem::replace(&mut app.mode, Mode::Browse) {
        Mode::Browse => None,
        Mode::Filter => {
            filter(app, action);
            None
        }
        Mode::Command(text) => command(app, text, action),
        Mode::Menu(at) => {
            choose(app, at, action);
            None
        }
        Mode::Form => fill_in(app, action),
    }
}

/// The filter works while it is typed.
fn filter(app: &mut App, action: Action) {
    match action {
        Action::Cancel => app.place_mut().filter.clear(),
        Action::Accept => {}
        _ => {
            edit(&mut app.place_mut().filter, action);
            app.mode = Mode::Filter;
        }
    }
}

fn command(app: &mut App, mut text: String, action: Action) -> Option<Effect> {
    match action {
        Action::Cancel => {}
        Action::Accept => match command::target(app, &text) {
            Ok(Target::Quit) => return Some(Effect::Quit),
            Ok(Target::Page(page)) => app.open(page),
            Err(_) if text.trim().is_empty() => {}
            Err(problem) => app.notice = Some(problem),
        },
        Action::Complete => app.mode = Mode::Command(command::complete(app, text)),
        _ => {
            edit(&mut text, action);
            app.mode = Mode::Command(text);
        }
    }
    None
}

fn menu(app: &mut App) {
    if app.read_only {
        app.notice = Some("this is read-only: nothing can be changed".to_owned());
    } else if menu::actions(app).is_empty() {
        app.notice = Some("nothing can be changed here".to_owned());
    } else {
        app.mode = Mode::Menu(0);
    }
}

fn choose(app: &mut App, at: usize, action: Action) {
    let mut actions = menu::actions(app);
    let last = actions.len().saturating_sub(1);
    match action {
        Action::NextField => app.mode = Mode::Menu((at + 1).min(last)),
        Action::PreviousField => app.mode = Mode::Menu(at.saturating_sub(1)),
        Action::Accept if at < actions.len() => {
            let Some(latest) = app.latest.clone() else {
                return;
            };
            app.form = Some(Form::new(actions.swap_remove(at), &latest));
            app.mode = Mode::Form;
        }
        _ => {}
    }
}

/// Fields first; then the plan, which is carried out when it is confirmed.
fn fill_in(app: &mut App, action: Action) -> Option<Effect> {
    let (mut form, latest) = (app.form.take()?, app.latest.clone()?);
    let mut effect = None;
    match (action, &mut form.plan) {
        (Action::Cancel, _) => return None,
        _ if form.asking.is_some() => {}
        (Action::Accept, None) => match form.plan(&latest) {
            Ok(Planned::Plan(plan)) => form.take(Ok(plan)),
            Ok(Planned::Ask(question)) => {
                app.asked += 1;
                form.problem = None;
                form.asking = Some(app.asked);
                effect = Some(Effect::WorkOut(app.asked, question));
            }
            Err(problem) => form.take(Err(problem)),
        },
        // A long plan is looked through.
        (Action::NextField, Some((plan, _))) => {
            form.at = (form.at + 1).min(plan.lines.len().saturating_sub(1));
        }
        (Action::PreviousField, Some(_)) => form.at = form.at.saturating_sub(1),
        (Action::Accept, Some((plan, typed))) => {
            match plan.word.as_ref().filter(|word| *word != typed) {
                Some(word) => {
                    app.notice = Some(format!("nothing is done before '{word}' is typed"))
                }
                None => {
                    let id = app.begin(plan.command.clone());
                    return Some(Effect::CarryOut(id, plan.change.clone()));
                }
            }
        }
        (_, Some((_, typed))) => edit(typed, action),
        (Action::NextField, None) => {
            form.at = (form.at + 1).min(form.fields.len().saturating_sub(1))
        }
        (Action::PreviousField, None) => form.at = form.at.saturating_sub(1),
        (_, None) => {
            if let Some(field) = form.fields.get_mut(form.at) {
                edit(&mut field.text, action);
            }
        }
    }
    app.form = Some(form);
    app.mode = Mode::Form;
    effect
}

fn edit(text: &mut String, action: Action) {
    match action {
        Action::Type(letter) if text.len() < TEXT_LENGTH => text.push(letter),
        Action::Erase => {
            text.pop();
        }
        _ => {}
    }
}

fn open(app: &mut App) {
    if let Some(page) = app.selected_row().and_then(|row| row.open) {
        app.open(page);
    }
}

fn jump(app: &mut App, kind: Kind) {
    let Some(row) = app.selected_row() else {
        return;
    };
    let wanted = |page: &Page| match kind {
        Kind::Broker => matches!(page, Page::Broker(_)),
        Kind::Topic => matches!(page, Page::Topic(_)),
        Kind::Group => matches!(page, Page::Group(_)),
        Kind::Messages => matches!(page, Page::Messages(_)),
        Kind::Trace => matches!(page, Page::Trace(_)),
    };
    // Of a row that names no queue, the messages of its topic.
    let of_topic = row.links.iter().find_map(|page| match page {
        Page::Topic(topic) if kind == Kind::Messages => {
            Some(Page::Messages(Query::latest(topic, None)))
        }
        _ => None,
    });
    match row.links.into_iter().find(wanted).or(of_topic) {
        Some(page) => app.open(page),
        None => {
            let problem = match kind {
                Kind::Broker => "this row has no broker to jump to",
                Kind::Topic => "this row has no topic to jump to",
                Kind::Group => "this row has no consumer group to jump to",
                Kind::Messages => "this row has no topic whose messages could be shown",
                Kind::Trace => "this row is no message that could have a trace",
            };
            app.notice = Some(problem.to_owned());
        }
    }
}

/// The object that the row is about, else the page: the first of these that is a topic or group.
fn heat(app: &mut App) {
    let row = app.selected_row();
    let links = row.iter().flat_map(|row| &row.links);
    let in_list = Page::TOP.iter().any(|(_, page)| page == app.page());
    let page = Some(app.page()).filter(|_| !in_list);
    let found = page.into_iter().chain(links).find_map(|page| match page {
        Page::Topic(name) => Some(Heat::Topic(name.clone())),
        Page::Group(name) => Some(Heat::Group(name.clone())),
        _ => None,
    });
    match found {
        Some(of) => app.open(Page::Heat(of)),
        None => app.notice = Some("this row has no queues".to_owned()),
    }
}

/// Begins the command that looks for messages of the topic that is looked at.
fn find(app: &mut App) {
    let row = app.selected_row();
    let links = row.iter().flat_map(|row| &row.links);
    let topic = std::iter::once(app.page())
        .chain(links)
        .find_map(|page| match page {
            Page::Topic(name) => Some(name.clone()),
            Page::Messages(query) | Page::Message { query, .. } => Some(query.topic.clone()),
            _ => None,
        });
    app.mode = Mode::Command(match topic {
        Some(topic) => format!("find {topic} "),
        None => "find ".to_owned(),
    });
}

/// Along the pages of the top; from a page below them, from where it was opened.
fn step(app: &mut App, by: usize) {
    while !Page::TOP.iter().any(|(_, page)| page == app.page()) {
        app.back();
    }
    let place = Page::TOP
        .iter()
        .position(|(_, page)| page == app.page())
        .unwrap_or(0);
    app.open(Page::TOP[(place + by) % Page::TOP.len()].1.clone());
}

fn select(app: &mut App, to: impl FnOnce(usize) -> usize) {
    let mut sheet = app.sheet();
    let Some(last) = sheet.rows.len().checked_sub(1) else {
        return;
    };
    let cursor = to(app.cursor(&sheet)).min(last);
    app.place_mut().selected = Some(sheet.rows.swap_remove(cursor).key);
}

/// Numbers start with the largest, texts with the first letter.
fn sort(app: &mut App, column: usize) {
    let sheet = app.sheet();
    let Some(wanted) = sheet.columns.get(column) else {
        return;
    };
    let place = app.place_mut();
    place.sort = match place.sort {
        Some((before, descending)) if before == column => Some((column, !descending)),
        _ => Some((column, wanted.right)),
    };
}

fn mark(app: &mut App) {
    let Some(row) = app.selected_row() else {
        return;
    };
    let marked = &mut app.place_mut().marked;
    if !marked.remove(&row.key) {
        marked.insert(row.key);
    }
    select(app, |cursor| cursor + 1);
}

fn copy(app: &mut App) -> Option<Effect> {
    let marked = &app.place().marked;
    let name = |row: Row| row.name.unwrap_or(row.key);
    let text = if marked.is_empty() {
        name(app.selected_row()?)
    } else {
        let rows = app.sheet().rows.into_iter();
        let rows = rows.filter(|row| marked.contains(&row.key));
        Vec::from_iter(rows.map(name)).join("\n")
    };
    app.notice = Some(format!("copied {}", text.replace('\n', ", ")));
    Some(Effect::Copy(text))
}

fn equivalent(app: &mut App) -> Option<Effect> {
    let of_row = app.selected_row().and_then(|row| row.command);
    let Some(command) = of_row.or_else(|| app.sheet().command) else {
        app.notice = Some("no command shows this".to_owned());
        return None;
    };
    let command = format!("{command} -n {}", quoted(&app.source));
    app.notice = Some(format!("copied: {command}"));
    Some(Effect::Copy(command))
}

#[cfg(test)]
pub(crate) mod tests;
