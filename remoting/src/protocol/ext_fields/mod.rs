//! The custom header fields of a command: string pairs, in either header encoding, and their
//! translation from (`decode`) and to (`encode`) plain serde structs. The only header codec there is.
//!
//! | encoding | bytes |
//! |---|---|
//! | JSON | an object of strings; nulls are absent |
//! | ROCKETMQ | repeated: i16 key length, key, i32 value length, value |

mod decode;
mod encode;

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de, ser};
use thiserror::Error;

use self::decode::decode_pairs;
use self::encode::PairsSerializer;
use super::frame::{FrameError, SerializeType};
use super::json_scan::{Members, Scanner, Value, holds_control, write_string};

/// A header whose fields do not fit the struct they were asked as.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("request header: {0}")]
pub struct HeaderError(String);

impl de::Error for HeaderError {
    fn custom<T: std::fmt::Display>(problem: T) -> Self {
        Self(problem.to_string())
    }
}

impl ser::Error for HeaderError {
    fn custom<T: std::fmt::Display>(problem: T) -> Self {
        Self(problem.to_string())
    }
}

/// Long and short names of the same field, for headers that exist in both spellings.
pub type ShortNames = &'static [(&'static str, &'static str)];

/// The fields of a received header, still in the received bytes.
#[derive(Debug, Clone, Copy)]
pub enum ExtFields<'a> {
    None,
    /// The text of the JSON object. It was stepped over once, so it is well-formed as a whole.
    Json(&'a str),
    /// The same, with the places of the members.
    #[expect(private_interfaces, reason = "only `CommandView::parse` makes one")]
    Members(&'a str, Members),
    /// The ext block of a ROCKETMQ header. Its pairs have been checked for length and UTF-8.
    Rocketmq(&'a [u8]),
}

impl<'a> ExtFields<'a> {
    /// Checks a ROCKETMQ ext block, so that iterating it cannot fail later.
    pub(super) fn rocketmq(block: &'a [u8]) -> Result<Self, FrameError> {
        let mut rest = block;
        while !rest.is_empty() {
            match rocketmq_pair(rest) {
                Some((_, _, after)) => rest = after,
                None => {
                    return Err(FrameError::Header {
                        encoding: "ROCKETMQ",
                        at: block.len() - rest.len(),
                        problem: "malformed ext field",
                    });
                }
            }
        }
        Ok(Self::Rocketmq(block))
    }

    /// All pairs in the order received.
    pub fn iter(&self) -> Pairs<'a> {
        match *self {
            Self::None => Pairs::Rocketmq(&[]),
            Self::Rocketmq(block) => Pairs::Rocketmq(block),
            Self::Members(text, members) => Pairs::Members(text, members, 0),
            Self::Json(text) => {
                let mut scanner = Scanner::new(text);
                match scanner.open_object() {
                    Ok(()) => Pairs::Json(scanner),
                    Err(_) => Pairs::Rocketmq(&[]),
                }
            }
        }
    }

    /// A copy that outlives the received bytes.
    pub fn to_buf(&self) -> ExtBuf {
        match *self {
            // An object of strings without blanks; where control characters stand as they are, it is written anew.
            Self::Members(text, _) if !holds_control(text) => ExtBuf(text.as_bytes().to_vec()),
            _ => self.iter().collect(),
        }
    }

    /// The value of one field.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The fields as a header struct. Unknown fields are ignored.
    pub fn decode<T: Deserialize<'a>>(&self) -> Result<T, HeaderError> {
        decode_pairs(self.iter(), &[])
    }

    /// As [`decode`](Self::decode), for a request that spells its fields by the short names.
    pub fn decode_short<T: Deserialize<'a>>(&self, names: ShortNames) -> Result<T, HeaderError> {
        decode_pairs(self.iter(), names)
    }
}

fn rocketmq_pair(block: &[u8]) -> Option<(&str, &str, &[u8])> {
    let (length, rest) = block.split_first_chunk::<2>()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    let (value, rest) = rest.split_at_checked(length)?;
    Some((str::from_utf8(key).ok()?, str::from_utf8(value).ok()?, rest))
}

/// Iterator over the pairs of [`ExtFields`].
pub enum Pairs<'a> {
    #[expect(private_interfaces, reason = "only `ExtFields::iter` makes one")]
    Json(Scanner<'a>),
    /// And the number of the next one.
    #[expect(private_interfaces, reason = "only `ExtFields::iter` makes one")]
    Members(&'a str, Members, usize),
    Rocketmq(&'a [u8]),
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Rocketmq(block) => {
                let (key, value, rest) = rocketmq_pair(block)?;
                *block = rest;
                Some((Cow::Borrowed(key), Cow::Borrowed(value)))
            }
            Self::Members(text, members, next) => {
                let (key, value) = members.get(text, *next)?;
                *next += 1;
                Some((Cow::Borrowed(key), value))
            }
            Self::Json(scanner) => loop {
                let key = scanner.next_key().ok()??;
                match scanner.value().ok()? {
                    Value::Text(text) => return Some((key, text)),
                    Value::Raw(text) => return Some((key, Cow::Borrowed(text))),
                    Value::Null => {}
                }
            },
        }
    }
}

