//! Topics: how much lies there, how fast it arrives, who consumes it; and dead letters.

use std::collections::{BTreeMap, BTreeSet};

use client::names::DLQ_PREFIX;

use crate::app::App;
use crate::messages::Query;
use crate::page::Page;
use crate::sheet::{Cell, Column, Row, Sheet, Tone, Value};
use crate::snapshot::{Group, GroupQueue, Topic};

use super::age;

const COLUMNS: [Column; 8] = [
    Column::wide("TOPIC", 24),
    Column::number("MESSAGES", 10),
    Column::number("IN/S", 8),
    Column::text("TREND", 10),
    Column::number("QUEUES", 7),
    Column::number("LAST", 8),
    Column::number("GROUPS", 6),
    Column::number("AGE", 6),
];

pub(super) fn list(app: &App) -> Sheet {
    let mut sheet = Sheet::new(&COLUMNS).command("mq topic list");
    let topics = app.latest.iter().flat_map(|latest| &latest.topics);
    let topics = topics.filter(|topic| !topic.name.starts_with(DLQ_PREFIX));
    let consumers = consumers(app);
    let none = Vec::new();
    sheet.rows = topics
        .map(|topic| {
            row(
                app,
                topic,
                consumers.get(topic.name.as_str()).unwrap_or(&none),
            )
        })
        .collect();
    sheet
}

/// By topic, the groups that consume it.
fn consumers(app: &App) -> BTreeMap<&str, Vec<&Group>> {
    let mut consumers: BTreeMap<&str, Vec<&Group>> = BTreeMap::new();
    for group in app.latest.iter().flat_map(|latest| &latest.groups) {
        let read = group
            .queues
            .iter()
            .flatten()
            .map(|queue| queue.topic.as_str());
        let wanted = group
            .subscriptions
            .iter()
            .map(|subscription| subscription.topic.as_str());
        for topic in read.chain(wanted).collect::<BTreeSet<_>>() {
            consumers.entry(topic).or_default().push(group);
        }
    }
    consumers
}

fn row(app: &App, topic: &Topic, groups: &[&Group]) -> Row {
    let page = Page::Topic(topic.name.clone());
    let series = app.history.topic(&topic.name);
    let mut cells = vec![Cell::text(topic.name.clone())];
    match &topic.queues {
        Err(reason) => cells.extend((0..6).map(|_| Cell::unknown(reason.clone()))),
        Ok(queues) => cells.extend([
            topic
                .messages()
                .map_or_else(Cell::unknown, |count| Cell::count(count, topic.incomplete)),
            Cell::rate(app.history.topic_rate(topic)).at_least(topic.incomplete),
            Cell::new(Value::Spark(
                series.map(|series| series.rates()).unwrap_or_default(),
            )),
            Cell::count(queues.len() as i64, topic.incomplete),
            Cell::span(topic.last_ms().map(|last| app.now_ms - last)),
            Cell::whole(groups.len() as i64),
        ]),
    }
    cells.push(age(app, topic.asked_ms));
    let links = groups.iter().map(|group| Page::Group(group.name.clone()));
    Row::new(topic.name.clone(), cells)
        .link([
            page.clone(),
            Page::Messages(Query::latest(&topic.name, None)),
        ])
        .link(links)
        .open(page)
        .command(format!("mq topic stats {}", topic.name))
}

const QUEUES: [Column; 7] = [
    Column::wide("BROKER", 14),
    Column::number("QUEUE", 5),
    Column::number("IN/S", 8),
    Column::text("HEAT", 10),
    Column::number("MIN", 12),
    Column::number("MAX", 12),
    Column::number("LAST", 8),
];

