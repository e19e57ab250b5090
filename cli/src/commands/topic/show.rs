//! `mq topic list`, `show`, `route` and `stats`.

use std::collections::BTreeSet;

use client::fan_out;
use client::names::is_system_topic;
use remoting::protocol::body::topic::TopicConfig;

use super::perm_text;
use crate::error::{CliError, Exit, Result};
use crate::lookup;
use crate::output::{Known, Output, Report, row};
use crate::profile::missing_from;
use crate::time;
use crate::watch::{self, Ask};

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Also those that RocketMQ uses for itself: retry and dead-letter topics, system topics
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// Name of the topic
    topic: String,
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct TopicRow named by topic {
        topic: String,
        brokers: Vec<String>,
        read_queues: Known<i32>,
        write_queues: Known<i32>,
        perm: Known<String>,
    }
}

row! {
    struct TopicOnBrokerRow named by topic {
        topic: String,
        broker: String,
        read_queues: Known<i32>,
        write_queues: Known<i32>,
        perm: Known<String>,
        order: Known<bool> as wide,
        messages: Known<i64>,
        last_store_time: Known<Option<String>>,
    }
}

row! {
    struct RouteRow named by broker {
        topic: String,
        cluster: String,
        broker: String,
        addresses: Vec<String>,
        read_queues: i32,
        write_queues: i32,
        perm: String,
    }
}

row! {
    struct QueueRow named by broker {
        topic: String,
        broker: String,
        queue_id: i32,
        min_offset: i64,
        max_offset: i64,
        messages: i64,
        last_store_time: Option<String>,
    }
}

/// Name servers remember topics of brokers that are away.
const NOWHERE: &str = "no broker that answered has it";

pub(super) async fn list(args: &List, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let names = admin.topic_names().await;
        let names = names.map_err(|e| CliError::client("cannot list the topics", &e))?;
        let (by_master, missing) = lookup::topics(&admin).await?;
        let own: BTreeSet<&str> = by_master
            .iter()
            .flat_map(|(broker, _)| [broker.name.as_str(), broker.cluster.as_str()])
            .collect();
        let mut names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        names.extend(
            by_master
                .iter()
                .flat_map(|(_, topics)| topics.keys().map(String::as_str)),
        );
        if !args.all {
            names.retain(|name| !is_system_topic(name) && !own.contains(name));
        }
        let row = |topic: &str| {
            let on: Vec<_> = by_master
                .iter()
                .filter_map(|(broker, topics)| Some((broker, topics.get(topic)?)))
                .collect();
            let known = |value: &dyn Fn(&TopicConfig) -> i32| match on.is_empty() {
                false => Known::Known(on.iter().map(|(_, config)| value(config)).sum()),
                true => Known::Unknown(NOWHERE.to_owned()),
            };
            TopicRow {
                topic: topic.to_owned(),
                brokers: on.iter().map(|(broker, _)| broker.name.clone()).collect(),
                read_queues: known(&|config| config.read_queue_nums),
                write_queues: known(&|config| config.write_queue_nums),
                perm: match on.first() {
                    Some((_, config)) => Known::Known(perm_text(config.perm)),
                    None => Known::Unknown(NOWHERE.to_owned()),
                },
            }
        };
        Ok(Report {
            rows: names.into_iter().map(row).collect(),
            missing,
        })
    })
    .await
}

pub(super) async fn show(args: &One, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let (on, missing) = lookup::topic(&admin, &args.topic).await?;
        let rows = fan_out::all(on, |(broker, config)| {
            let (admin, topic) = (admin.clone(), args.topic.clone());
            async move {
                let stats = admin.topic_stats(&broker.address, &topic).await;
                let stats = Known::from_result(stats.as_ref()).map(|stats| &stats.offset_table.0);
                TopicOnBrokerRow {
                    topic,
                    broker: broker.name,
                    read_queues: config.read_queue_nums.into(),
                    write_queues: config.write_queue_nums.into(),
                    perm: perm_text(config.perm).into(),
                    order: config.order.into(),
                    messages: stats.clone().map(|queues| {
                        queues
                            .values()
                            .map(|queue| queue.max_offset - queue.min_offset)
                            .sum()
                    }),
                    last_store_time: stats.map(|queues| {
                        let last = queues
                            .values()
                            .map(|queue| queue.last_update_timestamp)
                            .max();
                        last.filter(|ms| *ms > 0).and_then(time::rfc3339)
                    }),
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

pub(super) async fn route(args: &One, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        admin.client().doubt_route(&args.topic);
        let route = admin.client().route(&args.topic).await;
        let route = route.map_err(|e| {
            CliError::client(
                format!("cannot find the route of topic '{}'", args.topic),
                &e,
            )
        })?;
        let rows = route.data.queue_datas.iter().map(|queues| {
            let broker = route
                .data
                .broker_datas
                .iter()
                .find(|broker| broker.broker_name == queues.broker_name);
            RouteRow {
                topic: args.topic.clone(),
                cluster: broker
                    .map(|broker| broker.cluster.clone())
                    .unwrap_or_default(),
                broker: queues.broker_name.clone(),
                addresses: broker
                    .map(|broker| broker.broker_addrs.values().cloned().collect())
                    .unwrap_or_default(),
                read_queues: queues.read_queue_nums,
                write_queues: queues.write_queue_nums,
                perm: perm_text(queues.perm),
            }
        });
        Ok(Report::from(rows.collect::<Vec<_>>()))
    })
    .await
}

pub(super) async fn stats(args: &One, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let (on, mut missing) = lookup::topic(&admin, &args.topic).await?;
        let answers = fan_out::all(on, |(broker, _)| {
            let (admin, topic) = (admin.clone(), args.topic.clone());
            async move {
                let stats = admin.topic_stats(&broker.address, &topic).await;
                (broker, stats)
            }
        });
        let mut rows = Vec::new();
        for (broker, stats) in answers.await {
            match stats {
                Err(error) => missing.push(missing_from(&broker, &error)),
                Ok(stats) => rows.extend(stats.offset_table.0.into_iter().map(|(queue, range)| {
                    let last = Some(range.last_update_timestamp).filter(|ms| *ms > 0);
                    QueueRow {
                        topic: queue.topic,
                        broker: broker.name.clone(),
                        queue_id: queue.queue_id,
                        min_offset: range.min_offset,
                        max_offset: range.max_offset,
                        messages: range.max_offset - range.min_offset,
                        last_store_time: last.and_then(time::rfc3339),
                    }
                })),
            }
        }
        Ok(Report { rows, missing })
    })
    .await
}
