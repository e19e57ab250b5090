//! What a consumer says of itself, as a text, and what is wrong with it.

use std::collections::BTreeMap;

use remoting::protocol::body::client::{
    ConsumerRunningInfo, PopProcessQueueInfo, ProcessQueueInfo, SubscriptionData,
};

use super::{Generation, java};

/// A client that has just started may not have all its subscriptions yet.
const SETTLED_MS: i64 = 120_000;
/// A queue that has messages and gives none to its listener for so long is blocked.
const BLOCKED_MS: i64 = 60_000;

/// All of it, in Apache's sections.
pub(super) fn text(info: &ConsumerRunningInfo, generation: Generation) -> String {
    let mut text = "#Consumer Properties#\n".to_owned();
    for (key, value) in java::in_hash_order(info.properties.iter().collect(), 16) {
        text += &format!("{key:<40}: {value}\n");
    }
    text += "\n\n#Consumer Subscription#\n";
    let mut subscriptions: Vec<_> = info.subscription_set.iter().collect();
    subscriptions.sort_by_cached_key(|s| format!("{}@{}", s.topic, s.sub_string));
    for (number, subscription) in (1..).zip(subscriptions) {
        text += &format!(
            "{number:03} Topic: {:<40} ClassFilter: {:<8} SubExpression: {}\n",
            subscription.topic, subscription.class_filter_mode, subscription.sub_string
        );
    }
    let mut queues: Vec<_> = info.mq_table.0.iter().collect();
    queues.sort_by_key(|(queue, _)| (&queue.topic, &queue.broker_name, queue.queue_id));
    let header = |last: &str| {
        format!(
            "{:<64}  {:<32}  {:<4}  {last:<20}\n",
            "#Topic", "#Broker Name", "#QID"
        )
    };
    text += &format!("\n\n#Consumer Offset#\n{}", header("#Consumer Offset"));
    for (queue, state) in &queues {
        text += &format!(
            "{:<32}  {:<32}  {:<4}  {:<20}\n",
            queue.topic, queue.broker_name, queue.queue_id, state.commit_offset
        );
    }
    text += &format!("\n\n#Consumer MQ Detail#\n{}", header("#ProcessQueueInfo"));
    for (queue, state) in &queues {
        text += &format!(
            "{:<64}  {:<32}  {:<4}  {}\n",
            queue.topic,
            queue.broker_name,
            queue.queue_id,
            queue_state(state)
        );
    }
    if generation == Generation::Five {
        text += &format!(
            "\n\n#Consumer Pop Detail#\n{:<32}  {:<32}  {:<4}  {:<20}\n",
            "#Topic", "#Broker Name", "#QID", "#ProcessQueueInfo"
        );
        for (queue, state) in &info.mq_pop_table.0 {
            text += &format!(
                "{:<32}  {:<32}  {:<4}  {}\n",
                queue.topic,
                queue.broker_name,
                queue.queue_id,
                pop_state(state)
            );
        }
    }
    text += "\n\n#Consumer RT&TPS#\n";
    text += &format!(
        "{:<64}  {:>14} {:>14} {:>14} {:>14} {:>18} {:>25}\n",
        "#Topic",
        "#Pull RT",
        "#Pull TPS",
        "#Consume RT",
        "#ConsumeOK TPS",
        "#ConsumeFailed TPS",
        "#ConsumeFailedMsgsInHour"
    );
    for (topic, figures) in &info.status_table {
        let figure = |name: &str| java::fixed(figures[name].as_f64().unwrap_or(0.0), 2);
        text += &format!(
            "{topic:<32}  {:>14} {:>14} {:>14} {:>14} {:>18} {:>25}\n",
            figure("pullRT"),
            figure("pullTPS"),
            figure("consumeRT"),
            figure("consumeOKTPS"),
            figure("consumeFailedTPS"),
            figures["consumeFailedMsgs"].as_i64().unwrap_or(0)
        );
    }
    if generation == Generation::Five {
        text += "\n\n#User Consume Info#\n";
        for (key, value) in &info.user_consumer_info {
            text += &format!("{key:<40}: {value}\n");
        }
    }
    if let Some(stacks) = &info.jstack {
        text += &format!("\n\n#Consumer jstack#\n{stacks}");
    }
    text
}

fn queue_state(state: &ProcessQueueInfo) -> String {
    format!(
        "ProcessQueueInfo [commitOffset={}, cachedMsgMinOffset={}, cachedMsgMaxOffset={}, cachedMsgCount={}, \
         cachedMsgSizeInMiB={}, transactionMsgMinOffset={}, transactionMsgMaxOffset={}, transactionMsgCount={}, \
         locked={}, tryUnlockTimes={}, lastLockTimestamp={}, droped={}, lastPullTimestamp={}, lastConsumeTimestamp={}]",
        state.commit_offset,
        state.cached_msg_min_offset,
        state.cached_msg_max_offset,
        state.cached_msg_count,
        state.cached_msg_size_in_mi_b,
        state.transaction_msg_min_offset,
        state.transaction_msg_max_offset,
        state.transaction_msg_count,
        state.locked,
        state.try_unlock_times,
        java::digits(state.last_lock_timestamp),
        state.droped,
        java::digits(state.last_pull_timestamp),
        java::digits(state.last_consume_timestamp),
    )
}

