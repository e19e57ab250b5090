//! What is wrong, as rows: each with its evidence, the page that shows it, and the command that fixes it.

use std::collections::{BTreeMap, BTreeSet};

use client::verdict::{STUCK_AFTER_MS, Verdict, span};

use crate::app::{App, Page};
use crate::history::unread;
use crate::sheet::{Tone, bytes, short};
use crate::snapshot::{Broker, Group, GroupQueue, Known, Runtime, Snapshot, Subscription, Topic};

pub(crate) const DLQ_PREFIX: &str = "%DLQ%";

/// Apache's brokers warn at 75 %, delete early from 85 % on, and refuse messages at 90 %.
const DISK_WARNING: f64 = 0.75;
const DISK_REFUSES: f64 = 0.90;
/// Commit log that waits for its consume queues: consumers do not see these messages yet.
const DISPATCH_WARNING_BYTES: i64 = 64 << 20;
/// As the brokers' own limit (`osPageCacheBusyTimeOutMills`): from here on they refuse messages.
const PAGE_CACHE_BUSY_MS: i64 = 1_000;
/// A queue is hot when it has this many messages more, and this many times as many, as the queue in the middle.
const HOT_MESSAGES: i64 = 1_000;
const HOT_TIMES: i64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Critical,
    Warning,
    Note,
}

