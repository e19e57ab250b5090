//! `mq store verify`: check every byte of a store that can be checked.

use std::time::Instant;

use indicatif::{HumanBytes, HumanCount};
use store::inspect::{Finding, Severity, Verified};

use super::{Folder, Shown};
use crate::error::{CliError, Exit, Result};
use crate::output::{Format, Output, Print, Report, row};

/// Check a store: every message, queue, index entry, checkpoint and table; exit code 10 if something is wrong
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq store verify ~/store\n  mq store verify ~/store -c broker.conf -o jsonl\n\n\
                        A finding is lost (messages or tables are gone), derived (mq store rebuild makes it anew) or a notice (the \
                        next start takes care of it; the exit code stays 0)."
)]
pub(super) struct Args {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    print: Print,
}

row! {
    struct FindingRow named by at {
        severity: String,
        problem: String,
        /// File and byte.
        at: String,
        count: u64,
        what: String,
        consequence: String,
        file: String as wide,
        byte: u64 as wide,
        bytes: u64 as wide,
    }
}

impl From<&Finding> for FindingRow {
    fn from(finding: &Finding) -> Self {
        let file = finding.path.display().to_string();
        Self {
            severity: finding.problem.severity().name().to_owned(),
            problem: finding.problem.name().to_owned(),
            at: format!("{file}:{}", finding.byte),
            count: finding.count,
            what: finding.what.clone(),
            consequence: finding.problem.consequence().to_owned(),
            file,
            byte: finding.byte,
            bytes: finding.bytes,
        }
    }
}

pub(super) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let store = args.folder.open("check")?;
    let shown = Shown::new("checking");
    let start = Instant::now();
    let verified = store.verify(&|step| shown.step(step));
    shown.end();
    let what = format!("cannot check the store {}", args.folder.store.display());
    let verified = verified.map_err(|e| CliError::failed(what).because(&e))?;
    let rows: Vec<FindingRow> = verified.findings.iter().map(FindingRow::from).collect();
    if !rows.is_empty() || args.print.format != Format::Table {
        output.report(args.print.format, &Report::from(rows))?;
    }
    summary(&verified, start, output);
    let wrong = verified
        .findings
        .iter()
        .any(|finding| finding.problem.severity() > Severity::Notice);
    Ok(if wrong || verified.more_findings > 0 {
        Exit::Unhealthy
    } else {
        Exit::Done
    })
}

fn summary(verified: &Verified, start: Instant, output: &Output) {
    let count = |severity| {
        let of = |finding: &&Finding| finding.problem.severity() == severity;
        verified.findings.iter().filter(of).count()
    };
    let (lost, derived) = (count(Severity::Lost), count(Severity::Derived));
    let verdict = if lost + derived == 0 {
        "sound".to_owned()
    } else {
        format!("{lost} findings of loss, {derived} of what can be built anew")
    };
    let end = if verified.clean {
        "stopped in good order"
    } else {
        "not stopped in good order"
    };
    output.note(&format!(
        "{verdict}: {} messages and {} units, {} index entries, {} of log in {:.1?} ({end}; log ends at {})",
        HumanCount(verified.messages),
        HumanCount(verified.units),
        HumanCount(verified.index_entries),
        HumanBytes(verified.bytes),
        start.elapsed(),
        verified.log_end,
    ));
    for (number, what) in [
        (
            verified.pending,
            "messages whose units or index entries the next start builds",
        ),
        (
            verified.without_queue,
            "messages of topics that have been deleted",
        ),
        (verified.more_findings, "findings more than are listed"),
    ] {
        if number > 0 {
            output.note(&format!("{} {what}", HumanCount(number)));
        }
    }
}
