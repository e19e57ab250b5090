//! `config/*.json`: small tables that are replaced as a whole.
//!
//! A crash at any moment leaves the old or the new table under the main name: the new one is
//! written to `NAME.tmp` beside it, synced, and renamed over the main file. Before that the main
//! file becomes `NAME.bak`, in the same way. Apache's brokers delete or overwrite the main file in
//! place and are known to lose consumer offsets by it (#3401, #9705).
//!
//! Reading is as tolerant as theirs: an empty, missing or unreadable main file is replaced by the
//! backup. The caller is told, so that it can say so.

use crate::StoreError;
use crate::fs::{File, FileSystem, OpenMode, create_durably};
use std::io;
use std::path::{Path, PathBuf};

/// Where the content of a file came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded<T> {
    /// The file itself.
    Main(T),
    /// The previous generation, because the file itself was of no use.
    Backup {
        /// What was read from `.bak`.
        value: T,
        /// What was wrong with the main file: "absent", "empty", or the parser's words.
        problem: String,
    },
    /// There is neither a file nor a backup: a new store.
    Absent,
}

/// Failure to load a table.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] StoreError),
    /// Neither the file nor its backup can be used.
    #[error("parse {}: {problem}; backup: {backup_problem}", path.display())]
    Unusable {
        /// The main file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What is wrong with its backup.
        backup_problem: String,
    },
}

/// Reads a table, or its backup when the file is absent, empty or refused by `parse`.
///
/// When a file is there but neither it nor the backup can be used, that is an error: starting with
/// an empty table would overwrite what somebody could still repair by hand.
pub fn load<F, T, E>(
    fs: &F,
    path: &Path,
    parse: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<Loaded<T>, LoadError>
where
    F: FileSystem,
    E: std::fmt::Display,
{
    let attempt = |path: &Path| -> Result<Result<T, Problem>, StoreError> {
        let Some(bytes) = read_whole(fs, path)? else {
            return Ok(Err(Problem::Absent));
        };
        if bytes.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
            // Zeros: the length of the file reached the disk, its content did not.
            return Ok(Err(Problem::Empty));
        }
        Ok(parse(&bytes).map_err(|e| Problem::Unparsable(e.to_string())))
    };
    let problem = match attempt(path)? {
        Ok(value) => return Ok(Loaded::Main(value)),
        Err(problem) => problem,
    };
    match (attempt(&with_suffix(path, ".bak"))?, problem) {
        (Ok(value), problem) => Ok(Loaded::Backup {
            value,
            problem: problem.to_string(),
        }),
        // An empty file says no more than an absent one.
        (Err(Problem::Absent | Problem::Empty), Problem::Absent | Problem::Empty) => {
            Ok(Loaded::Absent)
        }
        (Err(backup_problem), problem) => Err(LoadError::Unusable {
            path: path.to_path_buf(),
            problem: problem.to_string(),
            backup_problem: backup_problem.to_string(),
        }),
    }
}

/// Replaces a table by `content` and keeps the previous one as `.bak`. Creates the folder if need
/// be. Durable when it returns; after a failure the old table stands, or the new one.
///
/// Does nothing when the file holds this content already: most tables are saved every few seconds
/// without having changed, and the backup would become a copy of the same.
pub fn save<F: FileSystem>(fs: &F, path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let old = read_whole(fs, path)?;
    if old.as_deref() == Some(content) {
        return Ok(());
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    create_durably(fs, dir).map_err(|e| StoreError::io("create", dir, e))?;
    if let Some(old) = old.filter(|old| !old.is_empty()) {
        replace(fs, &with_suffix(path, ".bak"), &old)?;
    }
    replace(fs, path, content)?;
    fs.sync_dir(dir).map_err(|e| StoreError::io("sync", dir, e))
}

/// Written beside, synced, renamed. The name is durable after the folder's sync only.
fn replace<F: FileSystem>(fs: &F, path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let temporary = with_suffix(path, ".tmp");
    let file = fs
        .open(&temporary, OpenMode::Create)
        .map_err(|e| StoreError::io("create", &temporary, e))?;
    // Left over from a crash, it may be longer.
    file.set_len(0)
        .and_then(|()| file.write_all_at(content, 0))
        .and_then(|()| file.sync_all())
        .map_err(|e| StoreError::io("write", &temporary, e))?;
    fs.rename(&temporary, path)
        .map_err(|e| StoreError::io("replace", path, e))
}

/// `None`: there is no such file.
pub(crate) fn read_whole<F: FileSystem>(
    fs: &F,
    path: &Path,
) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match fs.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io("open", path, e)),
    };
    let len = file.len().map_err(|e| StoreError::io("inspect", path, e))?;
    if len > SIZE_BYTES_MAX {
        let problem = format!("{len} bytes are too many for a table");
        return Err(StoreError::damaged(path, 0, problem));
    }
    let mut bytes = vec![0; usize::try_from(len).expect("checked against SIZE_BYTES_MAX")];
    let read = file
        .read_at(&mut bytes, 0)
        .map_err(|e| StoreError::io("read", path, e))?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// A table of this size is damage or an attack: 50,000 topics take some 10 MiB.
