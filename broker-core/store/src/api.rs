//! What goes in and out of the store's door: the plain values of [`crate::Store`]'s methods.

use std::sync::Arc;

use bytes::Bytes;

pub use crate::consume_queue::Unit;

/// What the store tells its owner. Called on the store's own threads, one call at a time; it must
/// not block, and must not call [`crate::Store::shutdown`].
pub trait StoreEvents: Send + 'static {
    /// What the owner hands in with an append and gets back with its result.
    type Ticket: Send + 'static;

    /// Appends that are done, in the order of the log, once for all that one wake-up finished.
    /// Whatever is left in `done` is dropped.
    fn completed(&mut self, done: &mut Vec<Done<Self::Ticket>>);

    /// Queues whose readable end has moved.
    fn arrived(&mut self, arrivals: &[Arrival]);
}

/// An append that is done.
#[derive(Debug)]
pub struct Done<T> {
    /// What was handed in.
    pub ticket: T,
    /// Where the messages are, or why they are not stored.
    pub result: Result<Appended, AppendError>,
}

/// Where appended messages are. For several records, the place of the first; the others follow it
/// in both the queue and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Position in the queue, counted in messages.
    pub queue_offset: i64,
    /// Position in the commit log, in bytes.
    pub commit_log_offset: i64,
    /// When the store took it, in milliseconds since the epoch.
    pub store_timestamp: i64,
    /// How safe it is.
    pub status: PutStatus,
}

/// How safe a stored message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutStatus {
    /// As safe as was asked for.
    Ok,
    /// In the log, but not known to be on the disk within `syncFlushTimeout`.
    FlushDiskTimeout,
}

/// Why an accepted append was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A write or sync failed: the store is read-only from now on.
    #[error("store is read-only: {0}")]
    ReadOnly(Arc<str>),
    /// There is no space; nothing was written, and later appends may succeed.
    #[error("no space left on the disk of the commit log")]
    DiskFull,
    /// The queue's files contradict the log, so that no place in the queue can be given.
    #[error("queue cannot take messages: {0}")]
    Queue(Arc<str>),
    /// The store was closed before it came to this append.
    #[error("store is shutting down")]
    ShuttingDown,
}

/// Why an append was not accepted. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendRefusal {
    /// More waits in front of the writer than is allowed.
    #[error("append queue is full: {bytes} bytes in {count} requests are waiting")]
    QueueFull {
        /// Bytes waiting.
        bytes: usize,
        /// Requests waiting.
        count: usize,
    },
    /// A write or sync failed earlier.
    #[error("store is read-only: {0}")]
    ReadOnly(Arc<str>),
    /// The partition is fuller than `diskSpaceWarningLevelRatio`.
    #[error("disk is full")]
    DiskFull,
    /// The store is closing.
    #[error("store is shutting down")]
    ShuttingDown,
    /// Larger than `maxMessageSize` allows, or than a commit-log file can hold.
    #[error("messages of {size} bytes are larger than {limit}")]
    TooLarge {
        /// Bytes of all records.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not records of the store's format.
    #[error("not a valid record: {0}")]
    Invalid(&'static str),
    /// The queue's folder cannot be opened.
    #[error("queue cannot be opened: {0}")]
    Queue(Arc<str>),
}

/// What an append waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until it is stored as `flushDiskType` promises (`WAIT=true`).
    Stored,
    /// Until it is in the log, synced or not (`WAIT=false`).
    Written,
}

/// Messages became readable in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The topic.
    pub topic: Arc<str>,
    /// The queue.
    pub queue_id: i32,
    /// The readable end of the queue: one past its last message.
    pub max_offset: i64,
    /// The tags code of this message, for waiting consumers that filter.
    pub tags_code: i64,
    /// When the store took it, in milliseconds since the epoch.
    pub store_timestamp: i64,
    /// Position of this message in the commit log, in bytes.
    pub commit_log_offset: i64,
}

/// A read of one queue.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The queue.
    pub queue_id: i32,
    /// First message wanted, counted in messages of this queue.
    pub offset: i64,
    /// Messages wanted at most; the store's own limits apply as well.
    pub max_messages: u32,
    /// Bytes wanted at most, though the first message comes whatever its size.
    pub max_bytes: u32,
}

/// Where a read may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// In memory only, the system's page cache included: never waits for a disk. Right for network
    /// threads.
    MemoryOnly,
    /// On disk as well: may block. Right for a pool of readers.
    Anywhere,
}

/// What became of a read.
#[derive(Debug)]
pub enum ReadOutcome {
    /// The answer.
    Done(ReadResult),
    /// [`ReadFrom::MemoryOnly`] was asked, but the answer needs the disk.
    Cold,
}

