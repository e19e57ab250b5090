//! The root of the command line: what stands in front of a command. The commands are in `commands`.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};

use crate::commands::Command;
use crate::profile::BeforeCommand;

/// A RocketMQ-compatible name server and broker, and the tools to operate them
#[derive(Debug, Parser)]
#[command(
    name = "mq",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Start with:\n  mq dev                      a name server and a broker on this machine\n  \
                  mq send orders 'hello'      in a second terminal\n  \
                  mq consume orders --from first\n\n\
                  -n HOST:PORT and --profile NAME say which cluster is meant, before the command or behind it.\n\n\
                  Exit codes: 0 done, 1 failed, 2 usage, 3 partly done or partly known, 4 not found, 5 refused,\n\
                  10 unhealthy"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    before: BeforeCommand,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads a command line; the names of options that were given to a command which has no use for them come with it.
    pub(crate) fn read(args: Vec<OsString>) -> Result<(Self, Vec<&'static str>), clap::Error> {
        let matches = Self::command().try_get_matches_from(args)?;
        let unused = unused(Self::command(), &matches);
        Ok((Self::from_arg_matches(&matches)?, unused))
    }
}

/// Those of the flags in [`BeforeCommand`] that were given, and that the command itself does not have.
fn unused(root: clap::Command, matches: &ArgMatches) -> Vec<&'static str> {
    let (mut command, mut matches) = (&root, matches);
    while let Some((name, below)) = matches.subcommand()
        && let Some(found) = command.find_subcommand(name)
    {
        (command, matches) = (found, below);
    }
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let known = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
    let flags = ["namesrv", "profile"].into_iter();
    flags.filter(|id| given(id) && !known(id)).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_without_use_are_named() {
        let unused = |line: &str| {
            let args = line.split(' ').map(OsString::from).collect();
            Cli::read(args).expect(line).1
        };
        assert_eq!(unused("mq -n a:1 topic list"), [""; 0]);
        assert_eq!(unused("mq --profile p topic list -n a:1"), [""; 0]);
        assert_eq!(unused("mq -n a:1 mqadmin topicList"), [""; 0]);
        assert_eq!(unused("mq store info s -n a:1"), ["namesrv"]);
        assert_eq!(unused("mq --profile p dev"), ["profile"]);
    }

    /// The `mq` calls in a text as people would type them, words apart. What follows two blanks is a remark.
    fn calls(text: &str) -> Vec<Vec<String>> {
        let lines = text.lines().map(str::trim);
        let parts = lines.flat_map(|line| line.split('|')).map(str::trim);
        parts
            .filter(|part| part.starts_with("mq "))
            .map(|part| words(part.split("   ").next().unwrap_or(part)))
            .collect()
    }

    /// As a shell splits them, up to a redirection or remark.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        for c in line.chars().chain([' ']) {
            match (quote, c) {
                (Some(q), c) if q == c => quote = None,
                (Some(_), c) => word.push(c),
                (None, '\'' | '"') => quote = Some(c),
                (None, '>' | '#' | '&') => break,
                (None, ' ') if word.is_empty() => {}
                (None, ' ') => words.push(std::mem::take(&mut word)),
                (None, c) => word.push(c),
            }
        }
        words
    }

    #[test]
    fn every_example_is_a_command_line() {
        fn collect(command: &clap::Command, into: &mut Vec<Vec<String>>) {
            let help = command.get_after_help().map(ToString::to_string);
            // Notes are not indented.
            let help = help.unwrap_or_default();
            let examples = help.lines().filter(|line| line.starts_with("  "));
            into.extend(examples.flat_map(calls));
            for sub in command.get_subcommands() {
                collect(sub, into);
            }
        }
        let mut examples = Vec::new();
        collect(&Cli::command(), &mut examples);
        let readme = include_str!("../../README.md");
        let blocks = readme.split("```sh\n").skip(1);
        let blocks = blocks.filter_map(|block| block.split("```").next());
        examples.extend(blocks.flat_map(calls));
        assert!(examples.len() > 80, "{}", examples.len());
        for words in examples {
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{words:?}: {error}");
            }
        }
    }

    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let help = command.get_after_help().map(ToString::to_string);
            let leaf = command.get_subcommands().next().is_none();
            assert!(
                !leaf || help.is_some_and(|help| help.contains(path)),
                "{path} has no example"
            );
            for sub in command.get_subcommands() {
                check(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        check(&Cli::command(), "mq");
    }

    #[test]
    fn every_command_and_flag_has_help() {
        fn check(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path} has no help");
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                assert!(
                    arg.get_help().is_some(),
                    "{path}: {} has no help",
                    arg.get_id()
                );
            }
            for sub in command.get_subcommands() {
                check(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        check(&Cli::command(), "mq");
    }
}
