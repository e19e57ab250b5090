//! What was changed from here, and how that ended.

use crate::app::{App, LogLine};
use crate::page::Page;
use crate::sheet::{Cell, Column, Row, Sheet, Tone};
use crate::snapshot::Known;

const COLUMNS: [Column; 3] = [
    Column::number("AGO", 8),
    Column::wide("COMMAND", 30),
    Column::wide("OUTCOME", 24),
];

fn outcome_of(line: &LogLine) -> Cell {
    match &line.outcome {
        None => Cell::words("under way"),
        Some(outcome) => ended(&outcome.summary),
    }
}

fn ended(outcome: &Known<String>) -> Cell {
    match outcome {
        Ok(done) => Cell::words(done.as_str()).tone(Tone::Good),
        Err(problem) => Cell::words(problem.as_str()).tone(Tone::Bad),
    }
}

/// The newest first.
pub(super) fn log(app: &App) -> Sheet {
    let mut sheet = Sheet::new(&COLUMNS);
    sheet.empty = "nothing was changed from here".to_owned();
    for line in app.log.iter().rev() {
        let cells = vec![
            Cell::span(Some(app.now_ms - line.at_ms)),
            Cell::text(line.command.clone()),
            outcome_of(line),
        ];
        sheet.rows.push(
            Row::new(line.id.to_string(), cells)
                .name(line.command.as_str())
                .open(Page::Outcome(line.id))
                .command(line.command.clone()),
        );
    }
    sheet
}

const TARGETS: [Column; 2] = [Column::wide("TARGET", 30), Column::wide("OUTCOME", 30)];

/// One action, target by target.
pub(super) fn outcome(app: &App, id: u64) -> Sheet {
    let mut sheet = Sheet::new(&TARGETS);
    let Some(line) = app.log.iter().find(|line| line.id == id) else {
        sheet.empty = "it is too long ago".to_owned();
        return sheet;
    };
    sheet.command = Some(line.command.clone());
    sheet.fact_line([("command", Cell::text(line.command.clone()))]);
    sheet.fact_line([("outcome", outcome_of(line))]);
    for (place, (target, outcome)) in line.outcome.iter().flat_map(|o| &o.targets).enumerate() {
        let cells = vec![Cell::text(target.clone()), ended(outcome)];
        sheet.rows.push(
            Row::new(format!("{place} {target}"), cells)
                .name(target.as_str())
                .command(line.command.clone()),
        );
    }
    sheet
}
