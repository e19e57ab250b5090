//! One command of the protocol: a request or the response to one.
//!
//! [`CommandView`] is a received frame read in place, [`RemotingCommand`] an owned command for
//! whoever keeps or makes one. The header stands in one of two encodings; see
//! [`super::frame`] for what surrounds it.
//!
//! JSON: `{"code","extFields","flag","language","opaque","remark","serializeTypeCurrentRPC","version"}`,
//! any order, anything but `code` may be missing. ROCKETMQ:
//!
//! | width | field |
//! |---|---|
//! | i16 | code |
//! | u8 | language |
//! | i16 | version |
//! | i32 | opaque |
//! | i32 | flag |
//! | i32 + n | remark (length 0: none) |
//! | i32 + n | ext block, see [`super::ext_fields`] |

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::codes::{RequestCode, ResponseCode};
use super::ext_fields::{ExtBuf, ExtFields, FieldWriter, HeaderError, ShortNames};
use super::frame::{FrameError, PREFIX_BYTES, SerializeType};
use super::json_scan::{Scanner, Value, write_string};

/// The version we declare, `V4_9_8`: what we do is what Apache 4.9 does. Peers switch features by
/// it: SQL92 pulls need 232, standard JSON routes 401, and 5.x code numbers start at 413.
pub const VERSION: i32 = 409;

/// Flag bit 0: this is a response.
pub const FLAG_RESPONSE: i32 = 1;
/// Flag bit 1: no response is wanted.
pub const FLAG_ONEWAY: i32 = 2;

/// The programming language a peer declares. Numbers above 12 and unknown names are kept as `OTHER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Language(pub u8);

const LANGUAGES: [&str; 14] = [
    "JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO", "PHP",
    "OMS", "RUST", "NODE_JS",
];

impl Language {
    /// What we declare: peers of the 4.3 era cut a connection that names a language they do not know.
    pub const JAVA: Self = Self(0);
    pub const CPP: Self = Self(1);
    pub const OTHER: Self = Self(7);

    pub fn name(self) -> &'static str {
        LANGUAGES
            .get(usize::from(self.0))
            .copied()
            .unwrap_or("OTHER")
    }

    fn from_name(name: &str) -> Self {
        LANGUAGES
            .iter()
            .position(|known| *known == name)
            .and_then(|n| u8::try_from(n).ok())
            .map_or(Self::OTHER, Self)
    }
}

/// A received command, read in place.
#[derive(Debug, Clone)]
pub struct CommandView<'a> {
    /// A request code, or a response code if [`is_response`](Self::is_response).
    pub code: i32,
    pub language: Language,
    pub version: i32,
    /// Chosen by the requester; the response carries it back.
    pub opaque: i32,
    pub flag: i32,
    pub remark: Option<Cow<'a, str>>,
    pub ext: ExtFields<'a>,
    pub body: &'a [u8],
    pub serialize_type: SerializeType,
}

impl<'a> CommandView<'a> {
    /// Reads one whole frame, length field included.
    pub fn parse(frame: &'a [u8]) -> Result<Self, FrameError> {
        let Some((prefix, rest)) = frame.split_first_chunk::<PREFIX_BYTES>() else {
            return Err(FrameError::TooShort(
                i64::try_from(frame.len()).unwrap_or(i64::MAX),
            ));
        };
        let [_, _, _, _, kind, h2, h1, h0] = *prefix;
        let header_length = usize::from(h2) << 16 | usize::from(h1) << 8 | usize::from(h0);
        let Some((header, body)) = rest.split_at_checked(header_length) else {
            return Err(FrameError::HeaderTooLong {
                header: header_length,
                frame: frame.len(),
            });
        };
        let mut command = match kind {
            0 => Self::parse_json(header)?,
            1 => Self::parse_rocketmq(header)?,
            other => return Err(FrameError::UnknownSerializeType(other)),
        };
        command.body = body;
        Ok(command)
    }

    fn empty(serialize_type: SerializeType) -> Self {
        Self {
            code: 0,
            language: Language::OTHER,
            version: 0,
            opaque: 0,
            flag: 0,
            remark: None,
            ext: ExtFields::None,
            body: &[],
            serialize_type,
        }
    }

