//! Settings of servers: the file given with `-c`, `--set key=value`, and what running servers say they are.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::Path;

use client::ClientError;
use client::checks::servers::same_value;
use remoting::protocol::properties::{self, Property};

use crate::error::{CliError, Result};
use crate::output::{Known, Report};

/// The text of a configuration file. What is not UTF-8 is read as Java reads it, one byte a character.
///
/// # Errors
/// Not found, or failed.
pub(crate) fn read(file: &Path) -> Result<String> {
    let what = format!("cannot read the configuration file {}", file.display());
    let bytes = fs::read(file).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => CliError::not_found(what)
            .because(&e)
            .hint("mq config template prints one to start from"),
        _ => CliError::failed(what).because(&e),
    })?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|e| e.as_bytes().iter().map(|byte| char::from(*byte)).collect()))
}

/// The name of a configuration file, and its settings.
pub(crate) type Entries = (String, Vec<Property>);

/// The settings of a configuration file.
///
/// # Errors
/// As [`read`]; usage, when it is no such file.
pub(crate) fn entries(file: &Path) -> Result<Entries> {
    let name = file.display().to_string();
    match properties::parse(&read(file)?) {
        Ok(entries) => Ok((name, entries)),
        Err(error) => Err(
            CliError::usage(format!("cannot read the configuration file {name}"))
                .because(&error)
                .hint("a backslash is written twice"),
        ),
    }
}

/// Reads `key=value`.
pub(crate) fn parse(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write key=value".to_owned()),
    }
}

/// Servers, and the settings of each, or why they are not known.
pub(crate) type Configs<S> = Vec<(S, Result<Vec<Property>, ClientError>)>;

/// The value that a server has for a key; the last one counts.
pub(crate) fn value_of(config: &[Property], key: &str) -> Option<String> {
    let property = config.iter().rfind(|property| property.key == key)?;
    Some(property.value.clone())
}

/// Whether a server has a new value, by what it says of its settings afterwards: Apache's servers say yes to anything.
/// `kind` is what the server is.
pub(crate) fn taken(config: &[Property], key: &str, value: &str, kind: &str) -> Known<String> {
    match value_of(config, key) {
        Some(now) if same_value(&now, value) => Known::Known("changed".to_owned()),
        Some(now) => Known::Unknown(format!("the {kind} has not taken it: still {now}")),
        None => Known::Unknown(format!("the {kind} no longer has it")),
    }
}

/// What each server has for these keys, or for all if there are none, in the order of the keys. `missing` tells of a server
/// that gave no answer.
pub(crate) fn report<S, R>(
    configs: Configs<S>,
    keys: &[String],
    missing: impl Fn(&S, &ClientError) -> String,
    row: impl Fn(&S, Property) -> R,
) -> Report<R> {
    let mut report = Report::from(Vec::new());
    for (server, config) in configs {
        match config {
            Err(error) => report.missing.push(missing(&server, &error)),
            Ok(mut config) => {
                config.retain(|property| keys.is_empty() || keys.contains(&property.key));
                config.sort_by(|a, b| a.key.cmp(&b.key));
                report
                    .rows
                    .extend(config.into_iter().map(|property| row(&server, property)));
            }
        }
    }
    report
}

/// Checks that some server which answered has each of these keys; when none answered, nothing is known. `kind` is what
/// the servers are, `list` the command that lists their settings.
///
/// # Errors
/// Not found, with the nearest key.
pub(crate) fn check_keys<'a, S>(
    wanted: impl Iterator<Item = &'a str>,
    configs: &Configs<S>,
    (kind, list): (&str, &str),
) -> Result<()> {
    if configs.iter().all(|(_, config)| config.is_err()) {
        return Ok(());
    }
    let known: BTreeSet<&str> = configs
        .iter()
        .flat_map(|(_, config)| config)
        .flatten()
        .map(|property| property.key.as_str())
        .collect();
    for key in wanted {
        if !known.contains(key) {
            let problem = format!("no {kind} has a setting '{key}'");
            let list = format!("{list} lists them");
            return Err(CliError::not_found(problem).did_you_mean(key, known, list));
        }
    }
    Ok(())
}

/// All that is wrong with a configuration, each on its line when there are several.
pub(crate) fn wrong(server: &str, errors: &[impl Display]) -> CliError {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let list = match lines.as_slice() {
        [one] => format!(" {one}"),
        several => several.iter().map(|line| format!("\n  {line}")).collect(),
    };
    CliError::usage(format!("the {server} cannot be configured:{list}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_and_value() {
        for (text, expected) in [
            ("a=b", Some(("a", "b"))),
            (" a = b=c ", Some(("a", "b=c"))),
            ("a=", Some(("a", ""))),
            ("=b", None),
            ("a", None),
        ] {
            let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!(parse(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_file_in_another_encoding_is_read_byte_by_byte() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("broker.conf");
        fs::write(&file, b"# \xc4\xe3\nlistenPort=1").unwrap();
        assert!(read(&file).unwrap().ends_with("\nlistenPort=1"));
        fs::write(&file, "# 你\n").unwrap();
        assert_eq!(read(&file).unwrap(), "# 你\n");
    }

    #[test]
    fn one_error_is_one_line() {
        let one = wrong("broker", &["a:1: x=y: no"]).to_string();
        assert_eq!(one, "error: the broker cannot be configured: a:1: x=y: no");
        let two = wrong("broker", &["one", "two"]).to_string();
        assert_eq!(two, "error: the broker cannot be configured:\n  one\n  two");
    }
}
