//! Message ids: the offset message id that names a place in a broker's log, and the unique key
//! that a producer gives.
//!
//! | id | bytes, in upper-case hex |
//! |---|---|
//! | offset message id | store host address (4 or 16), port i32, physical offset i64 |
//! | unique key | address (4 or 16), u16 process id, i32 loader hash, i32 ms since the month began, u16 counter |

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

/// A text that is no offset message id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not an offset message id: 32 hex digits (56 for IPv6) were expected")]
pub struct InvalidMessageId(pub String);

/// The id of the message at `physical_offset` in the log of the broker at `store_host`.
pub fn offset_message_id(store_host: SocketAddr, physical_offset: i64) -> String {
    let mut id = Vec::with_capacity(56);
    append_offset_message_id(&mut id, store_host, physical_offset);
    hex_text(id)
}

/// Appends the text of [`offset_message_id`].
pub fn append_offset_message_id(out: &mut Vec<u8>, store_host: SocketAddr, physical_offset: i64) {
    push_address(out, store_host.ip());
    push_hex(out, &i32::from(store_host.port()).to_be_bytes());
    push_hex(out, &physical_offset.to_be_bytes());
}

/// Store host and physical offset out of an offset message id.
pub fn decode_offset_message_id(id: &str) -> Result<(SocketAddr, i64), InvalidMessageId> {
    let decode = || {
        let bytes = from_hex(id)?;
        let (address, rest): (IpAddr, _) = match bytes.len() {
            16 => {
                let (ip, rest) = bytes.split_first_chunk::<4>()?;
                ((*ip).into(), rest)
            }
            28 => {
                let (ip, rest) = bytes.split_first_chunk::<16>()?;
                ((*ip).into(), rest)
            }
            _ => return None,
        };
        let (port, offset) = rest.split_first_chunk::<4>()?;
        let port = u16::try_from(i32::from_be_bytes(*port)).ok()?;
        Some((
            SocketAddr::new(address, port),
            i64::from_be_bytes(*offset.first_chunk()?),
        ))
    };
    decode().ok_or_else(|| InvalidMessageId(id.to_owned()))
}

/// The parts of a unique key that stay the same for a process.
#[derive(Debug, Clone, Copy)]
pub struct UniqueKeys {
    pub address: IpAddr,
    pub process_id: u32,
    /// Tells apart several producers in one process.
    pub instance: i32,
}

impl UniqueKeys {
    /// The key of one message. `since_month_ms`: milliseconds since the local month began.
    pub fn key(&self, since_month_ms: i32, counter: u16) -> String {
        let mut key = Vec::with_capacity(56);
        push_address(&mut key, self.address);
        let [_, _, high, low] = self.process_id.to_be_bytes();
        push_hex(&mut key, &[high, low]);
        push_hex(&mut key, &self.instance.to_be_bytes());
        push_hex(&mut key, &since_month_ms.to_be_bytes());
        push_hex(&mut key, &counter.to_be_bytes());
        hex_text(key)
    }
}

/// Digits as they were pushed are ASCII.
fn hex_text(digits: Vec<u8>) -> String {
    String::from_utf8(digits).unwrap_or_default()
}

fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(ip) => push_hex(out, &ip.octets()),
        IpAddr::V6(ip) => push_hex(out, &ip.octets()),
    }
}

fn push_hex<const N: usize>(out: &mut Vec<u8>, bytes: &[u8; N]) {
    let digit = |nibble: u8| {
        if nibble < 10 {
            b'0' + nibble
        } else {
            b'A' - 10 + nibble
        }
    };
    let pairs = bytes.map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    out.extend_from_slice(pairs.as_flattened());
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_apaches_and_come_back() {
        let host: SocketAddr = ([10, 0, 0, 1], 10_911).into();
        let id = offset_message_id(host, 1_073_741_824);
        assert_eq!(id, "0A00000100002A9F0000000040000000");
        assert_eq!(decode_offset_message_id(&id), Ok((host, 1_073_741_824)));
        let v6 = "[2001:db8::1]:10911".parse().unwrap();
        assert_eq!(
            decode_offset_message_id(&offset_message_id(v6, 5)),
            Ok((v6, 5))
        );
        for bad in [
            "",
            "0A",
            "0A00000100002A9F00000000400000",
            "zz00000100002A9F0000000040000000",
            "标签",
        ] {
            assert!(decode_offset_message_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unique_keys_have_32_digits() {
        let keys = UniqueKeys {
            address: [127, 0, 0, 1].into(),
            process_id: 0x1_ABCD,
            instance: 0x18B4_AAC2,
        };
        assert_eq!(keys.key(10, 0), "7F000001ABCD18B4AAC20000000A0000");
    }
}
