//! The store through its door: what goes in comes out, also after stops of both kinds.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot do without may end it"
)]

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use remoting::protocol::message::record::{Record, RecordFields, records};
use rustix::process::{Resource, getrlimit, setrlimit};
use store::fs::OsFileSystem;
use store::{
    AppendError, AppendRefusal, Appended, Arrival, Boundary, Clock, Done, FlushMode, ReadFrom,
    ReadOutcome, ReadRequest, ReadResult, ReadStatus, Store, StoreConfig, StoreError, StoreEvents,
    Wait,
};

struct Events {
    done: Sender<(u64, Result<Appended, AppendError>)>,
    arrivals: Sender<Arrival>,
}

impl StoreEvents for Events {
    type Ticket = u64;

    fn completed(&mut self, done: &mut Vec<Done<u64>>) {
        for done in done.drain(..) {
            let _ = self.done.send((done.ticket, done.result));
        }
    }

    fn arrived(&mut self, arrivals: &[Arrival]) {
        for arrival in arrivals {
            let _ = self.arrivals.send(arrival.clone());
        }
    }
}

struct Opened {
    store: Store<Events>,
    done: Receiver<(u64, Result<Appended, AppendError>)>,
    arrivals: Receiver<Arrival>,
}

const LONG: Duration = Duration::from_secs(60);

fn config(root: &Path, flush_mode: FlushMode) -> StoreConfig {
    StoreConfig {
        commit_log_file_size: 16 * 1024,
        consume_queue_file_size: 20 * 100,
        flush_mode,
        max_hash_slot_num: 100,
        max_index_num: 400,
        ..StoreConfig::new(root)
    }
}

fn open(config: StoreConfig) -> Opened {
    let (done_in, done) = channel();
    let (arrivals_in, arrivals) = channel();
    let events = Events {
        done: done_in,
        arrivals: arrivals_in,
    };
    let store = Store::open(config, OsFileSystem, Clock::system(), events).unwrap();
    Opened {
        store,
        done,
        arrivals,
    }
}

fn record(topic: &str, queue_id: i32, body: &[u8], properties: &str) -> Vec<u8> {
    let host = "127.0.0.1:10911".parse().unwrap();
    let fields = RecordFields {
        queue_id,
        born_timestamp: 1,
        ..RecordFields::plain(topic, body, properties.as_bytes(), host)
    };
    let mut bytes = Vec::new();
    fields.encode_into(&mut bytes).unwrap();
    bytes
}

impl Opened {
    fn append(&self, topic: &str, queue_id: i32, bodies: &[String], ticket: u64) {
        let all: Vec<u8> = bodies
            .iter()
            .flat_map(|body| {
                record(
                    topic,
                    queue_id,
                    body.as_bytes(),
                    &format!("KEYS\u{1}{body}\u{2}TAGS\u{1}TagA\u{2}"),
                )
            })
            .collect();
        let count = bodies.len() as u32;
        self.store
            .append(topic, queue_id, &all, count, Wait::Stored, ticket)
            .unwrap();
        self.store.kick();
    }

    /// Appends and waits for the result.
    fn put(&self, topic: &str, queue_id: i32, bodies: &[String]) -> Appended {
        self.append(topic, queue_id, bodies, 7);
        let (ticket, result) = self.done.recv_timeout(LONG).unwrap();
        assert_eq!(ticket, 7);
        result.unwrap()
    }

    fn read(&self, topic: &str, queue_id: i32, offset: i64, from: ReadFrom) -> ReadResult {
        let request = ReadRequest {
            topic,
            queue_id,
            offset,
            max_messages: 32,
            max_bytes: u32::MAX,
        };
        match self.store.read(&request, |_| true, from) {
            ReadOutcome::Done(result) => result,
            ReadOutcome::Cold => panic!("{topic} {queue_id} {offset} is cold"),
        }
    }