    fn parse_json(header: &'a [u8]) -> Result<Self, FrameError> {
        let malformed = |at, problem| FrameError::Header {
            encoding: "JSON",
            at,
            problem,
        };
        let text = str::from_utf8(header).map_err(|e| malformed(e.valid_up_to(), "not UTF-8"))?;
        let mut command = Self::empty(SerializeType::Json);
        let mut scanner = Scanner::new(text);
        let mut code = None;
        scanner.open_object()?;
        while let Some(key) = scanner.next_key()? {
            if key == "extFields"
                && let Some((text, members)) = scanner.members()
            {
                command.ext = ExtFields::Members(text, members);
                continue;
            }
            let value = scanner.value()?;
            let number = || match &value {
                Value::Raw(text) => text
                    .parse::<i32>()
                    .map_err(|_| malformed(0, "a number was expected")),
                Value::Text(text) => text
                    .parse()
                    .map_err(|_| malformed(0, "a number was expected")),
                Value::Null => Ok(0),
            };
            match &*key {
                "code" => code = Some(number()?),
                "flag" => command.flag = number()?,
                "opaque" => command.opaque = number()?,
                "version" => command.version = number()?,
                // C++ and Node clients send their own names here, some of them a number.
                "language" => {
                    command.language = match value {
                        Value::Text(name) => Language::from_name(&name),
                        Value::Raw(number) => number.parse().map_or(Language::OTHER, Language),
                        Value::Null => Language::OTHER,
                    }
                }
                "remark" => {
                    command.remark = match value {
                        Value::Text(text) => Some(text),
                        Value::Raw(_) | Value::Null => None,
                    }
                }
                "extFields" => match value {
                    Value::Raw(text) if text.starts_with('{') => {
                        command.ext = ExtFields::Json(text)
                    }
                    Value::Null => {}
                    Value::Raw(_) | Value::Text(_) => {
                        return Err(malformed(0, "extFields is not an object"));
                    }
                },
                _ => {}
            }
        }
        command.code = code.ok_or(malformed(0, "no code"))?;
        Ok(command)
    }

    fn parse_rocketmq(header: &'a [u8]) -> Result<Self, FrameError> {
        let parse = || {
            let mut command = Self::empty(SerializeType::Rocketmq);
            let (code, rest) = header.split_first_chunk::<2>()?;
            let (&language, rest) = rest.split_first()?;
            let (version, rest) = rest.split_first_chunk::<2>()?;
            let (opaque, rest) = rest.split_first_chunk::<4>()?;
            let (flag, rest) = rest.split_first_chunk::<4>()?;
            command.code = i32::from(i16::from_be_bytes(*code));
            command.language = Language(language);
            command.version = i32::from(i16::from_be_bytes(*version));
            command.opaque = i32::from_be_bytes(*opaque);
            command.flag = i32::from_be_bytes(*flag);
            let (remark, rest) = length_prefixed(rest)?;
            if !remark.is_empty() {
                command.remark = Some(String::from_utf8_lossy(remark));
            }
            let (block, _) = length_prefixed(rest)?;
            Some((command, block))
        };
        let Some((mut command, block)) = parse() else {
            return Err(FrameError::Header {
                encoding: "ROCKETMQ",
                at: header.len(),
                problem: "the header ends inside a field",
            });
        };
        command.ext = ExtFields::rocketmq(block)?;
        Ok(command)
    }

    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }

    pub fn request_code(&self) -> RequestCode {
        RequestCode(self.code)
    }

    /// The header fields as a struct.
    pub fn header<T: Deserialize<'a>>(&self) -> Result<T, HeaderError> {
        self.ext.decode()
    }

    /// A copy that outlives the receive buffer.
    pub fn to_owned(&self) -> RemotingCommand {
        RemotingCommand {
            code: self.code,
            language: self.language,
            version: self.version,
            opaque: self.opaque,
            flag: self.flag,
            remark: self.remark.as_deref().map(str::to_owned),
            ext: self.ext.to_buf(),
            body: Bytes::copy_from_slice(self.body),
            serialize_type: self.serialize_type,
        }
    }
}

fn length_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)
}

/// A command that owns its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct RemotingCommand {
    pub code: i32,
    pub language: Language,
    pub version: i32,
    pub opaque: i32,
    pub flag: i32,
    pub remark: Option<String>,
    pub ext: ExtBuf,
    pub body: Bytes,
    pub serialize_type: SerializeType,
}

impl RemotingCommand {
    /// A request without header fields and body. The connection that sends it chooses the opaque.
    pub fn request(code: RequestCode) -> Self {
        Self {
            code: code.0,
            language: Language::JAVA,
            version: VERSION,
            opaque: 0,
            flag: 0,
            remark: None,
            ext: ExtBuf::default(),
            body: Bytes::new(),
            serialize_type: SerializeType::Json,
        }
    }

    /// Adds the fields of `header`.
    pub fn with_header<H: Serialize>(self, header: &H) -> Result<Self, HeaderError> {
        self.with_short_header(header, &[])
    }

    /// Adds the fields of `header` by their short names.
    pub fn with_short_header<H: Serialize>(
        mut self,
        header: &H,
        names: ShortNames,
    ) -> Result<Self, HeaderError> {
        self.ext.add(header, names)?;
        Ok(self)
    }

    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The header fields as a struct.
    pub fn header<'a, T: Deserialize<'a>>(&'a self) -> Result<T, HeaderError> {
        self.ext.as_fields().decode()
    }

