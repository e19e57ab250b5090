//! Consumer groups and their dead letters.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Level, Subject};
use crate::names::RETRY_PREFIX;
use crate::verdict::{Verdict, short, span};

/// A queue is hot when it has this many messages more, and this many times as many, as the queue in the middle.
const HOT_MESSAGES: i64 = 1_000;
const HOT_TIMES: i64 = 5;

fn finding(
    group: &str,
    level: Level,
    what: &'static str,
    evidence: String,
    fix: String,
) -> Finding {
    Finding::new(level, what, Subject::Group(group.to_owned()), evidence, fix)
}

/// Where a group stands, for those who read its verdict.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// Messages still to consume.
    pub lag: i64,
    /// A broker of the group did not answer: there may be more.
    pub at_least: bool,
    pub behind_ms: Option<i64>,
    /// `None`: nobody could be asked.
    pub members: Option<usize>,
}

/// What a verdict on a group means, if somebody should look.
pub fn verdict(group: &str, verdict: Verdict, standing: Standing) -> Option<Finding> {
    let members = standing
        .members
        .map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    let (level, what, more) = match verdict {
        Verdict::Lost { .. } | Verdict::Losing { .. } => {
            (Level::Critical, "losing data", verdict.to_string())
        }
        Verdict::NoMember => (
            Level::Critical,
            "no member",
            "nobody is connected".to_owned(),
        ),
        Verdict::Stuck { .. } => (
            Level::Critical,
            "stuck",
            format!("{verdict}, members {members}"),
        ),
        Verdict::Unread => (
            Level::Warning,
            "unread",
            "nothing was ever consumed".to_owned(),
        ),
        Verdict::Growing { .. } => (
            Level::Warning,
            "falling behind",
            format!("{verdict}, members {members}"),
        ),
        Verdict::Draining { .. } | Verdict::Steady | Verdict::Behind | Verdict::CaughtUp => {
            return None;
        }
    };
    let at_least = if standing.at_least { "at least " } else { "" };
    let mut evidence = format!("{at_least}{} messages", short(standing.lag));
    if let Some(behind) = standing.behind_ms {
        evidence.push_str(&format!(", {} behind", span(behind)));
    }
    let evidence = format!("{evidence}; {more}");
    let fix = format!("mq group lag {group}");
    Some(finding(group, level, what, evidence, fix))
}

/// A queue of a group.
#[derive(Debug, Clone, Copy)]
pub struct Queue<'a> {
    pub topic: &'a str,
    pub broker: &'a str,
    pub id: i32,
    pub lag: i64,
}

/// One queue of a topic has far more to consume than the others.
pub fn hot_queue<'a>(group: &str, queues: impl IntoIterator<Item = Queue<'a>>) -> Option<Finding> {
    let mut by_topic: BTreeMap<&str, Vec<Queue<'a>>> = BTreeMap::new();
    for queue in queues {
        by_topic.entry(queue.topic).or_default().push(queue);
    }
    let evidence = by_topic.into_values().find_map(|mut queues| {
        queues.sort_by_key(|queue| queue.lag);
        let middle = queues.get(queues.len().checked_sub(1)? / 2)?.lag;
        let worst = *queues.last()?;
        let hot = queues.len() > 1
            && worst.lag - middle >= HOT_MESSAGES
            && worst.lag >= middle.saturating_mul(HOT_TIMES);
        hot.then(|| {
            format!(
                "{} {}/{}: {} messages, the queue in the middle has {}",
                worst.topic,
                worst.broker,
                worst.id,
                short(worst.lag),
                short(middle)
            )
        })
    })?;
    let fix = format!("mq group lag {group} --queues");
    Some(finding(group, Level::Warning, "hot queue", evidence, fix))
}

/// More members than queues: some have nothing to do.
pub fn idle_members(group: &str, members: usize, queues: usize) -> Option<Finding> {
    (queues > 0 && members > queues).then(|| {
        finding(
            group,
            Level::Note,
            "idle members",
            format!(
                "{members} members share {queues} queues: {} have none",
                members - queues
            ),
            "give each one with mq topic update TOPIC --queues N, or stop some of them".to_owned(),
        )
    })
}

/// Queues that are shared out unevenly: clients share those of a topic so that no two of them differ by more than one.
/// `members`: client id, and by topic how many queues it says it owns; `None` for one that did not say.
pub fn uneven_queues<'a>(
    group: &str,
    members: impl IntoIterator<Item = Option<(&'a str, BTreeMap<String, usize>)>>,
) -> Option<Finding> {
    let members = members.into_iter().collect::<Option<Vec<_>>>()?;
    let topics: BTreeSet<&str> = members
        .iter()
        .flat_map(|(_, owned)| owned.keys().map(String::as_str))
        .filter(|topic| !topic.starts_with(RETRY_PREFIX))
        .collect();
    let evidence = topics.into_iter().find_map(|topic| {
        let count = |owned: &BTreeMap<String, usize>| owned.get(topic).copied().unwrap_or(0);
        let most = members.iter().max_by_key(|(_, owned)| count(owned))?;
        let least = members.iter().min_by_key(|(_, owned)| count(owned))?;
        (count(&most.1) > count(&least.1) + 1).then(|| {
            format!(
                "{topic}: {} owns {} queues, {} owns {}",
                most.0,
                count(&most.1),
                least.0,
                count(&least.1)
            )
        })
    })?;
    let fix = "if it stays so, let all members use the same strategy of allocation and the same release of the client";
    Some(finding(
        group,
        Level::Warning,
        "uneven queues",
        evidence,
        fix.to_owned(),
    ))
}

