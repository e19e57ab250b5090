//! Apache's `mqadmin` and start scripts, by their own names: the same verbs, letters and columns.
//!
//! A file per subject, as Apache groups them. A verb is its options, calls of the catalogue `client::admin`, and print
//! in Apache's formats; what Apache does wrong it does right where nobody can depend on the error: brokers are asked at
//! once, one that does not answer does not stop the others, errors are one line, exit codes are those of `mq`.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use client::Admin;

use self::call::{Call, Scope};
use self::options::{Opt, Options};
use crate::error::{CliError, Exit, Result};
use crate::output::Output;
use crate::profile::Cluster;
use crate::runtime::wait_for;

mod acl;
mod asking;
mod auth;
mod broker;
mod call;
mod cluster;
mod connection;
mod consumer;
mod export;
mod java;
mod message;
mod namesrv;
mod offset;
mod options;
mod programs;
mod progress;
mod replicas;
mod running_info;
mod stats;
mod storage;
mod topic;
mod trace;

/// Prints as Java's `printf` does, without a line end of its own.
macro_rules! out {
    ($call:expr, $($format:tt)*) => {
        $call.output.raw(format!($($format)*).as_bytes())?
    };
}
use out;

/// How long Apache's tool waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Set to 1: exit codes as Java's tools have them, 0 for all but unreadable options.
const EXIT_ZERO: &str = "MQADMIN_EXIT_ZERO";
/// Whose columns to print: `4.9` (default) or `5.3`.
const VERSION: &str = "MQADMIN_VERSION";

/// Where the tools of 4.9 and 5.3 print or read something differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    Four,
    Five,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<Exit>> + 'a>>;

/// One verb of `mqadmin`.
#[derive(Debug)]
struct Verb {
    name: &'static str,
    about: &'static str,
    options: &'static [Opt],
    run: for<'a> fn(&'a Call<'a>) -> Running<'a>,
}

/// Declares a verb: its name, what it does, its options, and the function that does it.
macro_rules! verb {
    ($name:literal, $about:literal, $run:path, [$($option:expr),* $(,)?]) => {
        $crate::dropin::Verb {
            name: $name,
            about: $about,
            options: &[$($option),*],
            run: |call| Box::pin($run(call)),
        }
    };
}
use verb;

/// All verbs, subject by subject.
fn verbs() -> impl Iterator<Item = &'static Verb> {
    [
        topic::VERBS,
        consumer::VERBS,
        progress::VERBS,
        broker::VERBS,
        message::VERBS,
        connection::VERBS,
        offset::VERBS,
        cluster::VERBS,
        namesrv::VERBS,
        stats::VERBS,
        export::VERBS,
        acl::VERBS,
        auth::VERBS,
        replicas::VERBS,
        storage::VERBS,
    ]
    .into_iter()
    .flatten()
}

/// Other names of a verb.
const ALIASES: [(&str, &str); 2] = [
    ("deleteAccessConfig", "deleteAclConfig"),
    ("getAccessConfigSubCommand", "getAclConfig"),
];

fn find(name: &str) -> Option<&'static Verb> {
    let name = ALIASES
        .iter()
        .find(|(alias, _)| alias.eq_ignore_ascii_case(name))
        .map_or(name, |(_, name)| name);
    verbs().find(|verb| verb.name.eq_ignore_ascii_case(name))
}

/// One of Apache's programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Mqadmin,
    Mqnamesrv,
    Mqbroker,
    Mqshutdown,
}

impl Program {
    /// What they are called.
    pub(crate) const NAMES: [&str; 4] = ["mqadmin", "mqnamesrv", "mqbroker", "mqshutdown"];

    /// The program that a command line means by its first word.
    pub(crate) fn called(program: Option<&OsString>) -> Option<Self> {
        let name = Path::new(program?).file_name().and_then(OsStr::to_str)?;
        match name {
            "mqadmin" => Some(Self::Mqadmin),
            "mqnamesrv" => Some(Self::Mqnamesrv),
            "mqbroker" => Some(Self::Mqbroker),
            "mqshutdown" => Some(Self::Mqshutdown),
            _ => None,
        }
    }

