//! The only place that prints.
//!
//! A command builds rows; the format asked for decides what they look like. Machine formats (json, jsonl, yaml, csv, name)
//! are a stable contract: the field names of the row structs. In a pipe nothing is coloured, framed, truncated or asked.
//! What could not be learnt is shown as unknown with its reason, never as a zero, and turns the exit code into 3.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};

use crate::error::{CliError, Exit, Result};
use clap::{Args, ValueEnum};
use comfy_table::{
    Attribute, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets,
};

mod rows;

pub(crate) use rows::{Cell, Column, Known, Report, Row, ToCell, row};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people
    Table,
    /// All columns for people
    Wide,
    /// One JSON array
    Json,
    /// One JSON object per line
    Jsonl,
    Yaml,
    /// With a header line; what is unknown is an empty field
    Csv,
    /// Names only, one per line
    Name,
}

/// Flags of every command that changes something, or prints its rows once.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Print {
    /// How to print
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Flags of every command that reads.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Read {
    /// How to print
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Print again and again, every so often (2s unless given, as in --watch=5s); changed cells are marked
    #[arg(long, value_name = "SPAN", num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    pub(crate) watch: Option<jiff::SignedDuration>,
}

/// Cells of the last redraw, by name of the row, its place among rows of that name, and column.
type Drawn = HashMap<(String, usize, &'static str), Cell>;

/// Standard output and standard error, and what they are.
#[derive(Debug)]
pub(crate) struct Output {
    terminal: bool,
    color: bool,
}

impl Output {
    pub(crate) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let set = |name: &str| {
            std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
        };
        let color = !set("NO_COLOR") && (terminal || set("CLICOLOR_FORCE"));
        Self { terminal, color }
    }

    /// Whether a person looks at standard output.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line on standard output, visible at once.
    pub(crate) fn line(&self, text: &str) -> Result<()> {
        self.raw(&[text.as_bytes(), b"\n"].concat())
    }

    /// Bytes on standard output, visible at once.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        Ok(())
    }

    /// Standard output for very many lines; they are visible when it is flushed.
    pub(crate) fn writer(&self) -> impl Write {
        io::BufWriter::with_capacity(256 * 1024, io::stdout().lock())
    }

    /// A line on standard error: progress, warnings. Losing it is no reason to fail.
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// As [`Self::note`], staying on the line.
    pub(crate) fn note_inline(&self, text: &str) {
        let mut stderr = io::stderr();
        let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
    }

    /// Ends the command with an error. A reader that went away is no error.
    pub(crate) fn error(&self, error: &CliError) -> Exit {
        if error.closed_pipe {
            return Exit::Done;
        }
        self.note(&error.to_string());
        error.exit
    }

    /// Prints all rows; `Exit::Partly` if anything in them or among them is unknown.
    pub(crate) fn report<R: Row>(&self, format: Format, report: &Report<R>) -> Result<Exit> {
        self.redraw(format, report, &mut Drawn::new(), false)
    }

    /// Prints all rows over the screen of the last time, and marks what has changed.
    pub(crate) fn watch<R: Row>(
        &self,
        format: Format,
        report: &Report<R>,
        last: &mut Watched,
    ) -> Result<Exit> {
        let over = self.terminal && matches!(format, Format::Table | Format::Wide);
        self.redraw(format, report, &mut last.0, over)
    }

    /// Prints what became of each target of a change, told in a column `result`. Fails with `what` when nothing was done
    /// anywhere.
    ///
    /// # Errors
    /// Failed; also when standard output cannot be written.
    pub(crate) fn results<R: Row>(
        &self,
        format: Format,
        report: &Report<R>,
        what: impl Into<String>,
    ) -> Result<Exit> {
        let place = R::COLUMNS.iter().position(|column| column.name == "result");
        let failed = |row: &R| {
            let cells = row.cells();
            place.is_some_and(|place| matches!(cells.get(place), Some(Cell::Unknown(_))))
        };
        let all_failed = report.rows.iter().all(failed);
        let exit = self.report(format, report)?;
        if all_failed {
            return Err(CliError::failed(what));
        }
        Ok(exit)
    }

    fn redraw<R: Row>(
        &self,
        format: Format,
        report: &Report<R>,
        last: &mut Drawn,
        over: bool,
    ) -> Result<Exit> {
        let cells: Vec<Vec<Cell>> = report.rows.iter().map(Row::cells).collect();
        let notes = footnotes(report, &cells);
        let mut text = match format {
            Format::Table | Format::Wide => {
                let drawn = locate(report, &cells);
                let table = self.table(
                    R::COLUMNS,
                    format == Format::Wide,
                    &cells,
                    &changed(last, &drawn, report),
                );
                *last = drawn;
                table
            }
            Format::Json => serialize(serde_json::to_string_pretty(&report.rows))? + "\n",
            Format::Jsonl => {
                let lines: Vec<String> = report
                    .rows
                    .iter()
                    .map(|row| serialize(serde_json::to_string(row)))
                    .collect::<Result<_>>()?;
                lines.iter().map(|line| format!("{line}\n")).collect()
            }
            Format::Yaml if report.rows.is_empty() => "[]\n".to_owned(),
            Format::Yaml => serialize(serde_saphyr::to_string(&report.rows))?,
            Format::Csv => csv_text(R::COLUMNS, &cells)?,
            Format::Name => {
                let mut names: Vec<String> =
                    report.rows.iter().map(|row| row.name() + "\n").collect();
                names.dedup();
                names.concat()
            }
        };
        let people = matches!(format, Format::Table | Format::Wide);
        if people {
            text.extend(notes.iter().map(|note| format!("  - {note}\n")));
        }
        if over {
            // Home, the text with each line cleared to its end, then the rest of the screen cleared: no flicker.
            text = format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"));
        }
        self.raw(text.as_bytes())?;
        if !people {
            notes
                .iter()
                .for_each(|note| self.note(&format!("warning: {note}")));
        }
        Ok(if notes.is_empty() {
            Exit::Done
        } else {
            Exit::Partly
        })
    }

    fn table(
        &self,
        columns: &[Column],
        wide: bool,
        rows: &[Vec<Cell>],
        changed: &[Vec<bool>],
    ) -> String {
        let shown: Vec<usize> = (0..columns.len())
            .filter(|i| wide || !columns[*i].wide)
            .collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING).force_no_tty();
        if self.color {
            table.enforce_styling();
        }
        let width = crossterm::terminal::size()
            .ok()
            .map(|(width, _)| width)
            .filter(|_| self.terminal);
        match width {
            Some(width) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        let header = shown.iter().map(|i| {
            let cell = comfy_table::Cell::new(columns[*i].name.to_uppercase());
            if self.color {
                cell.add_attribute(Attribute::Bold)
            } else {
                cell
            }
        });
        table.set_header(header.collect::<Vec<_>>());
        for (row, changed) in rows.iter().zip(changed) {
            table.add_row(
                shown
                    .iter()
                    .map(|i| self.table_cell(&row[*i], changed[*i]))
                    .collect::<Vec<_>>(),
            );
        }
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            let number = |row: &Vec<Cell>| matches!(row[shown[place]], Cell::Number(_));
            if rows.iter().any(number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            // The first column identifies the row: it is the last to be wrapped.
            if place == 0 && width.is_some() {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Percentage(20)));
            }
        }
        table.trim_fmt() + "\n"
    }

    fn table_cell(&self, cell: &Cell, changed: bool) -> comfy_table::Cell {
        let text = harmless(cell.text());
        match (changed, self.color) {
            (true, true) => comfy_table::Cell::new(text).add_attribute(Attribute::Reverse),
            (true, false) => comfy_table::Cell::new(format!("{text}*")),
            (false, _) => comfy_table::Cell::new(text),
        }
    }
}

