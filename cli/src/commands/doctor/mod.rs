//! `mq doctor`: the whole chain from a client to its messages, link by link.

use client::Admin;
use client::checks::{Finding, Level};

use crate::error::{Exit, Result};
use crate::output::{Output, Report, row};
use crate::watch::{self, Ask};

pub(crate) mod checks;
pub(crate) mod facts;

use checks::{CHECKS, Check};
use facts::Facts;

/// Check the whole chain, from this host to the messages, and name what is broken with its fix
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq doctor\n  mq doctor --all                 also what is well\n  \
                        mq doctor -o json | jq '.[] | select(.level == \"critical\")'\n\n\
                        Changes nothing. Exit codes: 0 nothing but notes, 10 unhealthy, 3 not all could be looked at."
)]
pub(crate) struct Args {
    /// Also the checks that found nothing
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct FindingRow named by check {
        level: String,
        check: String,
        what: String as wide,
        subject: String,
        evidence: String,
        fix: String,
    }
}

/// The word for machines.
pub(crate) fn word(level: Level) -> &'static str {
    match level {
        Level::Critical => "critical",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}

/// Runs checks on facts: each with what it found.
pub(crate) fn examine<'a>(
    facts: &Facts,
    checks: impl IntoIterator<Item = &'a Check>,
) -> Vec<(&'a Check, Vec<Finding>)> {
    let run = |check: &'a Check| (check, (check.run)(facts));
    checks.into_iter().map(run).collect()
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let settings = args.ask.cluster.settings()?;
    let worst = std::cell::Cell::new(None);
    let exit = watch::read(output, &args.ask.read, async || {
        // Routes that were asked for before would be those of then.
        let admin = Admin::new(args.ask.cluster.client()?);
        let facts = facts::of_everything(&admin, &settings).await?;
        let examined = examine(&facts, CHECKS);
        worst.set(
            examined
                .iter()
                .flat_map(|(_, found)| found)
                .map(|f| f.level)
                .min(),
        );
        admin.client().close().await;
        Ok(Report {
            rows: rows(&examined, args.all),
            missing: facts.left_out,
        })
    })
    .await?;
    if worst.get().is_some_and(|worst| worst < Level::Note) {
        return Ok(Exit::Unhealthy);
    }
    if exit == Exit::Done && worst.get().is_none() && !args.all {
        output.note(&format!("{} checks, and nothing is wrong", CHECKS.len()));
    }
    Ok(exit)
}

/// Findings, worst first, then, if `all`, the checks that found nothing.
fn rows(examined: &[(&Check, Vec<Finding>)], all: bool) -> Vec<FindingRow> {
    let mut found = Vec::new();
    for (check, findings) in examined {
        found.extend(findings.iter().map(|finding| (check.name, finding)));
    }
    found.sort_by_key(|(_, finding)| finding.level);
    let row = |(check, finding): (&str, &Finding)| FindingRow {
        level: word(finding.level).to_owned(),
        check: check.to_owned(),
        what: finding.what.to_owned(),
        subject: finding.subject.to_string(),
        evidence: finding.evidence.clone(),
        fix: finding.fix.clone(),
    };
    let well = examined
        .iter()
        .filter(|(_, findings)| all && findings.is_empty());
    let well = well.map(|(check, _)| FindingRow {
        level: "ok".to_owned(),
        check: check.name.to_owned(),
        what: String::new(),
        subject: String::new(),
        evidence: check.expects.to_owned(),
        fix: String::new(),
    });
    found.into_iter().map(row).chain(well).collect()
}
