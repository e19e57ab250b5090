//! Groups: what falls behind, how fast, and whose queue it is.

use client::names::RETRY_PREFIX;
use client::verdict::{STUCK_AFTER_MS, Verdict};

use crate::app::App;
use crate::findings::different_subscriptions;
use crate::messages::Query;
use crate::page::Page;
use crate::sheet::{Cell, Column, Row, Sheet, Tone, Value};
use crate::snapshot::{Group, GroupQueue, Snapshot};

use super::{age, topics::broker_page};

const COLUMNS: [Column; 9] = [
    Column::wide("GROUP", 16),
    Column::number("LAG", 8),
    Column::wide("VERDICT", 20),
    Column::text("TREND", 10),
    Column::number("MEMBERS", 7),
    Column::number("BEHIND", 7),
    Column::number("OUT/S", 8),
    Column::text("MODE", 12),
    Column::number("AGE", 6),
];

/// In place of a verdict that all is well, while a broker is missing.
pub(super) const PARTLY_KNOWN: &str = "partly known";

/// Largest lag first; those that are unknown on top, since they may be the worst.
pub(super) fn list(app: &App) -> Sheet {
    let mut sheet = Sheet::new(&COLUMNS).command("mq group lag");
    let Some(latest) = &app.latest else {
        return sheet;
    };
    sheet.rows = latest
        .groups
        .iter()
        .map(|group| row(app, latest, group))
        .collect();
    sheet.sort(1, true);
    sheet
}

fn lag(group: &Group) -> Cell {
    group
        .lag()
        .map_or_else(Cell::unknown, |lag| Cell::count(lag, group.incomplete))
}

fn verdict(app: &App, latest: &Snapshot, group: &Group) -> Cell {
    if let Err(reason) = &group.queues {
        return Cell::unknown(reason.clone());
    }
    let verdict = app.history.verdict(group, latest);
    // What is missing may be worse.
    if group.incomplete && !verdict.is_bad() {
        return Cell::words(PARTLY_KNOWN);
    }
    let tone = match verdict {
        Verdict::CaughtUp | Verdict::Draining { .. } => Tone::Good,
        Verdict::Steady | Verdict::Behind => Tone::Plain,
        Verdict::Growing { .. } | Verdict::Unread => Tone::Warn,
        _ => Tone::Bad,
    };
    Cell::words(verdict.to_string()).tone(tone)
}

fn members(group: &Group) -> Cell {
    group.members.as_ref().map_or_else(
        |reason| Cell::unknown(reason.clone()),
        |list| Cell::whole(list.len() as i64),
    )
}

fn row(app: &App, latest: &Snapshot, group: &Group) -> Row {
    let page = Page::Group(group.name.clone());
    let cells = vec![
        Cell::text(group.name.clone()),
        lag(group),
        verdict(app, latest, group),
        Cell::new(Value::Spark(app.history.lags(group))),
        members(group),
        Cell::span(group.behind_ms(app.now_ms)),
        Cell::rate(app.history.consume_rate(group)).at_least(group.incomplete),
        group
            .model
            .clone()
            .map_or_else(Cell::nothing, |model| Cell::words(model.to_lowercase())),
        age(app, group.asked_ms),
    ];
    let mut topics: Vec<&str> = group
        .queues
        .iter()
        .flatten()
        .map(|queue| queue.topic.as_str())
        .collect();
    topics.dedup();
    let links = topics
        .into_iter()
        .filter(|topic| !topic.starts_with(RETRY_PREFIX));
    Row::new(group.name.clone(), cells)
        .link([page.clone()])
        .link(links.map(|topic| Page::Topic(topic.to_owned())))
        .open(page)
        .command(format!("mq group lag {}", group.name))
}

const QUEUES: [Column; 10] = [
    Column::wide("TOPIC", 12),
    Column::wide("BROKER", 9),
    Column::number("Q", 3),
    Column::number("LAG", 8),
    Column::text("HEAT", 8),
    Column::number("OUT/S", 7),
    Column::number("STILL", 6),
    Column::wide("OWNER", 16),
    Column::number("OFFSET", 12),
    Column::number("MAX", 12),
];

