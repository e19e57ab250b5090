//! A scanner for the one JSON object that a frame header is: it walks keys and values in place and
//! borrows from the text, because every request pays for it. Bodies go through [`super::fastjson`].

use std::borrow::Cow;

use super::frame::FrameError;

/// Deeper nesting than this in a header is refused; Apache's own headers have two levels.
const MAX_DEPTH: u32 = 32;

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A value as it stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    /// A number, boolean, object or array, unparsed.
    Raw(&'a str),
    Null,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn fail<T>(&self, problem: &'static str) -> Result<T, FrameError> {
        Err(FrameError::Header {
            encoding: "JSON",
            at: self.at,
            problem,
        })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// Enters the object that the text must start with.
    pub(super) fn open_object(&mut self) -> Result<(), FrameError> {
        self.skip_blanks();
        if self.peek() != Some(b'{') {
            return self.fail("an object was expected");
        }
        self.at += 1;
        Ok(())
    }

    /// The next key of the object, with the scanner left before its value; `None` at the end.
    pub(super) fn next_key(&mut self) -> Result<Option<Cow<'a, str>>, FrameError> {
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(None);
                }
                Some(b'"') => break,
                _ => return self.fail("a key was expected"),
            }
        }
        let key = self.string()?;
        self.skip_blanks();
        if self.peek() != Some(b':') {
            return self.fail("a colon was expected");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// The value as a flat object of strings, if it is one of the usual kind: its text and its
    /// members. Otherwise nothing has moved.
    pub(super) fn members(&mut self) -> Option<(&'a str, Members)> {
        self.skip_blanks();
        let rest = self.text.get(self.at..)?;
        let (members, length) = Members::read(rest)?;
        self.at += length;
        Some((rest.get(..length)?, members))
    }

    pub(super) fn value(&mut self) -> Result<Value<'a>, FrameError> {
        self.skip_blanks();
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'{' | b'[') => self.nested(),
            Some(_) => {
                let start = self.at;
                while let Some(b) = self.peek() {
                    if matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n') {
                        break;
                    }
                    self.at += 1;
                }
                match self.slice(start, self.at) {
                    "" => self.fail("a value was expected"),
                    "null" => Ok(Value::Null),
                    raw => Ok(Value::Raw(raw)),
                }
            }
            None => self.fail("a value was expected"),
        }
    }

    /// Steps over an object or array and returns its text.
    fn nested(&mut self) -> Result<Value<'a>, FrameError> {
        let start = self.at;
        let mut depth = 0u32;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.skip_string()?;
                    continue;
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return self.fail("nested too deep");
                    }
                }
                Some(b'}' | b']') => depth -= 1,
                Some(_) => {}
                None => return self.fail("the text ends inside a value"),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(Value::Raw(self.slice(start, self.at)));
            }
        }
    }

    /// Steps over a string, which must be one that [`Self::string`] can read.
    fn skip_string(&mut self) -> Result<(), FrameError> {
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(len) = quote_or_backslash(rest) else {
                return self.fail("unterminated string");
            };
            self.at += len + 1;
            if rest.get(len) == Some(&b'"') {
                return Ok(());
            }
            self.escape()?;
        }
    }

    /// A string, with the scanner on its opening quote. Borrowed unless it holds an escape.
    fn string(&mut self) -> Result<Cow<'a, str>, FrameError> {
        let start = self.at + 1;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        match quote_or_backslash(rest) {
            None => self.fail("unterminated string"),
            Some(len) if rest.get(len) == Some(&b'"') => {
                self.at = start + len + 1;
                Ok(Cow::Borrowed(self.slice(start, start + len)))
            }
            Some(len) => self.escaped_string(start, start + len),
        }
    }

    fn escaped_string(&mut self, start: usize, first: usize) -> Result<Cow<'a, str>, FrameError> {
        let mut out = String::with_capacity(first - start + 64);
        out.push_str(self.slice(start, first));
        self.at = first;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(len) = quote_or_backslash(rest) else {
                return self.fail("unterminated string");
            };
            out.push_str(self.slice(self.at, self.at + len));
            self.at += len + 1;
            if rest.get(len) == Some(&b'"') {
                return Ok(Cow::Owned(out));
            }
            out.push(self.escape()?);
        }
    }

    /// The character that an escape stands for, with the scanner behind the backslash.
    fn escape(&mut self) -> Result<char, FrameError> {
        let Some(escape) = self.peek() else {
            return self.fail("unterminated escape");
        };
        self.at += 1;
        Ok(match escape {
            b'"' | b'\\' | b'/' | b'\'' => char::from(escape),
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            // fastjson writes these for control characters it knows by name.
            b'v' => '\u{b}',
            b'0'..=b'7' => char::from(escape - b'0'),
            b'u' => {
                let unit = self.hex(4, "malformed \\u escape")?;
                let c = if (0xD800..0xDC00).contains(&unit)
                    && self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u")
                {
                    self.at += 2;
                    let low = self.hex(4, "malformed \\u escape")?;
                    char::decode_utf16([unit, low]).next()
                } else {
                    char::decode_utf16([unit]).next()
                };
                c.and_then(Result::ok).unwrap_or('\u{fffd}')
            }
            b'x' => {
                let code = self.hex(2, "malformed \\x escape")?;
                char::from_u32(code.into()).unwrap_or('\u{fffd}')
            }
            _ => return self.fail("unknown escape"),
        })
    }

    /// A number of so many hex digits, 4 at most.
    fn hex(&mut self, digits: usize, problem: &'static str) -> Result<u16, FrameError> {
        let text = self.text.as_bytes().get(self.at..self.at + digits);
        let number = text.and_then(|text| {
            text.iter().try_fold(0u16, |number, &byte| {
                let digit = char::from(byte).to_digit(16)?;
                Some(number << 4 | u16::try_from(digit).ok()?)
            })
        });
        let Some(number) = number else {
            return self.fail(problem);
        };
        self.at += digits;
        Ok(number)
    }
}

