//! Reading messages out of a store folder.

use std::ops::ControlFlow;
use std::path::PathBuf;

use remoting::protocol::message::properties;
use remoting::protocol::message::record::Record;

use super::finding::Findings;
use super::queue_files::{QueueFiles, Survey};
use super::{OfflineStore, Progress, Step, Walk};
use crate::StoreError;
use crate::commit_log::CommitLog;
use crate::consume_queues::partition_point;
use crate::fs::FileSystem;
use crate::log_scan::{LogScan, Scanned, record_at};

/// Clocks go back: messages this much later than wanted end the search.
const MARGIN_MS: i64 = 60_000;

/// Which messages are wanted: those to which all of it applies.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Where in the log to begin. With it the order is that of the log.
    pub commit_log_offset: Option<i64>,
    /// The topic. Without a place in the log, its queues are read one after the other.
    pub topic: Option<String>,
    /// The queue of the topic.
    pub queue_id: Option<i32>,
    /// The first offset in the queue.
    pub from: Option<i64>,
    /// One past the last offset in the queue.
    pub to: Option<i64>,
    /// Stored at this time or later, in milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Stored before this time, in milliseconds since the epoch.
    pub until_ms: Option<i64>,
    /// One of its keys, or the id its producer gave it.
    pub key: Option<String>,
}

/// A message, or a place where none can be read.
#[derive(Debug)]
pub enum Selection<'a> {
    /// A whole message.
    Message(&'a Record<'a>),
    /// Bytes that are no message.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Position in the file, in bytes.
        byte: u64,
        /// What was found.
        what: String,
    },
}

impl Wanted {
    fn matches(&self, record: &Record<'_>) -> bool {
        let is =
            |wanted: &Option<String>, is: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(is);
        is(&self.topic, &|topic| topic == record.topic)
            && self.queue_id.is_none_or(|id| id == record.queue_id)
            && self.from.is_none_or(|from| record.queue_offset >= from)
            && self.to.is_none_or(|to| record.queue_offset < to)
            && self
                .since_ms
                .is_none_or(|since| record.store_timestamp >= since)
            && self
                .until_ms
                .is_none_or(|until| record.store_timestamp < until)
            && is(&self.key, &|key| has_key(record, key))
    }

    /// Whether messages stored at this time and later are not wanted.
    fn is_over(&self, store_timestamp: i64) -> bool {
        self.until_ms
            .is_some_and(|until| store_timestamp >= until.saturating_add(MARGIN_MS))
    }
}

fn has_key(record: &Record<'_>, key: &str) -> bool {
    properties::iter(record.properties).any(|(name, value)| match name {
        properties::UNIQUE_KEY => value == key,
        properties::KEYS => value.split(' ').any(|one| one == key),
        _ => false,
    })
}

impl<F: FileSystem> OfflineStore<F> {
    /// Hands out the messages that are wanted, until `each` says that it has enough. What cannot be read on the way is
    /// handed out as such.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn cat(
        &self,
        wanted: &Wanted,
        progress: Progress<'_>,
        mut each: impl FnMut(Selection<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let log = self.log_files()?.log;
        if let (Some(topic), Some(key), None) =
            (&wanted.topic, &wanted.key, wanted.commit_log_offset)
            && let Some(found) = self.by_index(&log, topic, key)?
        {
            let mut bytes = Vec::new();
            for offset in found.offsets {
                let record = record_at(&log, offset, &mut bytes)?;
                if let Some(record) = record.filter(|record| wanted.matches(record))
                    && each(checked(&log, &record)).is_break()
                {
                    return Ok(());
                }
            }
            return self.walk_log(&log, found.indexed_to, wanted, progress, &mut each);
        }
        match (&wanted.topic, wanted.commit_log_offset) {
            (Some(topic), None) if wanted.key.is_none() => {
                self.walk_queues(&log, topic, wanted, &mut each)
            }
            (_, Some(offset)) => self.walk_log(&log, offset, wanted, progress, &mut each),
            (_, None) => {
                let from = match wanted.since_ms {
                    Some(since) => file_of(&log, since)?,
                    None => log.min_offset(),
                };
                self.walk_log(&log, from, wanted, progress, &mut each)
            }
        }
    }

    /// What the index knows of a key, if it knows all of the log up to some point.
    fn by_index(
        &self,
        log: &CommitLog<F>,
        topic: &str,
        key: &str,
    ) -> Result<Option<ByIndex>, StoreError> {
        let (index, strangers) = self.index_files()?;
        let files = index.sealed();
        let Some(first) = files.iter().find(|file| file.header.next > 1) else {
            return Ok(None);
        };
        let begins = first.entry(1, index.layout())?.offset;
        let mut scan = LogScan::new(log, log.min_offset(), false);
        let first_message = match scan.next_record()? {
            Scanned::Record(record) => record.physical_offset,
            Scanned::End | Scanned::Invalid(_) => return Ok(None),
        };
        if !strangers.is_empty() || begins > first_message {
            return Ok(None);
        }
        let found = index.query(topic, key, usize::MAX, 0, i64::MAX)?;
        let mut offsets = found.offsets;
        offsets.dedup();
        let newest = index.dispatched_to();
        let mut bytes = Vec::new();
        let indexed_to = match record_at(log, newest, &mut bytes)? {
            Some(record) => newest + record.total_size as i64,
            None => return Ok(None),
        };
        Ok(Some(ByIndex {
            offsets,
            indexed_to,
        }))
    }

