//! `mq dlq show`.

use client::dead_letters::{group_of, origin_topic, resent_times, topic_of};
use client::message::MessageExt;
use remoting::protocol::message::properties;

use crate::commands::message::{MessageLine, Select, search};
use crate::error::{CliError, Exit, Result};
use crate::lookup;
use crate::output::{Output, Report, row};
use crate::time;
use crate::watch::{self, Ask};

/// Show the dead letters of a group
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq dlq show billing\n  mq dlq show billing --from -1h -o wide\n  \
                  mq dlq show billing --key order-4711 -o json\n\n\
                  RESENT_TIMES is how often a message was sent again before it died this time; what was sent again\n\
                  since then, mq dlq resend billing --all --dry-run tells."
)]
pub(crate) struct Args {
    /// Name of the group
    group: String,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    ask: Ask,
}

row! {
    /// A dead letter, and what came of sending it again.
    struct DeadLetterRow named by message_id {
        message_id: String,
        group: String as wide,
        /// Where it was sent to at first.
        origin_topic: Option<String>,
        broker: String,
        queue_id: i32 as wide,
        queue_offset: i64,
        store_time: Option<String>,
        born_time: Option<String> as wide,
        reconsume_times: i32,
        /// How often it was sent again from the dead letters.
        resent_times: u32,
        tag: Option<String> as wide,
        keys: Option<String>,
        offset_message_id: String as wide,
        origin_message_id: Option<String> as wide,
        body: Option<String>,
        body_hex: Option<String> as wide,
    }
}

impl DeadLetterRow {
    fn of(group: &str, message: &MessageExt) -> Self {
        let (body, body_hex) = MessageLine::body(&message.body);
        Self {
            message_id: message.message_id().to_owned(),
            group: group.to_owned(),
            origin_topic: origin_topic(message).map(str::to_owned),
            broker: message.queue.broker_name.clone(),
            queue_id: message.queue.queue_id,
            queue_offset: message.queue_offset,
            store_time: time::rfc3339(message.store_timestamp),
            born_time: time::rfc3339(message.born_timestamp),
            reconsume_times: message.reconsume_times,
            resent_times: resent_times(message),
            tag: message.tags().map(str::to_owned),
            keys: message.keys().map(str::to_owned),
            offset_message_id: message.offset_message_id.clone(),
            origin_message_id: message
                .property(properties::ORIGIN_MESSAGE_ID)
                .map(str::to_owned),
            body,
            body_hex,
        }
    }
}

/// Fails if a group is not there; a group without dead letters is (`false`).
pub(super) async fn has_dead_letters(
    admin: &client::Admin,
    group: &str,
    missing: &mut Vec<String>,
) -> Result<bool> {
    let topic = topic_of(group);
    let (by_master, unanswered) = lookup::topics(admin).await?;
    missing.extend(unanswered);
    if by_master
        .iter()
        .any(|(_, topics)| topics.contains_key(&topic))
    {
        return Ok(true);
    }
    lookup::group(admin, group).await?;
    Ok(false)
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let group = group_of(&args.group);
    watch::rows(output, &args.ask, async |admin| {
        let mut missing = Vec::new();
        if !has_dead_letters(&admin, group, &mut missing).await? {
            return Ok(Report {
                rows: Vec::new(),
                missing,
            });
        }
        let found = search(&admin, &topic_of(group), &[], &args.select, |_| Ok(true)).await?;
        missing.extend(found.missing);
        if found.messages.is_empty() && missing.is_empty() && !args.select.is_everything() {
            return Err(
                CliError::not_found(format!("group '{group}' has no such dead letter"))
                    .hint(format!("see all of them: mq dlq show {group}")),
            );
        }
        let rows = found.messages.iter();
        Ok(Report {
            rows: rows
                .map(|message| DeadLetterRow::of(group, message))
                .collect(),
            missing,
        })
    })
    .await
}
