//! `mq namesrv kv`: the KV configuration, which every name server keeps for itself.

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;
use client::admin::ORDER_TOPIC_CONFIG;
use client::{Admin, ClientError, fan_out};

use super::ask_all;
use crate::change::{Change, Unasked};
use crate::error::{CliError, Exit, Result};
use crate::output::{Known, Output, Report, row};
use crate::watch::{self, Ask};

/// The KV configuration of the name servers: texts by namespace and key
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the keys of a namespace, on each name server
    #[command(
        after_help = "Examples:\n  mq namesrv kv list\n  mq namesrv kv list MY_NAMESPACE -o json\n\n\
                            ORDER_TOPIC_CONFIG is the namespace that name servers read themselves: the queues of topics \
                            whose order is strict. Nothing in the protocol lists the namespaces there are."
    )]
    List(List),
    /// Show the value of a key, on each name server
    #[command(after_help = "Example:\n  mq namesrv kv get ORDER_TOPIC_CONFIG orders")]
    Get(Get),
    /// Set the value of a key, on all name servers that are given
    #[command(
        after_help = "Examples:\n  mq namesrv kv set ORDER_TOPIC_CONFIG orders 'broker-a:4;broker-b:4'\n  \
                            mq namesrv kv set MY_NAMESPACE colour blue --dry-run"
    )]
    Set(Set),
    /// Delete a key, on all name servers that are given
    #[command(after_help = "Example:\n  mq namesrv kv delete ORDER_TOPIC_CONFIG orders --yes")]
    Delete(Delete),
}

#[derive(Debug, clap::Args)]
struct List {
    /// The namespace
    #[arg(default_value = ORDER_TOPIC_CONFIG)]
    namespace: String,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, clap::Args)]
struct Get {
    /// The namespace
    namespace: String,
    /// The key
    key: String,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The namespace; made if it is not there
    namespace: String,
    /// The key
    key: String,
    /// The new value
    value: String,
    #[command(flatten)]
    unasked: Unasked,
}

#[derive(Debug, clap::Args)]
struct Delete {
    /// The namespace
    namespace: String,
    /// The key
    key: String,
    #[command(flatten)]
    change: Change,
}

row! {
    struct KvRow named by key {
        server: String,
        namespace: String,
        key: String,
        value: Known<Option<String>>,
    }
}

row! {
    struct ChangeRow named by server {
        server: String,
        namespace: String,
        key: String,
        before: Known<Option<String>>,
        /// Nothing: the key is deleted.
        after: Option<String>,
        result: Known<String>,
    }
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::List(args) => list(args, output).await,
        Command::Get(args) => get(args, output).await,
        Command::Set(args) => set(args, output).await,
        Command::Delete(args) => delete(args, output).await,
    }
}

/// What cannot be done when no name server answers.
const WHAT: &str = "cannot read the KV configuration";

/// All keys of a namespace, as each name server has them; `None` where it has no such namespace.
async fn tables(
    admin: &Admin,
    namespace: &str,
) -> Result<
    Vec<(
        String,
        Result<Option<BTreeMap<String, String>>, ClientError>,
    )>,
> {
    ask_all(admin, WHAT, |admin, server| {
        let namespace = namespace.to_owned();
        async move { admin.kv_namespace(&server, &namespace).await }
    })
    .await
}

async fn list(args: &List, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let mut report = Report::from(Vec::new());
        let mut exists = false;
        for (server, table) in tables(&admin, &args.namespace).await? {
            match table {
                Err(error) => report
                    .missing
                    .push(format!("name server {server}: {error}")),
                Ok(None) => {}
                Ok(Some(table)) => {
                    exists = true;
                    report
                        .rows
                        .extend(table.into_iter().map(|(key, value)| KvRow {
                            server: server.clone(),
                            namespace: args.namespace.clone(),
                            key,
                            value: Some(value).into(),
                        }));
                }
            }
        }
        // The namespace that servers read themselves is there, so to speak, even before its first key.
        if !exists && report.missing.is_empty() && args.namespace != ORDER_TOPIC_CONFIG {
            return Err(CliError::not_found(format!(
                "no name server has a namespace '{}'",
                args.namespace
            ))
            .hint("it begins to be with its first key: mq namesrv kv set"));
        }
        if report.rows.is_empty() && report.missing.is_empty() {
            output.note(&format!(
                "namespace {} has no keys; another one is named behind the command: mq namesrv kv list MY_NAMESPACE",
                args.namespace
            ));
        }
        Ok(report)
    })
    .await
}

