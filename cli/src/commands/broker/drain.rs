//! `mq broker drain`: lets producers leave a broker, and says when it is quiet.
//!
//! The name servers stop giving out its queues for writing; producers see that when they next ask for routes, every 30
//! seconds, and leave without an error. A name server forgets it when it restarts, or when the broker registers changed
//! topics; `--refuse` makes the broker register for reading only, which lasts. Undoing sets `brokerPermission`: a broker then registers
//! all topics with the permissions they have. What the protocol has for it at the name server (`ADD_WRITE_PERM_OF_BROKER`)
//! would make topics writable that were read-only on purpose.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use client::admin::{Broker, Runtime};
use client::names::is_system_topic;
use client::{Admin, ClientError, fan_out};
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::body::topic::PERM_WRITE;

use crate::change::Change;
use crate::error::{CliError, Exit, Result};
use crate::output::{Known, Output, Report, row};
use crate::profile::{brokers_named, missing_from};
use crate::progress;

const POLL: Duration = Duration::from_secs(1);

/// Take the permission to write from a broker, and wait until it is quiet; or give it back
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq broker drain broker-a --dry-run\n  mq broker drain broker-a --yes\n  \
                        mq broker drain broker-a --refuse --timeout 20m\n  mq broker drain broker-a --undo\n\n\
                        Producers leave within 30 seconds, when they next ask for routes. Consumers go on. Name servers \
                        forget it at a restart, or when a topic of the broker changes: --refuse lasts."
)]
pub(super) struct Args {
    /// Name of the broker
    name: String,
    /// Give the permission back, as it was for each topic
    #[arg(long, conflicts_with_all = ["refuse", "no_wait", "force"])]
    undo: bool,
    /// Also let the broker register for reading only (brokerPermission), which outlives restarts of name servers; of ordered
    /// topics it refuses messages, of others it takes what producers send that have not asked for routes yet
    #[arg(long)]
    refuse: bool,
    /// Do not wait until it is quiet
    #[arg(long)]
    no_wait: bool,
    /// Quiet means: no message in or out for so long
    #[arg(long, value_name = "SPAN", default_value = "35s")]
    quiet_for: jiff::SignedDuration,
    /// Wait for quiet no longer than this; exit code 3 if it is not
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    timeout: jiff::SignedDuration,
    /// Even if there are topics that no other broker takes messages for
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    change: Change,
}

row! {
    struct DrainRow named by server {
        server: String,
        /// Topics whose permission was changed, where the server says it.
        topics: Option<i32>,
        result: Known<String>,
    }
}

/// What name servers do with the permission to write, before and after.
const WIPED: (&str, &str) = ("would be wiped", "wiped");

pub(super) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    if !args.undo && !args.no_wait && args.timeout < args.quiet_for {
        return Err(CliError::usage(format!(
            "a broker that must be quiet for {:#} cannot be so within {:#}",
            args.quiet_for, args.timeout
        ))
        .hint("give a longer --timeout, a shorter --quiet-for, or --no-wait"));
    }
    let admin = args.change.admin(output)?;
    let mut brokers = brokers_named(&admin, std::slice::from_ref(&args.name)).await?;
    brokers.retain(Broker::is_master);
    let Some(broker) = brokers.pop() else {
        return Err(CliError::refused(format!(
            "broker '{}' has no master at the moment: only masters take messages",
            args.name
        )));
    };
    if args.undo {
        return undo(args, &admin, &broker, output).await;
    }
    let what = format!("cannot drain {} ({})", broker.name, broker.address);
    let alone = topics_only_on(&admin, &broker, &what).await?;
    if !alone.is_empty() {
        let names = alone.iter().take(5).map(String::as_str);
        let problem = format!(
            "{} topics take messages on no other broker: {}{}",
            alone.len(),
            Vec::from_iter(names).join(", "),
            if alone.len() > 5 { ", …" } else { "" }
        );
        if args.force || args.change.confirm.dry_run {
            output.note(&format!("warning: {problem}"));
        } else {
            return Err(CliError::refused(format!("{what}: {problem}"))
                .hint("create them elsewhere as well (mq topic create NAME --broker OTHER), or add --force"));
        }
    }
    let name_servers = admin.client().name_servers().all().to_vec();
    output.note(&format!(
        "{} ({}) would get no new messages: its queues are given out for reading only by {}{}",
        broker.name,
        broker.address,
        name_servers.join(", "),
        match args.refuse {
            true => ", and the broker registers so",
            false => "",
        }
    ));
    let go_on = args.change.confirm.go_on(output, "Drain it?")?;
    let mut rows = fan_out::all(name_servers, |server| {
        let (admin, name) = (admin.clone(), broker.name.clone());
        async move {
            let wiped = match go_on {
                true => admin.wipe_write_perm(&server, &name).await.map(Some),
                false => Ok(None),
            };
            row_of(format!("name server {server}"), go_on, WIPED, wiped)
        }
    })
    .await;
    if args.refuse {
        let told = match go_on {
            true => admin.set_write_permission(&broker.address, false).await,
            false => Ok(()),
        };
        let server = format!("broker {}", broker.address);
        rows.push(row_of(
            server,
            go_on,
            (
                "would register for reading only",
                "registers for reading only",
            ),
            told.map(|()| None),
        ));
    }
    let exit = output.results(args.change.print.format, &Report::from(rows), what)?;
    if !go_on {
        return Ok(exit);
    }
    output.note(&format!("undo: mq broker drain {} --undo", broker.name));
    if args.no_wait {
        return Ok(exit);
    }
    match wait_for_quiet(args, &admin, &broker, output).await? {
        Exit::Done => Ok(exit),
        partly => Ok(partly),
    }
}