    pub fn response_code(&self) -> ResponseCode {
        ResponseCode(self.code)
    }

    /// Appends the command as one frame.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let frame = FrameWriter::begin(out, self.serialize_type);
        write_header(
            out,
            self.serialize_type,
            &Head {
                code: self.code,
                language: self.language,
                version: self.version,
                opaque: self.opaque,
                flag: self.flag,
                remark: self.remark.as_deref(),
            },
            |fields| fields.all(&self.ext),
        );
        frame.end_header(out);
        out.extend_from_slice(&self.body);
        frame.end(out);
    }
}

/// What a response must carry back from its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyTo {
    pub opaque: i32,
    pub serialize_type: SerializeType,
}

/// Appends a response frame. `fields` writes its header fields straight into it; `body` may be in
/// pieces, which are laid end to end.
pub fn encode_response<'b>(
    out: &mut Vec<u8>,
    to: ReplyTo,
    code: ResponseCode,
    remark: Option<&str>,
    fields: impl FnOnce(&mut FieldWriter<'_>),
    body: impl IntoIterator<Item = &'b [u8]>,
) {
    let frame = FrameWriter::begin(out, to.serialize_type);
    let head = Head {
        code: code.0,
        language: Language::JAVA,
        version: VERSION,
        opaque: to.opaque,
        flag: FLAG_RESPONSE,
        remark,
    };
    write_header(out, to.serialize_type, &head, fields);
    frame.end_header(out);
    for piece in body {
        out.extend_from_slice(piece);
    }
    frame.end(out);
}

struct Head<'a> {
    code: i32,
    language: Language,
    version: i32,
    opaque: i32,
    flag: i32,
    remark: Option<&'a str>,
}

fn write_header(
    out: &mut Vec<u8>,
    serialize_type: SerializeType,
    head: &Head<'_>,
    fields: impl FnOnce(&mut FieldWriter<'_>),
) {
    match serialize_type {
        SerializeType::Json => write_json_header(out, head, fields),
        SerializeType::Rocketmq => write_rocketmq_header(out, head, fields),
    }
}

/// Keys in fastjson's order, nulls left out. `extFields` is always there: Java producers read it
/// from a send response without a null check.
fn write_json_header(
    out: &mut Vec<u8>,
    head: &Head<'_>,
    fields: impl FnOnce(&mut FieldWriter<'_>),
) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"{\"code\":");
    out.extend_from_slice(digits.format(head.code).as_bytes());
    out.extend_from_slice(b",\"extFields\":");
    FieldWriter::write(out, SerializeType::Json, fields);
    out.extend_from_slice(b",\"flag\":");
    out.extend_from_slice(digits.format(head.flag).as_bytes());
    out.extend_from_slice(b",\"language\":\"");
    out.extend_from_slice(head.language.name().as_bytes());
    out.extend_from_slice(b"\",\"opaque\":");
    out.extend_from_slice(digits.format(head.opaque).as_bytes());
    if let Some(remark) = head.remark {
        out.extend_from_slice(b",\"remark\":");
        write_string(out, remark);
    }
    out.extend_from_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
    out.extend_from_slice(digits.format(head.version).as_bytes());
    out.push(b'}');
}

