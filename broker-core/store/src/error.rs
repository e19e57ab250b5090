//! What can go wrong with a store as a whole.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused an operation.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was tried, e.g. `sync`.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file holds something that no version of the store writes, or lacks something that was
    /// reported as stored.
    #[error("damaged at byte {offset} of {}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Position in the file, in bytes.
        offset: u64,
        /// What was found.
        what: String,
    },
    /// Another process, or another store of this process, uses the folder.
    #[error("store {} is in use by another broker", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds the lock, if the system tells.
        pid: Option<i32>,
    },
    /// The folder belongs to a kind of store that this one cannot read.
    #[error("{}: {what}", path.display())]
    Unsupported {
        /// The file that shows it.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The configuration contradicts itself.
    #[error("{0}")]
    Config(String),
    /// A write or a sync failed earlier; the log takes no more messages.
    #[error("store is read-only: {0}")]
    Poisoned(String),
}

impl StoreError {
    /// An error of the file system, with what was tried on which file.
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// Damage at a position of a file.
    pub(crate) fn damaged(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            offset,
            what: what.into(),
        }
    }

    /// Whether there was no space for something to be written: nothing is lost by it, and a second try may succeed.
    /// A sync that finds no space is another matter: it has lost what it was to keep.
    pub(crate) fn is_no_space(&self) -> bool {
        match self {
            Self::Io {
                operation, source, ..
            } => {
                let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
                *operation != "sync" && full.contains(&source.kind())
            }
            _ => false,
        }
    }

    /// Whether a file cannot even be opened, which is no matter of what stands in it.
    pub(crate) fn is_of_opening(&self) -> bool {
        matches!(
            self,
            Self::Io {
                operation: "open",
                ..
            }
        )
    }

    /// The text with the system's answer, for a log line or a status field.
    pub(crate) fn with_cause(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}
