//! `mq group reset` and `mq group clone`: letting a group go on elsewhere.
//!
//! The plan is shown first, queue by queue, and just that plan is carried out; what came of it is read back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::admin::{Broker, Members};
use client::names::RETRY_PREFIX;
use client::reset::{Ability, Means, Move, Position, Target};
use client::{Admin, ClientError, fan_out};
use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::body::queue_map::{IntMap, MessageQueue, QueueMap};
use remoting::protocol::headers::client::ResetOffsetRequestHeader;
use tokio::time::Instant;

use crate::confirm::Confirm;
use crate::error::{CliError, Exit, Result};
use crate::lookup::{self, split};
use crate::output::{Format, Known, Output, Read, Report, row};
use crate::profile::{Cluster, missing_from};
use crate::queue;
use crate::time;

/// How long members may take to go where they were told: Java's let go of their queues, and wait ten seconds.
const ARRIVAL: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(500);

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
    confirm: Confirm,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// To earliest, latest, or a time, as -2h or '2026-01-31 12:00'
    #[arg(long, value_name = "earliest|latest|TIME", allow_hyphen_values = true, value_parser = target)]
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
    confirm: Confirm,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
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

fn target(text: &str) -> Result<Target, String> {
    match text {
        "earliest" | "first" => Ok(Target::Earliest),
        "latest" | "last" => Ok(Target::Latest),
        time => time::parse_now(time)
            .map(|time| Target::Time(time.epoch_ms()))
            .map_err(|e| format!("neither earliest nor latest, and {e}")),
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

/// A reset as it was asked for.
struct Wanted<'a> {
    group: &'a str,
    like: Option<&'a str>,
    topic: Option<&'a str>,
    all_topics: bool,
    queues: &'a [(String, i32)],
    target: Target,
}

/// What is known of one broker's part.
struct Part {
    broker: Broker,
    means: Result<Means, String>,
    moves: Vec<Move>,
    /// Queues that stay as they are, and why.
    stays: Vec<(Position, String)>,
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin_to_change(output, args.confirm.dry_run)?;
    let (on, mut missing) = lookup::group(&admin, &args.group).await?;
    if let Some(like) = &args.to.like {
        lookup::group(&admin, like).await?;
    }
    let wanted = Wanted {
        group: &args.group,
        like: args.to.like.as_deref(),
        topic: args.topic.as_deref(),
        all_topics: args.all_topics,
        queues: &args.queue,
        target: args.to.target(),
    };
    let masters = on.into_iter().map(|(broker, _)| broker).collect();
    let plan = plan(&admin, &wanted, masters, &mut missing).await?;
    let how = How {
        confirm: &args.confirm,
        read: &args.read,
        wait: !args.no_wait,
    };
    finish(&admin, output, &wanted, plan, missing, &how, &[]).await
}

pub(crate) async fn clone(args: &CloneArgs, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin_to_change(output, args.confirm.dry_run)?;
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
    let wanted = Wanted {
        group: &args.to,
        like: Some(&args.from),
        topic: args.topic.as_deref(),
        all_topics: args.topic.is_none(),
        queues: &[],
        target: Target::OtherGroup,
    };
    let masters = on.into_iter().map(|(broker, _)| broker).collect();
    let plan = plan(&admin, &wanted, masters, &mut missing).await?;
    let how = How {
        confirm: &args.confirm,
        read: &args.read,
        wait: !args.no_wait,
    };
    finish(&admin, output, &wanted, plan, missing, &how, &new).await
}

/// The stored offsets of a group on a broker, by topic.
type Offsets = BTreeMap<String, IntMap<i64>>;

/// What a broker says that a plan needs.
struct Answer {
    ability: Ability,
    version: String,
    members: Members,
    own: Offsets,
    other: Offsets,
}

async fn ask(
    admin: Admin,
    broker: Broker,
    group: String,
    like: Option<String>,
) -> Result<Answer, ClientError> {
    let address = &broker.address;
    let (runtime, config, members, stored) = tokio::try_join!(
        admin.runtime(address),
        admin.broker_config(address),
        admin.members(address, &group),
        admin.all_offsets(address),
    )?;
    let server_side = config
        .iter()
        .find(|property| property.key == "useServerSideResetOffset");
    let of = |group: &str| -> Offsets {
        let of_topics = stored.offset_table.iter().filter_map(|(key, queues)| {
            let (topic, of) = key.split_once('@')?;
            (of == group).then(|| (topic.to_owned(), queues.clone()))
        });
        of_topics.collect()
    };
    Ok(Answer {
        ability: Ability::of(
            &runtime,
            server_side.map(|property| property.value.as_str()),
        ),
        version: runtime.version,
        own: of(&group),
        other: like.map(|like| of(&like)).unwrap_or_default(),
        members,
    })
}

async fn plan(
    admin: &Admin,
    wanted: &Wanted<'_>,
    masters: Vec<Broker>,
    missing: &mut Vec<String>,
) -> Result<Vec<Part>> {
    let Wanted { group, like, .. } = *wanted;
    let answers = admin.each(masters, |admin, broker| {
        ask(admin, broker, group.to_owned(), like.map(str::to_owned))
    });
    let (answers, unanswered) = split(answers.await);
    missing.extend(unanswered);
    let topics = topics(admin, wanted, &answers).await?;
    let mut parts = Vec::new();
    for (broker, answer) in answers {
        for topic in &topics {
            let part = of_broker(admin, wanted, &broker, &answer, topic).await;
            match part {
                Ok(part) => parts.extend(part),
                Err(error) => missing.push(missing_from(&broker, &error)),
            }
        }
    }
    for (broker, id) in wanted.queues {
        let known = parts.iter().any(|part| {
            let queues = part.moves.iter().map(|planned| &planned.queue);
            let mut queues = queues.chain(part.stays.iter().map(|(stays, _)| &stays.queue));
            queues.any(|queue| queue.broker_name == *broker && queue.queue_id == *id)
        });
        if !known && missing.is_empty() {
            let topic = topics.first().map_or("", String::as_str);
            return Err(CliError::not_found(format!(
                "topic '{topic}' has no queue {broker}:{id} to read"
            ))
            .hint(format!("see mq topic stats {topic}")));
        }
    }
    Ok(parts)
}

/// The topics that are meant.
async fn topics(
    admin: &Admin,
    wanted: &Wanted<'_>,
    answers: &[(Broker, Answer)],
) -> Result<Vec<String>> {
    if let Some(topic) = wanted.topic {
        lookup::topic(admin, topic).await?;
        return Ok(vec![topic.to_owned()]);
    }
    let mut topics = BTreeSet::new();
    for (_, answer) in answers {
        let offsets = if wanted.like.is_some() {
            &answer.other
        } else {
            &answer.own
        };
        topics.extend(offsets.keys().cloned());
        if wanted.like.is_none() {
            topics.extend(answer.members.subscription_table.keys().cloned());
        }
    }
    topics.retain(|topic| !topic.starts_with(RETRY_PREFIX));
    let whose = wanted.like.unwrap_or(wanted.group);
    let topics = Vec::from_iter(topics);
    match topics.as_slice() {
        [] if answers.is_empty() => Ok(Vec::new()),
        [] => Err(CliError::not_found(format!(
            "group '{whose}' has no offsets, and nobody is connected who subscribes a topic"
        ))
        .hint("name the topic with --topic")),
        [_] => Ok(topics),
        _ if wanted.all_topics => Ok(topics),
        several => Err(CliError::usage(format!(
            "group '{whose}' consumes {} topics: {}",
            several.len(),
            several.join(", ")
        ))
        .hint("choose one with --topic, or all with --all-topics")),
    }
}

/// The plan for one topic on one broker; `None` if the broker does not have the topic.
async fn of_broker(
    admin: &Admin,
    wanted: &Wanted<'_>,
    broker: &Broker,
    answer: &Answer,
    topic: &str,
) -> Result<Option<Part>, ClientError> {
    let Some(config) = admin.topics(&broker.address).await?.remove(topic) else {
        return Ok(None);
    };
    let stats = admin.topic_stats(&broker.address, topic).await?;
    let offset_in = |offsets: &Offsets, id: i32| {
        let offset = offsets.get(topic)?.get(&i64::from(id)).copied();
        offset.filter(|offset| *offset >= 0)
    };
    let chosen = |id: i32| {
        let mut queues = wanted.queues.iter();
        wanted.queues.is_empty()
            || queues.any(|(name, chosen)| *name == broker.name && *chosen == id)
    };
    let (mut moves, mut stays) = (Vec::new(), Vec::new());
    for (queue, range) in stats.offset_table.0 {
        let id = queue.queue_id;
        if id >= config.read_queue_nums || !chosen(id) {
            continue;
        }
        let found = match wanted.target {
            Target::OtherGroup => offset_in(&answer.other, id),
            // 4.x finds the last message for any later time, and would have it read again.
            Target::Time(time) if time > range.last_update_timestamp => None,
            Target::Time(time) => Some(admin.offset_by_time(&broker.address, &queue, time).await?),
            _ => None,
        };
        let position = Position {
            min: range.min_offset,
            max: range.max_offset,
            consumer: offset_in(&answer.own, id),
            found,
            queue,
        };
        match Move::plan(&position, wanted.target) {
            Ok(planned) => moves.push(planned),
            Err(why) => stays.push((position, why.to_string())),
        }
    }
    if moves.is_empty() && stays.is_empty() {
        return Ok(None);
    }
    let means = Means::choose(
        answer.ability,
        &answer.version,
        answer.members.connection_set.len(),
        wanted.target,
        !wanted.queues.is_empty(),
    );
    Ok(Some(Part {
        broker: broker.clone(),
        means: means.map_err(|why| why.to_string()),
        moves,
        stays,
    }))
}

struct How<'a> {
    confirm: &'a Confirm,
    read: &'a Read,
    wait: bool,
}

