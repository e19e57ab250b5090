//! Carrying out a change, target by target: one that fails does not keep the others from being changed, and is named.

use client::message::Message;
use client::names::RETRY_PREFIX;
use client::producer::Producer;
use client::{Admin, ClientError, fan_out};
use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::body::topic::TopicConfig;
use remoting::protocol::headers::client::ResetOffsetRequestHeader;

use crate::change::Change;
use crate::snapshot::Known;

/// The producer group of test messages.
const PRODUCER: &str = "mq-tui";

/// What was done, or what failed.
pub(crate) async fn carry_out(admin: Admin, change: Change) -> Known<String> {
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
            let of_broker = topic.clone();
            let deleted = each(&admin, brokers, move |admin, broker| {
                let topic = of_broker.clone();
                async move { admin.delete_topic(&broker, &topic).await }
            });
            // Routes go last: until the messages are gone, they must be found.
            deleted.await?;
            each(&admin, name_servers(), move |admin, server| {
                let topic = topic.clone();
                async move { admin.forget_topic(&server, &topic).await }
            })
            .await
        }
        Change::Send {
            topic,
            body,
            tag,
            key,
        } => send(&admin, topic, body, tag, key)
            .await
            .map_err(|e| e.to_string()),
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
            let of_broker = retries.clone();
            let deleted = each(&admin, brokers, move |admin, broker| {
                let (group, retries) = (group.clone(), of_broker.clone());
                async move {
                    admin.delete_group(&broker, &group, true).await?;
                    match admin.topics(&broker).await?.contains_key(&retries) {
                        true => admin.delete_topic(&broker, &retries).await,
                        false => Ok(()),
                    }
                }
            });
            deleted.await?;
            each(&admin, name_servers(), move |admin, server| {
                let retries = retries.clone();
                async move { admin.forget_topic(&server, &retries).await }
            })
            .await
        }
        Change::ResetMembers {
            group,
            topic,
            to_latest,
            brokers,
        } => {
            let header = ResetOffsetRequestHeader {
                topic,
                group,
                timestamp: if to_latest { -1 } else { 0 },
                is_force: true,
                queue_id: None,
                offset: None,
            };
            each(&admin, brokers, move |admin, broker| {
                let header = header.clone();
                async move { admin.reset_members(&broker, &header).await.map(drop) }
            })
            .await
        }
        Change::PutOffsets { group, offsets } => {
            let outcomes = fan_out::all(offsets, |(broker, queue, offset)| {
                let (admin, group) = (admin.clone(), group.clone());
                async move { admin.put_offset(&broker, &group, &queue, offset).await }
            });
            summed_up(outcomes.await)
        }
        Change::SetConfig { broker, key, value } => {
            let text = remoting::protocol::properties::render([(key, value)]);
            summed_up(vec![admin.change_broker_config(&broker, text).await])
        }
        Change::WipeWritePerm { broker } => {
            each(&admin, name_servers(), move |admin, server| {
                let broker = broker.clone();
                async move { admin.wipe_write_perm(&server, &broker).await.map(drop) }
            })
            .await
        }
        Change::RestoreWritePerm { broker } => {
            each(&admin, name_servers(), move |admin, server| {
                let broker = broker.clone();
                async move { admin.add_write_perm(&server, &broker).await.map(drop) }
            })
            .await
        }
    }
}

/// The same at each of some servers.
async fn each<F>(
    admin: &Admin,
    servers: Vec<String>,
    tell: impl Fn(Admin, String) -> F,
) -> Known<String>
where
    F: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    summed_up(fan_out::all(servers, |server| tell(admin.clone(), server)).await)
}

fn summed_up(outcomes: Vec<Result<(), ClientError>>) -> Known<String> {
    let all = outcomes.len();
    let failures = Vec::from_iter(outcomes.into_iter().filter_map(|outcome| outcome.err()));
    if failures.is_empty() {
        return Ok(if all == 1 {
            "done".to_owned()
        } else {
            format!("done, {all} of {all}")
        });
    }
    let reasons = Vec::from_iter(failures.iter().map(ToString::to_string)).join("; ");
    Err(format!("{} of {all} failed: {reasons}", failures.len()))
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
        let failed = || Err(ClientError::invalid("topic", "x", "too short"));
        assert_eq!(summed_up(vec![Ok(())]), Ok("done".to_owned()));
        assert_eq!(
            summed_up(vec![Ok(()), Ok(())]),
            Ok("done, 2 of 2".to_owned())
        );
        let problem = summed_up(vec![Ok(()), failed()]).unwrap_err();
        assert!(
            problem.starts_with("1 of 2 failed: invalid topic"),
            "{problem}"
        );
    }
}
