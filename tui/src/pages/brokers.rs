//! Brokers: who answers, what passes through, how full the disk is.

use client::verdict::span;

use crate::app::App;
use crate::figures::bytes;
use crate::page::Page;
use crate::sheet::{Cell, Column, Row, Sheet, Tone};
use crate::snapshot::Broker;

const COLUMNS: [Column; 11] = [
    Column::wide("BROKER", 14),
    Column::text("ROLE", 6),
    Column::text("STATE", 5),
    Column::number("IN/S", 7),
    Column::number("OUT/S", 7),
    Column::number("DISK", 5),
    Column::number("UPTIME", 7),
    Column::wide("VERSION", 11),
    Column::text("ADDRESS", 21),
    Column::number("DISPATCH LAG", 12),
    Column::number("WAITING", 8),
];

pub(super) fn list(app: &App) -> Sheet {
    let mut sheet = Sheet::new(&COLUMNS).command("mq cluster list");
    let brokers = app.latest.iter().flat_map(|latest| &latest.brokers);
    sheet.rows = brokers.map(|broker| row(app, broker)).collect();
    if let Some(latest) = &app.latest {
        sheet.rows.extend(app.history.gone(latest).map(gone));
    }
    sheet
}

/// One that was registered before.
fn gone((name, address, _): (&str, &str, i64)) -> Row {
    let unknown = || Cell::unknown("it is not registered any more");
    let mut cells = vec![
        Cell::text(name),
        unknown(),
        Cell::words("GONE").tone(Tone::Bad),
    ];
    cells.extend((0..5).map(|_| unknown()));
    cells.push(Cell::text(address));
    cells.extend((0..2).map(|_| unknown()));
    Row::new(format!("gone {address}"), cells)
        .name(address)
        .command("mq cluster list")
}

fn row(app: &App, broker: &Broker) -> Row {
    let role = if broker.id == 0 {
        "master".to_owned()
    } else {
        format!("slave{}", broker.id)
    };
    let mut cells = vec![Cell::text(broker.name.clone()), Cell::words(role)];
    let page = Page::Broker(broker.address.clone());
    let mut details = Vec::new();
    match &broker.runtime {
        Ok(runtime) => cells.extend([
            Cell::words("up").tone(Tone::Good),
            Cell::rate(Some(runtime.in_per_second)),
            Cell::rate(Some(runtime.out_per_second)),
            Cell::percent(runtime.disk_used),
            Cell::span(runtime.boot_ms.map(|boot| app.now_ms - boot)),
            Cell::text(runtime.version.clone()),
            Cell::text(broker.address.clone()),
            runtime
                .dispatch_behind_bytes
                .map_or_else(Cell::nothing, |behind| Cell::text(bytes(behind))),
            match (runtime.send_queue, runtime.pull_queue) {
                (Some(send), Some(pull)) => Cell::whole(send + pull),
                _ => Cell::unknown("the broker does not tell"),
            },
        ]),
        Err(reason) => {
            cells.push(Cell::words("DOWN").tone(Tone::Bad));
            cells.extend((0..5).map(|_| Cell::unknown(reason.clone())));
            cells.push(Cell::text(broker.address.clone()));
            cells.extend((0..2).map(|_| Cell::unknown(reason.clone())));
            details.push(("reason", reason.clone()));
        }
    }
    let mut row = Row::new(broker.address.clone(), cells)
        .link([page.clone()])
        .open(page)
        .command("mq cluster list");
    row.details = details;
    row
}

/// How far a broker's clock is from ours, if that can be told: it answers to the second.
fn clock(ahead_ms: Option<i64>) -> Cell {
    match ahead_ms {
        Some(ahead @ 2_000..) => Cell::words(format!("{} ahead of ours", span(ahead))),
        Some(ahead @ ..=-2_000) => Cell::words(format!("{} behind ours", span(-ahead))),
        _ => Cell::nothing(),
    }
}

const QUEUES: [Column; 5] = [
    Column::wide("TOPIC", 24),
    Column::number("QUEUES", 7),
    Column::number("MESSAGES", 10),
    Column::number("IN/S", 8),
    Column::number("LAST", 8),
];

/// A broker and what lies on it.
pub(super) fn one(app: &App, address: &str) -> Sheet {
    let mut sheet = Sheet::new(&QUEUES);
    let Some(latest) = &app.latest else {
        return sheet;
    };
    let Some(broker) = latest
        .brokers
        .iter()
        .find(|broker| broker.address == address)
    else {
        sheet.empty = format!("no broker at {address} is registered any more");
        return sheet;
    };
    sheet.command = Some("mq cluster list".to_owned());
    sheet.fact_line([
        ("broker", Cell::text(broker.name.clone())),
        ("cluster", Cell::text(broker.cluster.clone())),
        ("address", Cell::text(broker.address.clone())),
        ("id", Cell::whole(broker.id)),
    ]);
    match &broker.runtime {
        Err(reason) => sheet.fact_line([("DOWN", Cell::text(reason.clone()).tone(Tone::Bad))]),
        Ok(runtime) => {
            sheet.fact_line([
                ("version", Cell::text(runtime.version.clone())),
                (
                    "up",
                    Cell::span(runtime.boot_ms.map(|boot| app.now_ms - boot)),
                ),
                ("disk", Cell::percent(runtime.disk_used)),
                ("in/s", Cell::rate(Some(runtime.in_per_second))),
                ("out/s", Cell::rate(Some(runtime.out_per_second))),
            ]);
            let size = |bytes_known: Option<i64>| {
                bytes_known.map_or_else(
                    || Cell::unknown("the broker does not tell"),
                    |known| Cell::text(bytes(known)),
                )
            };
            sheet.fact_line([
                ("commit log", size(runtime.commit_log_bytes)),
                ("dispatch lag", size(runtime.dispatch_behind_bytes)),
                (
                    "to flush",
                    runtime
                        .to_flush
                        .clone()
                        .map_or_else(Cell::nothing, Cell::text),
                ),
                ("keeps", Cell::span(runtime.retention_ms)),
                ("clock", clock(runtime.ahead_ms)),
            ]);
        }
    }
    for topic in &latest.topics {
        let Ok(queues) = &topic.queues else { continue };
        let own: Vec<_> = queues
            .iter()
            .filter(|queue| queue.broker == broker.name)
            .collect();
        if own.is_empty() {
            continue;
        }
        let page = Page::Topic(topic.name.clone());
        let rate = own
            .iter()
            .map(|queue| app.history.arrival_rate(&topic.name, queue))
            .sum::<Option<f64>>();
        let last = own.iter().filter_map(|queue| queue.last_ms).max();
        let cells = vec![
            Cell::text(topic.name.clone()),
            Cell::whole(own.len() as i64),
            Cell::count(own.iter().map(|queue| queue.max - queue.min).sum(), false),
            Cell::rate(rate),
            Cell::span(last.map(|last| app.now_ms - last)),
        ];
        sheet.rows.push(
            Row::new(topic.name.clone(), cells)
                .link([page.clone()])
                .open(page)
                .command(format!("mq topic stats {}", topic.name)),
        );
    }
    sheet
}
