//! Messages of a topic or queue, one of them in full, and its life.

use client::message::MessageExt;
use client::names::DLQ_PREFIX;

use crate::app::App;
use crate::change::quoted;
use crate::figures::{bytes, time};
use crate::messages::{Answer, Find, Messages, Query, Question};
use crate::page::Page;
use crate::sheet::{Cell, Column, Row, Sheet, Tone, Value};

use super::topics::broker_page;

/// Of a body shown as text or hexadecimal digits.
const BODY_LINES: usize = 1_000;
/// Characters of the preview in a list.
const PREVIEW: usize = 400;

const COLUMNS: [Column; 8] = [
    Column::number("STORED", 8),
    Column::wide("BROKER", 10),
    Column::number("Q", 3),
    Column::number("OFFSET", 10),
    Column::wide("TAG", 8),
    Column::wide("KEYS", 12),
    Column::wide("BODY", 16),
    Column::number("SIZE", 9),
];

/// What is known of the question, or why nothing is, in the sheet.
fn found<'a>(app: &'a App, question: &Question, sheet: &mut Sheet) -> Option<&'a Answer> {
    match &app.answer {
        Some((asked, Ok(answer))) if asked == question => {
            if let Some(missing) = answer.missing() {
                sheet.fact_line([("incomplete", Cell::text(missing).tone(Tone::Warn))]);
            }
            return Some(answer);
        }
        Some((asked, Err(reason))) if asked == question => {
            sheet.empty = format!("unknown: {reason}");
        }
        _ => sheet.empty = "asking the brokers …".to_owned(),
    }
    None
}

/// The same for messages.
fn messages<'a>(app: &'a App, query: &Query, sheet: &mut Sheet) -> Option<&'a Messages> {
    match found(app, &Question::Messages(query.clone()), sheet)? {
        Answer::Messages(messages, _) => Some(messages),
        Answer::Trace(..) => None,
    }
}

/// The command line that shows the same.
fn command(query: &Query) -> String {
    let topic = quoted(&query.topic);
    let queue = query
        .queue
        .as_ref()
        .map_or_else(String::new, |(broker, id)| {
            format!(" --queue {broker}:{id}")
        });
    match &query.find {
        Find::Latest => format!("mq message tail {topic}{queue}"),
        Find::Key(key) => format!("mq message find {topic}{queue} --key {}", quoted(key)),
        Find::Id(id) => format!("mq message find {topic}{queue} --id {}", quoted(id)),
        Find::From(from_ms) => format!("mq message find {topic}{queue} --from {}", time(*from_ms)),
    }
}

pub(super) fn list(app: &App, query: &Query) -> Sheet {
    let mut sheet = Sheet::new(&COLUMNS).command(command(query));
    let Some(messages) = messages(app, query, &mut sheet) else {
        return sheet;
    };
    sheet.empty = match query.find {
        Find::Latest => "no messages",
        _ => "no such message; it may have expired",
    }
    .to_owned();
    let dead = query.topic.strip_prefix(DLQ_PREFIX);
    for message in messages {
        let place = place(message);
        let cells = vec![
            Cell::span(Some(app.now_ms - message.store_timestamp)),
            Cell::text(message.queue.broker_name.clone()),
            Cell::whole(message.queue.queue_id),
            Cell::whole(message.queue_offset),
            Cell::text(message.tags().unwrap_or_default()),
            Cell::text(message.keys().unwrap_or_default()),
            Cell::text(preview(message)),
            Cell::text(bytes(message.body.len() as i64)),
        ];
        sheet.rows.push(
            Row::new(place.clone(), cells)
                .name(message.message_id())
                .link([Page::Topic(query.topic.clone())])
                .link(broker_page(app, &message.queue.broker_name))
                .link(dead.map(|group| Page::Group(group.to_owned())))
                .link([Page::Trace(message.message_id().to_owned())])
                .detail("id", message.message_id())
                .open(Page::Message {
                    query: query.clone(),
                    place,
                })
                .command(get(message, query)),
        );
    }
    sheet
}

fn get(message: &MessageExt, query: &Query) -> String {
    format!(
        "mq message get {} --topic {}",
        message.message_id(),
        quoted(&query.topic)
    )
}

const EVENTS: [Column; 7] = [
    Column::text("TIME", 24),
    Column::wide("EVENT", 11),
    Column::wide("GROUP", 14),
    Column::wide("OUTCOME", 14),
    Column::number("COST", 7),
    Column::number("RETRIES", 7),
    Column::text("CLIENT", 15),
];

