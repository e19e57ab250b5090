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

/// What became of a setting: of its key, the wanted value and the one before.
type Outcome<'a> = dyn Fn(&str, &str, Option<&str>) -> Known<String> + 'a;

/// Changes one name server, and says of each value whether it has it now.
async fn change(
    admin: &Admin,
    server: &str,
    before: Result<Vec<Property>, ClientError>,
    wanted: Vec<(String, String)>,
    dry_run: bool,
) -> Vec<ChangeRow> {
    let rows = |result: &Outcome<'_>| {
        let row = |(key, after): &(String, String)| {
            let before = match &before {
                Ok(config) => Known::Known(settings::value_of(config, key)),
                Err(error) => Known::Unknown(error.to_string()),
            };
            let value = match &before {
                Known::Known(value) => value.as_deref(),
                Known::Unknown(_) => None,
            };
            ChangeRow {
                server: server.to_owned(),
                key: key.clone(),
                result: result(key, after, value),
                before: before.clone(),
                after: after.clone(),
            }
        };
        wanted.iter().map(row).collect::<Vec<_>>()
    };
    if let Err(error) = &before {
        return rows(&|_, _, _| Known::Unknown(error.to_string()));
    }
    if dry_run {
        return rows(&|_, after, before| match before == Some(after) {
            true => "unchanged".to_owned().into(),
            false => "would be changed".to_owned().into(),
        });
    }
    let text = properties::render(wanted.iter().map(|(key, value)| (key, value)));
    let now = match admin.change_name_server_config(server, text).await {
        Ok(()) => admin.name_server_config(server).await,
        Err(error) => Err(error),
    };
    rows(&|key, after, before| match &now {
        Err(error) => Known::Unknown(error.to_string()),
        Ok(_) if before == Some(after) => "unchanged".to_owned().into(),
        Ok(config) => match settings::value_of(config, key) {
            Some(value) if value.eq_ignore_ascii_case(after) => "changed".to_owned().into(),
            value => Known::Unknown(format!(
                "the name server has not taken it: still {}",
                value.unwrap_or_default()
            )),
        },
    })
}
