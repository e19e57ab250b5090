//! Groups: what falls behind, worst first.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::Line;
use ratatui::widgets::Row;

use super::{bound, number, rate, short, table, unknown};
use crate::app::App;
use crate::snapshot::Group;

const COLUMNS: [(&str, Constraint); 6] = [
    ("GROUP", Constraint::Fill(1)),
    ("TOPICS", Constraint::Length(6)),
    ("MEMBERS", Constraint::Length(7)),
    ("LAG", Constraint::Length(10)),
    ("CHANGE", Constraint::Length(9)),
    ("OUT/S", Constraint::Length(8)),
];

pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    table(
        app,
        frame,
        area,
        &COLUMNS,
        app.groups()
            .into_iter()
            .map(|group| row(app, group))
            .collect(),
    );
}

fn row<'a>(app: &App, group: &'a Group) -> Row<'a> {
    let name = Line::from(group.name.as_str());
    let members = group
        .members
        .as_ref()
        .map_or_else(|_| unknown(), |members| number(members.to_string()));
    let Ok(progress) = &group.progress else {
        return Row::new([name, unknown(), members, unknown(), unknown(), unknown()]);
    };
    let change = match app.lag_change(group) {
        None => unknown(),
        Some(0) => number("0".to_owned()),
        Some(grown) if grown > 0 => number(format!("+{}", short(grown))),
        Some(shrunk) => number(short(shrunk)),
    };
    Row::new([
        name,
        number(progress.topics.to_string()),
        members,
        number(bound(progress.lag, progress.incomplete)),
        change,
        number(rate(progress.out_per_second)),
    ])
}