/// The code field has 16 bits; codes beyond are cut, as Apache's writer does.
fn write_rocketmq_header(
    out: &mut Vec<u8>,
    head: &Head<'_>,
    fields: impl FnOnce(&mut FieldWriter<'_>),
) {
    let low16 = |n: i32| {
        (n & 0xFFFF)
            .to_be_bytes()
            .last_chunk::<2>()
            .copied()
            .unwrap_or_default()
    };
    out.extend_from_slice(&low16(head.code));
    out.push(head.language.0);
    out.extend_from_slice(&low16(head.version));
    out.extend_from_slice(&head.opaque.to_be_bytes());
    out.extend_from_slice(&head.flag.to_be_bytes());
    let remark = head.remark.unwrap_or_default().as_bytes();
    out.extend_from_slice(&i32::try_from(remark.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(remark);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    FieldWriter::write(out, SerializeType::Rocketmq, fields);
    let length = i32::try_from(out.len() - start - 4).unwrap_or(0);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Fills in the two length words once the parts are written.
struct FrameWriter {
    start: usize,
    serialize_type: SerializeType,
}

impl FrameWriter {
    fn begin(out: &mut Vec<u8>, serialize_type: SerializeType) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX_BYTES]);
        Self {
            start,
            serialize_type,
        }
    }

    fn end_header(&self, out: &mut [u8]) {
        let length =
            u32::try_from(out.len() - self.start - PREFIX_BYTES).unwrap_or(0) & 0x00FF_FFFF;
        let kind = match self.serialize_type {
            SerializeType::Json => 0,
            SerializeType::Rocketmq => 1 << 24,
        };
        self.patch(out, 4, kind | length);
    }

    fn end(&self, out: &mut [u8]) {
        let length = u32::try_from(out.len() - self.start - 4).unwrap_or(0);
        self.patch(out, 0, length);
    }

    fn patch(&self, out: &mut [u8], at: usize, word: u32) {
        if let Some(place) = out.get_mut(self.start + at..self.start + at + 4) {
            place.copy_from_slice(&word.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::{MAX_FRAME_BYTES, next_frame};

    fn command(serialize_type: SerializeType) -> RemotingCommand {
        RemotingCommand {
            code: 310,
            language: Language(9),
            version: 317,
            opaque: -5,
            flag: FLAG_ONEWAY,
            remark: Some("zwölf \"Boxkämpfer\"".to_owned()),
            ext: [("a", "group"), ("i", "KEYS\u{1}k\u{2}"), ("", "")]
                .into_iter()
                .collect(),
            body: Bytes::from_static(b"body"),
            serialize_type,
        }
    }

    #[test]
    fn a_command_survives_both_encodings() {
        for kind in [SerializeType::Json, SerializeType::Rocketmq] {
            let mut frame = b"before".to_vec();
            command(kind).encode_into(&mut frame);
            let frame = next_frame(&frame[6..], MAX_FRAME_BYTES).unwrap().unwrap();
            assert_eq!(CommandView::parse(frame).unwrap().to_owned(), command(kind));
        }
    }

    #[test]
    fn a_response_mirrors_the_request() {
        let mut frame = Vec::new();
        let to = ReplyTo {
            opaque: 77,
            serialize_type: SerializeType::Json,
        };
        encode_response(
            &mut frame,
            to,
            ResponseCode(0),
            None,
            |_| {},
            [&b"ab"[..], b"c"],
        );
        let view = CommandView::parse(&frame).unwrap();
        assert_eq!((view.opaque, view.code, view.body), (77, 0, &b"abc"[..]));
        assert!(view.is_response() && !view.is_oneway());
        let text = String::from_utf8_lossy(&frame);
        assert!(text.contains("\"extFields\":{}"), "{text}");
        assert!(!text.contains("remark"), "{text}");
    }

    fn json_frame(header: &str) -> Vec<u8> {
        let mut frame = (header.len() as i32 + 4).to_be_bytes().to_vec();
        frame.extend_from_slice(&(header.len() as i32).to_be_bytes());
        frame.extend_from_slice(header.as_bytes());
        frame
    }

    #[test]
    fn headers_seen_in_the_wild_are_served() {
        for (header, code, language) in [
            // Go: empty remark, no serializeTypeCurrentRPC.
            (
                r#"{"code":105,"language":"GO","version":317,"opaque":1,"flag":0,"remark":"","extFields":{"topic":"T"}}"#,
                105,
                Language(9),
            ),
            // An unknown language, unknown fields, null extFields.
            (
                r#"{"code":34,"language":"KOTLIN","opaque":2,"x":{"y":[1]},"extFields":null}"#,
                34,
                Language::OTHER,
            ),
            // A number for the language, nothing else.
            (r#"{"code":34,"language":3}"#, 34, Language(3)),
        ] {
            let frame = json_frame(header);
            let view = CommandView::parse(&frame).unwrap();
            assert_eq!((view.code, view.language), (code, language), "{header}");
        }
    }

    #[test]
    fn malformed_headers_are_errors() {
        for header in [
            "",
            "{}",
            "[]",
            r#"{"code":"x"}"#,
            r#"{"code":1,"extFields":"x"}"#,
            "{\"code\":1",
        ] {
            assert!(CommandView::parse(&json_frame(header)).is_err(), "{header}");
        }
        let mut rocketmq = Vec::new();
        command(SerializeType::Rocketmq).encode_into(&mut rocketmq);
        let header = u32::from_be_bytes(rocketmq[4..8].try_into().unwrap()) as usize & 0xFF_FFFF;
        for cut in 0..header {
            let mut frame = (cut as i32 + 4).to_be_bytes().to_vec();
            frame.extend_from_slice(&(1 << 24 | cut as i32).to_be_bytes());
            frame.extend_from_slice(&rocketmq[8..8 + cut]);
            assert!(CommandView::parse(&frame).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic() {
        proptest::proptest!(|(kind in 0u8..3, header: Vec<u8>, body: Vec<u8>)| {
            let mut frame = (header.len() as i32 + body.len() as i32 + 4).to_be_bytes().to_vec();
            frame.extend_from_slice(&(i32::from(kind) << 24 | header.len() as i32).to_be_bytes());
            frame.extend_from_slice(&header);
            frame.extend_from_slice(&body);
            if let Ok(view) = CommandView::parse(&frame) {
                let _ = view.to_owned();
            }
        });
    }
}
