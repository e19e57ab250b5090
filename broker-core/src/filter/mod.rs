//! What a subscription lets through: by the hash of a message's tag, which the consume queue has,
//! or by a condition over its properties, for which the message itself must be read.

pub(crate) mod scan;
pub(crate) mod sql;
mod tags;

use remoting::protocol::body::client::SubscriptionData;
use thiserror::Error;

pub(crate) use tags::TagFilter;

/// Apache's name of the expression type that asks for conditions.
pub(crate) const SQL92: &str = "SQL92";

/// A subscription, compiled once for all its pulls.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    Tags(TagFilter),
    Condition(sql::Condition),
}

/// Why an expression cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum FilterError {
    #[error("expression type {0} is neither TAG nor SQL92")]
    UnknownType(String),
    #[error(transparent)]
    Syntax(#[from] sql::SyntaxError),
}

/// Whether an expression type, as clients name it, filters by tag.
pub(crate) fn is_by_tag(expression_type: Option<&str>) -> bool {
    matches!(expression_type, None | Some("" | "TAG"))
}

impl Filter {
    pub(crate) fn compile(
        expression_type: Option<&str>,
        expression: &str,
    ) -> Result<Self, FilterError> {
        match expression_type {
            kind if is_by_tag(kind) => Ok(Self::Tags(TagFilter::parse(expression))),
            Some(SQL92) => Ok(Self::Condition(sql::Condition::compile(expression)?)),
            other => Err(FilterError::UnknownType(
                other.unwrap_or_default().to_owned(),
            )),
        }
    }

    /// From a client's heartbeat, which brings the hashes of tags along.
    pub(crate) fn of_subscription(data: &SubscriptionData) -> Result<Self, FilterError> {
        let kind = data.expression_type.as_deref();
        if is_by_tag(kind) {
            return Ok(Self::Tags(TagFilter::from_codes(
                data.code_set.iter().copied(),
            )));
        }
        Self::compile(kind, &data.sub_string)
    }

    /// Whether a message with this tags code may pass.
    pub(crate) fn may_match(&self, tags_code: i64) -> bool {
        match self {
            Self::Tags(tags) => tags.matches(tags_code),
            Self::Condition(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_decides_what_an_expression_means() {
        for (kind, text, tag) in [
            (None, "A", true),
            (Some(""), "A", true),
            (Some("TAG"), "A || B", true),
        ] {
            let filter = Filter::compile(kind, text);
            assert_eq!(matches!(filter, Ok(Filter::Tags(_))), tag, "{kind:?}");
        }
        assert!(matches!(
            Filter::compile(Some("SQL92"), "a = 1"),
            Ok(Filter::Condition(_))
        ));
        assert!(matches!(
            Filter::compile(Some("SQL92"), "a ="),
            Err(FilterError::Syntax(_))
        ));
        assert!(matches!(
            Filter::compile(Some("sql92"), "a = 1"),
            Err(FilterError::UnknownType(_))
        ));
    }
}
