//! Message bodies as producers compress them. Brokers store bodies as they come.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use thiserror::Error;

use super::sys_flag;

/// No decompressed body may be larger: a small body must not take all memory.
pub const MAX_BODY_BYTES: u64 = 256 * 1024 * 1024;

/// A body that cannot be decompressed.
#[derive(Debug, Error)]
pub enum CompressionError {
    #[error("{kind} body: {source}")]
    Malformed {
        kind: &'static str,
        source: io::Error,
    },
    #[error("decompressed body exceeds {MAX_BODY_BYTES} bytes")]
    TooLarge,
}

/// The body as the application gave it.
pub fn decompress(sys_flag: i32, body: &[u8]) -> Result<Cow<'_, [u8]>, CompressionError> {
    if sys_flag & sys_flag::COMPRESSED == 0 {
        return Ok(Cow::Borrowed(body));
    }
    let (kind, result) = match sys_flag & sys_flag::COMPRESSION_MASK {
        sys_flag::LZ4 => ("LZ4", read_all(lz4_flex::frame::FrameDecoder::new(body))),
        sys_flag::ZSTD => ("ZSTD", zstd::Decoder::new(body).and_then(read_all)),
        _ => ("zlib", read_all(ZlibDecoder::new(body))),
    };
    match result {
        Ok(Some(body)) => Ok(Cow::Owned(body)),
        Ok(None) => Err(CompressionError::TooLarge),
        Err(source) => Err(CompressionError::Malformed { kind, source }),
    }
}

fn read_all(reader: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut out = Vec::new();
    reader.take(MAX_BODY_BYTES + 1).read_to_end(&mut out)?;
    Ok((u64::try_from(out.len()).unwrap_or(u64::MAX) <= MAX_BODY_BYTES).then_some(out))
}

/// Compresses with zlib, which every client can read. Level 0 to 9.
pub fn compress_zlib(body: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level.min(9)));
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compression_is_read() {
        let body = b"to be or not to be ".repeat(100);
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&body).unwrap();
        for (flag, bytes) in [
            (0, body.clone()),
            (sys_flag::COMPRESSED, compress_zlib(&body, 5).unwrap()),
            (
                sys_flag::COMPRESSED | sys_flag::ZLIB,
                compress_zlib(&body, 5).unwrap(),
            ),
            (sys_flag::COMPRESSED | sys_flag::LZ4, lz4.finish().unwrap()),
            (
                sys_flag::COMPRESSED | sys_flag::ZSTD,
                zstd::encode_all(&body[..], 3).unwrap(),
            ),
        ] {
            assert_eq!(decompress(flag, &bytes).unwrap(), body, "{flag:#x}");
        }
        assert!(decompress(sys_flag::COMPRESSED, b"not zlib").is_err());
    }
}
