//! `mq group lag`: how far behind groups are, and what that means.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::admin::Broker;
use client::names::{is_system_group, is_system_topic};
use client::verdict::{Facts, Sample, Verdict};
use client::{Admin, fan_out};
use jiff::{SignedDuration, Timestamp};
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::body::stats::{ConsumeStats, OffsetWrapper};

use super::members::member_count;
use crate::error::{CliError, Exit, Result};
use crate::lookup::{self, split};
use crate::output::{Known, Output, Report, row};
use crate::profile::masters;
use crate::time;
use crate::watch::{self, Ask};

/// Looks while `--for` lasts.
const LOOKS: u32 = 5;
const MS_PER_HOUR: i64 = 3_600_000;

/// Show how many messages groups have yet to consume: all groups, one group by topic, or by queue
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq group lag                        all groups, worst first\n  \
                  mq group lag --for 10s              look for ten seconds: growing, draining, stuck?\n  \
                  mq group lag billing\n  mq group lag billing --queues --watch\n\n\
                  LAG_TIME is the age of the last message consumed, in the queue that is worst. Members are counted where\n\
                  something is to be consumed, or where a group is named."
)]
pub(crate) struct Args {
    /// Only this group
    group: Option<String>,
    /// Only this topic
    #[arg(short, long)]
    topic: Option<String>,
    /// A row for each queue
    #[arg(long, requires = "group")]
    queues: bool,
    /// Look for so long, to tell a trend
    #[arg(long = "for", value_name = "SPAN", conflicts_with = "queues")]
    span: Option<SignedDuration>,
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct LagRow named by group {
        group: String,
        topic: String,
        lag: Known<i64>,
        lag_time: Known<Option<String>>,
        lag_ms: Known<Option<i64>> as wide,
        /// How many more there are each second; negative while the group gains.
        lag_per_second: Option<f64>,
        verdict: Known<String>,
        queues: Known<usize> as wide,
        out_per_second: Known<f64>,
        members: Option<Known<usize>>,
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

/// How far groups are, on one broker.
type Progress = BTreeMap<String, Vec<ConsumeStats>>;

/// Asks each master once: for all groups, or for one.
async fn progress(
    admin: &Admin,
    masters: &[Broker],
    args: &Args,
) -> (Vec<(Broker, Progress)>, Vec<String>) {
    let answers = admin.each(masters.iter().cloned(), |admin, broker| {
        let (group, topic) = (args.group.clone(), args.topic.clone());
        async move {
            match &group {
                None => admin.all_consume_stats(&broker.address).await,
                Some(group) => {
                    let stats = admin
                        .consume_stats(&broker.address, group, topic.as_deref())
                        .await?;
                    Ok(BTreeMap::from([(group.clone(), vec![stats])]))
                }
            }
        }
    });
    split(answers.await)
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let admin = args.ask.cluster.admin()?;
    if let Some(group) = &args.group {
        must_exist(&admin, group).await?;
    }
    let pause = match args.span.map(Duration::try_from) {
        None => None,
        Some(Ok(span)) if !span.is_zero() => Some(span / (LOOKS - 1)),
        Some(_) => {
            return Err(CliError::usage(
                "--for needs a span longer than nothing, like 10s",
            ));
        }
    };
    if args.queues {
        return watch::read(output, &args.ask.read, async || {
            let masters = masters(&admin).await?;
            let (known, missing) = progress(&admin, &masters, args).await;
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
    watch::read(output, &args.ask.read, async || {
        look(&admin, args, pause).await
    })
    .await
}

/// A group in a topic, over all brokers that answered.
#[derive(Debug, Default, Clone)]
struct Sum {
    lag: i64,
    consumed: i64,
    queues: Vec<(MessageQueue, OffsetWrapper)>,
    out_per_second: f64,
}

impl Sum {
    fn sample(&self, at_ms: i64) -> Sample {
        Sample {
            at_ms,
            lag: self.lag,
            consumed: self.consumed,
        }
    }

    /// Age of the last message consumed in the worst queue with something to consume.
    fn behind_ms(&self, now_ms: i64) -> Option<i64> {
        let waiting = self
            .queues
            .iter()
            .filter(|(_, offsets)| lag_of(offsets) > 0 && offsets.last_timestamp > 0);
        waiting
            .map(|(_, offsets)| (now_ms - offsets.last_timestamp).max(0))
            .max()
    }
}

type Sums = BTreeMap<(String, String), Sum>;

/// Brokers that were set back, and topics made anew, leave offsets beyond the end: that is no lag.
fn lag_of(offsets: &OffsetWrapper) -> i64 {
    (offsets.broker_offset - offsets.consumer_offset).max(0)
}

fn sums(known: &[(Broker, Progress)], args: &Args) -> Sums {
    let mut sums = Sums::new();
    for (_, progress) in known {
        for (group, stats) in progress {
            for stats in stats {
                // The rate is the group's over all topics that were asked for together.
                let queues = &stats.offset_table.0;
                let topics: BTreeSet<_> = queues.keys().map(|queue| &queue.topic).collect();
                let rate = stats.consume_tps / topics.len().max(1) as f64;
                for topic in topics {
                    let sum = sums.entry((group.clone(), topic.clone())).or_default();
                    sum.out_per_second += rate;
                }
                for (queue, offsets) in queues {
                    let key = (group.clone(), queue.topic.clone());
                    let sum = sums.entry(key).or_default();
                    sum.lag += lag_of(offsets);
                    sum.consumed += offsets.consumer_offset;
                    sum.queues.push((queue.clone(), *offsets));
                }
            }
        }
    }
    sums.retain(|(group, topic), _| wanted(args, group, topic));
    sums
}

/// One row for each group and topic, worst first; after some looks, if a trend is wanted.
async fn look(admin: &Admin, args: &Args, pause: Option<Duration>) -> Result<Report<LagRow>> {
    let masters = masters(admin).await?;
    let mut samples: BTreeMap<(String, String), Vec<Sample>> = BTreeMap::new();
    let mut looks = pause.map_or(1, |_| LOOKS);
    let (known, mut missing, latest, now_ms) = loop {
        let (known, missing) = progress(admin, &masters, args).await;
        let now_ms = Timestamp::now().as_millisecond();
        let latest = sums(&known, args);
        for (key, sum) in &latest {
            // What a broker that does not answer has would look like a trend.
            if missing.is_empty() {
                let sample = sum.sample(now_ms);
                samples.entry(key.clone()).or_default().push(sample);
            }
        }
        looks -= 1;
        match pause {
            Some(pause) if looks > 0 => tokio::time::sleep(pause).await,
            _ => break (known, missing, latest, now_ms),
        }
    };
    let answered: Vec<Broker> = known.into_iter().map(|(broker, _)| broker).collect();
    let more = ask_more(admin, args, &answered, &latest).await;
    // What a broker that does not answer has would be missing from a sum.
    let unknown = missing.first().cloned();
    let whole = |value| match &unknown {
        None => Known::Known(value),
        Some(reason) => Known::Unknown(reason.clone()),
    };
    missing.extend(more.unanswered);
    let mut rows: Vec<(i64, LagRow)> = Vec::new();
    for ((group, topic), sum) in latest {
        let members = more.members.get(&group).cloned();
        let behind_ms = sum.behind_ms(now_ms);
        let facts = Facts {
            members: match &members {
                Some(Known::Known(count)) => Some(*count),
                _ => None,
            },
            behind_ms,
            retention_ms: more.retention_ms,
            lost: lost(&sum, &more.min_offsets),
            unread: 0,
        };
        let key = (group.clone(), topic.clone());
        let samples = samples.remove(&key).unwrap_or_default();
        let verdict = Verdict::of(&samples, facts).to_string();
        let row = LagRow {
            lag: whole(sum.lag),
            lag_time: match &unknown {
                None => Known::Known(behind_ms.map(client::verdict::span)),
                Some(reason) => Known::Unknown(reason.clone()),
            },
            lag_ms: match &unknown {
                None => Known::Known(behind_ms),
                Some(reason) => Known::Unknown(reason.clone()),
            },
            lag_per_second: trend(&samples),
            verdict: match &unknown {
                None => Known::Known(verdict),
                Some(reason) => Known::Unknown(reason.clone()),
            },
            queues: Known::Known(sum.queues.len()),
            out_per_second: Known::Known(sum.out_per_second),
            members,
            group,
            topic,
        };
        rows.push((sum.lag, row));
    }
    rows.sort_by_key(|(lag, _)| std::cmp::Reverse(*lag));
    Ok(Report {
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        missing,
    })
}

fn trend(samples: &[Sample]) -> Option<f64> {
    let (first, last) = (samples.first()?, samples.last()?);
    let span_ms = last.at_ms - first.at_ms;
    (span_ms > 0).then(|| (last.lag - first.lag) as f64 * 1000.0 / span_ms as f64)
}

/// Messages that were deleted before the group came to them.
fn lost(sum: &Sum, min_offsets: &BTreeMap<MessageQueue, i64>) -> i64 {
    let queues = sum.queues.iter();
    queues
        .filter(|(_, offsets)| offsets.consumer_offset > 0)
        .filter_map(|(queue, offsets)| {
            let min = min_offsets.get(queue)?;
            Some((min - offsets.consumer_offset).max(0))
        })
        .sum()
}

/// What a verdict needs besides the offsets.
#[derive(Default)]
struct More {
    members: BTreeMap<String, Known<usize>>,
    min_offsets: BTreeMap<MessageQueue, i64>,
    retention_ms: Option<i64>,
    unanswered: Vec<String>,
}

/// Asks about the groups that have something to consume, or that were named: the others are fine.
async fn ask_more(admin: &Admin, args: &Args, masters: &[Broker], sums: &Sums) -> More {
    let mut more = More::default();
    let behind = || {
        sums.iter()
            .filter(|(_, sum)| sum.lag > 0 || args.group.is_some())
            .map(|(key, _)| key)
    };
    let groups: BTreeSet<String> = behind().map(|(group, _)| group.clone()).collect();
    let topics: BTreeSet<String> = behind().map(|(_, topic)| topic.clone()).collect();
    if groups.is_empty() {
        return more;
    }
    let members = fan_out::all(groups, |group| {
        let (admin, masters) = (admin.clone(), masters.to_vec());
        async move {
            let count = member_count(&admin, &masters, &group).await;
            (group, count)
        }
    });
    more.members = members.await.into_iter().collect();
    let questions = masters
        .iter()
        .flat_map(|broker| topics.iter().map(|topic| (broker.clone(), topic.clone())));
    let ranges = fan_out::all(questions, |(broker, topic)| {
        let admin = admin.clone();
        async move { admin.topic_stats(&broker.address, &topic).await }
    });
    // A broker need not have each topic.
    for stats in ranges.await.into_iter().flatten() {
        let queues = stats.offset_table.0.into_iter();
        more.min_offsets
            .extend(queues.map(|(queue, range)| (queue, range.min_offset)));
    }
    let configs = admin.each(masters.iter().cloned(), |admin, broker| async move {
        admin.broker_config(&broker.address).await
    });
    let (configs, unanswered) = split(configs.await);
    more.unanswered = unanswered;
    let hours = configs.iter().filter_map(|(_, config)| {
        let mut properties = config.iter();
        let hours = properties.find(|property| property.key == "fileReservedTime")?;
        hours.value.parse::<i64>().ok()
    });
    more.retention_ms = hours.min().map(|hours| hours.saturating_mul(MS_PER_HOUR));
    more
}

/// Retry topics count: what waits there is still to be consumed.
fn wanted(args: &Args, group: &str, topic: &str) -> bool {
    let asked_for = args.topic.as_deref().is_none_or(|wanted| wanted == topic);
    let own = args.group.is_none() && is_system_group(group);
    asked_for && !own && (!is_system_topic(topic) || topic.starts_with("%RETRY%"))
}

fn queue_rows(progress: &Progress, args: &Args) -> Vec<QueueLagRow> {
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
                lag: lag_of(offsets),
                last_consume_time: Some(offsets.last_timestamp)
                    .filter(|ms| *ms > 0)
                    .and_then(time::rfc3339),
            })
    });
    queues
        .filter(|row| wanted(args, &row.group, &row.topic))
        .collect()
}

/// A group that no broker knows is not one without lag; one that a broker which is away may know is shown as far as it
/// is known.
async fn must_exist(admin: &Admin, group: &str) -> Result<()> {
    let (by_master, missing) = lookup::groups(admin).await?;
    let known = by_master
        .iter()
        .any(|(_, groups)| groups.contains_key(group));
    if known || !missing.is_empty() {
        return Ok(());
    }
    Err(lookup::no_such_group(group, &by_master, &missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(broker_offset: i64, consumer_offset: i64, last_timestamp: i64) -> OffsetWrapper {
        OffsetWrapper {
            broker_offset,
            consumer_offset,
            last_timestamp,
            pull_offset: None,
        }
    }

    #[test]
    fn lag_is_never_negative_and_what_is_lost_is_told() {
        assert_eq!(lag_of(&offsets(5, 9, 0)), 0);
        let queue = |queue_id| MessageQueue {
            queue_id,
            ..MessageQueue::default()
        };
        let sum = Sum {
            queues: vec![
                (queue(0), offsets(10, 10, 1)),
                (queue(1), offsets(10, 4, 700)),
                (queue(2), offsets(10, 2, 900)),
                (queue(3), offsets(10, 0, 0)),
            ],
            ..Sum::default()
        };
        assert_eq!(
            sum.behind_ms(1_000),
            Some(300),
            "queues with nothing to do do not count"
        );
        let mins = (0..4).map(|id| (queue(id), 5)).collect();
        assert_eq!(
            lost(&sum, &mins),
            1 + 3,
            "a queue never read has lost nothing"
        );
        let sample = |at_ms, lag| Sample {
            at_ms,
            lag,
            consumed: 0,
        };
        assert_eq!(trend(&[sample(0, 10), sample(2_000, 30)]), Some(10.0));
        assert_eq!(trend(&[sample(0, 10)]), None);
    }
}
