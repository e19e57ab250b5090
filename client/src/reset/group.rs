//! A consumer group that is to go on elsewhere: what its brokers say, the plan made of that, and carrying it out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use remoting::protocol::body::queue_map::{IntMap, MessageQueue, QueueMap};
use remoting::protocol::headers::client::ResetOffsetRequestHeader;
use tokio::time::Instant;

use super::{Ability, Means, Move, Position, Target};
use crate::admin::{Broker, Members};
use crate::names::RETRY_PREFIX;
use crate::{Admin, ClientError};

/// How long members may take to go where they were told: Java's let go of their queues, and wait ten seconds.
const ARRIVAL: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The topics in which a group is to go on elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topics {
    One(String),
    /// The only one that it consumes.
    TheOnly,
    /// All in which it, or the group it is to follow, has offsets.
    All,
}

/// A reset as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    pub group: String,
    /// The other group of [`Target::OtherGroup`].
    pub like: Option<String>,
    pub topics: Topics,
    /// Broker name and id of the queues that are meant; none: all.
    pub queues: Vec<(String, i32)>,
    pub target: Target,
}

/// What is done with the queues of one topic on one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub broker: Broker,
    pub members: usize,
    /// Why the broker cannot, if it cannot.
    pub means: Result<Means, String>,
    pub moves: Vec<Move>,
    /// Queues that stay as they are, and why.
    pub stays: Vec<(Position, String)>,
}

/// What would be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// The topics that are meant.
    pub topics: Vec<String>,
    pub parts: Vec<Part>,
    /// Brokers that could not be asked: nothing is planned for them.
    pub failed: Vec<(Broker, ClientError)>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    #[error("group '{0}' has no offsets, and nobody is connected who subscribes a topic")]
    NoTopic(String),
    #[error("group '{group}' consumes {} topics: {}", .topics.len(), .topics.join(", "))]
    SeveralTopics { group: String, topics: Vec<String> },
}

/// The stored offsets of a group on a broker, by topic.
type Offsets = BTreeMap<String, IntMap<i64>>;

/// What a broker says that a plan needs.
struct Answer {
    ability: Ability,
    version: String,
    members: Members,
    own: Offsets,
    other: Offsets,
}

async fn ask(
    admin: Admin,
    broker: Broker,
    group: String,
    like: Option<String>,
) -> Result<Answer, ClientError> {
    let address = &broker.address;
    let (runtime, config, members, stored) = tokio::try_join!(
        admin.runtime(address),
        admin.broker_config(address),
        admin.members(address, &group),
        admin.all_offsets(address),
    )?;
    let server_side = config
        .iter()
        .find(|property| property.key == "useServerSideResetOffset");
    let of = |group: &str| -> Offsets {
        let of_topics = stored.offset_table.iter().filter_map(|(key, queues)| {
            let (topic, of) = key.split_once('@')?;
            (of == group).then(|| (topic.to_owned(), queues.clone()))
        });
        of_topics.collect()
    };
    Ok(Answer {
        ability: Ability::of(
            &runtime,
            server_side.map(|property| property.value.as_str()),
        ),
        version: runtime.version,
        own: of(&group),
        other: like.map(|like| of(&like)).unwrap_or_default(),
        members,
    })
}

impl Reset {
    /// Asks `masters`, those that have the group, and works out what would be done. Nothing is changed.
    ///
    /// # Errors
    /// When it is not clear which topic is meant.
    pub async fn plan(&self, admin: &Admin, masters: Vec<Broker>) -> Result<Plan, NoPlan> {
        let answers = admin.each(masters, |admin, broker| {
            ask(admin, broker, self.group.clone(), self.like.clone())
        });
        let answers = answers.await;
        let mut plan = Plan {
            topics: self.topics(&answers.known)?,
            parts: Vec::new(),
            failed: answers.failed,
        };
        for (broker, answer) in answers.known {
            for topic in &plan.topics {
                match self.of_broker(admin, &broker, &answer, topic).await {
                    Ok(part) => plan.parts.extend(part),
                    Err(error) => plan.failed.push((broker.clone(), error)),
                }
            }
        }
        Ok(plan)
    }

