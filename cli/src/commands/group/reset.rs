//! `mq group reset` and `mq group clone`: letting a group go on elsewhere.
//!
//! The plan is shown first, queue by queue, and just that plan is carried out; what came of it is read back.

use client::admin::Broker;
use client::reset::{Means, Move, NoPlan, Part, Reset, Target, Topics};
use client::{Admin, fan_out};
use remoting::protocol::body::group::SubscriptionGroupConfig;

use crate::change::Change;
use crate::error::{CliError, Exit, Result};
use crate::lookup;
use crate::output::{Format, Known, Output, Report, row};
use crate::profile::missing_from;
use crate::queue;

/// Let a consumer group go on elsewhere: read again, or skip
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq group reset billing --to latest --dry-run      what would be skipped, queue by queue\n  \
                  mq group reset billing --to -2h                   read the last two hours again\n  \
                  mq group reset billing --topic orders --to earliest --yes\n  \
                  mq group reset billing --topic orders --queue broker-a:3 --shift=1    skip one message that blocks\n  \
                  mq group reset billing --like billing-old         where another group is\n\n\
                  Retries and dead letters of the group are left alone. Members that are connected are sent there by their\n\
                  brokers; Apache's brokers of 4.x can send them to a time only."
)]
pub(crate) struct Args {
    /// Name of the group
    group: String,
    /// In this topic [default: the topic it consumes, if it is one]
    #[arg(short, long)]
    topic: Option<String>,
    /// In all topics that it has offsets in
    #[arg(long, conflicts_with_all = ["topic", "queue"])]
    all_topics: bool,
    /// In this queue only; may be given several times
    #[arg(short, long, value_name = "BROKER:ID", value_parser = queue::parse)]
    queue: Vec<(String, i32)>,
    #[command(flatten)]
    to: To,
    /// Do not wait until connected members have gone there
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// To earliest, latest, or a time, as -2h or '2026-01-31 12:00'
    #[arg(long, value_name = "earliest|latest|TIME", allow_hyphen_values = true, value_parser = Target::parse)]
    to: Option<Target>,
    /// To this offset of each queue
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    offset: Option<i64>,
    /// By so many messages further on; back if it is negative
    #[arg(long, value_name = "MESSAGES", allow_hyphen_values = true)]
    shift: Option<i64>,
    /// To where this group is
    #[arg(long, value_name = "GROUP")]
    like: Option<String>,
}

/// Let a consumer group go on where another one is; it is created if it is not there
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq group clone billing billing-new --dry-run\n  mq group clone billing billing-new --topic orders --yes"
)]
pub(crate) struct CloneArgs {
    /// The group to take the offsets from
    from: String,
    /// The group that is to go on there
    to: String,
    /// In this topic only [default: all that FROM has offsets in]
    #[arg(short, long)]
    topic: Option<String>,
    /// Do not wait until connected members have gone there
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    change: Change,
}

row! {
    /// What is done with one queue, or would be.
    struct MoveRow named by group {
        group: String as wide,
        topic: String,
        broker: String,
        queue_id: i32,
        min_offset: i64 as wide,
        max_offset: i64,
        consumer_offset: Option<i64>,
        new_offset: Option<i64>,
        skipped: Option<i64>,
        again: Option<i64>,
        result: Known<String>,
    }
}

