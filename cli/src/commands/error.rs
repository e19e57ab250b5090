//! `mq error`: what a code means, where it comes from, and what helps.

use remoting::protocol::codes::{RequestCode as Req, ResponseCode as Res};

use crate::error::{CliError, Exit, Result};
use crate::output::{Format, Output, Print, Report, row};

/// Explain a response or request code, by number or name; without one, list them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq error 17\n  mq error TOPIC_NOT_EXIST\n  mq error pull_message -o json\n  mq error -o name\n\n\
                  Clients print the code of a refused request as 'CODE: 17  DESC: …'. A number may be a response as well as a \
                  request: both are shown."
)]
pub(crate) struct Args {
    /// A number such as 17, or a name such as TOPIC_NOT_EXIST
    code: Option<String>,
    #[command(flatten)]
    print: Print,
}

row! {
    /// A code of the protocol.
    struct CodeRow named by name {
        kind: String,
        code: i32,
        name: String,
        meaning: String,
        /// Of responses: what usually leads to it.
        causes: Option<String>,
        /// Of responses: what to do.
        fix: Option<String>,
    }
}

/// A response: meaning, usual causes, fix.
type Response = (Res, &'static str, &'static str, &'static str);

const RESPONSES: &[Response] = &[
    (Res::SUCCESS, "done", "", ""),
    (
        Res::SYSTEM_ERROR,
        "the server could not do it; the remark says why",
        "wrong input (a bad name, an offset out of range), an unexpected state, a failure in the server",
        "read the remark, then the server's log",
    ),
    (
        Res::SYSTEM_BUSY,
        "refused to protect the server from overload",
        "the page cache is busy ([PCBUSY_CLEAN_QUEUE]), the request waited too long ([TIMEOUT_CLEAN_QUEUE]), a pool's queue is full",
        "send slower or add a broker; look at the disk: mq broker status --watch, mq doctor",
    ),
    (
        Res::REQUEST_CODE_NOT_SUPPORTED,
        "the server does not know this request",
        "an older server, or one of another kind: a name server was asked what a broker answers",
        "check the address and the release: mq cluster list",
    ),
    (
        Res::TRANSACTION_FAILED,
        "the end of a transaction could not be carried out",
        "the half message is not where the client says",
        "the producer is asked again by check-back; see its listener",
    ),
    (
        Res::FLUSH_DISK_TIMEOUT,
        "stored, but not on disk within the time (SYNC_FLUSH)",
        "a slow or failing disk",
        "treat the message as perhaps stored; look at the disk: iostat -x 1",
    ),
    (
        Res::SLAVE_NOT_AVAILABLE,
        "stored here, but no slave has it (SYNC_MASTER)",
        "the slave is down, or far behind",
        "start the slave; without one set brokerRole=ASYNC_MASTER",
    ),
    (
        Res::FLUSH_SLAVE_TIMEOUT,
        "stored here, and the slave did not confirm it in time",
        "a slow slave, or network to it",
        "treat the message as perhaps stored; look at slave and network",
    ),
    (
        Res::MESSAGE_ILLEGAL,
        "the message is not acceptable",
        "the body is larger than maxMessageSize, the topic name or the properties too long",
        "send less in one message; mq broker config get maxMessageSize",
    ),
    (
        Res::SERVICE_NOT_AVAILABLE,
        "the broker takes no messages at the moment",
        "the disk is full, the store is read-only after a failure, the broker shuts down or is a slave",
        "mq broker status shows why; mq doctor says what to do",
    ),
    (
        Res::VERSION_NOT_SUPPORTED,
        "the peer's version is too old or too new",
        "a client of another major release",
        "use a client that fits the broker's release",
    ),
    (
        Res::NO_PERMISSION,
        "not allowed",
        "brokerPermission or the topic's permission, a group with consumeEnable=false, access control, a setting that may not be changed at run time",
        "mq topic show TOPIC, mq broker config get brokerPermission; with access control, the account's rights",
    ),
    (
        Res::TOPIC_NOT_EXIST,
        "the topic is not there, or has no route",
        "a misspelt name, autoCreateTopicEnable=false, a broker that is not registered (yet)",
        "mq topic list; mq topic create NAME; routes reach clients within 30 s",
    ),
    (
        Res::TOPIC_EXIST_ALREADY,
        "the topic is there already",
        "it was created before",
        "mq topic update changes it",
    ),
    (
        Res::PULL_NOT_FOUND,
        "no new message at this offset",
        "the consumer has caught up",
        "none is needed: the consumer asks again",
    ),
    (
        Res::PULL_RETRY_IMMEDIATELY,
        "nothing in this batch passed the filter",
        "few messages have the wanted tag",
        "none is needed: the consumer goes on at the next offset",
    ),
    (
        Res::PULL_OFFSET_MOVED,
        "the offset is outside the queue",
        "messages were deleted by retention before they were consumed, or the topic was made anew",
        "mq group lag GROUP; the consumer goes on at the nearest offset, messages between are lost to it",
    ),
    (
        Res::QUERY_NOT_FOUND,
        "nothing was found",
        "the key, message or offset is not there; for a consumer's offset: the group has not consumed this queue yet",
        "check name and time; messages go with retention",
    ),
    (
        Res::SUBSCRIPTION_PARSE_FAILED,
        "the filter expression cannot be read",
        "a mistake in a tag list or SQL condition",
        "mend the expression; tags: a || b",
    ),
    (
        Res::SUBSCRIPTION_NOT_EXIST,
        "the broker does not know that the group subscribes to the topic",
        "members subscribe to different topics under one group, or the consumer has just started",
        "mq doctor (subscriptions): all members of a group subscribe to the same",
    ),
    (
        Res::SUBSCRIPTION_NOT_LATEST,
        "the broker has an older subscription",
        "the consumer has just changed it",
        "none is needed: the next heartbeat brings it",
    ),
    (
        Res::SUBSCRIPTION_GROUP_NOT_EXIST,
        "the consumer group is not there",
        "autoCreateSubscriptionGroup=false, or a misspelt name",
        "mq group list; mq group create NAME on all brokers",
    ),
    (
        Res::FILTER_DATA_NOT_EXIST,
        "the compiled filter is not there",
        "an SQL filter after a restart of the broker",
        "the next heartbeat brings it",
    ),
    (
        Res::FILTER_DATA_NOT_LATEST,
        "the broker has an older compiled filter",
        "the filter has just been changed",
        "none is needed: the next heartbeat brings it",
    ),
    (
        Res::INVALID_PARAMETER,
        "a parameter is not acceptable (5.x)",
        "a bad topic name or attribute",
        "read the remark",
    ),
    (
        Res::TRANSACTION_SHOULD_COMMIT,
        "the transaction is to be committed",
        "an answer of old brokers",
        "none is needed",
    ),
    (
        Res::TRANSACTION_SHOULD_ROLLBACK,
        "the transaction is to be rolled back",
        "an answer of old brokers",
        "none is needed",
    ),
    (
        Res::TRANSACTION_STATE_UNKNOW,
        "the state of the transaction is not known",
        "the producer has not decided yet",
        "the producer will be asked again",
    ),
    (
        Res::TRANSACTION_STATE_GROUP_WRONG,
        "the transaction belongs to another producer group",
        "two producers use the same transaction under different groups",
        "use one producer group",
    ),
    (
        Res::NO_BUYER_ID,
        "the message has no buyer id",
        "a property that units of Alibaba's own use needs",
        "unset the topic's unit flag",
    ),
    (
        Res::NOT_IN_CURRENT_UNIT,
        "the message belongs to another unit",
        "unit flags of the topic",
        "unset the topic's unit flag",
    ),
    (
        Res::CONSUMER_NOT_ONLINE,
        "no member of the group is connected",
        "the program does not run, or goes to another cluster",
        "mq group lag GROUP; look at the program's NAMESRV_ADDR",
    ),
    (
        Res::CONSUME_MSG_TIMEOUT,
        "the client did not answer through the broker in time",
        "the consumer is stuck or busy",
        "look at its threads (jstack)",
    ),
    (
        Res::NO_MESSAGE,
        "there is no message",
        "the queue is empty",
        "none is needed",
    ),
    (
        Res::POLLING_FULL,
        "too many consumers wait at this queue (5.x); in 4.x: access settings could not be updated",
        "more pop consumers than the broker lets wait",
        "fewer consumers; in 4.x see the broker's log",
    ),
    (
        Res::POLLING_TIMEOUT,
        "nothing came while the consumer waited (5.x); in 4.x: access settings could not be deleted",
        "the queue is empty",
        "none is needed; in 4.x see the broker's log",
    ),
    (
        Res::BROKER_NOT_EXIST,
        "the broker is not known (5.x); in 4.x: white list could not be updated",
        "a broker that was removed",
        "mq broker list",
    ),
    (
        Res::BROKER_DISPATCH_NOT_COMPLETE,
        "the broker has not yet indexed what it stored",
        "it recovers after a restart",
        "wait; mq broker status shows what is behind",
    ),
    (
        Res::BROADCAST_CONSUMPTION,
        "the group broadcasts: brokers know no offsets of it",
        "progress was asked for of a broadcast group",
        "members keep their offsets themselves",
    ),
    (
        Res::FLOW_CONTROL,
        "too much at once (5.x)",
        "a limit of the proxy or broker",
        "send slower, or raise the limit",
    ),
    (
        Res::NOT_LEADER_FOR_QUEUE,
        "another broker leads this queue (5.x)",
        "a static topic was moved",
        "the client finds the new one by its route",
    ),
    (
        Res::ILLEGAL_OPERATION,
        "the operation is not allowed here (5.x)",
        "a request for another mode of consumption",
        "read the remark",
    ),
    (
        Res::GO_AWAY,
        "the server closes this connection (5.x)",
        "it shuts down or balances connections",
        "none is needed: the client connects anew",
    ),
    (
        Res::USER_NOT_EXIST,
        "there is no such user (5.x access control)",
        "a misspelt name, or another broker",
        "create the user on every broker",
    ),
    (
        Res::POLICY_NOT_EXIST,
        "there is no such policy (5.x access control)",
        "a misspelt subject, or another broker",
        "create the policy on every broker",
    ),
];

/// What each request asks for.
const REQUESTS: &[(Req, &str)] = &[
    (Req::SEND_MESSAGE, "store a message"),
    (
        Req::PULL_MESSAGE,
        "read messages of a queue, waiting for new ones",
    ),
    (Req::QUERY_MESSAGE, "find messages by key"),
    (
        Req::QUERY_CONSUMER_OFFSET,
        "where a group goes on in a queue",
    ),
    (
        Req::UPDATE_CONSUMER_OFFSET,
        "set where a group goes on in a queue",
    ),
    (
        Req::UPDATE_AND_CREATE_TOPIC,
        "create a topic or change its settings",
    ),
    (
        Req::UPDATE_AND_CREATE_TOPIC_LIST,
        "the same for many topics (5.x)",
    ),
    (
        Req::GET_ALL_TOPIC_CONFIG,
        "settings of all topics of a broker",
    ),
    (
        Req::UPDATE_BROKER_CONFIG,
        "change settings of a running broker",
    ),
    (Req::GET_BROKER_CONFIG, "settings of a running broker"),
    (
        Req::GET_BROKER_RUNTIME_INFO,
        "what a broker says of itself: rates, disk, offsets",
    ),
    (
        Req::SEARCH_OFFSET_BY_TIMESTAMP,
        "first offset of a queue at or after a time",
    ),
    (Req::GET_MAX_OFFSET, "end of a queue"),
    (Req::GET_MIN_OFFSET, "beginning of a queue"),
    (
        Req::GET_EARLIEST_MSG_STORETIME,
        "store time of a queue's first message",
    ),
    (
        Req::VIEW_MESSAGE_BY_ID,
        "the message at a position of the commit log",
    ),
    (
        Req::HEART_BEAT,
        "a client's groups and subscriptions, every 30 s",
    ),
    (Req::UNREGISTER_CLIENT, "a client leaves"),
    (
        Req::CONSUMER_SEND_MSG_BACK,
        "a message failed and is to come again, or is dead",
    ),
    (Req::END_TRANSACTION, "commit or roll back a half message"),
    (
        Req::GET_CONSUMER_LIST_BY_GROUP,
        "client ids of a group's members",
    ),
    (
        Req::CHECK_TRANSACTION_STATE,
        "broker to producer: how did this transaction end?",
    ),
    (
        Req::NOTIFY_CONSUMER_IDS_CHANGED,
        "broker to consumer: members came or went",
    ),
    (Req::LOCK_BATCH_MQ, "lock queues for ordered consuming"),
    (Req::UNLOCK_BATCH_MQ, "give such locks back"),
    (
        Req::GET_ALL_CONSUMER_OFFSET,
        "offsets of all groups of a broker",
    ),
    (
        Req::GET_ALL_DELAY_OFFSET,
        "how far the delay levels are delivered",
    ),
    (
        Req::CHECK_CLIENT_CONFIG,
        "whether a broker accepts a subscription",
    ),
    (Req::GET_CLIENT_CONFIG, "settings of a client"),
    (
        Req::UPDATE_AND_CREATE_ACL_CONFIG,
        "create or change an account (4.x access control)",
    ),
    (
        Req::DELETE_ACL_CONFIG,
        "delete an account (4.x access control)",
    ),
    (
        Req::GET_BROKER_CLUSTER_ACL_INFO,
        "version of the access settings (4.x)",
    ),
    (
        Req::UPDATE_GLOBAL_WHITE_ADDRS_CONFIG,
        "addresses that need no account (4.x)",
    ),
    (Req::GET_BROKER_CLUSTER_ACL_CONFIG, "access settings (4.x)"),
    (
        Req::GET_TIMER_CHECK_POINT,
        "check point of timed messages (5.x)",
    ),
    (Req::GET_TIMER_METRICS, "timed messages by topic (5.x)"),
    (
        Req::PUT_KV_CONFIG,
        "set a key of a name server's KV configuration",
    ),
    (Req::GET_KV_CONFIG, "value of such a key"),
    (Req::DELETE_KV_CONFIG, "delete such a key"),
    (
        Req::REGISTER_BROKER,
        "broker to name server: I am here, with these topics",
    ),
    (Req::UNREGISTER_BROKER, "broker to name server: I leave"),
    (Req::GET_ROUTEINFO_BY_TOPIC, "where a topic's queues are"),
    (
        Req::GET_BROKER_CLUSTER_INFO,
        "clusters, brokers and addresses",
    ),
    (
        Req::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
        "create a consumer group or change its settings",
    ),
    (
        Req::GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
        "settings of all groups of a broker",
    ),
    (Req::GET_TOPIC_STATS_INFO, "offsets of a topic's queues"),
    (
        Req::GET_CONSUMER_CONNECTION_LIST,
        "connections and subscriptions of a group's members",
    ),
    (
        Req::GET_PRODUCER_CONNECTION_LIST,
        "connections of a producer group",
    ),
    (
        Req::WIPE_WRITE_PERM_OF_BROKER,
        "let a name server give out a broker for reading only",
    ),
    (
        Req::GET_ALL_TOPIC_LIST_FROM_NAMESERVER,
        "names of all topics",
    ),
    (
        Req::DELETE_SUBSCRIPTIONGROUP,
        "delete a consumer group from a broker",
    ),
    (Req::GET_CONSUME_STATS, "how far a group is, by queue"),
    (Req::DELETE_TOPIC_IN_BROKER, "delete a topic from a broker"),
    (
        Req::DELETE_TOPIC_IN_NAMESRV,
        "let a name server forget a topic",
    ),
    (
        Req::REGISTER_TOPIC_IN_NAMESRV,
        "tell a name server of a topic (5.x)",
    ),
    (Req::GET_KVLIST_BY_NAMESPACE, "all keys of a namespace"),
    (
        Req::RESET_CONSUMER_CLIENT_OFFSET,
        "broker to consumer: go on there",
    ),
    (
        Req::GET_CONSUMER_STATUS_FROM_CLIENT,
        "broker to consumer: where are you?",
    ),
    (
        Req::INVOKE_BROKER_TO_RESET_OFFSET,
        "let a group go on at another time or offset",
    ),
    (
        Req::INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
        "where the members of a group are, asked of them",
    ),
    (Req::GET_TOPICS_BY_CLUSTER, "topics of one cluster"),
    (
        Req::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST,
        "create or change many groups (5.x)",
    ),
    (
        Req::QUERY_TOPIC_CONSUME_BY_WHO,
        "groups that consume a topic",
    ),
    (
        Req::QUERY_CONSUME_TIME_SPAN,
        "first, last and consumed store times by queue",
    ),
    (
        Req::GET_SYSTEM_TOPIC_LIST_FROM_NS,
        "topics that RocketMQ has for itself, from a name server",
    ),
    (
        Req::GET_SYSTEM_TOPIC_LIST_FROM_BROKER,
        "the same from a broker",
    ),
    (
        Req::CLEAN_EXPIRED_CONSUMEQUEUE,
        "delete what queues have of deleted messages",
    ),
    (
        Req::GET_CONSUMER_RUNNING_INFO,
        "what a consumer says of itself, through the broker",
    ),
    (Req::QUERY_CORRECTION_OFFSET, "offsets corrected by filters"),
    (
        Req::CONSUME_MESSAGE_DIRECTLY,
        "let one consumer consume one message now",
    ),
    (
        Req::SEND_MESSAGE_V2,
        "store a message, with short field names",
    ),
    (Req::GET_UNIT_TOPIC_LIST, "topics with the unit flag"),
    (
        Req::GET_HAS_UNIT_SUB_TOPIC_LIST,
        "topics subscribed by units",
    ),
    (
        Req::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST,
        "those without the unit flag",
    ),
    (
        Req::CLONE_GROUP_OFFSET,
        "let a group go on where another one is",
    ),
    (
        Req::VIEW_BROKER_STATS_DATA,
        "a counter over minute, hour and day",
    ),
    (
        Req::CLEAN_UNUSED_TOPIC,
        "delete queues of topics that are gone",
    ),
    (
        Req::GET_BROKER_CONSUME_STATS,
        "how far all groups of a broker are",
    ),
    (
        Req::UPDATE_NAMESRV_CONFIG,
        "change settings of a running name server",
    ),
    (Req::GET_NAMESRV_CONFIG, "settings of a running name server"),
    (
        Req::SEND_BATCH_MESSAGE,
        "store several messages of one topic",
    ),
    (Req::QUERY_CONSUME_QUEUE, "entries of a consume queue"),
    (
        Req::QUERY_DATA_VERSION,
        "broker to name server: do you know my topics as they are?",
    ),
    (
        Req::RESUME_CHECK_HALF_MESSAGE,
        "check a half message again that was given up",
    ),
    (Req::SEND_REPLY_MESSAGE, "answer a request message"),
    (
        Req::SEND_REPLY_MESSAGE_V2,
        "the same with short field names",
    ),
    (
        Req::PUSH_REPLY_MESSAGE_TO_CLIENT,
        "broker to producer: the answer to your request message",
    ),
    (
        Req::ADD_WRITE_PERM_OF_BROKER,
        "let a name server give out a broker for writing again",
    ),
    (Req::GET_ALL_PRODUCER_INFO, "all producers of a broker"),
    (Req::DELETE_EXPIRED_COMMITLOG, "delete expired messages now"),
    (
        Req::QUERY_TOPICS_BY_CONSUMER,
        "topics in which a group has offsets",
    ),
    (
        Req::QUERY_SUBSCRIPTION_BY_CONSUMER,
        "a group's subscription to a topic",
    ),
    (Req::GET_TOPIC_CONFIG, "settings of one topic"),
    (Req::GET_SUBSCRIPTIONGROUP_CONFIG, "settings of one group"),
    (
        Req::UPDATE_AND_GET_GROUP_FORBIDDEN,
        "forbid a group a topic (5.x)",
    ),
    (
        Req::CHECK_ROCKSDB_CQ_WRITE_PROGRESS,
        "compare queues in RocksDB with files (5.x)",
    ),
    (
        Req::EXPORT_ROCKSDB_CONFIG_TO_JSON,
        "write settings in RocksDB as JSON (5.x)",
    ),
    (
        Req::LITE_PULL_MESSAGE,
        "read messages of a queue, for consumers that assign queues themselves",
    ),
    (Req::RECALL_MESSAGE, "take a timed message back (5.x)"),
    (
        Req::QUERY_ASSIGNMENT,
        "queues of a consumer, divided by the broker (5.x)",
    ),
    (
        Req::SET_MESSAGE_REQUEST_MODE,
        "pull or pop, for a group (5.x)",
    ),
    (Req::GET_ALL_MESSAGE_REQUEST_MODE, "those settings (5.x)"),
    (
        Req::UPDATE_AND_CREATE_STATIC_TOPIC,
        "create or change a static topic (5.x)",
    ),
    (
        Req::GET_BROKER_MEMBER_GROUP,
        "master and slaves of a broker name (5.x)",
    ),
    (Req::ADD_BROKER, "start a broker in a container (5.x)"),
    (Req::REMOVE_BROKER, "stop a broker in a container (5.x)"),
    (
        Req::BROKER_HEARTBEAT,
        "broker to name server or controller: I am alive (5.x)",
    ),
    (
        Req::NOTIFY_MIN_BROKER_ID_CHANGE,
        "name server to broker: who acts as the master (5.x)",
    ),
    (
        Req::EXCHANGE_BROKER_HA_INFO,
        "master and slave tell each other their addresses (5.x)",
    ),
    (Req::GET_BROKER_HA_STATUS, "how far slaves are (5.x)"),
    (
        Req::RESET_MASTER_FLUSH_OFFSET,
        "tell a slave how far the master is on disk (5.x)",
    ),
    (
        Req::CONTROLLER_GET_METADATA_INFO,
        "leader and members of the controllers (5.x)",
    ),
    (
        Req::CONTROLLER_GET_SYNC_STATE_DATA,
        "replicas in sync (5.x)",
    ),
    (
        Req::GET_BROKER_EPOCH_CACHE,
        "epochs of a broker's log (5.x)",
    ),
    (
        Req::POP_MESSAGE,
        "take messages and hide them for a while (5.x)",
    ),
    (Req::ACK_MESSAGE, "a popped message is done (5.x)"),
    (
        Req::PEEK_MESSAGE,
        "look at messages without taking them (5.x)",
    ),
    (
        Req::CHANGE_MESSAGE_INVISIBLETIME,
        "hide a popped message for longer (5.x)",
    ),
    (
        Req::CONTROLLER_ELECT_MASTER,
        "choose another master (5.x, controller)",
    ),
    (
        Req::UPDATE_CONTROLLER_CONFIG,
        "change a controller's configuration (5.x)",
    ),
    (
        Req::GET_CONTROLLER_CONFIG,
        "a controller's configuration (5.x)",
    ),
    (Req::CLEAN_BROKER_DATA, "forget a broker (5.x, controller)"),
    (
        Req::UPDATE_COLD_DATA_FLOW_CTR_CONFIG,
        "limit a group's reading of old messages (5.x)",
    ),
    (
        Req::REMOVE_COLD_DATA_FLOW_CTR_CONFIG,
        "lift the limit on reading old messages (5.x)",
    ),
    (
        Req::GET_COLD_DATA_FLOW_CTR_INFO,
        "limits on reading old messages (5.x)",
    ),
    (
        Req::SET_COMMITLOG_READ_MODE,
        "how the commit log is read ahead (5.x)",
    ),
    (Req::AUTH_CREATE_USER, "create a user (5.x)"),
    (Req::AUTH_UPDATE_USER, "change a user (5.x)"),
    (Req::AUTH_DELETE_USER, "delete a user (5.x)"),
    (Req::AUTH_GET_USER, "a user (5.x)"),
    (Req::AUTH_LIST_USER, "the users (5.x)"),
    (Req::AUTH_CREATE_ACL, "create an access rule (5.x)"),
    (Req::AUTH_UPDATE_ACL, "change an access rule (5.x)"),
    (Req::AUTH_DELETE_ACL, "delete an access rule (5.x)"),
    (Req::AUTH_GET_ACL, "an access rule (5.x)"),
    (Req::AUTH_LIST_ACL, "the access rules (5.x)"),
    (Req::NOTIFICATION, "wait for messages to pop (5.x)"),
    (Req::POLLING_INFO, "who waits for messages to pop (5.x)"),
    (Req::POP_ROLLBACK, "go back to before pop (5.x)"),
    (
        Req::BATCH_ACK_MESSAGE,
        "several popped messages are done (5.x)",
    ),
];

fn all() -> Vec<CodeRow> {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let responses = RESPONSES
        .iter()
        .map(|(code, meaning, causes, fix)| CodeRow {
            kind: "response".to_owned(),
            code: code.0,
            name: code.name().to_owned(),
            meaning: (*meaning).to_owned(),
            causes: some(causes),
            fix: some(fix),
        });
    let requests = REQUESTS.iter().map(|(code, meaning)| CodeRow {
        kind: "request".to_owned(),
        code: code.0,
        name: code.name().to_owned(),
        meaning: (*meaning).to_owned(),
        causes: None,
        fix: None,
    });
    responses.chain(requests).collect()
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let mut rows = all();
    let Some(wanted) = args.code.as_deref().map(str::trim) else {
        return output.report(args.print.format, &Report::from(rows));
    };
    let number = wanted.parse::<i32>().ok();
    let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    rows.retain(|row| Some(row.code) == number || row.name.eq_ignore_ascii_case(wanted));
    if rows.is_empty() {
        // No number is like another one.
        let near = names.iter().filter(|_| number.is_none());
        return Err(CliError::not_found(format!(
            "RocketMQ has no code '{wanted}' that is known here"
        ))
        .did_you_mean(wanted, near, "mq error lists them"));
    }
    if !matches!(args.print.format, Format::Table | Format::Wide) {
        return output.report(args.print.format, &Report::from(rows));
    }
    // One or two of them are easier to read as text.
    for row in rows {
        output.line(&format!(
            "{} {} ({}): {}",
            row.kind, row.name, row.code, row.meaning
        ))?;
        for (title, text) in [("usual causes", row.causes), ("fix", row.fix)] {
            if let Some(text) = text {
                output.line(&format!("  {title}: {text}"))?;
            }
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_has_a_name_is_explained_once() {
        for code in Res::ALL {
            let found = RESPONSES.iter().filter(|(known, ..)| known == code).count();
            assert_eq!(found, 1, "{code}");
        }
        for code in Req::ALL {
            let found = REQUESTS.iter().filter(|(known, _)| known == code).count();
            assert_eq!(found, 1, "{code}");
        }
        assert!(
            RESPONSES[1..]
                .iter()
                .all(|(_, a, b, c)| !(a.is_empty() || b.is_empty() || c.is_empty()))
        );
    }
}