/// Members of a flat object that are kept by place.
const MEMBERS_MAX: usize = 20;

/// Where names and values of a flat object of strings stand in its text. Made in the pass that finds
/// the object's end, so that reading the fields needs no second one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Members {
    /// Beginning and end of the name, beginning and end of the value.
    places: [[u16; 4]; MEMBERS_MAX],
    count: usize,
    /// Bit n: value n holds escapes.
    escaped: u32,
}

impl Members {
    /// Reads the object at the start of `text`; returns its members and its length. `None` for any
    /// object but the usual one: strings only, no blanks, no escapes in names and only the common
    /// ones in values, few members, less than 64 KiB.
    pub(super) fn read(text: &str) -> Option<(Self, usize)> {
        let bytes = text.as_bytes();
        let place = |at: usize| u16::try_from(at).ok();
        let mut members = Self::default();
        if bytes.first() != Some(&b'{') {
            return None;
        }
        let mut at = 1;
        loop {
            if bytes.get(at) != Some(&b'"') {
                return None;
            }
            let name = at + 1;
            let name_end = match bytes.get(name + 1) {
                Some(b'"') if bytes.get(name).is_some_and(u8::is_ascii_alphanumeric) => name + 1,
                _ => name + quote_or_backslash(bytes.get(name..)?)?,
            };
            if bytes.get(name_end..name_end + 3) != Some(b"\":\"") {
                return None;
            }
            let value = name_end + 3;
            let mut end = value;
            let mut escaped = 0;
            loop {
                end += quote_or_backslash(bytes.get(end..)?)?;
                if bytes.get(end) == Some(&b'"') {
                    break;
                }
                escaped = 1;
                end += match bytes.get(end + 1)? {
                    b'u' => {
                        let digits = bytes.get(end + 2..end + 6)?;
                        // Halves of a character beyond 16 bits are left to the scanner.
                        let plain = digits.iter().all(u8::is_ascii_hexdigit)
                            && !matches!(digits.first(), Some(b'd' | b'D'));
                        if !plain {
                            return None;
                        }
                        6
                    }
                    b'"' | b'\\' | b'/' | b'n' | b'r' | b't' => 2,
                    _ => return None,
                };
            }
            *members.places.get_mut(members.count)? =
                [place(name)?, place(name_end)?, place(value)?, place(end)?];
            members.escaped |= escaped << members.count;
            members.count += 1;
            at = end + 1;
            match bytes.get(at) {
                Some(b',') => at += 1,
                Some(b'}') => return Some((members, at + 1)),
                _ => return None,
            }
        }
    }

