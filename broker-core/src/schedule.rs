//! Delayed messages: kept in the queues of one topic, one for each delay level, and moved to their
//! real topics when they are due.
//!
//! A level's messages are due in the order in which they came, so only the first of each queue is
//! looked at: a level waits for that one's time or, if its queue is at its end, for an arrival. How
//! far each level is stands in `config/delayOffset.json`. It is saved now and then, so a crash makes
//! messages be delivered twice, never not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use remoting::protocol::body::queue_map::IntMap;
use remoting::protocol::message::properties;
use remoting::protocol::message::record::{Record, RecordFields, records};
use serde::{Deserialize, Serialize};
use store::{AppendRefusal, ReadFrom, ReadOutcome, ReadRequest, ReadStatus, Wait};
use tokio::sync::Notify;

use crate::broker::{Broker, NotStored};
use crate::config::BrokerConfig;
use crate::names::{SCHEDULE_TOPIC, TRANS_HALF_TOPIC};
use crate::table_file::{TableError, TableFile};

/// Messages of one level that are moved at once, before the next level gets its turn.
const BATCH: u32 = 32;
/// A level whose messages cannot be read or stored is tried again after this.
const RETRY_MS: i64 = 10_000;
/// The same if only the store's queue was full.
const BUSY_RETRY_MS: i64 = 100;
/// Times are looked at this often at least, in case the clock was set.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// For a level that waits for an arrival.
const NEVER: i64 = i64::MAX;

/// All levels.
#[derive(Debug)]
pub(crate) struct Schedule {
    levels: Vec<Level>,
    file: TableFile,
    dirty: AtomicBool,
    ending: AtomicBool,
    woken: Notify,
}

#[derive(Debug)]
struct Level {
    delay_ms: i64,
    /// The first message of its queue that is still to be delivered.
    next: AtomicI64,
    /// Its queue was at its end, and nothing has come since.
    at_end: AtomicBool,
}

/// `delayOffset.json`: level, counted from 1 → next offset.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DelayOffsets {
    pub(crate) offset_table: IntMap<i64>,
}

/// What became of one look at a level.
enum Look {
    /// There may be more that is due.
    Again,
    /// Nothing to do before this time.
    At(i64),
}

