//! JSON as fastjson 1 writes and reads it.
//!
//! Reading: integer keys may be bare (`{0:"x"}`) and objects may be keys
//! (`{{"queueId":0}:1}`). The text is rewritten into strict JSON, where such keys are strings
//! that hold their JSON, and then read by `serde_json`, with scalars cast (`cast`). Writing: [`to_vec`] and [`to_string_pretty`]
//! leave integer keys bare and write [`QueueMap`](super::body::queue_map::QueueMap) keys as objects;
//! [`to_vec_standard`] is strict JSON. fastjson from 1.2.29 on reads all of them, except that
//! 1.2.29 itself (RocketMQ 4.3) cannot read object keys as strings.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::{CompactFormatter, Formatter};
use thiserror::Error;

use super::cast::Casting;

/// A body that is not the JSON it should be.
#[derive(Debug, Error)]
pub enum JsonError {
    #[error("malformed JSON at byte {at}: {problem}")]
    Malformed { at: usize, problem: &'static str },
    #[error("{0}")]
    Content(#[from] serde_json::Error),
}

/// Deeper nesting is refused.
const MAX_DEPTH: usize = 64;

/// Reads a value out of any text fastjson might have written.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, JsonError> {
    let strict = normalize(json)?;
    let mut reader = serde_json::Deserializer::from_slice(&strict);
    let value = T::deserialize(Casting(&mut reader))?;
    reader.end()?;
    Ok(value)
}

/// Rewrites fastjson's dialect into strict JSON.
fn normalize(json: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut reader = Normalizer {
        input: json,
        at: 0,
        depth: 0,
    };
    let mut out = Vec::with_capacity(json.len() + json.len() / 8);
    reader.value(&mut out)?;
    reader.skip_blanks();
    if reader.at < json.len() {
        return reader.fail("text after the value");
    }
    Ok(out)
}

struct Normalizer<'a> {
    input: &'a [u8],
    at: usize,
    depth: usize,
}

impl Normalizer<'_> {
    fn fail<T>(&self, problem: &'static str) -> Result<T, JsonError> {
        Err(JsonError::Malformed {
            at: self.at,
            problem,
        })
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn value(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.container(out, b'}'),
            Some(b'[') => self.container(out, b']'),
            Some(quote @ (b'"' | b'\'')) => self.string(out, quote),
            Some(_) => {
                let literal = self.literal();
                match literal {
                    [] => self.fail("a value was expected"),
                    // fastjson's NaN and Infinity have no counterpart.
                    b"NaN" | b"Infinity" | b"-Infinity" => {
                        out.extend_from_slice(b"null");
                        Ok(())
                    }
                    // A byte or long with its Java suffix.
                    [digits @ .., b'L' | b'B' | b'S']
                        if digits.iter().all(|b| b.is_ascii_digit() || *b == b'-') =>
                    {
                        out.extend_from_slice(digits);
                        Ok(())
                    }
                    other => {
                        out.extend_from_slice(other);
                        Ok(())
                    }
                }
            }
            None => self.fail("a value was expected"),
        }
    }

    fn literal(&mut self) -> &[u8] {
        let start = self.at;
        while let Some(b) = self.peek() {
            if matches!(b, b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"')
                || b.is_ascii_whitespace()
            {
                break;
            }
            self.at += 1;
        }
        self.input.get(start..self.at).unwrap_or_default()
    }

    fn container(&mut self, out: &mut Vec<u8>, end: u8) -> Result<(), JsonError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail("nested too deep");
        }
        out.extend(self.peek());
        self.at += 1;
        let mut first = true;
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b) if b == end => {
                    self.at += 1;
                    self.depth -= 1;
                    out.push(end);
                    return Ok(());
                }
                Some(b',') => {
                    self.at += 1;
                    continue;
                }
                None => return self.fail("the text ends inside an object or array"),
                Some(_) => {}
            }
            let start = out.len();
            if !first {
                out.push(b',');
            }
            if end == b'}' {
                self.key(out)?;
                self.skip_blanks();
                if self.peek() != Some(b':') {
                    return self.fail("a colon was expected");
                }
                self.at += 1;
                out.push(b':');
            }
            let value = out.len();
            self.value(out)?;
            // What is null is as good as absent: a list, a number and a text get their default.
            if end == b'}' && out.get(value..) == Some(b"null") {
                out.truncate(start);
            } else {
                first = false;
            }
        }
    }

    fn key(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.string(out, quote),
            Some(b'{' | b'[') => {
                let mut key = Vec::new();
                self.value(&mut key)?;
                write_as_string(out, &key);
                Ok(())
            }
            _ => {
                let literal = self.literal().to_vec();
                if literal.is_empty() {
                    return self.fail("a key was expected");
                }
                write_as_string(out, &literal);
                Ok(())
            }
        }
    }

    /// Copies a string, quoted the strict way.
    fn string(&mut self, out: &mut Vec<u8>, quote: u8) -> Result<(), JsonError> {
        self.at += 1;
        out.push(b'"');
        loop {
            let Some(b) = self.peek() else {
                return self.fail("unterminated string");
            };
            self.at += 1;
            match b {
                b if b == quote => {
                    out.push(b'"');
                    return Ok(());
                }
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => {
                    let Some(escape) = self.peek() else {
                        return self.fail("unterminated string");
                    };
                    self.at += 1;
                    self.escape(out, escape)?;
                }
                0..0x20 => out.extend_from_slice(format!("\\u{b:04x}").as_bytes()),
                b => out.push(b),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>, escape: u8) -> Result<(), JsonError> {
        match escape {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u' => {
                out.extend_from_slice(&[b'\\', escape])
            }
            b'\'' => out.push(b'\''),
            b'v' => out.extend_from_slice(b"\\u000b"),
            b'0'..=b'7' => out.extend_from_slice(format!("\\u{:04x}", escape - b'0').as_bytes()),
            b'x' => {
                let digits = self
                    .input
                    .get(self.at..self.at + 2)
                    .unwrap_or_default()
                    .to_vec();
                if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.fail("malformed \\x escape");
                }
                self.at += 2;
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
            _ => return self.fail("unknown escape"),
        }
        Ok(())
    }
}

