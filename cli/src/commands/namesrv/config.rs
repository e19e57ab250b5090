//! `mq namesrv config`: settings of running name servers.

use clap::Subcommand;
use client::{Admin, ClientError, fan_out};
use remoting::protocol::properties::{self, Property};

use super::ask_all;
use crate::change::Unasked;
use crate::error::{Exit, Result};
use crate::output::{Known, Output, Report, row};
use crate::settings::{self, Configs};
use crate::watch::{self, Ask};

/// Settings of running name servers: show, change
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show settings, as the name servers have them now
    #[command(
        after_help = "Examples:\n  mq namesrv config get\n  mq namesrv config get orderMessageEnable -n 10.0.0.1:9876"
    )]
    Get(Get),
    /// Change settings of all name servers that are given; read back afterwards
    #[command(
        after_help = "Examples:\n  mq namesrv config set orderMessageEnable=true --dry-run\n  \
                            mq namesrv config set orderMessageEnable=true"
    )]
    Set(Set),
}

#[derive(Debug, clap::Args)]
struct Get {
    /// Only these settings
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The new values
    #[arg(value_name = "KEY=VALUE", value_parser = settings::parse, required = true)]
    settings: Vec<(String, String)>,
    #[command(flatten)]
    unasked: Unasked,
}

row! {
    struct SettingRow named by key {
        server: String,
        key: String,
        value: String,
    }
}

row! {
    struct ChangeRow named by server {
        server: String,
        key: String,
        before: Known<Option<String>>,
        after: String,
        result: Known<String>,
    }
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::Get(args) => get(args, output).await,
        Command::Set(args) => set(args, output).await,
    }
}

/// The settings of each name server.
///
/// # Errors
/// When none answered; not found, when none that did has one of `keys`.
async fn configs<'a>(
    admin: &Admin,
    keys: impl Iterator<Item = &'a str>,
) -> Result<Configs<String>> {
    let what = "cannot read the settings";
    let configs = ask_all(admin, what, |admin, server| async move {
        admin.name_server_config(&server).await
    })
    .await?;
    settings::check_keys(keys, &configs, ("name server", "mq namesrv config get"))?;
    Ok(configs)
}

async fn get(args: &Get, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let configs = configs(&admin, args.keys.iter().map(String::as_str)).await?;
        let missing =
            |server: &String, error: &ClientError| format!("name server {server}: {error}");
        let row = |server: &String, setting: Property| SettingRow {
            server: server.clone(),
            key: setting.key,
            value: setting.value,
        };
        Ok(settings::report(configs, &args.keys, missing, row))
    })
    .await
}

async fn set(args: &Set, output: &Output) -> Result<Exit> {
    let admin = args.unasked.admin(output)?;
    let keys = args.settings.iter().map(|(key, _)| key.as_str());
    let configs = configs(&admin, keys).await?;
    let rows = fan_out::all(configs, |(server, config)| {
        let (admin, wanted) = (admin.clone(), args.settings.clone());
        let dry_run = args.unasked.dry_run;
        async move { change(&admin, &server, config, wanted, dry_run).await }
    });
    let rows = rows.await.into_iter().flatten().collect::<Vec<_>>();
    let what = "cannot change the settings of any name server";
    output.results(args.unasked.print.format, &Report::from(rows), what)
}

/// Changes one name server, and says of each value whether it has it now.
async fn change(
    admin: &Admin,
    server: &str,
    before: Result<Vec<Property>, ClientError>,
    wanted: Vec<(String, String)>,
    dry_run: bool,
) -> Vec<ChangeRow> {
    let text = properties::render(wanted.iter().map(|(key, value)| (key, value)));
    let now = match &before {
        Ok(_) if !dry_run => match admin.change_name_server_config(server, text).await {
            Ok(()) => Some(admin.name_server_config(server).await),
            Err(error) => Some(Err(error)),
        },
        _ => None,
    };
    let row = |(key, after): (String, String)| {
        let before =
            Known::from_result(before.as_ref()).map(|config| settings::value_of(config, &key));
        let result = match (&before, &now) {
            (Known::Unknown(why), _) => Known::Unknown(why.clone()),
            (_, Some(Err(error))) => Known::Unknown(error.to_string()),
            (Known::Known(Some(before)), _) if *before == after => "unchanged".to_owned().into(),
            (_, None) => "would be changed".to_owned().into(),
            (_, Some(Ok(config))) => settings::taken(config, &key, &after, "name server"),
        };
        ChangeRow {
            server: server.to_owned(),
            key,
            before,
            after,
            result,
        }
    };
    wanted.into_iter().map(row).collect()
}