/// A topic and its queues. The heat is a queue's share of the busiest one's rate, or of its messages while nothing
/// arrives.
pub(super) fn one(app: &App, name: &str) -> Sheet {
    let mut sheet = Sheet::new(&QUEUES).command(format!("mq topic stats {name}"));
    let Some(latest) = &app.latest else {
        return sheet;
    };
    let Some(topic) = latest.topic(name) else {
        sheet.empty = format!("there is no topic {name} any more");
        return sheet;
    };
    let series = app.history.topic(name);
    sheet.fact_line([
        (
            "messages",
            topic
                .messages()
                .map_or_else(Cell::unknown, |count| Cell::count(count, topic.incomplete)),
        ),
        (
            "in/s",
            Cell::rate(app.history.topic_rate(topic)).at_least(topic.incomplete),
        ),
        (
            "",
            Cell::new(Value::Spark(
                series.map(|series| series.rates()).unwrap_or_default(),
            )),
        ),
        ("age", age(app, topic.asked_ms)),
    ]);
    let consuming = |group: &&Group| {
        let lag: i64 = group
            .queues
            .iter()
            .flatten()
            .filter(|queue| queue.topic == name)
            .map(GroupQueue::lag)
            .sum();
        let sign = if group.incomplete { "≥" } else { "" };
        format!("{} (lag {sign}{})", group.name, crate::figures::short(lag))
    };
    let groups = consumers(app).remove(name).unwrap_or_default();
    let words = if groups.is_empty() {
        // Dead letters are for nobody in particular.
        Cell::words("none").tone(match name.starts_with(DLQ_PREFIX) {
            true => Tone::Plain,
            false => Tone::Warn,
        })
    } else {
        Cell::text(groups.iter().map(consuming).collect::<Vec<_>>().join(", "))
    };
    sheet.fact_line([("groups", words)]);
    let queues = match &topic.queues {
        Ok(queues) => queues,
        Err(reason) => {
            sheet.empty = format!("unknown: {reason}");
            return sheet;
        }
    };
    let rates: Vec<Option<f64>> = queues
        .iter()
        .map(|queue| app.history.arrival_rate(name, queue))
        .collect();
    let flowing = rates.iter().flatten().any(|rate| *rate > 0.0);
    let heat = |place: usize| match rates.get(place) {
        Some(rate) if flowing => rate.unwrap_or(0.0),
        _ => queues
            .get(place)
            .map_or(0.0, |queue| (queue.max - queue.min) as f64),
    };
    let hottest = (0..queues.len()).map(heat).fold(0.0, f64::max);
    for (place, queue) in queues.iter().enumerate() {
        let cells = vec![
            Cell::text(queue.broker.clone()),
            Cell::whole(queue.id),
            Cell::rate(rates.get(place).copied().flatten()),
            Cell::new(Value::Heat(if hottest > 0.0 {
                heat(place) / hottest
            } else {
                0.0
            })),
            Cell::whole(queue.min),
            Cell::whole(queue.max),
            Cell::span(queue.last_ms.map(|last| app.now_ms - last)),
        ];
        let links = groups.iter().map(|group| Page::Group(group.name.clone()));
        let messages = Page::Messages(Query::latest(name, Some((queue.broker.clone(), queue.id))));
        sheet.rows.push(
            Row::new(format!("{}/{}", queue.broker, queue.id), cells)
                .link([Page::Topic(name.to_owned())])
                .link(links)
                .link(broker_page(app, &queue.broker))
                .link([messages.clone()])
                .open(messages)
                .command(format!("mq topic stats {name}")),
        );
    }
    sheet
}

/// The page of a broker by its name: that of its master, if it has one.
pub(super) fn broker_page(app: &App, name: &str) -> Option<Page> {
    let mut brokers = app
        .latest
        .iter()
        .flat_map(|latest| &latest.brokers)
        .filter(|broker| broker.name == name);
    brokers
        .next()
        .map(|broker| Page::Broker(broker.address.clone()))
}

const DEAD: [Column; 5] = [
    Column::wide("GROUP", 24),
    Column::number("MESSAGES", 10),
    Column::number("IN/S", 8),
    Column::number("LAST", 8),
    Column::number("AGE", 6),
];

/// Messages that groups gave up.
pub(super) fn dead_letters(app: &App) -> Sheet {
    let mut sheet = Sheet::new(&DEAD).command("mq dlq list");
    sheet.empty = "no group has a dead-letter topic".to_owned();
    for topic in app.latest.iter().flat_map(|latest| &latest.topics) {
        let Some(group) = topic.name.strip_prefix(DLQ_PREFIX) else {
            continue;
        };
        let messages = topic.messages();
        let tone = if matches!(messages, Ok(1..)) {
            Tone::Warn
        } else {
            Tone::Plain
        };
        let cells = vec![
            Cell::text(group),
            messages.map_or_else(Cell::unknown, |count| {
                Cell::count(count, topic.incomplete).tone(tone)
            }),
            Cell::rate(app.history.topic_rate(topic)).at_least(topic.incomplete),
            Cell::span(topic.last_ms().map(|last| app.now_ms - last)),
            age(app, topic.asked_ms),
        ];
        let page = Page::Topic(topic.name.clone());
        sheet.rows.push(
            Row::new(group, cells)
                .link([
                    page.clone(),
                    Page::Group(group.to_owned()),
                    Page::Messages(Query::latest(&topic.name, None)),
                ])
                .open(page)
                .command(format!("mq dlq show {group}")),
        );
    }
    sheet
}
