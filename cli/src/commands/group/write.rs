//! `mq group create`, `mq group update`.

use client::names::check_group;
use remoting::protocol::body::group::SubscriptionGroupConfig;

use crate::change::Unasked;
use crate::error::{CliError, Exit, Result};
use crate::lookup::{self, no_such_group, only};
use crate::output::{Known, Output, Report, row};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the group: letters, digits, and _-%|
    group: String,
    /// How often a message that could not be consumed is tried again before it is a dead letter [default for a new
    /// group: 16]
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(i32).range(0..))]
    retry_max_times: Option<i32>,
    /// Queues of its retry topic on each broker; 0 throws away what could not be consumed [default for a new group: 1]
    #[arg(long, value_name = "QUEUES", value_parser = clap::value_parser!(i32).range(0..=65_535))]
    retry_queues: Option<i32>,
    /// Whether its members may read at all [default for a new group: true]
    #[arg(long, value_name = "true|false")]
    consume: Option<bool>,
    /// Whether each of its members may read every message [default for a new group: true]
    #[arg(long, value_name = "true|false")]
    broadcast: Option<bool>,
    /// On this broker only; may be given several times [default: all masters]
    #[arg(short, long, value_name = "NAME")]
    broker: Vec<String>,
    #[command(flatten)]
    unasked: Unasked,
}

row! {
    /// What was done with a group on one broker, or would be.
    struct ChangeRow named by group {
        group: String,
        broker: String,
        consume_enabled: bool,
        broadcast_enabled: bool,
        retry_queues: i32,
        retry_max_times: i32,
        result: Known<String>,
    }
}

impl Args {
    fn change(&self, config: &mut SubscriptionGroupConfig) {
        let Self {
            retry_max_times,
            retry_queues,
            consume,
            broadcast,
            ..
        } = self;
        config.retry_max_times = retry_max_times.unwrap_or(config.retry_max_times);
        config.retry_queue_nums = retry_queues.unwrap_or(config.retry_queue_nums);
        config.consume_enable = consume.unwrap_or(config.consume_enable);
        config.consume_broadcast_enable = broadcast.unwrap_or(config.consume_broadcast_enable);
    }
}

/// Creates a group or changes it: on the masters named, or on all that it is meant for.
pub(crate) async fn run(args: &Args, create: bool, output: &Output) -> Result<Exit> {
    let admin = args.unasked.admin(output)?;
    let group = &args.group;
    let verb = if create { "create" } else { "change" };
    let what = format!("cannot {verb} group '{group}'");
    check_group(group).map_err(|e| CliError::client(what.clone(), &e))?;
    let (by_master, mut missing) = lookup::groups(&admin).await?;
    if !create
        && !by_master
            .iter()
            .any(|(_, groups)| groups.contains_key(group))
    {
        return Err(no_such_group(group, &by_master, &missing));
    }
    let chosen = only(by_master, &args.broker, &what)?;
    if !args.broker.is_empty() {
        missing.clear();
    }
    let mut rows = Vec::new();
    for (broker, groups) in chosen {
        let before = groups.get(group);
        if before.is_none() && !create {
            continue;
        }
        let mut wanted = before.cloned().unwrap_or_else(|| SubscriptionGroupConfig {
            group_name: group.clone(),
            ..SubscriptionGroupConfig::default()
        });
        args.change(&mut wanted);
        let change = match before {
            None => "created",
            Some(before) if *before == wanted => "unchanged",
            Some(_) => "changed",
        };
        let (address, go_on) = (&broker.address, !args.unasked.dry_run);
        let result = match before {
            _ if change == "unchanged" => change.to_owned().into(),
            None => Known::outcome(change, go_on, admin.put_group(address, &wanted)).await,
            Some(_) => {
                let changed = admin.change_group(address, group, |config| args.change(config));
                Known::outcome(change, go_on, changed).await
            }
        };
        rows.push(ChangeRow {
            group: group.clone(),
            broker: broker.name,
            consume_enabled: wanted.consume_enable,
            broadcast_enabled: wanted.consume_broadcast_enable,
            retry_queues: wanted.retry_queue_nums,
            retry_max_times: wanted.retry_max_times,
            result,
        });
    }
    output.results(
        args.unasked.print.format,
        &Report { rows, missing },
        format!("{what}: it was done nowhere"),
    )
}