    /// All bodies of a queue, read from its beginning.
    fn all(&self, topic: &str, queue_id: i32) -> Vec<String> {
        let mut bodies = Vec::new();
        let mut offset = 0;
        loop {
            let result = self.read(topic, queue_id, offset, ReadFrom::Anywhere);
            if result.status != ReadStatus::Found {
                let end = if bodies.is_empty() {
                    ReadStatus::NoMatchedLogicQueue
                } else {
                    ReadStatus::OffsetOverflowOne
                };
                assert_eq!(result.status, end);
                return bodies;
            }
            for run in &result.runs {
                for record in records(run) {
                    let record: Record<'_> = record.unwrap();
                    assert_eq!(record.queue_offset, bodies.len() as i64);
                    record.verify_crc().unwrap();
                    bodies.push(String::from_utf8(record.body.to_vec()).unwrap());
                }
            }
            offset = result.next_begin_offset;
        }
    }
}

fn bodies(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}

#[test]
fn what_goes_in_comes_out_after_both_kinds_of_stop() {
    for flush_mode in [FlushMode::Async, FlushMode::Sync] {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        // Many files of the log and of the queue; a stop in good order every other time.
        for round in 0..6 {
            let opened = open(config(dir.path(), flush_mode));
            assert_eq!(
                opened.all("T", 1),
                expected,
                "round {round}, {flush_mode:?}"
            );
            let one_by_one = bodies(&format!("one-{round}"), 150);
            for (ticket, body) in one_by_one.iter().enumerate() {
                opened.append("T", 1, std::slice::from_ref(body), ticket as u64);
            }
            for ticket in 0..one_by_one.len() {
                let (got, result) = opened.done.recv_timeout(LONG).unwrap();
                assert_eq!(got, ticket as u64);
                assert_eq!(
                    result.unwrap().queue_offset,
                    (expected.len() + ticket) as i64
                );
            }
            expected.extend(one_by_one);
            let batch = bodies(&format!("batch-{round}"), 20);
            let appended = opened.put("T", 1, &batch);
            assert_eq!(appended.queue_offset, expected.len() as i64);
            expected.extend(batch);
            assert_eq!(opened.all("T", 1), expected);

            for max_offset in expected.len() as i64 - 169..=expected.len() as i64 {
                let arrival = opened.arrivals.recv_timeout(LONG).unwrap();
                assert_eq!((arrival.max_offset, &*arrival.topic), (max_offset, "T"));
            }
            let at = opened
                .store
                .message_at(appended.commit_log_offset)
                .unwrap()
                .unwrap();
            assert_eq!(
                Record::parse(&at).unwrap().queue_offset,
                appended.queue_offset
            );
            assert!(
                opened
                    .store
                    .message_at(appended.commit_log_offset + 1)
                    .unwrap()
                    .is_none()
            );
            if round % 2 == 0 {
                let report = opened.store.shutdown().unwrap();
                assert!(report.clean);
                assert!(!dir.path().join("abort").exists());
            } else {
                drop(opened);
                assert!(dir.path().join("abort").exists());
            }
        }
    }
}

#[test]
fn many_queues_are_found_again_each_with_its_end() {
    // So many that several threads look for them. The longest end in a later one of the blocks that are looked at.
    const QUEUES: i32 = 2_500;
    let messages = |queue_id: i32| match queue_id {
        500 => 660,
        n if n % 500 == 0 => 210,
        n => n as usize % 3,
    };
    let dir = tempfile::tempdir().unwrap();
    let config = || StoreConfig {
        consume_queue_file_size: 20 * 1000,
        commit_log_file_size: 256 * 1024,
        ..config(dir.path(), FlushMode::Async)
    };
    let opened = open(config());
    for queue_id in 0..QUEUES {
        if messages(queue_id) > 0 {
            opened.put("T", queue_id, &bodies("b", messages(queue_id)));
        }
    }
    opened.store.shutdown().unwrap();
    let checkpoint = dir.path().join("checkpoint");
    let earlier = std::fs::read(&checkpoint).unwrap();
    // All of them are written to in the second start, but not all can be open at once.
    let mut files = getrlimit(Resource::Nofile);
    files.current = Some(1024);
    setrlimit(Resource::Nofile, files).unwrap();
    for start in 0..2 {
        let opened = open(config());
        for queue_id in 0..QUEUES {
            let appended = opened.put("T", queue_id, &bodies("next", 1));
            let expected = messages(queue_id) as i64 + start;
            assert_eq!(appended.queue_offset, expected, "queue {queue_id}");
        }
        opened.store.shutdown().unwrap();
        // As if it had been killed just before the checkpoint: the newest unit of each queue is erased and built again.
        std::fs::write(&checkpoint, &earlier).unwrap();
        std::fs::write(dir.path().join("abort"), "").unwrap();
    }
}

