//! One file per noun: arguments, what it does, its rows.

use clap::Subcommand;

use crate::dropin::mqadmin;
use crate::error::{Exit, Result};
use crate::output::Output;
use crate::profile::Cluster;
use crate::runtime::wait_for;

pub(crate) mod bench;
pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod consume;
pub(crate) mod dev;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod error;
pub(crate) mod group;
pub(crate) mod install_links;
pub(crate) mod man;
pub(crate) mod message;
pub(crate) mod namesrv;
pub(crate) mod profile;
pub(crate) mod schema;
pub(crate) mod send;
pub(crate) mod shutdown;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod topic;
pub(crate) mod tui;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dev(dev::Args),
    Namesrv(namesrv::Args),
    Broker(broker::Args),
    Shutdown(shutdown::Args),
    Status(status::Args),
    Config(config::Args),
    Profile(profile::Args),
    Cluster(cluster::Args),
    Topic(topic::Args),
    Group(group::Args),
    Message(message::Args),
    Dlq(dlq::Args),
    Client(client::Args),
    Send(send::Args),
    Consume(consume::Args),
    Bench(bench::Args),
    Store(store::Args),
    Doctor(doctor::Args),
    Tui(tui::Args),
    Error(error::Args),
    Schema(schema::Args),
    Man(man::Args),
    /// Apache's mqadmin: the same verbs, options and columns; without a verb, the list of all
    #[command(
        disable_help_flag = true,
        after_help = "Examples:\n  mq mqadmin clusterList\n  mq mqadmin topicList -c"
    )]
    Mqadmin {
        #[command(flatten)]
        cluster: Cluster,
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

/// Runs a command, with a runtime only if it needs one. `root` is the whole command line, for those that tell of it.
pub(crate) fn run(command: Command, root: fn() -> clap::Command, output: &Output) -> Result<Exit> {
    match command {
        Command::Completion(args) => completion::run(&args, output),
        Command::Error(args) => error::run(&args, output),
        Command::Man(args) => man::run(&args, root(), output),
        Command::Schema(args) => schema::run(&args, &root(), output),
        Command::Config(args) => config::run(&args, output),
        Command::Profile(args) => profile::run(&args, output),
        Command::Dev(args) => dev::run(&args, output),
        Command::Broker(args) => broker::run(args, output),
        Command::Namesrv(args) => namesrv::run(args, output),
        Command::Shutdown(args) => wait_for(shutdown::run(&args, output)),
        Command::Cluster(args) => wait_for(cluster::run(&args, output)),
        Command::Topic(args) => wait_for(topic::run(&args, output)),
        Command::Group(args) => wait_for(group::run(&args, output)),
        Command::Message(args) => wait_for(message::run(&args, output)),
        Command::Dlq(args) => wait_for(dlq::run(&args, output)),
        Command::Client(args) => wait_for(client::run(&args, output)),
        Command::Send(args) => wait_for(send::run(&args, output)),
        Command::Consume(args) => wait_for(consume::run(&args, output)),
        Command::Bench(args) => bench::run(&args, output),
        Command::Store(args) => store::run(&args, output),
        Command::InstallLinks(args) => install_links::run(&args, output),
        Command::Mqadmin { cluster, words } => Ok(mqadmin(&cluster, &words, output)),
        Command::Doctor(args) => wait_for(doctor::run(&args, output)),
        Command::Tui(args) => wait_for(tui::run(&args, output)),
        Command::Status(args) => wait_for(status::run(&args, output)),
    }
}