/// Strangers wrote what stands in messages: it must not command the terminal. Lines stay lines.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => shown.push(letter),
            letter if letter.is_control() => shown.extend(letter.escape_default()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// What `--watch` showed last.
#[derive(Debug, Default)]
pub(crate) struct Watched(Drawn);

fn serialize<E: std::error::Error + 'static>(text: Result<String, E>) -> Result<String> {
    text.map_err(|e| CliError::failed("cannot write the rows in this format").because(&e))
}

fn csv_text(columns: &[Column], rows: &[Vec<Cell>]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| CliError::failed("cannot write CSV").because(&e);
    writer
        .write_record(columns.iter().map(|column| column.name))
        .map_err(failed)?;
    for row in rows {
        let fields = row.iter().map(|cell| {
            if let Cell::Unknown(_) = cell {
                ""
            } else {
                cell.text()
            }
        });
        writer.write_record(fields).map_err(failed)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|e| CliError::failed("cannot write CSV").because(&e))?;
    String::from_utf8(bytes).map_err(|e| CliError::failed("cannot write CSV").because(&e))
}

/// `ROW (column, column): reason`, then the rows that are missing altogether.
fn footnotes<R: Row>(report: &Report<R>, cells: &[Vec<Cell>]) -> Vec<String> {
    let mut unknown: Vec<(String, &str, Vec<&str>)> = Vec::new();
    for (row, cells) in report.rows.iter().zip(cells) {
        for (column, cell) in R::COLUMNS.iter().zip(cells) {
            let Cell::Unknown(reason) = cell else {
                continue;
            };
            let name = row.name();
            match unknown
                .iter_mut()
                .find(|(who, why, _)| *who == name && why == reason)
            {
                Some((_, _, columns)) if columns.contains(&column.name) => {}
                Some((_, _, columns)) => columns.push(column.name),
                None => unknown.push((name, reason, vec![column.name])),
            }
        }
    }
    let unknown = unknown
        .into_iter()
        .map(|(who, why, columns)| format!("{who} ({}): {why}", columns.join(", ")));
    unknown.chain(report.missing.iter().cloned()).collect()
}