/// What became of a message, as the clients that trace have written it down.
pub(super) fn trace(app: &App, id: &str) -> Sheet {
    let mut sheet = Sheet::new(&EVENTS).command(format!("mq message trace {}", quoted(id)));
    let Some(Answer::Trace(events, _)) = found(app, &Question::Trace(id.to_owned()), &mut sheet)
    else {
        return sheet;
    };
    sheet.empty = "nobody has traced it; clients trace with enableMsgTrace, into a topic of brokers with traceTopicEnable=true"
        .to_owned();
    for (number, event) in events.iter().enumerate() {
        let tone = match event.outcome.as_str() {
            "timeout" | "exception" | "returned nothing" | "failed" => Tone::Bad,
            _ => Tone::Plain,
        };
        let cells = vec![
            Cell::text(time(event.time_ms)),
            Cell::words(event.what),
            Cell::text(event.group.clone()),
            Cell::words(event.outcome.clone()).tone(tone),
            event.cost_ms.map_or_else(Cell::nothing, |ms| {
                Cell::new(Value::Number(ms as f64, format!("{ms} ms")))
            }),
            event.retries.map_or_else(Cell::nothing, Cell::whole),
            Cell::text(event.client.clone()),
        ];
        let mut row = Row::new(number.to_string(), cells)
            .name(event.message_id.as_str())
            .detail("id", event.message_id.clone());
        let known = app.latest.as_ref().and_then(|l| l.group(&event.group));
        if known.is_some() {
            let page = Page::Group(event.group.clone());
            row = row.link([page.clone()]).open(page);
        }
        if let Some(topic) = &event.topic {
            row = row.link([Page::Topic(topic.clone())]);
        }
        sheet.rows.push(row);
    }
    sheet
}

/// `broker/queue/offset`: what a message is told apart by.
fn place(message: &MessageExt) -> String {
    format!(
        "{}/{}/{}",
        message.queue.broker_name, message.queue.queue_id, message.queue_offset
    )
}

fn preview(message: &MessageExt) -> String {
    match (&message.body_problem, std::str::from_utf8(&message.body)) {
        (Some(problem), _) => format!("({problem})"),
        (None, Ok(text)) => text.chars().take(PREVIEW).collect(),
        (None, Err(_)) => hex(&message.body[..message.body.len().min(PREVIEW / 3)]),
    }
}

const FIELDS: [Column; 2] = [Column::text("FIELD", 18), Column::wide("VALUE", 40)];

pub(super) fn one(app: &App, query: &Query, wanted: &str) -> Sheet {
    let mut sheet = Sheet::new(&FIELDS);
    let Some(messages) = messages(app, query, &mut sheet) else {
        return sheet;
    };
    let Some(message) = messages.iter().find(|message| place(message) == wanted) else {
        sheet.empty = "newer messages have taken its place in the list".to_owned();
        return sheet;
    };
    sheet.command = Some(get(message, query));
    let trace = Page::Trace(message.message_id().to_owned());
    let topic = Page::Topic(query.topic.clone());
    let own = |name: &str, value: String| (Cell::words(name), Cell::text(value));
    let again = format!("{} times", message.reconsume_times);
    let mut fields = vec![
        own("id", message.message_id().to_owned()),
        own("offset id", message.offset_message_id.clone()),
        own("topic", message.topic.clone()),
        own("stored", time(message.store_timestamp)),
        own("stored on", message.store_host.to_string()),
        own("born", time(message.born_timestamp)),
        own("born on", message.born_host.to_string()),
        (Cell::words("consumed again"), Cell::words(again)),
    ];
    let properties = message.properties.iter();
    fields.extend(
        properties.map(|(name, value)| (Cell::text(name.as_str()), Cell::text(value.as_str()))),
    );
    let (kind, lines) = body(message);
    let more = lines.len().saturating_sub(BODY_LINES);
    let lines = lines.into_iter().take(BODY_LINES).enumerate();
    fields.extend(lines.map(|(place, line)| own(if place == 0 { kind } else { "" }, line)));
    if more > 0 {
        let more = format!("… and {more} more lines");
        fields.push((Cell::text(""), Cell::words(more)));
    }
    let rows = fields
        .into_iter()
        .enumerate()
        .map(|(place, (name, value))| {
            let key = format!("{place} {}", name.plain());
            let text = value.plain().to_owned();
            Row::new(key, vec![name.tone(Tone::Dim), value])
                .name(text.as_str())
                .link([topic.clone(), trace.clone()])
                .detail("value", text)
        });
    sheet.rows = rows.collect();
    sheet
}

/// The body by lines: a JSON tree, else text, else hexadecimal digits.
fn body(message: &MessageExt) -> (&'static str, Vec<String>) {
    if let Some(problem) = &message.body_problem {
        return (
            "body (as stored)",
            std::iter::once(problem.clone())
                .chain(dump(&message.body))
                .collect(),
        );
    }
    let Ok(text) = std::str::from_utf8(&message.body) else {
        return ("body (binary)", dump(&message.body).collect());
    };
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) => (
            "body (JSON)",
            format!("{json:#}").lines().map(str::to_owned).collect(),
        ),
        _ => ("body", text.lines().map(str::to_owned).collect()),
    }
}

fn dump(body: &[u8]) -> impl Iterator<Item = String> {
    body.chunks(16).enumerate().map(|(line, bytes)| {
        let text: String = bytes
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        format!("{:08x}  {:<47}  {text}", line * 16, hex(bytes))
    })
}

fn hex(bytes: &[u8]) -> String {
    Vec::from_iter(bytes.iter().map(|byte| format!("{byte:02x}"))).join(" ")
}
