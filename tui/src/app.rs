//! The state of the dashboard: what is known, and what the user looks at. Plain values; no clock, no I/O.

use std::time::{Duration, Instant};

use crate::snapshot::{Group, Snapshot, Topic};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Brokers,
    Topics,
    Groups,
}

impl View {
    pub(crate) const ALL: [Self; 3] = [Self::Brokers, Self::Topics, Self::Groups];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Brokers => "Brokers",
            Self::Topics => "Topics",
            Self::Groups => "Groups",
        }
    }
}

/// Who gets the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Browse,
    /// Typing the filter.
    Filter,
    Help,
}

#[derive(Debug)]
pub(crate) struct App {
    /// The name servers asked, as shown in the header.
    pub(crate) source: String,
    pub(crate) view: View,
    pub(crate) mode: Mode,
    /// Text that names must contain, or must not if it starts with `!`. One for all views.
    pub(crate) filter: String,
    /// By view: the name selected; rows move, the selection stays with its name.
    pub(crate) selected: [Option<String>; 3],
    pub(crate) latest: Option<Snapshot>,
    /// The one before, for rates and trends.
    pub(crate) previous: Option<Snapshot>,
    /// Why the latest round gave nothing at all; what was known before stays on the screen.
    pub(crate) failure: Option<String>,
    /// Moved by ticks.
    pub(crate) now: Instant,
    pub(crate) color: bool,
}

impl App {
    pub(crate) fn new(source: String, color: bool, now: Instant) -> Self {
        Self {
            source,
            view: View::Brokers,
            mode: Mode::Browse,
            filter: String::new(),
            selected: [None, None, None],
            latest: None,
            previous: None,
            failure: None,
            now,
            color,
        }
    }

    /// How old the figures are.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.latest
            .as_ref()
            .map(|latest| self.now.saturating_duration_since(latest.taken))
    }

    fn matches(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        match self.filter.strip_prefix('!') {
            Some("") => true,
            Some(unwanted) => !name.contains(&unwanted.to_lowercase()),
            None => name.contains(&self.filter.to_lowercase()),
        }
    }

    /// The rows of a list that the filter lets through, with the name of each.
    pub(crate) fn filtered<'a, T>(&self, rows: &'a [T], name: impl Fn(&T) -> &str) -> Vec<&'a T> {
        rows.iter().filter(|row| self.matches(name(row))).collect()
    }

    /// Groups as shown: largest lag first, those that are unknown on top, since they may be the worst.
    pub(crate) fn groups(&self) -> Vec<&Group> {
        let Some(latest) = &self.latest else {
            return Vec::new();
        };
        let mut groups = self.filtered(&latest.groups, |group| &group.name);
        let lag = |group: &Group| {
            group
                .progress
                .as_ref()
                .map_or(i64::MAX, |progress| progress.lag)
        };
        groups.sort_by(|a, b| lag(b).cmp(&lag(a)).then_with(|| a.name.cmp(&b.name)));
        groups
    }

    /// The names of all rows of the present view, in the order shown.
    pub(crate) fn names(&self) -> Vec<String> {
        let Some(latest) = &self.latest else {
            return Vec::new();
        };
        match self.view {
            View::Brokers => self
                .filtered(&latest.brokers, |b| &b.name)
                .iter()
                .map(|b| b.address.clone())
                .collect(),
            View::Topics => self
                .filtered(&latest.topics, |t| &t.name)
                .iter()
                .map(|t| t.name.clone())
                .collect(),
            View::Groups => self.groups().iter().map(|g| g.name.clone()).collect(),
        }
    }

    /// Where the selection is among `names`; the first row, if what was selected is gone.
    pub(crate) fn cursor(&self, names: &[String]) -> usize {
        let selected = self.selected[self.view as usize].as_ref();
        selected
            .and_then(|wanted| names.iter().position(|name| name == wanted))
            .unwrap_or(0)
    }

    /// Messages per second that arrived in a topic between the last two snapshots; `None` until there are two.
    pub(crate) fn arrival_rate(&self, topic: &Topic) -> Option<f64> {
        let (latest, previous) = (self.latest.as_ref()?, self.previous.as_ref()?);
        let before = previous
            .topics
            .iter()
            .find(|candidate| candidate.name == topic.name)?
            .stats
            .as_ref()
            .ok()?;
        let now = topic.stats.as_ref().ok()?;
        // With a broker missing on one side, the difference says nothing.
        if before.incomplete || now.incomplete {
            return None;
        }
        let seconds = latest
            .taken
            .saturating_duration_since(previous.taken)
            .as_secs_f64();
        (seconds > 0.0).then(|| (now.ends - before.ends).max(0) as f64 / seconds)
    }

    /// By how much a group's lag has grown since the last snapshot but one.
    pub(crate) fn lag_change(&self, group: &Group) -> Option<i64> {
        let previous = self.previous.as_ref()?;
        let before = previous
            .groups
            .iter()
            .find(|candidate| candidate.name == group.name)?
            .progress
            .as_ref()
            .ok()?;
        let now = group.progress.as_ref().ok()?;
        (!before.incomplete && !now.incomplete).then_some(now.lag - before.lag)
    }
}
