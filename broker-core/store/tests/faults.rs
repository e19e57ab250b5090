//! The store on a file system that fails, against a model of what was acknowledged.
//!
//! `MQ_STORE_SEEDS=N` runs N seeds instead of the few of the normal suite, beginning at
//! `MQ_STORE_FIRST_SEED`. A failure names its seed.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot do without may end it"
)]

mod sim;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remoting::protocol::message::record::{Record, RecordFields, records};
use sim::{Fault, Random, SimFs};
use store::inspect::{OfflineStore, Severity};
use store::{
    AppendError, AppendRefusal, Appended, Arrival, Clock, Done, FlushMode, ReadFrom, ReadOutcome,
    ReadRequest, ReadStatus, RetentionRules, Store, StoreConfig, StoreError, StoreEvents, Wait,
    json_file,
};

const ROOT: &str = "/store";
const LONG: Duration = Duration::from_secs(60);
const START_MS: i64 = 1_700_000_000_000;
const QUEUES: [(&str, i32); 4] = [("orders", 0), ("orders", 1), ("audit", 0), ("gone", 7)];

type Answer = (usize, Result<Appended, AppendError>);

struct Events(Sender<Answer>);

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
struct Sent {
    body: String,
    /// Where it was acknowledged to be.
    acknowledged: Option<i64>,
}

