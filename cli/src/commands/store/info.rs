//! `mq store info`: what a store holds.

use store::inspect::{Info, LogFileInfo, QueueInfo, TopicInfo};

use super::{Folder, Shown};
use crate::error::{CliError, Exit, Result};
use crate::output::{Output, Print, Report, row};
use crate::time;

/// Show what a store holds: extent in bytes and time, topics, state of queues, index and checkpoint, what will be deleted when
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq store info ~/store -o wide\n  mq store info ~/store --topics\n  \
                        mq store info ~/store --files -c broker.conf"
)]
pub(super) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// By topic: messages and bytes that the log still has
    #[arg(long, group = "by")]
    topics: bool,
    /// By queue: offsets, messages, bytes
    #[arg(long, group = "by")]
    queues: bool,
    /// By file of the log: since when, and when it will be deleted
    #[arg(long, group = "by")]
    files: bool,
    #[command(flatten)]
    print: Print,
}

row! {
    struct StoreRow named by store {
        store: String,
        /// Whether the last run ended in good order.
        clean: bool,
        messages: u64,
        topics: usize,
        queues: usize,
        log_begin: i64,
        log_end: i64,
        oldest_message: Option<String>,
        newest_message: Option<String>,
        log_files: usize as wide,
        log_file_bytes: u64 as wide,
        queue_file_bytes: u64 as wide,
        /// Bytes of the log that have no units yet, or whose units are not written yet.
        dispatch_behind_bytes: i64,
        index_files: usize as wide,
        index_entries: u64 as wide,
        index_end: i64 as wide,
        checkpoint_log: Option<String> as wide,
        checkpoint_queues: Option<String> as wide,
        checkpoint_index: Option<String> as wide,
        /// Everything in front of it is on the disk.
        checkpoint_offset: Option<i64> as wide,
        /// Files of the log that a broker would delete at the next occasion.
        expired_files: usize,
        next_deletion: Option<String>,
    }
}

row! {
    struct TopicRow named by topic {
        topic: String,
        queues: usize,
        messages: u64,
        bytes: u64,
        last_store_time: Option<String>,
    }
}

row! {
    struct QueueRow named by topic {
        topic: String,
        queue_id: i32,
        min_offset: i64,
        max_offset: i64,
        messages: u64,
        bytes: u64,
        last_store_time: Option<String>,
        files: usize as wide,
        file_bytes: u64 as wide,
    }
}

row! {
    struct FileRow named by file {
        file: String,
        commit_log_offset: i64,
        bytes: u64,
        first_store_time: Option<String>,
        last_changed: Option<String>,
        deleted_at: Option<String>,
    }
}

pub(super) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let store = args.folder.open("look into")?;
    let shown = Shown::new("reading");
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let info = store.info(now_ms, &|step| shown.step(step));
    shown.end();
    let name = args.folder.store.display().to_string();
    let info = info
        .map_err(|e| CliError::failed(format!("cannot look into the store {name}")).because(&e))?;
    if args.topics {
        let rows: Vec<_> = info.topics.iter().map(topic_row).collect();
        output.report(args.print.format, &Report::from(rows))
    } else if args.queues {
        let rows = info.topics.iter().flat_map(|topic| {
            let row = |queue: &QueueInfo| queue_row(&topic.topic, queue);
            topic.queues.iter().map(row).collect::<Vec<_>>()
        });
        output.report(args.print.format, &Report::from(rows.collect::<Vec<_>>()))
    } else if args.files {
        let rows: Vec<_> = info.log_files.iter().map(file_row).collect();
        output.report(args.print.format, &Report::from(rows))
    } else {
        let row = store_row(name, &info, now_ms);
        output.report(args.print.format, &Report::from(vec![row]))
    }
}

fn store_row(store: String, info: &Info, now_ms: i64) -> StoreRow {
    let queues = || info.topics.iter().flat_map(|topic| &topic.queues);
    let deletions = || info.log_files.iter().filter_map(|file| file.deleted_ms);
    let [log, queue, index] = info.checkpoint_ms;
    StoreRow {
        store,
        clean: info.clean,
        messages: queues().map(|queue| queue.messages).sum(),
        topics: info.topics.len(),
        queues: queues().count(),
        log_begin: info.log_begin,
        log_end: info.log_end,
        oldest_message: info.oldest_ms.and_then(time::rfc3339),
        newest_message: info.newest_ms.and_then(time::rfc3339),
        log_files: info.log_files.len(),
        log_file_bytes: info.log_files.iter().map(|file| file.bytes).sum(),
        queue_file_bytes: info.queue_bytes,
        dispatch_behind_bytes: info.log_end - info.queues_end.max(info.log_begin),
        index_files: info.index_files,
        index_entries: info.index_entries,
        index_end: info.index_end,
        checkpoint_log: time::rfc3339(log),
        checkpoint_queues: time::rfc3339(queue),
        checkpoint_index: time::rfc3339(index),
        checkpoint_offset: info.safe_offset,
        expired_files: deletions().filter(|&at| at <= now_ms).count(),
        next_deletion: deletions().min().and_then(time::rfc3339),
    }
}

fn topic_row(topic: &TopicInfo) -> TopicRow {
    let last = topic.queues.iter().filter_map(|queue| queue.last_ms).max();
    TopicRow {
        topic: topic.topic.clone(),
        queues: topic.queues.len(),
        messages: topic.queues.iter().map(|queue| queue.messages).sum(),
        bytes: topic.queues.iter().map(|queue| queue.bytes).sum(),
        last_store_time: last.and_then(time::rfc3339),
    }
}

fn queue_row(topic: &str, queue: &QueueInfo) -> QueueRow {
    QueueRow {
        topic: topic.to_owned(),
        queue_id: queue.queue_id,
        min_offset: queue.min_offset,
        max_offset: queue.max_offset,
        messages: queue.messages,
        bytes: queue.bytes,
        last_store_time: queue.last_ms.and_then(time::rfc3339),
        files: queue.files,
        file_bytes: queue.file_bytes,
    }
}

fn file_row(file: &LogFileInfo) -> FileRow {
    FileRow {
        file: file.name.clone(),
        commit_log_offset: file.start,
        bytes: file.bytes,
        first_store_time: file.first_ms.and_then(time::rfc3339),
        last_changed: time::rfc3339(file.modified_ms),
        deleted_at: file.deleted_ms.and_then(time::rfc3339),
    }
}
