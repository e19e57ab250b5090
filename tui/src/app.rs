//! The state of the dashboard: what is known, and what the user looks at. Plain values; no clock, no I/O.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::change::Form;
use crate::history::History;
use crate::messages::{Answer, Question};
use crate::page::Page;
use crate::sheet::Sheet;
use crate::snapshot::{Known, Snapshot};

/// Views kept for `Esc`.
const STACK_LIMIT: usize = 32;
/// Lines of the log of actions.
const LOG_LIMIT: usize = 500;

/// A page on the stack, with how it is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) page: Page,
    /// The row selected, by its key; rows move, the selection stays with its key.
    pub(crate) selected: Option<String>,
    /// Rows marked with the space bar.
    pub(crate) marked: BTreeSet<String>,
    /// Text that a row must contain, or must not if it starts with `!`.
    pub(crate) filter: String,
    /// Column, and whether the largest comes first.
    pub(crate) sort: Option<(usize, bool)>,
}

impl Place {
    pub(crate) fn new(page: Page) -> Self {
        Self {
            page,
            selected: None,
            marked: BTreeSet::new(),
            filter: String::new(),
            sort: None,
        }
    }
}

/// Who gets the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    Browse,
    /// Typing the filter.
    Filter,
    /// Typing a command after `:`.
    Command(String),
    /// Choosing one of the actions.
    Menu(usize),
    /// Filling one in, then confirming it.
    Form,
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) summary: Known<String>,
    /// By target: a broker, a queue, a message.
    pub(crate) targets: Vec<(String, Known<String>)>,
}

/// A line of the log of actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub(crate) id: u64,
    pub(crate) at_ms: i64,
    /// The command line that does the same.
    pub(crate) command: String,
    /// `None`: it is being carried out.
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Debug)]
pub(crate) struct App {
    /// The name servers asked, as shown in the header.
    pub(crate) source: String,
    /// No actions are offered.
    pub(crate) read_only: bool,
    /// Never empty; the last one is seen.
    stack: Vec<Place>,
    /// The page seen before, for `-`.
    previous: Option<Page>,
    pub(crate) mode: Mode,
    /// The action that is being filled in.
    pub(crate) form: Option<Form>,
    pub(crate) log: VecDeque<LogLine>,
    /// Actions so far.
    actions: u64,
    /// Plans that brokers were asked for so far.
    pub(crate) asked: u64,
    pub(crate) latest: Option<Arc<Snapshot>>,
    pub(crate) history: History,
    /// Keeps the picture while rounds go on.
    pub(crate) frozen: bool,
    /// What came while frozen.
    pub(crate) behind: Option<Arc<Snapshot>>,
    /// All fields of the selected row, below the table.
    pub(crate) expanded: bool,
    pub(crate) mouse: bool,
    /// What a page asked for itself, and the question.
    pub(crate) answer: Option<(Question, Known<Answer>)>,
    /// Why the latest round gave nothing at all; what was known before stays on the screen.
    pub(crate) failure: Option<String>,
    /// One line for the user, until the next key.
    pub(crate) notice: Option<String>,
    /// Milliseconds since the epoch; moved by ticks and snapshots.
    pub(crate) now_ms: i64,
}

impl App {
    pub(crate) fn new(source: String, read_only: bool, now_ms: i64) -> Self {
        Self {
            source,
            read_only,
            stack: vec![Place::new(Page::Pulse)],
            previous: None,
            mode: Mode::Browse,
            form: None,
            log: VecDeque::new(),
            actions: 0,
            asked: 0,
            latest: None,
            history: History::default(),
            frozen: false,
            behind: None,
            expanded: false,
            mouse: false,
            answer: None,
            failure: None,
            notice: None,
            now_ms,
        }
    }

    pub(crate) fn place(&self) -> &Place {
        self.stack.last().expect("the stack is never empty")
    }

    pub(crate) fn place_mut(&mut self) -> &mut Place {
        self.stack.last_mut().expect("the stack is never empty")
    }

    pub(crate) fn page(&self) -> &Page {
        &self.place().page
    }

    /// The way to where one is, first to last.
    pub(crate) fn crumbs(&self) -> impl Iterator<Item = &Page> {
        self.stack.iter().map(|place| &place.page)
    }

    /// Opens a page above the present one; a page of the top starts a new stack on the pulse.
    pub(crate) fn open(&mut self, page: Page) {
        if *self.page() == page {
            return;
        }
        self.previous = Some(self.page().clone());
        if Page::TOP.iter().any(|(_, top)| *top == page) {
            self.stack.truncate(1);
            if page == Page::Pulse {
                return;
            }
        }
        if self.stack.len() == STACK_LIMIT {
            self.stack.remove(1);
        }
        self.stack.push(Place::new(page));
    }

    /// One page back; on the last one there is nowhere to go.
    pub(crate) fn back(&mut self) {
        if self.stack.len() > 1 {
            self.previous = self.stack.pop().map(|place| place.page);
        }
    }

    pub(crate) fn open_previous(&mut self) {
        if let Some(page) = self.previous.clone() {
            self.open(page);
        }
    }

    /// How old the figures are.
    pub(crate) fn age_ms(&self) -> Option<i64> {
        Some((self.now_ms - self.latest.as_ref()?.taken_ms).max(0))
    }

    /// Where the selection is; the first row, if what was selected is gone.
    pub(crate) fn cursor(&self, sheet: &Sheet) -> usize {
        let selected = self.place().selected.as_ref();
        selected
            .and_then(|wanted| sheet.rows.iter().position(|row| row.key == *wanted))
            .unwrap_or(0)
    }

    pub(crate) fn take(&mut self, snapshot: Arc<Snapshot>) {
        self.now_ms = self.now_ms.max(snapshot.taken_ms);
        self.failure = None;
        self.history.add(&snapshot);
        if self.frozen && self.latest.is_some() {
            self.behind = Some(snapshot);
        } else {
            self.latest = Some(snapshot);
        }
    }

    pub(crate) fn freeze(&mut self) {
        self.frozen = !self.frozen;
        if let Some(snapshot) = self.behind.take() {
            self.latest = Some(snapshot);
        }
    }

    /// Notes an action that begins; returns its number.
    pub(crate) fn begin(&mut self, command: String) -> u64 {
        if self.log.len() == LOG_LIMIT {
            self.log.pop_front();
        }
        self.actions += 1;
        self.log.push_back(LogLine {
            id: self.actions,
            at_ms: self.now_ms,
            command,
            outcome: None,
        });
        self.actions
    }

    /// Notes how an action ended.
    pub(crate) fn end(&mut self, id: u64, outcome: Outcome) {
        self.notice = Some(match &outcome.summary {
            Ok(done) => done.clone(),
            Err(problem) => format!("failed: {problem}"),
        });
        if let Some(line) = self.log.iter_mut().find(|line| line.id == id) {
            line.outcome = Some(outcome);
        }
    }
}
