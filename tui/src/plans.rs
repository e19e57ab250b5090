//! Plans that the brokers must be asked for: where each queue of a group would go, which dead letters would be sent once
//! more. Nothing is changed.

use client::Admin;
use client::admin::Broker;
use client::dead_letters::{Fate, come_back_at_once, topic_of, was_sent};
use client::message::MessageExt;
use client::names::RETRY_PREFIX;
use client::pull::Puller;
use client::reset::{Means, Move, Part, Reset, Target, Topics};
use client::search::{News, Search};
use client::{Expression, fan_out};
use remoting::protocol::body::group::SubscriptionGroupConfig;

use crate::change::{Aim, Change, Plan, Question, quoted};
use crate::figures::short;
use crate::snapshot::Known;

/// Dead letters that are sent once more at a time; there may be millions.
const DEAD_LETTERS: usize = 1_000;

pub(crate) async fn work_out(admin: Admin, question: Question) -> Known<Plan> {
    match question {
        Question::Reset {
            group,
            topic,
            queue,
            to,
        } => reset(&admin, group, topic, queue, to).await,
        Question::Resend {
            group,
            id,
            max_resends,
        } => resend(&admin, group, id, max_resends).await,
    }
}

async fn masters(admin: &Admin) -> Known<Vec<Broker>> {
    admin.masters().await.map_err(|error| error.to_string())
}

/// Those that have a group, and its settings there.
async fn masters_of(admin: &Admin, group: &str) -> Known<Vec<(Broker, SubscriptionGroupConfig)>> {
    let answers = admin.each(masters(admin).await?, |admin, broker| async move {
        admin.groups(&broker.address).await
    });
    let answers = answers.await;
    if let Some((broker, error)) = answers.failed.first() {
        return Err(format!("{} does not answer: {error}", broker.name));
    }
    let mut on = Vec::new();
    for (broker, mut groups) in answers.known {
        if let Some(config) = groups.remove(group) {
            on.push((broker, config));
        }
    }
    Ok(on)
}

async fn reset(
    admin: &Admin,
    group: String,
    topic: String,
    queue: Option<String>,
    to: Aim,
) -> Known<Plan> {
    let mut command = format!("mq group reset {group} --topic {}", quoted(&topic));
    let mut queues = Vec::new();
    if let Some(queue) = &queue {
        let parsed = queue
            .rsplit_once([':', '/'])
            .and_then(|(broker, id)| Some((broker.to_owned(), id.parse().ok()?)));
        queues.push(parsed.ok_or("a queue as broker-a:3 is needed")?);
        command.push_str(&format!(" --queue {}", quoted(queue)));
    }
    let (target, like) = match &to {
        Aim::To(text) => {
            command.push_str(&format!(" --to {}", quoted(text)));
            (Target::parse(text)?, None)
        }
        Aim::Shift(by) => {
            command.push_str(&format!(" --shift={by}"));
            (Target::Shift(*by), None)
        }
        Aim::Like(other) => {
            command.push_str(&format!(" --like {other}"));
            (Target::OtherGroup, Some(other.clone()))
        }
    };
    command.push_str(" --yes");
    let masters = masters_of(admin, &group).await?.into_iter();
    let masters = masters.map(|(broker, _)| broker).collect();
    let reset = Reset {
        group,
        like,
        topics: Topics::One(topic),
        queues,
        target,
    };
    let planned = reset
        .plan(admin, masters)
        .await
        .map_err(|e| e.to_string())?;
    if let Some((broker, error)) = planned.failed.first() {
        return Err(format!("{} does not answer: {error}", broker.name));
    }
    let lines: Vec<String> = planned.parts.iter().flat_map(lines_of).collect();
    if let Some(why) = planned
        .parts
        .iter()
        .find_map(|part| part.means.as_ref().err())
    {
        return Err(why.clone());
    }
    let mut moves = planned.parts.iter().flat_map(|part| &part.moves);
    if !moves.any(Move::changes) {
        return Err(match lines.is_empty() {
            true => "there is no such queue".to_owned(),
            false => "nothing would change".to_owned(),
        });
    }
    Ok(Plan {
        lines,
        command,
        word: Some(reset.group.clone()),
        change: Change::Reset {
            group: reset.group,
            parts: planned.parts,
        },
    })
}

/// What a reset does on one broker, queue by queue.
fn lines_of(part: &Part) -> Vec<String> {
    let place = |queue: &remoting::protocol::body::queue_map::MessageQueue| {
        format!("{}/{}", queue.broker_name, queue.queue_id)
    };
    let mut lines = Vec::new();
    for planned in &part.moves {
        let (skipped, again) = (planned.skipped(), planned.again());
        let meaning = match (planned.from, skipped.unwrap_or(0), again.unwrap_or(0)) {
            (None, ..) => "no offset yet".to_owned(),
            (Some(_), 0, 0) => "as it is".to_owned(),
            (Some(_), skipped @ 1.., _) => format!("skips {}", short(skipped)),
            (Some(_), _, again) => format!("{} again", short(again)),
        };
        let from = planned.from.map_or("-".to_owned(), |from| from.to_string());
        lines.push(format!(
            "{}: {from} → {}, {meaning}",
            place(&planned.queue),
            planned.to
        ));
    }
    let stays = part.stays.iter();
    lines.extend(stays.map(|(position, why)| format!("{}: stays: {why}", place(&position.queue))));
    lines.push(match &part.means {
        Ok(Means::Commit) => format!(
            "{}: nobody is connected, it sets the offsets",
            part.broker.name
        ),
        Ok(Means::OnItsOwn) => format!("{}: it moves them on its own", part.broker.name),
        Ok(Means::TellOffsets | Means::TellTime(_)) => {
            format!(
                "{}: members told to go on there: {}",
                part.broker.name, part.members
            )
        }
        Err(why) => format!("{}: {why}", part.broker.name),
    });
    lines
}

