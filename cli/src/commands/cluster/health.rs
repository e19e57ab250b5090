//! `mq cluster health`: one row for each server, and an exit code for scripts.

use std::cell::Cell;
use std::collections::BTreeMap;

use client::checks::{Finding, Level, Subject};

use crate::commands::doctor::checks::{CHECKS, Scope};
use crate::commands::doctor::facts::{self, Facts};
use crate::commands::doctor::{examine, word};
use crate::error::{Exit, Result};
use crate::output::{Output, Report, row};
use crate::watch::{self, Ask};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct HealthRow named by server {
        kind: String,
        server: String,
        broker_id: Option<i64>,
        cluster: Option<String> as wide,
        address: Option<String>,
        health: String,
        problems: Vec<String>,
    }
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let settings = args.ask.cluster.settings()?;
    let worst = Cell::new(None);
    let exit = watch::rows(output, &args.ask, async |admin| {
        let facts = facts::of_servers(&admin, &settings).await?;
        let checks = CHECKS.iter().filter(|check| check.scope == Scope::Servers);
        let examined = examine(&facts, checks);
        let found = examined.into_iter().flat_map(|(_, found)| found);
        let found = Vec::from_iter(found);
        worst.set(found.iter().map(|finding| finding.level).min());
        Ok(Report::from(rows(&facts, &found)))
    })
    .await?;
    match worst.get() {
        Some(Level::Critical | Level::Warning) => Ok(Exit::Unhealthy),
        _ => Ok(exit),
    }
}

fn rows(facts: &Facts, found: &[Finding]) -> Vec<HealthRow> {
    // A broker is one by its address: its name may be that of its slaves as well.
    let key = |subject: &Subject| match subject {
        Subject::Broker { address, .. } => format!("broker {address}"),
        Subject::NameServer(address) => format!("name server {address}"),
        _ => "cluster".to_owned(),
    };
    let mut by_server: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for finding in found {
        by_server
            .entry(key(&finding.subject))
            .or_default()
            .push(finding);
    }
    let mut health = |key: &str| {
        let found = by_server.remove(key).unwrap_or_default();
        let worst = found.iter().map(|finding| finding.level).min();
        let problems = found.iter().filter(|finding| finding.level < Level::Note);
        let problems = problems.map(|finding| format!("{}: {}", finding.what, finding.evidence));
        let word = match worst {
            None | Some(Level::Note) => "healthy",
            Some(level) => word(level),
        };
        (word.to_owned(), problems.collect::<Vec<_>>())
    };
    let mut rows = Vec::new();
    for server in &facts.name_servers {
        let (health, problems) = health(&format!("name server {}", server.address));
        rows.push(HealthRow {
            kind: "namesrv".to_owned(),
            server: server.address.clone(),
            broker_id: None,
            cluster: None,
            address: Some(server.address.clone()),
            health,
            problems,
        });
    }
    for broker in &facts.brokers {
        let (health, problems) = health(&format!("broker {}", broker.broker.address));
        rows.push(HealthRow {
            kind: "broker".to_owned(),
            server: broker.broker.name.clone(),
            broker_id: Some(broker.broker.id),
            cluster: Some(broker.broker.cluster.clone()),
            address: Some(broker.broker.address.clone()),
            health,
            problems,
        });
    }
    let (health, problems) = health("cluster");
    if !problems.is_empty() {
        rows.push(HealthRow {
            kind: "cluster".to_owned(),
            server: "cluster".to_owned(),
            broker_id: None,
            cluster: None,
            address: None,
            health,
            problems,
        });
    }
    rows
}
