//! `mq topic create`, `update`, `perm` and `delete`.

use clap::ValueEnum;
use client::fan_out;
use client::names::{check_topic, is_system_topic};
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE, TopicConfig};

use super::perm_text;
use crate::change::{Change, Unasked};
use crate::error::{CliError, Exit, Result};
use crate::lookup::{self, no_such_topic, only};
use crate::output::{Known, Output, Print, Report, row};
use crate::watch::{self, Ask};

#[derive(Debug, clap::Args)]
pub(crate) struct Write {
    /// Name of the topic: letters, digits, and _-%|
    topic: String,
    /// Queues on each broker [default for a new topic: 8]
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    queues: Option<u32>,
    /// What clients may do with it: r, w, rw or none [default for a new topic: rw]
    #[arg(short, long, value_enum)]
    perm: Option<Perm>,
    /// On this broker only; may be given several times [default: all masters]
    #[arg(short, long, value_name = "NAME")]
    broker: Vec<String>,
    #[command(flatten)]
    unasked: Unasked,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PermArgs {
    /// Name of the topic
    topic: String,
    /// What clients may do with it: r, w, rw or none [default: show what they may]
    #[arg(value_enum, conflicts_with = "watch")]
    perm: Option<Perm>,
    /// On this broker only; may be given several times [default: all masters that have it]
    #[arg(short, long, value_name = "NAME", requires = "perm")]
    broker: Vec<String>,
    /// Only show what would be done
    #[arg(long, requires = "perm")]
    dry_run: bool,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// Name of the topic
    topic: String,
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Perm {
    R,
    W,
    Rw,
    /// Neither
    None,
}

impl Perm {
    fn bits(self) -> i32 {
        match self {
            Self::R => PERM_READ,
            Self::W => PERM_WRITE,
            Self::Rw => PERM_READ | PERM_WRITE,
            Self::None => 0,
        }
    }
}

row! {
    struct PermRow named by topic {
        topic: String,
        broker: String,
        perm: String,
    }
}

row! {
    /// What was done with a topic on one server, or would be.
    struct ChangeRow named by topic {
        topic: String,
        server: String,
        read_queues: Option<i32>,
        write_queues: Option<i32>,
        perm: Option<String>,
        result: Known<String>,
    }
}

/// Queues on each broker of a new topic.
const NEW_QUEUES: i32 = 8;

/// Creates a topic or changes it: on the masters named, or on all that it is meant for.
pub(super) async fn write(args: &Write, create: bool, output: &Output) -> Result<Exit> {
    let admin = args.unasked.admin(output)?;
    let what = || {
        format!(
            "cannot {} topic '{}'",
            if create { "create" } else { "change" },
            args.topic
        )
    };
    check_topic(&args.topic).map_err(|e| CliError::client(what(), &e))?;
    let (by_master, mut missing) = lookup::topics(&admin).await?;
    if !create
        && !by_master
            .iter()
            .any(|(_, topics)| topics.contains_key(&args.topic))
    {
        return Err(no_such_topic(&args.topic, &by_master, &missing));
    }
    let by_master = only(by_master, &args.broker, &what())?;
    if !args.broker.is_empty() {
        missing.clear();
    }
    let queues = args
        .queues
        .map(|queues| i32::try_from(queues).unwrap_or(i32::MAX));
    let mut plan = Vec::new();
    for (broker, topics) in &by_master {
        let before = topics.get(&args.topic);
        if before.is_none() && !create {
            continue;
        }
        let mut wanted = before.cloned().unwrap_or_else(|| TopicConfig {
            topic_name: args.topic.clone(),
            read_queue_nums: NEW_QUEUES,
            write_queue_nums: NEW_QUEUES,
            ..TopicConfig::default()
        });
        if let Some(queues) = queues {
            (wanted.read_queue_nums, wanted.write_queue_nums) = (queues, queues);
        }
        if let Some(perm) = args.perm {
            wanted.perm = perm.bits();
        }
        let change = match before {
            None => "created",
            Some(before) if *before == wanted => "unchanged",
            Some(_) => "changed",
        };
        plan.push((broker.clone(), wanted, change));
    }
    if plan.is_empty() {
        return Err(no_such_topic(&args.topic, &by_master, &missing));
    }
    let dry_run = args.unasked.dry_run;
    let rows = fan_out::all(plan, |(broker, wanted, change)| {
        let admin = admin.clone();
        async move {
            let result = match change {
                "unchanged" => change.to_owned().into(),
                _ => {
                    let put = admin.put_topic(&broker.address, &wanted);
                    Known::outcome(change, !dry_run, put).await
                }
            };
            ChangeRow {
                topic: wanted.topic_name,
                server: broker.name,
                read_queues: Some(wanted.read_queue_nums),
                write_queues: Some(wanted.write_queue_nums),
                perm: Some(perm_text(wanted.perm)),
                result,
            }
        }
    });
    let report = Report {
        rows: rows.await,
        missing,
    };
    output.results(
        args.unasked.print.format,
        &report,
        format!("{} on any server", what()),
    )
}

pub(super) async fn perm(args: &PermArgs, output: &Output) -> Result<Exit> {
    if args.perm.is_some() {
        let change = Write {
            topic: args.topic.clone(),
            queues: None,
            perm: args.perm,
            broker: args.broker.clone(),
            unasked: Unasked {
                dry_run: args.dry_run,
                cluster: args.ask.cluster.clone(),
                print: Print {
                    format: args.ask.read.format,
                },
            },
        };
        return write(&change, false, output).await;
    }
    watch::rows(output, &args.ask, async |admin| {
        let (on, missing) = lookup::topic(&admin, &args.topic).await?;
        let rows = on.into_iter().map(|(broker, config)| PermRow {
            topic: config.topic_name,
            broker: broker.name,
            perm: perm_text(config.perm),
        });
        Ok(Report {
            rows: rows.collect(),
            missing,
        })
    })
    .await
}

pub(super) async fn delete(args: &Delete, output: &Output) -> Result<Exit> {
    let admin = args.change.admin(output)?;
    let topic = &args.topic;
    let what = format!("cannot delete topic '{topic}'");
    if is_system_topic(topic) && !topic.starts_with('%') {
        return Err(CliError::refused(format!(
            "{what}: RocketMQ has it for itself"
        )));
    }
    let (on, missing) = lookup::topic(&admin, topic).await?;
    let mut messages = 0;
    for (broker, _) in &on {
        let stats = admin.topic_stats(&broker.address, topic).await;
        let stats = stats.map_err(|e| CliError::client(format!("{what}: {}", broker.name), &e))?;
        let ranges = stats.offset_table.0.values();
        messages += ranges
            .map(|range| range.max_offset - range.min_offset)
            .sum::<i64>();
    }
    let brokers: Vec<&str> = on.iter().map(|(broker, _)| broker.name.as_str()).collect();
    output.note(&format!(
        "topic '{topic}' on {}: {messages} messages and the offsets of its groups would be gone",
        brokers.join(", ")
    ));
    let go_on = args.change.confirm.go_on(output, "Delete it?")?;
    let row = |server: String, result| ChangeRow {
        topic: topic.clone(),
        server,
        read_queues: None,
        write_queues: None,
        perm: None,
        result,
    };
    let mut rows = Vec::new();
    for (broker, _) in on {
        let deleted = admin.delete_topic(&broker.address, topic);
        let result = Known::outcome("deleted", go_on, deleted).await;
        rows.push(row(broker.name, result));
    }
    // After the brokers: one that still had the topic would register it again.
    for name_server in admin.client().name_servers().all() {
        let forgotten = admin.forget_topic(name_server, topic);
        let result = Known::outcome("deleted", go_on, forgotten).await;
        rows.push(row(format!("name server {name_server}"), result));
    }
    output.results(
        args.change.print.format,
        &Report { rows, missing },
        format!("{what} on any server"),
    )
}
