//! All queues of a topic or group at a glance: one small bar for each, by who owns them, so that a hot queue or a client
//! that hangs stands out.

use std::collections::BTreeMap;

use crate::app::App;
use crate::figures::{short, short_rate};
use crate::messages::Query;
use crate::page::{Heat, Page};
use crate::sheet::{Cell, Column, Row, Sheet, Tone, Value};
use crate::snapshot::{Group, GroupQueue, TopicQueue};

use super::topics::broker_page;

const OF_GROUP: [Column; 6] = [
    Column::wide("OWNER", 18),
    Column::number("QUEUES", 6),
    Column::wide("LAG", 8),
    Column::wide("OUT/S", 8),
    Column::wide("STILL", 8),
    Column::wide("WORST QUEUE", 22),
];

const OF_TOPIC: [Column; 6] = [
    Column::wide("BROKER", 14),
    Column::number("QUEUES", 6),
    Column::wide("MESSAGES", 8),
    Column::wide("IN/S", 8),
    Column::wide("LAST", 8),
    Column::wide("BUSIEST QUEUE", 22),
];

pub(super) fn heat(app: &App, of: &Heat) -> Sheet {
    match of {
        Heat::Group(name) => of_group(app, name),
        Heat::Topic(name) => of_topic(app, name),
    }
}

/// Figures as parts of the largest in the whole map.
struct Scale(f64);

impl Scale {
    fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        Self(figures.into_iter().fold(0.0, f64::max))
    }

    fn strip(&self, figures: impl IntoIterator<Item = f64>) -> Cell {
        let part = |figure: f64| {
            if self.0 > 0.0 { figure / self.0 } else { 0.0 }
        };
        Cell::new(Value::Strip(figures.into_iter().map(part).collect()))
    }
}

fn of_group(app: &App, name: &str) -> Sheet {
    let mut sheet = Sheet::new(&OF_GROUP).command(format!("mq group lag {name} --queues"));
    let Some(group) = app.latest.as_ref().and_then(|latest| latest.group(name)) else {
        sheet.empty = format!("there is no group {name} any more");
        return sheet;
    };
    let queues = match &group.queues {
        Ok(queues) => queues,
        Err(reason) => {
            sheet.empty = format!("unknown: {reason}");
            return sheet;
        }
    };
    let rates_known = queues
        .iter()
        .filter_map(|queue| app.history.queue_consume_rate(name, queue));
    let rate = |queue: &GroupQueue| app.history.queue_consume_rate(name, queue).unwrap_or(0.0);
    let still = |queue: &GroupQueue| app.history.stands_still_ms(name, queue) as f64;
    let lags = Scale::of(queues.iter().map(|queue| queue.lag() as f64));
    let rates = Scale::of(queues.iter().map(rate));
    let stills = Scale::of(queues.iter().map(still));
    sheet.fact_line([
        ("largest lag", Cell::text(short(lags.0 as i64))),
        ("largest out/s", largest(rates_known)),
        ("longest still", Cell::span(Some(stills.0 as i64))),
    ]);
    for (owner, own) in by_owner(group, queues) {
        let worst = own.iter().max_by_key(|queue| queue.lag());
        let stuck = own
            .iter()
            .any(|queue| still(queue) >= client::verdict::STUCK_AFTER_MS as f64);
        let tone = if stuck { Tone::Bad } else { Tone::Plain };
        let cells = vec![
            owner
                .map_or_else(|| Cell::words("nobody known"), Cell::text)
                .tone(tone),
            Cell::whole(own.len() as i64),
            lags.strip(own.iter().map(|queue| queue.lag() as f64))
                .tone(tone),
            rates.strip(own.iter().map(|queue| rate(queue))),
            stills
                .strip(own.iter().map(|queue| still(queue)))
                .tone(tone),
            worst
                .filter(|queue| queue.lag() > 0)
                .map_or_else(Cell::nothing, |queue| {
                    Cell::text(format!(
                        "{} {}/{}: {}",
                        queue.topic,
                        queue.broker,
                        queue.id,
                        short(queue.lag())
                    ))
                }),
        ];
        let page = Page::Group(name.to_owned());
        let mut row = Row::new(owner.unwrap_or_default(), cells)
            .link([page.clone()])
            .open(page)
            .command(format!("mq group lag {name} --queues"));
        if let Some(worst) = worst {
            row = row
                .link([
                    Page::Topic(worst.topic.clone()),
                    Page::Messages(Query::latest(
                        &worst.topic,
                        Some((worst.broker.clone(), worst.id)),
                    )),
                ])
                .link(broker_page(app, &worst.broker));
        }
        sheet.rows.push(row);
    }
    sheet
}

