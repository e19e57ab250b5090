//! One file per page: state in, sheet out.

use crate::app::App;
use crate::page::Page;
use crate::sheet::{Cell, Row, Sheet, Tone};

mod brokers;
mod clients;
mod groups;
mod heat;
mod help;
mod log;
mod messages;
mod pulse;
mod store;
mod topics;

/// A value asked longer ago than this, compared with the round it is shown in, says so.
const STALE_MS: i64 = 5_000;

pub(crate) fn sheet(app: &App, page: &Page) -> Sheet {
    match page {
        Page::Pulse => pulse::pulse(app),
        Page::Brokers => brokers::list(app),
        Page::Broker(address) => brokers::one(app, address),
        Page::Topics => topics::list(app),
        Page::Topic(name) => topics::one(app, name),
        Page::Dlq => topics::dead_letters(app),
        Page::Groups => groups::list(app),
        Page::Group(name) => groups::one(app, name),
        Page::Clients => clients::list(app),
        Page::Store => store::store(app),
        Page::Messages(query) => messages::list(app, query),
        Page::Message { query, place } => messages::one(app, query, place),
        Page::Trace(id) => messages::trace(app, id),
        Page::Heat(of) => heat::heat(app, of),
        Page::Log => log::log(app),
        Page::Outcome(id) => log::outcome(app, *id),
        Page::Help => help::help(),
    }
}

impl App {
    /// The present page as rows: sorted and filtered as the user wants.
    pub(crate) fn sheet(&self) -> Sheet {
        let mut sheet = sheet(self, self.page());
        let place = self.place();
        sheet.filter(&place.filter);
        if let Some((column, descending)) = place.sort {
            sheet.sort(column, descending);
        }
        sheet
    }

    pub(crate) fn selected_row(&self) -> Option<Row> {
        let mut sheet = self.sheet();
        let cursor = self.cursor(&sheet);
        (cursor < sheet.rows.len()).then(|| sheet.rows.swap_remove(cursor))
    }
}

/// How old a value is, if that is worth a word.
fn age(app: &App, asked_ms: i64) -> Cell {
    let age_ms = app.now_ms - asked_ms;
    // Never asked: the value itself says so.
    if age_ms < STALE_MS || asked_ms == 0 {
        return Cell::nothing();
    }
    Cell::span(Some(age_ms)).tone(Tone::Dim)
}