fn write_as_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &b in text {
        if b == b'"' || b == b'\\' {
            out.push(b'\\');
        }
        out.push(b);
    }
    out.push(b'"');
}

/// Compact, in fastjson's own dialect.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JsonError> {
    write(value, DialectFormatter::new(CompactFormatter))
}

/// Compact and strict: all keys are strings.
pub fn to_vec_standard<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JsonError> {
    Ok(serde_json::to_vec(value)?)
}

/// As fastjson writes files: in its dialect, one item a line, indented by tabs, no blank after a colon; the entries of
/// maps whose keys are no strings follow each other on one line.
pub fn to_string_pretty<T: Serialize + ?Sized>(value: &T) -> Result<String, JsonError> {
    let bytes = write(value, DialectFormatter::new(TabFormatter::default()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write<T: Serialize + ?Sized, F: Formatter>(
    value: &T,
    formatter: F,
) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut out, formatter,
    ))?;
    Ok(out)
}

/// Leaves integer keys bare, and writes the keys of queue maps as the objects they are.
struct DialectFormatter<F> {
    inner: F,
    key: Key,
}

/// What has been seen of the key being written.
enum Key {
    /// No key is being written.
    None,
    /// Its text so far, escaped, and whether it is the first of its map.
    Text(Vec<u8>, bool),
    /// It was an integer and has been written.
    Integer,
}

impl<F> DialectFormatter<F> {
    fn new(inner: F) -> Self {
        Self {
            inner,
            key: Key::None,
        }
    }
}

/// How the key of a queue map starts, escaped. No topic, group or setting starts like this.
const QUEUE_KEY_START: &[u8] = br#"{\"brokerName\":"#;

macro_rules! integer_keys {
    ($($method:ident $type:ty;)*) => { $(
        fn $method<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: $type) -> io::Result<()> {
            if let Key::Text(_, first) = self.key {
                separate(writer, first)?;
                self.key = Key::Integer;
            }
            self.inner.$method(writer, value)
        }
    )* };
}

impl<F: Formatter> Formatter for DialectFormatter<F> {
    integer_keys! {
        write_i8 i8; write_i16 i16; write_i32 i32; write_i64 i64;
        write_u8 u8; write_u16 u16; write_u32 u32; write_u64 u64;
    }