#[test]
fn the_newest_messages_come_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(config(dir.path(), FlushMode::Async));
    opened.put("T", 0, &bodies("x", 10));
    let result = opened.read("T", 0, 3, ReadFrom::MemoryOnly);
    assert_eq!(
        (
            result.status,
            result.message_count,
            result.next_begin_offset
        ),
        (ReadStatus::Found, 7, 10)
    );
    assert_eq!((result.min_offset, result.max_offset), (0, 10));
    opened.store.shutdown().unwrap();

    let opened = open(config(dir.path(), FlushMode::Async));
    let request = ReadRequest {
        topic: "T",
        queue_id: 0,
        offset: 3,
        max_messages: 32,
        max_bytes: u32::MAX,
    };
    // The store has forgotten them; whether the system still has them is the system's business.
    match opened.store.read(&request, |_| true, ReadFrom::MemoryOnly) {
        ReadOutcome::Cold => {}
        ReadOutcome::Done(again) => {
            assert_eq!(again.message_count, 7);
            assert_eq!(again.runs.concat(), result.runs.concat());
        }
    }
}

/// Their records lie mixed in the log, so that who comes second reads blocks whole, and the others find them.
#[test]
fn readers_of_several_queues_get_their_own_messages_and_meet_only_their_own_damage() {
    const QUEUES: i32 = 4;
    let dir = tempfile::tempdir().unwrap();
    let config = || StoreConfig {
        commit_log_file_size: 512 * 1024,
        ..config(dir.path(), FlushMode::Async)
    };
    let body = |queue: i32, n: usize| format!("{queue}-{n}-{}", "x".repeat(300));
    let opened = open(config());
    for n in 0..300 {
        for queue in 0..QUEUES {
            opened.put("T", queue, &[body(queue, n)]);
        }
    }
    opened.store.shutdown().unwrap();
    drop(opened);

    let opened = open(config());
    let damaged = 150;
    let log = dir.path().join("commitlog/00000000000000000000");
    let content = std::fs::read(&log).unwrap();
    let text = body(2, damaged);
    let at = content
        .windows(text.len())
        .position(|window| window == text.as_bytes())
        .unwrap();
    let file = std::fs::File::options().write(true).open(&log).unwrap();
    file.write_all_at(b"y", (at + text.len() - 1) as u64)
        .unwrap();

    for round in 0..2 {
        let mut offsets = [0; QUEUES as usize];
        for _ in 0..300 / 32 + 1 {
            for queue in 0..QUEUES {
                let offset = &mut offsets[queue as usize];
                let result = opened.read("T", queue, *offset, ReadFrom::Anywhere);
                if queue == 2 && *offset == damaged as i64 {
                    assert_eq!(result.status, ReadStatus::OffsetFoundNull);
                    continue;
                }
                assert_eq!(result.status, ReadStatus::Found, "{round} {queue} {offset}");
                for record in result.runs.iter().flat_map(|run| records(run)) {
                    let record = record.unwrap();
                    assert_eq!(record.queue_offset, *offset);
                    assert_eq!(record.body, body(queue, *offset as usize).as_bytes());
                    *offset += 1;
                }
                assert_eq!(*offset, result.next_begin_offset);
            }
        }
        assert_eq!(offsets, [300, 300, damaged as i64, 300]);
    }
}