impl To {
    fn target(&self) -> Target {
        let Self {
            to, offset, shift, ..
        } = self;
        let by_number = offset.map(Target::Offset).or(shift.map(Target::Shift));
        to.or(by_number).unwrap_or(Target::OtherGroup)
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let admin = args.change.admin(output)?;
    let (on, mut missing) = lookup::group(&admin, &args.group).await?;
    if let Some(like) = &args.to.like {
        lookup::group(&admin, like).await?;
    }
    let wanted = Reset {
        group: args.group.clone(),
        like: args.to.like.clone(),
        topics: match &args.topic {
            Some(topic) => Topics::One(topic.clone()),
            None if args.all_topics => Topics::All,
            None => Topics::TheOnly,
        },
        queues: args.queue.clone(),
        target: args.to.target(),
    };
    let masters = on.into_iter().map(|(broker, _)| broker).collect();
    let plan = plan(&admin, &wanted, masters, &mut missing).await?;
    let how = How {
        change: &args.change,
        wait: !args.no_wait,
    };
    finish(&admin, output, &wanted, plan, missing, &how, &[]).await
}

pub(crate) async fn clone(args: &CloneArgs, output: &Output) -> Result<Exit> {
    let admin = args.change.admin(output)?;
    if args.from == args.to {
        return Err(CliError::usage("a group cannot be cloned onto itself"));
    }
    let (on, mut missing) = lookup::group(&admin, &args.from).await?;
    let (by_master, _) = lookup::groups(&admin).await?;
    let has = |broker: &Broker| {
        by_master
            .iter()
            .any(|(other, groups)| other == broker && groups.contains_key(&args.to))
    };
    let new: Vec<(Broker, SubscriptionGroupConfig)> = on
        .iter()
        .filter(|(broker, _)| !has(broker))
        .map(|(broker, config)| {
            let config = SubscriptionGroupConfig {
                group_name: args.to.clone(),
                ..config.clone()
            };
            (broker.clone(), config)
        })
        .collect();
    let wanted = Reset {
        group: args.to.clone(),
        like: Some(args.from.clone()),
        topics: args.topic.clone().map_or(Topics::All, Topics::One),
        queues: Vec::new(),
        target: Target::OtherGroup,
    };
    let masters = on.into_iter().map(|(broker, _)| broker).collect();
    let plan = plan(&admin, &wanted, masters, &mut missing).await?;
    let how = How {
        change: &args.change,
        wait: !args.no_wait,
    };
    finish(&admin, output, &wanted, plan, missing, &how, &new).await
}

async fn plan(
    admin: &Admin,
    wanted: &Reset,
    masters: Vec<Broker>,
    missing: &mut Vec<String>,
) -> Result<Vec<Part>> {
    if let Topics::One(topic) = &wanted.topics {
        lookup::topic(admin, topic).await?;
    }
    let plan = wanted.plan(admin, masters).await.map_err(|why| match why {
        NoPlan::NoTopic(_) => {
            CliError::not_found(why.to_string()).hint("name the topic with --topic")
        }
        NoPlan::SeveralTopics { .. } => CliError::usage(why.to_string())
            .hint("choose one with --topic, or all with --all-topics"),
    })?;
    let failed = plan.failed.iter();
    missing.extend(failed.map(|(broker, error)| missing_from(broker, error)));
    for (broker, id) in &wanted.queues {
        let known = plan.parts.iter().any(|part| {
            let queues = part.moves.iter().map(|planned| &planned.queue);
            let mut queues = queues.chain(part.stays.iter().map(|(stays, _)| &stays.queue));
            queues.any(|queue| queue.broker_name == *broker && queue.queue_id == *id)
        });
        if !known && missing.is_empty() {
            let topic = plan.topics.first().map_or("", String::as_str);
            return Err(CliError::not_found(format!(
                "topic '{topic}' has no queue {broker}:{id} to read"
            ))
            .hint(format!("see mq topic stats {topic}")));
        }
    }
    Ok(plan.parts)
}

struct How<'a> {
    change: &'a Change,
    wait: bool,
}

