//! Carrying out a change, target by target: one that fails does not keep the others from being changed, and is named.

use client::checks::servers::same_value;
use client::message::Message;
use client::names::RETRY_PREFIX;
use client::producer::Producer;
use client::{Admin, ClientError, dead_letters, fan_out};
use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::body::topic::TopicConfig;
use remoting::protocol::properties;

use crate::app::Outcome;
use crate::change::Change;
use crate::snapshot::Known;

/// The producer group of test messages.
const PRODUCER: &str = "mq-tui";

/// What was done, or what failed, in sum and target by target.
pub(crate) async fn carry_out(admin: Admin, change: Change) -> Outcome {
    let name_servers = || admin.client().name_servers().all().to_vec();
    match change {
        Change::CreateTopic {
            topic,
            queues,
            perm,
            brokers,
        } => {
            let config = TopicConfig {
                topic_name: topic,
                read_queue_nums: queues,
                write_queue_nums: queues,
                perm,
                ..TopicConfig::default()
            };
            each(&admin, brokers, move |admin, broker| {
                let config = config.clone();
                async move { admin.put_topic(&broker, &config).await }
            })
            .await
        }
        Change::UpdateTopic {
            topic,
            queues,
            perm,
            brokers,
        } => {
            each(&admin, brokers, move |admin, broker| {
                let topic = topic.clone();
                async move {
                    // Everything else stays as it is; a broker without the topic does not get it.
                    let Some(mut config) = admin.topics(&broker).await?.remove(&topic) else {
                        return Ok(());
                    };
                    if let Some(queues) = queues {
                        config.read_queue_nums = queues;
                        config.write_queue_nums = queues;
                    }
                    config.perm = perm.unwrap_or(config.perm);
                    admin.put_topic(&broker, &config).await
                }
            })
            .await
        }
        Change::DeleteTopic { topic, brokers } => {
            let deleted = each(&admin, brokers, |admin, broker| {
                let topic = topic.clone();
                async move { admin.delete_topic(&broker, &topic).await }
            });
            forget(&admin, name_servers(), &topic, deleted.await).await
        }
        Change::Send {
            topic,
            body,
            tag,
            key,
        } => {
            let target = topic.clone();
            let sent = send(&admin, topic, body, tag, key).await;
            let sent = sent.map_err(|error| error.to_string());
            Outcome {
                summary: sent.clone(),
                targets: vec![(target, sent)],
            }
        }
        Change::CreateGroup { group, brokers } => {
            let config = SubscriptionGroupConfig {
                group_name: group,
                ..SubscriptionGroupConfig::default()
            };
            each(&admin, brokers, move |admin, broker| {
                let config = config.clone();
                async move { admin.put_group(&broker, &config).await }
            })
            .await
        }
        Change::DeleteGroup { group, brokers } => {
            let retries = format!("{RETRY_PREFIX}{group}");
            let deleted = each(&admin, brokers, |admin, broker| {
                let (group, retries) = (group.clone(), retries.clone());
                async move {
                    admin.delete_group(&broker, &group, true).await?;
                    match admin.topics(&broker).await?.contains_key(&retries) {
                        true => admin.delete_topic(&broker, &retries).await,
                        false => Ok(()),
                    }
                }
            });
            forget(&admin, name_servers(), &retries, deleted.await).await
        }
        Change::UpdateGroup {
            group,
            tries,
            consume,
            brokers,
        } => {
            each(&admin, brokers, move |admin, broker| {
                let group = group.clone();
                async move {
                    let changed = admin.change_group(&broker, &group, |config| {
                        config.retry_max_times = tries.unwrap_or(config.retry_max_times);
                        config.consume_enable = consume.unwrap_or(config.consume_enable);
                    });
                    changed.await.map(drop)
                }
            })
            .await
        }
        Change::Reset { group, parts } => {
            let moved = fan_out::all(parts, |part| {
                let (admin, group) = (admin.clone(), group.clone());
                async move { part.carry_out(&admin, &group, true).await }
            });
            let queues = moved.await.into_iter().flatten().map(|(queue, outcome)| {
                let place = format!("{}/{}", queue.broker_name, queue.queue_id);
                (place, outcome)
            });
            summed_up(queues.collect())
        }
        Change::Resend {
            to,
            masters,
            messages,
        } => {
            let sent = fan_out::all(messages, |message| {
                let (admin, masters, to) = (admin.clone(), masters.clone(), to.clone());
                async move {
                    let sent = dead_letters::send(&admin, &masters, &to, &message).await;
                    (message.message_id().to_owned(), sent)
                }
            });
            summed_up(sent.await)
        }
        Change::SetConfig { broker, key, value } => {
            let outcome = set_config(&admin, &broker, key, value).await;
            summed_up(vec![(broker, outcome)])
        }
        Change::WipeWritePerm { broker } => {
            each(&admin, name_servers(), move |admin, server| {
                let broker = broker.clone();
                async move { admin.wipe_write_perm(&server, &broker).await.map(drop) }
            })
            .await
        }
        Change::RestoreWritePerm { broker } => {
            each(&admin, vec![broker], |admin, broker| async move {
                admin.set_write_permission(&broker, true).await
            })
            .await
        }
    }
}

