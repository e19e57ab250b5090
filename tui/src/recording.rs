//! Recordings: what was seen round by round, a snapshot as JSON per line, for looking at an incident afterwards.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::snapshot::Snapshot;

/// Why a recording cannot be written or read.
#[derive(Debug, Error)]
pub enum RecordingError {
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}:{line}: not a snapshot: {source}", .path.display())]
    Line {
        path: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
    #[error("{}: there is no snapshot in it", .path.display())]
    Empty { path: PathBuf },
}

/// A recording that is being written.
#[derive(Debug)]
pub(crate) struct Recorder {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Recorder {
    pub(crate) fn create(path: &Path) -> Result<Self, RecordingError> {
        let file = File::create(path).map_err(|source| RecordingError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
        })
    }

    /// Adds a round; it is in the file when this returns.
    pub(crate) fn add(&mut self, snapshot: &Snapshot) -> Result<(), RecordingError> {
        let written = serde_json::to_writer(&mut self.file, snapshot)
            .map_err(io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .and_then(|()| self.file.flush());
        written.map_err(|source| RecordingError::Io {
            path: self.path.clone(),
            source,
        })
    }
}

/// All rounds of a recording. A last line that was cut off, as by a crash, is left out.
pub(crate) fn read(path: &Path) -> Result<Vec<Snapshot>, RecordingError> {
    let failed = |source| RecordingError::Io {
        path: path.to_owned(),
        source,
    };
    let lines = BufReader::new(File::open(path).map_err(failed)?).lines();
    let lines = lines.collect::<io::Result<Vec<String>>>().map_err(failed)?;
    let mut rounds = Vec::with_capacity(lines.len());
    for (place, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(snapshot) => rounds.push(snapshot),
            Err(error) if error.is_eof() && place + 1 == lines.len() => {}
            Err(source) => {
                return Err(RecordingError::Line {
                    path: path.to_owned(),
                    line: place + 1,
                    source,
                });
            }
        }
    }
    if rounds.is_empty() {
        return Err(RecordingError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("incident.jsonl");
        let rounds = [samples::healthy(), samples::failing()];
        let mut recorder = Recorder::create(&path).unwrap();
        for snapshot in &rounds {
            recorder.add(snapshot).unwrap();
        }
        assert_eq!(read(&path).unwrap(), rounds);

        // Cut off in the middle of the last line, and then in the middle of the file.
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 10]).unwrap();
        assert_eq!(read(&path).unwrap(), rounds[..1]);
        std::fs::write(&path, "nonsense\n{}\n").unwrap();
        let problem = read(&path).unwrap_err().to_string();
        assert!(
            problem.contains("incident.jsonl:1: not a snapshot"),
            "{problem}"
        );
        std::fs::write(&path, "").unwrap();
        assert!(matches!(read(&path), Err(RecordingError::Empty { .. })));
    }
}
