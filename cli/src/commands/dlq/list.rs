//! `mq dlq list`.

use std::collections::BTreeMap;

use client::admin::Broker;
use client::fan_out;
use client::names::DLQ_PREFIX;

use crate::error::{Exit, Result};
use crate::lookup;
use crate::output::{Known, Output, Report, row};
use crate::time;
use crate::watch::{self, Ask};

/// List the groups that have dead letters, and how many
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mq dlq list\n  mq dlq list --watch")]
pub(crate) struct Args {
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct DeadRow named by group {
        group: String,
        messages: Known<i64>,
        last_store_time: Known<Option<String>>,
        brokers: Vec<String>,
        topic: String as wide,
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let (by_master, missing) = lookup::topics(&admin).await?;
        let mut on: BTreeMap<String, Vec<Broker>> = BTreeMap::new();
        for (broker, topics) in by_master {
            for topic in topics.into_keys() {
                if topic.starts_with(DLQ_PREFIX) {
                    on.entry(topic).or_default().push(broker.clone());
                }
            }
        }
        let rows = fan_out::all(on, |(topic, brokers)| {
            let admin = admin.clone();
            async move {
                let names = brokers.iter().map(|broker| broker.name.clone()).collect();
                let answers = admin.each(brokers, |admin, broker| {
                    let topic = topic.clone();
                    async move { admin.topic_stats(&broker.address, &topic).await }
                });
                let (answers, unanswered) = lookup::split(answers.await);
                let queues = || {
                    let queues = answers.iter().map(|(_, stats)| &stats.offset_table.0);
                    queues.flat_map(|queues| queues.values())
                };
                let messages = queues()
                    .map(|queue| queue.max_offset - queue.min_offset)
                    .sum();
                let last = queues().map(|queue| queue.last_update_timestamp).max();
                let (messages, last_store_time) = match unanswered.into_iter().next() {
                    None => (
                        Known::Known(messages),
                        Known::Known(last.and_then(time::rfc3339)),
                    ),
                    Some(why) => (Known::Unknown(why.clone()), Known::Unknown(why)),
                };
                DeadRow {
                    group: topic.trim_start_matches(DLQ_PREFIX).to_owned(),
                    messages,
                    last_store_time,
                    brokers: names,
                    topic,
                }
            }
        });
        let rows = rows.await.into_iter();
        Ok(Report {
            rows: rows
                .filter(|row| !matches!(row.messages, Known::Known(0)))
                .collect(),
            missing,
        })
    })
    .await
}