    fn walk_log(
        &self,
        log: &CommitLog<F>,
        from: i64,
        wanted: &Wanted,
        progress: Progress<'_>,
        each: &mut impl FnMut(Selection<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let end = log.files_end();
        progress(Step::Begin {
            what: "log",
            bytes: Some((end - from).max(0).unsigned_abs()),
        });
        let mut scan = LogScan::new(log, from, true);
        let mut walk = Walk::from(progress, from);
        // Bytes behind the last message are no damage; whether they are behind it, the next message tells.
        let mut damaged: Option<(i64, String)> = None;
        loop {
            walk.at(scan.position());
            let what = match scan.next_record() {
                Ok(Scanned::Record(record)) => {
                    if wanted.is_over(record.store_timestamp) {
                        return Ok(());
                    }
                    if let Some((at, what)) = damaged.take()
                        && each(damage(log, at, what)).is_break()
                    {
                        return Ok(());
                    }
                    if wanted.matches(&record) && each(Selection::Message(&record)).is_break() {
                        return Ok(());
                    }
                    continue;
                }
                Ok(Scanned::End) => "nothing".to_owned(),
                Ok(Scanned::Invalid(what)) => what,
                Err(e) if e.is_of_opening() => return Err(e),
                Err(e) => e.with_cause(),
            };
            if scan.position() >= end {
                return Ok(());
            }
            damaged.get_or_insert((scan.position(), what));
            scan.pass_over();
        }
    }

    fn walk_queues(
        &self,
        log: &CommitLog<F>,
        topic: &str,
        wanted: &Wanted,
        each: &mut impl FnMut(Selection<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let files = self.queue_files(&mut Findings::default())?;
        for &(id, queue) in files.of_topic(topic) {
            if wanted.queue_id.is_some_and(|wanted| wanted != id) {
                continue;
            }
            let survey = files.survey(queue, log.min_offset(), &|_| {}, None)?;
            if walk_queue(log, &files, (queue, survey), wanted, each)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

struct ByIndex {
    /// Of messages that may have the key.
    offsets: Vec<i64>,
    /// Behind this place of the log the index knows nothing.
    indexed_to: i64,
}

fn walk_queue<F: FileSystem>(
    log: &CommitLog<F>,
    files: &QueueFiles<F>,
    (queue, survey): (usize, Survey),
    wanted: &Wanted,
    each: &mut impl FnMut(Selection<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    let mut bytes = Vec::new();
    let mut from = wanted.from.unwrap_or(0).max(survey.min);
    let to = wanted.to.unwrap_or(i64::MAX).min(survey.end);
    if let Some(since) = wanted.since_ms {
        from = partition_point(from, to.max(from), |offset| {
            let Some(unit) = files.unit(queue, offset)? else {
                return Ok(true);
            };
            let record = record_at(log, unit.phy, &mut bytes)?;
            Ok::<_, StoreError>(record.is_none_or(|record| record.store_timestamp < since))
        })?;
    }
    for offset in from..to {
        let Some(unit) = files.unit(queue, offset)? else {
            continue;
        };
        if unit.is_filler() {
            continue;
        }
        let selected = match record_at(log, unit.phy, &mut bytes) {
            Ok(Some(record)) if wanted.is_over(record.store_timestamp) => break,
            Ok(Some(record)) if wanted.matches(&record) => each(checked(log, &record)),
            Ok(Some(_)) => continue,
            Ok(None) => {
                let what = format!("no message, though unit {offset} of the queue names it");
                each(damage(log, unit.phy, what))
            }
            Err(e) => each(damage(log, unit.phy, e.with_cause())),
        };
        if selected.is_break() {
            return Ok(selected);
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn checked<'a, F: FileSystem>(log: &CommitLog<F>, record: &'a Record<'a>) -> Selection<'a> {
    match record.verify_crc() {
        Ok(()) => Selection::Message(record),
        Err(e) => damage(log, record.physical_offset, e.to_string()),
    }
}

fn damage<'a, F: FileSystem>(log: &CommitLog<F>, at: i64, what: String) -> Selection<'a> {
    let (path, byte) = log.place_of(at);
    Selection::Damaged { path, byte, what }
}

/// The start of the file in which messages of this time begin at the latest.
fn file_of<F: FileSystem>(log: &CommitLog<F>, since_ms: i64) -> Result<i64, StoreError> {
    let since = since_ms.saturating_sub(MARGIN_MS);
    for segment in log.segments().iter().rev() {
        let mut scan = LogScan::new(log, segment.start(), false);
        if let Scanned::Record(record) = scan.next_record()?
            && record.store_timestamp < since
        {
            return Ok(segment.start());
        }
    }
    Ok(log.min_offset())
}
