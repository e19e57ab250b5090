//! `mq broker status`: how each broker is.

use client::fan_out;

use crate::error::{Exit, Result};
use crate::output::{Known, Output, Report, row};
use crate::profile::brokers_named;
use crate::time;
use crate::watch::{self, Ask};

/// Show how brokers are: uptime, rates, disk, what is behind, and why one takes no messages
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq broker status\n  mq broker status broker-a -o json\n  mq broker status --watch"
)]
pub(super) struct Args {
    /// Only this broker
    name: Option<String>,
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct StatusRow named by broker {
        broker: String,
        broker_id: i64,
        address: String,
        version: Known<String>,
        started: Known<Option<String>>,
        in_per_second: Known<f64>,
        out_per_second: Known<f64>,
        disk_used_percent: Known<Option<f64>>,
        commit_log_bytes: Known<Option<i64>>,
        dispatch_behind_bytes: Known<Option<i64>>,
        oldest_message: Known<Option<String>> as wide,
        read_only: Known<Option<String>>,
    }
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let brokers = brokers_named(&admin, args.name.as_slice()).await?;
        let rows = fan_out::all(brokers, |broker| {
            let admin = admin.clone();
            async move {
                let runtime = Known::from_result(admin.runtime(&broker.address).await);
                let known = || runtime.clone();
                StatusRow {
                    broker: broker.name,
                    broker_id: broker.id,
                    address: broker.address,
                    version: known().map(|runtime| runtime.version),
                    started: known().map(|runtime| runtime.boot_ms.and_then(time::rfc3339)),
                    in_per_second: known().map(|runtime| runtime.in_per_second),
                    out_per_second: known().map(|runtime| runtime.out_per_second),
                    disk_used_percent: known()
                        .map(|runtime| runtime.disk_used.map(|used| used * 100.0)),
                    commit_log_bytes: known().map(|runtime| runtime.commit_log_bytes),
                    dispatch_behind_bytes: known().map(|runtime| runtime.dispatch_behind_bytes),
                    oldest_message: known()
                        .map(|runtime| runtime.earliest_message_ms.and_then(time::rfc3339)),
                    read_only: known().map(|runtime| runtime.read_only_reason),
                }
            }
        });
        Ok(Report::from(rows.await))
    })
    .await
}
