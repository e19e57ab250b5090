//! The `:` line: pages by name, objects by kind and name.

use crate::app::App;
use crate::messages::{Find, Query};
use crate::page::{Heat, Page};

/// Candidates shown.
const SHOWN: usize = 8;

/// What a command leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Page(Page),
    Quit,
}

/// Everything that `text` may become, best first, each complete.
pub(crate) fn candidates(app: &App, text: &str) -> Vec<String> {
    let text = text.trim_start();
    let Some((kind, name)) = text.split_once(' ') else {
        let words = Page::TOP.iter().map(|(name, _)| *name).chain([
            "broker ",
            "topic ",
            "group ",
            "messages ",
            "find ",
            "trace ",
            "heat ",
            "quit",
        ]);
        return words
            .filter(|word| word.starts_with(text))
            .map(str::to_owned)
            .collect();
    };
    let names = objects(app, kind).into_iter();
    let lower = name.trim().to_lowercase();
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for object in names {
        let place = object.to_lowercase().find(&lower);
        let line = format!("{kind} {object}");
        match place {
            Some(0) if first.len() < SHOWN => first.push(line),
            Some(_) if rest.len() < SHOWN => rest.push(line),
            _ => {}
        }
    }
    first.extend(rest);
    first.truncate(SHOWN);
    first
}

/// What Tab makes of a text: as far as all candidates agree, else the first of them.
pub(crate) fn complete(app: &App, text: String) -> String {
    let candidates = candidates(app, &text);
    let Some(first) = candidates.first() else {
        return text;
    };
    let agree = |place: &usize| {
        let start = first.get(..*place);
        candidates.iter().all(|other| other.get(..*place) == start)
    };
    let ends = first.char_indices().map(|(place, _)| place);
    let common = ends.chain([first.len()]).rev().find(agree);
    match common.and_then(|end| first.get(..end)) {
        Some(common) if common.len() > text.len() && common.starts_with(&text) => common.to_owned(),
        _ => first.clone(),
    }
}

/// What Enter does with a text: exactly what it names, else its first candidate.
pub(crate) fn target(app: &App, text: &str) -> Result<Target, String> {
    let text = text.trim();
    if text == "q" {
        return Ok(Target::Quit);
    }
    if let Some(page) = searched(app, text)? {
        return Ok(Target::Page(page));
    }
    exact(app, text)
        .or_else(|| {
            candidates(app, text)
                .iter()
                .find_map(|line| exact(app, line))
        })
        .ok_or_else(|| format!("nothing is called '{text}'"))
}

/// `find TOPIC WHAT` and `trace ID`: what is looked for is no object that is known beforehand.
fn searched(app: &App, text: &str) -> Result<Option<Page>, String> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    match verb {
        "trace" if rest.is_empty() => Err("trace what? give a message's id or key".to_owned()),
        "trace" => Ok(Some(Page::Trace(rest.to_owned()))),
        "find" => {
            let (topic, what) = rest
                .split_once(' ')
                .ok_or("find TOPIC WHAT: a key, an id, or since when, as -1h")?;
            let topic = objects(app, "topic")
                .into_iter()
                .find(|object| *object == topic)
                .ok_or_else(|| format!("there is no topic {topic}"))?;
            Ok(Some(Page::Messages(Query {
                topic: topic.to_owned(),
                queue: None,
                find: find(what.trim(), app.now_ms)?,
            })))
        }
        _ => Ok(None),
    }
}

/// A span back from now or a date is a time, 32 hexadecimal digits are the id of a message, anything else is a key;
/// `key:`, `id:` and `from:` before it say so.
fn find(text: &str, now_ms: i64) -> Result<Find, String> {
    let time = |text: &str| client::time::parse_at(text, now_ms).map(Find::From);
    let is_id = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_date = text.get(4..5) == Some("-") && text.bytes().take(4).all(|b| b.is_ascii_digit());
    match text.split_once(':') {
        Some(("key", key)) => Ok(Find::Key(key.to_owned())),
        Some(("id", id)) => Ok(Find::Id(id.to_owned())),
        Some(("from", from)) => time(from),
        _ if text.starts_with('-') || is_date => time(text),
        _ if is_id => Ok(Find::Id(text.to_owned())),
        _ => Ok(Find::Key(text.to_owned())),
    }
}

fn is_group(app: &App, name: &str) -> bool {
    let latest = app.latest.as_ref();
    latest.is_some_and(|latest| latest.group(name).is_some())
}

