//! Messages: found by id, key and place, printed, sent, pushed to one consumer.

use encoding_rs::Encoding;

use super::options::{Opt, ROUTE_OF, TOPIC, flag, req, val};
use super::{Verb, verb};
use crate::error::{CliError, Result};

mod print;
mod query;
mod send;

const CHARSET: Opt = val(
    "c",
    "charsetName ",
    "character set of the bodies, UTF-8 unless given",
);
const TAGS: Opt = val("s", "subExpression ", "only these tags: a || b");
const SINCE: Opt = val(
    "b",
    "beginTimestamp ",
    "stored since: milliseconds since 1970, or yyyy-MM-dd#HH:mm:ss:SSS",
);
const UNTIL: Opt = val(
    "e",
    "endTimestamp ",
    "stored up to: milliseconds since 1970, or yyyy-MM-dd#HH:mm:ss:SSS",
);

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "queryMsgById",
        "Show messages by id; push them to a consumer or send them again",
        query::by_id,
        [
            req("i", "msgId", "ids, separated by commas"),
            val("t", "topic", "topic name, for ids of clients"),
            val(
                "g",
                "consumerGroup",
                "push them to a consumer of this group"
            ),
            val("d", "clientId", "the client to push them to"),
            val("s", "sendMessage", "send them again (true|false)"),
            val("u", "unitName", "name of the unit to send them to"),
            val("f", "bodyFormat", "print the bodies, in this character set"),
            ROUTE_OF,
        ]
    ),
    verb!(
        "queryMsgByKey",
        "Find messages by key",
        query::by_key,
        [
            TOPIC,
            req("k", "msgKey", "the key"),
            val(
                "b",
                "beginTimestamp",
                "stored since, in milliseconds since 1970"
            ),
            val(
                "e",
                "endTimestamp",
                "stored up to, in milliseconds since 1970"
            ),
            val("m", "maxNum", "at most so many, 64 unless given"),
            ROUTE_OF,
        ]
    ),
    verb!(
        "queryMsgByUniqueKey",
        "Show a message by the id that its producer gave",
        query::by_unique_key,
        [
            TOPIC,
            req("i", "msgId", "the id"),
            flag(
                "a",
                "showAll",
                "all messages with that id, not only the first"
            ),
            val("g", "consumerGroup", "push it to a consumer of this group"),
            val("d", "clientId", "the client to push it to"),
            ROUTE_OF,
        ]
    ),
    verb!(
        "queryMsgByOffset",
        "Show the message at a place of a queue",
        query::by_offset,
        [
            TOPIC,
            req("b", "brokerName", "name of the broker"),
            req("i", "queueId", "number of the queue"),
            req("o", "offset", "offset in the queue"),
            val("f", "bodyFormat", "print the body, in this character set"),
        ]
    ),
    verb!(
        "queryMsgTraceById",
        "Show who sent and who consumed a message, where clients trace it",
        query::trace_of,
        [
            req("i", "msgId", "the id that its producer gave"),
            val("t", "traceTopic", "topic that the traces are in"),
            val(
                "b",
                "beginTimestamp",
                "traces stored since, in milliseconds since 1970"
            ),
            val(
                "e",
                "endTimestamp",
                "traces stored up to, in milliseconds since 1970"
            ),
            val("c", "maxNum", "at most so many, 64 unless given"),
        ]
    ),
    verb!(
        "printMsg",
        "Print the messages of a topic",
        print::print_topic,
        [
            TOPIC,
            CHARSET,
            TAGS,
            SINCE,
            UNTIL,
            val("d", "printBody ", "with the bodies, unless false"),
            val(
                "l",
                "lmqParentTopic",
                "find the queues by the route of this topic"
            ),
        ]
    ),
    verb!(
        "printMsgByQueue",
        "Print the messages of a queue, or count them by tag",
        print::print_queue,
        [
            TOPIC,
            req("a", "brokerName ", "name of the broker"),
            req("i", "queueId ", "number of the queue"),
            CHARSET,
            TAGS,
            SINCE,
            UNTIL,
            val("p", "print msg", "print the messages (true|false)"),
            val("d", "printBody ", "with the bodies (true|false)"),
            val("f", "calculate", "count them by tag (true|false)"),
        ]
    ),
    verb!(
        "consumeMessage",
        "Read messages without committing anything",
        print::consume,
        [
            TOPIC,
            val("g", "consumerGroup", "in the name of this group"),
            val("b", "brokerName", "from this broker"),
            val("i", "queueId", "from this queue of the broker"),
            val("o", "offset", "from this offset of the queue on"),
            val(
                "s",
                "beginTimestamp ",
                "stored since: milliseconds since 1970, or yyyy-MM-dd#HH:mm:ss:SSS"
            ),
            UNTIL,
            val("c", "MessageNumber", "so many, 128 unless given"),
        ]
    ),
    verb!(
        "sendMessage",
        "Send a message",
        send::send,
        [
            TOPIC,
            req("p", "body", "the body, as UTF-8"),
            val("k", "key", "its keys"),
            val("c", "tags", "its tag"),
            val("b", "broker", "to this broker"),
            val("i", "qid", "to this queue of the broker"),
            val("m", "msgTraceEnable", "trace it (true|false)"),
        ]
    ),
    verb!(
        "checkMsgSendRT",
        "Measure how long sends to a topic take",
        send::send_times,
        [
            TOPIC,
            val("a", "amount", "so many messages, 100 unless given"),
            val("s", "size", "size of a message in bytes, 128 unless given"),
        ]
    ),
];

/// The character set that was asked for.
fn charset(name: &str) -> Result<&'static Encoding> {
    Encoding::for_label(name.as_bytes())
        .ok_or_else(|| CliError::usage(format!("there is no character set '{name}'")))
}

fn decode(charset: &'static Encoding, bytes: &[u8]) -> String {
    charset.decode_without_bom_handling(bytes).0.into_owned()
}
