use super::*;
use crate::fs::OsFileSystem;

const SLOTS: u32 = 5;
const ENTRIES: u32 = 8;

fn open(dir: &Path, trust: Trust) -> Index<OsFileSystem> {
    Index::open(OsFileSystem, dir, SLOTS, ENTRIES, trust).unwrap()
}

fn put(index: &Index<OsFileSystem>, records: std::ops::Range<i64>) {
    for n in records {
        let entry = |key: &str| IndexEntry {
            hash: key_hash("T", key),
            phy: n * 100,
            store_timestamp: 1_700_000_000_000 + n * 1500,
        };
        let entries = [entry("all"), entry(&format!("k{n}"))];
        index.put(&entries, &mut 0).unwrap();
    }
}

fn find(index: &Index<OsFileSystem>, key: &str) -> Vec<i64> {
    index.query("T", key, 32, 0, i64::MAX).unwrap().offsets
}

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let names = OsFileSystem.list_dir(dir).unwrap();
    let read = |name: String| (name.clone(), std::fs::read(dir.join(name)).unwrap());
    names.into_iter().map(|entry| read(entry.name)).collect()
}

#[test]
fn hashes_are_javas_and_never_negative() {
    assert_eq!(key_hash("TopicTest", "key1"), 1_655_984_460);
    let unique = "7F000001ABCD18B4AAC20000000A0000";
    assert_eq!(key_hash("TopicTest", unique), 244_295_923);
}

#[test]
fn a_file_looks_as_apaches() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), Trust::Whole);
    put(&index, 1..2);
    put(&index, 2..3);
    index.flush().unwrap();
    let files = contents(dir.path());
    let (name, bytes) = &files[0];
    assert!(name.starts_with("202311"), "{name}");
    assert_eq!(bytes.len(), 40 + 5 * 4 + 8 * 20);
    let number = |at: usize| i64::from_be_bytes(*bytes[at..].first_chunk().unwrap());
    assert_eq!(number(0), 1_700_000_001_500);
    assert_eq!(number(8), 1_700_000_003_000);
    assert_eq!((number(16), number(24)), (100, 200));
    assert_eq!(number(32) as i32, 5, "number of the next entry");
    let third = Entry::decode(bytes[60 + 3 * 20..].first_chunk().unwrap());
    let expected = Entry {
        hash: key_hash("T", "all"),
        offset: 200,
        seconds: 1,
        older: third.older,
    };
    assert_eq!(third, expected);
}

#[test]
fn keys_are_found_over_several_files_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), Trust::Whole);
    put(&index, 1..20);
    let all: Vec<i64> = (1..20).map(|n| n * 100).collect();
    assert_eq!(find(&index, "all"), all);
    assert_eq!(find(&index, "k7"), [700]);
    let newest = index.query("T", "all", 3, 0, i64::MAX).unwrap().offsets;
    assert_eq!(newest, [1700, 1800, 1900]);
    let (from, to) = (1_700_000_000_000 + 5 * 1500, 1_700_000_000_000 + 7 * 1500);
    let some = index.query("T", "all", 32, from, to).unwrap().offsets;
    assert!(some.ends_with(&[500, 600, 700]), "{some:?}");
    index.flush().unwrap();
    drop(index);
    let index = open(dir.path(), Trust::Whole);
    assert_eq!(find(&index, "all"), all);
    assert_eq!(index.dispatched_to(), 1900);
}

#[test]
fn records_read_again_are_not_added_twice() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), Trust::Whole);
    put(&index, 1..11);
    index.flush().unwrap();
    drop(index);
    let index = open(dir.path(), Trust::Headers);
    put(&index, 5..13);
    assert_eq!(find(&index, "all").len(), 12);
    index.flush().unwrap();
    let whole = tempfile::tempdir().unwrap();
    let rebuilt = open(whole.path(), Trust::Whole);
    put(&rebuilt, 1..13);
    rebuilt.flush().unwrap();
    assert_eq!(contents(dir.path()), contents(whole.path()));
}

#[test]
fn what_was_not_flushed_is_unwound_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), Trust::Whole);
    put(&index, 1..3);
    index.flush().unwrap();
    let header = contents(dir.path())[0].1[..40].to_vec();
    put(&index, 3..4);
    index.flush().unwrap();
    drop(index);
    // The crash came before the header.
    let path = dir.path().join(&contents(dir.path())[0].0);
    let file = OsFileSystem.open(&path, OpenMode::ReadWrite).unwrap();
    file.write_all_at(&header, 0).unwrap();
    let index = open(dir.path(), Trust::Headers);
    assert_eq!(find(&index, "all"), [100, 200]);
    assert_eq!(find(&index, "k3"), [0; 0]);
    put(&index, 3..4);
    assert_eq!(find(&index, "all"), [100, 200, 300]);
}

#[test]
fn records_behind_the_end_of_the_log_are_forgotten() {
    for end in 1..20 {
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path(), Trust::Whole);
        put(&index, 1..20);
        index.flush().unwrap();
        index
            .truncate(end * 100, |at| Ok(Some(1_700_000_000_000 + at * 15)))
            .unwrap();
        let kept: Vec<i64> = (1..end).map(|n| n * 100).collect();
        assert_eq!(find(&index, "all"), kept);
        put(&index, end..20);
        index.flush().unwrap();
        let whole = tempfile::tempdir().unwrap();
        let rebuilt = open(whole.path(), Trust::Whole);
        put(&rebuilt, 1..20);
        rebuilt.flush().unwrap();
        assert_eq!(contents(dir.path()), contents(whole.path()), "end {end}");
    }
}

#[test]
fn expired_files_go_but_never_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), Trust::Whole);
    put(&index, 1..20);
    let files = contents(dir.path()).len();
    assert_eq!(index.remove_before(800).unwrap(), 2);
    assert_eq!(contents(dir.path()).len(), files - 2);
    assert_eq!(index.remove_before(i64::MAX).unwrap(), files - 3);
    assert_eq!(find(&index, "k19"), [1900]);
}

#[test]
fn after_a_crash_of_apaches_only_full_synced_files_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), Trust::Whole);
    put(&index, 1..20);
    index.flush().unwrap();
    drop(index);
    let index = open(dir.path(), Trust::Until(1_700_000_000_000 + 8 * 1500));
    assert!(index.dispatched_to() <= 800);
    assert_eq!(find(&index, "k2"), [200]);
}