/// Shows the plan, asks, carries it out, and shows what came of it. `new`: the group as it is created before.
async fn finish(
    admin: &Admin,
    output: &Output,
    wanted: &Wanted<'_>,
    plan: Vec<Part>,
    missing: Vec<String>,
    how: &How<'_>,
    new: &[(Broker, SubscriptionGroupConfig)],
) -> Result<Exit> {
    let group = wanted.group;
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
    let rows = |part: &Part, result: &dyn Fn(&Move) -> Known<String>| -> Vec<MoveRow> {
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
    };
    let planned: Vec<MoveRow> = plan
        .iter()
        .flat_map(|part| rows(part, &|_| intended(part).into()))
        .collect();
    if planned.is_empty() {
        return Err(match missing.first() {
            Some(why) => CliError::failed(format!("{what}: {why}")),
            None => CliError::not_found(format!(
                "{what}: none of its brokers has {}",
                wanted
                    .topic
                    .map_or("a topic of it".to_owned(), |topic| format!(
                        "topic '{topic}'"
                    ))
            )),
        });
    }
    let refused = plan.iter().find_map(|part| part.means.as_ref().err());
    if let Some(why) = refused
        && plan.iter().all(|part| part.means.is_err())
        && !how.confirm.dry_run
    {
        return Err(CliError::refused(format!("{what}: {why}"))
            .hint(format!("see who they are: mq group members {group}")));
    }
    let changes = plan
        .iter()
        .flat_map(|part| &part.moves)
        .any(|planned| planned.changes());
    if how.confirm.dry_run || !changes {
        let rows = planned;
        return output.report(how.read.format, &Report { rows, missing });
    }
    if how.confirm.asks(output) {
        let rows = planned;
        let report = Report {
            rows,
            missing: missing.clone(),
        };
        output.report(Format::Table, &report)?;
    }
    how.confirm.go_on(output, "Move it there?")?;
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
            let outcomes = carry_out(&admin, &group, &part, wait).await;
            (part, outcomes)
        }
    });
    let mut done = Vec::new();
    for (part, outcomes) in moved.await {
        done.extend(rows(&part, &|planned| {
            outcomes
                .get(&planned.queue)
                .cloned()
                .unwrap_or_else(|| "unchanged".to_owned().into())
        }));
    }
    output.results(
        how.read.format,
        &Report {
            rows: done,
            missing,
        },
        format!("{what}: it was done nowhere"),
    )
}

