//! What was changed from here, and how that ended.

use crate::app::App;
use crate::sheet::{Cell, Column, Row, Sheet, Tone};

const COLUMNS: [Column; 3] = [
    Column::number("AGO", 8),
    Column::wide("COMMAND", 30),
    Column::wide("OUTCOME", 24),
];

/// The newest first.
pub(super) fn log(app: &App) -> Sheet {
    let mut sheet = Sheet::new(&COLUMNS);
    sheet.empty = "nothing was changed from here".to_owned();
    for line in app.log.iter().rev() {
        let (outcome, tone) = match &line.outcome {
            None => ("under way", Tone::Plain),
            Some(Ok(done)) => (done.as_str(), Tone::Good),
            Some(Err(problem)) => (problem.as_str(), Tone::Bad),
        };
        let cells = vec![
            Cell::span(Some(app.now_ms - line.at_ms)),
            Cell::text(line.command.clone()),
            Cell::text(outcome).tone(tone),
        ];
        sheet
            .rows
            .push(Row::new(line.id.to_string(), cells).command(line.command.clone()));
    }
    sheet
}