    /// Name and value of a member of the object in `text`.
    pub(super) fn get<'a>(&self, text: &'a str, number: usize) -> Option<(&'a str, Cow<'a, str>)> {
        let places = self.places.get(number).filter(|_| number < self.count)?;
        let [name, name_end, value, end] = places.map(usize::from);
        let name = text.get(name..name_end)?;
        let raw = text.get(value..end)?;
        let value = if self.escaped & (1 << number) == 0 {
            Cow::Borrowed(raw)
        } else {
            Cow::Owned(unescape(text, value, raw.len())?)
        };
        Some((name, value))
    }
}

/// A string of so many bytes that holds escapes which were looked at before.
fn unescape(text: &str, begin: usize, len: usize) -> Option<String> {
    let mut out = String::with_capacity(len);
    let mut scanner = Scanner { text, at: begin };
    while scanner.at < begin + len {
        let rest = text.as_bytes().get(scanner.at..begin + len)?;
        let plain = quote_or_backslash(rest).unwrap_or(rest.len());
        out.push_str(text.get(scanner.at..scanner.at + plain)?);
        scanner.at += plain;
        if plain < rest.len() {
            scanner.at += 1;
            out.push(scanner.escape().ok()?);
        }
    }
    Some(out)
}

/// Each byte of a word is 1.
const ONES: u64 = u64::MAX / 255;

/// The highest bit of each byte of `word` that is less than `limit`, which is 128 at most. Exact up to the first one.
fn less_than(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word & (ONES << 7)
}

/// The highest bit of each byte of `word` that is `byte`, exact up to the first one.
fn equal_to(word: u64, byte: u8) -> u64 {
    less_than(word ^ (ONES * u64::from(byte)), 1)
}

/// Where the first byte is that is looked for: `in_word` has bits set in its place, and in none before.
/// Most strings of a header are shorter than a call of `memchr` is worth, so eight bytes are looked at in one word.
fn find(bytes: &[u8], in_word: impl Fn(u64) -> u64, is: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let found = in_word(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|&byte| is(byte))?;
    Some(words.len() * 8 + at)
}

/// Where the first quote or backslash is.
fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    find(
        bytes,
        |word| equal_to(word, b'"') | equal_to(word, b'\\'),
        |byte| byte == b'"' || byte == b'\\',
    )
}

/// Where the first byte is that a JSON string cannot hold as it is.
fn to_be_escaped(bytes: &[u8]) -> Option<usize> {
    find(
        bytes,
        |word| less_than(word, 0x20) | equal_to(word, b'"') | equal_to(word, b'\\'),
        |byte| byte < 0x20 || byte == b'"' || byte == b'\\',
    )
}

/// Whether a control character stands in `text` as it is.
pub(super) fn holds_control(text: &str) -> bool {
    let found = find(
        text.as_bytes(),
        |word| less_than(word, 0x20),
        |byte| byte < 0x20,
    );
    found.is_some()
}