/// A group, its members, and its queues. The heat is a queue's share of the largest lag.
pub(super) fn one(app: &App, name: &str) -> Sheet {
    let mut sheet = Sheet::new(&QUEUES).command(format!("mq group lag {name} --queues"));
    let Some(latest) = &app.latest else {
        return sheet;
    };
    let Some(group) = latest.group(name) else {
        sheet.empty = format!("there is no group {name} any more");
        return sheet;
    };
    sheet.fact_line([
        ("lag", lag(group)),
        ("", Cell::new(Value::Spark(app.history.lags(group)))),
        ("", verdict(app, latest, group)),
        ("behind", Cell::span(group.behind_ms(app.now_ms))),
        (
            "out/s",
            Cell::rate(app.history.consume_rate(group)).at_least(group.incomplete),
        ),
        ("age", age(app, group.asked_ms)),
    ]);
    let who = match &group.members {
        Err(reason) => Cell::unknown(reason.clone()),
        Ok(list) if list.is_empty() => Cell::words("nobody").tone(Tone::Bad),
        Ok(list) => Cell::text(
            list.iter()
                .map(|member| member.id.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        ),
    };
    sheet.fact_line([
        ("members", members(group)),
        (
            "mode",
            group
                .model
                .clone()
                .map_or_else(Cell::nothing, |model| Cell::words(model.to_lowercase())),
        ),
        ("", who),
    ]);
    if let Some(differing) = different_subscriptions(group) {
        sheet.fact_line([(
            "subscriptions differ",
            Cell::words(differing.evidence).tone(Tone::Bad),
        )]);
    }
    match &group.queues {
        Ok(queues) => {
            sheet.rows = queues
                .iter()
                .map(|queue| queue_row(app, group, queue, queues))
                .collect()
        }
        Err(reason) => sheet.empty = format!("unknown: {reason}"),
    }
    sheet
}

/// The member that owns a queue. Of a group whose members did not all tell, one of those may.
fn owner(group: &Group, queue: &GroupQueue) -> Cell {
    if let Some(owner) = group.owner(queue) {
        return Cell::text(owner.id.clone());
    }
    let mut members = group.members.iter().flatten();
    let silent = members.find_map(|member| match &member.running {
        Some(Ok(_)) => None,
        Some(Err(reason)) => Some(Cell::unknown(format!("{}: {reason}", member.id))),
        None => Some(Cell::unknown("not asked yet")),
    });
    silent.unwrap_or_else(Cell::nothing)
}

fn queue_row(app: &App, group: &Group, queue: &GroupQueue, all: &[GroupQueue]) -> Row {
    let largest = all.iter().map(GroupQueue::lag).max().unwrap_or(0).max(1);
    let still_ms = app.history.stands_still_ms(&group.name, queue);
    let tone = if still_ms >= STUCK_AFTER_MS {
        Tone::Bad
    } else {
        Tone::Plain
    };
    let cells = vec![
        Cell::text(queue.topic.clone()),
        Cell::text(queue.broker.clone()),
        Cell::whole(queue.id),
        Cell::count(queue.lag(), false).tone(tone),
        Cell::new(Value::Heat(queue.lag() as f64 / largest as f64)).tone(tone),
        Cell::rate(app.history.queue_consume_rate(&group.name, queue)),
        if still_ms > 0 {
            Cell::span(Some(still_ms)).tone(tone)
        } else {
            Cell::nothing()
        },
        owner(group, queue),
        Cell::whole(queue.offset),
        Cell::whole(queue.max),
    ];
    let topic = Page::Topic(queue.topic.clone());
    let messages = Page::Messages(Query::latest(
        &queue.topic,
        Some((queue.broker.clone(), queue.id)),
    ));
    Row::new(queue.key(), cells)
        .link([topic.clone(), Page::Group(group.name.clone()), messages])
        .link(broker_page(app, &queue.broker))
        .open(topic)
        .command(format!("mq group lag {} --queues", group.name))
}
