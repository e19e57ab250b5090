//! What was sent and what of it must be there: the work that is done on a store, and the checks after a start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use remoting::protocol::message::record::{Record, RecordFields, records};
use store::inspect::{OfflineStore, Severity};
use store::{
    AppendError, Appended, Arrival, Clock, Done, FlushMode, ReadFrom, ReadOutcome, ReadRequest,
    ReadStatus, RetentionRules, Store, StoreConfig, StoreError, StoreEvents, Wait, json_file,
};

use crate::sim::{Random, SimFs};

pub(crate) const ROOT: &str = "/store";
const LONG: Duration = Duration::from_secs(60);
const START_MS: i64 = 1_700_000_000_000;
const QUEUES: [(&str, i32); 4] = [("orders", 0), ("orders", 1), ("audit", 0), ("gone", 7)];

pub(crate) type Answer = (usize, Result<Appended, AppendError>);

pub(crate) struct Events(Sender<Answer>);

impl StoreEvents for Events {
    type Ticket = usize;

    fn completed(&mut self, done: &mut Vec<Done<usize>>) {
        for done in done.drain(..) {
            // The receiver may have gone with the crash.
            let _ = self.0.send((done.ticket, done.result));
        }
    }

    fn arrived(&mut self, _arrivals: &[Arrival]) {}
}

/// A message of the model.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) body: String,
    /// Where it was acknowledged to be.
    pub(crate) acknowledged: Option<i64>,
}

/// What was sent to each queue since its topic was deleted last, in this order.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) queues: BTreeMap<(&'static str, i32), Vec<Sent>>,
    pub(crate) sent: usize,
    /// A topic whose deletion was begun and not finished: it may be there or not.
    pub(crate) half_deleted: bool,
    pub(crate) deletes: bool,
    /// Whether files of the log are deleted as expired.
    pub(crate) expires: bool,
}

pub(crate) struct Run {
    pub(crate) fs: SimFs,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) flush_mode: FlushMode,
}

pub(crate) fn config(flush_mode: FlushMode) -> StoreConfig {
    StoreConfig {
        commit_log_file_size: 8 * 1024,
        consume_queue_file_size: 20 * 16,
        flush_mode,
        flush_interval_consume_queue_ms: 10,
        flush_consume_queue_thorough_interval_ms: 50,
        max_hash_slot_num: 16,
        max_index_num: 12,
        retention: RetentionRules {
            delete_when: vec![],
            file_reserved_hours: 0,
            ..RetentionRules::default()
        },
        delete_commit_log_files_interval_ms: 0,
        clean_resource_interval_ms: i64::MAX as u64,
        hot_tail_bytes: 32 * 1024,
        ..StoreConfig::new(ROOT)
    }
}

pub(crate) fn record(topic: &str, queue_id: i32, body: &str) -> Vec<u8> {
    let host = "127.0.0.1:10911".parse().unwrap();
    let properties = format!("KEYS\u{1}{body} every\u{2}TAGS\u{1}TagA\u{2}");
    let fields = RecordFields {
        queue_id,
        born_timestamp: 1,
        ..RecordFields::plain(topic, body.as_bytes(), properties.as_bytes(), host)
    };
    let mut bytes = Vec::new();
    fields.encode_into(&mut bytes).unwrap();
    bytes
}

impl Run {
    pub(crate) fn new(seed: u64, flush_mode: FlushMode) -> Self {
        Self {
            fs: SimFs::new(seed),
            clock: Arc::new(AtomicI64::new(START_MS)),
            flush_mode,
        }
    }

    pub(crate) fn open(&self) -> Result<(Store<Events, SimFs>, Receiver<Answer>), StoreError> {
        let (sender, answers) = channel();
        let clock = Arc::clone(&self.clock);
        let clock = Clock::new(move || clock.load(Ordering::Relaxed));
        let config = config(self.flush_mode);
        let store = Store::open(config, self.fs.clone(), clock, Events(sender))?;
        Ok((store, answers))
    }

    /// Sends messages, stops and starts cleanly, and perhaps deletes a topic; ends early when the
    /// store cannot be opened or has become read-only.
    pub(crate) fn work(&self, model: &mut Model, random: &mut Random, steps: usize) {
        let Ok((mut store, mut answers)) = self.open() else {
            return;
        };
        for _ in 0..steps {
            let now_ms = self
                .clock
                .fetch_add(random.below(40) as i64, Ordering::Relaxed);
            self.fs.set_now(now_ms);
            match random.below(40) {
                0 => {
                    let stopped = store.shutdown();
                    drop(store);
                    if stopped.is_err() {
                        return;
                    }
                    let Ok(opened) = self.open() else { return };
                    (store, answers) = opened;
                }
                1 if model.deletes => {
                    model.half_deleted = store.delete_topic("gone").is_err();
                    if model.half_deleted {
                        return;
                    }
                    model.queues.remove(&("gone", 7));
                }
                2 if model.expires => store.delete_expired_files(),
                _ => {
                    if !send_some(&store, &answers, model, random) {
                        return;
                    }
                }
            }
        }
    }
}

