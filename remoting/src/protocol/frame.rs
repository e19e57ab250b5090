//! Takes whole frames off a byte stream. Knows lengths and limits, nothing of requests.
//!
//! | offset | width | field |
//! |---|---|---|
//! | 0 | i32 | bytes that follow this field = 4 + header length + body length |
//! | 4 | u8 | serialize type of the header: 0 JSON, 1 ROCKETMQ |
//! | 5 | u24 | header length |
//! | 8 | … | header |
//! | 8 + header length | … | body |
//!
//! All integers are big-endian. A frame of more than [`MAX_FRAME_BYTES`] is refused, as Apache's
//! decoder does, before anything is allocated for it.

use thiserror::Error;

/// Apache's default `com.rocketmq.remoting.frameMaxLength`: the whole frame, length field included.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// Bytes before the header: length field and header word.
pub const PREFIX_BYTES: usize = 8;

/// How the header of a frame is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerializeType {
    Json,
    Rocketmq,
}

/// Why a byte stream cannot be read any further. Final: frames cannot be found again after it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    #[error("frame of {announced} bytes exceeds the limit of {limit}")]
    TooLarge { announced: i64, limit: usize },
    #[error("frame of {0} bytes is shorter than its own prefix")]
    TooShort(i64),
    #[error("header of {header} bytes does not fit its frame of {frame}")]
    HeaderTooLong { header: usize, frame: usize },
    #[error("unknown serialize type {0}")]
    UnknownSerializeType(u8),
    #[error("malformed {encoding} header at byte {at}: {problem}")]
    Header {
        encoding: &'static str,
        at: usize,
        problem: &'static str,
    },
}

/// Length of the frame at the start of `buf`, its length field included.
/// `Ok(None)`: fewer than four bytes are there. The frame itself need not be complete.
pub fn frame_length(buf: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = buf.first_chunk::<4>() else {
        return Ok(None);
    };
    let announced = i64::from(i32::from_be_bytes(*prefix));
    if announced < 4 {
        return Err(FrameError::TooShort(announced));
    }
    match usize::try_from(announced + 4) {
        Ok(length) if length <= limit => Ok(Some(length)),
        _ => Err(FrameError::TooLarge { announced, limit }),
    }
}

/// The whole frame at the start of `buf`, or `Ok(None)` while bytes are missing.
/// Nothing is consumed: the caller advances by the length of what it got.
pub fn next_frame(buf: &[u8], limit: usize) -> Result<Option<&[u8]>, FrameError> {
    Ok(match frame_length(buf, limit)? {
        Some(length) => buf.get(..length),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_at_every_split_point_and_never_early() {
        let mut frame = 10i32.to_be_bytes().to_vec();
        frame.extend_from_slice(&[0, 0, 0, 2, b'{', b'}', 1, 2, 3, 4]);
        for have in 0..frame.len() {
            assert_eq!(next_frame(&frame[..have], MAX_FRAME_BYTES), Ok(None));
        }
        frame.push(99);
        let whole = next_frame(&frame, MAX_FRAME_BYTES).unwrap().unwrap();
        assert_eq!(whole, &frame[..14]);
    }

    #[test]
    fn hostile_lengths_are_refused_from_the_length_alone() {
        for (length, ok) in [
            (i32::MIN, false),
            (-1, false),
            (3, false),
            (4, true),
            (16 * 1024 * 1024 - 4, true),
            (16 * 1024 * 1024 - 3, false),
            (i32::MAX, false),
        ] {
            let got = frame_length(&length.to_be_bytes(), MAX_FRAME_BYTES);
            assert_eq!(got.is_ok(), ok, "{length}: {got:?}");
        }
    }
}
