//! `mq client list`.

use super::{Kind, connected};
use crate::error::{Exit, Result};
use crate::output::{Output, Report, row};
use crate::time;
use crate::watch::{self, Ask};

/// List connected producers and consumers, each with its groups
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq client list\n  mq client list --group billing\n  mq client list --kind producer -o wide"
)]
pub(crate) struct Args {
    /// Only of this producer or consumer group
    #[arg(short, long)]
    group: Option<String>,
    /// Only these
    #[arg(short, long, value_enum)]
    kind: Option<Kind>,
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct ClientRow named by client {
        client: String,
        kind: String,
        group: String,
        address: String,
        language: String,
        version: String,
        brokers: Vec<String>,
        last_heard_time: Option<String> as wide,
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let (clients, missing) = connected(&admin, args.group.as_deref(), args.kind).await?;
        let rows = clients.into_iter().map(|client| ClientRow {
            client: client.client,
            kind: client.kind.name().to_owned(),
            group: client.group,
            address: client.address,
            language: client.language,
            version: client.version,
            brokers: client
                .brokers
                .into_iter()
                .map(|broker| broker.name)
                .collect(),
            last_heard_time: client.heard_ms.and_then(time::rfc3339),
        });
        Ok(Report {
            rows: rows.collect(),
            missing,
        })
    })
    .await
}
