//! `mq dlq resend`: giving dead letters to their group once more.
//!
//! What is sent, and what is not, is for `client::dead_letters` to say.

use std::time::Duration;

use client::Admin;
use client::dead_letters::{
    Fate, come_back_at_once, group_of, origin_topic, send, topic_of, was_sent,
};
use client::names::RETRY_PREFIX;

use super::show::has_dead_letters;
use crate::change::Change;
use crate::commands::group::member_count;
use crate::commands::message::{Select, search};
use crate::error::{CliError, Exit, Result};
use crate::lookup;
use crate::output::{Known, Output, Report, row};
use crate::profile::masters;
use crate::progress;

/// Send dead letters to their group once more
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq dlq resend billing --id 7F0000010B5818B4AAC24C1E1AE40000\n  \
                  mq dlq resend billing --from -1h --dry-run\n  mq dlq resend billing --all --rate 50 --yes\n  \
                  mq dlq resend billing --all --to-topic orders     to everybody who consumes orders\n\n\
                  Only this group gets them, through its retry topic; its tries begin anew. The dead letters stay where they\n\
                  are, and one that was sent already is not sent again. One that came back --max-resends times is refused."
)]
pub(crate) struct Args {
    /// Name of the group
    group: String,
    #[command(flatten)]
    select: Select,
    /// All of them
    #[arg(long)]
    all: bool,
    /// To this topic instead, for all groups that consume it
    #[arg(long, value_name = "TOPIC")]
    to_topic: Option<String>,
    /// Refuse what was sent again so often already, and has come back
    #[arg(long, value_name = "TIMES", default_value_t = 1)]
    max_resends: u32,
    /// Messages per second, at most
    #[arg(short, long, value_name = "PER SECOND")]
    rate: Option<f64>,
    #[command(flatten)]
    change: Change,
}

row! {
    struct ResentRow named by message_id {
        message_id: String,
        broker: String,
        queue_offset: i64,
        origin_topic: Option<String>,
        keys: Option<String>,
        to: String,
        result: Known<String>,
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let pause = match args.rate {
        None => None,
        Some(rate) if rate.is_finite() && rate > 0.0 => Some(Duration::from_secs_f64(1.0 / rate)),
        Some(_) => return Err(CliError::usage("--rate needs a number above 0")),
    };
    let group = group_of(&args.group);
    let what = format!("cannot send dead letters of group '{group}'");
    if args.select.is_everything() && !args.all {
        return Err(CliError::usage(format!("{what}: which ones?")).hint(
            "choose by --id, --key, --from, --to, --tag or --body; --all sends all; mq dlq show lists them",
        ));
    }
    let admin = args.change.admin(output)?;
    let mut missing = Vec::new();
    let there = has_dead_letters(&admin, group, &mut missing).await?;
    let found = match there {
        true => search(&admin, &topic_of(group), &[], &args.select, |_| Ok(true)).await?,
        false => Default::default(),
    };
    missing.extend(found.missing);
    if found.messages.is_empty() {
        return Err(match missing.first() {
            Some(why) => CliError::failed(format!("{what}: {why}")),
            None if args.all => CliError::not_found(format!("group '{group}' has no dead letters")),
            None => CliError::not_found(format!("group '{group}' has no such dead letter"))
                .hint(format!("see all of them: mq dlq show {group}")),
        });
    }
    let to = match &args.to_topic {
        Some(topic) => {
            lookup::topic(&admin, topic).await?;
            topic.clone()
        }
        None => {
            retries_are_possible(&admin, group, &what).await?;
            format!("{RETRY_PREFIX}{group}")
        }
    };
    let masters = masters(&admin).await?;
    let mut plan = Vec::new();
    for message in found.messages {
        let sent = was_sent(&admin, &masters, &to, &message).await;
        let fate = Fate::of(&message, args.max_resends, args.to_topic.is_none(), sent);
        plan.push((message, fate));
    }
    let count =
        |wanted: &dyn Fn(&Fate) -> bool| plan.iter().filter(|(_, fate)| wanted(fate)).count();
    let sending = count(&|fate| *fate == Fate::Send);
    output.note(&format!(
        "{sending} of {} dead letters of group '{group}' would go to {to}: {} were sent already, {} are refused",
        plan.len(),
        count(&|fate| *fate == Fate::Sent),
        count(&|fate| matches!(fate, Fate::Refused(_))),
    ));
    if args.to_topic.is_none()
        && matches!(member_count(&admin, &masters, group).await, Known::Known(0))
    {
        output.note("warning: nobody of the group is connected: they would wait there");
    }
    let go_on = match sending {
        0 => false,
        _ => args.change.confirm.go_on(output, "Send them?")?,
    };
    let bar = progress::messages(Some(sending as u64), "sent");
    let mut tick = pause.map(tokio::time::interval);
    let mut rows = Vec::new();
    for (message, fate) in plan {
        let result = match fate {
            Fate::Sent => Known::Known("already sent".to_owned()),
            Fate::Refused(why) => Known::Unknown(why),
            Fate::Send if !go_on => Known::Known("would be sent".to_owned()),
            Fate::Send => {
                if let Some(tick) = &mut tick {
                    tick.tick().await;
                }
                bar.inc(1);
                Known::from_result(send(&admin, &masters, &to, &message).await)
            }
        };
        rows.push(ResentRow {
            message_id: message.message_id().to_owned(),
            broker: message.queue.broker_name.clone(),
            queue_offset: message.queue_offset,
            origin_topic: origin_topic(&message).map(str::to_owned),
            keys: message.keys().map(str::to_owned),
            to: to.clone(),
            result,
        });
    }
    bar.finish_and_clear();
    output.results(
        args.change.print.format,
        &Report { rows, missing },
        format!("{what}: it was done nowhere"),
    )
}

/// A group that never tries again would have them back among the dead letters at once.
async fn retries_are_possible(admin: &Admin, group: &str, what: &str) -> Result<()> {
    let (on, _) = lookup::group(admin, group).await?;
    for (broker, config) in on {
        if come_back_at_once(&config) {
            return Err(CliError::refused(format!(
                "{what}: on {} the group tries nothing again, they would be dead letters at once",
                broker.name
            ))
            .hint(format!(
                "mq group update {group} --retry-max-times 3 --retry-queues 1, or --to-topic"
            )));
        }
    }
    Ok(())
}