fn exact(app: &App, line: &str) -> Option<Target> {
    let page = match line.split_once(' ') {
        None if line == "quit" => return Some(Target::Quit),
        None => Page::TOP
            .iter()
            .find(|(name, _)| *name == line)
            .map(|(_, page)| page.clone())?,
        Some((kind, name)) => {
            let name = objects(app, kind)
                .into_iter()
                .find(|object| *object == name)?
                .to_owned();
            match kind {
                "broker" => {
                    let mut brokers = app.latest.iter().flat_map(|latest| &latest.brokers);
                    Page::Broker(brokers.find(|broker| broker.name == name)?.address.clone())
                }
                "topic" => Page::Topic(name),
                "messages" => Page::Messages(Query::latest(name, None)),
                "heat" if is_group(app, &name) => Page::Heat(Heat::Group(name)),
                "heat" => Page::Heat(Heat::Topic(name)),
                _ => Page::Group(name),
            }
        }
    };
    Some(Target::Page(page))
}

fn objects<'a>(app: &'a App, kind: &str) -> Vec<&'a str> {
    let Some(latest) = &app.latest else {
        return Vec::new();
    };
    match kind {
        "broker" => latest
            .brokers
            .iter()
            .map(|broker| broker.name.as_str())
            .collect(),
        "topic" | "messages" | "find" => latest
            .topics
            .iter()
            .map(|topic| topic.name.as_str())
            .collect(),
        "group" => latest
            .groups
            .iter()
            .map(|group| group.name.as_str())
            .collect(),
        "heat" => {
            let groups = latest.groups.iter().map(|group| group.name.as_str());
            let topics = latest.topics.iter().map(|topic| topic.name.as_str());
            groups.chain(topics).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn commands_lead_to_pages() {
        let app = samples::app(samples::healthy());
        let page = |page| Ok(Target::Page(page));
        let found = |find| {
            Page::Messages(Query {
                topic: "orders".to_owned(),
                queue: None,
                find,
            })
        };
        for (text, expected) in [
            ("groups", page(Page::Groups)),
            ("g", page(Page::Groups)),
            ("t", page(Page::Topics)),
            ("b", page(Page::Brokers)),
            ("topic orders", page(Page::Topic("orders".to_owned()))),
            ("topic ord", page(Page::Topic("orders".to_owned()))),
            ("topic MENTS", page(Page::Topic("payments".to_owned()))),
            ("group bill", page(Page::Group("billing".to_owned()))),
            (
                "broker broker-b",
                page(Page::Broker("127.0.0.1:10921".to_owned())),
            ),
            (
                "heat bill",
                page(Page::Heat(Heat::Group("billing".to_owned()))),
            ),
            (
                "heat pay",
                page(Page::Heat(Heat::Topic("payments".to_owned()))),
            ),
            (
                "find orders order-17",
                page(found(Find::Key("order-17".to_owned()))),
            ),
            (
                "find orders 4711",
                page(found(Find::Key("4711".to_owned()))),
            ),
            (
                "find orders id:x:1",
                page(found(Find::Id("x:1".to_owned()))),
            ),
            (
                "find orders 7F0000010B5818B4AAC24C1E1AE40000",
                page(found(Find::Id(
                    "7F0000010B5818B4AAC24C1E1AE40000".to_owned(),
                ))),
            ),
            (
                "find orders -1h",
                page(found(Find::From(app.now_ms - 3_600_000))),
            ),
            ("find nosuch x", Err("there is no topic nosuch".to_owned())),
            ("trace ID", page(Page::Trace("ID".to_owned()))),
            ("q", Ok(Target::Quit)),
            ("qu", Ok(Target::Quit)),
            ("xyz", Err("nothing is called 'xyz'".to_owned())),
            (
                "topic nosuch",
                Err("nothing is called 'topic nosuch'".to_owned()),
            ),
        ] {
            assert_eq!(target(&app, text), expected, "{text:?}");
        }
    }

    #[test]
    fn completion_goes_as_far_as_it_is_clear() {
        let mut snapshot = samples::healthy();
        for name in ["orders-eu", "orders-us"] {
            snapshot.topics.push(samples::topic(name, 1));
        }
        snapshot.topics.sort_by(|a, b| a.name.cmp(&b.name));
        let app = samples::app(snapshot);
        for (text, expected) in [
            ("to", "topic"),
            ("topic", "topics"),
            ("gr", "group"),
            ("topic or", "topic orders"),
            ("topic orders-", "topic orders-eu"),
            ("topic orders-u", "topic orders-us"),
            ("topic MENTS", "topic payments"),
            ("topic nosuch", "topic nosuch"),
        ] {
            assert_eq!(complete(&app, text.to_owned()), expected, "{text}");
        }
    }

    #[test]
    fn every_page_of_the_top_has_a_first_letter_of_its_own() {
        for (name, page) in Page::TOP {
            let app = samples::app(samples::healthy());
            assert_eq!(target(&app, &name[..1]), Ok(Target::Page(page)), "{name}");
        }
    }
}