    fn begin_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.key {
            Key::None => self.inner.begin_string(writer),
            Key::Text(..) | Key::Integer => Ok(()),
        }
    }

    fn end_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.key {
            Key::None => self.inner.end_string(writer),
            Key::Text(..) | Key::Integer => Ok(()),
        }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        match &mut self.key {
            Key::Text(key, _) => {
                key.extend_from_slice(fragment.as_bytes());
                Ok(())
            }
            Key::None | Key::Integer => self.inner.write_string_fragment(writer, fragment),
        }
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: serde_json::ser::CharEscape,
    ) -> io::Result<()> {
        match &mut self.key {
            Key::Text(key, _) => CompactFormatter.write_char_escape(key, escape),
            Key::None | Key::Integer => self.inner.write_char_escape(writer, escape),
        }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        _writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        // What stands before a key depends on what it turns out to be.
        self.key = Key::Text(Vec::new(), first);
        Ok(())
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if let Key::Text(key, first) = std::mem::replace(&mut self.key, Key::None) {
            let quoted = [b"\"", &key[..], b"\""].concat();
            if key.starts_with(QUEUE_KEY_START) {
                let object: String = serde_json::from_slice(&quoted)?;
                separate(writer, first)?;
                writer.write_all(object.as_bytes())?;
            } else {
                self.inner.begin_object_key(writer, first)?;
                writer.write_all(&quoted)?;
            }
        }
        self.inner.end_object_key(writer)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.inner.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.inner.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.inner.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.inner.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.inner.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.inner.end_object(writer)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.inner.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.inner.end_object_value(writer)
    }
}

/// Before a key that is no string, fastjson begins no line.
fn separate<W: ?Sized + io::Write>(writer: &mut W, first: bool) -> io::Result<()> {
    if first {
        Ok(())
    } else {
        writer.write_all(b",")
    }
}

/// fastjson's pretty printing.
#[derive(Default)]
struct TabFormatter {
    depth: usize,
    has_value: bool,
}

impl TabFormatter {
    fn begin<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        writer.write_all(bracket)
    }

    fn end<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.has_value {
            self.new_line(writer)?;
        }
        self.has_value = true;
        writer.write_all(bracket)
    }

    fn item<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.new_line(writer)
    }

    fn new_line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        for _ in 0..self.depth {
            writer.write_all(b"\t")?;
        }
        Ok(())
    }
}

impl Formatter for TabFormatter {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.item(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.item(writer, first)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::body::queue_map::{IntMap, MessageQueue, QueueMap};
    use serde_json::Value;

    fn read(text: &str) -> Result<String, JsonError> {
        from_slice::<Value>(text.as_bytes()).map(|v| v.to_string())
    }

    #[test]
    fn the_dialect_is_read() {
        for (text, expected) in [
            (r#"{0:"a",1:"b"}"#, r#"{"0":"a","1":"b"}"#),
            (
                r#"{"a":{{"q":0,"t":"T"}:5,{"q":1}:6}}"#,
                r#"{"a":{"{\"q\":0,\"t\":\"T\"}":5,"{\"q\":1}":6}}"#,
            ),
            (r#"{'a':'b"c',"d":[1,2,],}"#, r#"{"a":"b\"c","d":[1,2]}"#),
            (
                r#"{"a":12L,"b":NaN,"c":"\x41\v"}"#,
                r#"{"a":12,"c":"A\u000b"}"#,
            ),
            (r#"{"a":null,"b":[null],"c":null}"#, r#"{"b":[null]}"#),
            (" [ ] ", "[]"),
            ("{\"标签\":\"\\u6807\"}", "{\"标签\":\"标\"}"),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "{\"a\"}", "{\"a\":}", "[1", "\"x", "{} x", "{:1}"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn the_dialect_is_written() {
        let ints: IntMap<i64> = [(0, 7), (12, 8)].into_iter().collect();
        assert_eq!(to_vec(&ints).unwrap(), b"{0:7,12:8}");
        let queue = MessageQueue {
            topic: "T\"".to_owned(),
            broker_name: "b".to_owned(),
            queue_id: 1,
        };
        let queues: QueueMap<i64> = [(queue.clone(), 5)].into_iter().collect();
        let text = to_vec(&queues).unwrap();
        assert_eq!(text, br#"{{"brokerName":"b","queueId":1,"topic":"T\""}:5}"#);
        assert_eq!(from_slice::<QueueMap<i64>>(&text).unwrap(), queues);
        assert_eq!(from_slice::<IntMap<i64>>(b"{\"0\":7,12:8}").unwrap(), ints);
        let digits = std::collections::BTreeMap::from([("123".to_owned(), &ints)]);
        assert_eq!(
            to_string_pretty(&digits).unwrap(),
            "{\n\t\"123\":{0:7,12:8\n\t}\n}"
        );
        assert_eq!(to_string_pretty(&Vec::<i32>::new()).unwrap(), "[]");
    }

    #[test]
    fn arbitrary_bytes_never_panic() {
        proptest::proptest!(|(bytes: Vec<u8>)| { let _ = from_slice::<Value>(&bytes); });
    }
}
