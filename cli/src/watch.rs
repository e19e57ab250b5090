//! Reading once, or again and again (`--watch`).

use std::time::Duration;

use client::Admin;

use crate::error::{CliError, Exit, Result};
use crate::output::{Output, Read, Report, Row, Watched};
use crate::profile::Cluster;

/// Flags of every command that asks a cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    pub(crate) cluster: Cluster,
    #[command(flatten)]
    pub(crate) read: Read,
}

/// Asks a cluster, as [`read`] does.
pub(crate) async fn rows<R: Row>(
    output: &Output,
    how: &Ask,
    ask: impl AsyncFn(Admin) -> Result<Report<R>>,
) -> Result<Exit> {
    let admin = how.cluster.admin()?;
    read(output, &how.read, async || ask(admin.clone()).await).await
}

/// Asks and prints once, or until Ctrl-C. While watching, a failure is shown and the next try goes on.
pub(crate) async fn read<R: Row>(
    output: &Output,
    how: &Read,
    ask: impl AsyncFn() -> Result<Report<R>>,
) -> Result<Exit> {
    let Some(every) = how.watch else {
        return output.report(how.format, &ask().await?);
    };
    let every = Duration::try_from(every)
        .ok()
        .filter(|every| !every.is_zero());
    let every = every
        .ok_or_else(|| CliError::usage("--watch needs a span longer than nothing, like 2s"))?;
    let mut last = Watched::default();
    let watching = async {
        loop {
            match ask().await {
                Ok(report) => {
                    output.watch(how.format, &report, &mut last)?;
                }
                Err(error) => output.note(&error.to_string()),
            }
            tokio::time::sleep(every).await;
        }
    };
    tokio::select! {
        ended = watching => ended,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
    }
}