/// String pairs ready to be written into a header of either encoding.
/// Kept as the JSON object that nearly all frames carry, without blanks; empty without fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtBuf(Vec<u8>);

/// Most headers fit, so that making one takes a single allocation.
const USUAL_BYTES: usize = 384;

impl ExtBuf {
    /// The fields of `header`; `None` fields are left out.
    pub fn encode<H: Serialize + ?Sized>(header: &H) -> Result<Self, HeaderError> {
        let mut pairs = Self::default();
        pairs.add(header, &[])?;
        Ok(pairs)
    }

    /// Adds the fields of `header`, by their short names where `names` has one.
    pub fn add<H: Serialize + ?Sized>(
        &mut self,
        header: &H,
        names: ShortNames,
    ) -> Result<(), HeaderError> {
        header.serialize(PairsSerializer { out: self, names })
    }

    /// Adds one field.
    pub fn push(&mut self, key: &str, value: &str) {
        if self.0.pop().is_some() {
            self.0.push(b',');
        } else {
            self.0.reserve(USUAL_BYTES);
            self.0.push(b'{');
        }
        write_string(&mut self.0, key);
        self.0.push(b':');
        write_string(&mut self.0, value);
        self.0.push(b'}');
    }

    /// The fields as if they had been received.
    pub fn as_fields(&self) -> ExtFields<'_> {
        match str::from_utf8(&self.0) {
            Ok(text) if !text.is_empty() => ExtFields::Json(text),
            _ => ExtFields::None,
        }
    }

    /// The members of the object, without its braces.
    fn members(&self) -> &[u8] {
        let inner = self.0.strip_prefix(b"{");
        inner
            .and_then(|inner| inner.strip_suffix(b"}"))
            .unwrap_or_default()
    }
}

/// Writes header fields straight into a frame, in the encoding of its header.
pub struct FieldWriter<'o> {
    out: &'o mut Vec<u8>,
    serialize_type: SerializeType,
    first: bool,
}