async fn get(args: &Get, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let answers = values(&admin, &args.namespace, &args.key).await?;
        if answers.iter().all(|(_, value)| matches!(value, Ok(None))) {
            return Err(no_such_key(&admin, &args.namespace, &args.key).await);
        }
        let row = |(server, value): (String, Result<Option<String>, ClientError>)| KvRow {
            server,
            namespace: args.namespace.clone(),
            key: args.key.clone(),
            value: Known::from_result(value),
        };
        Ok(Report::from(
            answers.into_iter().map(row).collect::<Vec<_>>(),
        ))
    })
    .await
}

async fn values(
    admin: &Admin,
    namespace: &str,
    key: &str,
) -> Result<Vec<(String, Result<Option<String>, ClientError>)>> {
    ask_all(admin, WHAT, |admin, server| {
        let (namespace, key) = (namespace.to_owned(), key.to_owned());
        async move { admin.kv_value(&server, &namespace, &key).await }
    })
    .await
}

async fn no_such_key(admin: &Admin, namespace: &str, key: &str) -> CliError {
    let keys: BTreeSet<String> = match tables(admin, namespace).await {
        Ok(tables) => tables
            .into_iter()
            .filter_map(|(_, table)| table.ok().flatten())
            .flat_map(BTreeMap::into_keys)
            .collect(),
        Err(_) => BTreeSet::new(),
    };
    CliError::not_found(format!(
        "no name server has a key '{key}' in namespace '{namespace}'"
    ))
    .did_you_mean(key, keys, format!("see mq namesrv kv list {namespace}"))
}

async fn set(args: &Set, output: &Output) -> Result<Exit> {
    let admin = args.unasked.admin(output)?;
    let befores = values(&admin, &args.namespace, &args.key).await?;
    let rows = fan_out::all(befores, |(server, before)| {
        let (admin, namespace) = (admin.clone(), args.namespace.clone());
        let (key, value, dry_run) = (args.key.clone(), args.value.clone(), args.unasked.dry_run);
        async move {
            let change = match &before {
                Ok(None) => "created",
                Ok(Some(before)) if *before == value => "unchanged",
                _ => "changed",
            };
            let result = match change {
                "unchanged" => change.to_owned().into(),
                _ => {
                    let put = admin.put_kv(&server, &namespace, &key, &value);
                    Known::outcome(change, !dry_run, put).await
                }
            };
            ChangeRow {
                server,
                namespace,
                key,
                before: Known::from_result(before),
                after: Some(value),
                result,
            }
        }
    });
    let what = format!("cannot set '{}' on any name server", args.key);
    output.results(args.unasked.print.format, &Report::from(rows.await), what)
}

async fn delete(args: &Delete, output: &Output) -> Result<Exit> {
    let admin = args.change.admin(output)?;
    let befores = values(&admin, &args.namespace, &args.key).await?;
    if befores.iter().all(|(_, value)| matches!(value, Ok(None))) {
        return Err(no_such_key(&admin, &args.namespace, &args.key).await);
    }
    for (server, before) in &befores {
        if let Ok(Some(value)) = before {
            output.note(&format!(
                "name server {server}: {} = {value} would be gone",
                args.key
            ));
        }
    }
    let go_on = args.change.confirm.go_on(output, "Delete it?")?;
    let rows = fan_out::all(befores, |(server, before)| {
        let admin = admin.clone();
        let (namespace, key) = (args.namespace.clone(), args.key.clone());
        async move {
            let result = match &before {
                Ok(None) => "was not there".to_owned().into(),
                _ => {
                    let deleted = admin.delete_kv(&server, &namespace, &key);
                    Known::outcome("deleted", go_on, deleted).await
                }
            };
            ChangeRow {
                server,
                namespace,
                key,
                before: Known::from_result(before),
                after: None,
                result,
            }
        }
    });
    let what = format!("cannot delete '{}' on any name server", args.key);
    output.results(args.change.print.format, &Report::from(rows.await), what)
}
