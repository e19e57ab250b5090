//! What a page shows, as values: a few lines, then rows of cells. Drawing, sorting, filtering, copying and JSON are the
//! same for every page and live with this type and in `view`.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use crate::figures::{short, short_rate};
use crate::page::Page;

/// How a cell or line is meant. The text says so as well: nothing is told by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Good,
    Warn,
    Bad,
    Dim,
    Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Least width; a column that does not fit is left out, the last ones first.
    pub(crate) width: u16,
    /// As wide as what stands in it, as far as there is room; also narrower than its least width, in place of being left out.
    pub(crate) fill: bool,
    pub(crate) right: bool,
}

impl Column {
    pub(crate) const fn text(title: &'static str, width: u16) -> Self {
        Self {
            title,
            width,
            fill: false,
            right: false,
        }
    }

    pub(crate) const fn wide(title: &'static str, width: u16) -> Self {
        Self {
            title,
            width,
            fill: true,
            right: false,
        }
    }

    pub(crate) const fn number(title: &'static str, width: u16) -> Self {
        Self {
            title,
            width,
            fill: false,
            right: true,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A name, or what a server said: never translated.
    Text(String),
    /// Words of our own, in English.
    Words(String),
    /// A number, and how it is written.
    Number(f64, String),
    /// Drawn as small bars, scaled to the largest of them.
    Spark(Vec<f64>),
    /// A part of a whole, 0 to 1: drawn as a bar.
    Heat(f64),
    /// One small bar for each of several, 0 to 1, on the same scale in all rows.
    Strip(Vec<f64>),
    /// Nobody could tell; the reason.
    Unknown(String),
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    pub(crate) value: Value,
    pub(crate) tone: Tone,
}

impl Cell {
    pub(crate) fn new(value: Value) -> Self {
        Self {
            value,
            tone: Tone::Plain,
        }
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::new(Value::Text(text.into()))
    }

    pub(crate) fn words(text: impl Into<String>) -> Self {
        Self::new(Value::Words(text.into()))
    }

    /// A count; a lower bound when somebody did not answer.
    pub(crate) fn count(count: i64, at_least: bool) -> Self {
        Self::new(Value::Number(count as f64, short(count))).at_least(at_least)
    }

    pub(crate) fn whole(number: impl Into<i64>) -> Self {
        let number = number.into();
        Self::new(Value::Number(number as f64, number.to_string()))
    }

    pub(crate) fn rate(per_second: Option<f64>) -> Self {
        per_second.map_or_else(
            || Self::unknown("a rate needs two rounds"),
            |rate| Self::new(Value::Number(rate, short_rate(rate))),
        )
    }

    pub(crate) fn percent(part: Option<f64>) -> Self {
        part.map_or_else(
            || Self::unknown("the broker does not tell"),
            |part| Self::new(Value::Number(part, format!("{:.0}%", part * 100.0))),
        )
    }

    /// A span of time, in words.
    pub(crate) fn span(ms: Option<i64>) -> Self {
        ms.map_or(Self::nothing(), |ms| {
            Self::new(Value::Number(ms as f64, client::verdict::span(ms)))
        })
    }

    /// Marks a number as a lower bound, where somebody did not answer.
    pub(crate) fn at_least(mut self, at_least: bool) -> Self {
        if let Value::Number(_, text) = &mut self.value
            && at_least
        {
            text.insert(0, '≥');
        }
        self
    }

    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self {
            value: Value::Unknown(reason.into()),
            tone: Tone::Dim,
        }
    }

    pub(crate) fn nothing() -> Self {
        Self::new(Value::Nothing)
    }

    pub(crate) fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// As a person reads it; small bars have no text.
    pub(crate) fn plain(&self) -> &str {
        match &self.value {
            Value::Text(text) | Value::Words(text) | Value::Number(_, text) => text,
            Value::Unknown(_) => "-",
            Value::Spark(_) | Value::Heat(_) | Value::Strip(_) | Value::Nothing => "",
        }
    }

    pub(crate) fn json(&self) -> Json {
        match &self.value {
            Value::Text(text) | Value::Words(text) => text.as_str().into(),
            Value::Number(number, _) | Value::Heat(number) if number.fract() == 0.0 => {
                (*number as i64).into()
            }
            Value::Number(number, _) | Value::Heat(number) => (*number).into(),
            Value::Spark(values) | Value::Strip(values) => values.clone().into(),
            Value::Unknown(reason) => Json::Object(Map::from_iter([(
                "unknown".to_owned(),
                reason.as_str().into(),
            )])),
            Value::Nothing => Json::Null,
        }
    }

    /// Numbers by size, texts by letters; what is unknown is greater than all, since it may be the worst.
    fn compare(&self, other: &Self) -> Ordering {
        let rank = |cell: &Self| match cell.value {
            Value::Nothing => 0,
            Value::Unknown(_) => 2,
            _ => 1,
        };
        match (&self.value, &other.value) {
            (Value::Number(a, _) | Value::Heat(a), Value::Number(b, _) | Value::Heat(b)) => {
                a.total_cmp(b)
            }
            (Value::Spark(a), Value::Spark(b)) => {
                let last = |values: &[f64]| values.last().copied().unwrap_or(0.0);
                last(a).total_cmp(&last(b))
            }
            (Value::Strip(a), Value::Strip(b)) => {
                let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
                most(a).total_cmp(&most(b))
            }
            (Value::Text(a) | Value::Words(a), Value::Text(b) | Value::Words(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// What the selection goes by; no two rows of a page share it.
    pub(crate) key: String,
    /// What `y` copies; `None`: the key.
    pub(crate) name: Option<String>,
    pub(crate) cells: Vec<Cell>,
    /// Where Enter leads.
    pub(crate) open: Option<Page>,
    /// Objects this row has to do with, for the keys that jump.
    pub(crate) links: Vec<Page>,
    /// Shown when expanded, below the cells.
    pub(crate) details: Vec<(&'static str, String)>,
    /// The command line that shows or fixes the same.
    pub(crate) command: Option<String>,
}

impl Row {
    pub(crate) fn new(key: impl Into<String>, cells: Vec<Cell>) -> Self {
        Self {
            key: key.into(),
            name: None,
            cells,
            open: None,
            links: Vec::new(),
            details: Vec::new(),
            command: None,
        }
    }

    pub(crate) fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    pub(crate) fn open(mut self, page: Page) -> Self {
        self.open = Some(page);
        self
    }

    pub(crate) fn link(mut self, pages: impl IntoIterator<Item = Page>) -> Self {
        self.links.extend(pages);
        self
    }

    pub(crate) fn detail(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.details.push((name, text.into()));
        self
    }

    pub(crate) fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

/// A part of a line above the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) cell: Cell,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sheet {
    /// Lines above the table.
    pub(crate) facts: Vec<Vec<Fact>>,
    pub(crate) columns: &'static [Column],
    pub(crate) rows: Vec<Row>,
    /// Said in place of a table without rows.
    pub(crate) empty: String,
    /// The command line that shows the same.
    pub(crate) command: Option<String>,
}

impl Sheet {
    pub(crate) fn new(columns: &'static [Column]) -> Self {
        Self {
            columns,
            empty: "none".to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    pub(crate) fn fact_line(&mut self, facts: impl IntoIterator<Item = (&'static str, Cell)>) {
        let line = facts.into_iter().map(|(name, cell)| Fact { name, cell });
        self.facts.push(line.collect());
    }

    /// Keeps the rows of which a cell contains the text; with `!` before it, those of which none does.
    pub(crate) fn filter(&mut self, text: &str) {
        let (unwanted, text) = match text.strip_prefix('!') {
            Some(text) => (true, text.to_lowercase()),
            None => (false, text.to_lowercase()),
        };
        if text.is_empty() {
            return;
        }
        let contains = |row: &Row| {
            row.cells
                .iter()
                .any(|cell| cell.plain().to_lowercase().contains(&text))
        };
        self.rows.retain(|row| contains(row) != unwanted);
        self.empty = "nothing matches the filter".to_owned();
    }

    pub(crate) fn sort(&mut self, column: usize, descending: bool) {
        self.rows.sort_by(|a, b| {
            let order = match (a.cells.get(column), b.cells.get(column)) {
                (Some(a), Some(b)) => a.compare(b),
                _ => Ordering::Equal,
            };
            if descending { order.reverse() } else { order }
        });
    }

    /// Objects by column title in lower case, with what could not be learnt as `{"unknown": "reason"}`.
    pub(crate) fn json(&self) -> Json {
        let row = |row: &Row| {
            let cells = self.columns.iter().zip(&row.cells);
            let mut object: Map<String, Json> = cells
                .map(|(column, cell)| (json_name(column.title), cell.json()))
                .collect();
            for (detail, text) in &row.details {
                object.insert(json_name(detail), text.as_str().into());
            }
            Json::Object(object)
        };
        Json::Array(self.rows.iter().map(row).collect())
    }
}

/// `IN/S` → `in_per_second`.
pub(crate) fn json_name(title: &str) -> String {
    title
        .to_lowercase()
        .replace("/s", "_per_second")
        .replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 2] = [Column::wide("NAME", 8), Column::number("IN/S", 6)];

    fn sheet(rows: &[(&str, Option<f64>)]) -> Sheet {
        let row = |(name, rate): &(&str, Option<f64>)| {
            Row::new(*name, vec![Cell::text(*name), Cell::rate(*rate)])
        };
        let mut sheet = Sheet::new(&COLUMNS);
        sheet.rows = rows.iter().map(row).collect();
        sheet
    }

    fn keys(sheet: &Sheet) -> Vec<&str> {
        sheet.rows.iter().map(|row| row.key.as_str()).collect()
    }

    #[test]
    fn what_is_unknown_sorts_as_the_worst() {
        let mut sheet = sheet(&[("a", Some(5.0)), ("b", None), ("c", Some(10.0))]);
        sheet.sort(1, true);
        assert_eq!(keys(&sheet), ["b", "c", "a"]);
        sheet.sort(0, false);
        assert_eq!(keys(&sheet), ["a", "b", "c"]);
        sheet.sort(9, false);
        assert_eq!(keys(&sheet), ["a", "b", "c"]);
    }

    #[test]
    fn filters_know_not() {
        for (text, expected) in [("", "ab"), ("A", "a"), ("!a", "b"), ("!", "ab"), ("x", "")] {
            let mut sheet = sheet(&[("a", None), ("b", None)]);
            sheet.filter(text);
            assert_eq!(keys(&sheet).concat(), expected, "{text:?}");
        }
    }

    #[test]
    fn json_has_numbers_as_numbers_and_reasons() {
        let json = sheet(&[("a", Some(2.5)), ("b", None)]).json();
        let expected = r#"[{"in_per_second":2.5,"name":"a"},{"in_per_second":{"unknown":"a rate needs two rounds"},"name":"b"}]"#;
        assert_eq!(json.to_string(), expected);
    }
}