/// The queues of one broker. `result`: what became of one that is to be moved.
fn rows(group: &str, part: &Part, result: impl Fn(&Move) -> Known<String>) -> Vec<MoveRow> {
    let moves = part.moves.iter().map(|planned| MoveRow {
        group: group.to_owned(),
        topic: planned.queue.topic.clone(),
        broker: part.broker.name.clone(),
        queue_id: planned.queue.queue_id,
        min_offset: planned.min,
        max_offset: planned.max,
        consumer_offset: planned.from,
        new_offset: Some(planned.to),
        skipped: planned.skipped(),
        again: planned.again(),
        result: match planned.changes() {
            true => result(planned),
            false => "unchanged".to_owned().into(),
        },
    });
    let stays = part.stays.iter().map(|(stays, why)| MoveRow {
        group: group.to_owned(),
        topic: stays.queue.topic.clone(),
        broker: part.broker.name.clone(),
        queue_id: stays.queue.queue_id,
        min_offset: stays.min,
        max_offset: stays.max,
        consumer_offset: stays.consumer,
        new_offset: None,
        skipped: None,
        again: None,
        result: format!("unchanged: {why}").into(),
    });
    moves.chain(stays).collect()
}

/// Shows the plan, asks, carries it out, and shows what came of it. `new`: the group as it is created before.
async fn finish(
    admin: &Admin,
    output: &Output,
    wanted: &Reset,
    plan: Vec<Part>,
    missing: Vec<String>,
    how: &How<'_>,
    new: &[(Broker, SubscriptionGroupConfig)],
) -> Result<Exit> {
    let group = &wanted.group;
    let what = format!("cannot move group '{group}'");
    for (broker, _) in new {
        output.note(&format!(
            "group '{group}' would be created on {}",
            broker.name
        ));
    }
    let intended = |part: &Part| match &part.means {
        Ok(Means::Commit) => "would be moved".to_owned(),
        Ok(Means::OnItsOwn) => "would be moved by the broker".to_owned(),
        Ok(Means::TellOffsets | Means::TellTime(_)) => "its members would be told".to_owned(),
        Err(why) => format!("refused: {why}"),
    };
    let planned: Vec<MoveRow> = plan
        .iter()
        .flat_map(|part| rows(group, part, |_| intended(part).into()))
        .collect();
    if planned.is_empty() {
        return Err(match missing.first() {
            Some(why) => CliError::failed(format!("{what}: {why}")),
            None => CliError::not_found(format!(
                "{what}: none of its brokers has {}",
                match &wanted.topics {
                    Topics::One(topic) => format!("topic '{topic}'"),
                    Topics::TheOnly | Topics::All => "a topic of it".to_owned(),
                }
            )),
        });
    }
    let refused = plan.iter().find_map(|part| part.means.as_ref().err());
    if let Some(why) = refused
        && plan.iter().all(|part| part.means.is_err())
        && !how.change.confirm.dry_run
    {
        return Err(CliError::refused(format!("{what}: {why}"))
            .hint(format!("see who they are: mq group members {group}")));
    }
    let changes = plan
        .iter()
        .flat_map(|part| &part.moves)
        .any(|planned| planned.changes());
    if how.change.confirm.dry_run || !changes {
        let rows = planned;
        return output.report(how.change.print.format, &Report { rows, missing });
    }
    if how.change.confirm.asks(output) {
        let rows = planned;
        let report = Report {
            rows,
            missing: missing.clone(),
        };
        output.report(Format::Table, &report)?;
    }
    how.change.confirm.go_on(output, "Move it there?")?;
    for (broker, config) in new {
        let created = admin.put_group(&broker.address, config).await;
        created.map_err(|e| {
            CliError::client(
                format!("cannot create group '{group}' on {}", broker.name),
                &e,
            )
        })?;
    }
    let moved = fan_out::all(plan, |part| {
        let (admin, group, wait) = (admin.clone(), group.to_owned(), how.wait);
        async move {
            let outcomes = part.carry_out(&admin, &group, wait).await;
            (part, outcomes)
        }
    });
    let mut done = Vec::new();
    for (part, outcomes) in moved.await {
        done.extend(rows(group, &part, |planned| {
            let outcome = outcomes.get(&planned.queue).cloned();
            Known::from_result(outcome.unwrap_or_else(|| Ok("unchanged".to_owned())))
        }));
    }
    output.results(
        how.change.print.format,
        &Report {
            rows: done,
            missing,
        },
        format!("{what}: it was done nowhere"),
    )
}
