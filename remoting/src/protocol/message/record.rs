//! The stored message, which is also the pulled message, byte for byte.
//!
//! | at (IPv4, V1) | width | field |
//! |---|---|---|
//! | 0 | i32 | total size, this field included |
//! | 4 | i32 | magic: [`MAGIC_V1`], [`MAGIC_V2`] (topics of more than 127 bytes), [`MAGIC_BLANK`] (end of a file) |
//! | 8 | i32 | CRC-32 of the body, masked to 31 bits; 0 without a body |
//! | 12 | i32 | queue id |
//! | 16 | i32 | flag of the application |
//! | 20 | i64 | queue offset |
//! | 28 | i64 | physical offset: where the record starts in the commit log |
//! | 36 | i32 | [`super::sys_flag`] |
//! | 40 | i64 | born timestamp, ms |
//! | 48 | 4 or 16, + i32 | born host: address, port |
//! | 56 | i64 | store timestamp, ms |
//! | 64 | 4 or 16, + i32 | store host: address, port |
//! | 72 | i32 | times consumed again |
//! | 76 | i64 | commit-log offset of the half message |
//! | 84 | i32 + n | body |
//! | 88 + n | u8 (V2: i16) + n | topic |
//! | … | i16 + n | [`properties`](super::properties) |
//!
//! All integers are big-endian. An IPv6 host moves what follows it by 12 bytes.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use super::sys_flag;

pub const MAGIC_V1: i32 = 0xDAA3_20A7_u32.cast_signed();
pub const MAGIC_V2: i32 = 0xDAA3_20AB_u32.cast_signed();
/// Marks the unused end of a commit-log file.
pub const MAGIC_BLANK: i32 = 0xCBD4_3194_u32.cast_signed();
/// Size and magic: all that is written of a blank record.
pub const BLANK_BYTES: usize = 8;
/// The smallest record: IPv4, without body, topic and properties.
pub const MIN_BYTES: usize = 91;

const V1_MAX_TOPIC_BYTES: usize = 127;
const QUEUE_OFFSET_AT: usize = 20;
const PHYSICAL_OFFSET_AT: usize = 28;
const SYS_FLAG_AT: usize = 36;
const BORN_HOST_AT: usize = 48;

/// Why bytes are not a record, or fields do not make one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    #[error("record needs {need} bytes, {have} are there")]
    Truncated { need: usize, have: usize },
    #[error("unknown magic {0:#010x}")]
    Magic(i32),
    #[error("end of file, {0} bytes of it unused")]
    Blank(usize),
    #[error("total size says {total}, the fields take {fields} bytes")]
    Size { total: i64, fields: usize },
    #[error("field {0} has a negative or impossible length")]
    Length(&'static str),
    #[error("{0} is not UTF-8")]
    Text(&'static str),
    #[error("body checksum is {computed:#010x}, the record says {stored:#010x}")]
    Crc { stored: i32, computed: i32 },
    #[error("{what} of {bytes} bytes exceeds the limit of {limit}")]
    TooLong {
        what: &'static str,
        bytes: usize,
        limit: usize,
    },
}

/// The fields of a record to be. What only the store's writer knows is patched in later.
#[derive(Debug, Clone, Copy)]
pub struct RecordFields<'a> {
    pub queue_id: i32,
    pub flag: i32,
    pub sys_flag: i32,
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    pub store_host: SocketAddr,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    pub body: &'a [u8],
    pub topic: &'a str,
    pub properties: &'a [u8],
}

impl<'a> RecordFields<'a> {
    /// A message of queue 0 that says nothing else: no flags, born at the epoch, born and stored at `host`, for the first
    /// time and outside of transactions.
    pub fn plain(topic: &'a str, body: &'a [u8], properties: &'a [u8], host: SocketAddr) -> Self {
        Self {
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 0,
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            topic,
            properties,
        }
    }

