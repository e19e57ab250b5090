//! What the store can be told. Field by field Apache's keys; the key is named where the spelling
//! differs.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use remoting::protocol::properties::Value;

use crate::StoreError;

/// When a message counts as stored (`flushDiskType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushMode {
    /// When the operating system has it. A power failure may take what is younger than
    /// `flush_interval_commit_log_ms`; the death of the process takes nothing.
    Async,
    /// When the disk has it. Consumers see it only then.
    Sync,
}

impl Value for FlushMode {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        match text {
            "ASYNC_FLUSH" => Ok(Self::Async),
            "SYNC_FLUSH" => Ok(Self::Sync),
            _ => Err("must be ASYNC_FLUSH or SYNC_FLUSH".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Async => "ASYNC_FLUSH",
            Self::Sync => "SYNC_FLUSH",
        }
        .to_owned()
    }
}

/// How a store behaves. [`StoreConfig::new`] gives Apache's values.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `storePathRootDir`.
    pub root: PathBuf,
    /// `storePathCommitLog`; `None` is `<root>/commitlog`.
    pub commit_log_dir: Option<PathBuf>,
    /// `mappedFileSizeCommitLog`, in bytes. Files that exist already keep their size, and it is
    /// theirs that counts then.
    pub commit_log_file_size: u64,
    /// `mappedFileSizeConsumeQueue`, in bytes; rounded up to a multiple of 20.
    pub consume_queue_file_size: u64,
    /// `flushDiskType`.
    pub flush_mode: FlushMode,
    /// `flushIntervalCommitLog`: under [`FlushMode::Async`] written bytes are synced this often.
    pub flush_interval_commit_log_ms: u64,
    /// `flushCommitLogLeastPages`: fewer dirty pages of 4 KiB than this wait for the thorough round.
    pub flush_commit_log_least_pages: u64,
    /// `flushCommitLogThoroughInterval`: everything written is synced this often, whatever its size.
    pub flush_commit_log_thorough_interval_ms: u64,
    /// `flushIntervalConsumeQueue`: buffered queue units go to their files this often.
    pub flush_interval_consume_queue_ms: u64,
    /// `flushConsumeQueueThoroughInterval`: queues and index are synced, and the checkpoint moves,
    /// this often (earlier when 24 MiB of log have been written since).
    pub flush_consume_queue_thorough_interval_ms: u64,
    /// `syncFlushTimeout`: how long an append waits for its sync before it is answered as timed out.
    pub sync_flush_timeout_ms: u64,
    /// `maxMessageSize`: bytes of a body. A record may be 64 KiB longer.
    pub max_message_size: u32,
    /// What is kept for how long, at the start; [`crate::Store::set_retention`] changes it.
    pub retention: RetentionRules,
    /// `cleanResourceInterval`.
    pub clean_resource_interval_ms: u64,
    /// `deleteCommitLogFilesInterval`: pause between two deletions.
    pub delete_commit_log_files_interval_ms: u64,
    /// `messageIndexEnable`.
    pub message_index_enable: bool,
    /// `messageIndexSafe`: after the unclean end of an Apache broker the log is read again from where its index was synced,
    /// too. After our own the index is always recovered from its own safe point.
    pub message_index_safe: bool,
    /// `maxHashSlotNum`: slots of an index file.
    pub max_hash_slot_num: u32,
    /// `maxIndexNum`: entries of an index file.
    pub max_index_num: u32,
    /// `checkCRCOnRecover`.
    pub check_crc_on_recover: bool,
    /// `maxTransferBytesOnMessageInMemory`.
    pub max_transfer_bytes_on_message_in_memory: u32,
    /// `maxTransferCountOnMessageInMemory`.
    pub max_transfer_count_on_message_in_memory: u32,
    /// `maxTransferBytesOnMessageInDisk`.
    pub max_transfer_bytes_on_message_in_disk: u32,
    /// `maxTransferCountOnMessageInDisk`.
    pub max_transfer_count_on_message_in_disk: u32,
    /// `accessMessageInMemoryMaxRatio`, in percent of the machine's memory.
    pub access_message_in_memory_max_ratio: u8,
    /// `messageDelayLevel`, in milliseconds; level 1 comes first.
    pub delay_levels_ms: Vec<i64>,
    /// What stands as storeHost in every record: `brokerIP1:listenPort`.
    pub store_host: SocketAddr,
    /// Bytes that may wait in front of the writer before appends are refused.
    pub append_queue_bytes: usize,
    /// Append calls that may wait in front of the writer before appends are refused.
    pub append_queue_count: usize,
    /// Bytes at the end of the log that are kept in memory for consumers that keep up.
    pub hot_tail_bytes: usize,
}

