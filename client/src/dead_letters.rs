//! Dead letters, the messages that a consumer group could not consume, and giving them to it once more.
//!
//! A copy goes to the group's retry topic on the broker that has the dead letter, so that this group gets it and no
//! other. The copy says of which dead letter it is one: sending again finds it, and sends nothing twice. It also counts
//! how often: a message that keeps killing its consumers does not go round for ever.

use std::collections::BTreeMap;

use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::message::properties;

use crate::admin::{Broker, KeyQuery};
use crate::message::MessageExt;
use crate::names::{DLQ_PREFIX, RETRY_PREFIX};
use crate::producer::SendStatus;
use crate::{Admin, ClientError};

/// The dead letter of which a message is a copy: the id of its place in a broker's log.
const RESENT_FROM: &str = "MQ_RESENT_FROM";
/// How often the message has been sent again from the dead letters.
const RESENT_TIMES: &str = "MQ_RESENT_TIMES";

/// What is to be done with a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Send,
    /// It was sent before, and is not again.
    Sent,
    /// It is not sent, and should be looked at.
    Refused(String),
}

impl Fate {
    /// `max_resends`: so often it may be sent again. `needs_origin`: it goes back to its group, whose members must be told
    /// where it was sent to at first. `sent`: what [`was_sent`] says.
    pub fn of(
        message: &MessageExt,
        max_resends: u32,
        needs_origin: bool,
        sent: Result<bool, ClientError>,
    ) -> Self {
        let times = resent_times(message);
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => {
                return Self::Refused(format!("whether it was sent already is unknown: {error}"));
            }
        };
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

/// The group, of its own name or of its topic of dead letters: people paste both.
pub fn group_of(text: &str) -> &str {
    text.strip_prefix(DLQ_PREFIX).unwrap_or(text)
}

/// The topic of a group's dead letters.
pub fn topic_of(group: &str) -> String {
    format!("{DLQ_PREFIX}{group}")
}

/// Where a dead letter was sent to at first.
pub fn origin_topic(message: &MessageExt) -> Option<&str> {
    message.property(properties::RETRY_TOPIC)
}

/// How often it was sent once more already, as far as it says.
pub fn resent_times(message: &MessageExt) -> u32 {
    let times = message.property(RESENT_TIMES);
    times.and_then(|times| times.parse().ok()).unwrap_or(0)
}

/// Whether a group with these settings tries nothing again: dead letters sent to it would be dead letters at once.
pub fn come_back_at_once(group: &SubscriptionGroupConfig) -> bool {
    group.retry_max_times <= 0 || group.retry_queue_nums <= 0
}

/// Properties that brokers and clients have put on a message on its way to the dead letters, which would be wrong on
/// its way back.
const NOT_SENT_AGAIN: [&str; 12] = [
    properties::DELAY,
    properties::REAL_TOPIC,
    properties::REAL_QUEUE_ID,
    properties::TRANSACTION_PREPARED,
    properties::RECONSUME_TIME,
    properties::MAX_RECONSUME_TIMES,
    properties::WAIT,
    properties::CLUSTER,
    properties::TIMER_DELAY_SEC,
    properties::TIMER_DELAY_MS,
    properties::TIMER_DELIVER_MS,
    "POP_CK",
];

/// The properties of the copy that is sent again.
fn properties_again(message: &MessageExt) -> BTreeMap<String, String> {
    let mut properties = message.properties.clone();
    for name in NOT_SENT_AGAIN {
        properties.remove(name);
    }
    let mark = [
        (RESENT_FROM, message.offset_message_id.clone()),
        (RESENT_TIMES, (resent_times(message) + 1).to_string()),
    ];
    properties.extend(mark.map(|(name, value)| (name.to_owned(), value)));
    properties
}

/// Whether there is a copy of this dead letter in `to`, on any of the masters.
///
/// # Errors
/// When one of them cannot be asked.
pub async fn was_sent(
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

/// Stores a copy in `to`, a topic or the group's retry topic, on the broker of the dead letter; says how that ended.
///
/// # Errors
/// Why it is not known to be stored, as a sentence.
pub async fn send(
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
        properties.remove(properties::RETRY_TOPIC);
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
    use super::*;
    use crate::message::tests::stored;

    fn dead(properties: &[(&str, &str)]) -> MessageExt {
        let properties = properties::encode(properties.iter().copied());
        stored("%DLQ%billing", 0, b"x", &properties)
    }

    #[test]
    fn a_message_does_not_go_round_for_ever() {
        let fresh = dead(&[("RETRY_TOPIC", "orders")]);
        let once = dead(&[("RETRY_TOPIC", "orders"), (RESENT_TIMES, "1")]);
        let refused = |fate| matches!(fate, Fate::Refused(_));
        assert_eq!(Fate::of(&fresh, 1, true, Ok(false)), Fate::Send);
        assert_eq!(Fate::of(&fresh, 1, true, Ok(true)), Fate::Sent);
        assert!(refused(Fate::of(&once, 1, true, Ok(false))));
        assert_eq!(Fate::of(&once, 2, true, Ok(false)), Fate::Send);
        assert!(refused(Fate::of(&dead(&[]), 1, true, Ok(false))));
        assert_eq!(Fate::of(&dead(&[]), 1, false, Ok(false)), Fate::Send);
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