    /// Appends the record with queue offset, physical offset and store timestamp zero; see [`patch`].
    /// Returns its length.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<usize, RecordError> {
        let fits = |what, bytes: usize, limit: usize| {
            if bytes > limit {
                Err(RecordError::TooLong { what, bytes, limit })
            } else {
                Ok(())
            }
        };
        fits(
            "properties",
            self.properties.len(),
            super::properties::MAX_BYTES,
        )?;
        fits("topic", self.topic.len(), 255)?;
        fits(
            "body",
            self.body.len(),
            crate::protocol::frame::MAX_FRAME_BYTES,
        )?;
        let start = out.len();
        let v2 = self.topic.len() > V1_MAX_TOPIC_BYTES;
        let mut flags = self.sys_flag & !(sys_flag::BORN_HOST_V6 | sys_flag::STORE_HOST_V6);
        if self.born_host.is_ipv6() {
            flags |= sys_flag::BORN_HOST_V6;
        }
        if self.store_host.is_ipv6() {
            flags |= sys_flag::STORE_HOST_V6;
        }
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(if v2 { MAGIC_V2 } else { MAGIC_V1 }).to_be_bytes());
        out.extend_from_slice(&body_crc(self.body).to_be_bytes());
        out.extend_from_slice(&self.queue_id.to_be_bytes());
        out.extend_from_slice(&self.flag.to_be_bytes());
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&flags.to_be_bytes());
        out.extend_from_slice(&self.born_timestamp.to_be_bytes());
        write_host(out, self.born_host);
        out.extend_from_slice(&[0; 8]);
        write_host(out, self.store_host);
        out.extend_from_slice(&self.reconsume_times.to_be_bytes());
        out.extend_from_slice(&self.prepared_transaction_offset.to_be_bytes());
        out.extend_from_slice(&low32(self.body.len()));
        out.extend_from_slice(self.body);
        let [_, _, high, low] = low32(self.topic.len());
        if v2 {
            out.push(high);
        }
        out.push(low);
        out.extend_from_slice(self.topic.as_bytes());
        let [_, _, high, low] = low32(self.properties.len());
        out.extend_from_slice(&[high, low]);
        out.extend_from_slice(self.properties);
        let length = out.len() - start;
        if let Some(place) = out.get_mut(start..start + 4) {
            place.copy_from_slice(&low32(length));
        }
        Ok(length)
    }
}

/// Lengths here are checked to be far below 4 GiB.
fn low32(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn write_host(out: &mut Vec<u8>, host: SocketAddr) {
    match host.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&i32::from(host.port()).to_be_bytes());
}

/// The checksum a record carries for a body.
pub fn body_crc(body: &[u8]) -> i32 {
    if body.is_empty() {
        return 0;
    }
    (crc32fast::hash(body) & 0x7FFF_FFFF).cast_signed()
}

/// Writes into an encoded record what its place in the log decides.
pub fn patch(record: &mut [u8], queue_offset: i64, physical_offset: i64, store_timestamp: i64) {
    let flags = read_i32(record, SYS_FLAG_AT).unwrap_or(0);
    let store_timestamp_at = if flags & sys_flag::BORN_HOST_V6 == 0 {
        56
    } else {
        68
    };
    for (at, value) in [
        (QUEUE_OFFSET_AT, queue_offset),
        (PHYSICAL_OFFSET_AT, physical_offset),
        (store_timestamp_at, store_timestamp),
    ] {
        if let Some(place) = record.get_mut(at..at + 8) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }
}

