//! `mq group show`: a group's settings.

use client::fan_out;

use super::members::member_count;
use crate::error::{Exit, Result};
use crate::lookup;
use crate::output::{Known, Output, Report, row};
use crate::watch::{self, Ask};

/// Show a group's settings, by broker
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mq group show billing -o wide")]
pub(crate) struct Args {
    /// Name of the group
    group: String,
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct GroupOnBrokerRow named by group {
        group: String,
        broker: String,
        members: Known<usize>,
        consume_enabled: bool,
        broadcast_enabled: bool,
        retry_queues: i32,
        retry_max_times: i32,
        consume_from_min_enabled: bool as wide,
        notify_members: bool as wide,
        broker_id: i64 as wide,
        broker_id_when_slow: i64 as wide,
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let (on, missing) = lookup::group(&admin, &args.group).await?;
        let rows = fan_out::all(on, |(broker, config)| {
            let admin = admin.clone();
            async move {
                let here = std::slice::from_ref(&broker);
                let members = member_count(&admin, here, &config.group_name).await;
                GroupOnBrokerRow {
                    group: config.group_name,
                    broker: broker.name,
                    members,
                    consume_enabled: config.consume_enable,
                    broadcast_enabled: config.consume_broadcast_enable,
                    retry_queues: config.retry_queue_nums,
                    retry_max_times: config.retry_max_times,
                    consume_from_min_enabled: config.consume_from_min_enable,
                    notify_members: config.notify_consumer_ids_changed_enable,
                    broker_id: config.broker_id,
                    broker_id_when_slow: config.which_broker_when_consume_slowly,
                }
            }
        });
        Ok(Report {
            rows: rows.await,
            missing,
        })
    })
    .await
}