    /// The topics that are meant.
    fn topics(&self, answers: &[(Broker, Answer)]) -> Result<Vec<String>, NoPlan> {
        if let Topics::One(topic) = &self.topics {
            return Ok(vec![topic.clone()]);
        }
        let mut topics = BTreeSet::new();
        for (_, answer) in answers {
            let offsets = if self.like.is_some() {
                &answer.other
            } else {
                &answer.own
            };
            topics.extend(offsets.keys().cloned());
            if self.like.is_none() {
                topics.extend(answer.members.subscription_table.keys().cloned());
            }
        }
        topics.retain(|topic| !topic.starts_with(RETRY_PREFIX));
        let whose = self.like.as_ref().unwrap_or(&self.group).clone();
        let topics = Vec::from_iter(topics);
        match topics.len() {
            0 if answers.is_empty() => Ok(Vec::new()),
            0 => Err(NoPlan::NoTopic(whose)),
            2.. if self.topics == Topics::TheOnly => Err(NoPlan::SeveralTopics {
                group: whose,
                topics,
            }),
            _ => Ok(topics),
        }
    }

    /// The plan for one topic on one broker; `None` if the broker does not have the topic.
    async fn of_broker(
        &self,
        admin: &Admin,
        broker: &Broker,
        answer: &Answer,
        topic: &str,
    ) -> Result<Option<Part>, ClientError> {
        let Some(config) = admin.topics(&broker.address).await?.remove(topic) else {
            return Ok(None);
        };
        let stats = admin.topic_stats(&broker.address, topic).await?;
        let offset_in = |offsets: &Offsets, id: i32| {
            let offset = offsets.get(topic)?.get(&i64::from(id)).copied();
            offset.filter(|offset| *offset >= 0)
        };
        let chosen = |id: i32| {
            let mut queues = self.queues.iter();
            self.queues.is_empty()
                || queues.any(|(name, chosen)| *name == broker.name && *chosen == id)
        };
        let (mut moves, mut stays) = (Vec::new(), Vec::new());
        for (queue, range) in stats.offset_table.0 {
            let id = queue.queue_id;
            if id >= config.read_queue_nums || !chosen(id) {
                continue;
            }
            let found = match self.target {
                Target::OtherGroup => offset_in(&answer.other, id),
                // 4.x finds the last message for any later time, and would have it read again.
                Target::Time(time) if time > range.last_update_timestamp => None,
                Target::Time(time) => {
                    let found = admin.offset_by_time(&broker.address, &queue, time, None);
                    Some(found.await?)
                }
                _ => None,
            };
            let position = Position {
                min: range.min_offset,
                max: range.max_offset,
                consumer: offset_in(&answer.own, id),
                found,
                queue,
            };
            match Move::plan(&position, self.target) {
                Ok(planned) => moves.push(planned),
                Err(why) => stays.push((position, why.to_string())),
            }
        }
        if moves.is_empty() && stays.is_empty() {
            return Ok(None);
        }
        let members = answer.members.connection_set.len();
        let means = Means::choose(
            answer.ability,
            &answer.version,
            members,
            self.target,
            !self.queues.is_empty(),
        );
        Ok(Some(Part {
            broker: broker.clone(),
            members,
            means: means.map_err(|why| why.to_string()),
            moves,
            stays,
        }))
    }
}

/// What came of each queue: done, or why it is not known to be.
pub type Outcomes = BTreeMap<MessageQueue, Result<String, String>>;

