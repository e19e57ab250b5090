//! `mq cluster`: what the name servers know, and how the servers are.

use clap::Subcommand;
use client::fan_out;

use crate::error::{CliError, Exit, Result};
use crate::output::{Known, Output, Report, row};
use crate::watch::{self, Ask};

pub(crate) mod health;

/// Clusters, as the name servers know them, and whether their servers are well
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the brokers of all clusters, with what each does at the moment
    #[command(after_help = "Examples:\n  mq cluster list\n  mq cluster list -o json --watch=5s")]
    List(List),
    /// Show whether the servers are well; exit code 10 if one is not
    #[command(
        after_help = "Examples:\n  mq cluster health\n  mq cluster health -o json || page somebody\n\n\
                      mq doctor looks at topics, groups and this host as well, and says what to do."
    )]
    Health(health::Args),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct ClusterRow named by broker {
        cluster: String,
        broker: String,
        broker_id: i64,
        address: String,
        version: Known<String>,
        in_per_second: Known<f64>,
        out_per_second: Known<f64>,
        disk_used_percent: Known<Option<f64>>,
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::List(args) => list(args, output).await,
        Command::Health(args) => health::run(args, output).await,
    }
}

async fn list(args: &List, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let brokers = admin.brokers().await;
        let brokers = brokers.map_err(|e| CliError::client("cannot list the brokers", &e))?;
        let rows = fan_out::all(brokers, |broker| {
            let admin = admin.clone();
            async move {
                let runtime = Known::from_result(admin.runtime(&broker.address).await);
                ClusterRow {
                    cluster: broker.cluster,
                    broker: broker.name,
                    broker_id: broker.id,
                    address: broker.address,
                    version: runtime.clone().map(|runtime| runtime.version),
                    in_per_second: runtime.clone().map(|runtime| runtime.in_per_second),
                    out_per_second: runtime.clone().map(|runtime| runtime.out_per_second),
                    disk_used_percent: runtime
                        .map(|runtime| runtime.disk_used.map(|used| used * 100.0)),
                }
            }
        });
        Ok(Report::from(rows.await))
    })
    .await
}
