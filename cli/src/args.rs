//! The root of the command line. Each noun declares its own arguments in `commands`.

use clap::{Parser, Subcommand};

use crate::commands::{
    broker, client, cluster, completion, config, consume, dev, dlq, group, install_links, message,
    namesrv, send, shutdown, status, store, topic, tui,
};

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
                  Exit codes: 0 done, 1 failed, 2 usage, 3 partly done or partly known, 4 not found, 5 refused"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dev(dev::Args),
    Namesrv(namesrv::Args),
    Broker(broker::Args),
    Shutdown(shutdown::Args),
    Status(status::Args),
    Config(config::Args),
    Cluster(cluster::Args),
    Topic(topic::Args),
    Group(group::Args),
    Message(message::Args),
    Dlq(dlq::Args),
    Client(client::Args),
    Send(send::Args),
    Consume(consume::Args),
    Store(store::Args),
    Tui(tui::Args),
    /// Apache's mqadmin: the same verbs, options and columns; without a verb, the list of all
    #[command(disable_help_flag = true)]
    Mqadmin {
        /// The verb and its options
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "VERB"
        )]
        words: Vec<String>,
    },
    InstallLinks(install_links::Args),
    Completion(completion::Args),
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