type Outcomes = BTreeMap<MessageQueue, Known<String>>;

/// Moves the queues of one topic on one broker.
async fn carry_out(admin: &Admin, group: &str, part: &Part, wait: bool) -> Outcomes {
    let moves = || part.moves.iter().filter(|planned| planned.changes());
    let all = |outcome: Known<String>| -> Outcomes {
        moves()
            .map(|planned| (planned.queue.clone(), outcome.clone()))
            .collect()
    };
    let address = &part.broker.address;
    let told = match &part.means {
        Err(why) => return all(Known::Unknown(why.clone())),
        Ok(means @ (Means::Commit | Means::OnItsOwn)) => {
            let mut outcomes = Outcomes::new();
            for planned in moves() {
                let done = match means {
                    Means::Commit => {
                        admin
                            .put_offset(address, group, &planned.queue, planned.to)
                            .await
                    }
                    _ => {
                        admin
                            .reset_queue(address, group, &planned.queue, planned.to)
                            .await
                    }
                };
                let done = match done {
                    Ok(()) => read_back(admin, address, group, planned).await,
                    Err(error) => Err(error.to_string()),
                };
                outcomes.insert(planned.queue.clone(), Known::from_result(done));
            }
            return outcomes;
        }
        Ok(Means::TellOffsets) => {
            let offsets: QueueMap<i64> = moves()
                .map(|planned| (planned.queue.clone(), planned.to))
                .collect();
            let topic = moves().next().map_or("", |planned| &planned.queue.topic);
            admin.reset_members_to(address, group, topic, offsets).await
        }
        Ok(Means::TellTime(timestamp)) => {
            let topic = moves().next().map_or("", |planned| &planned.queue.topic);
            let header = ResetOffsetRequestHeader {
                topic: topic.to_owned(),
                group: group.to_owned(),
                timestamp: *timestamp,
                is_force: true,
                queue_id: None,
                offset: None,
            };
            admin.reset_members(address, &header).await
        }
    };
    let told = match told {
        Ok(told) => told.offset_table.0,
        Err(error) => return all(Known::Unknown(error.to_string())),
    };
    let mut waiting = Vec::new();
    for planned in moves() {
        // Where the broker sends them, which need not be just what was planned.
        if let Some(&to) = told.get(&planned.queue) {
            waiting.push(Move {
                to,
                ..planned.clone()
            });
        }
    }
    let mut outcomes = all(Known::Unknown(
        "the broker told nobody of this queue".to_owned(),
    ));
    for planned in &waiting {
        let text = format!("its members are told to go to {}", planned.to);
        outcomes.insert(planned.queue.clone(), text.into());
    }
    if wait {
        arrive(admin, address, group, waiting, &mut outcomes).await;
    }
    outcomes
}

