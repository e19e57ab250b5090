//! The key table, as it is.

use crate::keys;
use crate::sheet::{Cell, Column, Row, Sheet, Tone};

const COLUMNS: [Column; 2] = [Column::text("KEY", 10), Column::wide("DOES", 28)];

pub(super) fn help() -> Sheet {
    let mut sheet = Sheet::new(&COLUMNS);
    sheet.fact_line([
        ("-", Cell::words("not known: a server did not answer")),
        ("≥", Cell::words("at least: one of several did not")),
    ]);
    sheet.rows = keys::BROWSE
        .iter()
        .map(|binding| {
            let cells = vec![
                Cell::text(binding.label).tone(Tone::Head),
                Cell::words(binding.help),
            ];
            Row::new(binding.label, cells)
        })
        .collect();
    sheet
}