fn locate<R: Row>(report: &Report<R>, cells: &[Vec<Cell>]) -> Drawn {
    let mut seen = HashMap::new();
    let mut drawn = Drawn::new();
    for (row, cells) in report.rows.iter().zip(cells) {
        let name = row.name();
        let place: &mut usize = seen.entry(name.clone()).or_default();
        for (column, cell) in R::COLUMNS.iter().zip(cells) {
            drawn.insert((name.clone(), *place, column.name), cell.clone());
        }
        *place += 1;
    }
    drawn
}

/// For each row and column, whether it differs from the last time. The first time nothing does.
fn changed<R: Row>(last: &Drawn, drawn: &Drawn, report: &Report<R>) -> Vec<Vec<bool>> {
    let mut seen = HashMap::new();
    let mut marks = Vec::with_capacity(report.rows.len());
    for row in &report.rows {
        let name = row.name();
        let place: &mut usize = seen.entry(name.clone()).or_default();
        let mark = |column: &Column| {
            let key = (name.clone(), *place, column.name);
            !last.is_empty() && last.get(&key) != drawn.get(&key)
        };
        marks.push(R::COLUMNS.iter().map(mark).collect());
        *place += 1;
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    row! {
        struct Sample named by broker {
            broker: String,
            in_tps: Known<f64>,
            messages: Known<u64>,
            last: Option<String> as wide,
        }
    }

    fn report() -> Report<Sample> {
        let row = |broker: &str, in_tps, messages| Sample {
            broker: broker.to_owned(),
            in_tps,
            messages,
            last: None,
        };
        let down = || "connect: refused".to_owned();
        Report {
            rows: vec![
                row("broker-a", Known::Known(1.5), Known::Known(10)),
                row("broker-b", Known::Unknown(down()), Known::Unknown(down())),
            ],
            missing: vec!["broker-c: no answer within 3s".to_owned()],
        }
    }

    fn table(report: &Report<Sample>, wide: bool, marks: &[Vec<bool>]) -> String {
        let output = Output {
            terminal: false,
            color: false,
        };
        let cells: Vec<_> = report.rows.iter().map(Row::cells).collect();
        output.table(Sample::COLUMNS, wide, &cells, marks)
    }

    #[test]
    fn a_table_in_a_pipe_is_plain() {
        let marks = vec![vec![false; 4]; 2];
        assert_eq!(
            table(&report(), false, &marks),
            "BROKER    IN_TPS  MESSAGES\nbroker-a    1.50        10\nbroker-b       -         -\n"
        );
        assert!(table(&report(), true, &marks).starts_with("BROKER    IN_TPS  MESSAGES  LAST\n"));
    }

    #[test]
    fn a_cell_does_not_command_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\r\nc\td"), "a\\u{1b}[2Jb\\r\nc\td");
    }

    #[test]
    fn unknown_has_a_footnote() {
        let report = report();
        let cells: Vec<_> = report.rows.iter().map(Row::cells).collect();
        assert_eq!(
            footnotes(&report, &cells),
            [
                "broker-b (in_tps, messages): connect: refused",
                "broker-c: no answer within 3s"
            ]
        );
    }

    #[test]
    fn machine_formats() {
        let report = report();
        let json = serde_json::to_string(&report.rows[1]).unwrap();
        let unknown = r#"{"unknown":"connect: refused"}"#;
        assert_eq!(
            json,
            format!(
                r#"{{"broker":"broker-b","in_tps":{unknown},"messages":{unknown},"last":null}}"#
            )
        );
        let cells: Vec<_> = report.rows.iter().map(Row::cells).collect();
        let csv = csv_text(Sample::COLUMNS, &cells).unwrap();
        assert_eq!(
            csv,
            "broker,in_tps,messages,last\nbroker-a,1.50,10,\nbroker-b,,,\n"
        );
        let yaml = serde_saphyr::to_string(&&report.rows[..1]).unwrap();
        assert_eq!(
            yaml,
            "- broker: broker-a\n  in_tps: 1.5\n  messages: 10\n  last: null\n"
        );
    }

    #[test]
    fn watching_marks_what_changed() {
        let first = report();
        let mut second = report();
        second.rows[0].messages = Known::Known(11);
        let cells =
            |report: &Report<Sample>| report.rows.iter().map(Row::cells).collect::<Vec<_>>();
        let drawn = locate(&first, &cells(&first));
        assert!(
            changed(&Drawn::new(), &drawn, &first)
                .iter()
                .flatten()
                .all(|changed| !changed)
        );
        let marks = changed(&drawn, &locate(&second, &cells(&second)), &second);
        assert_eq!(marks, [[false, false, true, false], [false; 4]]);
        assert!(table(&second, false, &marks).contains("11*"));
    }
}
