//! Values as Java prints them.

use std::collections::BTreeMap;
use std::fmt::Display;

use client::message::MessageExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::body::topic::{PERM_INHERIT, PERM_READ, PERM_WRITE, TopicConfig};
use remoting::protocol::message::properties::{CLUSTER, TRANSACTION_PREPARED};
use remoting::protocol::message::tags::java_hash;
use serde_json::{Value, json};

use super::Generation;

/// At most so many characters, as Apache cuts names without a mark.
pub(super) fn cut(text: &str, characters: usize) -> &str {
    match text.char_indices().nth(characters) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}

/// `%.Nf`: rounded half up, as seen in decimal.
pub(super) fn fixed(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // The shortest decimal that is this value; never with an exponent.
    let shortest = value.to_string();
    let decimals = shortest
        .split_once('.')
        .map_or("", |(_, decimals)| decimals);
    let exactly_half = decimals.len() == digits + 1 && decimals.ends_with('5');
    if exactly_half {
        // One unit more in a place further on decides the tie away from zero.
        return format!(
            "{:.digits$}",
            format!("{shortest}1").parse().unwrap_or(value)
        );
    }
    format!("{value:.digits$}")
}

/// `null`, or the text.
pub(super) fn or_null(value: Option<impl Display>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

/// `{a=b, c=d}`.
pub(super) fn map<K: Display, V: Display>(entries: impl IntoIterator<Item = (K, V)>) -> String {
    let entries: Vec<String> = entries
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

/// `[a, b]`.
pub(super) fn list<V: Display>(entries: impl IntoIterator<Item = V>) -> String {
    let entries: Vec<String> = entries.into_iter().map(|value| value.to_string()).collect();
    format!("[{}]", entries.join(", "))
}

fn local(epoch_ms: i64, format: &str) -> String {
    let time = Timestamp::from_millisecond(epoch_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_zoned_datetime(TimeZone::system())
        .strftime(format)
        .to_string()
}

/// `yyyy-MM-dd HH:mm:ss,SSS`, local.
pub(super) fn millis(epoch_ms: i64) -> String {
    local(epoch_ms, "%Y-%m-%d %H:%M:%S,%3f")
}

/// `yyyyMMddHHmmssSSS`, local.
pub(super) fn digits(epoch_ms: i64) -> String {
    local(epoch_ms, "%Y%m%d%H%M%S%3f")
}

/// `yyyy-MM-dd HH:mm:ss`, local.
pub(super) fn seconds(epoch_ms: i64) -> String {
    local(epoch_ms, "%Y-%m-%d %H:%M:%S")
}

/// `yyyy-MM-dd HH:mm:ss` in the one zone that Apache's probe of send times knows.
pub(super) fn seconds_gmt8(epoch_ms: i64) -> String {
    let time = Timestamp::from_millisecond(epoch_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let zone = TimeZone::fixed(jiff::tz::offset(8));
    time.to_zoned_datetime(zone)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

pub(super) fn queue(queue: &MessageQueue) -> String {
    let MessageQueue {
        broker_name,
        queue_id,
        topic,
    } = queue;
    format!("MessageQueue [topic={topic}, brokerName={broker_name}, queueId={queue_id}]")
}

/// In the order of a Java hash map that begins with so many slots; within a slot they stand as they came.
pub(super) fn in_hash_order<V>(
    mut entries: Vec<(&String, V)>,
    mut slots: u32,
) -> Vec<(&String, V)> {
    while entries.len() * 4 > slots as usize * 3 {
        slots *= 2;
    }
    entries.sort_by_key(|(name, _)| {
        let hash = java_hash(name).cast_unsigned();
        (hash ^ (hash >> 16)) & (slots - 1)
    });
    entries
}

/// The properties of a message.
pub(super) fn properties(properties: &BTreeMap<String, String>, generation: Generation) -> String {
    let slots = match generation {
        Generation::Four => 16,
        Generation::Five => 128,
    };
    let mut entries: Vec<_> = properties.iter().collect();
    // What a broker adds comes last.
    entries.sort_by_key(|(name, _)| *name == CLUSTER);
    map(in_hash_order(entries, slots))
}

/// A message that was read from a queue.
pub(super) fn message(message: &MessageExt, generation: Generation) -> String {
    let MessageExt {
        topic,
        queue,
        queue_offset,
        commit_log_offset,
        store_size,
        sys_flag,
        flag,
        body_crc,
        born_timestamp,
        born_host,
        store_timestamp,
        store_host,
        reconsume_times,
        prepared_transaction_offset,
        properties: values,
        body,
        offset_message_id,
        ..
    } = message;
    format!(
        "MessageExt [brokerName={}, queueId={}, storeSize={store_size}, queueOffset={queue_offset}, \
         sysFlag={sys_flag}, bornTimestamp={born_timestamp}, bornHost=/{born_host}, \
         storeTimestamp={store_timestamp}, storeHost=/{store_host}, msgId={offset_message_id}, \
         commitLogOffset={commit_log_offset}, bodyCRC={body_crc}, reconsumeTimes={reconsume_times}, \
         preparedTransactionOffset={prepared_transaction_offset}, toString()=Message{{topic='{topic}', flag={flag}, \
         properties={}, body={}, transactionId='{}'}}]",
        queue.broker_name,
        queue.queue_id,
        properties(values, generation),
        list(body.iter().map(|byte| byte.cast_signed())),
        or_null(transaction_id(message)),
    )
}

/// Consumers take the unique id of a prepared message for its transaction.
fn transaction_id(message: &MessageExt) -> Option<&str> {
    let prepared = message.property(TRANSACTION_PREPARED);
    prepared.filter(|prepared| prepared.eq_ignore_ascii_case("true"))?;
    message.unique_key()
}

fn perm(perm: i32) -> String {
    [(PERM_READ, 'R'), (PERM_WRITE, 'W'), (PERM_INHERIT, 'X')]
        .iter()
        .map(|(bit, letter)| if perm & bit != 0 { *letter } else { '-' })
        .collect()
}

pub(super) fn topic(config: &TopicConfig, generation: Generation) -> String {
    let attributes = match generation {
        Generation::Four => String::new(),
        Generation::Five => format!(", attributes={}", map(&config.attributes)),
    };
    format!(
        "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicFilterType={}, topicSysFlag={}, \
         order={}{attributes}]",
        config.topic_name,
        config.read_queue_nums,
        config.write_queue_nums,
        perm(config.perm),
        config.topic_filter_type,
        config.topic_sys_flag,
        config.order,
    )
}

/// All settings of a topic that the class of this generation has.
pub(super) fn whole_topic(told: &Value, generation: Generation) -> Value {
    let mut topic = told.clone();
    if generation == Generation::Five && topic["attributes"].is_null() {
        topic["attributes"] = json!({});
    }
    topic
}

/// Settings of a group in the order of Apache's class, and those that only the class of 5.x has.
const GROUP_FIELDS: [(&str, Option<Generation>); 15] = [
    ("groupName", None),
    ("consumeEnable", None),
    ("consumeFromMinEnable", None),
    ("consumeBroadcastEnable", None),
    ("consumeMessageOrderly", Some(Generation::Five)),
    ("retryQueueNums", None),
    ("retryMaxTimes", None),
    ("groupRetryPolicy", Some(Generation::Five)),
    ("brokerId", None),
    ("whichBrokerWhenConsumeSlowly", None),
    ("notifyConsumerIdsChangedEnable", None),
    ("groupSysFlag", Some(Generation::Five)),
    ("consumeTimeoutMinute", Some(Generation::Five)),
    ("subscriptionDataSet", Some(Generation::Five)),
    ("attributes", Some(Generation::Five)),
];

/// All settings of a group: those that were not told are as in a new one.
pub(super) fn whole_group(told: &Value, generation: Generation) -> Value {
    let mut group = json!(SubscriptionGroupConfig::default());
    let of_five = json!({
        "consumeMessageOrderly": false, "groupRetryPolicy": {"type": "CUSTOMIZED"}, "groupSysFlag": 0,
        "consumeTimeoutMinute": 15, "attributes": {},
    });
    let of_five = (generation == Generation::Five).then_some(&of_five);
    for settings in of_five.into_iter().chain([told]) {
        for (name, value) in settings.as_object().into_iter().flatten() {
            group[name] = value.clone();
        }
    }
    group
}

/// The fields of a group's class; nothing where it has `null`.
pub(super) fn group_fields(
    told: &Value,
    generation: Generation,
) -> Vec<(&'static str, Option<String>)> {
    let group = whole_group(told, generation);
    GROUP_FIELDS
        .iter()
        .filter(|(_, only)| only.is_none_or(|only| only == generation))
        .map(|(name, _)| (*name, group_value(name, &group[*name])))
        .collect()
}

fn group_value(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(list(
            items.iter().map(|item| or_null(group_value(name, item))),
        )),
        Value::Object(fields) => {
            let of_class = |class: &str, names: &[&'static str]| {
                let field = |name: &&'static str| {
                    let value = fields.get(*name).unwrap_or(&Value::Null);
                    (*name, group_value(name, value))
                };
                class_of_five(class, names.iter().map(field))
            };
            Some(match name {
                "groupRetryPolicy" => of_class(
                    "GroupRetryPolicy",
                    &["type", "exponentialRetryPolicy", "customizedRetryPolicy"],
                ),
                "exponentialRetryPolicy" => {
                    of_class("ExponentialRetryPolicy", &["initial", "max", "multiplier"])
                }
                "customizedRetryPolicy" => of_class("CustomizedRetryPolicy", &["next"]),
                "subscriptionDataSet" => of_class(
                    "SimpleSubscriptionData",
                    &["topic", "expressionType", "expression", "version"],
                ),
                _ => map(fields
                    .iter()
                    .map(|(key, value)| (key, or_null(group_value(key, value))))),
            })
        }
        other => Some(other.to_string()),
    }
}

/// `Class{a=b, c=null}`, as classes of 5.x tell of themselves.
fn class_of_five<'a>(
    class: &str,
    fields: impl IntoIterator<Item = (&'a str, Option<String>)>,
) -> String {
    format!(
        "{class}{}",
        map(fields
            .into_iter()
            .map(|(name, value)| (name, or_null(value))))
    )
}

pub(super) fn group(told: &Value, generation: Generation) -> String {
    let class = "SubscriptionGroupConfig";
    let fields = group_fields(told, generation);
    match generation {
        Generation::Four => {
            let fields = fields.into_iter();
            let fields = fields.map(|(name, value)| format!("{name}={}", or_null(value)));
            format!("{class} {}", list(fields))
        }
        Generation::Five => class_of_five(class, fields),
    }
}

/// `+a=b,+c=d,-e` into what to add (with `+`) and what to drop (with `-`).
///
/// # Errors
/// The part that is neither.
pub(super) fn attributes(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut attributes = BTreeMap::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) if key.starts_with('+') => (key, value),
            None if part.starts_with('-') => (part, ""),
            _ => return Err(part.to_owned()),
        };
        attributes.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_in_java() {
        for (value, digits, text) in [
            (0.125, 2, "0.13"),
            (0.135, 2, "0.14"),
            (-0.125, 2, "-0.13"),
            (2.0, 2, "2.00"),
            (1234.5678, 2, "1234.57"),
            (0.0, 4, "0.0000"),
            (f64::NAN, 2, "NaN"),
        ] {
            assert_eq!(fixed(value, digits), text, "{value}");
        }
    }

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(cut("broker-a", 32), "broker-a");
        assert_eq!(cut("broker-a", 6), "broker");
        assert_eq!(cut("主题", 1), "主");
    }

    #[test]
    fn attributes_are_added_and_dropped() {
        let expected = BTreeMap::from([
            ("+a".to_owned(), "b".to_owned()),
            ("-c".to_owned(), String::new()),
        ]);
        assert_eq!(attributes("+a=b, -c"), Ok(expected));
        assert_eq!(attributes("a=b"), Err("a=b".to_owned()));
    }

    #[test]
    fn a_topic_is_printed_as_its_class_does() {
        let config = TopicConfig {
            topic_name: "T".to_owned(),
            ..TopicConfig::default()
        };
        let text = "TopicConfig [topicName=T, readQueueNums=16, writeQueueNums=16, perm=RW-, \
                    topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false";
        assert_eq!(topic(&config, Generation::Four), format!("{text}]"));
        assert_eq!(
            topic(&config, Generation::Five),
            format!("{text}, attributes={{}}]")
        );
    }

    #[test]
    fn a_group_is_printed_as_its_class_does() {
        let told = json!({
            "groupName": "G", "retryMaxTimes": 3, "attributes": {"+a": "b"},
            "groupRetryPolicy": {"type": "CUSTOMIZED", "customizedRetryPolicy": {"next": [1000, 5000]}},
        });
        assert_eq!(
            group(&told, Generation::Four),
            "SubscriptionGroupConfig [groupName=G, consumeEnable=true, consumeFromMinEnable=true, \
             consumeBroadcastEnable=true, retryQueueNums=1, retryMaxTimes=3, brokerId=0, \
             whichBrokerWhenConsumeSlowly=1, notifyConsumerIdsChangedEnable=true]"
        );
        assert_eq!(
            group(&told, Generation::Five),
            "SubscriptionGroupConfig{groupName=G, consumeEnable=true, consumeFromMinEnable=true, \
             consumeBroadcastEnable=true, consumeMessageOrderly=false, retryQueueNums=1, retryMaxTimes=3, \
             groupRetryPolicy=GroupRetryPolicy{type=CUSTOMIZED, exponentialRetryPolicy=null, \
             customizedRetryPolicy=CustomizedRetryPolicy{next=[1000, 5000]}}, brokerId=0, \
             whichBrokerWhenConsumeSlowly=1, notifyConsumerIdsChangedEnable=true, groupSysFlag=0, \
             consumeTimeoutMinute=15, subscriptionDataSet=null, attributes={+a=b}}"
        );
    }
}
