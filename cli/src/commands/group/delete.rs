//! `mq group delete`.

use std::collections::BTreeSet;

use client::admin::Broker;
use client::names::{DLQ_PREFIX, RETRY_PREFIX, is_system_group};
use client::{Admin, ClientError};

use super::members::{client_ids, members};
use crate::change::Change;
use crate::error::{CliError, Exit, Result};
use crate::lookup::{self, split};
use crate::output::{Known, Output, Report, row};

/// Delete a consumer group with its offsets and its retry topic
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq group delete billing --dry-run\n  mq group delete billing --keep-offsets --yes\n\n\
                  Its dead letters stay, unless --dead-letters is given: see mq dlq list"
)]
pub(crate) struct Args {
    /// Name of the group
    group: String,
    /// Keep where it is: a group of this name that is created later goes on there
    #[arg(long)]
    keep_offsets: bool,
    /// Delete its dead letters as well
    #[arg(long)]
    dead_letters: bool,
    #[command(flatten)]
    change: Change,
}

row! {
    struct DeletedRow named by group {
        group: String,
        what: String,
        server: String,
        result: Known<String>,
    }
}

/// Something to be deleted.
#[derive(Debug, Clone)]
enum Step {
    Group(Broker),
    Topic(Broker, String),
    Route(String, String),
}

impl Step {
    async fn carry_out(&self, admin: &Admin, args: &Args) -> Result<(), ClientError> {
        match self {
            Self::Group(broker) => {
                let with_offsets = !args.keep_offsets;
                admin
                    .delete_group(&broker.address, &args.group, with_offsets)
                    .await
            }
            Self::Topic(broker, topic) => admin.delete_topic(&broker.address, topic).await,
            Self::Route(name_server, topic) => admin.forget_topic(name_server, topic).await,
        }
    }

    /// What, and on which server.
    fn describe(&self) -> (String, String) {
        match self {
            Self::Group(broker) => ("group".to_owned(), broker.name.clone()),
            Self::Topic(broker, topic) => (format!("topic {topic}"), broker.name.clone()),
            Self::Route(server, topic) => {
                (format!("topic {topic}"), format!("name server {server}"))
            }
        }
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let admin = args.change.admin(output)?;
    let group = &args.group;
    let what = format!("cannot delete group '{group}'");
    if is_system_group(group) {
        return Err(CliError::refused(format!(
            "{what}: RocketMQ has it for itself"
        )));
    }
    let (on, mut missing) = lookup::group(&admin, group).await?;
    let masters: Vec<Broker> = on.into_iter().map(|(broker, _)| broker).collect();
    let (known, _) = split(members(&admin, &masters, group).await);
    let connected = client_ids(&known).len();
    let (topics, _) = lookup::topics(&admin).await?;
    let mut wanted = vec![format!("{RETRY_PREFIX}{group}")];
    if args.dead_letters {
        wanted.push(format!("{DLQ_PREFIX}{group}"));
    }
    let mut steps: Vec<Step> = masters.into_iter().map(Step::Group).collect();
    let mut gone = BTreeSet::new();
    for (broker, topics) in topics {
        for topic in wanted.iter().filter(|topic| topics.contains_key(*topic)) {
            steps.push(Step::Topic(broker.clone(), topic.clone()));
            gone.insert(topic.clone());
        }
    }
    // After the brokers: one that still had the topic would register it again.
    for server in admin.client().name_servers().all() {
        steps.extend(
            gone.iter()
                .map(|topic| Step::Route(server.clone(), topic.clone())),
        );
    }
    let offsets = if args.keep_offsets {
        "its offsets would stay"
    } else {
        "its offsets would be gone"
    };
    let topics: String = gone
        .iter()
        .map(|topic| format!(", with topic {topic}"))
        .collect();
    output.note(&format!("group '{group}': {offsets}{topics}"));
    if connected > 0 {
        output.note(&format!(
            "warning: {connected} members are connected: they would go on, and create it again"
        ));
    }
    let go_on = args.change.confirm.go_on(output, "Delete it?")?;
    let mut rows = Vec::new();
    for step in steps {
        let (what, server) = step.describe();
        rows.push(DeletedRow {
            group: group.clone(),
            what,
            server,
            result: Known::outcome("deleted", go_on, step.carry_out(&admin, args)).await,
        });
    }
    missing.sort();
    output.results(
        args.change.print.format,
        &Report { rows, missing },
        format!("{what}: it was done nowhere"),
    )
}
