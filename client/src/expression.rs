//! What a consumer wants of a topic.

use remoting::protocol::body::client::SubscriptionData;
use remoting::protocol::message::tags::java_hash;

use crate::error::ClientError;

/// Wants every message.
const ALL: &str = "*";

/// A filter, by tags or by properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// No tags: every message.
    Tags(Vec<String>),
    Sql,
}

impl Default for Expression {
    fn default() -> Self {
        Self::all()
    }
}

impl Expression {
    /// Every message.
    pub fn all() -> Self {
        Self {
            text: ALL.to_owned(),
            kind: Kind::Tags(Vec::new()),
        }
    }

    /// Messages with one of the tags of `a || b`; `*` and an empty text want all.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if there is no tag between the bars.
    pub fn tags(text: &str) -> Result<Self, ClientError> {
        if text.is_empty() || text == ALL {
            return Ok(Self::all());
        }
        let mut tags: Vec<String> = text
            .split("||")
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect();
        tags.sort();
        tags.dedup();
        if tags.is_empty() {
            return Err(ClientError::invalid(
                "tag expression",
                text,
                "it names no tag",
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            kind: Kind::Tags(tags),
        })
    }

    /// Messages whose properties satisfy an SQL92 condition. The broker must allow it.
    pub fn sql(condition: impl Into<String>) -> Self {
        Self {
            text: condition.into(),
            kind: Kind::Sql,
        }
    }

    /// As it is sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_tags(&self) -> bool {
        matches!(self.kind, Kind::Tags(_))
    }

    /// `TAG` or `SQL92`.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Tags(_) => "TAG",
            Kind::Sql => "SQL92",
        }
    }

    /// Whether a message with these tags is wanted. Brokers compare hashes of tags only.
    pub fn accepts(&self, message_tags: Option<&str>) -> bool {
        match &self.kind {
            Kind::Tags(tags) => {
                tags.is_empty()
                    || message_tags.is_some_and(|wanted| tags.iter().any(|tag| tag == wanted))
            }
            Kind::Sql => true,
        }
    }

    /// What a heartbeat says of it. `version`: milliseconds since the epoch.
    pub(crate) fn subscription(&self, topic: &str, version: i64) -> SubscriptionData {
        let tags = match &self.kind {
            Kind::Tags(tags) => tags.clone(),
            Kind::Sql => Vec::new(),
        };
        SubscriptionData {
            class_filter_mode: false,
            code_set: tags.iter().map(|tag| java_hash(tag)).collect(),
            expression_type: Some(self.type_name().to_owned()),
            sub_string: self.text.clone(),
            sub_version: version,
            tags_set: tags,
            topic: topic.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_apart_even_if_their_hashes_are_not() {
        let expression = Expression::tags("Aa || TagA||").unwrap();
        // "BB" hashes as "Aa" does.
        for (tags, wanted) in [
            (Some("Aa"), true),
            (Some("TagA"), true),
            (Some("BB"), false),
            (None, false),
        ] {
            assert_eq!(expression.accepts(tags), wanted, "{tags:?}");
        }
        let data = expression.subscription("T", 5);
        assert_eq!(data.tags_set, ["Aa", "TagA"]);
        assert_eq!(data.code_set, [2112, 2_598_919]);
        assert_eq!(data.sub_string, "Aa || TagA||");
        assert!(Expression::tags("").unwrap().accepts(None));
        assert!(Expression::tags(" || ").is_err());
        assert!(Expression::sql("a > 1").accepts(None));
    }
}
