//! `mq store rebuild`: queues and index anew from the log.

use store::StoreError;
use store::inspect::Old;

use super::{Folder, Shown};
use crate::confirm::Confirm;
use crate::error::{CliError, Exit, Result};
use crate::output::{Output, Print, Report, row};

/// Build queues and index anew from the log; the old ones are kept until they are deleted with --delete-old
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq store rebuild ~/store --dry-run\n  mq store rebuild ~/store --yes\n  \
                        mq store rebuild ~/store --undo --yes            the old ones come back\n  \
                        mq store rebuild ~/store --delete-old --yes      once the broker has shown that all is well"
)]
pub(super) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Pass over bytes of the log that are no messages; without it they stop the work. Queues get empty places there
    #[arg(long)]
    skip_damaged: bool,
    /// Delete the old queues and the old index
    #[arg(long, group = "what", conflicts_with = "skip_damaged")]
    delete_old: bool,
    /// Put the old queues and the old index back
    #[arg(long, group = "what", conflicts_with = "skip_damaged")]
    undo: bool,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    print: Print,
}

row! {
    struct RebuiltRow named by store {
        store: String,
        messages: u64,
        queues: usize,
        log_end: i64,
        index_end: i64,
        /// Messages of topics that have been deleted: left out.
        without_topic: u64,
        /// Empty places where messages are lost.
        missing: u64,
        damaged: Vec<String>,
    }
}

row! {
    struct FolderRow named by folder {
        folder: String,
        action: String,
    }
}

pub(super) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let name = args.folder.store.display().to_string();
    let failed = |error: StoreError| {
        CliError::failed(format!("cannot rebuild the store {name}")).because(&error)
    };
    let store = args.folder.open("rebuild")?;
    let old = store.old().map_err(failed)?;
    if args.delete_old || args.undo {
        let Some(old) = old else {
            return Err(CliError::not_found(format!(
                "there is nothing from before a rebuild in the store {name}"
            )));
        };
        let (action, done, question) = if args.undo {
            ("put back", "is back", "Put the old queues and index back?")
        } else {
            ("delete", "deleted", "Delete the old queues and index?")
        };
        if !plan(args, output, &folders(&old, action), question)? {
            return Ok(Exit::Done);
        }
        let result = if args.undo {
            store.put_back(&old)
        } else {
            store.delete_old(&old)
        };
        result.map_err(failed)?;
        return output.report(args.print.format, &Report::from(folders(&old, done)));
    }
    if let Some(old) = old {
        let kept: Vec<String> = folders(&old, "")
            .into_iter()
            .map(|row| row.folder)
            .collect();
        return Err(CliError::refused(format!(
            "cannot rebuild the store {name}: what was there before an earlier rebuild is still kept: {}",
            kept.join(", ")
        ))
        .hint("mq store rebuild --delete-old deletes it, --undo puts it back"));
    }
    let rows = ["consumequeue", "index"].map(|folder| FolderRow {
        folder: args.folder.store.join(folder).display().to_string(),
        action: format!("build anew from the log, keep the old as {folder}.old"),
    });
    if !plan(
        args,
        output,
        &rows,
        &format!("Build queues and index of {name} anew?"),
    )? {
        return Ok(Exit::Done);
    }
    let shown = Shown::new("reading");
    let rebuilt = store.rebuild(args.skip_damaged, &|step| shown.step(step));
    shown.end();
    let rebuilt = rebuilt.map_err(|error| match error {
        StoreError::Damaged { .. } => CliError::refused(format!("cannot rebuild the store {name}"))
            .because(&error)
            .hint("mq store verify shows all damage; --skip-damaged passes over it, and loses what stood there"),
        error => failed(error),
    })?;
    let damaged = rebuilt.damaged.iter().map(|finding| {
        format!(
            "{}:{}: {} bytes: {}",
            finding.path.display(),
            finding.byte,
            finding.bytes,
            finding.what
        )
    });
    let row = RebuiltRow {
        store: name,
        messages: rebuilt.messages,
        queues: rebuilt.queues,
        log_end: rebuilt.log_end,
        index_end: rebuilt.index_end,
        without_topic: rebuilt.without_topic,
        missing: rebuilt.missing,
        damaged: damaged.collect(),
    };
    output.report(args.print.format, &Report::from(vec![row]))?;
    output.note(
        "the old queues and index are kept: --delete-old deletes them, --undo puts them back",
    );
    Ok(Exit::Done)
}

/// Whether to go on, once the plan has been shown.
fn plan(args: &Args, output: &Output, rows: &[FolderRow], question: &str) -> Result<bool> {
    if !args.confirm.yes {
        output.report(args.print.format, &Report::from(rows.to_vec()))?;
    }
    args.confirm.go_on(output, question)
}

fn folders(old: &Old, action: &str) -> Vec<FolderRow> {
    let row = |path: &std::path::PathBuf| FolderRow {
        folder: path.display().to_string(),
        action: action.to_owned(),
    };
    old.paths.iter().map(row).collect()
}
