//! Tags, as far as their hash in the consume queue tells. Tags whose hashes collide are told apart
//! by the consumer.

use remoting::protocol::message::tags::java_hash;

/// The tags a subscription names, compiled once: their hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TagFilter {
    All,
    /// Sorted.
    Codes(Vec<i32>),
}

impl TagFilter {
    /// From a tag expression: `*`, an empty text, or tags joined by `||`.
    pub(crate) fn parse(expression: &str) -> Self {
        let expression = expression.trim();
        if expression.is_empty() || expression == "*" {
            return Self::All;
        }
        Self::from_codes(
            expression
                .split("||")
                .map(str::trim)
                .filter(|tag| !tag.is_empty())
                .map(java_hash),
        )
    }

    /// From the hashes a client sent with its heartbeat. None: everything matches.
    pub(crate) fn from_codes(codes: impl IntoIterator<Item = i32>) -> Self {
        let mut codes: Vec<i32> = codes.into_iter().collect();
        if codes.is_empty() {
            return Self::All;
        }
        codes.sort_unstable();
        codes.dedup();
        Self::Codes(codes)
    }

    /// `tags_code` as it stands in the consume queue: the hash, sign-extended.
    pub(crate) fn matches(&self, tags_code: i64) -> bool {
        match self {
            Self::All => true,
            Self::Codes(codes) => {
                i32::try_from(tags_code).is_ok_and(|code| codes.binary_search(&code).is_ok())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_select_by_hash() {
        for (expression, tag, matches) in [
            ("*", "A", true),
            ("", "A", true),
            ("A", "A", true),
            ("A", "B", false),
            ("A || B", "B", true),
            (" A||", "A", true),
            ("标签||B", "标签", true),
            // The same hash: the consumer tells these two apart.
            ("Aa", "BB", true),
        ] {
            let filter = TagFilter::parse(expression);
            assert_eq!(
                filter.matches(i64::from(java_hash(tag))),
                matches,
                "{expression} {tag}"
            );
        }
        assert!(!TagFilter::parse("A").matches(0), "a message without tag");
        assert!(TagFilter::parse("order-created").matches(-392_709_271));
    }
}
