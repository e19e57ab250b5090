//! Stores: what lies on each broker's disk, and what waits to get there.

use crate::app::App;
use crate::figures::bytes;
use crate::findings::{findings, page as page_of, tone as tone_of};
use crate::page::Page;
use crate::sheet::{Cell, Column, Row, Sheet, Tone, Value};

const COLUMNS: [Column; 9] = [
    Column::wide("BROKER", 14),
    Column::number("DISK", 5),
    Column::text("FULL", 10),
    Column::number("COMMIT LOG", 11),
    Column::number("OLDEST", 8),
    Column::number("KEEPS", 7),
    Column::number("DISPATCH LAG", 12),
    Column::number("TO FLUSH", 10),
    Column::number("FAILED", 7),
];

pub(super) fn store(app: &App) -> Sheet {
    let mut sheet = Sheet::new(&COLUMNS).command("mq cluster list");
    let found = findings(app);
    for broker in app.latest.iter().flat_map(|latest| &latest.brokers) {
        let page = Page::Broker(broker.address.clone());
        let worst = found
            .iter()
            .find(|finding| page_of(finding) == page)
            .map(|finding| finding.level);
        let tone = worst.map_or(Tone::Plain, tone_of);
        let mut cells = vec![Cell::text(broker.name.clone()).tone(tone)];
        match &broker.runtime {
            Err(reason) => cells.extend((1..COLUMNS.len()).map(|_| Cell::unknown(reason.clone()))),
            Ok(runtime) => {
                let size = |known: Option<i64>| {
                    known.map_or_else(
                        || Cell::unknown("the broker does not tell"),
                        |known| Cell::new(Value::Number(known as f64, bytes(known))),
                    )
                };
                cells.extend([
                    Cell::percent(runtime.disk_used).tone(tone),
                    Cell::new(Value::Heat(runtime.disk_used.unwrap_or(0.0))).tone(tone),
                    size(runtime.commit_log_bytes),
                    Cell::span(
                        runtime
                            .earliest_message_ms
                            .map(|earliest| app.now_ms - earliest),
                    ),
                    Cell::span(runtime.retention_ms),
                    size(runtime.dispatch_behind_bytes),
                    runtime
                        .to_flush
                        .clone()
                        .map_or_else(Cell::nothing, Cell::text),
                    runtime.failed_puts.map_or_else(Cell::nothing, Cell::whole),
                ]);
            }
        }
        sheet.rows.push(
            Row::new(broker.address.clone(), cells)
                .link([page.clone()])
                .open(page)
                .command("mq cluster list"),
        );
    }
    sheet
}
