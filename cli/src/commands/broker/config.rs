//! `mq broker config`: settings of running brokers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use client::admin::Broker;
use client::checks::servers::differing_settings;
use client::{Admin, fan_out};
use remoting::protocol::properties::{self, Property};

use crate::change::Change;
use crate::error::{Exit, Result};
use crate::output::{Known, Output, Report, row};
use crate::profile::{brokers_named, missing_from};
use crate::settings::{self, Configs, Entries};
use crate::watch::{self, Ask};

/// Settings of running brokers: show, change, compare
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show settings, as the brokers have them now
    #[command(
        after_help = "Examples:\n  mq broker config get\n  mq broker config get fileReservedTime --broker broker-a\n  \
                            mq broker config get flushDiskType brokerRole -o json"
    )]
    Get(Get),
    /// Change settings of running brokers; read back afterwards
    #[command(
        after_help = "Examples:\n  mq broker config set traceOn=false --broker broker-a --dry-run\n  \
                            mq broker config set autoCreateTopicEnable=false traceOn=false --all --yes\n\n\
                            The broker says which settings it takes only from its file. Apache's brokers take any, and some act \
                            only after a restart."
    )]
    Set(Set),
    /// Show in which settings brokers differ, from each other or from a file
    #[command(
        after_help = "Examples:\n  mq broker config diff\n  mq broker config diff --broker broker-a --file broker.conf"
    )]
    Diff(Diff),
}

#[derive(Debug, clap::Args)]
struct Get {
    /// Only these settings
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// Of this broker only; may be given several times
    #[arg(short, long, value_name = "NAME")]
    broker: Vec<String>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The new values
    #[arg(value_name = "KEY=VALUE", value_parser = settings::parse, required = true)]
    settings: Vec<(String, String)>,
    /// On this broker; may be given several times
    #[arg(short, long, value_name = "NAME", required_unless_present = "all")]
    broker: Vec<String>,
    /// On all brokers
    #[arg(long, conflicts_with = "broker")]
    all: bool,
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, clap::Args)]
struct Diff {
    /// This broker only; may be given several times
    #[arg(short, long, value_name = "NAME")]
    broker: Vec<String>,
    /// Compare with the settings of this file, not among each other
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Also settings that differ by nature: names, addresses, folders
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct SettingRow named by key {
        broker: String,
        broker_id: i64 as wide,
        key: String,
        value: String,
    }
}

row! {
    struct ChangeRow named by broker {
        broker: String,
        broker_id: i64 as wide,
        address: String as wide,
        key: String,
        before: Known<Option<String>>,
        after: String,
        result: Known<String>,
    }
}

row! {
    struct DifferenceRow named by key {
        key: String,
        /// By broker, or by the file's name; those that have no such key are not in it.
        values: BTreeMap<String, String>,
    }
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::Get(args) => get(args, output).await,
        Command::Set(args) => set(args, output).await,
        Command::Diff(args) => diff(args, output).await,
    }
}

async fn configs(admin: &Admin, brokers: Vec<Broker>) -> Configs<Broker> {
    fan_out::all(brokers, |broker| {
        let admin = admin.clone();
        async move {
            let config = admin.broker_config(&broker.address).await;
            (broker, config)
        }
    })
    .await
}

/// Refuses keys that no broker which answered has.
fn check_keys<'a>(wanted: impl Iterator<Item = &'a str>, configs: &Configs<Broker>) -> Result<()> {
    settings::check_keys(wanted, configs, ("broker", "mq broker config get"))
}

async fn get(args: &Get, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let brokers = brokers_named(&admin, &args.broker).await?;
        let configs = configs(&admin, brokers).await;
        check_keys(args.keys.iter().map(String::as_str), &configs)?;
        let row = |broker: &Broker, setting: Property| SettingRow {
            broker: broker.name.clone(),
            broker_id: broker.id,
            key: setting.key,
            value: setting.value,
        };
        Ok(settings::report(configs, &args.keys, missing_from, row))
    })
    .await
}