/// Which files of the log go, and when the disk counts as full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRules {
    /// `fileReservedTime`, in hours.
    pub file_reserved_hours: u32,
    /// `deleteWhen`: local hours in which expired files are deleted.
    pub delete_when: Vec<u8>,
    /// `diskMaxUsedSpaceRatio`, in percent: above it expired files are deleted at any hour.
    pub disk_max_used_space_ratio: u8,
    /// `diskSpaceCleanForciblyRatio`, in percent: above it the oldest files go even if not expired.
    pub disk_space_clean_forcibly_ratio: u8,
    /// `diskSpaceWarningLevelRatio`, in percent: above it appends are refused.
    pub disk_space_warning_level_ratio: u8,
    /// `cleanFileForciblyEnable`.
    pub clean_file_forcibly: bool,
}

impl Default for RetentionRules {
    fn default() -> Self {
        Self {
            file_reserved_hours: 72,
            delete_when: vec![4],
            disk_max_used_space_ratio: 75,
            disk_space_clean_forcibly_ratio: 85,
            disk_space_warning_level_ratio: 90,
            clean_file_forcibly: true,
        }
    }
}

/// Bytes of a record beyond its body: topic, properties and fields.
pub(crate) const RECORD_OVERHEAD_MAX: u32 = 64 * 1024;

impl StoreConfig {
    /// Apache's values for a store in `root`, with the given storeHost.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            commit_log_dir: None,
            commit_log_file_size: 1024 * 1024 * 1024,
            consume_queue_file_size: 300_000 * 20,
            flush_mode: FlushMode::Async,
            flush_interval_commit_log_ms: 500,
            flush_commit_log_least_pages: 4,
            flush_commit_log_thorough_interval_ms: 10_000,
            flush_interval_consume_queue_ms: 1_000,
            flush_consume_queue_thorough_interval_ms: 60_000,
            sync_flush_timeout_ms: 5_000,
            max_message_size: 4 * 1024 * 1024,
            retention: RetentionRules::default(),
            clean_resource_interval_ms: 10_000,
            delete_commit_log_files_interval_ms: 100,
            message_index_enable: true,
            message_index_safe: false,
            max_hash_slot_num: 5_000_000,
            max_index_num: 20_000_000,
            check_crc_on_recover: true,
            max_transfer_bytes_on_message_in_memory: 262_144,
            max_transfer_count_on_message_in_memory: 32,
            max_transfer_bytes_on_message_in_disk: 65_536,
            max_transfer_count_on_message_in_disk: 8,
            access_message_in_memory_max_ratio: 40,
            delay_levels_ms: [
                1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600,
                7200,
            ]
            .map(|seconds: i64| seconds * 1000)
            .to_vec(),
            store_host: SocketAddr::from((Ipv4Addr::LOCALHOST, 10_911)),
            append_queue_bytes: 64 * 1024 * 1024,
            append_queue_count: 100_000,
            hot_tail_bytes: 16 * 1024 * 1024,
        }
    }

    /// Bytes of the largest record that may be appended.
    pub(crate) fn max_record_size(&self) -> u32 {
        self.max_message_size.saturating_add(RECORD_OVERHEAD_MAX)
    }

    /// Refuses what could not work.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let refuse = |text: &str| Err(StoreError::Config(text.to_owned()));
        if self.commit_log_file_size < 4096 || self.commit_log_file_size > i32::MAX as u64 {
            return refuse("mappedFileSizeCommitLog must be between 4096 and 2147483647");
        }
        if self.consume_queue_file_size < 20 || self.consume_queue_file_size > i32::MAX as u64 {
            return refuse("mappedFileSizeConsumeQueue must be between 20 and 2147483647");
        }
        if self.max_hash_slot_num == 0 || self.max_index_num < 2 {
            return refuse("maxHashSlotNum must be at least 1 and maxIndexNum at least 2");
        }
        if self.max_message_size > 512 * 1024 * 1024 {
            return refuse("maxMessageSize must be at most 536870912");
        }
        if self.append_queue_bytes == 0 || self.append_queue_count == 0 {
            return refuse("the append queue must hold at least one message");
        }
        Ok(())
    }
}
