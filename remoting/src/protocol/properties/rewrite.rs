//! New values in the text of a `.properties` file; comments and the order of lines stay.

use super::{ends_with_continuation, render};

/// The text with `changes` (key, value): the last line that sets a key gets the new value, a key
/// that no line sets is added at the end.
pub fn rewrite(text: &str, changes: &[(&str, &str)]) -> String {
    let lines = logical_lines(text);
    let last_of = |key: &str| lines.iter().rposition(|line| key_of(line) == Some(key));
    let replaced: Vec<(usize, &(&str, &str))> = changes
        .iter()
        .filter_map(|change| Some((last_of(change.0)?, change)))
        .collect();
    let mut out = String::with_capacity(text.len() + 64);
    for (at, line) in lines.iter().enumerate() {
        // Of two values for a key the later one counts.
        match replaced.iter().rfind(|(place, _)| *place == at) {
            Some((_, change)) => push(&mut out, change),
            None => out.push_str(line),
        }
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    for change in changes.iter().filter(|change| last_of(change.0).is_none()) {
        push(&mut out, change);
    }
    out
}

fn push(out: &mut String, (key, value): &(&str, &str)) {
    out.push_str(&render([(key, value)]));
}

/// The text cut into lines, each with its line end and with the lines that continue it.
fn logical_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut end) = (0, 0);
    for line in text.split_inclusive('\n') {
        end += line.len();
        let logical = text.get(start..end).unwrap_or_default();
        if !is_setting(logical) || !ends_with_continuation(line.trim_end_matches(['\n', '\r'])) {
            lines.push(logical);
            start = end;
        }
    }
    lines.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    lines
}

fn is_setting(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with(['#', '!'])
}

/// The key that a line sets. Keys with escapes in them are none of ours.
fn key_of(line: &str) -> Option<&str> {
    if !is_setting(line) {
        return None;
    }
    let line = line.trim_start();
    line.split(|c: char| c == '=' || c == ':' || c.is_whitespace())
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_change_in_place() {
        // Text before, changes, text after.
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        let cases: &[Case<'_>] = &[
            ("", &[("a", "1")], "a=1\n"),
            ("a=0", &[("b", "1")], "a=0\nb=1\n"),
            (
                "# head\na = 0\r\nb=2\n",
                &[("a", "1")],
                "# head\na=1\nb=2\n",
            ),
            ("#a=0\n!a=0\n", &[("a", "1")], "#a=0\n!a=0\na=1\n"),
            ("a=0\na=5\n", &[("a", "1")], "a=0\na=1\n"),
            ("a=0\n", &[("a", "1"), ("a", "2")], "a=2\n"),
            ("a=x\\\n  y\nb=2\n", &[("a", "1")], "a=1\nb=2\n"),
            ("a=x\\\\\nb=2\n", &[("a", "1")], "a=1\nb=2\n"),
            ("# odd \\\na=0\n", &[("a", "1")], "# odd \\\na=1\n"),
            (
                "a:0\nb 3\n",
                &[("b", "4"), ("a", " c:\\x\n")],
                "a=\\ c:\\\\x\\n\nb=4\n",
            ),
            ("名=一\na=0\n", &[("a", "二")], "名=一\na=二\n"),
        ];
        for (text, changes, expected) in cases {
            assert_eq!(rewrite(text, changes), *expected, "{text:?}");
        }
    }
}