impl Schedule {
    /// The levels of a broker, not yet knowing how far they are.
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        let levels = config.message_delay_level.0.iter().map(|&delay_ms| Level {
            delay_ms,
            next: AtomicI64::new(0),
            at_end: AtomicBool::new(false),
        });
        Self {
            levels: levels.collect(),
            file: TableFile::new(config.table_path("delayOffset.json")),
            dirty: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            woken: Notify::new(),
        }
    }

    /// Reads how far the levels are.
    pub(crate) fn load(&self) -> Result<(), TableError> {
        let loaded: DelayOffsets = self.file.load()?;
        for (number, level) in (1..).zip(&self.levels) {
            level.next.store(
                loaded.offset_table.get(&number).copied().unwrap_or(0),
                Ordering::Relaxed,
            );
        }
        Ok(())
    }

    /// The level that a value of the property `DELAY` means, if the message is to be delayed at all.
    pub(crate) fn level(&self, value: &str) -> Option<i32> {
        let level: i32 = value.trim().parse().ok()?;
        (level > 0).then(|| self.at_most_highest(level))
    }

    /// Beyond the highest level counts as the highest.
    pub(crate) fn at_most_highest(&self, level: i32) -> i32 {
        level.min(i32::try_from(self.levels.len()).unwrap_or(i32::MAX))
    }

    /// A message came into the queue of a level.
    pub(crate) fn arrived(&self, queue_id: i32) {
        let level = usize::try_from(queue_id)
            .ok()
            .and_then(|at| self.levels.get(at));
        if level.is_some_and(|level| level.at_end.swap(false, Ordering::SeqCst)) {
            self.woken.notify_one();
        }
    }

    /// How far each level is, as it is sent and saved.
    pub(crate) fn offsets(&self) -> DelayOffsets {
        let offsets = self
            .levels
            .iter()
            .map(|level| level.next.load(Ordering::Relaxed));
        DelayOffsets {
            offset_table: (1..).zip(offsets).collect(),
        }
    }

    /// Saves how far each level is, if that has changed. Blocks on the disk.
    pub(crate) fn persist(&self) -> Result<(), TableError> {
        if !self.dirty.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let saved = self.file.save(&self.offsets());
        if saved.is_err() {
            self.dirty.store(true, Ordering::Relaxed);
        }
        saved
    }

    /// Lets the delivery at hand be the last.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Delivers what is due at all levels; returns when to look again. `looks`: when to look at each
    /// level.
    fn deliver_due(&self, broker: &Broker, looks: &mut [i64]) -> i64 {
        loop {
            let mut again = false;
            for (at, (level, look)) in self.levels.iter().zip(looks.iter_mut()).enumerate() {
                let now = broker.clock.now_ms();
                if *look > now && (*look != NEVER || level.at_end.load(Ordering::SeqCst)) {
                    continue;
                }
                match self.look(broker, at, level, now) {
                    Look::Again => {
                        again = true;
                        *look = now;
                    }
                    Look::At(time) => *look = time,
                }
            }
            if !again || self.ending.load(Ordering::Relaxed) {
                return looks.iter().copied().min().unwrap_or(NEVER);
            }
        }
    }

    fn look(&self, broker: &Broker, at: usize, level: &Level, now: i64) -> Look {
        let queue_id = i32::try_from(at).unwrap_or(i32::MAX);
        let next = level.next.load(Ordering::Relaxed);
        let request = ReadRequest {
            topic: SCHEDULE_TOPIC,
            queue_id,
            offset: next,
            max_messages: BATCH,
            max_bytes: u32::MAX,
        };
        let mut first_later = None;
        let outcome = broker.store.read(
            &request,
            |deliver_at| {
                let deliver_at = plausible(deliver_at, now, level.delay_ms);
                if deliver_at > now {
                    first_later.get_or_insert(deliver_at);
                }
                first_later.is_none()
            },
            ReadFrom::Anywhere,
        );
        let ReadOutcome::Done(result) = outcome else {
            return Look::At(now + RETRY_MS);
        };
        match result.status {
            ReadStatus::Found => {
                let found = result
                    .runs
                    .iter()
                    .flat_map(|run| records(run))
                    .map_while(Result::ok);
                self.deliver(broker, level, &found.collect::<Vec<_>>(), now)
            }
            ReadStatus::NoMatchedMessage => first_later.map_or(Look::Again, Look::At),
            ReadStatus::OffsetTooSmall | ReadStatus::OffsetOverflowBadly => {
                tracing::warn!(
                    "delay level {}: offset {next} is corrected to {}",
                    at + 1,
                    result.next_begin_offset
                );
                self.advance(level, result.next_begin_offset);
                Look::Again
            }
            ReadStatus::MessageWasRemoving => match first_later {
                Some(later) => Look::At(later),
                None => {
                    self.advance(level, result.next_begin_offset);
                    Look::Again
                }
            },
            ReadStatus::OffsetFoundNull => Look::At(now + RETRY_MS),
            ReadStatus::NoMatchedLogicQueue
            | ReadStatus::NoMessageInQueue
            | ReadStatus::OffsetOverflowOne => {
                level.at_end.store(true, Ordering::SeqCst);
                // One may have come before it could be noticed.
                if broker.store.max_offset(SCHEDULE_TOPIC, queue_id) > next {
                    level.at_end.store(false, Ordering::SeqCst);
                    return Look::Again;
                }
                Look::At(NEVER)
            }
        }
    }

    /// Moves messages to their real topics, in order, up to the first that cannot be stored now.
    fn deliver(&self, broker: &Broker, level: &Level, due: &[Record<'_>], now: i64) -> Look {
        let (places, messages): (Vec<i64>, Vec<RecordFields<'_>>) = due
            .iter()
            .filter_map(|record| Some((record.queue_offset, delivered(record)?)))
            .unzip();
        let stored = broker.append_own(messages, Wait::Written);
        for (place, result) in places.iter().zip(&stored) {
            match result {
                Ok(_) => {}
                Err(NotStored::Refused(AppendRefusal::QueueFull { .. })) => {
                    return Look::At(now + BUSY_RETRY_MS);
                }
                Err(NotStored::Refused(
                    refusal @ (AppendRefusal::TooLarge { .. } | AppendRefusal::Invalid(_)),
                )) => {
                    tracing::error!("a delayed message is dropped: {refusal}");
                }
                Err(problem) => {
                    tracing::warn!("delayed messages cannot be delivered now: {problem}");
                    return Look::At(now + RETRY_MS);
                }
            }
            self.advance(level, place + 1);
        }
        if stored.len() == places.len()
            && let Some(last) = due.last()
        {
            // Also past those that can never be delivered.
            self.advance(level, last.queue_offset + 1);
        }
        Look::Again
    }

    fn advance(&self, level: &Level, next: i64) {
        level.next.store(next, Ordering::Relaxed);
        self.dirty.store(true, Ordering::Relaxed);
    }
}

/// When a message is due. A time further away than its level's delay is the work of a clock that
/// was wrong.
fn plausible(deliver_at: i64, now: i64, delay_ms: i64) -> i64 {
    if deliver_at > now.saturating_add(delay_ms) {
        now
    } else {
        deliver_at
    }
}

/// A delayed message as it goes to its real topic. Its properties stay as they are, as Apache
/// leaves them.
fn delivered<'a>(record: &Record<'a>) -> Option<RecordFields<'a>> {
    let topic = record.property(properties::REAL_TOPIC);
    let queue_id = record
        .property(properties::REAL_QUEUE_ID)
        .and_then(|queue_id| queue_id.parse().ok());
    let (Some(topic), Some(queue_id)) = (topic, queue_id) else {
        tracing::error!(
            "delayed message at {} names no real topic and queue",
            record.physical_offset
        );
        return None;
    };
    if topic == TRANS_HALF_TOPIC {
        tracing::error!(
            "delayed message at {} is for {topic}: dropped",
            record.physical_offset
        );
        return None;
    }
    Some(RecordFields {
        topic,
        queue_id,
        ..record.fields()
    })
}

