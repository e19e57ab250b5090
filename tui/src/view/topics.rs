//! Topics: how much lies there, how fast it arrives.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::Line;
use ratatui::widgets::Row;

use super::{bound, number, rate, table, unknown};
use crate::app::App;
use crate::snapshot::{Snapshot, Topic};

const COLUMNS: [(&str, Constraint); 5] = [
    ("TOPIC", Constraint::Fill(1)),
    ("BROKERS", Constraint::Length(7)),
    ("QUEUES", Constraint::Length(7)),
    ("MESSAGES", Constraint::Length(10)),
    ("IN/S", Constraint::Length(8)),
];

pub(super) fn draw(app: &App, latest: &Snapshot, frame: &mut Frame<'_>, area: Rect) {
    let topics = app.filtered(&latest.topics, |topic| &topic.name);
    table(
        app,
        frame,
        area,
        &COLUMNS,
        topics.into_iter().map(|topic| row(app, topic)).collect(),
    );
}

fn row<'a>(app: &App, topic: &'a Topic) -> Row<'a> {
    let name = Line::from(topic.name.as_str());
    let Ok(stats) = &topic.stats else {
        return Row::new([name, unknown(), unknown(), unknown(), unknown()]);
    };
    let arriving = app
        .arrival_rate(topic)
        .map_or_else(unknown, |per_second| number(rate(per_second)));
    Row::new([
        name,
        number(stats.brokers.to_string()),
        number(bound(stats.queues as i64, stats.incomplete)),
        number(bound(stats.messages, stats.incomplete)),
        arriving,
    ])
}
