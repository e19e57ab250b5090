//! `mq group members`: who consumes.

use std::collections::{BTreeMap, BTreeSet};

use client::Admin;
use client::admin::{Answers, Broker, Members, version_name};

use crate::error::{Exit, Result};
use crate::lookup::{self, split};
use crate::output::{Known, Output, Report, row};
use crate::watch::{self, Ask};

/// Show who consumes in a group right now, and what each subscribes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq group members billing\n  mq group members billing -o wide\n\n\
                  What one of them does: mq client show CLIENT"
)]
pub(crate) struct Args {
    /// Name of the group
    group: String,
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct MemberRow named by client {
        client: String,
        group: String as wide,
        address: String,
        language: String,
        version: String,
        brokers: Vec<String>,
        subscriptions: BTreeMap<String, String>,
        mode: Option<String> as wide,
        message_model: Option<String>,
        consume_from: Option<String> as wide,
    }
}

/// The members of a group, as each of some masters knows them.
pub(crate) async fn members(admin: &Admin, masters: &[Broker], group: &str) -> Answers<Members> {
    admin
        .each(masters.iter().cloned(), |admin, broker| {
            let group = group.to_owned();
            async move { admin.members(&broker.address, &group).await }
        })
        .await
}

/// Consumers of a group over all brokers: each tells all brokers of itself.
pub(crate) async fn member_count(admin: &Admin, masters: &[Broker], group: &str) -> Known<usize> {
    let answers = members(admin, masters, group).await;
    if let Some((_, error)) = answers.failed.first() {
        return Known::Unknown(error.to_string());
    }
    Known::Known(client_ids(&answers.known).len())
}

pub(crate) fn client_ids(known: &[(Broker, Members)]) -> BTreeSet<String> {
    let connections = known
        .iter()
        .flat_map(|(_, members)| &members.connection_set);
    connections
        .map(|connection| connection.client_id.clone())
        .collect()
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let group = &args.group;
    watch::rows(output, &args.ask, async |admin| {
        let (on, mut missing) = lookup::group(&admin, group).await?;
        let masters: Vec<Broker> = on.into_iter().map(|(broker, _)| broker).collect();
        let (known, unanswered) = split(members(&admin, &masters, group).await);
        missing.extend(unanswered);
        let mut rows: BTreeMap<String, MemberRow> = BTreeMap::new();
        for (broker, members) in known {
            let subscriptions: BTreeMap<String, String> = members
                .subscription_table
                .iter()
                .map(|(topic, subscription)| (topic.clone(), subscription.sub_string.clone()))
                .collect();
            for connection in members.connection_set {
                let row = rows
                    .entry(connection.client_id.clone())
                    .or_insert_with(|| MemberRow {
                        client: connection.client_id,
                        group: group.clone(),
                        address: connection.client_addr,
                        language: connection.language,
                        version: version_name(connection.version),
                        brokers: Vec::new(),
                        subscriptions: BTreeMap::new(),
                        mode: members.consume_type.clone(),
                        message_model: members.message_model.clone(),
                        consume_from: members.consume_from_where.clone(),
                    });
                row.brokers.push(broker.name.clone());
                row.subscriptions.extend(subscriptions.clone());
            }
        }
        Ok(Report {
            rows: rows.into_values().collect(),
            missing,
        })
    })
    .await
}
