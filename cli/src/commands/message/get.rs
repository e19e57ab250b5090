//! `mq message get`.

use client::Admin;
use client::admin::KeyQuery;
use client::message::MessageExt;
use remoting::protocol::message::id::decode_offset_message_id;

use super::MessageRow;
use crate::error::{CliError, Exit, Result};
use crate::lookup::split;
use crate::output::{Output, Report};
use crate::profile::masters;
use crate::watch::{self, Ask};

/// Look up messages by id or by key
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq message get 7F00000100002A9F0000000000000316\n  \
                  mq message get 7F0000010B5818B4AAC24C1E1AE40000 --topic orders\n  \
                  mq message get --key order-4711 --topic orders -o json"
)]
pub(crate) struct Args {
    /// The id that a send answered: of the client (needs --topic), or of the place in the broker's log
    #[arg(required_unless_present = "key", conflicts_with = "key")]
    id: Option<String>,
    /// All messages with this key (needs --topic)
    #[arg(short, long, requires = "topic")]
    key: Option<String>,
    /// Name of the topic
    #[arg(short, long)]
    topic: Option<String>,
    /// At most so many, the newest of each broker
    #[arg(long, default_value_t = 64)]
    max: u32,
    #[command(flatten)]
    ask: Ask,
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let mut missing = Vec::new();
        let found = find(args, &admin, &mut missing).await?;
        if found.is_empty() && missing.is_empty() {
            let wanted = args
                .key
                .as_deref()
                .or(args.id.as_deref())
                .unwrap_or_default();
            return Err(
                CliError::not_found(format!("there is no message '{wanted}'"))
                    .hint("it may have expired; keys and ids are found in their own topic only"),
            );
        }
        Ok(Report {
            rows: found.iter().map(MessageRow::from).collect(),
            missing,
        })
    })
    .await
}

async fn find(args: &Args, admin: &Admin, missing: &mut Vec<String>) -> Result<Vec<MessageExt>> {
    let masters = masters(admin).await?;
    let id = args.id.as_deref().unwrap_or_default();
    let Some(topic) = &args.topic else {
        let (host, offset) = decode_offset_message_id(id).map_err(|_| {
            CliError::usage(format!("'{id}' is not the id of a place in a broker's log"))
                .hint(format!("for the id that a client gave, name its topic: mq message get {id} --topic TOPIC"))
        })?;
        let address = host.to_string();
        let known = masters.iter().find(|broker| broker.address == address);
        let name = known.map_or(address.as_str(), |broker| broker.name.as_str());
        let found = admin.message_at(&address, name, offset).await;
        let found =
            found.map_err(|e| CliError::client(format!("cannot get message '{id}'"), &e))?;
        return Ok(found.into_iter().collect());
    };
    let (key, unique) = match &args.key {
        Some(key) => (key.as_str(), false),
        None => (id, true),
    };
    let query = KeyQuery {
        enough: args.max as usize,
        ..KeyQuery::all(topic, key, unique)
    };
    let answers = admin.each(masters, |admin, broker| {
        let query = query.clone();
        async move { admin.messages_by_key(&broker, &query).await }
    });
    let (answers, unanswered) = split(answers.await);
    missing.extend(unanswered);
    let mut found = Vec::new();
    for (_, answer) in answers {
        let mut messages = answer.messages;
        messages.sort_by_key(|message| std::cmp::Reverse(message.store_timestamp));
        messages.truncate(query.enough);
        found.extend(messages);
    }
    found.sort_by_key(|message| message.store_timestamp);
    Ok(found)
}