/// Appends up to four single messages or batches and waits for their answers. Whether the store
/// takes more.
pub(crate) fn send_some(
    store: &Store<Events, SimFs>,
    answers: &Receiver<Answer>,
    model: &mut Model,
    random: &mut Random,
) -> bool {
    let mut waiting = Vec::new();
    for ticket in 0..=random.below(4) {
        let queue = QUEUES[random.below(QUEUES.len())];
        let count = if random.below(3) == 0 {
            2 + random.below(5)
        } else {
            1
        };
        let messages = model.queues.entry(queue).or_default();
        let first = messages.len();
        let mut bytes = Vec::new();
        for _ in 0..count {
            let padding = "x".repeat(random.below(300));
            let body = format!("{}-{padding}", model.sent);
            model.sent += 1;
            bytes.extend(record(queue.0, queue.1, &body));
            messages.push(Sent {
                body,
                acknowledged: None,
            });
        }
        let wait = Wait::Stored;
        if store
            .append(queue.0, queue.1, &bytes, count as u32, wait, ticket)
            .is_err()
        {
            return false;
        }
        waiting.push((queue, first..first + count));
    }
    store.kick();
    for _ in 0..waiting.len() {
        let (ticket, result) = answers
            .recv_timeout(LONG)
            .expect("every append is answered");
        if let Ok(appended) = result {
            assert_eq!(appended.status, store::PutStatus::Ok);
            let (queue, range) = &waiting[ticket];
            let messages = model.queues.get_mut(queue).unwrap();
            for (message, offset) in messages[range.clone()]
                .iter_mut()
                .zip(appended.queue_offset..)
            {
                message.acknowledged = Some(offset);
            }
        }
    }
    true
}

/// The bodies of a queue with their offsets, which have to be dense.
pub(crate) fn read_all(
    store: &Store<Events, SimFs>,
    topic: &str,
    queue_id: i32,
    context: &str,
) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    let mut offset = store.min_offset(topic, queue_id).unwrap_or(0);
    loop {
        let request = ReadRequest {
            topic,
            queue_id,
            offset,
            max_messages: 32,
            max_bytes: u32::MAX,
        };
        let ReadOutcome::Done(result) = store.read(&request, |_| true, ReadFrom::Anywhere) else {
            panic!("{topic} {queue_id} {offset}: cold");
        };
        if result.status != ReadStatus::Found {
            assert_eq!(
                offset,
                store.max_offset(topic, queue_id),
                "{context}: {topic} {queue_id}: {result:?}"
            );
            return found;
        }
        for run in &result.runs {
            for record in records(run) {
                let record = record.unwrap();
                record.verify_crc().unwrap();
                assert_eq!(record.queue_offset, offset, "{context}: {topic} {queue_id}");
                assert_eq!((record.topic, record.queue_id), (topic, queue_id));
                let body = String::from_utf8(record.body.to_vec()).unwrap();
                found.push((offset, body));
                offset += 1;
            }
        }
    }
}

/// Opens the store after whatever has happened and compares it with the model.
pub(crate) fn check(run: &Run, model: &Model, loses_unsynced: bool, context: &str) {
    let (store, answers) = run
        .open()
        .unwrap_or_else(|e| panic!("{context}: does not open: {e}"));
    for ((topic, queue_id), sent) in &model.queues {
        if *topic == "gone" && model.half_deleted {
            continue;
        }
        let found = read_all(&store, topic, *queue_id, context);
        let mut later = sent.iter();
        for (_, body) in &found {
            assert!(
                later.any(|sent| sent.body == *body),
                "{context}: {topic} {queue_id} shows {body:?} twice, out of order, or never sent"
            );
        }
        if loses_unsynced {
            continue;
        }
        let last = sent.iter().filter_map(|sent| sent.acknowledged).max();
        assert!(
            last.is_none_or(|last| last < store.max_offset(topic, *queue_id)),
            "{context}: {topic} {queue_id} gives offset {last:?} again"
        );
        let expired = store.min_offset(topic, *queue_id).unwrap_or(0);
        let found: BTreeMap<i64, String> = found.into_iter().collect();
        for sent in sent {
            if let Some(offset) = sent.acknowledged.filter(|offset| *offset >= expired) {
                assert_eq!(
                    found.get(&offset),
                    Some(&sent.body),
                    "{context}: {topic} {queue_id} {offset} was acknowledged, {expired}..{} are there",
                    store.max_offset(topic, *queue_id)
                );
            }
        }
    }
    if !model.queues.contains_key(&("gone", 7)) && !loses_unsynced && !model.half_deleted {
        assert_eq!(
            read_all(&store, "gone", 7, context),
            [],
            "{context}: deleted"
        );
    }
    // It goes on where it was.
    let next = store.max_offset("orders", 0);
    let bytes = record("orders", 0, "after");
    store
        .append("orders", 0, &bytes, 1, Wait::Stored, 0)
        .unwrap();
    store.kick();
    let appended = answers.recv_timeout(LONG).unwrap().1.unwrap();
    assert_eq!(appended.queue_offset, next, "{context}");
    assert!(store.shutdown().unwrap().clean, "{context}");
    drop(store);
    // Of a topic that was deleted, nobody here knows whether it exists.
    if !model.deletes {
        check_offline(run, context);
    }
}

