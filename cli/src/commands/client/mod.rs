//! `mq client`: connected producers and consumers.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Subcommand, ValueEnum};
use client::Admin;
use client::admin::{Broker, version_name};

use crate::error::{Exit, Result};
use crate::lookup::{self, split};
use crate::output::Output;
use crate::profile::masters;

pub(crate) mod list;
pub(crate) mod show;

/// Connected producers and consumers
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::List(args) => list::run(args, output).await,
        Command::Show(args) => show::run(args, output).await,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Kind {
    Consumer,
    Producer,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Producer => "producer",
        }
    }
}

/// A client in one of its groups.
#[derive(Debug, Clone)]
struct Connected {
    client: String,
    kind: Kind,
    group: String,
    address: String,
    language: String,
    version: String,
    /// Those it is connected to.
    brokers: Vec<Broker>,
    /// When a broker heard of it last, milliseconds since the epoch; of producers only.
    heard_ms: Option<i64>,
}

/// Connected clients, of one group or of all; and what could not be asked.
async fn connected(
    admin: &Admin,
    group: Option<&str>,
    kind: Option<Kind>,
) -> Result<(Vec<Connected>, Vec<String>)> {
    let mut missing = Vec::new();
    let mut found = BTreeMap::new();
    if kind != Some(Kind::Producer) {
        consumers(admin, group, &mut found, &mut missing).await?;
    }
    if kind != Some(Kind::Consumer) {
        producers(admin, group, &mut found, &mut missing).await?;
    }
    missing.sort();
    missing.dedup();
    Ok((found.into_values().collect(), missing))
}

type ByName = BTreeMap<(Kind, String, String), Connected>;

fn note(found: &mut ByName, one: Connected, broker: &Broker) {
    let key = (one.kind, one.group.clone(), one.client.clone());
    let heard_ms = one.heard_ms;
    let known = found.entry(key).or_insert(one);
    known.brokers.push(broker.clone());
    known.heard_ms = known.heard_ms.max(heard_ms);
}

async fn consumers(
    admin: &Admin,
    group: Option<&str>,
    found: &mut ByName,
    missing: &mut Vec<String>,
) -> Result<()> {
    let (by_master, unanswered) = lookup::groups(admin).await?;
    missing.extend(unanswered);
    for (broker, groups) in by_master {
        let names: BTreeSet<String> = groups
            .into_keys()
            .filter(|name| group.is_none_or(|wanted| wanted == name))
            .collect();
        let answers = client::fan_out::all(names, |name| {
            let (admin, address) = (admin.clone(), broker.address.clone());
            async move {
                let members = admin.members(&address, &name).await;
                (name, members)
            }
        });
        for (name, members) in answers.await {
            let members = match members {
                Ok(members) => members,
                Err(error) => {
                    missing.push(format!("{}, group {name}: {error}", broker.name));
                    continue;
                }
            };
            for member in members.connection_set {
                let one = Connected {
                    client: member.client_id,
                    kind: Kind::Consumer,
                    group: name.clone(),
                    address: member.client_addr,
                    language: member.language,
                    version: version_name(member.version),
                    brokers: Vec::new(),
                    heard_ms: None,
                };
                note(found, one, &broker);
            }
        }
    }
    Ok(())
}

async fn producers(
    admin: &Admin,
    group: Option<&str>,
    found: &mut ByName,
    missing: &mut Vec<String>,
) -> Result<()> {
    let answers = admin.each(masters(admin).await?, |admin, broker| async move {
        admin.all_producers(&broker.address).await
    });
    let (answers, unanswered) = split(answers.await);
    missing.extend(unanswered);
    for (broker, groups) in answers {
        let groups = groups
            .into_iter()
            .filter(|(name, _)| group.is_none_or(|wanted| wanted == name));
        for (name, producers) in groups {
            for producer in producers {
                let one = Connected {
                    client: producer.client_id,
                    kind: Kind::Producer,
                    group: name.clone(),
                    address: producer.remote_ip,
                    language: producer.language,
                    version: version_name(producer.version),
                    brokers: Vec::new(),
                    heard_ms: Some(producer.last_update_timestamp).filter(|ms| *ms > 0),
                };
                note(found, one, &broker);
            }
        }
    }
    Ok(())
}
