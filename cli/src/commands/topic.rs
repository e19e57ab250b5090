//! `mq topic`: list, look at, make, change and delete topics.

use std::collections::BTreeSet;

use clap::{Subcommand, ValueEnum};
use client::names::{check_topic, is_system_topic};
use client::{ClientError, fan_out};
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE, TopicConfig};

use crate::confirm::Confirm;
use crate::error::{CliError, Exit, Result};
use crate::lookup::{self, no_such_topic, only};
use crate::output::{Known, Output, Print, Read, Report, row};
use crate::profile::{Cluster, missing_from};
use crate::time;
use crate::watch;

/// Topics
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the topics of the cluster
    #[command(
        after_help = "Examples:\n  mq topic list\n  mq topic list --all -o wide\n  mq topic list -o name | grep order"
    )]
    List(List),
    /// Show a topic's settings and its number of messages, by broker
    #[command(after_help = "Example:\n  mq topic show orders")]
    Show(One),
    /// Show where clients find a topic: addresses and queues, as the name server tells them
    #[command(after_help = "Example:\n  mq topic route orders")]
    Route(One),
    /// Show the offsets of each queue
    #[command(after_help = "Examples:\n  mq topic stats orders\n  mq topic stats orders --watch")]
    Stats(One),
    /// Create a topic; done already if it is there with the same settings
    #[command(
        after_help = "Examples:\n  mq topic create orders\n  mq topic create orders --queues 16 --broker broker-a\n  \
                            mq topic create audit --perm w --dry-run"
    )]
    Create(Write),
    /// Change the settings of a topic
    #[command(
        after_help = "Examples:\n  mq topic update orders --queues 16\n  mq topic update orders --perm r"
    )]
    Update(Write),
    /// Show what clients may do with a topic, or change it
    #[command(
        after_help = "Examples:\n  mq topic perm orders\n  mq topic perm orders r        nobody may send, consumers drain it\n  \
                            mq topic perm orders rw --broker broker-a"
    )]
    Perm(PermArgs),
    /// Delete a topic with its messages, from all brokers and name servers
    #[command(
        after_help = "Examples:\n  mq topic delete orders --dry-run\n  mq topic delete orders --yes"
    )]
    Delete(Delete),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Also those that RocketMQ uses for itself: retry and dead-letter topics, system topics
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

#[derive(Debug, clap::Args)]
struct One {
    /// Name of the topic
    topic: String,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

#[derive(Debug, clap::Args)]
struct Write {
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
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    print: Print,
}

#[derive(Debug, clap::Args)]
struct PermArgs {
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
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

#[derive(Debug, clap::Args)]
struct Delete {
    /// Name of the topic
    topic: String,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    print: Print,
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
    struct PermRow named by topic {
        topic: String,
        broker: String,
        perm: String,
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

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::List(args) => list(args, output).await,
        Command::Show(args) => show(args, output).await,
        Command::Route(args) => route(args, output).await,
        Command::Stats(args) => stats(args, output).await,
        Command::Create(args) => write(args, true, output).await,
        Command::Update(args) => write(args, false, output).await,
        Command::Perm(args) => perm(args, output).await,
        Command::Delete(args) => delete(args, output).await,
    }
}

fn perm_text(perm: i32) -> String {
    let bit = |bit, letter| if perm & bit == 0 { "-" } else { letter };
    format!("{}{}", bit(PERM_READ, "r"), bit(PERM_WRITE, "w"))
}

/// Name servers remember topics of brokers that are away.
const NOWHERE: &str = "no broker that answered has it";

async fn list(args: &List, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin()?;
    watch::read(output, &args.read, async || {
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

async fn show(args: &One, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin()?;
    watch::read(output, &args.read, async || {
        let (on, missing) = lookup::topic(&admin, &args.topic).await?;
        let rows = fan_out::all(on, |(broker, config)| {
            let (admin, topic) = (admin.clone(), args.topic.clone());
            async move {
                let stats = admin.topic_stats(&broker.address, &topic).await;
                let stats = match &stats {
                    Ok(stats) => Known::Known(&stats.offset_table.0),
                    Err(error) => Known::Unknown(error.to_string()),
                };
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

async fn route(args: &One, output: &Output) -> Result<Exit> {
    let client = args.cluster.client()?;
    watch::read(output, &args.read, async || {
        client.doubt_route(&args.topic);
        let route = client.route(&args.topic).await;
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

async fn stats(args: &One, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin()?;
    watch::read(output, &args.read, async || {
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

/// Queues on each broker of a new topic.
const NEW_QUEUES: i32 = 8;

/// Creates a topic or changes it: on the masters named, or on all that it is meant for.
async fn write(args: &Write, create: bool, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin_to_change(output, args.dry_run)?;
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
    let dry_run = args.dry_run;
    let rows = fan_out::all(plan, |(broker, wanted, change)| {
        let admin = admin.clone();
        async move {
            let result = match change {
                "unchanged" => Ok(change.to_owned()),
                _ if dry_run => Ok(format!("would be {change}")),
                _ => admin
                    .put_topic(&broker.address, &wanted)
                    .await
                    .map(|()| change.to_owned()),
            };
            ChangeRow {
                topic: wanted.topic_name,
                server: broker.name,
                read_queues: Some(wanted.read_queue_nums),
                write_queues: Some(wanted.write_queue_nums),
                perm: Some(perm_text(wanted.perm)),
                result: Known::from_result(result),
            }
        }
    });
    let report = Report {
        rows: rows.await,
        missing,
    };
    output.results(
        args.print.format,
        &report,
        format!("{} on any server", what()),
    )
}

async fn perm(args: &PermArgs, output: &Output) -> Result<Exit> {
    if args.perm.is_some() {
        let change = Write {
            topic: args.topic.clone(),
            queues: None,
            perm: args.perm,
            broker: args.broker.clone(),
            dry_run: args.dry_run,
            cluster: args.cluster.clone(),
            print: Print {
                format: args.read.format,
            },
        };
        return write(&change, false, output).await;
    }
    let admin = args.cluster.admin()?;
    watch::read(output, &args.read, async || {
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

async fn delete(args: &Delete, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin_to_change(output, args.confirm.dry_run)?;
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
    let go_on = args.confirm.go_on(output, "Delete it?")?;
    let row = |server: String, result: std::result::Result<(), ClientError>| ChangeRow {
        topic: topic.clone(),
        server,
        read_queues: None,
        write_queues: None,
        perm: None,
        result: result.map_or_else(
            |e| Known::Unknown(e.to_string()),
            |()| Known::Known(if go_on { "deleted" } else { "would be deleted" }.to_owned()),
        ),
    };
    let mut rows = Vec::new();
    for (broker, _) in on {
        let done = match go_on {
            true => admin.delete_topic(&broker.address, topic).await,
            false => Ok(()),
        };
        rows.push(row(broker.name, done));
    }
    // After the brokers: one that still had the topic would register it again.
    for name_server in admin.client().name_servers().all() {
        let done = match go_on {
            true => admin.forget_topic(name_server, topic).await,
            false => Ok(()),
        };
        rows.push(row(format!("name server {name_server}"), done));
    }
    output.results(
        args.print.format,
        &Report { rows, missing },
        format!("{what} on any server"),
    )
}
