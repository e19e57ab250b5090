//! What a store folder holds, as far as that can be told without reading all of it.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, ZonedDateTime};

use super::finding::Findings;
use super::{LogFiles, OfflineStore, Progress, Step};
use crate::StoreError;
use crate::commit_log::CommitLog;
use crate::consume_queue::Unit;
use crate::fs::FileSystem;
use crate::log_scan::{LogScan, Scanned, record_at};
use crate::recovery::known_safe;

/// A store at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// Whether the last run ended in good order (there is no file `abort`).
    pub clean: bool,
    /// First byte of the log.
    pub log_begin: i64,
    /// Where the last message ends.
    pub log_end: i64,
    /// Files of the log, oldest first.
    pub log_files: Vec<LogFileInfo>,
    /// Topics by name, with their queues by number.
    pub topics: Vec<TopicInfo>,
    /// Where the last message ends that any queue names.
    pub queues_end: i64,
    /// Bytes of the queues' files, holes included.
    pub queue_bytes: u64,
    /// Index files.
    pub index_files: usize,
    /// Entries in them.
    pub index_entries: u64,
    /// Log offset of the newest message that the index names; 0 when it names none.
    pub index_end: i64,
    /// Times of the checkpoint, in milliseconds since the epoch: log, queues, index.
    pub checkpoint_ms: [i64; 3],
    /// Everything in front of this place of the log is durable; `None` when only an Apache broker wrote the checkpoint.
    pub safe_offset: Option<i64>,
    /// When the oldest and the newest message were stored, in milliseconds since the epoch.
    pub oldest_ms: Option<i64>,
    /// See `oldest_ms`.
    pub newest_ms: Option<i64>,
}

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFileInfo {
    /// Its name.
    pub name: String,
    /// Log offset of its first byte.
    pub start: i64,
    /// Bytes in it, those not yet used included.
    pub bytes: u64,
    /// When its first message was stored, in milliseconds since the epoch; `None` when it has none.
    pub first_ms: Option<i64>,
    /// Last change, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// When a running broker will delete it, in milliseconds since the epoch; `None` for the newest, which stays.
    pub deleted_ms: Option<i64>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub topic: String,
    /// Its queues by number.
    pub queues: Vec<QueueInfo>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueInfo {
    /// Its number.
    pub queue_id: i32,
    /// The first message that the log still has, and one past the last.
    pub min_offset: i64,
    /// See `min_offset`.
    pub max_offset: i64,
    /// Messages that the log still has.
    pub messages: u64,
    /// Bytes of them in the log.
    pub bytes: u64,
    /// Files of the queue, and their bytes, holes included.
    pub files: usize,
    /// See `files`.
    pub file_bytes: u64,
    /// When the last message was stored, in milliseconds since the epoch.
    pub last_ms: Option<i64>,
}

impl<F: FileSystem> OfflineStore<F> {
    /// Looks at the log's ends, all units, and the headers of the index.
    ///
    /// # Errors
    /// What could not be read.
    pub fn info(&self, now_ms: i64, progress: Progress<'_>) -> Result<Info, StoreError> {
        let files = self.log_files()?;
        let log = &files.log;
        let state = self.state(log)?;
        let queues = self.queue_files(&mut Findings::default())?;
        progress(Step::Begin {
            what: "queues",
            bytes: None,
        });
        let mut info = Info {
            clean: state.clean,
            log_begin: log.min_offset(),
            log_files: self.log_file_infos(&files, now_ms)?,
            checkpoint_ms: [
                state.checkpoint.physic_msg_timestamp,
                state.checkpoint.logics_msg_timestamp,
                state.checkpoint.index_msg_timestamp,
            ],
            safe_offset: state.checkpoint.safe_point.map(|safe| safe.offset),
            ..Info::default()
        };
        for (at, queue) in queues.queues.iter().enumerate() {
            let survey = queues.survey(at, info.log_begin, progress, None)?;
            let last = survey.last.filter(|last| last.phy >= info.log_begin);
            info.queues_end = info.queues_end.max(survey.last.map_or(0, Unit::end));
            info.queue_bytes += queue.bytes();
            let one = QueueInfo {
                queue_id: queue.queue_id,
                min_offset: survey.min,
                max_offset: survey.end,
                messages: survey.live,
                bytes: survey.live_bytes,
                files: queue.files(),
                file_bytes: queue.bytes(),
                last_ms: match last {
                    Some(last) => store_time(log, last.phy)?,
                    None => None,
                },
            };
            // The folders of a topic come one after the other.
            match info.topics.last_mut() {
                Some(topic) if *topic.topic == *queue.topic => topic.queues.push(one),
                _ => info.topics.push(TopicInfo {
                    topic: queue.topic.to_string(),
                    queues: vec![one],
                }),
            }
        }
        for topic in &mut info.topics {
            topic.queues.sort_by_key(|queue| queue.queue_id);
        }
        let (index, _) = self.index_files()?;
        info.index_files = index.sealed().len();
        info.index_entries = index.entries();
        info.index_end = index.dispatched_to();

        // From the best place that is known to be a boundary to the end.
        let safe = known_safe(log, &state.checkpoint).map_or(0, |safe| safe.offset);
        let newest_file = info
            .log_files
            .iter()
            .rev()
            .find(|file| file.first_ms.is_some());
        let newest_start = newest_file.map_or(info.log_begin, |file| file.start);
        let mut scan = LogScan::new(log, safe.max(newest_start), false);
        let queues = info.topics.iter().flat_map(|topic| &topic.queues);
        info.newest_ms = queues.filter_map(|queue| queue.last_ms).max();
        while let Scanned::Record(record) = scan.next_record()? {
            info.newest_ms = info.newest_ms.max(Some(record.store_timestamp));
            info.log_end = record.physical_offset + record.total_size as i64;
        }
        info.log_end = info.log_end.max(safe).max(info.queues_end);
        info.oldest_ms = info.log_files.iter().find_map(|file| file.first_ms);
        Ok(info)
    }

    fn log_file_infos(
        &self,
        files: &LogFiles<F>,
        now_ms: i64,
    ) -> Result<Vec<LogFileInfo>, StoreError> {
        let mut infos = Vec::with_capacity(files.found.len());
        for (at, file) in files.found.iter().enumerate() {
            let metadata = self.fs.metadata(&file.path);
            let metadata = metadata.map_err(|e| StoreError::io("inspect", &file.path, e))?;
            let name = file.path.file_name().unwrap_or_default();
            let newest = at + 1 == files.found.len();
            infos.push(LogFileInfo {
                name: name.to_string_lossy().into_owned(),
                start: file.start,
                bytes: file.len,
                first_ms: store_time(&files.log, file.start)?,
                modified_ms: metadata.modified_ms,
                deleted_ms: if newest {
                    None
                } else {
                    self.deleted_ms(metadata.modified_ms, now_ms)
                },
            });
        }
        Ok(infos)
    }

    /// When a file of the log that was last changed at a time will be deleted: in the first of the hours `deleteWhen`
    /// after `fileReservedTime` is over.
    fn deleted_ms(&self, modified_ms: i64, now_ms: i64) -> Option<i64> {
        let reserved_ms = i64::from(self.config.retention.file_reserved_hours) * 3_600_000;
        let at = Timestamp::from_millisecond((modified_ms + reserved_ms).max(now_ms)).ok()?;
        let mut at: ZonedDateTime = at.to_zoned_datetime(TimeZone::system());
        for _ in 0..=24 {
            let due = |hour: &u8| i32::from(*hour) == i32::from(at.hour());
            if self.config.retention.delete_when.iter().any(due) {
                return Some(at.timestamp().as_millisecond());
            }
            let next = at.checked_add(1.hour()).ok()?;
            at = next
                .with()
                .minute(0)
                .second(0)
                .subsec_nanosecond(0)
                .build()
                .ok()?;
        }
        None
    }
}

pub(super) fn store_time<F: FileSystem>(
    log: &CommitLog<F>,
    at: i64,
) -> Result<Option<i64>, StoreError> {
    let mut bytes = Vec::new();
    let record = record_at(log, at, &mut bytes)?;
    Ok(record.map(|record| record.store_timestamp))
}
