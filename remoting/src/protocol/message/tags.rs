//! Java's string hash, and the tags code that consume queues filter by.

use super::properties;

/// `String.hashCode`: over UTF-16 units, with wrap-around.
pub fn java_hash(text: &str) -> i32 {
    continue_java_hash(0, text)
}

/// The hash of a text that is only put together for its hash: `before` is that of its beginning.
pub fn continue_java_hash(before: i32, text: &str) -> i32 {
    let next = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    if !text.is_ascii() {
        return text.encode_utf16().fold(before, next);
    }
    // Four units at once: one multiplication waits for the other, and every message has a key.
    let (chunks, rest) = text.as_bytes().as_chunks::<4>();
    let hash = chunks.iter().fold(before, |hash, &[a, b, c, d]| {
        let sum = i32::from(a) * (31 * 31 * 31)
            + i32::from(b) * (31 * 31)
            + i32::from(c) * 31
            + i32::from(d);
        hash.wrapping_mul(31 * 31 * 31 * 31).wrapping_add(sum)
    });
    rest.iter()
        .fold(hash, |hash, &unit| next(hash, u16::from(unit)))
}

/// The tags code of a message with these properties: the sign-extended hash of its `TAGS`, 0 without.
pub fn tags_code(properties: &[u8]) -> i64 {
    match properties::get(properties, properties::TAGS) {
        Some(tags) if !tags.is_empty() => i64::from(java_hash(tags)),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        for (text, hash) in [
            ("", 0),
            ("TagA", 2_598_919),
            ("TagA||TagB", 1_789_476_431),
            ("标签", 857_175),
            ("order-created", -392_709_271),
            ("polygenelubricants", i32::MIN),
            ("😀", 1_772_899),
        ] {
            assert_eq!(java_hash(text), hash, "{text}");
            for (at, _) in text.char_indices() {
                let (begin, end) = text.split_at(at);
                assert_eq!(continue_java_hash(java_hash(begin), end), hash, "{text}");
            }
        }
        assert_eq!(
            tags_code(b"KEYS\x01k\x02TAGS\x01order-created"),
            -392_709_271
        );
        assert_eq!(tags_code(b"TAGS\x01\x02"), 0);
    }
}