fn pop_state(state: &PopProcessQueueInfo) -> String {
    format!(
        "PopProcessQueueInfo [waitAckCount:{}, droped:{}, lastPopTimestamp:{}]",
        state.wait_ack_count, state.droped, state.last_pop_timestamp
    )
}

fn pushes(info: &ConsumerRunningInfo) -> bool {
    let kind = info.properties.get("PROP_CONSUME_TYPE");
    kind.is_some_and(|kind| kind == "CONSUME_PASSIVELY")
}

/// Whether members of a group want different things, judged as Apache does: by push consumers that have run for a while.
pub(super) fn subscriptions_differ(
    infos: &BTreeMap<String, ConsumerRunningInfo>,
    now_ms: i64,
) -> bool {
    let Some(first) = infos.values().next() else {
        return false;
    };
    let started = first.properties.get("PROP_CONSUMER_START_TIMESTAMP");
    let started: i64 = started.and_then(|text| text.parse().ok()).unwrap_or(now_ms);
    if !pushes(first) || now_ms - started <= SETTLED_MS {
        return false;
    }
    // The versions differ always: they are times.
    let wants = |info: &ConsumerRunningInfo| -> Vec<(String, String, Vec<String>)> {
        let mut wants: Vec<_> = info
            .subscription_set
            .iter()
            .map(
                |SubscriptionData {
                     topic,
                     sub_string,
                     tags_set,
                     ..
                 }| {
                    let mut tags = tags_set.clone();
                    tags.sort();
                    (topic.clone(), sub_string.clone(), tags)
                },
            )
            .collect();
        wants.sort();
        wants
    };
    let expected = wants(first);
    expected.is_empty() || infos.values().any(|info| wants(info) != expected)
}

/// Queues of a client that it cannot lock, or that are blocked; a line each.
pub(super) fn findings(client_id: &str, info: &ConsumerRunningInfo, now_ms: i64) -> String {
    if !pushes(info) {
        return String::new();
    }
    let orderly = info.properties.get("PROP_CONSUMEORDERLY");
    let orderly = orderly.is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let mut lines = String::new();
    for (queue, state) in &info.mq_table.0 {
        let queue = java::queue(queue);
        if orderly && !state.locked {
            let since = now_ms - state.last_lock_timestamp;
            lines += &format!("{client_id} {queue} can't lock for a while, {since}ms\n");
        } else if orderly && state.droped && state.try_unlock_times > 0 {
            let times = state.try_unlock_times;
            lines += &format!("{client_id} {queue} unlock {times} times, still failed\n");
        } else if !orderly {
            let since = now_ms - state.last_consume_timestamp;
            if since > BLOCKED_MS && state.cached_msg_count > 0 {
                lines += &format!(
                    "{client_id} {queue} can't consume for a while, maybe blocked, {since}ms\n"
                );
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use remoting::protocol::body::queue_map::MessageQueue;

    fn info(sub_string: &str, version: i64) -> ConsumerRunningInfo {
        let property = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        ConsumerRunningInfo {
            properties: BTreeMap::from([
                property("PROP_CONSUME_TYPE", "CONSUME_PASSIVELY"),
                property("PROP_CONSUMER_START_TIMESTAMP", "1000"),
            ]),
            subscription_set: vec![SubscriptionData {
                topic: "T".to_owned(),
                sub_string: sub_string.to_owned(),
                sub_version: version,
                ..SubscriptionData::default()
            }],
            ..ConsumerRunningInfo::default()
        }
    }

    #[test]
    fn subscriptions_are_compared_once_clients_have_settled() {
        let group =
            |a: ConsumerRunningInfo, b| BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        let same = group(info("*", 1), info("*", 2));
        let different = group(info("*", 1), info("A", 1));
        let later = 1000 + SETTLED_MS + 1;
        assert!(!subscriptions_differ(&same, later));
        assert!(subscriptions_differ(&different, later));
        assert!(!subscriptions_differ(&different, 1000));
    }

    #[test]
    fn a_queue_with_messages_that_are_not_consumed_is_blocked() {
        let mut info = info("*", 1);
        let queue = MessageQueue::default();
        let state = ProcessQueueInfo {
            cached_msg_count: 1,
            ..ProcessQueueInfo::default()
        };
        info.mq_table.0.insert(queue, state);
        assert!(findings("c", &info, BLOCKED_MS).is_empty());
        assert!(findings("c", &info, BLOCKED_MS + 1).contains("maybe blocked, 60001ms"));
    }
}