/// Writes `text` as a JSON string, quotes included.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let hex = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = to_be_escaped(rest) {
        let (plain, from_it) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = from_it.split_first() else {
            break;
        };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let [high, low] = [hex(byte >> 4), hex(byte & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Result<Vec<(String, Value<'_>)>, FrameError> {
        let mut scanner = Scanner::new(text);
        scanner.open_object()?;
        let mut out = Vec::new();
        while let Some(key) = scanner.next_key()? {
            out.push((key.into_owned(), scanner.value()?));
        }
        Ok(out)
    }

    #[test]
    fn values_of_every_kind() {
        let got = pairs(r#" { "a":"x", "b" : -12,"c":null,"d":{"e":["}"]},"f":true} "#).unwrap();
        let text = |s: &'static str| Value::Text(Cow::Borrowed(s));
        assert_eq!(
            got,
            [
                ("a".to_owned(), text("x")),
                ("b".to_owned(), Value::Raw("-12")),
                ("c".to_owned(), Value::Null),
                ("d".to_owned(), Value::Raw(r#"{"e":["}"]}"#)),
                ("f".to_owned(), Value::Raw("true")),
            ]
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["", "a\u{1}b\u{2}", "标签 😀", "\"\\\n\t\r\u{7f}"] {
            let mut out = b"{\"k\":".to_vec();
            write_string(&mut out, text);
            out.push(b'}');
            let json = String::from_utf8(out).unwrap();
            let got = pairs(&json).unwrap();
            assert_eq!(got[0].1, Value::Text(Cow::Borrowed(text)), "{json}");
        }
        let surrogates = pairs(r#"{"k":"\ud83d\ude00\u0001"}"#).unwrap();
        assert_eq!(surrogates[0].1, Value::Text("😀\u{1}".into()));
    }

    #[test]
    fn the_usual_object_is_read_in_one_pass_as_the_scanner_reads_it() {
        for object in [
            r#"{"a":"x","bc":"","topic":"a\u0001b\u0002\"\\\/\n\r\t","d":"标签"}"#,
            r#"{"\\":"x"}"#,
            r#"{"":"x"}"#,
            r#"{"a":1}"#,
            r#"{"a":null}"#,
            r#"{"a": "x"}"#,
            r#"{"a":"\ud83d\ude00"}"#,
            r#"{"a":"\v"}"#,
            r#"{"a":{"b":"c"}}"#,
            r#"{"a":"x""#,
            r#"{"a":"x","#,
            r#"{"a":"\u12"}"#,
            r#"{"a":"\"#,
            r#"{"a"#,
            "{}",
            "{",
            "",
        ] {
            let behind = format!("{object},\"flag\":0}}");
            for text in [object, &behind] {
                let Some((members, length)) = Members::read(text) else {
                    continue;
                };
                let own = text.get(..length).unwrap();
                let read: Vec<_> = (0..)
                    .map_while(|number| members.get(own, number))
                    .map(|(name, value)| (name.to_owned(), Value::Text(value)))
                    .collect();
                assert_eq!(read, pairs(own).unwrap(), "{text}");
            }
        }
        let usual = r#"{"a":"x","i":"k\u0001v\u0002"}"#;
        assert!(Members::read(usual).is_some());
        let many: String = (0..=MEMBERS_MAX)
            .map(|n| format!(",\"k{n}\":\"v\""))
            .collect();
        assert!(Members::read(&format!("{{{}}}", many.trim_start_matches(','))).is_none());
        assert!(Members::read(&format!("{{\"k\":\"{}\"}}", "v".repeat(70_000))).is_none());
    }

    #[test]
    fn bytes_that_matter_are_found_wherever_they_are() {
        for len in 0..20 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'!'; len];
                    bytes[at..].fill(byte);
                    let ends = matches!(byte, b'"' | b'\\');
                    let escaped = ends || byte < 0x20;
                    assert_eq!(quote_or_backslash(&bytes), ends.then_some(at));
                    assert_eq!(to_be_escaped(&bytes), escaped.then_some(at));
                    // A neighbour that differs by one bit or by one.
                    for other in [byte ^ 1, byte ^ 0x80, byte.wrapping_add(1)] {
                        bytes.fill(other);
                        bytes[at] = byte;
                        let first = bytes
                            .iter()
                            .position(|&b| b < 0x20 || b == b'"' || b == b'\\');
                        assert_eq!(to_be_escaped(&bytes), first);
                    }
                }
            }
        }
    }

    #[test]
    fn malformed_text_is_an_error_never_a_panic() {
        for text in [
            "",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":\"",
            "{\"a\":\"\\",
            "{\"a\":\"\\u12\"}",
            "[1]",
            "{\"a\":{\"b\":1}",
            "{a:1}",
            "{\"a\":}",
        ] {
            assert!(pairs(text).is_err(), "{text}");
        }
        assert!(pairs(&format!("{{\"a\":{}", "[".repeat(1000))).is_err());
    }
}
