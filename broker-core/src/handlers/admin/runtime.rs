//! What the broker tells of itself: 28, 315, 907.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use remoting::protocol::body::kv::KvTable;
use remoting::protocol::body::replicas::HaRuntimeInfo;
use remoting::protocol::command::VERSION;
use remoting::protocol::headers::admin::BrokerStatsDataRequestHeader;
use remoting::transport::router::{Refusal, Reply, Request};
use store::fs::{FileSystem, OsFileSystem};
use store::{PUT_TIME_CLASSES_MS, StoreStatus};

use crate::broker::Broker;
use crate::handlers::json;

/// Apache's name of [`VERSION`].
const VERSION_NAME: &str = "V4_9_8_MQ";

/// `GET_BROKER_RUNTIME_INFO` (28). All values are texts; monitoring tools take some of them apart,
/// so their shape is Apache's to the blank.
pub(crate) fn runtime_info(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    let status = broker.store.status();
    let config = broker.config.current();
    let now = broker.clock.now_ms();
    let mut table = BTreeMap::new();
    let mut set = |key: &str, value: &dyn Display| {
        table.insert(key.to_owned(), value.to_string());
    };
    set("bootTimestamp", &status.boot_timestamp);
    set("runtime", &uptime(now - status.boot_timestamp));
    set("brokerVersionDesc", &VERSION_NAME);
    set("brokerVersion", &VERSION);
    set("brokerActive", &"true");
    set(
        "startAcceptSendRequestTimeStamp",
        &config.start_accept_send_request_time_stamp,
    );

    let times = status.put_message_times_total;
    set("putMessageTimesTotal", &times.max(1));
    set("putMessageFailedTimes", &status.put_failed_times);
    set("putMessageSizeTotal", &status.put_message_size_total);
    set(
        "putMessageAverageSize",
        &format!(
            "{:.1}",
            status.put_message_size_total as f64 / times.max(1) as f64
        ),
    );
    set("putMessageEntireTimeMax", &status.put_time_max_ms);
    set("getMessageEntireTimeMax", &status.get_time_max_ms);
    for (name, share) in [("putLatency99", 0.99), ("putLatency999", 0.999)] {
        let latency = percentile(&status.put_time_distribution, share);
        set(name, &format!("{latency:.2}"));
    }
    set(
        "putMessageDistributeTime",
        &distribution(&status.put_time_distribution),
    );
    set("pageCacheLockTimeMills", &"0");

    let rates = broker.stats.rates();
    set("putTps", &rates.put);
    set("getFoundTps", &rates.get_found);
    set("getMissTps", &rates.get_miss);
    set("getTotalTps", &rates.get_total);
    // Spelled both ways: 4.x and 5.x.
    set("getTransferedTps", &rates.transferred);
    set("getTransferredTps", &rates.transferred);
    let today = broker.stats.days();
    set("msgPutTotalTodayNow", &today.put_now);
    set("msgPutTotalTodayMorning", &today.put_morning);
    set("msgPutTotalYesterdayMorning", &today.put_yesterday);
    set("msgGetTotalTodayNow", &today.get_now);
    set("msgGetTotalTodayMorning", &today.get_morning);
    set("msgGetTotalYesterdayMorning", &today.get_yesterday);

    disk(
        &config.store_path_root_dir,
        config.store_path_commit_log.as_deref(),
        &status,
        &mut set,
    );
    set("commitLogMinOffset", &status.min_commit_log_offset);
    set("commitLogMaxOffset", &status.written_offset);
    set("dispatchMaxBuffer", &"0");
    set(
        "dispatchBehindBytes",
        &(status.written_offset - status.visible_offset).max(0),
    );
    set("remainTransientStoreBufferNumbs", &i32::MAX);
    set(
        "remainHowManyDataToFlush",
        &bytes(status.written_offset - status.flushed_offset),
    );
    set(
        "earliestMessageTimeStamp",
        &status.earliest_message_timestamp.unwrap_or(-1),
    );
    // Ours: why messages are refused, if they are.
    if let Some(reason) = &status.read_only_reason {
        set("storeReadOnlyReason", reason);
    }
    set("storeDiskFull", &status.disk_full);

    set("sendThreadPoolQueueSize", &"0");
    set("sendThreadPoolQueueCapacity", &"10000");
    set("sendThreadPoolQueueHeadWaitTimeMills", &"0");
    for (name, pool) in [("pull", &broker.read), ("query", &broker.admin)] {
        let (waiting, head) = pool.workers.waiting();
        set(&format!("{name}ThreadPoolQueueSize"), &waiting);
        set(
            &format!("{name}ThreadPoolQueueCapacity"),
            &pool.workers.capacity(),
        );
        set(
            &format!("{name}ThreadPoolQueueHeadWaitTimeMills"),
            &head.as_millis(),
        );
    }
    Ok(json(&KvTable { table })?.into())
}

