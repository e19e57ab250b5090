//! `mq profile`: what commands go by, and where it comes from.

use std::collections::BTreeMap;

use clap::Subcommand;

use crate::config_file::ConfigFile;
use crate::error::{Exit, Result};
use crate::output::{Output, Print, Report, row};
use crate::profile::{Cluster, Origin};

/// Profiles: named clusters in config.toml
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLE: &str = "The file is config.toml in mq's folder below the user's configuration folder (~/.config/mq), or the \
one that MQ_CONFIG names:

  default_profile = 'local'

  [profile.local]
  namesrv = '127.0.0.1:9876'

  [profile.live]
  namesrv = '10.0.0.1:9876;10.0.0.2:9876'
  read_only = true               # whatever changes something is refused, exit code 5
  prod = true                    # changes at a terminal want the profile's name typed

  [profile.live.rewrite]         # what brokers advertise, and where they are reached from here
  '172.17.0.2:10911' = 'gateway:20911'
  '10.8.*' = '127.0.0.1'         # the port stays

A flag counts more than the environment (MQ_PROFILE, NAMESRV_ADDR), that more than the profile.";

#[derive(Debug, Subcommand)]
enum Command {
    /// List the profiles
    #[command(after_help = "Examples:\n  mq profile list\n  mq profile list -o name")]
    List(List),
    /// Show what a command would go by, and where each value comes from
    #[command(
        after_help = format!("Examples:\n  mq profile show\n  mq profile show --profile live -o json\n\n{EXAMPLE}")
    )]
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    print: Print,
}

#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    print: Print,
}

row! {
    struct ProfileRow named by profile {
        profile: String,
        default: bool,
        namesrv: Option<String>,
        read_only: bool,
        prod: bool,
        rewrite: BTreeMap<String, String>,
    }
}

row! {
    struct ValueRow named by setting {
        setting: String,
        value: String,
        origin: String,
    }
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    match &args.command {
        Command::List(args) => list(args, output),
        Command::Show(args) => show(args, output),
    }
}

fn list(args: &List, output: &Output) -> Result<Exit> {
    let file = ConfigFile::read()?;
    let default = file.content.default_profile.as_ref();
    let rows = file.content.profile.iter().map(|(name, profile)| {
        let rewrite = profile.rewrite.iter();
        let flag = |flag: &Option<toml::Spanned<bool>>| flag.as_ref().is_some_and(|f| *f.get_ref());
        ProfileRow {
            profile: name.clone(),
            default: default.is_some_and(|default| default.get_ref() == name),
            namesrv: profile.namesrv.as_ref().map(|n| n.get_ref().clone()),
            read_only: flag(&profile.read_only),
            prod: flag(&profile.prod),
            rewrite: rewrite
                .map(|(from, to)| (from.clone(), to.get_ref().clone()))
                .collect(),
        }
    });
    let rows: Vec<ProfileRow> = rows.collect();
    if rows.is_empty() {
        let path = file.path.display();
        output.note(&format!(
            "there are no profiles in {path}; mq profile show --help shows how they look"
        ));
    }
    output.report(args.print.format, &Report::from(rows))
}

fn show(args: &Show, output: &Output) -> Result<Exit> {
    let settings = args.cluster.settings()?;
    let row = |setting: &str, value: String, origin: &str| ValueRow {
        setting: setting.to_owned(),
        value,
        origin: origin.to_owned(),
    };
    let flag =
        |setting: &str, flag: &Origin<bool>| row(setting, flag.value.to_string(), &flag.origin);
    let profile = settings.profile.value.unwrap_or_default();
    let rules = settings.rewrite.value.iter();
    let rules = Vec::from_iter(rules.map(|(from, to)| format!("{from} → {to}"))).join("; ");
    let rows = vec![
        row(
            "file",
            settings.file,
            "MQ_CONFIG or the user's configuration folder",
        ),
        row("profile", profile, &settings.profile.origin),
        row("namesrv", settings.namesrv.value, &settings.namesrv.origin),
        flag("read_only", &settings.read_only),
        flag("prod", &settings.prod),
        row("rewrite", rules, &settings.rewrite.origin),
    ];
    output.report(args.print.format, &Report::from(rows))
}
