//! Java's string hash, and the tags code that consume queues filter by.

use super::properties;

/// `String.hashCode`: over UTF-16 units, with wrap-around.
pub fn java_hash(text: &str) -> i32 {
    java_hash_of_units(text.encode_utf16())
}

/// [`java_hash`] of a text that is only put together for its hash.
pub fn java_hash_of_units(units: impl Iterator<Item = u16>) -> i32 {
    units.fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
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
        }
        assert_eq!(
            tags_code(b"KEYS\x01k\x02TAGS\x01order-created"),
            -392_709_271
        );
        assert_eq!(tags_code(b"TAGS\x01\x02"), 0);
    }
}