/// Whether the broker has the offset now.
async fn read_back(
    admin: &Admin,
    address: &str,
    group: &str,
    planned: &Move,
) -> std::result::Result<String, String> {
    let now = admin.offset(address, group, &planned.queue).await;
    match now.map_err(|error| format!("cannot be read back: {error}"))? {
        Some(now) if now == planned.to => Ok("moved".to_owned()),
        Some(now) if planned.is_done_at(now) => Ok(format!("moved, at {now} by now")),
        now => Err(format!(
            "the broker took it, and is at {} nevertheless",
            now.map_or("no offset".to_owned(), |now| now.to_string())
        )),
    }
}

/// Waits until members have gone where they were told.
async fn arrive(
    admin: &Admin,
    address: &str,
    group: &str,
    mut waiting: Vec<Move>,
    outcomes: &mut Outcomes,
) {
    let deadline = Instant::now() + ARRIVAL;
    while !waiting.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(LOOK_EVERY).await;
        let mut still = Vec::new();
        for planned in waiting {
            match read_back(admin, address, group, &planned).await {
                Ok(text) => {
                    outcomes.insert(planned.queue, text.into());
                }
                Err(_) => still.push(planned),
            }
        }
        waiting = still;
    }
    for planned in waiting {
        // Members that are quick have read everything again before it could be seen.
        let text = match admin.offset(address, group, &planned.queue).await {
            Ok(Some(now)) => format!(
                "its members were told to go to {}, at {now} by now",
                planned.to
            ),
            _ => format!("its members were told to go to {}", planned.to),
        };
        outcomes.insert(planned.queue, text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, expected) in [
            ("earliest", Some(Target::Earliest)),
            ("latest", Some(Target::Latest)),
            ("1769860800123", Some(Target::Time(1_769_860_800_123))),
            ("soon", None),
        ] {
            assert_eq!(target(text).ok(), expected, "{text}");
        }
    }
}
