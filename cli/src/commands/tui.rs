//! `mq tui`: the dashboard.

use std::time::Duration;

use client::{Client, ClientOptions};

use crate::error::{CliError, Exit, Result};
use crate::profile::Cluster;

/// A broker that answers later than this counts as dead for the round; the next one asks it again.
const TIMEOUT: Duration = Duration::from_millis(1_500);

/// Watch a cluster: brokers, topics, groups, what falls behind and what is wrong
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mq tui\n  mq tui -n 10.0.0.1:9876 --ascii")]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: Cluster,
    /// Colours: of the terminal, for the colour-blind, or none [default: default, none if NO_COLOR is set]
    #[arg(long, value_enum)]
    palette: Option<Palette>,
    /// Use ASCII characters only
    #[arg(long)]
    ascii: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Palette {
    Default,
    ColorBlind,
    None,
}

pub(crate) async fn run(args: &Args) -> Result<Exit> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let palette = match args.palette {
        Some(Palette::Default) => tui::Palette::Default,
        Some(Palette::ColorBlind) => tui::Palette::ColorBlind,
        Some(Palette::None) => tui::Palette::None,
        None if no_color => tui::Palette::None,
        None => tui::Palette::Default,
    };
    let options = ClientOptions {
        name_servers: args.cluster.namesrv_addresses()?,
        timeout: TIMEOUT,
        ..ClientOptions::default()
    };
    let client = Client::new(options)
        .map_err(|e| CliError::failed("cannot start the client").because(&e))?;
    let options = tui::Options {
        source: args.cluster.describe(),
        theme: tui::Theme {
            palette,
            ascii: args.ascii,
        },
    };
    tui::run(client, options)
        .await
        .map(|()| Exit::Done)
        .map_err(|e| {
            CliError::failed("cannot show the dashboard")
                .because(&e)
                .hint("run it in a terminal")
        })
}
