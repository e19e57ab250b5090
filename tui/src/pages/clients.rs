//! Clients: the consumers connected, by group.

use client::names::RETRY_PREFIX;

use crate::app::App;
use crate::page::Page;
use crate::sheet::{Cell, Column, Row, Sheet};
use crate::snapshot::{Group, Member};

const COLUMNS: [Column; 7] = [
    Column::wide("CLIENT", 22),
    Column::wide("GROUP", 16),
    Column::number("QUEUES", 6),
    Column::text("LANGUAGE", 8),
    Column::text("VERSION", 8),
    Column::text("ADDRESS", 21),
    Column::wide("SUBSCRIPTIONS", 20),
];

pub(super) fn list(app: &App) -> Sheet {
    let mut sheet = Sheet::new(&COLUMNS);
    sheet.empty = "no consumer is connected".to_owned();
    for group in app.latest.iter().flat_map(|latest| &latest.groups) {
        let members = group.members.iter().flatten();
        sheet.rows.extend(members.map(|member| row(group, member)));
    }
    sheet
}

fn row(group: &Group, member: &Member) -> Row {
    let page = Page::Group(group.name.clone());
    let (queues, subscriptions) = match &member.running {
        Some(Ok(running)) => {
            // That everybody retries is no news.
            let wanted = running.subscriptions.iter();
            let words = wanted
                .filter(|s| !s.topic.starts_with(RETRY_PREFIX))
                .map(|s| format!("{}:{}", s.topic, s.expression));
            (
                Cell::whole(running.queues.len() as i64),
                Cell::text(words.collect::<Vec<_>>().join(" ")),
            )
        }
        Some(Err(reason)) => (Cell::unknown(reason.clone()), Cell::unknown(reason.clone())),
        None => (
            Cell::unknown("not asked yet"),
            Cell::unknown("not asked yet"),
        ),
    };
    let cells = vec![
        Cell::text(member.id.clone()),
        Cell::text(group.name.clone()),
        queues,
        Cell::text(member.language.clone()),
        Cell::text(member.version.clone()),
        Cell::text(member.address.clone()),
        subscriptions,
    ];
    Row::new(format!("{} {}", group.name, member.id), cells)
        .name(member.id.as_str())
        .link([page.clone()])
        .open(page)
        .command(format!("mq group lag {} --queues", group.name))
}