#[test]
fn verdicts_on_offsets_are_apaches() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(config(dir.path(), FlushMode::Async));
    opened.put("T", 0, &bodies("x", 10));
    for (topic, queue_id, offset, status, next) in [
        ("unknown", 0, 5, ReadStatus::NoMatchedLogicQueue, 0),
        ("T", 9, 5, ReadStatus::NoMatchedLogicQueue, 0),
        ("T", 0, -1, ReadStatus::OffsetTooSmall, 0),
        ("T", 0, 10, ReadStatus::OffsetOverflowOne, 10),
        ("T", 0, 11, ReadStatus::OffsetOverflowBadly, 10),
        ("T", 0, 9, ReadStatus::Found, 10),
    ] {
        let result = opened.read(topic, queue_id, offset, ReadFrom::Anywhere);
        assert_eq!(
            (result.status, result.next_begin_offset),
            (status, next),
            "{topic} {queue_id} {offset}"
        );
    }
    let request = ReadRequest {
        topic: "T",
        queue_id: 0,
        offset: 2,
        max_messages: 32,
        max_bytes: u32::MAX,
    };
    let ReadOutcome::Done(nothing) = opened.store.read(&request, |_| false, ReadFrom::Anywhere)
    else {
        panic!("cold");
    };
    assert_eq!(
        (nothing.status, nothing.next_begin_offset),
        (ReadStatus::NoMatchedMessage, 10)
    );
}

#[test]
fn queues_and_checkpoint_that_were_deleted_are_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(config(dir.path(), FlushMode::Async));
    let expected = bodies("x", 300);
    for part in expected.chunks(30) {
        opened.put("T", 0, part);
    }
    opened.store.shutdown().unwrap();
    drop(opened);
    for what in ["consumequeue", "index", "checkpoint"] {
        let path = dir.path().join(what);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
        let opened = open(config(dir.path(), FlushMode::Async));
        assert_eq!(opened.all("T", 0), expected, "without {what}");
        let found = opened
            .store
            .query_by_key("T", "x-17", 32, 0, i64::MAX)
            .unwrap();
        assert_eq!(found.messages.len(), 1, "without {what}");
        opened.store.shutdown().unwrap();
    }
}

#[test]
fn keys_and_times_find_messages() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(config(dir.path(), FlushMode::Sync));
    let first = opened.put("T", 0, &bodies("x", 5));
    assert_eq!(
        opened
            .store
            .offset_by_time("T", 0, first.store_timestamp - 1, Boundary::Nearest)
            .unwrap(),
        0
    );
    assert_eq!(
        opened
            .store
            .offset_by_time("T", 0, i64::MAX, Boundary::Nearest)
            .unwrap(),
        4
    );
    assert_eq!(
        opened.store.store_time_at("T", 0, 3).unwrap(),
        Some(first.store_timestamp)
    );
    assert_eq!(opened.store.store_time_at("T", 0, 5).unwrap(), None);
    opened.store.shutdown().unwrap();
    drop(opened);
    let opened = open(config(dir.path(), FlushMode::Sync));
    let found = opened
        .store
        .query_by_key("T", "x-3", 32, 0, i64::MAX)
        .unwrap();
    assert_eq!(found.messages.len(), 1);
    assert_eq!(Record::parse(&found.messages[0]).unwrap().body, b"x-3");
    assert!(
        opened
            .store
            .query_by_key("T", "x-9", 32, 0, i64::MAX)
            .unwrap()
            .messages
            .is_empty()
    );
}

