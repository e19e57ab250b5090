//! `mq broker list`: who there is, and where. Nobody but the name servers is asked.

use crate::error::{CliError, Exit, Result};
use crate::output::{Output, Report, row};
use crate::watch::{self, Ask};

/// List the brokers that the name servers know, with the addresses they advertise
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mq broker list\n  mq broker list -o name")]
pub(super) struct Args {
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct BrokerRow named by broker {
        broker: String,
        broker_id: i64,
        role: String,
        cluster: String,
        address: String,
    }
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let brokers = admin.brokers().await;
        let brokers = brokers.map_err(|e| CliError::client("cannot list the brokers", &e))?;
        let row = |broker: client::admin::Broker| BrokerRow {
            role: if broker.is_master() {
                "master"
            } else {
                "slave"
            }
            .to_owned(),
            broker: broker.name,
            broker_id: broker.id,
            cluster: broker.cluster,
            address: broker.address,
        };
        Ok(Report::from(
            brokers.into_iter().map(row).collect::<Vec<_>>(),
        ))
    })
    .await
}