fn largest(rates: impl Iterator<Item = f64>) -> Cell {
    rates
        .reduce(f64::max)
        .map_or_else(|| Cell::rate(None), |rate| Cell::text(short_rate(rate)))
}

/// Queues in the order of their names, by the member that owns them.
fn by_owner<'a>(
    group: &'a Group,
    queues: &'a [GroupQueue],
) -> BTreeMap<Option<&'a str>, Vec<&'a GroupQueue>> {
    let mut owners: BTreeMap<Option<&str>, Vec<&GroupQueue>> = BTreeMap::new();
    for queue in queues {
        let owner = group.owner(queue).map(|member| member.id.as_str());
        owners.entry(owner).or_default().push(queue);
    }
    for own in owners.values_mut() {
        own.sort_by_key(|queue| (&queue.topic, &queue.broker, queue.id));
    }
    owners
}

fn of_topic(app: &App, name: &str) -> Sheet {
    let mut sheet = Sheet::new(&OF_TOPIC).command(format!("mq topic stats {name}"));
    let Some(topic) = app.latest.as_ref().and_then(|latest| latest.topic(name)) else {
        sheet.empty = format!("there is no topic {name} any more");
        return sheet;
    };
    let queues = match &topic.queues {
        Ok(queues) => queues,
        Err(reason) => {
            sheet.empty = format!("unknown: {reason}");
            return sheet;
        }
    };
    let count = |queue: &TopicQueue| (queue.max - queue.min) as f64;
    let rates_known = queues
        .iter()
        .filter_map(|queue| app.history.arrival_rate(name, queue));
    let rate = |queue: &TopicQueue| app.history.arrival_rate(name, queue).unwrap_or(0.0);
    let age = |queue: &TopicQueue| queue.last_ms.map_or(0.0, |last| (app.now_ms - last) as f64);
    let counts = Scale::of(queues.iter().map(count));
    let rates = Scale::of(queues.iter().map(rate));
    let ages = Scale::of(queues.iter().map(age));
    sheet.fact_line([
        ("most messages", Cell::text(short(counts.0 as i64))),
        ("largest in/s", largest(rates_known)),
        ("longest since the last", Cell::span(Some(ages.0 as i64))),
    ]);
    let mut brokers: BTreeMap<&str, Vec<&TopicQueue>> = BTreeMap::new();
    for queue in queues {
        brokers.entry(&queue.broker).or_default().push(queue);
    }
    for (broker, mut own) in brokers {
        own.sort_by_key(|queue| queue.id);
        let busiest = own.iter().max_by(|a, b| {
            let figures = |queue: &TopicQueue| (rate(queue), count(queue));
            figures(a)
                .partial_cmp(&figures(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let cells = vec![
            Cell::text(broker),
            Cell::whole(own.len() as i64),
            counts.strip(own.iter().map(|queue| count(queue))),
            rates.strip(own.iter().map(|queue| rate(queue))),
            ages.strip(own.iter().map(|queue| age(queue))),
            busiest.map_or_else(Cell::nothing, |queue| {
                Cell::text(format!(
                    "{broker}/{}: {}/s, {}",
                    queue.id,
                    short_rate(rate(queue)),
                    short(queue.max - queue.min)
                ))
            }),
        ];
        let page = Page::Topic(name.to_owned());
        let busiest = busiest.map(|queue| (broker.to_owned(), queue.id));
        sheet.rows.push(
            Row::new(broker, cells)
                .link([page.clone(), Page::Messages(Query::latest(name, busiest))])
                .link(broker_page(app, broker))
                .open(page)
                .command(format!("mq topic stats {name}")),
        );
    }
    sheet
}
