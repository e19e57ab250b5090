//! `mq store clean`: delete what is no longer needed.

use store::inspect::{Plan, Removal, Scope};

use super::Folder;
use crate::confirm::Confirm;
use crate::error::{CliError, Exit, Result};
use crate::output::{Known, Output, Read, Report, row};
use crate::time;

/// Delete what is no longer needed: expired files of the log, queues of deleted topics, unused index files
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq store clean ~/store --dry-run\n  mq store clean ~/store --reserved-hours 24 --yes\n  \
                        mq store clean ~/store --all        everything: topics, groups, offsets and messages"
)]
pub(super) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Keep files of the log that were changed in the last hours, as fileReservedTime does
    #[arg(
        long,
        value_name = "HOURS",
        default_value_t = 72,
        conflicts_with = "all"
    )]
    reserved_hours: u32,
    /// Delete everything: the broker starts with an empty store
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    read: Read,
}

row! {
    struct CleanRow named by path {
        path: String,
        reason: String,
        files: u64,
        bytes: u64,
        last_changed: Option<String>,
        result: Known<String>,
    }
}

pub(super) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let name = args.folder.store.display();
    let what = format!("cannot clean the store {name}");
    let store = args.folder.open("clean")?;
    let scope = if args.all {
        Scope::All
    } else {
        Scope::Unneeded {
            reserved_ms: i64::from(args.reserved_hours) * 3_600_000,
        }
    };
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let plan = store
        .plan(scope, now_ms)
        .map_err(|e| CliError::failed(&what).because(&e))?;
    explain(&plan, output);
    let row = |removal: &Removal, result: Known<String>| CleanRow {
        path: removal.path.display().to_string(),
        reason: removal.reason.name().to_owned(),
        files: removal.files,
        bytes: removal.bytes,
        last_changed: time::rfc3339(removal.modified_ms),
        result,
    };
    let planned = |result: &str| {
        let rows = plan
            .remove
            .iter()
            .map(|removal| row(removal, Known::Known(result.to_owned())));
        Report::from(rows.collect::<Vec<_>>())
    };
    if plan.remove.is_empty() || args.confirm.dry_run {
        return output.report(args.read.format, &planned("would be deleted"));
    }
    if !args.confirm.yes {
        output.report(args.read.format, &planned("would be deleted"))?;
    }
    let question = format!("Delete this from {name}? It cannot be undone.");
    args.confirm.go_on(output, &question)?;
    let mut rows = Vec::new();
    for removal in &plan.remove {
        let result = match store.remove(removal) {
            Ok(()) => Known::Known("deleted".to_owned()),
            Err(error) => Known::Unknown(
                CliError::failed(error.to_string())
                    .because(&error)
                    .to_string(),
            ),
        };
        rows.push(row(removal, result));
    }
    output.report(args.read.format, &Report::from(rows))
}

/// By folder, what goes and what stays.
fn explain(plan: &Plan, output: &Output) {
    for kept in &plan.keep {
        let going = plan
            .remove
            .iter()
            .filter(|removal| removal.folder == kept.folder);
        let (files, bytes) = going.fold((0, 0), |(files, bytes), removal| {
            (files + removal.files, bytes + removal.bytes)
        });
        output.note(&format!(
            "{}: {files} files ({bytes} bytes) go, {} files ({} bytes) stay",
            kept.folder, kept.files, kept.bytes
        ));
    }
}
