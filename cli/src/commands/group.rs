//! `mq group`: consumer groups, and how far behind they are.

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;
use client::admin::{Broker, Members};
use client::names::{is_system_group, is_system_topic};
use client::{Admin, fan_out};
use remoting::protocol::body::stats::ConsumeStats;

use crate::error::{CliError, Exit, Result, nearest};
use crate::output::{Known, Output, Read, Report, row};
use crate::profile::{Cluster, masters, missing_from};
use crate::time;
use crate::watch;

/// Consumer groups
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the groups of the cluster
    #[command(after_help = "Examples:\n  mq group list\n  mq group list --all -o json")]
    List(List),
    /// Show how many messages groups have yet to consume: all groups, one group by topic, or by queue
    #[command(
        after_help = "Examples:\n  mq group lag                        all groups, worst first\n  \
                            mq group lag billing\n  mq group lag billing --queues --watch"
    )]
    Lag(Lag),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Also those that RocketMQ makes for itself
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

#[derive(Debug, clap::Args)]
struct Lag {
    /// Only this group
    group: Option<String>,
    /// Only this topic
    #[arg(short, long)]
    topic: Option<String>,
    /// A row for each queue
    #[arg(long, requires = "group")]
    queues: bool,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

row! {
    struct GroupRow named by group {
        group: String,
        brokers: Vec<String>,
        members: Known<usize>,
    }
}

row! {
    struct LagRow named by group {
        group: String,
        topic: String,
        lag: Known<i64>,
        queues: Known<usize>,
        out_per_second: Known<f64>,
        members: Known<usize>,
    }
}

row! {
    struct QueueLagRow named by group {
        group: String,
        topic: String,
        broker: String,
        queue_id: i32,
        max_offset: i64,
        consumer_offset: i64,
        lag: i64,
        last_consume_time: Option<String>,
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::List(args) => list(args, output).await,
        Command::Lag(args) => lag(args, output).await,
    }
}

/// Consumers of a group over all brokers: each tells all brokers of itself.
async fn member_count(admin: &Admin, masters: &[Broker], group: &str) -> Known<usize> {
    let mut ids = BTreeSet::new();
    for broker in masters {
        match admin.members(&broker.address, group).await {
            Ok(Members { connection_set, .. }) => {
                ids.extend(connection_set.into_iter().map(|member| member.client_id));
            }
            Err(error) => return Known::Unknown(error.to_string()),
        }
    }
    Known::Known(ids.len())
}

async fn list(args: &List, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin()?;
    watch::read(output, &args.read, async || {
        let masters = masters(&admin).await?;
        let answers = fan_out::all(masters.clone(), |broker| {
            let admin = admin.clone();
            async move {
                let groups = admin.groups(&broker.address).await;
                (broker, groups)
            }
        });
        let mut on: BTreeMap<String, Vec<Broker>> = BTreeMap::new();
        let mut unanswered = Vec::new();
        for (broker, groups) in answers.await {
            match groups {
                Err(error) => unanswered.push(missing_from(&broker, &error)),
                Ok(groups) => {
                    for group in groups.into_keys() {
                        on.entry(group).or_default().push(broker.clone());
                    }
                }
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
            missing: unanswered,
        })
    })
    .await
}

/// How far groups are, on one broker.
type Progress = BTreeMap<String, Vec<ConsumeStats>>;

/// Asks each master once: for all groups, or for one.
async fn progress(admin: &Admin, args: &Lag) -> Result<(Vec<(Broker, Progress)>, Vec<String>)> {
    let answers = fan_out::all(masters(admin).await?, |broker| {
        let (admin, group, topic) = (admin.clone(), args.group.clone(), args.topic.clone());
        async move {
            let progress = match &group {
                None => admin.all_consume_stats(&broker.address).await,
                Some(group) => {
                    let stats = admin
                        .consume_stats(&broker.address, group, topic.as_deref())
                        .await;
                    stats.map(|stats| BTreeMap::from([(group.clone(), vec![stats])]))
                }
            };
            (broker, progress)
        }
    });
    let mut known = Vec::new();
    let mut unanswered = Vec::new();
    for (broker, progress) in answers.await {
        match progress {
            Ok(progress) => known.push((broker, progress)),
            Err(error) => unanswered.push(missing_from(&broker, &error)),
        }
    }
    Ok((known, unanswered))
}

async fn lag(args: &Lag, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin()?;
    if let Some(group) = &args.group {
        must_exist(&admin, group).await?;
    }
    if args.queues {
        return watch::read(output, &args.read, async || {
            let (known, missing) = progress(&admin, args).await?;
            let rows = known
                .iter()
                .flat_map(|(_, progress)| queue_rows(progress, args));
            Ok(Report {
                rows: rows.collect(),
                missing,
            })
        })
        .await;
    }
    watch::read(output, &args.read, async || {
        let (known, missing) = progress(&admin, args).await?;
        let mut sums: BTreeMap<(String, String), (i64, usize, f64)> = BTreeMap::new();
        for (_, progress) in &known {
            for (group, stats) in progress {
                for stats in stats {
                    // The rate is the group's over all topics that were asked for together.
                    let topics: BTreeSet<_> = stats
                        .offset_table
                        .0
                        .keys()
                        .map(|queue| &queue.topic)
                        .collect();
                    let rate = stats.consume_tps / topics.len().max(1) as f64;
                    for topic in topics {
                        sums.entry((group.clone(), topic.clone())).or_default().2 += rate;
                    }
                    for (queue, offsets) in &stats.offset_table.0 {
                        let sum = sums
                            .entry((group.clone(), queue.topic.clone()))
                            .or_default();
                        sum.0 += offsets.broker_offset - offsets.consumer_offset;
                        sum.1 += 1;
                    }
                }
            }
        }
        sums.retain(|(group, topic), _| wanted(args, group, topic));
        let groups: BTreeSet<String> = sums.keys().map(|(group, _)| group.clone()).collect();
        let masters: Vec<Broker> = known.iter().map(|(broker, _)| broker.clone()).collect();
        let members = fan_out::all(groups, |group| {
            let (admin, masters) = (admin.clone(), masters.clone());
            async move {
                let count = member_count(&admin, &masters, &group).await;
                (group, count)
            }
        });
        let members: BTreeMap<String, Known<usize>> = members.await.into_iter().collect();
        // What a broker that does not answer has would be missing from a sum.
        let whole = |value| match missing.first() {
            None => Known::Known(value),
            Some(reason) => Known::Unknown(reason.clone()),
        };
        let mut rows: Vec<(i64, LagRow)> = sums
            .into_iter()
            .map(|((group, topic), (lag, queues, rate))| {
                let row = LagRow {
                    members: members.get(&group).cloned().unwrap_or(Known::Known(0)),
                    lag: whole(lag),
                    queues: Known::Known(queues),
                    out_per_second: Known::Known(rate),
                    group,
                    topic,
                };
                (lag, row)
            })
            .collect();
        rows.sort_by_key(|(lag, _)| std::cmp::Reverse(*lag));
        Ok(Report {
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            missing: missing.clone(),
        })
    })
    .await
}

/// Retry topics count: what waits there is still to be consumed.
fn wanted(args: &Lag, group: &str, topic: &str) -> bool {
    let asked_for = args.topic.as_deref().is_none_or(|wanted| wanted == topic);
    let own = args.group.is_none() && is_system_group(group);
    asked_for && !own && (!is_system_topic(topic) || topic.starts_with("%RETRY%"))
}

fn queue_rows(progress: &Progress, args: &Lag) -> Vec<QueueLagRow> {
    let stats = progress
        .iter()
        .flat_map(|(group, stats)| stats.iter().map(move |stats| (group, stats)));
    let queues = stats.flat_map(|(group, stats)| {
        stats
            .offset_table
            .0
            .iter()
            .map(move |(queue, offsets)| QueueLagRow {
                group: group.clone(),
                topic: queue.topic.clone(),
                broker: queue.broker_name.clone(),
                queue_id: queue.queue_id,
                max_offset: offsets.broker_offset,
                consumer_offset: offsets.consumer_offset,
                lag: offsets.broker_offset - offsets.consumer_offset,
                last_consume_time: Some(offsets.last_timestamp)
                    .filter(|ms| *ms > 0)
                    .and_then(time::rfc3339),
            })
    });
    queues
        .filter(|row| wanted(args, &row.group, &row.topic))
        .collect()
}

/// A group that no broker knows is not one without lag.
async fn must_exist(admin: &Admin, group: &str) -> Result<()> {
    let answers = fan_out::all(masters(admin).await?, |broker| {
        let admin = admin.clone();
        async move { admin.groups(&broker.address).await }
    });
    let mut known = BTreeSet::new();
    for groups in answers.await {
        match groups {
            Ok(groups) => known.extend(groups.into_keys()),
            // It may be there; what is asked next tells.
            Err(_) => return Ok(()),
        }
    }
    if known.contains(group) {
        return Ok(());
    }
    let error = CliError::not_found(format!("there is no consumer group '{group}'"));
    Err(match nearest(group, known.iter().map(String::as_str)) {
        Some(similar) => error.hint(format!("did you mean '{similar}'?")),
        None => error.hint("see mq group list"),
    })
}
