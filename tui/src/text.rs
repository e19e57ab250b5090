//! The dashboard's own words in other languages than English, a table for each. Code speaks English; what is drawn is
//! looked up here: a whole text, else a pattern in which `{}` stands for what is taken over as it is, and `{*}` for words
//! that are looked up themselves. Names, and what servers say, are never looked up.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use chinese::CHINESE;

mod chinese;

/// In which words the dashboard speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    #[default]
    English,
    Chinese,
}

impl Lang {
    /// What is drawn for English words.
    pub(crate) fn words(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::English => Cow::Borrowed(text),
            Self::Chinese => look_up(text, DEEPEST).map_or(Cow::Borrowed(text), Cow::Owned),
        }
    }
}

/// Patterns nest no deeper.
const DEEPEST: usize = 3;

fn look_up(text: &str, deepest: usize) -> Option<String> {
    static WHOLE: LazyLock<HashMap<&str, &str>> =
        LazyLock::new(|| CHINESE.iter().copied().collect());
    if let Some(found) = WHOLE.get(text) {
        return Some((*found).to_owned());
    }
    let patterns = CHINESE.iter().filter(|(pattern, _)| pattern.contains('{'));
    let fitting =
        patterns.filter_map(|(pattern, words)| Some((pattern, words, holes(pattern, text)?)));
    let own = |pattern: &str| {
        parts(pattern)
            .map(|(literal, _)| literal.len())
            .sum::<usize>()
    };
    let (_, words, holes) =
        fitting.max_by_key(|(pattern, _, holes)| (own(pattern), holes.len()))?;
    Some(fill(words, holes, deepest))
}

/// The parts of a pattern: what must be there, and whether the hole behind it is looked up.
fn parts(pattern: &str) -> impl Iterator<Item = (&str, Option<bool>)> {
    let mut rest = Some(pattern);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some((before, after)) = text.split_once('{') else {
            rest = None;
            return Some((text, None));
        };
        let (hole, after) = after.split_once('}').unwrap_or((after, ""));
        rest = Some(after);
        Some((before, Some(hole == "*")))
    })
}

/// What stands in the holes of a pattern, if a text is of its kind.
fn holes<'a>(pattern: &str, text: &'a str) -> Option<Vec<(&'a str, bool)>> {
    let mut parts = parts(pattern);
    let (first, mut hole) = parts.next()?;
    let mut rest = text.strip_prefix(first)?;
    let mut found = Vec::new();
    for (literal, next) in parts {
        let is_last = next.is_none();
        let place = match is_last {
            true => rest.strip_suffix(literal)?.len(),
            false => rest.find(literal)?,
        };
        found.push((rest.get(..place)?, hole?));
        rest = rest.get(place + literal.len()..)?;
        hole = next;
    }
    (!found.is_empty() && hole.is_none() && rest.is_empty()).then_some(found)
}

fn fill(words: &str, holes: Vec<(&str, bool)>, deepest: usize) -> String {
    let mut holes = holes.into_iter();
    let mut text = String::new();
    for (literal, hole) in parts(words) {
        text.push_str(literal);
        if hole.is_none() {
            break;
        }
        match holes.next() {
            Some((own, true)) if deepest > 0 => {
                text.push_str(&look_up(own, deepest - 1).unwrap_or_else(|| own.to_owned()));
            }
            Some((own, _)) => text.push_str(own),
            None => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_patterns_and_names() {
        for (text, expected) in [
            ("LAG", "积压"),
            ("stuck for 20s", "停滞 20s"),
            (
                "7 messages, 1m30s behind; stuck for 20s, members 2",
                "7 条消息，落后 1m30s；停滞 20s，成员 2",
            ),
            ("done, 2 of 2", "完成，2 / 2"),
            // Also fits "{} messages".
            (
                "delete topic orders with its messages",
                "删除主题 orders 及其消息",
            ),
            ("orders", "orders"),
            ("", ""),
        ] {
            assert_eq!(Lang::Chinese.words(text), expected);
        }
        assert_eq!(Lang::English.words("LAG"), "LAG");
    }

    #[test]
    fn no_text_stands_twice_and_holes_are_the_same() {
        let mut seen = std::collections::HashSet::new();
        for (text, words) in CHINESE {
            assert!(seen.insert(text), "{text}");
            let of = |text| Vec::from_iter(parts(text).map(|(_, hole)| hole));
            assert_eq!(of(text), of(words), "{text}");
        }
    }

    #[test]
    fn every_key_and_column_has_its_words() {
        let known = |text: &str| look_up(text, DEEPEST).is_some();
        for binding in crate::keys::BROWSE {
            let own = [binding.help].into_iter().chain(binding.footer);
            for text in own {
                assert!(known(text), "{text}");
            }
        }
        let app = crate::samples::app(crate::samples::healthy());
        for (name, page) in crate::page::Page::TOP {
            assert!(known(name), "{name}");
            let sheet = crate::pages::sheet(&app, &page);
            let titles = sheet.columns.iter().map(|column| column.title);
            let facts = sheet.facts.iter().flatten().map(|fact| fact.name);
            for text in titles
                .chain(facts)
                .filter(|text| text.is_ascii() && *text != "-")
            {
                assert!(text.is_empty() || known(text), "{text}");
            }
        }
    }
}