impl<'o> FieldWriter<'o> {
    /// Appends the fields that `fields` writes: as a JSON object, or as an ext block without its
    /// length.
    pub(super) fn write(
        out: &'o mut Vec<u8>,
        serialize_type: SerializeType,
        fields: impl FnOnce(&mut FieldWriter<'_>),
    ) {
        let mut writer = FieldWriter {
            out,
            serialize_type,
            first: true,
        };
        if serialize_type == SerializeType::Json {
            writer.out.push(b'{');
        }
        fields(&mut writer);
        if serialize_type == SerializeType::Json {
            writer.out.push(b'}');
        }
    }

    /// One field.
    pub fn text(&mut self, key: &str, value: &str) {
        match self.serialize_type {
            SerializeType::Json => {
                self.json_key(key);
                write_string(self.out, value);
            }
            SerializeType::Rocketmq => {
                self.plain(key, |out| out.extend_from_slice(value.as_bytes()))
            }
        }
    }

    /// One field with a number.
    pub fn number(&mut self, key: &str, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.plain(key, |out| {
            out.extend_from_slice(digits.format(value).as_bytes());
        });
    }

    /// One field whose value `write` appends: ASCII that needs no escapes in JSON.
    pub fn plain(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        match self.serialize_type {
            SerializeType::Json => {
                self.json_key(key);
                self.out.push(b'"');
                write(self.out);
                self.out.push(b'"');
            }
            SerializeType::Rocketmq => {
                let key_length = u16::try_from(key.len()).unwrap_or(0);
                self.out.extend_from_slice(&key_length.to_be_bytes());
                self.out.extend_from_slice(key.as_bytes());
                let start = self.out.len();
                self.out.extend_from_slice(&[0; 4]);
                write(self.out);
                let length = i32::try_from(self.out.len() - start - 4).unwrap_or(0);
                if let Some(place) = self.out.get_mut(start..start + 4) {
                    place.copy_from_slice(&length.to_be_bytes());
                }
            }
        }
    }

    /// All fields of a list. A ROCKETMQ header has no room for a name of more than 64 KiB, and goes without it.
    pub fn all(&mut self, fields: &ExtBuf) {
        match self.serialize_type {
            SerializeType::Json => {
                let members = fields.members();
                if !members.is_empty() {
                    self.json_comma();
                    self.out.extend_from_slice(members);
                }
            }
            SerializeType::Rocketmq => {
                for (key, value) in fields.as_fields().iter() {
                    if key.len() <= usize::from(u16::MAX) {
                        self.text(&key, &value);
                    }
                }
            }
        }
    }

    fn json_comma(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    fn json_key(&mut self, key: &str) {
        self.json_comma();
        write_string(self.out, key);
        self.out.push(b':');
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for ExtBuf {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut out = Self::default();
        for (key, value) in pairs {
            out.push(key.as_ref(), value.as_ref());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sample<'a> {
        #[serde(borrow)]
        topic: Cow<'a, str>,
        queue_id: i32,
        queue_offset: i64,
        unit_mode: Option<bool>,
        properties: Option<String>,
    }

    const NAMES: ShortNames = &[("topic", "b"), ("queueId", "e")];

    fn sample() -> Sample<'static> {
        Sample {
            topic: "T\"1".into(),
            queue_id: -3,
            queue_offset: i64::MAX,
            unit_mode: None,
            properties: Some("k\u{1}v\u{2}".into()),
        }
    }

    #[test]
    fn a_struct_survives_both_encodings_and_both_spellings() {
        for names in [&[], NAMES] {
            let mut ext = ExtBuf::default();
            ext.add(&sample(), names).unwrap();
            let mut json = Vec::new();
            FieldWriter::write(&mut json, SerializeType::Json, |fields| fields.all(&ext));
            let json = String::from_utf8(json).unwrap();
            let (members, _) = Members::read(&json).unwrap();
            let in_place = ExtFields::Members(&json, members);
            for fields in [ExtFields::Json(&json), in_place, ext.as_fields()] {
                assert_eq!(
                    fields.decode_short::<Sample<'_>>(names),
                    Ok(sample()),
                    "{json}"
                );
            }
        }
        let mut ext = ExtBuf::default();
        ext.add(&sample(), NAMES).unwrap();
        assert_eq!(ext.as_fields().get("e").as_deref(), Some("-3"));
        assert_eq!(ext.as_fields().get("queueId"), None);
    }

    #[test]
    fn fields_of_a_list_stand_behind_those_written_before() {
        let written = |serialize_type, list: &ExtBuf| {
            let mut out = Vec::new();
            FieldWriter::write(&mut out, serialize_type, |fields| {
                fields.number("n", 1);
                fields.all(list);
            });
            out
        };
        let mut list = ExtBuf::default();
        assert_eq!(written(SerializeType::Json, &list), br#"{"n":"1"}"#);
        list.push("a\"", "\u{1}");
        list.push("b", "");
        let json = written(SerializeType::Json, &list);
        assert_eq!(json, br#"{"n":"1","a\"":"\u0001","b":""}"#);
        list.push(&"k".repeat(70_000), "too long a name for a ROCKETMQ header");
        let block = written(SerializeType::Rocketmq, &list);
        let pairs: Vec<_> = ExtFields::rocketmq(&block).unwrap().iter().collect();
        let expected = [("n", "1"), ("a\"", "\u{1}"), ("b", "")];
        assert_eq!(
            pairs,
            expected.map(|(key, value)| (key.into(), value.into()))
        );
    }

    #[test]
    fn what_is_kept_of_received_fields_is_the_same_in_every_form() {
        let mut pairs = ExtBuf::default();
        pairs.push("topic", "T\"1");
        pairs.push("properties", "k\u{1}v");
        let json = str::from_utf8(&pairs.0).unwrap();
        let mut block = Vec::new();
        FieldWriter::write(&mut block, SerializeType::Rocketmq, |fields| {
            fields.all(&pairs);
        });
        let (members, _) = Members::read(json).unwrap();
        let raw = json.replace("\\u0001", "\u{1}");
        assert_ne!(raw, json);
        let (raw_members, _) = Members::read(&raw).unwrap();
        let odd = r#"{ "topic" : "T\"1", "gone": null, "properties":"k\u0001v" }"#;
        for received in [
            ExtFields::Json(odd),
            ExtFields::Members(json, members),
            ExtFields::Members(&raw, raw_members),
            ExtFields::rocketmq(&block).unwrap(),
        ] {
            assert_eq!(received.to_buf(), pairs);
        }
        assert_eq!(ExtFields::None.to_buf(), ExtBuf::default());
    }

    #[test]
    fn numbers_that_are_none_name_their_field() {
        let fields = ExtFields::Json(r#"{"topic":"t","queueId":"x","queueOffset":1}"#);
        let error = fields.decode::<Sample<'_>>().unwrap_err().to_string();
        assert!(error.contains("queueId"), "{error}");
        let missing = ExtFields::Json(r#"{"topic":"t"}"#)
            .decode::<Sample<'_>>()
            .unwrap_err()
            .to_string();
        assert!(missing.contains("queueId"), "{missing}");
    }

    #[test]
    fn values_need_not_be_strings_and_may_be_null_or_empty() {
        let fields = ExtFields::Json(
            r#"{"topic":"t","queueId":7,"queueOffset":"8","unitMode":"","properties":null,"future":{"a":1}}"#,
        );
        let got = fields.decode::<Sample<'_>>().unwrap();
        assert_eq!(
            (
                got.queue_id,
                got.queue_offset,
                got.unit_mode,
                got.properties
            ),
            (7, 8, None, None)
        );
    }

    #[test]
    fn a_malformed_ext_block_is_refused_before_it_is_used() {
        assert!(ExtFields::rocketmq(&[0, 1, b'a', 0, 0, 0, 9, b'x']).is_err());
        assert!(ExtFields::rocketmq(&[0, 1, b'a', 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(ExtFields::rocketmq(&[0, 1, 0xff, 0, 0, 0, 0]).is_err());
        assert!(ExtFields::rocketmq(&[]).is_ok());
    }
}
