//! SQL92 conditions over a message's properties.
//!
//! | level, loosest first | operators |
//! |---|---|
//! | 1 | `OR` |
//! | 2 | `AND` |
//! | 3 | `=`, `<>`, `IS [NOT] NULL` |
//! | 4 | `>`, `>=`, `<`, `<=`, `[NOT] BETWEEN`, `[NOT] IN`, `[NOT] CONTAINS`, `[NOT] STARTSWITH`, `[NOT] ENDSWITH` |
//! | 5 | `+`, `-`, `NOT` |
//! | 6 | literal, property, `( … )` |
//!
//! What a condition means is what Apache's evaluator makes of it, oddities included: a consumer that
//! moves between brokers must get the same messages. The oddities stand where they are coded.
//!
//! A condition is compiled once, into a tree of bounded depth, and evaluated on the property string
//! of a stored record without allocating.

mod eval;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use thiserror::Error;

/// Longest condition that is compiled.
const MAX_BYTES: usize = 64 * 1024;
/// How deep operators and parentheses may nest: both the parser and the evaluation recurse.
const MAX_DEPTH: usize = 100;

/// A compiled condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    root: Expression,
}

impl Condition {
    /// Compiles a condition.
    pub(crate) fn compile(text: &str) -> Result<Self, SyntaxError> {
        parser::parse(text).map(|root| Self { root })
    }

    /// Whether a message with these properties satisfies the condition. What is unknown, is no
    /// truth value, or cannot be evaluated, does not.
    pub(crate) fn matches(&self, properties: &[u8]) -> bool {
        eval::evaluate(&self.root, properties) == Ok(Some(eval::Value::Boolean(true)))
    }
}

/// Why a condition cannot be compiled, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}, at byte {at} of the expression")]
pub(crate) struct SyntaxError {
    /// Bytes in front of the place.
    pub(crate) at: usize,
    pub(crate) problem: Problem,
}

/// What is wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Problem {
    #[error("expression of {0} bytes is longer than {MAX_BYTES}")]
    TooLong(usize),
    #[error("operators and parentheses nest deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error("unexpected character {0:?}")]
    Character(char),
    #[error("text without closing quote")]
    OpenText,
    #[error("comment without end")]
    OpenComment,
    #[error("{expected} expected, found {found}")]
    Expected {
        expected: &'static str,
        found: String,
    },
    #[error("number {0} is out of range")]
    Number(String),
    #[error("neither a condition nor a property")]
    NotBoolean,
    #[error("only numbers and properties have an order")]
    NotOrdered,
    #[error("nothing equals NULL: ask with IS NULL")]
    EqualsNull,
    #[error("a truth value equals no other literal")]
    EqualsBoolean,
    #[error("IN needs a property on its left")]
    InWithoutProperty,
    #[error("the lower end of BETWEEN lies above the upper one")]
    EmptyBetween,
}

/// One node of a compiled condition.
#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Literal(Literal),
    Property(Box<str>),
    Negate(Box<Expression>),
    /// A property where a condition is wanted.
    Cast(Box<Expression>),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Equal(Box<[Expression; 2]>),
    IsNull(Box<Expression>),
    Order(Order, Box<[Expression; 2]>),
    /// Value, lower and upper end.
    Between(Box<[Expression; 3]>),
    NotBetween(Box<[Expression; 3]>),
    /// The texts are sorted.
    In {
        property: Box<str>,
        texts: Vec<Box<str>>,
        not: bool,
    },
    Search {
        subject: Box<Expression>,
        place: Place,
        text: Box<str>,
        not: bool,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(Box<str>),
    Integer(i32),
    Long(i64),
    Double(f64),
    Boolean(bool),
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Where a text is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    Start,
    End,
}