/// Every message that was acknowledged is found by its key.
pub(crate) fn check_index(run: &Run, model: &Model, context: &str) {
    let (store, _answers) = run
        .open()
        .unwrap_or_else(|e| panic!("{context}: does not open: {e}"));
    for ((topic, queue_id), sent) in &model.queues {
        let expired = store.min_offset(topic, *queue_id).unwrap_or(0);
        for sent in sent {
            let Some(offset) = sent.acknowledged.filter(|offset| *offset >= expired) else {
                continue;
            };
            let found = store.query_by_key(topic, &sent.body, 64, 0, i64::MAX);
            let hit = found.unwrap().messages.iter().any(|bytes| {
                let record = Record::parse(bytes).unwrap();
                (record.queue_id, record.queue_offset) == (*queue_id, offset)
            });
            assert!(
                hit,
                "{context}: {topic} {queue_id} {offset} is not in the index"
            );
        }
    }
}

/// Nothing is found by a check, every index entry included, and queues are byte for byte what a rebuild from the log gives.
fn check_offline(run: &Run, context: &str) {
    let topics = r#"{"topicConfigTable":{"orders":{},"audit":{},"gone":{}}}"#;
    let table = Path::new(ROOT).join("config/topics.json");
    let rebuilt = Run {
        fs: run.fs.process_death(),
        clock: Arc::clone(&run.clock),
        flush_mode: run.flush_mode,
    };
    json_file::save(&rebuilt.fs, &table, topics.as_bytes()).unwrap();
    let store = OfflineStore::open(rebuilt.fs.clone(), config(run.flush_mode)).unwrap();
    let verified = store.verify(&|_| {}).unwrap();
    let wrong = verified
        .findings
        .iter()
        .filter(|finding| finding.problem.severity() > Severity::Notice);
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{context}: {wrong:#?}");
    store.rebuild(false, &|_| {}).unwrap();
    drop(store);
    let log = run.fs.files(&Path::new(ROOT).join("commitlog"));
    let name = log.keys().next().and_then(|path| path.file_name());
    let log_min: i64 = name.map_or(0, |name| name.to_str().unwrap().parse().unwrap());
    let dir = Path::new(ROOT).join("consumequeue");
    let (ours, again) = (run.fs.files(&dir), rebuilt.fs.files(&dir));
    if log_min == 0 {
        let names = |files: &BTreeMap<_, _>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&again), "{context}");
    }
    let none = Vec::new();
    for (path, built) in &again {
        let ours = ours.get(path).unwrap_or(&none);
        let same = units(ours, log_min) == units(built, log_min);
        assert!(
            same,
            "{context}: {} is not what a rebuild gives",
            path.display()
        );
    }
    let dir = Path::new(ROOT).join("index");
    assert_eq!(
        entries(&run.fs.files(&dir), log_min),
        entries(&rebuilt.fs.files(&dir), log_min),
        "{context}: the index is not what a rebuild gives"
    );
    let (store, _answers) = rebuilt.open().unwrap();
    assert!(store.shutdown().unwrap().clean, "{context}");
}

/// Hash and log offset of all entries of an index for messages that the log still has, in their order. Where the index was
/// cut together with the log, a file may have ended earlier than it had to; times are relative to files.
fn entries(files: &BTreeMap<PathBuf, Vec<u8>>, log_min: i64) -> Vec<(i32, i64)> {
    let config = config(FlushMode::Sync);
    let begin = 40 + 4 * config.max_hash_slot_num as usize;
    let mut entries = Vec::new();
    for file in files.values() {
        let next = i32::from_be_bytes(*file[36..].first_chunk().unwrap());
        for entry in file[begin..].as_chunks::<20>().0[..next as usize]
            .iter()
            .skip(1)
        {
            let hash = i32::from_be_bytes(*entry.first_chunk().unwrap());
            let phy = i64::from_be_bytes(*entry[4..].first_chunk().unwrap());
            if phy >= log_min {
                entries.push((hash, phy));
            }
        }
    }
    entries
}

/// Units whose messages the log still has, each with its place.
fn units(file: &[u8], log_min: i64) -> Vec<(usize, [u8; 20])> {
    let units = file.as_chunks::<20>().0.iter().copied().enumerate();
    let live = |unit: &[u8; 20]| {
        let phy = i64::from_be_bytes(*unit.first_chunk().unwrap());
        let filler = unit[8..12] == i32::MAX.to_be_bytes();
        unit[8..12] != [0; 4] && !filler && phy >= log_min
    };
    units.filter(|(_, unit)| live(unit)).collect()
}