/// The same at each of some servers.
async fn each<F>(admin: &Admin, servers: Vec<String>, tell: impl Fn(Admin, String) -> F) -> Outcome
where
    F: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let told = fan_out::all(servers, |server| {
        let telling = tell(admin.clone(), server.clone());
        async move {
            let told = telling.await.map(|()| "done".to_owned());
            (server, told.map_err(|error| error.to_string()))
        }
    });
    summed_up(told.await)
}

fn summed_up(targets: Vec<(String, Known<String>)>) -> Outcome {
    let all = targets.len();
    let failures = targets
        .iter()
        .filter_map(|(target, outcome)| Some(format!("{target}: {}", outcome.as_ref().err()?)));
    let failures = Vec::from_iter(failures);
    let summary = match (failures.len(), targets.as_slice()) {
        (0, [(_, Ok(done))]) => Ok(done.clone()),
        (0, _) => Ok(format!("done, {all} of {all}")),
        (failed, _) => Err(format!("{failed} of {all} failed: {}", failures.join("; "))),
    };
    Outcome { summary, targets }
}

/// Takes away the routes of a topic that is deleted. They go last: until the messages are gone, they must be found.
async fn forget(
    admin: &Admin,
    name_servers: Vec<String>,
    topic: &str,
    deleted: Outcome,
) -> Outcome {
    if deleted.summary.is_err() {
        return deleted;
    }
    let forgotten = each(admin, name_servers, |admin, server| {
        let topic = topic.to_owned();
        async move { admin.forget_topic(&server, &topic).await }
    });
    let forgotten = forgotten.await.targets;
    summed_up(deleted.targets.into_iter().chain(forgotten).collect())
}

/// Sets a value, and reads it back: a broker may take a key that it does not know.
async fn set_config(admin: &Admin, broker: &str, key: String, value: String) -> Known<String> {
    let text = properties::render([(key.clone(), value.clone())]);
    let set = admin.change_broker_config(broker, text).await;
    set.map_err(|error| error.to_string())?;
    let now = admin.broker_config(broker).await;
    let now = now.map_err(|error| format!("it was set, and cannot be read back: {error}"))?;
    match now.iter().rfind(|setting| setting.key == key) {
        Some(setting) if same_value(&setting.value, &value) => Ok("done".to_owned()),
        Some(setting) => Err(format!("the broker took it, and has {:?}", setting.value)),
        None => Err(format!("the broker took it, and knows no setting {key}")),
    }
}

async fn send(
    admin: &Admin,
    topic: String,
    body: String,
    tag: Option<String>,
    key: Option<String>,
) -> Result<String, ClientError> {
    let producer = Producer::new(admin.client().clone(), PRODUCER)?;
    let message = Message {
        tags: tag,
        keys: Vec::from_iter(key),
        ..Message::new(topic, body)
    };
    let sent = producer.send(&message).await;
    producer.close().await;
    let sent = sent?;
    Ok(format!(
        "stored as {}/{}/{}",
        sent.queue.broker_name, sent.queue.queue_id, sent.queue_offset
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_name_what_failed() {
        let done = |target: &str| (target.to_owned(), Ok("done".to_owned()));
        let failed = |target: &str| (target.to_owned(), Err("too short".to_owned()));
        assert_eq!(summed_up(vec![done("a")]).summary, Ok("done".to_owned()));
        assert_eq!(
            summed_up(vec![done("a"), done("b")]).summary,
            Ok("done, 2 of 2".to_owned())
        );
        assert_eq!(
            summed_up(vec![done("a"), failed("b")]).summary,
            Err("1 of 2 failed: b: too short".to_owned())
        );
    }
}