/// What was sent to each queue since its topic was deleted last, in this order.
#[derive(Debug, Default)]
struct Model {
    queues: BTreeMap<(&'static str, i32), Vec<Sent>>,
    sent: usize,
    /// A topic whose deletion was begun and not finished: it may be there or not.
    half_deleted: bool,
    deletes: bool,
    /// Whether files of the log are deleted as expired.
    expires: bool,
}

struct Run {
    fs: SimFs,
    clock: Arc<AtomicI64>,
    flush_mode: FlushMode,
}

fn config(flush_mode: FlushMode) -> StoreConfig {
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

fn record(topic: &str, queue_id: i32, body: &str) -> Vec<u8> {
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
    fn new(seed: u64, flush_mode: FlushMode) -> Self {
        Self {
            fs: SimFs::new(seed),
            clock: Arc::new(AtomicI64::new(START_MS)),
            flush_mode,
        }
    }

    fn open(&self) -> Result<(Store<Events, SimFs>, Receiver<Answer>), StoreError> {
        let (sender, answers) = channel();
        let clock = Arc::clone(&self.clock);
        let clock = Clock::new(move || clock.load(Ordering::Relaxed));
        let config = config(self.flush_mode);
        let store = Store::open(config, self.fs.clone(), clock, Events(sender))?;
        Ok((store, answers))
    }

    /// Sends messages, stops and starts cleanly, and perhaps deletes a topic; ends early when the
    /// store cannot be opened or has become read-only.
    fn work(&self, model: &mut Model, random: &mut Random, steps: usize) {
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
fn send_some(
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
fn read_all(
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
fn check(run: &Run, model: &Model, loses_unsynced: bool, context: &str) {
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
fn check_index(run: &Run, model: &Model, context: &str) {
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

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn seeds(normally: u64) -> std::ops::Range<u64> {
    let first = number("MQ_STORE_FIRST_SEED").unwrap_or(1);
    first..first + number("MQ_STORE_SEEDS").unwrap_or(normally)
}

/// Runs a test for each seed, on all processors, and tells all seeds that fail. Returns how many passed.
fn for_each_seed(seeds: std::ops::Range<u64>, test: impl Fn(u64) + Sync) -> u64 {
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    if std::panic::catch_unwind(AssertUnwindSafe(|| test(seed))).is_err() {
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "seeds that fail: {failed:?}");
    seeds.end - seeds.start
}

#[test]
fn crashes_lose_nothing_that_was_acknowledged() {
    let crashes = AtomicU64::new(0);
    let seeds = for_each_seed(seeds(200), |seed| {
        crashes.fetch_add(crash_three_times(seed), Ordering::Relaxed);
    });
    println!("{seeds} seeds, {} crashes", crashes.into_inner());
}

/// Returns how many crashes it came to.
fn crash_three_times(seed: u64) -> u64 {
    let mut random = Random(seed);
    let flush_mode = [FlushMode::Sync, FlushMode::Async][random.below(2)];
    let mut run = Run::new(seed, flush_mode);
    let mut model = Model {
        deletes: random.below(3) == 0,
        expires: random.below(3) == 0,
        ..Model::default()
    };
    let mut loses_unsynced = false;
    for crash in 0..3 {
        let stop_at = run.fs.operations() + 1 + random.below(400);
        run.fs.stop_at(stop_at);
        run.work(&mut model, &mut random, 60);
        let power = random.below(2) == 0;
        run.fs = if power {
            run.fs.power_failure()
        } else {
            run.fs.process_death()
        };
        loses_unsynced |= power && flush_mode == FlushMode::Async;
        let context = format!("seed {seed}, crash {crash} (power {power}, {flush_mode:?})");
        let checked = Run {
            fs: run.fs.process_death(),
            clock: Arc::clone(&run.clock),
            flush_mode,
        };
        check(&checked, &model, loses_unsynced, &context);
        if model.half_deleted || loses_unsynced {
            return crash + 1;
        }
        check_index(&checked, &model, &context);
    }
    3
}

/// What a killed process has written is in the system's memory only: the start that goes on with it must not build upon it
/// before it is on the disk.
#[test]
fn a_power_failure_during_the_start_after_a_kill_loses_nothing() {
    for_each_seed(seeds(400), |seed| {
        let mut random = Random(seed);
        let mut run = Run::new(seed, FlushMode::Sync);
        let mut model = Model::default();
        run.fs.stop_at(1 + random.below(600));
        run.work(&mut model, &mut random, 60);
        run.fs = run.fs.process_death();
        run.fs.stop_at(run.fs.operations() + 1 + random.below(60));
        drop(run.open());
        run.fs = run.fs.power_failure();
        check(&run, &model, false, &format!("seed {seed}"));
    });
}

#[test]
fn any_failing_operation_loses_nothing_that_was_acknowledged() {
    let seed = number("MQ_STORE_FIRST_SEED").unwrap_or(1);
    let run = Run::new(seed, FlushMode::Sync);
    run.work(&mut Model::default(), &mut Random(seed), 40);
    let operations = run.fs.operations();
    let stride = if number("MQ_STORE_SEEDS").is_some() {
        1
    } else {
        3
    };
    for fault in [Fault::Io, Fault::NoSpace, Fault::ShortWrite] {
        for k in (0..operations).step_by(stride) {
            let run = Run::new(seed, FlushMode::Sync);
            run.fs.fail_at(k, fault);
            let mut model = Model::default();
            run.work(&mut model, &mut Random(seed), 40);
            for (end, fs) in [
                ("process death", run.fs.process_death()),
                ("power failure", run.fs.power_failure()),
            ] {
                let run = Run {
                    fs,
                    clock: Arc::clone(&run.clock),
                    flush_mode: run.flush_mode,
                };
                let context = format!("{fault:?} at {k}, {end}");
                check_index(&run, &model, &context);
                check(&run, &model, false, &context);
            }
        }
    }
}

#[test]
fn a_failing_disk_makes_the_store_read_only_and_is_named() {
    let opened = Run::new(2, FlushMode::Sync);
    drop(opened.open().unwrap());
    let first = opened.fs.operations();
    for k in first..first + 60 {
        let run = Run::new(2, FlushMode::Sync);
        run.fs.fail_at(k, Fault::Io);
        let Ok((store, answers)) = run.open() else {
            continue;
        };
        let mut model = Model::default();
        let mut random = Random(2);
        let mut sends = 0;
        while sends < 60 && send_some(&store, &answers, &mut model, &mut random) {
            sends += 1;
        }
        let Some(reason) = store.status().read_only_reason else {
            // Only queue files could not be written: they are derived, and written later.
            assert!(acknowledged(&model) == model.sent, "fault at {k}");
            continue;
        };
        assert!(reason.contains(ROOT), "fault at {k}: {reason}");
        let bytes = record("orders", 0, "too late");
        let refused = store.append("orders", 0, &bytes, 1, Wait::Stored, 0);
        assert!(
            matches!(&refused, Err((_, AppendRefusal::ReadOnly(said))) if *said == reason),
            "fault at {k}: {refused:?}"
        );
        check_bodies(&store, &model, "read-only");
        assert!(!store.shutdown().unwrap().clean);
        drop(store);
        check(&copy(&run), &model, false, &format!("fault at {k}"));
    }
}

#[test]
fn a_damaged_tail_opens_to_a_prefix() {
    let run = Run::new(5, FlushMode::Sync);
    let mut model = Model::default();
    let (store, _answers) = run.open().unwrap();
    store.shutdown().unwrap();
    drop(store);
    run.work(&mut model, &mut Random(5), 30);
    let log = Path::new(ROOT).join("commitlog");
    let (path, content) = run.fs.files(&log).into_iter().next_back().unwrap();
    let end = content.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
    let stride = if number("MQ_STORE_SEEDS").is_some() {
        1
    } else {
        13
    };
    for at in (0..end).step_by(stride) {
        for kind in ["cut", "truncated", "flipped", "zeroed"] {
            let run = copy(&run);
            run.fs.damage(&path, |content| match kind {
                "cut" => content[at..].fill(0),
                "truncated" => content.truncate(at),
                "flipped" => content[at] ^= 1 << (at % 8),
                _ => {
                    let end = content.len().min(at + 64);
                    content[at..end].fill(0);
                }
            });
            // Without it all of the log is read again.
            let checkpoint = Path::new(ROOT).join("checkpoint");
            run.fs.damage(&checkpoint, Vec::clear);
            let (store, _answers) = run.open().unwrap_or_else(|e| panic!("{kind} at {at}: {e}"));
            for ((topic, queue_id), sent) in &model.queues {
                let found = read_all(&store, topic, *queue_id, kind);
                let prefix = sent.iter().map(|sent| &sent.body).take(found.len());
                assert!(
                    found.iter().map(|(_, body)| body).eq(prefix),
                    "{kind} at {at}: {topic} {queue_id}"
                );
            }
        }
    }
}

#[test]
fn a_table_is_the_old_or_the_new_at_every_crash() {
    let path = Path::new("/config/topics.json");
    let parse = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
    for seed in seeds(40) {
        for stop_at in 0.. {
            let fs = SimFs::new(seed);
            json_file::save(&fs, path, b"{1}").unwrap();
            json_file::save(&fs, path, b"{2}").unwrap();
            // The folder itself is made durable by whoever made it.
            store::fs::FileSystem::sync_dir(&fs, Path::new("/")).unwrap();
            fs.stop_at(fs.operations() + stop_at);
            let saved = json_file::save(&fs, path, b"{3}").is_ok();
            for fs in [fs.process_death(), fs.power_failure()] {
                let loaded = json_file::load(&fs, path, parse).unwrap();
                let json_file::Loaded::Main(text) = loaded else {
                    panic!("seed {seed}, stopped at {stop_at}: {loaded:?}");
                };
                assert!(
                    text == "{3}" || (text == "{2}" && !saved),
                    "seed {seed}, stopped at {stop_at}: {text}"
                );
            }
            if saved {
                break;
            }
        }
    }
}

/// A store that was stopped in good order, and what was sent to it.
fn stopped_store(seed: u64) -> (Run, Model) {
    let run = Run::new(seed, FlushMode::Sync);
    let mut model = Model::default();
    run.work(&mut model, &mut Random(seed), 30);
    let (store, _answers) = run.open().unwrap();
    assert!(store.shutdown().unwrap().clean);
    (run, model)
}

fn copy(run: &Run) -> Run {
    Run {
        fs: run.fs.process_death(),
        clock: Arc::clone(&run.clock),
        flush_mode: run.flush_mode,
    }
}

fn severity_of(run: &Run) -> Option<Severity> {
    let store = OfflineStore::open(run.fs.clone(), config(run.flush_mode)).unwrap();
    let verified = store.verify(&|_| {}).unwrap();
    let worst = verified
        .findings
        .iter()
        .map(|finding| finding.problem.severity());
    worst.max()
}

#[test]
fn damage_in_front_of_the_checkpoint_is_refused_or_never_read() {
    let (run, model) = stopped_store(9);
    let log = Path::new(ROOT).join("commitlog");
    let files = run.fs.files(&log);
    let stride = if number("MQ_STORE_SEEDS").is_some() {
        1
    } else {
        101
    };
    for (path, content) in &files {
        let Some(last) = content.iter().rposition(|byte| *byte != 0) else {
            continue;
        };
        for at in (0..=last).step_by(stride) {
            for kind in ["cut", "truncated", "flipped", "zeroed", "garbage"] {
                let run = copy(&run);
                run.fs.damage(path, |content| match kind {
                    "cut" => content[at..].fill(0),
                    "truncated" => content.truncate(at),
                    "flipped" => content[at] ^= 1 << (at % 8),
                    "zeroed" => content[at..(at + 4096).min(last + 1)].fill(0),
                    _ => content[at..(at + 4096).min(last + 1)].fill(0xA5),
                });
                let context = format!("{kind} at {at} of {}", path.display());
                match run.open() {
                    Err(StoreError::Damaged { path, .. }) => {
                        assert!(path.starts_with(&log), "{context}: {}", path.display());
                        assert_eq!(severity_of(&run), Some(Severity::Lost), "{context}");
                    }
                    Err(e) => panic!("{context}: {e}"),
                    // What no checksum covers, and no place in a queue: the store opens, bodies are whole.
                    Ok((store, _answers)) => check_bodies(&store, &model, &context),
                }
            }
        }
    }
}

/// Whatever is handed out is what was sent.
fn check_bodies(store: &Store<Events, SimFs>, model: &Model, context: &str) {
    for ((topic, queue_id), sent) in &model.queues {
        let mut offset = store.min_offset(topic, *queue_id).unwrap_or(0);
        loop {
            let request = ReadRequest {
                topic,
                queue_id: *queue_id,
                offset,
                max_messages: 1,
                max_bytes: u32::MAX,
            };
            let ReadOutcome::Done(result) = store.read(&request, |_| true, ReadFrom::Anywhere)
            else {
                panic!("{context}: cold");
            };
            match result.status {
                ReadStatus::Found => {}
                // Neither handed out nor passed over.
                ReadStatus::OffsetFoundNull => offset += 1,
                _ => break,
            }
            for record in result.runs.iter().flat_map(|run| records(run)) {
                let record = record.unwrap();
                let body = str::from_utf8(record.body).unwrap();
                let known = sent.iter().find(|sent| sent.acknowledged == Some(offset));
                assert_eq!(
                    known.map(|sent| &*sent.body),
                    Some(body),
                    "{context}: {topic} {offset}"
                );
                offset += 1;
            }
        }
    }
}

#[test]
fn what_is_derived_is_built_again_or_refused() {
    let (run, model) = stopped_store(11);
    let mut files: Vec<_> = Vec::new();
    for dir in ["consumequeue", "index"] {
        files.extend(run.fs.files(&Path::new(ROOT).join(dir)).into_keys());
    }
    files.push(Path::new(ROOT).join("checkpoint"));
    for path in &files {
        for kind in ["deleted", "emptied", "cut", "flipped"] {
            let run = copy(&run);
            match kind {
                "deleted" => store::fs::FileSystem::remove_file(&run.fs, path).unwrap(),
                "emptied" => run.fs.damage(path, Vec::clear),
                "cut" => run
                    .fs
                    .damage(path, |content| content.truncate(content.len() / 2)),
                _ => run.fs.damage(path, |content| {
                    let middle = content.len() / 2;
                    content[middle] ^= 4;
                }),
            }
            let context = format!("{kind}: {}", path.display());
            match run.open() {
                Err(StoreError::Damaged { path: named, .. }) => {
                    let dir = path.parent().unwrap();
                    assert!(named.starts_with(dir), "{context}: {}", named.display());
                }
                Err(e) => panic!("{context}: {e}"),
                Ok((store, _answers)) => {
                    check_bodies(&store, &model, &context);
                    store.shutdown().unwrap();
                    drop(store);
                    if kind != "flipped" {
                        check_index(&run, &model, &context);
                        check(&run, &model, false, &context);
                    }
                }
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_and_takes_again_when_there_is_space() {
    for flush_mode in [FlushMode::Sync, FlushMode::Async] {
        let run = Run::new(3, flush_mode);
        let mut model = Model::default();
        let mut random = Random(3);
        let (store, answers) = run.open().unwrap();
        for round in 0..4 {
            for _ in 0..10 {
                assert!(send_some(&store, &answers, &mut model, &mut random));
            }
            run.fs.set_full(true);
            let before = acknowledged(&model);
            while acknowledged(&model) > before || round == 0 {
                let before = acknowledged(&model);
                assert!(send_some(&store, &answers, &mut model, &mut random));
                if acknowledged(&model) == before {
                    break;
                }
            }
            assert_eq!(store.status().read_only_reason, None);
            check_bodies(&store, &model, "full");
            run.fs.set_full(false);
            let before = acknowledged(&model);
            assert!(send_some(&store, &answers, &mut model, &mut random));
            assert!(
                acknowledged(&model) > before,
                "{flush_mode:?}: space has returned"
            );
        }
        store.shutdown().unwrap();
        drop(store);
        check(&run, &model, false, "after a full disk");
        check_index(&run, &model, "after a full disk");
    }
}

fn acknowledged(model: &Model) -> usize {
    let sent = model.queues.values().flatten();
    sent.filter(|sent| sent.acknowledged.is_some()).count()
}
