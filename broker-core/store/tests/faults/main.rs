//! The store on a file system that fails, against a model of what was acknowledged.
//!
//! `MQ_STORE_SEEDS=N` runs N seeds instead of the few of the normal suite, beginning at
//! `MQ_STORE_FIRST_SEED`. A failure names its seed.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot do without may end it"
)]

mod model;
mod sim;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use remoting::protocol::message::record::records;
use store::inspect::{OfflineStore, Severity};
use store::{
    AppendRefusal, FlushMode, ReadFrom, ReadOutcome, ReadRequest, ReadStatus, Store, StoreError,
    Wait, json_file,
};

use model::{Events, Model, ROOT, Run, check, check_index, config, read_all, record, send_some};
use sim::{Fault, Random, SimFs};

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