fn disk(
    root: &std::path::Path,
    commit_log: Option<&std::path::Path>,
    status: &StoreStatus,
    set: &mut impl FnMut(&str, &dyn Display),
) {
    // Apache's sign for "unknown".
    let ratio =
        |ratio: Option<f64>| ratio.map_or_else(|| "-1".to_owned(), |ratio| ratio.to_string());
    let dir = commit_log.map_or_else(|| root.join("commitlog"), std::path::Path::to_path_buf);
    set("commitLogDiskRatio", &ratio(status.commit_log_disk_ratio));
    set(
        &format!("commitLogDiskRatio_{}", dir.display()),
        &ratio(status.commit_log_disk_ratio),
    );
    set(
        "consumeQueueDiskRatio",
        &ratio(status.consume_queue_disk_ratio),
    );
    if let Ok(usage) = OsFileSystem.disk_usage(&dir) {
        let size = |bytes_count: u64| bytes(i64::try_from(bytes_count).unwrap_or(i64::MAX));
        set(
            "commitLogDirCapacity",
            &format!(
                "Total : {}, Free : {}.",
                size(usage.total),
                size(usage.available)
            ),
        );
    }
}

/// `GET_BROKER_HA_STATUS` (907): a master without slaves.
pub(crate) fn ha_status(broker: &Broker, _: &Request<'_>) -> Result<Reply, Refusal> {
    Ok(json(&HaRuntimeInfo {
        master: true,
        master_commit_log_max_offset: broker.store.status().written_offset,
        ..HaRuntimeInfo::default()
    })?
    .into())
}

/// `VIEW_BROKER_STATS_DATA` (315).
pub(crate) fn stats_data(broker: &Broker, request: &Request<'_>) -> Result<Reply, Refusal> {
    let header: BrokerStatsDataRequestHeader = request.header()?;
    match broker.stats.data(&header.stats_name, &header.stats_key) {
        Some(data) => Ok(json(&data)?.into()),
        None => Err(Refusal::system(format!(
            "The stats <{}> <{}> not exist",
            header.stats_name, header.stats_key
        ))),
    }
}

fn uptime(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!(
        "[ {days} days, {hours} hours, {minutes} minutes, {} seconds ]",
        seconds % 60
    )
}

fn distribution(classes: &[u64; 13]) -> String {
    const NAMES: [&str; 13] = [
        "<=0ms",
        "0~10ms",
        "10~50ms",
        "50~100ms",
        "100~200ms",
        "200~500ms",
        "500ms~1s",
        "1~2s",
        "2~3s",
        "3~4s",
        "4~5s",
        "5~10s",
        "10s~",
    ];
    const { assert!(PUT_TIME_CLASSES_MS.len() + 1 == NAMES.len()) };
    let mut text = String::new();
    for (name, count) in NAMES.iter().zip(classes) {
        let blank = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{blank}[{name}]:{count}");
    }
    text
}

/// Milliseconds below which this share of the put times lies, as far as their classes tell; above the last bound, the bound.
fn percentile(classes: &[u64; 13], share: f64) -> f64 {
    let rank = classes.iter().sum::<u64>() as f64 * share;
    let (mut below, mut lower) = (0.0, 0.0);
    for (count, upper) in classes.iter().zip(PUT_TIME_CLASSES_MS) {
        let (count, upper) = (*count as f64, upper as f64);
        if count > 0.0 && below + count >= rank {
            return lower + (upper - lower) * (rank - below) / count;
        }
        (below, lower) = (below + count, upper);
    }
    if below < rank { lower } else { 0.0 }
}

/// As Apache writes sizes: base 1024, two digits at most, a blank before the unit.
fn bytes(count: i64) -> String {
    let mut value = count.max(0) as f64;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].iter();
    let mut unit = units.next().unwrap_or(&"B");
    while value >= 1024.0 {
        let Some(next) = units.next() else { break };
        value /= 1024.0;
        unit = next;
    }
    if *unit == "B" {
        format!("{count} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_within_their_class() {
        let mut classes = [0; 13];
        assert!(percentile(&classes, 0.99).abs() < 0.01);
        classes[0] = 980;
        classes[1] = 20;
        assert!((percentile(&classes, 0.5) - 0.51).abs() < 0.01);
        assert!((percentile(&classes, 0.99) - 5.5).abs() < 0.01);
        classes[12] = 1000;
        assert!((percentile(&classes, 0.99) - 10_000.0).abs() < 0.01);
    }

    #[test]
    fn texts_have_the_shape_that_tools_take_apart() {
        assert_eq!(
            uptime(93_784_005),
            "[ 1 days, 2 hours, 3 minutes, 4 seconds ]"
        );
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(105_441_193_984), "98.2 GiB");
        let text = distribution(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(text.split(' ').count(), 13);
        assert!(text.starts_with("[<=0ms]:0 [0~10ms]:1 [10~50ms]:2"));
    }
}