/// Delivers until the broker ends.
pub(crate) async fn deliver(broker: Arc<Broker>) {
    let mut looks = vec![0; broker.schedule.levels.len()];
    loop {
        let working = broker.clone();
        let delivered = tokio::task::spawn_blocking(move || {
            let next = working.schedule.deliver_due(&working, &mut looks);
            (looks, next)
        });
        let Ok((back, next)) = delivered.await else {
            return;
        };
        looks = back;
        let wait = u64::try_from(next.saturating_sub(broker.clock.now_ms())).unwrap_or(0);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait).min(LONGEST_SLEEP)) => {}
            () = broker.schedule.woken.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &tempfile::TempDir) -> Schedule {
        let root = dir.path().display().to_string();
        let settings = [
            ("storePathRootDir", &*root),
            ("messageDelayLevel", "1s 5s 1m"),
        ];
        let schedule = Schedule::new(&BrokerConfig::with(&settings).unwrap());
        schedule.load().unwrap();
        schedule
    }

    #[test]
    fn levels_are_read_as_apache_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let schedule = open(&dir);
        for (value, level) in [
            ("1", Some(1)),
            ("3", Some(3)),
            ("18", Some(3)),
            ("0", None),
            ("-1", None),
            ("x", None),
        ] {
            assert_eq!(schedule.level(value), level, "{value}");
        }
    }

    #[test]
    fn a_time_too_far_away_is_a_wrong_clocks() {
        assert_eq!(plausible(1500, 1000, 1000), 1500);
        assert_eq!(plausible(2000, 1000, 1000), 2000);
        assert_eq!(plausible(2001, 1000, 1000), 1000);
        assert_eq!(plausible(5, 1000, 1000), 5);
    }

    #[test]
    fn progress_outlives_the_process_in_apaches_file() {
        let dir = tempfile::tempdir().unwrap();
        let schedule = open(&dir);
        schedule.persist().unwrap();
        assert!(!dir.path().join("config/delayOffset.json").exists());
        schedule.advance(&schedule.levels[2], 77);
        schedule.persist().unwrap();
        let text = std::fs::read_to_string(dir.path().join("config/delayOffset.json")).unwrap();
        let compact: String = text.split_whitespace().collect();
        assert_eq!(compact, r#"{"offsetTable":{1:0,2:0,3:77}}"#);
        assert_eq!(open(&dir).offsets(), schedule.offsets());
    }
}