async fn resend(admin: &Admin, group: String, id: Option<String>, max_resends: u32) -> Known<Plan> {
    for (broker, config) in masters_of(admin, &group).await? {
        if come_back_at_once(&config) {
            return Err(format!(
                "on {} the group tries nothing again: they would be dead letters at once",
                broker.name
            ));
        }
    }
    let mut command = format!("mq dlq resend {group}");
    match &id {
        Some(id) => command.push_str(&format!(" --id {}", quoted(id))),
        None => command.push_str(" --all"),
    }
    if max_resends != 1 {
        command.push_str(&format!(" --max-resends {max_resends}"));
    }
    command.push_str(" --yes");
    let (found, more) = dead_letters(admin, &group, id.as_deref()).await?;
    if found.is_empty() {
        return Err(format!("{group} has no such dead letter"));
    }
    let to = format!("{RETRY_PREFIX}{group}");
    let masters = masters(admin).await?;
    let judged = fan_out::all(found, |message| {
        let (admin, masters, to) = (admin.clone(), masters.clone(), to.clone());
        async move {
            let sent = was_sent(&admin, &masters, &to, &message).await;
            (Fate::of(&message, max_resends, true, sent), message)
        }
    });
    let (mut lines, mut messages) = (Vec::new(), Vec::new());
    for (fate, message) in judged.await {
        let meaning = match &fate {
            Fate::Send => "is sent".to_owned(),
            Fate::Sent => "was sent already".to_owned(),
            Fate::Refused(why) => format!("refused: {why}"),
        };
        let origin = client::dead_letters::origin_topic(&message).unwrap_or("-");
        lines.push(format!("{} of {origin}: {meaning}", message.message_id()));
        if fate == Fate::Send {
            messages.push(message);
        }
    }
    if messages.is_empty() {
        // One reason says more than that there is none.
        return Err(format!("nothing would be sent; {}", lines.swap_remove(0)));
    }
    let all = lines.len();
    let mut head = vec![format!(
        "{} of {all} dead letters go to {to}, once; they stay where they are as well",
        messages.len()
    )];
    if more {
        head.push(format!(
            "more than {DEAD_LETTERS} are there: these are the first; do it again for the next"
        ));
    }
    head.extend(lines);
    Ok(Plan {
        lines: head,
        command,
        word: None,
        change: Change::Resend {
            to,
            masters,
            messages,
        },
    })
}

/// The first dead letters of a group, or those with an id, and whether there are more.
async fn dead_letters(
    admin: &Admin,
    group: &str,
    id: Option<&str>,
) -> Known<(Vec<MessageExt>, bool)> {
    let puller = Puller::new(admin.client().clone());
    let queues = puller.queues(&topic_of(group)).await;
    let search = Search {
        queues: queues.map_err(|error| error.to_string())?,
        from_ms: None,
        to_ms: None,
        expression: Expression::all(),
    };
    let mut searching = search.start(&puller);
    let mut found = Vec::new();
    while let Some(news) = searching.next().await {
        match news {
            News::Found(message) => {
                let names = [message.message_id(), message.offset_message_id.as_str()];
                if id.is_some_and(|id| !names.contains(&id)) {
                    continue;
                }
                if found.len() == DEAD_LETTERS {
                    return Ok((found, true));
                }
                found.push(*message);
            }
            News::Failed(queue, error) => return Err(format!("{}: {error}", queue.broker_name)),
            News::Begun(_) | News::Passed(_) => {}
        }
    }
    Ok((found, false))
}

#[cfg(test)]
mod tests {
    use client::reset::Position;
    use remoting::protocol::body::queue_map::MessageQueue;

    use super::*;

    #[test]
    fn a_reset_says_what_it_does_to_each_queue() {
        let planned = |id: i32, consumer: Option<i64>, target| {
            let position = Position {
                queue: MessageQueue {
                    topic: "orders".to_owned(),
                    broker_name: "broker-a".to_owned(),
                    queue_id: id,
                },
                min: 10,
                max: 100,
                consumer,
                found: None,
            };
            Move::plan(&position, target).unwrap()
        };
        let part = Part {
            broker: Broker {
                cluster: "c".to_owned(),
                name: "broker-a".to_owned(),
                id: 0,
                address: "127.0.0.1:10911".to_owned(),
            },
            members: 2,
            means: Ok(Means::TellTime(-1)),
            moves: vec![
                planned(0, Some(40), Target::Latest),
                planned(1, Some(40), Target::Earliest),
                planned(2, None, Target::Latest),
                planned(3, Some(100), Target::Latest),
            ],
            stays: Vec::new(),
        };
        assert_eq!(
            lines_of(&part),
            [
                "broker-a/0: 40 → 100, skips 60",
                "broker-a/1: 40 → 10, 30 again",
                "broker-a/2: - → 100, no offset yet",
                "broker-a/3: 100 → 100, as it is",
                "broker-a: members told to go on there: 2",
            ]
        );
    }
}
