//! The key table: every key that has an effect, once.
//!
//! Names, meanings and defaults are those of Apache RocketMQ 4.9.8; the few keys of 5.x say so.
//! Parsing, `mq broker check`, the answer to `GET_BROKER_CONFIG` and what `UPDATE_BROKER_CONFIG`
//! may change come from this table.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use remoting::protocol::properties::Value;
use remoting::transport::tls::{ClientAuth, TlsMode};
use store::{FlushMode, StoreConfig};

use super::Origin;
use super::environment::Environment;
use super::values::{self, BrokerRole, DelayLevels, Hours};

/// Whether a running broker can be told a new value over the network. No path, no address and no
/// name is among the keys that it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// `UPDATE_BROKER_CONFIG` changes it, and it acts at once.
    Live,
    /// Only in the file, for the next start.
    AtStart,
}

/// A row of the table.
#[derive(Debug)]
pub struct Key {
    /// As in Apache's files.
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
    pub change: Change,
    pub(super) assign: fn(&mut BrokerConfig, &str) -> Result<(), String>,
    pub(super) show: fn(&BrokerConfig) -> String,
}

macro_rules! keys {
    (
        $env:ident;
        $(
            $key:literal $field:ident: $type:ty = $default:expr, $change:ident
                $(, in $range:expr)? $(, if $check:path)? => $help:literal;
        )*
    ) => {
        /// What a broker was told, checked: a field for each key of [`KEYS`].
        #[derive(Debug, Clone)]
        pub struct BrokerConfig {
            $(#[doc = concat!("`", $key, "`: ", $help, ".")] pub $field: $type,)*
            /// Where the values come from that are not defaults.
            pub(super) origins: BTreeMap<&'static str, Origin>,
        }

        /// Every key that has an effect.
        pub static KEYS: &[Key] = &[
            $(Key {
                name: $key,
                help: $help,
                change: Change::$change,
                assign: |config, text| {
                    let range = None$(.or(Some($range)))?;
                    let value = <$type as Value>::parse(text, range)?;
                    $($check(&value)?;)?
                    config.$field = value;
                    Ok(())
                },
                show: |config| Value::show(&config.$field),
            },)*
        ];

        impl BrokerConfig {
            pub(super) fn defaults($env: &Environment) -> Self {
                Self {
                    $($field: $default,)*
                    origins: BTreeMap::new(),
                }
            }
        }
    };
}

/// Java's `int`, from nought.
const INT: std::ops::RangeInclusive<i64> = 0..=2_147_483_647;
/// The same without nought.
const COUNT: std::ops::RangeInclusive<i64> = 1..=2_147_483_647;

keys! {
    env;
    // Who and where the broker is.
    "brokerClusterName" broker_cluster_name: String = "DefaultCluster".to_owned(), AtStart, if values::name
        => "the cluster it belongs to";
    "brokerName" broker_name: String = env.host_name.clone(), AtStart, if values::name
        => "its name, which a master and its slaves share; by default the host name";
    "brokerId" broker_id: i64 = 0, AtStart, in INT
        => "0, the master";
    "brokerRole" broker_role: BrokerRole = BrokerRole::AsyncMaster, AtStart
        => "ASYNC_MASTER answers a send when it is stored here, SYNC_MASTER when a slave has it as well";
    "brokerIP1" broker_ip1: String = env.local_address.to_string(), AtStart, if values::host
        => "the address given to clients; by default that of the first network card";
    "brokerIP2" broker_ip2: String = env.local_address.to_string(), AtStart, if values::host
        => "the address given to slaves";
    "bindAddress" bind_address: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED), AtStart
        => "the local address it listens on (a key of 5.x)";
    "listenPort" listen_port: u16 = 10_911, AtStart, in 0..=65_535, if values::listen_port
        => "clients connect here and to the port two below; 0 takes free ports";
    "namesrvAddr" namesrv_addr: Vec<String> = Vec::new(), AtStart, if values::addresses
        => "name servers to register with, host:port joined by semicolons; by default NAMESRV_ADDR";
    "registerNameServerPeriod" register_name_server_period: u64 = 30_000, AtStart, in COUNT
        => "milliseconds between registrations; less than 10000 is taken as 10000, more than 60000 as 60000";
    "registerBrokerTimeoutMills" register_broker_timeout_mills: u64 = 6_000, AtStart, in COUNT
        => "milliseconds that a name server has to answer";
    "serverChannelMaxIdleTimeSeconds" server_channel_max_idle_time_seconds: u64 = 120, AtStart, in COUNT
        => "seconds after which a silent connection is closed";

    // Encryption.
    "tls.server.mode" tls_server_mode: TlsMode = TlsMode::Permissive, AtStart
        => "disabled takes plain connections, enforcing encrypted ones, permissive both";
    "tls.server.certPath" tls_server_cert_path: Option<PathBuf> = None, AtStart
        => "PEM file with the certificate and those of its issuers; without it one is made at each start";
    "tls.server.keyPath" tls_server_key_path: Option<PathBuf> = None, AtStart
        => "PEM file with the key of the certificate";
    "tls.server.need.client.auth" tls_server_need_client_auth: ClientAuth = ClientAuth::None, AtStart
        => "whether clients show certificates: none, optional, require";
    "tls.server.trustCertPath" tls_server_trust_cert_path: Option<PathBuf> = None, AtStart
        => "PEM file with the certificates that those of clients are checked against";

    // Topics, groups, permissions.
    "brokerPermission" broker_permission: i32 = 6, Live, in 0..=7
        => "what the whole broker allows: 4 reading, 2 writing, 6 both";
    "autoCreateTopicEnable" auto_create_topic_enable: bool = true, Live
        => "create topics on the first send";
    "defaultTopicQueueNums" default_topic_queue_nums: i32 = 8, AtStart, in 1..=65_535
        => "most queues of a topic created on the first send";
    "autoCreateSubscriptionGroup" auto_create_subscription_group: bool = true, Live
        => "create consumer groups on their first use";
    "clusterTopicEnable" cluster_topic_enable: bool = true, AtStart
        => "the topic named as the cluster may be read, written and used as a template";
    "brokerTopicEnable" broker_topic_enable: bool = true, AtStart
        => "the topic named as the broker may be read, written and used as a template";
    "traceTopicEnable" trace_topic_enable: bool = false, AtStart
        => "create the trace topic at start, and mark messages with their region, without which consumers of 5.x do not trace";
    "msgTraceTopicName" msg_trace_topic_name: String = "RMQ_SYS_TRACE_TOPIC".to_owned(), AtStart, if values::topic
        => "the trace topic";

    // Serving.
    "startAcceptSendRequestTimeStamp" start_accept_send_request_time_stamp: i64 = 0, Live, in 0..=i64::MAX
        => "refuse sends before this time, in milliseconds since 1970";
    "waitTimeMillsInPullQueue" wait_time_mills_in_pull_queue: u64 = 5_000, AtStart, in COUNT
        => "milliseconds that a pull may wait for a reader of old messages before it is refused as busy";
    "enablePropertyFilter" enable_property_filter: bool = false, Live
        => "let consumers select messages by SQL92 conditions over their properties";
    "longPollingEnable" long_polling_enable: bool = true, Live
        => "hold a pull that finds nothing as long as the client wants";
    "shortPollingTimeMills" short_polling_time_mills: u64 = 1_000, Live, in INT
        => "milliseconds to hold such a pull when longPollingEnable is false";
    "notifyConsumerIdsChangedEnable" notify_consumer_ids_changed_enable: bool = true, Live
        => "tell the members of a group when one comes or goes";
    "flushConsumerOffsetInterval" flush_consumer_offset_interval: u64 = 5_000, AtStart, in COUNT
        => "milliseconds between two savings of consumer offsets";
    "regionId" region_id: String = "DefaultRegion".to_owned(), Live
        => "the property MSG_REGION of answers to sends";
    "traceOn" trace_on: bool = true, Live
        => "the property TRACE_ON of answers to sends: clients may trace";
    "maxMsgsNumBatch" max_msgs_num_batch: u32 = 64, AtStart, in COUNT
        => "most messages in the answer to a query by key";
    "defaultQueryMaxNum" default_query_max_num: u32 = 32, AtStart, in COUNT
        => "most messages in the answer to a query by unique key";

    "storeReplyMessageEnable" store_reply_message_enable: bool = true, Live
        => "keep replies to requests in the cluster's reply topic";

    // Delays and transactions.
    "messageDelayLevel" message_delay_level: DelayLevels = DelayLevels(StoreConfig::new(PathBuf::new()).delay_levels_ms), AtStart
        => "the delays of levels 1, 2, 3 …, separated by blanks";
    "flushDelayOffsetInterval" flush_delay_offset_interval: u64 = 10_000, AtStart, in COUNT
        => "milliseconds between two savings of how far delayed messages are delivered";
    "rejectTransactionMessage" reject_transaction_message: bool = false, Live
        => "refuse transactional messages";
    "transactionTimeOut" transaction_time_out: i64 = 6_000, Live, in COUNT
        => "milliseconds after which a producer is asked for the end of a transaction";
    "transactionCheckMax" transaction_check_max: u32 = 15, Live, in COUNT
        => "how often a producer is asked before a transaction is given up";
    "transactionCheckInterval" transaction_check_interval: u64 = 60_000, AtStart, in COUNT
        => "milliseconds between two looks for unfinished transactions";

    // The store's folders and files.
    "storePathRootDir" store_path_root_dir: PathBuf = env.home.join("store"), AtStart, if values::folder
        => "the folder of everything stored";
    "storePathCommitLog" store_path_commit_log: Option<PathBuf> = None, AtStart, if values::folder_if_set
        => "the folder of the commit log; by default commitlog in storePathRootDir";
    "mappedFileSizeCommitLog" mapped_file_size_commit_log: u64 = 1_073_741_824, AtStart, in 4_096..=2_147_483_647
        => "bytes of a commit-log file; files that exist keep their size";
    "mappedFileSizeConsumeQueue" mapped_file_size_consume_queue: u64 = 6_000_000, AtStart, in 20..=2_147_483_640
        => "bytes of a consume-queue file, rounded up to a multiple of 20; files that exist keep their size";
    "messageIndexEnable" message_index_enable: bool = true, AtStart
        => "index messages by key";
    "messageIndexSafe" message_index_safe: bool = false, AtStart
        => "after the unclean end of an Apache broker, index its messages again from where it had synced its index";
    "maxHashSlotNum" max_hash_slot_num: u32 = 5_000_000, AtStart, in COUNT
        => "slots of an index file";
    "maxIndexNum" max_index_num: u32 = 20_000_000, AtStart, in 2..=2_147_483_647
        => "entries of an index file";
    "checkCRCOnRecover" check_crc_on_recover: bool = true, AtStart
        => "verify message bodies when recovering";

    // Flushing.
    "flushDiskType" flush_disk_type: FlushMode = FlushMode::Async, AtStart
        => "ASYNC_FLUSH answers a send when it is written, SYNC_FLUSH when it is on disk";
    "flushIntervalCommitLog" flush_interval_commit_log: u64 = 500, AtStart, in COUNT
        => "milliseconds between two flushes under ASYNC_FLUSH";
    "flushCommitLogLeastPages" flush_commit_log_least_pages: u64 = 4, AtStart, in INT
        => "pages of 4 KiB that make such a flush worthwhile";
    "flushCommitLogThoroughInterval" flush_commit_log_thorough_interval: u64 = 10_000, AtStart, in COUNT
        => "milliseconds after which they are flushed however few they are";
    "flushIntervalConsumeQueue" flush_interval_consume_queue: u64 = 1_000, AtStart, in COUNT
        => "milliseconds between two writings of consume queues";
    "flushConsumeQueueThoroughInterval" flush_consume_queue_thorough_interval: u64 = 60_000, AtStart, in COUNT
        => "milliseconds between two flushes of consume queues, index and checkpoint";
    "syncFlushTimeout" sync_flush_timeout: u64 = 5_000, AtStart, in COUNT
        => "milliseconds that a send waits for its flush under SYNC_FLUSH";

    // Keeping and deleting.
    "fileReservedTime" file_reserved_time: u32 = 72, Live, in COUNT
        => "hours that messages are kept";
    "deleteWhen" delete_when: Hours = Hours(vec![4]), Live
        => "hours of the day in which expired files are deleted, joined by semicolons";
    "diskMaxUsedSpaceRatio" disk_max_used_space_ratio: u8 = 75, Live, in 10..=95
        => "percent of the disk above which expired files are deleted at any hour";
    "diskSpaceCleanForciblyRatio" disk_space_clean_forcibly_ratio: u8 = 85, AtStart, in 10..=100
        => "percent of the disk above which the oldest files are deleted before they expire (a key of 5.x)";
    "diskSpaceWarningLevelRatio" disk_space_warning_level_ratio: u8 = 90, AtStart, in 10..=100
        => "percent of the disk above which sends are refused (a key of 5.x)";
    "cleanFileForciblyEnable" clean_file_forcibly_enable: bool = true, Live
        => "whether files may be deleted before they expire";
    "cleanResourceInterval" clean_resource_interval: u64 = 10_000, AtStart, in COUNT
        => "milliseconds between two looks for expired files";
    "deleteCommitLogFilesInterval" delete_commit_log_files_interval: u64 = 100, AtStart, in INT
        => "milliseconds between the deletion of two commit-log files";

    // Limits.
    "maxMessageSize" max_message_size: u32 = 4_194_304, AtStart, in 1..=536_870_912
        => "bytes of the largest message body";
    "maxTransferBytesOnMessageInMemory" max_transfer_bytes_on_message_in_memory: u32 = 262_144, AtStart, in COUNT
        => "most bytes in the answer to a pull of recent messages";
    "maxTransferCountOnMessageInMemory" max_transfer_count_on_message_in_memory: u32 = 32, AtStart, in COUNT
        => "most messages in the answer to a pull of recent messages";
    "maxTransferBytesOnMessageInDisk" max_transfer_bytes_on_message_in_disk: u32 = 65_536, AtStart, in COUNT
        => "most bytes in the answer to a pull of old messages";
    "maxTransferCountOnMessageInDisk" max_transfer_count_on_message_in_disk: u32 = 8, AtStart, in COUNT
        => "most messages in the answer to a pull of old messages";
    "accessMessageInMemoryMaxRatio" access_message_in_memory_max_ratio: u8 = 40, AtStart, in 1..=100
        => "percent of the machine's memory: messages further behind are old";
}

/// The row of a key.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Other spellings of a key. Before 4.5.2 "mapped" was written with one p; those brokers' files are
/// still around, and later ones of Apache ignore that spelling without a word.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("mapedFileSizeCommitLog", "mappedFileSizeCommitLog"),
    ("mapedFileSizeConsumeQueue", "mappedFileSizeConsumeQueue"),
];

/// Keys of tutorials that no broker of 4.x or 5.x reads: the place follows from `storePathRootDir`.
pub(super) const DERIVED_PATHS: &[(&str, &str)] = &[
    ("storePathConsumeQueue", "consumequeue"),
    ("storePathIndex", "index"),
    ("storeCheckpoint", "checkpoint"),
    ("abortFile", "abort"),
];