impl Level {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Critical => "CRIT",
            Self::Warning => "WARN",
            Self::Note => "note",
        }
    }

    pub(crate) fn tone(self) -> Tone {
        match self {
            Self::Critical => Tone::Bad,
            Self::Warning => Tone::Warn,
            Self::Note => Tone::Plain,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// Two or three words.
    pub(crate) what: &'static str,
    pub(crate) subject: String,
    pub(crate) evidence: String,
    /// What to do next: a command, where one does it.
    pub(crate) fix: String,
    pub(crate) open: Page,
}

/// Everything that is wrong, worst first.
pub(crate) fn findings(app: &App) -> Vec<Finding> {
    let Some(snapshot) = &app.latest else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for broker in &snapshot.brokers {
        match &broker.runtime {
            Err(reason) => found.push(Finding {
                level: Level::Critical,
                what: "broker down",
                subject: format!("{} ({})", broker.name, broker.address),
                evidence: reason.clone(),
                fix: "mq cluster list".to_owned(),
                open: Page::Broker(broker.address.clone()),
            }),
            Ok(runtime) => found.extend(of_broker(broker, runtime)),
        }
    }
    for (name, address, seen_ms) in app.history.gone(snapshot) {
        found.push(Finding {
            level: Level::Critical,
            what: "broker gone",
            subject: format!("{name} ({address})"),
            evidence: format!(
                "stopped, or silent for so long that no name server knows it; last registered {} ago",
                span(app.now_ms - seen_ms)
            ),
            fix: "mq cluster list".to_owned(),
            open: Page::Brokers,
        });
    }
    if snapshot.brokers.is_empty() {
        found.push(Finding {
            level: Level::Critical,
            what: "no broker",
            subject: "cluster".to_owned(),
            evidence: "no broker is registered with a name server".to_owned(),
            fix: format!("mq broker start -n {}", app.source),
            open: Page::Brokers,
        });
    }
    found.extend(of_versions(&snapshot.brokers));
    found.extend(of_name_servers(snapshot));
    for group in &snapshot.groups {
        found.extend(of_group(app, snapshot, group));
    }
    found.extend(
        snapshot
            .topics
            .iter()
            .filter_map(|topic| of_dead_letters(app, topic)),
    );
    for missing in &snapshot.missing {
        found.push(Finding {
            level: Level::Warning,
            what: "incomplete",
            subject: "cluster".to_owned(),
            evidence: missing.clone(),
            fix: "mq cluster list".to_owned(),
            open: Page::Brokers,
        });
    }
    found.sort_by_key(|finding| finding.level);
    found
}

fn of_broker(broker: &Broker, runtime: &Runtime) -> Vec<Finding> {
    let finding = |level, what, evidence: String, fix: &str| Finding {
        level,
        what,
        subject: broker.name.clone(),
        evidence,
        fix: fix.to_owned(),
        open: Page::Broker(broker.address.clone()),
    };
    let mut found = Vec::new();
    if let Some(used) = runtime.disk_used.filter(|used| *used >= DISK_WARNING) {
        let full = used >= DISK_REFUSES;
        found.push(finding(
            if full {
                Level::Critical
            } else {
                Level::Warning
            },
            "disk",
            format!(
                "{:.0}% used; {}",
                used * 100.0,
                if full {
                    "messages are refused"
                } else {
                    "old messages are deleted early from 85% on"
                }
            ),
            "free space on the disk, or keep messages for less: fileReservedTime (a)",
        ));
    }
    if let Some(behind) = runtime
        .dispatch_behind_bytes
        .filter(|behind| *behind > DISPATCH_WARNING_BYTES)
    {
        found.push(finding(
            Level::Warning,
            "dispatch behind",
            format!("{} stored, not visible to consumers yet", bytes(behind)),
            "mq cluster list",
        ));
    }
    if let Some(held) = runtime
        .page_cache_lock_ms
        .filter(|held| *held > PAGE_CACHE_BUSY_MS)
    {
        found.push(finding(
            Level::Critical,
            "page cache busy",
            format!("one write takes {held} ms by now; messages are refused"),
            "mq cluster list",
        ));
    }
    if let Some(reason) = &runtime.read_only_reason {
        found.push(finding(
            Level::Critical,
            "read-only",
            format!("messages are refused: {reason}"),
            "mq cluster list",
        ));
    }
    if let Some(failed) = runtime.failed_puts.filter(|failed| *failed > 0) {
        found.push(finding(
            Level::Warning,
            "failed writes",
            format!("{failed} messages could not be stored since the broker started"),
            "mq cluster list",
        ));
    }
    found
}

fn of_versions(brokers: &[Broker]) -> Option<Finding> {
    let versions: BTreeSet<&str> = brokers
        .iter()
        .filter_map(|broker| Some(broker.runtime.as_ref().ok()?.version.as_str()))
        .collect();
    (versions.len() > 1).then(|| Finding {
        level: Level::Note,
        what: "version skew",
        subject: "cluster".to_owned(),
        evidence: format!("brokers run {}", Vec::from_iter(versions).join(", ")),
        fix: "mq cluster list".to_owned(),
        open: Page::Brokers,
    })
}

fn of_name_servers(snapshot: &Snapshot) -> Vec<Finding> {
    let finding = |level, what, subject: &str, evidence: String| Finding {
        level,
        what,
        subject: subject.to_owned(),
        evidence,
        fix: "mq cluster list".to_owned(),
        open: Page::Brokers,
    };
    let mut found = Vec::new();
    let mut first: Option<(&str, BTreeSet<&String>)> = None;
    for server in &snapshot.name_servers {
        let brokers: BTreeSet<&String> = match &server.brokers {
            Ok(brokers) => brokers.iter().collect(),
            Err(reason) => {
                found.push(finding(
                    Level::Critical,
                    "name server down",
                    &server.address,
                    reason.clone(),
                ));
                continue;
            }
        };
        match &first {
            None => first = Some((&server.address, brokers)),
            Some((address, known)) if *known != brokers => {
                let differing: Vec<&str> = known
                    .symmetric_difference(&brokers)
                    .map(|broker| broker.as_str())
                    .collect();
                let evidence = format!(
                    "{} is not known to both it and {address}",
                    differing.join(", ")
                );
                found.push(finding(
                    Level::Warning,
                    "name servers differ",
                    &server.address,
                    evidence,
                ));
            }
            Some(_) => {}
        }
    }
    found
}

fn of_group(app: &App, snapshot: &Snapshot, group: &Group) -> Vec<Finding> {
    let finding = |level, what, evidence: String, fix: String| Finding {
        level,
        what,
        subject: group.name.clone(),
        evidence,
        fix,
        open: Page::Group(group.name.clone()),
    };
    let name = &group.name;
    let mut found = Vec::new();
    let verdict = app.history.verdict(group, snapshot);
    if let Ok(lag) = group.lag() {
        let lag = lag + unread(group, snapshot);
        let mut evidence = format!("{} messages", short(lag));
        if let Some(behind) = group.behind_ms(snapshot.taken_ms) {
            evidence.push_str(&format!(", {} behind", span(behind)));
        }
        let members = group
            .member_count()
            .map_or_else(|| "unknown".to_owned(), |count| count.to_string());
        let (level, what, more, fix) = match verdict {
            Verdict::Lost { .. } | Verdict::Losing { .. } => (
                Level::Critical,
                "losing data",
                verdict.to_string(),
                format!("mq group lag {name}"),
            ),
            Verdict::NoMember => (
                Level::Critical,
                "no member",
                "nobody is connected".to_owned(),
                format!("mq group lag {name}"),
            ),
            Verdict::Stuck { .. } => (
                Level::Critical,
                "stuck",
                format!("{verdict}, members {members}"),
                format!("mq group lag {name}"),
            ),
            Verdict::Unread => (
                Level::Warning,
                "unread",
                "nothing was ever consumed".to_owned(),
                format!("mq group lag {name}"),
            ),
            Verdict::Growing { .. } => (
                Level::Warning,
                "falling behind",
                format!("{verdict}, members {members}"),
                format!("mq group lag {name}"),
            ),
            _ => (Level::Note, "", String::new(), String::new()),
        };
        if !what.is_empty() {
            found.push(finding(level, what, format!("{evidence}; {more}"), fix));
        }
    }
    if !matches!(
        verdict,
        Verdict::Stuck { .. } | Verdict::NoMember | Verdict::Unread
    ) {
        found.extend(stuck_queue(app, group).map(|evidence| {
            finding(
                Level::Critical,
                "stuck queue",
                evidence,
                format!("mq group lag {name} --queues"),
            )
        }));
    }
    found.extend(hot_queue(group).map(|evidence| {
        finding(
            Level::Warning,
            "hot queue",
            evidence,
            format!("mq group lag {name} --queues"),
        )
    }));
    found.extend(different_subscriptions(group).map(|evidence| {
        finding(
            Level::Critical,
            "subscriptions",
            evidence,
            format!("mq group lag {name}"),
        )
    }));
    found
}

/// A queue that stands still while the group as a whole goes on: its client hangs, or nobody owns it.
fn stuck_queue(app: &App, group: &Group) -> Option<String> {
    let queues = group.queues.as_ref().ok()?;
    let still = |queue: &&GroupQueue| app.history.stands_still_ms(&group.name, queue);
    let worst = queues
        .iter()
        .filter(|queue| queue.lag() > 0)
        .max_by_key(still)?;
    let ms = still(&worst);
    (ms >= STUCK_AFTER_MS).then(|| {
        let owner = group
            .owner(worst)
            .map_or("nobody known".to_owned(), |member| member.id.clone());
        format!(
            "{} {}/{}: {} messages, still for {}, owned by {owner}",
            worst.topic,
            worst.broker,
            worst.id,
            short(worst.lag()),
            span(ms)
        )
    })
}

fn hot_queue(group: &Group) -> Option<String> {
    let queues = group.queues.as_ref().ok()?;
    let mut by_topic: BTreeMap<&str, Vec<&GroupQueue>> = BTreeMap::new();
    for queue in queues {
        by_topic.entry(&queue.topic).or_default().push(queue);
    }
    by_topic.into_values().find_map(|mut queues| {
        queues.sort_by_key(|queue| queue.lag());
        let middle = queues.get(queues.len().checked_sub(1)? / 2)?.lag();
        let worst = *queues.last()?;
        let hot = queues.len() > 1
            && worst.lag() - middle >= HOT_MESSAGES
            && worst.lag() >= middle.saturating_mul(HOT_TIMES);
        hot.then(|| {
            format!(
                "{} {}/{}: {} messages, the queue in the middle has {}",
                worst.topic,
                worst.broker,
                worst.id,
                short(worst.lag()),
                short(middle)
            )
        })
    })
}

/// Members of a group must subscribe to the same; else each loses the messages of queues that the others own.
pub(crate) fn different_subscriptions(group: &Group) -> Option<String> {
    let members = group.members.as_ref().ok()?;
    let retry = format!("%RETRY%{}", group.name);
    let of = |known: &Known<crate::snapshot::Running>| -> Option<BTreeSet<Subscription>> {
        let own = known.as_ref().ok()?.subscriptions.iter();
        Some(
            own.filter(|subscription| subscription.topic != retry)
                .cloned()
                .collect(),
        )
    };
    let mut told = members
        .iter()
        .filter_map(|member| Some((member, of(member.running.as_ref()?)?)));
    let (first, expected) = told.next()?;
    let (other, differing) = told.find(|(_, subscriptions)| *subscriptions != expected)?;
    let words = |subscriptions: &BTreeSet<Subscription>| {
        let words = subscriptions
            .iter()
            .map(|s| format!("{}:{}", s.topic, s.expression));
        words.collect::<Vec<_>>().join(" ")
    };
    Some(format!(
        "{} wants {}, {} wants {}",
        first.id,
        words(&expected),
        other.id,
        words(&differing)
    ))
}

fn of_dead_letters(app: &App, topic: &Topic) -> Option<Finding> {
    let group = topic.name.strip_prefix(DLQ_PREFIX)?;
    let messages = topic.messages().ok().filter(|messages| *messages > 0)?;
    let arriving = app
        .history
        .topic(&topic.name)
        .is_some_and(|series| series.rates().iter().any(|rate| *rate > 0.0));
    let age = topic.last_ms().map_or_else(String::new, |last| {
        format!(", the last one {} ago", span(app.now_ms - last))
    });
    Some(Finding {
        level: if arriving {
            Level::Critical
        } else {
            Level::Warning
        },
        what: if arriving {
            "dead letters arrive"
        } else {
            "dead letters"
        },
        subject: group.to_owned(),
        evidence: format!("{} messages{age}", short(messages)),
        fix: format!("mq consume '{}' --from first", topic.name),
        open: Page::Topic(topic.name.clone()),
    })
}