    /// Runs it with these words.
    pub(crate) fn run(self, words: &[String], output: &Output) -> Exit {
        let ended = match self {
            Self::Mqadmin => return mqadmin(&Cluster::default(), words, output),
            Self::Mqnamesrv => programs::mqnamesrv(words, output),
            Self::Mqbroker => programs::mqbroker(words, output),
            Self::Mqshutdown => programs::mqshutdown(words, output),
        };
        ended.unwrap_or_else(|error| output.error(&error))
    }
}

/// Runs `mqadmin` with these words, the program's name not among them; at this cluster, unless they say another.
pub(crate) fn mqadmin(cluster: &Cluster, words: &[String], output: &Output) -> Exit {
    let generation = match std::env::var(VERSION) {
        Ok(version) if version.starts_with('5') => Generation::Five,
        _ => Generation::Four,
    };
    let exit = run(cluster, words, generation, output).unwrap_or_else(|error| output.error(&error));
    let as_java = std::env::var(EXIT_ZERO).is_ok_and(|value| value == "1");
    match exit {
        Exit::Usage if as_java => Exit::Failed,
        _ if as_java => Exit::Done,
        exit => exit,
    }
}

fn run(
    cluster: &Cluster,
    words: &[String],
    generation: Generation,
    output: &Output,
) -> Result<Exit> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (name, words) = match words.as_slice() {
        [] | ["-h" | "--help" | "help"] => {
            output.raw(list(generation).as_bytes())?;
            return Ok(Exit::Done);
        }
        ["help", name] => {
            let verb = find(name).ok_or_else(|| unknown(name))?;
            let help =
                Options::new(verb.options, generation).help(&format!("mqadmin {}", verb.name));
            output.raw(help.as_bytes())?;
            return Ok(Exit::Done);
        }
        [name, words @ ..] => (*name, words),
    };
    let verb = find(name).ok_or_else(|| unknown(name))?;
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let options = Options::new(verb.options, generation);
    let given = match options.parse(&words) {
        Ok(given) => given,
        Err(problem) => {
            output.raw(options.help(&format!("mqadmin {}", verb.name)).as_bytes())?;
            return Err(CliError::usage(format!("{name}: {problem}")));
        }
    };
    if given.has("h") {
        output.raw(options.help(&format!("mqadmin {}", verb.name)).as_bytes())?;
        return Ok(Exit::Done);
    }
    let settings = cluster.at(given.get("n")).settings()?;
    let call = Call {
        verb,
        options,
        given,
        generation,
        output,
        admin: Admin::new(settings.client_to_ask(TIMEOUT)?),
        settings,
    };
    wait_for((verb.run)(&call))
}

/// What `mqadmin` prints when it is called with nothing.
fn list(generation: Generation) -> String {
    let width = match generation {
        Generation::Four => 20,
        Generation::Five => 35,
    };
    let mut text = "The most commonly used mqadmin commands are:\n".to_owned();
    for verb in verbs() {
        text += &format!("   {:<width$} {}\n", verb.name, verb.about);
    }
    text + "\nSee 'mqadmin help <command>' for more information on a specific command.\n"
}

fn unknown(name: &str) -> CliError {
    CliError::usage(format!("The sub command {name} not exist.")).did_you_mean(
        name,
        verbs().map(|verb| verb.name),
        "mqadmin without a word lists all",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_found_in_any_case() {
        let names: Vec<String> = verbs().map(|verb| verb.name.to_lowercase()).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert!(find("UPDATETOPIC").is_some_and(|verb| verb.name == "updateTopic"));
        assert!(find("nothing").is_none());
    }

    #[test]
    fn every_verb_has_help_in_both_generations() {
        for verb in verbs() {
            for generation in [Generation::Four, Generation::Five] {
                let help =
                    Options::new(verb.options, generation).help(&format!("mqadmin {}", verb.name));
                let start = format!("usage: mqadmin {}", verb.name);
                assert!(help.starts_with(&start), "{help}");
            }
        }
    }
}
