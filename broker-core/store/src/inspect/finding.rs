//! What a check finds: where, what it means, and what follows from it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is lost or wrong: the next start takes care of it.
    Notice,
    /// Something derived from the log is wrong; it can be built again.
    Derived,
    /// Messages, or tables that exist once, are lost.
    Lost,
}

impl Severity {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Derived => "derived",
            Self::Lost => "lost",
        }
    }
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Problem {
    /// A file of the log is absent or shorter than the others.
    LogFile,
    /// Bytes in the middle of the log are no messages.
    LogBroken,
    /// The log ends in front of what was stored.
    LogEndsEarly,
    /// Bytes at the end of the log that nobody was told to be stored.
    TornTail,
    /// A file or folder where none belongs.
    Stranger,
    /// A file of a consume queue has the wrong length, or is absent.
    QueueFile,
    /// A message has no unit in its queue.
    UnitMissing,
    /// Messages at the beginning of the log are in front of the first unit of their queue.
    QueueBeginsLater,
    /// A unit names a place where its message is not.
    UnitWrong,
    /// Units behind the end of a queue, which the next start erases.
    UnitsBehindEnd,
    /// An index file has the wrong length or a header that contradicts its entries.
    IndexFile,
    /// A message with keys has not its entries in the index.
    EntryMissing,
    /// An entry of the index names a place where no such message is.
    EntryWrong,
    /// An entry cannot be reached through its slot.
    SlotWrong,
    /// The checkpoint cannot be used.
    CheckpointUnusable,
    /// A table cannot be read; its backup can.
    TableDamaged,
    /// Neither a table nor its backup can be read.
    TableLost,
    /// The backup of a table cannot be read.
    BackupDamaged,
}

impl Problem {
    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::TornTail
            | Self::Stranger
            | Self::QueueBeginsLater
            | Self::UnitsBehindEnd
            | Self::CheckpointUnusable
            | Self::BackupDamaged => Severity::Notice,
            Self::QueueFile
            | Self::UnitMissing
            | Self::UnitWrong
            | Self::IndexFile
            | Self::EntryMissing
            | Self::EntryWrong
            | Self::SlotWrong => Severity::Derived,
            Self::LogFile
            | Self::LogBroken
            | Self::LogEndsEarly
            | Self::TableDamaged
            | Self::TableLost => Severity::Lost,
        }
    }

    /// In a word or two, joined by dashes.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogFile => "log-file",
            Self::LogBroken => "log-broken",
            Self::LogEndsEarly => "log-ends-early",
            Self::TornTail => "torn-tail",
            Self::Stranger => "stranger",
            Self::QueueFile => "queue-file",
            Self::UnitMissing => "unit-missing",
            Self::QueueBeginsLater => "queue-begins-later",
            Self::UnitWrong => "unit-wrong",
            Self::UnitsBehindEnd => "units-behind-end",
            Self::IndexFile => "index-file",
            Self::EntryMissing => "index-entry-missing",
            Self::EntryWrong => "index-entry-wrong",
            Self::SlotWrong => "index-slot-wrong",
            Self::CheckpointUnusable => "checkpoint-unusable",
            Self::TableDamaged => "table-damaged",
            Self::TableLost => "table-lost",
            Self::BackupDamaged => "backup-damaged",
        }
    }

    /// What follows from it.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::LogFile | Self::LogBroken => {
                "messages that stood here are lost; consumers stop in front of them, and a start that reads them refuses"
            }
            Self::LogEndsEarly => "acknowledged messages are lost, and the broker refuses to start",
            Self::TornTail => "the next start cuts it off: nobody was told that it was stored",
            Self::Stranger => "ours ignores it; an Apache broker may refuse to start",
            Self::QueueFile => "a broker refuses to start, or misses messages; mq store rebuild",
            Self::UnitMissing => "consumers do not see these messages; mq store rebuild",
            Self::QueueBeginsLater => {
                "consumers do not see them: they were about to expire, or a file is missing; mq store rebuild brings them back"
            }
            Self::UnitWrong => "consumers stop here, or miss a message; mq store rebuild",
            Self::UnitsBehindEnd => "the next start erases them",
            Self::IndexFile | Self::EntryMissing | Self::SlotWrong => {
                "queries by key miss messages; mq store rebuild"
            }
            Self::EntryWrong => "queries by key give other messages; mq store rebuild",
            Self::CheckpointUnusable => "the next start reads more of the log",
            Self::TableDamaged => "the broker starts with its backup: the last changes are lost",
            Self::TableLost => "the broker refuses to start until it is repaired or removed",
            Self::BackupDamaged => "nothing, as long as the table itself can be read",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing is wrong.
    pub problem: Problem,
    /// The file or folder.
    pub path: PathBuf,
    /// Position in the file, in bytes.
    pub byte: u64,
    /// Bytes from there on that are concerned; 0 when that is unknown.
    pub bytes: u64,
    /// How often it was found in these bytes, next to each other.
    pub count: u64,
    /// What was found.
    pub what: String,
}

/// Gathers findings. Neighbours of the same kind in the same file become one.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Finding>,
    /// The newest finding of a kind in a file.
    newest: HashMap<(PathBuf, Problem), usize>,
    /// Findings that are not in the list.
    pub(super) more: u64,
}

/// Findings that are kept: what is broken all over need not be told byte by byte.
const KEPT_MAX: usize = 10_000;

impl Findings {
    pub(super) fn add(
        &mut self,
        problem: Problem,
        path: &Path,
        byte: u64,
        bytes: u64,
        what: impl Into<String>,
    ) {
        let key = (path.to_owned(), problem);
        if let Some(&newest) = self.newest.get(&key) {
            let before = &mut self.list[newest];
            if bytes > 0 && before.byte + before.bytes == byte {
                before.bytes += bytes;
                before.count += 1;
                return;
            }
        }
        if self.list.len() >= KEPT_MAX {
            self.more += 1;
            return;
        }
        self.newest.insert(key, self.list.len());
        self.list.push(Finding {
            problem,
            path: path.to_owned(),
            byte,
            bytes,
            count: 1,
            what: what.into(),
        });
    }

    pub(super) fn append(&mut self, other: Self) {
        self.more += other.more;
        let room = KEPT_MAX - self.list.len();
        self.more += other.list.len().saturating_sub(room) as u64;
        self.list.extend(other.list.into_iter().take(room));
    }
}