async fn set(args: &Set, output: &Output) -> Result<Exit> {
    let admin = args.change.admin(output)?;
    let brokers = brokers_named(&admin, &args.broker).await?;
    let configs = configs(&admin, brokers).await;
    check_keys(args.settings.iter().map(|(key, _)| key.as_str()), &configs)?;
    let mut plan = Vec::new();
    let mut missing = Vec::new();
    for (broker, config) in configs {
        match config {
            Err(error) => missing.push(missing_from(&broker, &error)),
            Ok(config) => {
                for (key, value) in &args.settings {
                    let before = settings::value_of(&config, key);
                    let change = match before.as_deref() == Some(value) {
                        true => "unchanged",
                        false => "would be changed",
                    };
                    plan.push(ChangeRow {
                        broker: broker.name.clone(),
                        broker_id: broker.id,
                        address: broker.address.clone(),
                        key: key.clone(),
                        before: before.into(),
                        after: value.clone(),
                        result: change.to_owned().into(),
                    });
                }
            }
        }
    }
    let what = "cannot change the settings of any broker";
    let changes = |row: &ChangeRow| row.result == Known::Known("would be changed".to_owned());
    if args.change.confirm.dry_run || !plan.iter().any(changes) {
        let report = Report {
            rows: plan,
            missing,
        };
        return output.results(args.change.print.format, &report, what);
    }
    for row in plan.iter().filter(|row| changes(row)) {
        let before = match &row.before {
            Known::Known(Some(before)) => before.as_str(),
            _ => "nothing",
        };
        output.note(&format!(
            "{} ({}): {} from {before} to {}",
            row.broker, row.address, row.key, row.after
        ));
    }
    args.change.confirm.go_on(output, "Change them?")?;
    let mut by_address: BTreeMap<String, Vec<ChangeRow>> = BTreeMap::new();
    for row in plan {
        by_address.entry(row.address.clone()).or_default().push(row);
    }
    let rows = fan_out::all(by_address, |(address, rows)| {
        let admin = admin.clone();
        async move { change(&admin, &address, rows).await }
    });
    let mut rows: Vec<ChangeRow> = rows.await.into_iter().flatten().collect();
    rows.sort_by(|a, b| (&a.broker, a.broker_id).cmp(&(&b.broker, b.broker_id)));
    output.results(args.change.print.format, &Report { rows, missing }, what)
}

/// Changes what is to be changed on one broker, and says of each value whether the broker has it now.
async fn change(admin: &Admin, address: &str, mut rows: Vec<ChangeRow>) -> Vec<ChangeRow> {
    let changes = |row: &ChangeRow| row.result != Known::Known("unchanged".to_owned());
    let changing = rows.iter().filter(|row| changes(row));
    let text = properties::render(changing.map(|row| (&row.key, &row.after)));
    if text.is_empty() {
        return rows;
    }
    let outcome = match admin.change_broker_config(address, text).await {
        Ok(()) => admin.broker_config(address).await,
        Err(error) => Err(error),
    };
    for row in rows.iter_mut().filter(|row| changes(row)) {
        row.result = match &outcome {
            Err(error) => Known::Unknown(error.to_string()),
            Ok(config) => settings::taken(config, &row.key, &row.after, "broker"),
        };
    }
    rows
}

async fn diff(args: &Diff, output: &Output) -> Result<Exit> {
    let file = args.file.as_deref().map(settings::entries).transpose()?;
    watch::rows(output, &args.ask, async |admin| {
        let brokers = brokers_named(&admin, &args.broker).await?;
        let mut missing = Vec::new();
        let mut sides = Vec::new();
        for (broker, config) in configs(&admin, brokers).await {
            let name = match broker.is_master() {
                true => broker.name.clone(),
                false => format!("{}:{}", broker.name, broker.id),
            };
            match config {
                Ok(config) => sides.push((name, config)),
                Err(error) => missing.push(missing_from(&broker, &error)),
            }
        }
        let rows = differences(&sides, file.as_ref(), args.all);
        Ok(Report { rows, missing })
    })
    .await
}

/// The settings with more than one value; when there is a file, only those in it.
fn differences(sides: &[Entries], file: Option<&Entries>, all: bool) -> Vec<DifferenceRow> {
    let sides = Vec::from_iter(sides.iter().chain(file).cloned());
    let mut differing = differing_settings(&sides, all);
    if let Some((name, _)) = file {
        differing.retain(|_, values| values.contains_key(name));
    }
    let row = |(key, values)| DifferenceRow { key, values };
    differing.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, text: &str) -> Entries {
        (name.to_owned(), properties::parse(text).unwrap())
    }

    fn shown(rows: Vec<DifferenceRow>) -> Vec<String> {
        let show = |row: DifferenceRow| {
            let values = row
                .values
                .iter()
                .map(|(who, value)| format!("{who}={value}"));
            format!("{}: {}", row.key, Vec::from_iter(values).join(" "))
        };
        rows.into_iter().map(show).collect()
    }

    #[test]
    fn differences_by_nature_are_none() {
        let sides = [
            side(
                "a",
                "brokerName=a\nfileReservedTime=48\ndeleteWhen=04\nonlyA=1",
            ),
            side("b", "brokerName=b\nfileReservedTime=72\ndeleteWhen=4"),
        ];
        assert_eq!(
            shown(differences(&sides, None, false)),
            ["fileReservedTime: a=48 b=72", "onlyA: a=1"]
        );
        assert_eq!(differences(&sides, None, true).len(), 3);
        let file = side("f", "fileReservedTime=48\nflag=true");
        assert_eq!(
            shown(differences(&sides[..1], Some(&file), false)),
            ["flag: f=true"]
        );
    }
}