#[test]
fn a_deleted_topic_begins_anew_and_stays_deleted_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(config(dir.path(), FlushMode::Async));
    opened.put("T", 0, &bodies("old", 10));
    opened.store.delete_topic("T").unwrap();
    assert!(opened.store.queues_of("T").is_empty());
    let new = bodies("new", 3);
    assert_eq!(opened.put("T", 0, &new).queue_offset, 0);
    drop(opened);
    let opened = open(config(dir.path(), FlushMode::Async));
    assert_eq!(opened.all("T", 0), new);
}

#[test]
fn queues_without_a_message_left_can_be_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(config(dir.path(), FlushMode::Async));
    for queue_id in [1, 2] {
        opened.put("T", queue_id, &bodies("old", 3));
    }
    for part in bodies("x", 300).chunks(30) {
        opened.put("T", 0, part);
    }
    opened.store.shutdown().unwrap();
    drop(opened);
    std::fs::remove_file(dir.path().join("commitlog/00000000000000000000")).unwrap();

    let opened = open(config(dir.path(), FlushMode::Async));
    let units = |queue_id, from| opened.store.queue_units("T", queue_id, from, 5).unwrap();
    let expired = units(1, 0).unwrap();
    assert_eq!((expired.min_offset, expired.max_offset), (3, 3));
    assert!(expired.units.is_empty());
    let kept = units(0, 297).unwrap();
    assert_eq!((kept.max_offset, kept.units.len()), (300, 3));
    let deleted = opened
        .store
        .delete_expired_queues(|topic, queue_id| topic == "T" && queue_id != 2)
        .unwrap();
    assert_eq!(deleted, [("T".into(), 1)]);
    assert_eq!(opened.store.queues_of("T"), [0, 2]);
    assert!(!dir.path().join("consumequeue/T/1").exists());
    assert_eq!(units(1, 0), None);
    assert_eq!(opened.put("T", 1, &bodies("new", 1)).queue_offset, 0);
    opened.store.shutdown().unwrap();
    drop(opened);
    let opened = open(config(dir.path(), FlushMode::Async));
    assert_eq!(opened.all("T", 1), bodies("new", 1));
}

#[test]
fn one_folder_has_one_user() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(config(dir.path(), FlushMode::Async));
    let events = Events {
        done: channel().0,
        arrivals: channel().0,
    };
    let second = Store::open(
        config(dir.path(), FlushMode::Async),
        OsFileSystem,
        Clock::system(),
        events,
    );
    assert!(matches!(second.err(), Some(StoreError::Locked { .. })));
    first.store.shutdown().unwrap();
    let refused = first
        .store
        .append("T", 0, &record("T", 0, b"x", ""), 1, Wait::Stored, 1);
    assert!(matches!(refused, Err((1, AppendRefusal::ShuttingDown))));
}

#[test]
fn what_is_no_record_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(config(dir.path(), FlushMode::Async));
    let good = record("T", 0, b"x", "");
    let mut wrong_size = good.clone();
    wrong_size[3] ^= 1;
    for (topic, queue_id, bytes, count) in [
        ("T", 0, &b"garbage"[..], 1),
        ("T", 0, &wrong_size, 1),
        ("T", 1, &good, 1),
        ("other", 0, &good, 1),
        ("T", 0, &good, 2),
        ("T", 0, &[], 0),
    ] {
        let refused = opened
            .store
            .append(topic, queue_id, bytes, count, Wait::Stored, 3);
        assert!(
            matches!(refused, Err((3, AppendRefusal::Invalid(_)))),
            "{topic} {queue_id} {count}"
        );
    }
    let large = record("T", 0, &vec![0; 17 * 1024], "");
    let refused = opened.store.append("T", 0, &large, 1, Wait::Stored, 3);
    assert!(matches!(refused, Err((3, AppendRefusal::TooLarge { .. }))));
    let unsafe_name = record("../up", 0, b"x", "");
    let refused = opened
        .store
        .append("../up", 0, &unsafe_name, 1, Wait::Stored, 3);
    assert!(matches!(refused, Err((3, AppendRefusal::Queue(_)))));
}
