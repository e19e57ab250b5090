//! `mq status`: what runs on this host.

use crate::error::{Exit, Result};
use crate::instance::{Instance, Registry};
use crate::output::{Output, Read, Report, row};
use crate::time;
use crate::watch;

/// List the servers that run on this host
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mq status\n  mq status -o jsonl")]
pub(crate) struct Args {
    #[command(flatten)]
    read: Read,
}

row! {
    struct InstanceRow named by name {
        kind: String,
        name: String,
        pid: i32,
        addresses: Vec<String>,
        started: Option<String>,
        uptime: String,
        store: Option<String>,
        log: Option<String> as wide,
    }
}

impl From<Instance> for InstanceRow {
    fn from(instance: Instance) -> Self {
        let path = |path: std::path::PathBuf| path.display().to_string();
        let started = jiff::Timestamp::from_millisecond(instance.started_at_ms).unwrap_or_default();
        Self {
            kind: instance.kind.to_string(),
            name: instance.name,
            pid: instance.pid,
            addresses: instance.addresses,
            started: time::rfc3339(instance.started_at_ms),
            uptime: time::span(jiff::Timestamp::now().duration_since(started)),
            store: instance.store.map(path),
            log: instance.log.map(path),
        }
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let registry = Registry::open()?;
    watch::read(output, &args.read, async || {
        let running = registry.running()?.into_iter().map(InstanceRow::from);
        Ok(Report::from(running.collect::<Vec<_>>()))
    })
    .await
}
