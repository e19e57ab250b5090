//! Home: is it healthy, what falls behind, since when.

use client::checks::{Level, Subject};

use crate::app::App;
use crate::figures::{short, short_rate};
use crate::findings::{findings, page, tone};
use crate::page::Page;
use crate::sheet::{Cell, Column, Row, Sheet, Tone, Value};

use super::groups::PARTLY_KNOWN;
use crate::snapshot::{Group, Runtime, Snapshot};

const COLUMNS: [Column; 4] = [
    Column::text("LEVEL", 5),
    Column::wide("WHAT", 19),
    Column::wide("SUBJECT", 16),
    Column::wide("EVIDENCE", 24),
];

/// Groups without a finding that are listed below the findings, the largest lag first.
const WORST_GROUPS: usize = 10;

pub(super) fn pulse(app: &App) -> Sheet {
    let mut sheet = Sheet::new(&COLUMNS).command("mq cluster list");
    let Some(snapshot) = &app.latest else {
        return sheet;
    };
    sheet.fact_line(cluster(snapshot));
    let (arriving, leaving) = (app.history.arriving.values(), app.history.leaving.values());
    sheet.fact_line([
        ("in/s", rate_now(snapshot, |runtime| runtime.in_per_second)),
        ("", Cell::new(Value::Spark(arriving))),
        (
            "out/s",
            rate_now(snapshot, |runtime| runtime.out_per_second),
        ),
        ("", Cell::new(Value::Spark(leaving))),
    ]);
    let backlog = app.history.backlog.values();
    sheet.fact_line([
        ("backlog", backlog_now(snapshot)),
        ("", Cell::new(Value::Spark(backlog.clone()))),
        ("", trend(snapshot, &backlog)),
    ]);
    let found = findings(app);
    let mut behind: Vec<&Group> = snapshot
        .groups
        .iter()
        .filter(|group| {
            !found
                .iter()
                .any(|finding| page(finding) == Page::Group(group.name.clone()))
        })
        .filter(|group| group.lag().is_ok_and(|lag| lag > 0))
        .collect();
    behind.sort_by_key(|group| std::cmp::Reverse(group.lag().unwrap_or(0)));
    let findings = found.into_iter().map(|finding| {
        let key = format!(
            "{} {} {}",
            finding.what,
            finding.subject,
            finding.evidence.len()
        );
        let cells = vec![
            Cell::words(finding.level.word()).tone(tone(finding.level)),
            Cell::words(finding.what).tone(tone(finding.level)),
            match &finding.subject {
                Subject::Cluster | Subject::Host => Cell::words(finding.subject.to_string()),
                _ => Cell::text(finding.subject.to_string()),
            },
            Cell::words(finding.evidence.clone()),
        ];
        let open = page(&finding);
        let mut row = Row::new(key, cells)
            .name(finding.subject.to_string())
            .detail("evidence", finding.evidence)
            .detail("fix", finding.fix.clone())
            .link([open.clone()])
            .open(open);
        row.command = Some(finding.fix).filter(|fix| fix.starts_with("mq "));
        row
    });
    sheet.rows = findings.collect();
    sheet.rows.extend(
        behind
            .into_iter()
            .take(WORST_GROUPS)
            .map(|group| calm(app, snapshot, group)),
    );
    let mut seen = std::collections::BTreeSet::new();
    for row in &mut sheet.rows {
        while !seen.insert(row.key.clone()) {
            row.key.push('\'');
        }
    }
    sheet.empty = "All is well: every broker answers, no group is behind.".to_owned();
    sheet
}

fn cluster(snapshot: &Snapshot) -> Vec<(&'static str, Cell)> {
    let down = snapshot
        .brokers
        .iter()
        .filter(|broker| broker.runtime.is_err())
        .count();
    let mut versions: Vec<&str> = snapshot
        .brokers
        .iter()
        .filter_map(|broker| Some(broker.runtime.as_ref().ok()?.version.as_str()))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let count = |count: usize| Cell::whole(count as i64);
    let brokers = match down {
        0 => count(snapshot.brokers.len()),
        down => Cell::words(format!("{} ({down} DOWN)", snapshot.brokers.len())).tone(Tone::Bad),
    };
    let disk = snapshot
        .brokers
        .iter()
        .filter_map(|broker| broker.runtime.as_ref().ok()?.disk_used)
        .reduce(f64::max);
    vec![
        ("brokers", brokers),
        ("disk", Cell::percent(disk)),
        ("topics", count(snapshot.topics.len())),
        ("groups", count(snapshot.groups.len())),
        ("name servers", count(snapshot.name_servers.len())),
        ("version", Cell::text(versions.join(" "))),
    ]
}

/// What passes through the brokers that answer.
fn rate_now(snapshot: &Snapshot, of: fn(&Runtime) -> f64) -> Cell {
    let known = snapshot.brokers.iter().flat_map(|broker| &broker.runtime);
    let rates = Vec::from_iter(known.map(of));
    if rates.is_empty() && !snapshot.brokers.is_empty() {
        return Cell::unknown("no broker answers");
    }
    // Added to zero: an empty sum of floats is negative zero.
    let sum = rates.iter().fold(0.0, |sum, rate| sum + rate);
    let partial = rates.len() < snapshot.brokers.len();
    let sign = if partial { "≥" } else { "" };
    Cell::text(format!("{sign}{}", short_rate(sum)))
}

fn backlog_now(snapshot: &Snapshot) -> Cell {
    let known = snapshot
        .groups
        .iter()
        .filter_map(|group| group.lag().ok())
        .sum();
    Cell::count(known, is_partial(snapshot))
}

/// Whether the lag of a group is not known in full.
fn is_partial(snapshot: &Snapshot) -> bool {
    let mut groups = snapshot.groups.iter();
    groups.any(|group| group.incomplete || group.queues.is_err())
}

/// Since when the backlog has done what it does, in words; what is known in part tells no trend.
fn trend(snapshot: &Snapshot, backlog: &[f64]) -> Cell {
    let (Some(first), Some(last)) = (backlog.first(), backlog.last()) else {
        return Cell::nothing();
    };
    if is_partial(snapshot) {
        return Cell::nothing();
    }
    let change = (last - first) as i64;
    Cell::words(match change {
        0 => "steady since the start".to_owned(),
        1.. => format!("+{} since the start", short(change)),
        _ => format!("{} since the start", short(change)),
    })
}

/// A group that is behind, and nothing is wrong with that.
fn calm(app: &App, snapshot: &Snapshot, group: &Group) -> Row {
    let verdict = match group.incomplete {
        true => PARTLY_KNOWN.to_owned(),
        false => app.history.verdict(group, snapshot).to_string(),
    };
    let sign = if group.incomplete { "≥" } else { "" };
    let lag = group.lag().unwrap_or(0);
    let page = Page::Group(group.name.clone());
    let cells = vec![
        Cell::words(Level::Note.word()),
        Cell::words("lag"),
        Cell::text(group.name.clone()),
        Cell::words(format!("{sign}{} messages; {verdict}", short(lag))),
    ];
    Row::new(format!("group {}", group.name), cells)
        .name(group.name.as_str())
        .link([page.clone()])
        .open(page)
        .command(format!("mq group lag {}", group.name))
}