const SIZE_BYTES_MAX: u64 = 1 << 30;

enum Problem {
    Absent,
    Empty,
    Unparsable(String),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Empty => f.write_str("empty"),
            Self::Unparsable(problem) => f.write_str(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFileSystem;

    fn parse(bytes: &[u8]) -> Result<String, &'static str> {
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| "not UTF-8")?;
        if text.ends_with('}') {
            Ok(text)
        } else {
            Err("cut off")
        }
    }

    fn load_here(path: &Path) -> Result<Loaded<String>, LoadError> {
        load(&OsFileSystem, path, parse)
    }

    #[test]
    fn saves_and_keeps_the_previous_generation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config/topics.json");
        assert_eq!(load_here(&path).unwrap(), Loaded::Absent);
        for content in ["{1}", "{2}", "{2}"] {
            save(&OsFileSystem, &path, content.as_bytes()).unwrap();
        }
        assert_eq!(load_here(&path).unwrap(), Loaded::Main("{2}".to_string()));
        // Saved unchanged, the backup is still the generation before.
        let bak = std::fs::read(dir.path().join("config/topics.json.bak")).unwrap();
        assert_eq!(bak, b"{1}");
        let names: Vec<_> = OsFileSystem.list_dir(&dir.path().join("config")).unwrap();
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn falls_back_to_the_backup_and_says_why() {
        struct Case {
            main: Option<&'static [u8]>,
            backup: Option<&'static [u8]>,
            expected: Result<Loaded<String>, &'static str>,
        }
        let from_backup = |problem: &str| {
            Ok(Loaded::Backup {
                value: "{b}".to_string(),
                problem: problem.to_string(),
            })
        };
        let cases = [
            Case {
                main: None,
                backup: None,
                expected: Ok(Loaded::Absent),
            },
            Case {
                main: Some(b""),
                backup: None,
                expected: Ok(Loaded::Absent),
            },
            Case {
                main: None,
                backup: Some(b"{b}"),
                expected: from_backup("absent"),
            },
            Case {
                main: Some(b" \n"),
                backup: Some(b"{b}"),
                expected: from_backup("empty"),
            },
            Case {
                main: Some(&[0; 64]),
                backup: Some(b"{b}"),
                expected: from_backup("empty"),
            },
            Case {
                main: Some(b"{m"),
                backup: Some(b"{b}"),
                expected: from_backup("cut off"),
            },
            Case {
                main: Some(b"{m}"),
                backup: Some(b"{b"),
                expected: Ok(Loaded::Main("{m}".into())),
            },
            Case {
                main: Some(b"{m"),
                backup: None,
                expected: Err("cut off; backup: absent"),
            },
            Case {
                main: Some(b""),
                backup: Some(b"{b"),
                expected: Err("empty; backup: cut off"),
            },
        ];
        for (n, case) in cases.into_iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("t.json");
            for (name, content) in [("t.json", case.main), ("t.json.bak", case.backup)] {
                if let Some(content) = content {
                    std::fs::write(dir.path().join(name), content).unwrap();
                }
            }
            match (load_here(&path), case.expected) {
                (Ok(loaded), Ok(expected)) => assert_eq!(loaded, expected, "case {n}"),
                (Err(e), Err(expected)) => assert!(e.to_string().ends_with(expected), "{e}"),
                (loaded, expected) => panic!("case {n}: {loaded:?}, not {expected:?}"),
            }
        }
    }
}