fn row_of(
    server: String,
    done: bool,
    (would, did): (&str, &str),
    outcome: Result<Option<i32>, ClientError>,
) -> DrainRow {
    DrainRow {
        server,
        topics: outcome.as_ref().ok().copied().flatten(),
        result: match outcome {
            Err(error) => Known::Unknown(error.to_string()),
            Ok(_) if done => did.to_owned().into(),
            Ok(_) => would.to_owned().into(),
        },
    }
}

/// Topics that producers can send to on this broker and on no other one, by the routes they get.
async fn topics_only_on(admin: &Admin, broker: &Broker, what: &str) -> Result<BTreeSet<String>> {
    let topics = admin.topics(&broker.address).await;
    let mut topics = topics.map_err(|e| CliError::client(what, &e))?;
    topics.retain(|topic, config| {
        // A broker's own topics, named after it and its cluster, are of no use elsewhere.
        let own = *topic == broker.name || *topic == broker.cluster;
        config.perm & PERM_WRITE != 0 && !own && !is_system_topic(topic)
    });
    let routes = fan_out::all(topics.into_keys(), |topic| {
        let admin = admin.clone();
        async move { (admin.client().route(&topic).await, topic) }
    });
    let mut alone = BTreeSet::new();
    for (route, topic) in routes.await {
        let route = match route {
            Ok(route) => route,
            // Nobody can send to it as it is.
            Err(ClientError::NoRoute { .. }) => continue,
            Err(error) => return Err(CliError::client(what, &error)),
        };
        let mut queues = route.publish_queues().iter();
        let here = |queue: &MessageQueue| queue.broker_name == broker.name;
        if !route.publish_queues().is_empty() && queues.all(here) {
            alone.insert(topic);
        }
    }
    Ok(alone)
}

async fn undo(args: &Args, admin: &Admin, broker: &Broker, output: &Output) -> Result<Exit> {
    let what = format!(
        "cannot give {} ({}) its permissions back",
        broker.name, broker.address
    );
    output.note(&format!(
        "{} ({}) would take messages again, and register its topics as they are at its name servers",
        broker.name, broker.address
    ));
    let go_on = !args.change.confirm.dry_run;
    let told = match go_on {
        true => admin.set_write_permission(&broker.address, true).await,
        false => Ok(()),
    };
    let server = format!("broker {}", broker.address);
    let row = row_of(
        server,
        go_on,
        ("would take messages", "takes messages"),
        told.map(|()| None),
    );
    output.results(args.change.print.format, &Report::from(vec![row]), what)
}

/// Messages that came in and went out since the broker started.
fn counts(runtime: &Runtime) -> Option<(i64, i64)> {
    let number = |key: &str| runtime.table.get(key)?.trim().parse().ok();
    Some((
        number("putMessageTimesTotal")?,
        number("msgGetTotalTodayNow")?,
    ))
}

async fn wait_for_quiet(
    args: &Args,
    admin: &Admin,
    broker: &Broker,
    output: &Output,
) -> Result<Exit> {
    let quiet_for = Duration::try_from(args.quiet_for).unwrap_or_default();
    let timeout = Duration::try_from(args.timeout).unwrap_or_default();
    let started = Instant::now();
    let mut seen: Option<(i64, i64)> = None;
    let mut moved = started;
    let bar = progress::waiting();
    let quiet = loop {
        match admin.runtime(&broker.address).await {
            Err(error) => bar.set_message(error.to_string()),
            Ok(runtime) => {
                let now = counts(&runtime).ok_or_else(|| {
                    CliError::failed(format!(
                        "{} does not count messages in and out",
                        broker.name
                    ))
                })?;
                let (came, went) = seen.map_or((0, 0), |seen| (now.0 - seen.0, now.1 - seen.1));
                if (came, went) != (0, 0) {
                    moved = Instant::now();
                }
                seen = Some(now);
                bar.set_message(format!(
                    "in {came}/s, out {went}/s, quiet for {} s of {} s",
                    moved.elapsed().as_secs(),
                    quiet_for.as_secs()
                ));
                if moved.elapsed() >= quiet_for {
                    break true;
                }
            }
        }
        if started.elapsed() >= timeout {
            break false;
        }
        tokio::time::sleep(POLL).await;
    };
    bar.finish_and_clear();
    let left = match admin.all_consume_stats(&broker.address).await {
        Err(error) => format!(
            "what is left to consume is unknown: {}",
            missing_from(broker, &error)
        ),
        Ok(groups) => {
            let queues = groups
                .values()
                .flatten()
                .flat_map(|stats| stats.offset_table.0.values());
            let lag: i64 = queues
                .map(|queue| (queue.broker_offset - queue.consumer_offset).max(0))
                .sum();
            format!("{lag} messages are left to consume")
        }
    };
    if quiet {
        output.note(&format!("{} is quiet; {left}", broker.name));
        Ok(Exit::Done)
    } else {
        output.note(&format!(
            "warning: {} is not quiet after {} s; {left}",
            broker.name,
            timeout.as_secs()
        ));
        Ok(Exit::Partly)
    }
}