fn read_i32(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Total size and magic at the start of `bytes`: enough to step from record to record.
pub fn peek(bytes: &[u8]) -> Option<(i32, i32)> {
    Some((read_i32(bytes, 0)?, read_i32(bytes, 4)?))
}

/// A record read in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Length of the record in bytes.
    pub total_size: usize,
    pub body_crc: i32,
    pub queue_id: i32,
    pub flag: i32,
    pub queue_offset: i64,
    pub physical_offset: i64,
    pub sys_flag: i32,
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    pub store_timestamp: i64,
    pub store_host: SocketAddr,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    /// As stored: perhaps compressed, see [`super::compression`].
    pub body: &'a [u8],
    pub topic: &'a str,
    pub properties: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record at the start of `bytes`. Its lengths are checked against each other; its
    /// checksum is not, see [`verify_crc`](Self::verify_crc).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let Some((total, magic)) = peek(bytes) else {
            return Err(RecordError::Truncated {
                need: BLANK_BYTES,
                have: bytes.len(),
            });
        };
        let size = usize::try_from(total).map_err(|_| RecordError::Length("total size"))?;
        match magic {
            MAGIC_V1 | MAGIC_V2 => {}
            MAGIC_BLANK => return Err(RecordError::Blank(size)),
            other => return Err(RecordError::Magic(other)),
        }
        let Some(record) = bytes.get(..size) else {
            return Err(RecordError::Truncated {
                need: size,
                have: bytes.len(),
            });
        };
        let mut fields = Fields {
            bytes: record,
            at: 0,
        };
        // With the length known, the compiler needs one check for all of them.
        let head: [u8; BORN_HOST_AT] = fields.chunk()?;
        let mut head = Fields {
            bytes: &head,
            at: BLANK_BYTES,
        };
        let body_crc = head.i32()?;
        let queue_id = head.i32()?;
        let flag = head.i32()?;
        let queue_offset = head.i64()?;
        let physical_offset = head.i64()?;
        let sys_flag = head.i32()?;
        let born_timestamp = head.i64()?;
        let born_host = fields.host(sys_flag & sys_flag::BORN_HOST_V6 != 0)?;
        let store_timestamp = fields.i64()?;
        let store_host = fields.host(sys_flag & sys_flag::STORE_HOST_V6 != 0)?;
        let reconsume_times = fields.i32()?;
        let prepared_transaction_offset = fields.i64()?;
        let body_length = fields.i32()?;
        let body =
            fields.bytes(usize::try_from(body_length).map_err(|_| RecordError::Length("body"))?)?;
        let topic_length = if magic == MAGIC_V2 {
            fields.u16()?
        } else {
            u16::from(fields.u8()?)
        };
        let topic = fields.bytes(usize::from(topic_length))?;
        let properties_length = fields.u16()?;
        let properties = fields.bytes(usize::from(properties_length))?;
        if fields.at != size {
            return Err(RecordError::Size {
                total: i64::from(total),
                fields: fields.at,
            });
        }
        Ok(Self {
            total_size: size,
            body_crc,
            queue_id,
            flag,
            queue_offset,
            physical_offset,
            sys_flag,
            born_timestamp,
            born_host,
            store_timestamp,
            store_host,
            reconsume_times,
            prepared_transaction_offset,
            body,
            topic: str::from_utf8(topic).map_err(|_| RecordError::Text("topic"))?,
            properties,
        })
    }

    /// Compares the body with its checksum.
    pub fn verify_crc(&self) -> Result<(), RecordError> {
        let computed = body_crc(self.body);
        if computed == self.body_crc {
            Ok(())
        } else {
            Err(RecordError::Crc {
                stored: self.body_crc,
                computed,
            })
        }
    }

    /// The same message as the fields of a record to be.
    pub fn fields(&self) -> RecordFields<'a> {
        RecordFields {
            queue_id: self.queue_id,
            flag: self.flag,
            sys_flag: self.sys_flag,
            born_timestamp: self.born_timestamp,
            born_host: self.born_host,
            store_host: self.store_host,
            reconsume_times: self.reconsume_times,
            prepared_transaction_offset: self.prepared_transaction_offset,
            body: self.body,
            topic: self.topic,
            properties: self.properties,
        }
    }

    /// The value of one property.
    pub fn property(&self, name: &str) -> Option<&'a str> {
        super::properties::get(self.properties, name)
    }
}

/// The records of a pull answer: whole records, end to end. Ends after the first error.
pub fn records(bytes: &[u8]) -> impl Iterator<Item = Result<Record<'_>, RecordError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = Record::parse(rest);
        rest = match &record {
            Ok(record) => rest.get(record.total_size..).unwrap_or_default(),
            Err(_) => &[],
        };
        Some(record)
    })
}

struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let chunk = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<N>());
        let Some(chunk) = chunk else {
            return Err(RecordError::Truncated {
                need: self.at + N,
                have: self.bytes.len(),
            });
        };
        self.at += N;
        Ok(*chunk)
    }

    fn u8(&mut self) -> Result<u8, RecordError> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, RecordError> {
        let value = u16::from_be_bytes(self.chunk()?);
        if value > i16::MAX.cast_unsigned() {
            Err(RecordError::Length("topic or properties"))
        } else {
            Ok(value)
        }
    }

    fn i32(&mut self) -> Result<i32, RecordError> {
        self.chunk().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, RecordError> {
        self.chunk().map(i64::from_be_bytes)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let end = self
            .at
            .checked_add(length)
            .ok_or(RecordError::Length("field"))?;
        let Some(bytes) = self.bytes.get(self.at..end) else {
            return Err(RecordError::Truncated {
                need: end,
                have: self.bytes.len(),
            });
        };
        self.at = end;
        Ok(bytes)
    }

    fn host(&mut self, v6: bool) -> Result<SocketAddr, RecordError> {
        let ip: IpAddr = if v6 {
            self.chunk::<16>()?.into()
        } else {
            self.chunk::<4>()?.into()
        };
        let port = u16::try_from(self.i32()?).map_err(|_| RecordError::Length("port"))?;
        Ok(SocketAddr::new(ip, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VECTOR: &str = "000000b0daa320a769c865ed000000020000000000000000000000070000000040000000000000000000018bcfe56800\
        0a0000010000c3500000018bcfe5687b0a00000100002a9f0000000000000000000000000000000e48656c6c6f20526f\
        636b65744d5109546f70696354657374003e4b455953016b6579310254414753015461674102554e49515f4b45590137\
        4630303030303141424344313842344141433230303030303030413030303002";

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    fn fields<'a>(body: &'a [u8], topic: &'a str, properties: &'a [u8]) -> RecordFields<'a> {
        let store_host = ([10, 0, 0, 1], 10_911).into();
        RecordFields {
            queue_id: 2,
            born_timestamp: 1_700_000_000_000,
            born_host: ([10, 0, 0, 1], 50_000).into(),
            ..RecordFields::plain(topic, body, properties, store_host)
        }
    }

    #[test]
    fn a_record_has_apaches_bytes() {
        let properties =
            b"KEYS\x01key1\x02TAGS\x01TagA\x02UNIQ_KEY\x017F000001ABCD18B4AAC20000000A0000\x02";
        let mut record = Vec::new();
        let length = fields(b"Hello RocketMQ", "TopicTest", properties)
            .encode_into(&mut record)
            .unwrap();
        patch(&mut record, 7, 1_073_741_824, 1_700_000_000_123);
        assert_eq!((record.clone(), length), (hex(VECTOR), 176));
        let parsed = Record::parse(&record).unwrap();
        assert_eq!(
            (parsed.queue_offset, parsed.store_timestamp),
            (7, 1_700_000_000_123)
        );
        assert_eq!(
            (parsed.topic, parsed.property("TAGS")),
            ("TopicTest", Some("TagA"))
        );
        parsed.verify_crc().unwrap();
        assert_eq!((body_crc(b"a"), body_crc(b"")), (0x68b7_be43, 0));
    }

    #[test]
    fn ipv6_hosts_and_long_topics_move_the_fields() {
        let topic = "t".repeat(200);
        let mut given = fields(b"x", &topic, b"");
        given.born_host = "[2001:db8::1]:1".parse().unwrap();
        given.store_host = "[2001:db8::2]:2".parse().unwrap();
        let mut record = Vec::new();
        assert_eq!(given.encode_into(&mut record).unwrap(), 92 + 24 + 200 + 1);
        patch(&mut record, 1, 2, 3);
        let parsed = Record::parse(&record).unwrap();
        assert_eq!(
            (parsed.born_host, parsed.store_host),
            (given.born_host, given.store_host)
        );
        assert_eq!(
            (
                parsed.queue_offset,
                parsed.physical_offset,
                parsed.store_timestamp
            ),
            (1, 2, 3)
        );
        assert_eq!(parsed.topic, topic);
    }

    #[test]
    fn damage_is_an_error() {
        let good = hex(VECTOR);
        for cut in 0..good.len() {
            assert!(Record::parse(&good[..cut]).is_err(), "cut at {cut}");
        }
        let mut body = good.clone();
        body[90] ^= 1;
        assert!(Record::parse(&body).unwrap().verify_crc().is_err());
        assert_eq!(
            Record::parse(&hex("00000064cbd43194")),
            Err(RecordError::Blank(100))
        );
        let two = [good.clone(), good].concat();
        assert_eq!(records(&two).filter(|r| r.is_ok()).count(), 2);
        assert_eq!(
            records(&two[..200]).map(|r| r.is_ok()).collect::<Vec<_>>(),
            [true, false]
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(body: Vec<u8>, topic in "[%a-zA-Z0-9_-]{1,255}", properties in prop::collection::vec(any::<u8>(), 0..1000)) {
            let mut record = Vec::new();
            fields(&body, &topic, &properties).encode_into(&mut record).unwrap();
            let parsed = Record::parse(&record).unwrap();
            prop_assert_eq!((parsed.body, parsed.topic, parsed.properties), (&body[..], &topic[..], &properties[..]));
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>, flip in 0usize..176, value: u8) {
            let _ = Record::parse(&bytes);
            bytes = hex(VECTOR);
            bytes[flip] = value;
            let _ = Record::parse(&bytes).map(|r| r.verify_crc());
        }
    }
}
