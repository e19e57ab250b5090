//! Brokers: who answers, what passes through, how full the disk is.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::Line;
use ratatui::widgets::Row;

use super::{bad, number, rate, table, unknown};
use crate::app::App;
use crate::snapshot::{Broker, Snapshot};

const COLUMNS: [(&str, Constraint); 8] = [
    ("BROKER", Constraint::Fill(2)),
    ("ID", Constraint::Length(3)),
    ("ADDRESS", Constraint::Min(21)),
    ("VERSION", Constraint::Min(7)),
    ("IN/S", Constraint::Length(7)),
    ("OUT/S", Constraint::Length(7)),
    ("DISK", Constraint::Length(5)),
    ("STATE", Constraint::Min(5)),
];

pub(super) fn draw(app: &App, latest: &Snapshot, frame: &mut Frame<'_>, area: Rect) {
    let brokers = app.filtered(&latest.brokers, |broker| &broker.name);
    table(
        app,
        frame,
        area,
        &COLUMNS,
        brokers.into_iter().map(|broker| row(app, broker)).collect(),
    );
}

fn row<'a>(app: &App, broker: &'a Broker) -> Row<'a> {
    let mut cells = vec![
        Line::from(broker.name.as_str()),
        number(broker.id.to_string()),
        Line::from(broker.address.as_str()),
    ];
    match &broker.runtime {
        Ok(runtime) => cells.extend([
            Line::from(runtime.version.as_str()),
            number(rate(runtime.in_per_second)),
            number(rate(runtime.out_per_second)),
            runtime
                .disk_used
                .map_or_else(unknown, |used| number(format!("{:.0}%", used * 100.0))),
            Line::from("up"),
        ]),
        Err(_) => cells.extend([
            Line::from("-"),
            unknown(),
            unknown(),
            unknown(),
            Line::styled("DOWN", bad(app)),
        ]),
    }
    Row::new(cells)
}
