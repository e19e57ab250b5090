//! `mq dlq resend`: giving dead letters to their group once more.
//!
//! A copy goes to the group's retry topic on the broker that has the dead letter, so that this group gets it and no
//! other. The copy says of which dead letter it is one: resending again finds it, and sends nothing twice. It also
//! counts how often: a message that keeps killing its consumers does not go round for ever.

use std::time::Duration;

use client::admin::{Broker, KeyQuery};
use client::message::MessageExt;
use client::names::RETRY_PREFIX;
use client::producer::SendStatus;
use client::{Admin, ClientError};

use super::show::has_dead_letters;
use super::{RESENT_FROM, group_of, origin_topic, properties_again, resent_times, topic_of};
use crate::commands::group::member_count;
use crate::commands::message::{Select, search};
use crate::confirm::Confirm;
use crate::error::{CliError, Exit, Result};
use crate::lookup;
use crate::output::{Known, Output, Read, Report, row};
use crate::profile::{Cluster, masters};
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
    confirm: Confirm,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
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

/// What is to be done with a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Send,
    /// It was sent before, and is not again.
    Sent,
    /// It is not sent, and should be looked at.
    Refused(String),
}

impl Fate {
    fn of(message: &MessageExt, max_resends: u32, needs_origin: bool, sent: bool) -> Self {
        let times = resent_times(message);
        if sent {
            Self::Sent
        } else if times >= max_resends {
            Self::Refused(format!(
                "it was sent again {times} times and came back; mend what kills it, then --max-resends {}",
                times + 1
            ))
        } else if needs_origin && origin_topic(message).is_none() {
            Self::Refused(
                "it does not say where it was sent to at first; give --to-topic".to_owned(),
            )
        } else {
            Self::Send
        }
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
    let admin = args.cluster.admin_to_change(output, args.confirm.dry_run)?;
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
        let fate = match was_sent(&admin, &masters, &to, &message).await {
            Ok(sent) => Fate::of(&message, args.max_resends, args.to_topic.is_none(), sent),
            Err(error) => Fate::Refused(format!("whether it was sent already is unknown: {error}")),
        };
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
        _ => args.confirm.go_on(output, "Send them?")?,
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
        args.read.format,
        &Report { rows, missing },
        format!("{what}: it was done nowhere"),
    )
}

/// A group that never tries again would have them back among the dead letters at once.
async fn retries_are_possible(admin: &Admin, group: &str, what: &str) -> Result<()> {
    let (on, _) = lookup::group(admin, group).await?;
    for (broker, config) in on {
        if config.retry_max_times <= 0 || config.retry_queue_nums <= 0 {
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

/// Whether there is a copy of this dead letter.
async fn was_sent(
    admin: &Admin,
    masters: &[Broker],
    to: &str,
    message: &MessageExt,
) -> Result<bool, ClientError> {
    // Every message of ours has an id of its producer; others cannot be looked up by it.
    let Some(id) = message.unique_key() else {
        return Ok(false);
    };
    let query = KeyQuery::all(to, id, true);
    for broker in masters {
        let answer = admin.messages_by_key(broker, &query).await?;
        let mut copies = answer.messages.iter();
        if copies.any(|copy| copy.property(RESENT_FROM) == Some(&message.offset_message_id)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Stores the copy, on the broker of the dead letter.
async fn send(
    admin: &Admin,
    masters: &[Broker],
    to: &str,
    message: &MessageExt,
) -> Result<String, String> {
    let name = &message.queue.broker_name;
    let broker = masters.iter().find(|broker| broker.name == *name);
    let broker = broker.ok_or_else(|| format!("{name} has no master"))?;
    let mut properties = properties_again(message);
    if !to.starts_with(RETRY_PREFIX) {
        // There it is a message like any other.
        properties.remove(remoting::protocol::message::properties::RETRY_TOPIC);
    }
    match admin.store_again(broker, to, message, &properties).await {
        Ok(SendStatus::SendOk) => Ok("sent".to_owned()),
        Ok(doubtful) => Ok(format!("sent, but {}", doubtful.name())),
        Err(error @ ClientError::Transport(_)) => Err(format!(
            "perhaps sent, the answer is missing: {error}; repeat the command, nothing is sent twice"
        )),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use remoting::protocol::message::record::{Record, RecordFields};

    use super::super::RESENT_TIMES;
    use super::*;

    fn dead(properties: &[(&str, &str)]) -> MessageExt {
        let properties =
            remoting::protocol::message::properties::encode(properties.iter().copied());
        let mut bytes = Vec::new();
        RecordFields {
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 1,
            born_host: ([10, 0, 0, 2], 1).into(),
            store_host: ([10, 0, 0, 1], 10_911).into(),
            reconsume_times: 16,
            prepared_transaction_offset: 0,
            body: b"x",
            topic: "%DLQ%billing",
            properties: &properties,
        }
        .encode_into(&mut bytes)
        .unwrap();
        MessageExt::from_record(&Record::parse(&bytes).unwrap(), "broker-a")
    }

    #[test]
    fn a_message_does_not_go_round_for_ever() {
        let fresh = dead(&[("RETRY_TOPIC", "orders")]);
        let once = dead(&[("RETRY_TOPIC", "orders"), (RESENT_TIMES, "1")]);
        let refused = |fate| matches!(fate, Fate::Refused(_));
        assert_eq!(Fate::of(&fresh, 1, true, false), Fate::Send);
        assert_eq!(Fate::of(&fresh, 1, true, true), Fate::Sent);
        assert!(refused(Fate::of(&once, 1, true, false)));
        assert_eq!(Fate::of(&once, 2, true, false), Fate::Send);
        assert!(refused(Fate::of(&dead(&[]), 1, true, false)));
        assert_eq!(Fate::of(&dead(&[]), 1, false, false), Fate::Send);
    }

    #[test]
    fn a_copy_says_of_what_and_drops_what_would_delay_it() {
        let message = dead(&[
            ("RETRY_TOPIC", "orders"),
            ("UNIQ_KEY", "ID"),
            ("DELAY", "5"),
            ("REAL_TOPIC", "%RETRY%billing"),
            (RESENT_TIMES, "2"),
        ]);
        let expected = [
            ("RETRY_TOPIC", "orders"),
            ("UNIQ_KEY", "ID"),
            (RESENT_TIMES, "3"),
            (RESENT_FROM, &message.offset_message_id),
        ];
        let expected: BTreeMap<String, String> = expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(properties_again(&message), expected);
    }
}
