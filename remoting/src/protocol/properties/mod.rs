//! Java `.properties` text, as configuration files and configuration bodies are written, the types that values can
//! have ([`Value`]), and changing values in a text that people wrote ([`rewrite()`]). Which keys there are is the servers'.

mod rewrite;
mod value;

use thiserror::Error;

pub use rewrite::rewrite;
pub use value::Value;

/// One entry and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    pub key: String,
    /// Without blanks at either end: a trailing blank silently voids numbers and enums in Apache's brokers.
    pub value: String,
    /// Counted from 1.
    pub line: usize,
}

/// A text that is no properties file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: malformed \\u escape")]
pub struct PropertiesError {
    pub line: usize,
}

/// All entries in order; a key may come up twice. Comments start with `#` or `!`, a backslash at
/// the end of a line continues it, `=`, `:` or blanks end a key.
pub fn parse(text: &str) -> Result<Vec<Property>, PropertiesError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut entries = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while ends_with_continuation(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start()),
                None => break,
            }
        }
        entries.push(entry(&logical, number + 1)?);
    }
    Ok(entries)
}

fn ends_with_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1
}

fn entry(line: &str, number: usize) -> Result<Property, PropertiesError> {
    let mut escaped = false;
    let end = line
        .find(|c: char| {
            let ends = !escaped && (c == '=' || c == ':' || c.is_ascii_whitespace());
            escaped = !escaped && c == '\\';
            ends
        })
        .unwrap_or(line.len());
    let (key, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    Ok(Property {
        key: unescape(key, number)?,
        value: unescape(value.trim(), number)?,
        line: number,
    })
}

fn unescape(text: &str, line: usize) -> Result<String, PropertiesError> {
    let mut out = String::with_capacity(text.len());
    let mut units = Vec::new();
    let mut chars = text.chars();
    loop {
        let c = chars.next();
        let escape = match c {
            Some('\\') => chars.next(),
            _ => None,
        };
        if escape == Some('u') {
            let digits: String = chars.by_ref().take(4).collect();
            let unit = u16::from_str_radix(&digits, 16)
                .ok()
                .filter(|_| digits.len() == 4);
            units.push(unit.ok_or(PropertiesError { line })?);
            continue;
        }
        // Escapes side by side may be the halves of one character.
        out.extend(char::decode_utf16(units.drain(..)).map(|c| c.unwrap_or('\u{fffd}')));
        match (c, escape) {
            (None, _) => return Ok(out),
            (Some('\\'), None) => {}
            (Some('\\'), Some('t')) => out.push('\t'),
            (Some('\\'), Some('n')) => out.push('\n'),
            (Some('\\'), Some('r')) => out.push('\r'),
            (Some('\\'), Some('f')) => out.push('\u{c}'),
            (Some(_), Some(other)) => out.push(other),
            (Some(c), None) => out.push(c),
        }
    }
}

/// Renders entries so that they are read back the same, by Java too.
pub fn render<K: AsRef<str>, V: AsRef<str>>(entries: impl IntoIterator<Item = (K, V)>) -> String {
    let mut out = String::new();
    for (key, value) in entries {
        escape_into(&mut out, key.as_ref(), true);
        out.push('=');
        escape_into(&mut out, value.as_ref(), false);
        out.push('\n');
    }
    out
}

fn escape_into(out: &mut String, text: &str, is_key: bool) {
    for (n, c) in text.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' ' if is_key || n == 0 => out.push_str("\\ "),
            '=' | ':' if is_key => {
                out.push('\\');
                out.push(c);
            }
            '#' | '!' if is_key && n == 0 => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_as_people_write_them() {
        let text = "\u{feff}# 所属集群名字\n! another\n\nbrokerName = broker-a \nnamesrvAddr=a:9876;\\\n   b:9876\r\n\
                    listenPort:10911\nflag yes\npath=C:\\\\store\nname=\\u6807\\u7b7e\\ud83d\\ude00\nempty=\nonly\na\\=b=c=d";
        let got: Vec<_> = parse(text)
            .unwrap()
            .into_iter()
            .map(|p| (p.key, p.value, p.line))
            .collect();
        let expected = [
            ("brokerName", "broker-a", 4),
            ("namesrvAddr", "a:9876;b:9876", 5),
            ("listenPort", "10911", 7),
            ("flag", "yes", 8),
            ("path", "C:\\store", 9),
            ("name", "标签😀", 10),
            ("empty", "", 11),
            ("only", "", 12),
            ("a=b", "c=d", 13),
        ];
        assert_eq!(
            got,
            expected.map(|(k, v, n)| (k.to_owned(), v.to_owned(), n))
        );
        assert_eq!(parse("ok=1\nx=\\u12"), Err(PropertiesError { line: 2 }));
        assert_eq!(parse("end=1\\").unwrap()[0].value, "1");
    }

    #[test]
    fn what_is_rendered_is_read_back() {
        proptest::proptest!(|(key in "[a-z标=:#!\\\\][a-z 标=:#!\\\\]{0,10}", value in "([a-z标=:#!\\\\]{0,10})")| {
            let text = render([(&key, &value)]);
            let got = parse(&text).unwrap();
            proptest::prop_assert_eq!((&got[0].key, &got[0].value), (&key, &value), "{}", text);
        });
    }
}