impl Part {
    /// Moves the queues of one topic on one broker. `wait`: until connected members have gone there.
    pub async fn carry_out(&self, admin: &Admin, group: &str, wait: bool) -> Outcomes {
        let moves = || self.moves.iter().filter(|planned| planned.changes());
        let all = |outcome: Result<String, String>| -> Outcomes {
            moves()
                .map(|planned| (planned.queue.clone(), outcome.clone()))
                .collect()
        };
        let address = &self.broker.address;
        let told = match &self.means {
            Err(why) => return all(Err(why.clone())),
            Ok(means @ (Means::Commit | Means::OnItsOwn)) => {
                let mut outcomes = Outcomes::new();
                for planned in moves() {
                    let (queue, to) = (&planned.queue, planned.to);
                    let done = match means {
                        Means::Commit => admin.put_offset(address, group, queue, to).await,
                        _ => admin.reset_queue(address, group, queue, to).await,
                    };
                    let done = match done {
                        Ok(()) => read_back(admin, address, group, planned).await,
                        Err(error) => Err(error.to_string()),
                    };
                    outcomes.insert(queue.clone(), done);
                }
                return outcomes;
            }
            Ok(Means::TellOffsets) => {
                let offsets: QueueMap<i64> = moves()
                    .map(|planned| (planned.queue.clone(), planned.to))
                    .collect();
                let topic = moves().next().map_or("", |planned| &planned.queue.topic);
                admin.reset_members_to(address, group, topic, offsets).await
            }
            Ok(Means::TellTime(timestamp)) => {
                let topic = moves().next().map_or("", |planned| &planned.queue.topic);
                let header = ResetOffsetRequestHeader {
                    topic: topic.to_owned(),
                    group: group.to_owned(),
                    timestamp: *timestamp,
                    is_force: true,
                    queue_id: None,
                    offset: None,
                };
                admin.reset_members(address, &header).await
            }
        };
        let told = match told {
            Ok(told) => told.offset_table.0,
            Err(error) => return all(Err(error.to_string())),
        };
        let mut waiting = Vec::new();
        for planned in moves() {
            // Where the broker sends them, which need not be just what was planned.
            if let Some(&to) = told.get(&planned.queue) {
                waiting.push(Move {
                    to,
                    ..planned.clone()
                });
            }
        }
        let mut outcomes = all(Err("the broker told nobody of this queue".to_owned()));
        for planned in &waiting {
            let text = format!("its members are told to go to {}", planned.to);
            outcomes.insert(planned.queue.clone(), Ok(text));
        }
        if wait {
            arrive(admin, address, group, waiting, &mut outcomes).await;
        }
        outcomes
    }
}

/// Whether the broker has the offset now.
async fn read_back(
    admin: &Admin,
    address: &str,
    group: &str,
    planned: &Move,
) -> Result<String, String> {
    let now = admin.offset(address, group, &planned.queue).await;
    match now.map_err(|error| format!("cannot be read back: {error}"))? {
        Some(now) if now == planned.to => Ok("moved".to_owned()),
        Some(now) if planned.is_done_at(now) => Ok(format!("moved, at {now} by now")),
        now => Err(format!(
            "the broker took it, and is at {} nevertheless",
            now.map_or("no offset".to_owned(), |now| now.to_string())
        )),
    }
}

/// Waits until members have gone where they were told.
async fn arrive(
    admin: &Admin,
    address: &str,
    group: &str,
    mut waiting: Vec<Move>,
    outcomes: &mut Outcomes,
) {
    let deadline = Instant::now() + ARRIVAL;
    while !waiting.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(LOOK_EVERY).await;
        let mut still = Vec::new();
        for planned in waiting {
            match read_back(admin, address, group, &planned).await {
                Ok(text) => {
                    outcomes.insert(planned.queue, Ok(text));
                }
                Err(_) => still.push(planned),
            }
        }
        waiting = still;
    }
    for planned in waiting {
        // Members that are quick have read everything again before it could be seen.
        let text = match admin.offset(address, group, &planned.queue).await {
            Ok(Some(now)) => format!(
                "its members were told to go to {}, at {now} by now",
                planned.to
            ),
            _ => format!("its members were told to go to {}", planned.to),
        };
        outcomes.insert(planned.queue, Ok(text));
    }
}