/// The store's verdict on a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStatus {
    /// Messages were found.
    Found,
    /// There are messages, but none passed the filter.
    NoMatchedMessage,
    /// No such queue.
    NoMatchedLogicQueue,
    /// The queue never had a message.
    NoMessageInQueue,
    /// Before the first message of the queue.
    OffsetTooSmall,
    /// Exactly at the end: nothing new yet.
    OffsetOverflowOne,
    /// Past the end.
    OffsetOverflowBadly,
    /// The message, or the queue's file, cannot be read there, or is not what was stored.
    OffsetFoundNull,
    /// The queue still names messages whose log file has been deleted.
    MessageWasRemoving,
}

/// The answer to a read.
#[derive(Debug)]
pub struct ReadResult {
    /// The verdict.
    pub status: ReadStatus,
    /// Whole stored records laid end to end, in queue order; to be sent as they are.
    pub runs: Vec<Bytes>,
    /// Records in `runs`.
    pub message_count: u32,
    /// Bytes in `runs`.
    pub size: usize,
    /// Where to read next.
    pub next_begin_offset: i64,
    /// First readable message of the queue.
    pub min_offset: i64,
    /// One past the last readable message of the queue.
    pub max_offset: i64,
    /// So far behind that a slave should serve this consumer.
    pub suggest_slave: bool,
}

/// A piece of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueUnits {
    /// First readable message of the queue.
    pub min_offset: i64,
    /// One past the last readable message of the queue.
    pub max_offset: i64,
    /// Units that follow each other.
    pub units: Vec<Unit>,
}

/// Which message answers a search by time when none has exactly that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// The nearer neighbour, as Apache 4.9 answers.
    Nearest,
    /// The first message at or after the time.
    Lower,
    /// The last message at or before the time.
    Upper,
}

/// Messages found by key.
#[derive(Debug, Default)]
pub struct QueryResult {
    /// Whole stored records, one each, in the order of the log. Records that only share the key's hash are among them, as in
    /// Apache's answer.
    pub messages: Vec<Bytes>,
    /// Store time of the newest indexed message, in milliseconds since the epoch.
    pub index_last_update_timestamp: i64,
    /// Commit-log offset of the newest indexed message.
    pub index_last_update_phyoffset: i64,
}

/// Upper bounds, in milliseconds, of all but the last class of `put_time_distribution`; the last
/// class has no bound. Apache's thirteen.
pub const PUT_TIME_CLASSES_MS: [u64; 12] = [
    1, 10, 50, 100, 200, 500, 1000, 2000, 3000, 4000, 5000, 10_000,
];

/// How the store is doing.
#[derive(Debug, Clone)]
pub struct StoreStatus {
    /// First byte that the log still has.
    pub min_commit_log_offset: i64,
    /// One past the last byte written.
    pub written_offset: i64,
    /// One past the last byte known to be on the disk.
    pub flushed_offset: i64,
    /// One past the last byte whose messages are in their queues and readable.
    pub visible_offset: i64,
    /// Why the store takes no more messages, if it does not.
    pub read_only_reason: Option<Arc<str>>,
    /// Whether appends are refused because a partition is too full.
    pub disk_full: bool,
    /// Used share of the commit log's partition, 0 to 1; unknown when it could not be asked.
    pub commit_log_disk_ratio: Option<f64>,
    /// Used share of the consume queues' partition, 0 to 1; unknown when it could not be asked.
    pub consume_queue_disk_ratio: Option<f64>,
    /// Messages stored since the start.
    pub put_message_times_total: u64,
    /// Bytes of their records.
    pub put_message_size_total: u64,
    /// Append calls that failed or were refused since the start.
    pub put_failed_times: u64,
    /// How long append calls took from being accepted to being written, by class (see
    /// [`PUT_TIME_CLASSES_MS`]; the first class is 0 ms).
    pub put_time_distribution: [u64; 13],
    /// The longest of them, in milliseconds.
    pub put_time_max_ms: u64,
    /// The longest read of messages from the log's files that could wait for the disk, in milliseconds.
    pub get_time_max_ms: u64,
    /// Bytes waiting in front of the writer.
    pub append_queue_bytes: usize,
    /// Store time of the oldest message in the log, in milliseconds since the epoch.
    pub earliest_message_timestamp: Option<i64>,
    /// When the store was opened, in milliseconds since the epoch.
    pub boot_timestamp: i64,
}

/// What a clean end left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownReport {
    /// One past the last byte on the disk.
    pub flushed_offset: i64,
    /// Everything is dispatched and synced, so that the next start trusts the files.
    pub clean: bool,
}
