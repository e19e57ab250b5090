//! `mq store clean`: delete what is no longer needed.

use store::inspect::{Plan, Removal, Scope};

use super::{Folder, STOP_FIRST};
use crate::confirm::Confirm;
use crate::error::{CliError, Exit, Result};
use crate::instance::{Instance, Kind};
use crate::output::{Known, Output, Print, Report, row};
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
    print: Print,
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
    let store = args.folder.open_or("clean", |server| {
        if args.all {
            STOP_FIRST.to_owned()
        } else {
            online(server)
        }
    })?;
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
        return output.report(args.print.format, &planned("would be deleted"));
    }
    if !args.confirm.yes {
        output.report(args.print.format, &planned("would be deleted"))?;
    }
    let why = format!("this is deleted from {name} for good");
    args.confirm
        .go_on_by_name(output, &why, &args.folder.name())?;
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
    output.report(args.print.format, &Report::from(rows))
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
    let time = |ms: Option<i64>| ms.and_then(time::rfc3339);
    if let Some(from) = time(plan.lost_from_ms) {
        output.note(&match time(plan.kept_from_ms) {
            Some(to) => format!("lost: messages stored from {from} to {to}"),
            None => format!("lost: all messages, the oldest stored at {from}"),
        });
    }
}

/// How the broker that uses a folder does the same.
fn online(server: Option<&Instance>) -> String {
    let address = server.and_then(|server| match server.kind {
        Kind::Broker => server.addresses.first(),
        Kind::Dev | Kind::Namesrv => None,
    });
    let broker = address.map_or("HOST:PORT", String::as_str);
    format!(
        "the running broker does it by itself, and at once with mq mqadmin deleteExpiredCommitLog -b {broker}, \
         cleanExpiredCQ and cleanUnusedTopic; or {STOP_FIRST}"
    )
}
