//! `mq group list`.

use std::collections::BTreeMap;

use client::admin::Broker;
use client::fan_out;
use client::names::is_system_group;

use super::members::member_count;
use crate::error::{Exit, Result};
use crate::lookup;
use crate::output::{Known, Output, Report, row};
use crate::watch::{self, Ask};

/// List the groups of the cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mq group list\n  mq group list --all -o json")]
pub(crate) struct Args {
    /// Also those that RocketMQ makes for itself
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct GroupRow named by group {
        group: String,
        brokers: Vec<String>,
        members: Known<usize>,
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let (by_master, missing) = lookup::groups(&admin).await?;
        let mut on: BTreeMap<String, Vec<Broker>> = BTreeMap::new();
        for (broker, groups) in by_master {
            for group in groups.into_keys() {
                on.entry(group).or_default().push(broker.clone());
            }
        }
        on.retain(|group, _| args.all || !is_system_group(group));
        let rows = fan_out::all(on, |(group, brokers)| {
            let admin = admin.clone();
            async move {
                GroupRow {
                    members: member_count(&admin, &brokers, &group).await,
                    brokers: brokers.into_iter().map(|broker| broker.name).collect(),
                    group,
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