/// Members of a group must subscribe to the same; else each loses the messages of queues that the others own. `members`:
/// client id, and the topics with their expressions that it says it subscribes to.
pub fn different_subscriptions<'a>(
    group: &str,
    members: impl IntoIterator<Item = (&'a str, BTreeSet<(&'a str, &'a str)>)>,
) -> Option<Finding> {
    let retry = format!("{RETRY_PREFIX}{group}");
    let mut told = members.into_iter().map(|(id, mut subscriptions)| {
        subscriptions.retain(|(topic, _)| *topic != retry);
        (id, subscriptions)
    });
    let (first, expected) = told.next()?;
    let (other, differing) = told.find(|(_, subscriptions)| *subscriptions != expected)?;
    let words = |subscriptions: &BTreeSet<(&str, &str)>| {
        let words = subscriptions.iter();
        let words = words.map(|(topic, expression)| format!("{topic}:{expression}"));
        Vec::from_iter(words).join(" ")
    };
    let evidence = format!(
        "{first} wants {}, {other} wants {}",
        words(&expected),
        words(&differing)
    );
    let fix = "let all its members subscribe to the same topics and tags, or give each kind a group of its own";
    Some(finding(
        group,
        Level::Critical,
        "subscriptions",
        evidence,
        fix.to_owned(),
    ))
}

/// Messages that a group gave up. `arriving`: some of them came a moment ago.
pub fn dead_letters(
    group: &str,
    messages: i64,
    last_age_ms: Option<i64>,
    arriving: bool,
) -> Option<Finding> {
    if messages <= 0 {
        return None;
    }
    let age = last_age_ms.map_or_else(String::new, |ago| {
        format!(", the last one {} ago", span(ago))
    });
    let (level, what) = match arriving {
        true => (Level::Critical, "dead letters arrive"),
        false => (Level::Warning, "dead letters"),
    };
    Some(Finding::new(
        level,
        what,
        Subject::DeadLetters(group.to_owned()),
        format!("{} messages{age}", short(messages)),
        format!("mq dlq show {group}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_that_are_fine_are_no_findings() {
        let standing = Standing {
            lag: 7,
            at_least: false,
            behind_ms: Some(90_000),
            members: Some(2),
        };
        let found = verdict("g", Verdict::Stuck { for_ms: 20_000 }, standing).unwrap();
        assert_eq!(
            found.evidence,
            "7 messages, 1m30s behind; stuck for 20s, members 2"
        );
        assert_eq!(verdict("g", Verdict::Steady, standing), None);
        let partial = Standing {
            at_least: true,
            behind_ms: None,
            ..standing
        };
        let found = verdict("g", Verdict::NoMember, partial).unwrap();
        assert_eq!(found.evidence, "at least 7 messages; nobody is connected");
    }

    #[test]
    fn subscriptions_are_compared_without_the_retry_topic() {
        let one = ("one", BTreeSet::from([("orders", "a"), ("%RETRY%g", "*")]));
        let two = ("two", BTreeSet::from([("orders", "a")]));
        let three = ("three", BTreeSet::from([("orders", "b")]));
        assert_eq!(
            different_subscriptions("g", [one.clone(), two.clone()]),
            None
        );
        let found = different_subscriptions("g", [one, two, three]).unwrap();
        assert_eq!(found.evidence, "one wants orders:a, three wants orders:b");
    }

    #[test]
    fn members_share_queues_evenly() {
        let owned = |count: usize| {
            BTreeMap::from([("orders".to_owned(), count), ("%RETRY%g".to_owned(), 1)])
        };
        let members = |counts: [usize; 2]| {
            let [first, second] = counts.map(owned);
            uneven_queues("g", [Some(("one", first)), Some(("two", second))])
        };
        assert_eq!(members([3, 4]), None);
        let found = members([2, 6]).unwrap();
        assert_eq!(found.evidence, "orders: two owns 6 queues, one owns 2");
        assert_eq!(uneven_queues("g", [Some(("one", owned(9))), None]), None);
        assert!(idle_members("g", 9, 8).is_some() && idle_members("g", 8, 8).is_none());
    }

    #[test]
    fn hot_is_far_more_than_the_middle() {
        let queues = |lags: [i64; 3]| {
            let queue = |(id, lag): (usize, i64)| Queue {
                topic: "orders",
                broker: "a",
                id: id as i32,
                lag,
            };
            hot_queue("g", lags.into_iter().enumerate().map(queue))
        };
        assert!(queues([10, 20, 900]).is_none() && queues([3_000, 3_500, 4_600]).is_none());
        assert!(queues([10, 20, 2_000]).is_some());
    }

    #[test]
    fn dead_letters_that_arrive_are_worse() {
        assert_eq!(dead_letters("g", 0, None, true), None);
        assert_eq!(
            dead_letters("g", 1, None, false).unwrap().level,
            Level::Warning
        );
        let found = dead_letters("g", 13, Some(1_000), true).unwrap();
        assert_eq!(
            (found.level, found.evidence.as_str()),
            (Level::Critical, "13 messages, the last one 1s ago")
        );
    }
}
