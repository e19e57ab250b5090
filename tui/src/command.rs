//! The `:` line: pages by name, objects by kind and name.

use crate::app::{App, Page};
use crate::messages::Query;

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

/// What Enter does with a text: exactly what it names, else its first candidate.
pub(crate) fn target(app: &App, text: &str) -> Result<Target, String> {
    let text = text.trim();
    if text == "q" {
        return Ok(Target::Quit);
    }
    exact(app, text)
        .or_else(|| {
            candidates(app, text)
                .iter()
                .find_map(|line| exact(app, line))
        })
        .ok_or_else(|| format!("nothing is called '{text}'"))
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
                "messages" => Page::Messages(Query {
                    topic: name,
                    queue: None,
                }),
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
        "topic" | "messages" => latest
            .topics
            .iter()
            .map(|topic| topic.name.as_str())
            .collect(),
        "group" => latest
            .groups
            .iter()
            .map(|group| group.name.as_str())
            .collect(),
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
    fn every_page_of_the_top_has_a_first_letter_of_its_own() {
        for (name, page) in Page::TOP {
            let app = samples::app(samples::healthy());
            assert_eq!(target(&app, &name[..1]), Ok(Target::Page(page)), "{name}");
        }
    }
}
