//! `mq schema`: the contract of machine-readable output, made of the row types.

use clap::Command;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{
    bench, broker, client, cluster, config, dlq, doctor, error, group, message, namesrv, profile,
    status, store, topic,
};
use crate::commands::man;
use crate::error::{CliError, Exit, Result};
use crate::output::Output;

/// Of all schemas together. A new field or command raises it as well: whoever reads strictly wants to know.
const VERSION: u32 = 2;

/// Print the JSON schema of what a command prints with -o json; without a command, of all
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq schema topic list\n  mq schema topic list | jq '.items.properties | keys'\n  mq schema > mq-schema.json\n\n\
                  -o jsonl prints the items one per line, as mq consume and mq message tail do with -o json; -o csv the same fields as columns. A value that could not be learnt \
                  is {\"unknown\": \"why\"}. The version changes with any schema."
)]
pub(crate) struct Args {
    /// The command
    command: Vec<String>,
}

type Schema = (&'static str, fn() -> Value);

/// Every command that prints rows, by its path.
const SCHEMAS: &[Schema] = &[
    ("bench consume", of::<bench::report::Measured>),
    ("bench e2e", of::<bench::report::Measured>),
    ("bench mixed", of::<bench::report::Measured>),
    ("bench send", of::<bench::report::Measured>),
    ("broker check", of::<broker::check::SettingRow>),
    ("broker config diff", of::<broker::config::DifferenceRow>),
    ("broker config get", of::<broker::config::SettingRow>),
    ("broker config set", of::<broker::config::ChangeRow>),
    ("broker drain", of::<broker::drain::DrainRow>),
    ("broker list", of::<broker::list::BrokerRow>),
    ("broker status", of::<broker::status::StatusRow>),
    ("client list", of::<client::list::ClientRow>),
    ("client show", client_show),
    ("cluster health", of::<cluster::health::HealthRow>),
    ("cluster list", of::<cluster::ClusterRow>),
    ("config template", of::<config::TemplateRow>),
    ("consume", of::<message::MessageLine>),
    ("dlq list", of::<dlq::list::DeadRow>),
    ("dlq resend", of::<dlq::resend::ResentRow>),
    ("dlq show", of::<dlq::show::DeadLetterRow>),
    ("doctor", of::<doctor::FindingRow>),
    ("error", of::<error::CodeRow>),
    ("group clone", of::<group::reset::MoveRow>),
    ("group create", of::<group::write::ChangeRow>),
    ("group delete", of::<group::delete::DeletedRow>),
    ("group lag", group_lag),
    ("group list", of::<group::list::GroupRow>),
    ("group members", of::<group::members::MemberRow>),
    ("group reset", of::<group::reset::MoveRow>),
    ("group show", of::<group::show::GroupOnBrokerRow>),
    ("group update", of::<group::write::ChangeRow>),
    ("message find", of::<message::MessageRow>),
    ("message get", of::<message::MessageRow>),
    ("message tail", of::<message::MessageLine>),
    ("message trace", of::<message::trace::TraceRow>),
    ("namesrv config get", of::<namesrv::config::SettingRow>),
    ("namesrv config set", of::<namesrv::config::ChangeRow>),
    ("namesrv kv delete", of::<namesrv::kv::ChangeRow>),
    ("namesrv kv get", of::<namesrv::kv::KvRow>),
    ("namesrv kv list", of::<namesrv::kv::KvRow>),
    ("namesrv kv set", of::<namesrv::kv::ChangeRow>),
    ("profile list", of::<profile::ProfileRow>),
    ("profile show", of::<profile::ValueRow>),
    ("status", of::<status::InstanceRow>),
    ("store clean", of::<store::clean::CleanRow>),
    ("store info", store_info),
    ("store rebuild", store_rebuild),
    ("store verify", of::<store::verify::FindingRow>),
    ("topic create", of::<topic::change::ChangeRow>),
    ("topic delete", of::<topic::change::ChangeRow>),
    ("topic list", of::<topic::show::TopicRow>),
    ("topic perm", topic_perm),
    ("topic route", of::<topic::show::RouteRow>),
    ("topic show", of::<topic::show::TopicOnBrokerRow>),
    ("topic stats", of::<topic::show::QueueRow>),
    ("topic update", of::<topic::change::ChangeRow>),
];

/// By topic, or, with `--queues`, by queue.
fn group_lag() -> Value {
    json!({"anyOf": [of::<group::lag::LagRow>(), of::<group::lag::QueueLagRow>()]})
}

/// Of the whole, or, with `--topics`, `--queues` and `--files`, of its parts.
fn store_info() -> Value {
    use store::info::{FileRow, QueueRow, StoreRow, TopicRow};
    json!({"anyOf": [of::<StoreRow>(), of::<TopicRow>(), of::<QueueRow>(), of::<FileRow>()]})
}

/// What was built, or, with `--undo` and `--delete-old`, what becomes of the old.
fn store_rebuild() -> Value {
    json!({"anyOf": [of::<store::rebuild::RebuiltRow>(), of::<store::rebuild::FolderRow>()]})
}

/// By queue, or what `--settings`, `--stacks` and rates ask for.
fn client_show() -> Value {
    use client::show::{OwnedQueueRow, RateRow, SettingRow, StackRow};
    json!({"anyOf": [of::<OwnedQueueRow>(), of::<RateRow>(), of::<SettingRow>(), of::<StackRow>()]})
}

/// What the permission is, or, when it is changed, the change.
fn topic_perm() -> Value {
    json!({"anyOf": [of::<topic::change::PermRow>(), of::<topic::change::ChangeRow>()]})
}

fn of<R: JsonSchema>() -> Value {
    let settings = SchemaSettings::default().for_serialize();
    // So that schemas can be put together.
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Vec<R>>();
    schema.to_value()
}

/// All of them, under their version.
fn all() -> Value {
    let commands = SCHEMAS.iter();
    let commands = commands.map(|(path, schema)| ((*path).to_owned(), schema()));
    json!({"version": VERSION, "commands": commands.collect::<serde_json::Map<_, _>>()})
}

/// `root`: the whole command line.
pub(crate) fn run(args: &Args, root: &Command, output: &Output) -> Result<Exit> {
    let schema = if args.command.is_empty() {
        all()
    } else {
        man::find(root, &args.command)?;
        let path = args.command.join(" ");
        let found = SCHEMAS.iter().find(|(known, _)| *known == path);
        let (_, schema) = found.ok_or_else(|| {
            CliError::not_found(format!("mq {path} prints no rows"))
                .hint("mq schema | jq '.commands | keys' lists the commands that do")
        })?;
        let mut schema = schema();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("x-version".to_owned(), VERSION.into());
        }
        schema
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|e| CliError::failed("cannot write the schema").because(&e))?;
    output.line(&text)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    /// The contract as it was last agreed on.
    const AGREED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json");
    /// A line for each version: its number, and a digest of its schemas. Lines are only ever added.
    const VERSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema-versions.txt");

    /// What the lines are once `version` has these schemas.
    fn agree(lines: &str, version: u32, commands: &str) -> Result<String, &'static str> {
        let digest = format!("{:08x}", crc32fast::hash(commands.as_bytes()));
        let of_last = lines.lines().last().and_then(|line| line.split_once(' '));
        let (last, agreed) = of_last.ok_or("there is no version yet")?;
        match last.parse::<u32>().map(|last| version.cmp(&last)) {
            Ok(Ordering::Equal) if digest == agreed => Ok(lines.to_owned()),
            Ok(Ordering::Equal) => Err(
                "the output of commands has changed: raise VERSION and name the change in CHANGELOG.md",
            ),
            Ok(Ordering::Greater) => Ok(format!("{lines}{version} {digest}\n")),
            Ok(Ordering::Less) => Err("VERSION never falls"),
            Err(_) => Err("the last line begins with no number"),
        }
    }

    #[test]
    fn a_schema_changes_only_with_the_version() {
        let now = all();
        let lines = std::fs::read_to_string(VERSIONS).unwrap();
        let agreed = agree(&lines, VERSION, &now["commands"].to_string()).unwrap();
        let text = serde_json::to_string_pretty(&now).unwrap() + "\n";
        if std::env::var_os("MQ_WRITE_SCHEMA").is_some() {
            std::fs::write(VERSIONS, &agreed).unwrap();
            std::fs::write(AGREED, &text).unwrap();
        }
        let written = [VERSIONS, AGREED].map(|file| std::fs::read_to_string(file).unwrap());
        assert!(
            written == [agreed, text],
            "run this test with MQ_WRITE_SCHEMA=1 to write cli/schema.json and cli/schema-versions.txt"
        );
    }

    #[test]
    fn an_agreed_version_has_one_shape() {
        let first = agree("1 00000000\n", 2, "{}").unwrap();
        assert_eq!(agree(&first, 2, "{}").unwrap(), first);
        assert!(agree(&first, 2, r#"{"topic list":{}}"#).is_err());
        assert!(agree(&first, 1, "{}").is_err());
        let second = agree(&first, 3, r#"{"topic list":{}}"#).unwrap();
        assert!(second.starts_with(&first) && second.len() > first.len());
    }

    #[test]
    fn every_command_that_prints_rows_has_a_schema() {
        fn check(command: &Command, path: &str) {
            let prints_rows = command.get_arguments().any(|arg| {
                let values = arg.get_possible_values();
                let has = |name| values.iter().any(|value| value.get_name() == name);
                has("csv") && has("jsonl")
            });
            if prints_rows {
                let known = SCHEMAS.iter().any(|(known, _)| *known == path);
                assert!(known, "mq {path} has no schema");
            }
            for sub in command.get_subcommands() {
                check(sub, format!("{path} {}", sub.get_name()).trim());
            }
        }
        check(&Cli::command(), "");
    }
}
