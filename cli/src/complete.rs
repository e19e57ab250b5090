//! Names for completion: topics, groups and brokers of the cluster that the command line means, profiles, codes.
//!
//! Pressing Tab must not be felt: what was learnt is kept in a file for a while, asking ends after [`DEADLINE`], and when
//! nobody answers what was known before is offered. Nothing is ever printed but candidates.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser};
use clap_complete::{ArgValueCompleter, CompletionCandidate};
use client::names::{is_system_group, is_system_topic};
use client::{Admin, fan_out};
use etcetera::BaseStrategy;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use serde::{Deserialize, Serialize};

use crate::args::Cli;
use crate::config_file::ConfigFile;
use crate::profile::{Cluster, Settings};
use crate::runtime;

/// For asking; starting the process comes on top.
const DEADLINE: Duration = Duration::from_millis(40);
/// So long what was learnt is as good as new.
const FRESH: Duration = Duration::from_secs(10);
/// So long it is better than nothing.
const USEFUL: Duration = Duration::from_secs(24 * 3600);

/// Names of a cluster, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Names {
    topics: Vec<String>,
    groups: Vec<String>,
    brokers: Vec<String>,
}

/// The command line, with arguments that know what they may be. What an argument is follows from its name, so that every
/// command has it.
pub(crate) fn command() -> Command {
    with_values(Cli::command())
}

fn with_values(command: Command) -> Command {
    let is_broker = command.get_name() == "status" || command.get_name() == "drain";
    command
        .mut_args(|arg| completed(arg, is_broker))
        .mut_subcommands(with_values)
}

fn completed(arg: Arg, is_broker: bool) -> Arg {
    let values: fn() -> Vec<String> = match arg.get_id().as_str() {
        "topic" => || names().topics,
        "group" | "from_group" => || names().groups,
        "broker" => || names().brokers,
        "name" if is_broker => || names().brokers,
        "profile" => profiles,
        "code" => codes,
        _ => return arg,
    };
    arg.add(ArgValueCompleter::new(move |current: &OsStr| {
        let current = current.to_string_lossy().into_owned();
        let matching = values()
            .into_iter()
            .filter(move |value| value.starts_with(&current));
        matching.map(CompletionCandidate::new).collect::<Vec<_>>()
    }))
}

fn profiles() -> Vec<String> {
    let file = ConfigFile::read();
    file.map_or_else(
        |_| Vec::new(),
        |file| file.content.profile.into_keys().collect(),
    )
}

fn codes() -> Vec<String> {
    let responses = ResponseCode::ALL.iter().map(|code| code.name().to_owned());
    let requests = RequestCode::ALL.iter().map(|code| code.name().to_owned());
    responses.chain(requests).collect()
}

/// Where the cluster is, of all that is on a command line.
#[derive(Debug, Parser)]
struct Where {
    #[command(flatten)]
    cluster: Cluster,
}

/// Reads `-n` and `--profile` off the line being completed, which may be of any command and is not finished.
fn settings() -> Option<Settings> {
    let mut line = std::env::args().skip_while(|arg| arg != "--").skip(2);
    let mut wanted = vec!["mq".to_owned()];
    while let Some(arg) = line.next() {
        match arg.as_str() {
            "-n" | "--namesrv" | "--profile" => {
                if let Some(value) = line.next().filter(|value| !value.is_empty()) {
                    wanted.extend([arg, value]);
                }
            }
            _ if arg.starts_with("--namesrv=") || arg.starts_with("--profile=") => wanted.push(arg),
            _ => {}
        }
    }
    let matches = Where::command().try_get_matches_from(wanted).ok()?;
    Where::from_arg_matches(&matches)
        .ok()?
        .cluster
        .settings()
        .ok()
}

fn names() -> Names {
    let Some(settings) = settings() else {
        return Names::default();
    };
    let file = cache_file(&settings);
    let kept = file.as_ref().and_then(read);
    if let Some((names, age)) = &kept
        && *age < FRESH
    {
        return names.clone();
    }
    let asked = runtime::of_threads(1)
        .ok()
        .and_then(|runtime| runtime.block_on(ask(&settings)));
    match (asked, kept) {
        (Some(names), _) => {
            file.and_then(|file| write(&file, &names));
            names
        }
        (None, Some((names, age))) if age < USEFUL => names,
        _ => Names::default(),
    }
}

async fn ask(settings: &Settings) -> Option<Names> {
    let client = settings.client(DEADLINE).ok()?;
    let admin = Admin::new(client);
    let asking = async {
        let (topics, masters) = tokio::join!(admin.topic_names(), admin.masters());
        let masters = masters.ok()?;
        let mut brokers = Vec::from_iter(masters.iter().map(|broker| broker.name.clone()));
        let own = Vec::from_iter(masters.iter().map(|broker| broker.cluster.clone()));
        let groups = fan_out::all(masters, |broker| {
            let admin = admin.clone();
            async move { admin.groups(&broker.address).await.unwrap_or_default() }
        });
        let groups = groups.await.into_iter().flatten().map(|(name, _)| name);
        let mut groups = Vec::from_iter(groups.filter(|name| !is_system_group(name)));
        let mut topics = topics.ok()?;
        topics.retain(|topic| {
            let made = topic.starts_with("%DLQ%") || !is_system_topic(topic);
            made && !brokers.contains(topic) && !own.contains(topic)
        });
        for names in [&mut groups, &mut brokers] {
            names.sort();
            names.dedup();
        }
        Some(Names {
            topics,
            groups,
            brokers,
        })
    };
    tokio::time::timeout(DEADLINE, asking).await.ok()?
}

/// One file for each way to a cluster.
fn cache_file(settings: &Settings) -> Option<PathBuf> {
    let mut hasher = DefaultHasher::new();
    settings.namesrv.value.hash(&mut hasher);
    settings.rewrite.value.hash(&mut hasher);
    let base = etcetera::choose_base_strategy().ok()?;
    let folder = base.cache_dir().join("mq").join("completion");
    Some(folder.join(format!("{:016x}.json", hasher.finish())))
}

/// What was kept, and how old it is.
fn read(file: &PathBuf) -> Option<(Names, Duration)> {
    let written = std::fs::metadata(file).ok()?.modified().ok()?;
    let age = SystemTime::now()
        .duration_since(written)
        .unwrap_or_default();
    let names = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    Some((names, age))
}

/// Replaces the file as a whole: several shells may complete at once.
fn write(file: &PathBuf, names: &Names) -> Option<()> {
    let folder = file.parent()?;
    std::fs::create_dir_all(folder).ok()?;
    let mut new = tempfile::NamedTempFile::new_in(folder).ok()?;
    new.write_all(&serde_json::to_vec(names).ok()?).ok()?;
    new.persist(file).ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learnt_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b.json");
        let names = Names {
            topics: vec!["orders".to_owned()],
            ..Names::default()
        };
        write(&file, &names).unwrap();
        let (kept, age) = read(&file).unwrap();
        assert_eq!(kept, names);
        assert!(age < USEFUL);
        std::fs::write(&file, "{").unwrap();
        assert_eq!(read(&file), None);
    }

    #[test]
    fn completing_changes_nothing_about_the_command_line() {
        command().debug_assert();
    }
}
