//! A tree and a message's properties to a value, in three-valued logic.
//!
//! All properties are texts. A text becomes what it is compared with: the number literal `5` reads
//! it as a 32-bit integer, `5.0` as a double, `TRUE` as a truth value. Text that does not read so
//! cannot be evaluated, and such a message is not delivered, whatever the rest of the condition.

use std::cmp::Ordering;

use remoting::protocol::message::properties;

use super::{Expression, Literal, Order, Place};

/// What an expression yields; `None` stands for unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Integer(i32),
    Long(i64),
    Double(f64),
    Boolean(bool),
}

/// The values do not fit the operator: Apache's evaluator throws.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit;

type Truth = Result<Option<bool>, Unfit>;

pub(super) fn evaluate<'a>(
    expression: &'a Expression,
    message: &'a [u8],
) -> Result<Option<Value<'a>>, Unfit> {
    Ok(match expression {
        Expression::Literal(literal) => value(literal),
        Expression::Property(name) => properties::get(message, name).map(Value::Text),
        Expression::Negate(operand) => match evaluate(operand, message)? {
            Some(Value::Integer(value)) => Some(Value::Integer(value.wrapping_neg())),
            Some(Value::Long(value)) => Some(Value::Long(value.wrapping_neg())),
            Some(Value::Double(value)) => Some(Value::Double(-value)),
            Some(Value::Text(_) | Value::Boolean(_)) | None => None,
        },
        _ => truth(expression, message)?.map(Value::Boolean),
    })
}

pub(super) fn value(literal: &Literal) -> Option<Value<'_>> {
    match literal {
        Literal::Text(text) => Some(Value::Text(text)),
        Literal::Integer(value) => Some(Value::Integer(*value)),
        Literal::Long(value) => Some(Value::Long(*value)),
        Literal::Double(value) => Some(Value::Double(*value)),
        Literal::Boolean(value) => Some(Value::Boolean(*value)),
        Literal::Null => None,
    }
}

/// The truth of a condition.
fn truth(expression: &Expression, message: &[u8]) -> Truth {
    Ok(match expression {
        Expression::Not(operand) => truth(operand, message)?.map(|value| !value),
        Expression::And(operands) => decided_by(
            false,
            operands.iter().map(|operand| truth(operand, message)),
        )?,
        Expression::Or(operands) => {
            decided_by(true, operands.iter().map(|operand| truth(operand, message)))?
        }
        Expression::Equal(operands) => {
            let [left, right] = &**operands;
            equal(evaluate(left, message)?, evaluate(right, message)?)?
        }
        Expression::IsNull(operand) => Some(evaluate(operand, message)?.is_none()),
        Expression::Order(order, operands) => {
            let [left, right] = &**operands;
            ordered(*order, left, right, message)?
        }
        Expression::Between(operands) => {
            let [value, low, high] = &**operands;
            let ends = [(Order::GreaterOrEqual, low), (Order::LessOrEqual, high)];
            decided_by(
                false,
                ends.into_iter()
                    .map(|(order, end)| ordered(order, value, end, message)),
            )?
        }
        Expression::NotBetween(operands) => {
            let [value, low, high] = &**operands;
            let ends = [(Order::Less, low), (Order::Greater, high)];
            decided_by(
                true,
                ends.into_iter()
                    .map(|(order, end)| ordered(order, value, end, message)),
            )?
        }
        Expression::In {
            property,
            texts,
            not,
        } => properties::get(message, property)
            .map(|value| texts.binary_search_by(|text| (**text).cmp(value)).is_ok() != *not),
        Expression::Search {
            subject,
            place,
            text,
            not,
        } => {
            // Without something to look in or for it is false, with NOT as well.
            let subject = evaluate(subject, message)?;
            Some(
                matches!(subject, Some(Value::Text(value)) if !text.is_empty() && found(value, *place, text) != *not),
            )
        }
        // Text is not a truth value, not even "true".
        Expression::Cast(operand) => {
            evaluate(operand, message)?.map(|value| value == Value::Boolean(true))
        }
        Expression::Literal(_) | Expression::Property(_) | Expression::Negate(_) => {
            match evaluate(expression, message)? {
                Some(Value::Boolean(value)) => Some(value),
                Some(_) => return Err(Unfit),
                None => None,
            }
        }
    })
}

/// The first operand with the deciding value ends it; without one, a single unknown makes it unknown.
fn decided_by(deciding: bool, operands: impl Iterator<Item = Truth>) -> Truth {
    let mut unknown = false;
    for operand in operands {
        match operand? {
            Some(value) if value == deciding => return Ok(Some(deciding)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok((!unknown).then_some(!deciding))
}

fn equal(left: Option<Value<'_>>, right: Option<Value<'_>>) -> Truth {
    match (left, right) {
        (Some(left), Some(right)) => Ok(Some(compare(left, right)?.is_eq())),
        // Not symmetric: unknown on the left stays unknown, on the right it is a difference.
        (None, Some(_)) => Ok(None),
        (Some(_), None) => Ok(Some(false)),
        (None, None) => Ok(Some(true)),
    }
}

fn ordered(order: Order, left: &Expression, right: &Expression, message: &[u8]) -> Truth {
    let Some(left) = evaluate(left, message)? else {
        return Ok(None);
    };
    let Some(right) = evaluate(right, message)? else {
        return Ok(None);
    };
    let ordering = match (left, right) {
        // Two properties: their order is that of numbers.
        (Value::Text(left), Value::Text(right)) => total_order(double(left)?, double(right)?),
        (left, right) => compare(left, right)?,
    };
    Ok(Some(match order {
        Order::Less => ordering.is_lt(),
        Order::LessOrEqual => ordering.is_le(),
        Order::Greater => ordering.is_gt(),
        Order::GreaterOrEqual => ordering.is_ge(),
    }))
}

/// Compares after making both the same: a text what the other is, a number the wider of the two.
pub(super) fn compare(left: Value<'_>, right: Value<'_>) -> Result<Ordering, Unfit> {
    use Value::{Boolean, Double, Integer, Long, Text};
    Ok(match (left, right) {
        (Text(left), Text(right)) => left.cmp(right),
        (Boolean(left), Boolean(right)) => left.cmp(&right),
        (Text(left), Boolean(right)) => left.eq_ignore_ascii_case("true").cmp(&right),
        // A truth value on the left is not made from text, unlike one on the right.
        (Boolean(_), Text(_)) => return Err(Unfit),
        (Boolean(_), Integer(_) | Long(_) | Double(_))
        | (Integer(_) | Long(_) | Double(_), Boolean(_)) => Ordering::Less,
        (Integer(left), Integer(right)) => left.cmp(&right),
        (Integer(left), Long(right)) => i64::from(left).cmp(&right),
        (Long(left), Integer(right)) => left.cmp(&i64::from(right)),
        (Long(left), Long(right)) => left.cmp(&right),
        (Integer(left), Double(right)) => total_order(left.into(), right),
        (Double(left), Integer(right)) => total_order(left, right.into()),
        (Long(left), Double(right)) => total_order(long_to_double(left), right),
        (Double(left), Long(right)) => total_order(left, long_to_double(right)),
        (Double(left), Double(right)) => total_order(left, right),
        (Text(left), Integer(right)) => integer::<i32>(left)?.cmp(&right),
        (Integer(left), Text(right)) => left.cmp(&integer(right)?),
        (Text(left), Long(right)) => integer::<i64>(left)?.cmp(&right),
        (Long(left), Text(right)) => left.cmp(&integer(right)?),
        (Text(left), Double(right)) => total_order(double(left)?, right),
        (Double(left), Text(right)) => total_order(left, double(right)?),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "as Java compares a long with a double"
)]
fn long_to_double(value: i64) -> f64 {
    value as f64
}

/// Java's order of doubles: -0.0 before 0.0, and NaN last, which `total_cmp` has for a positive NaN.
fn total_order(left: f64, right: f64) -> Ordering {
    left.total_cmp(&right)
}

fn integer<T: std::str::FromStr>(text: &str) -> Result<T, Unfit> {
    text.parse().map_err(|_| Unfit)
}

/// A double as Java reads it: blanks around it and a type letter behind it are allowed. Hexadecimal
/// ones are not read.
fn double(text: &str) -> Result<f64, Unfit> {
    let text = text.trim_matches(|c| c <= ' ');
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let magnitude = match digits {
        "NaN" => return Ok(f64::NAN),
        "Infinity" => f64::INFINITY,
        _ => {
            let number = digits.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(digits);
            // Rust reads words that Java does not.
            if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
                return Err(Unfit);
            }
            number.parse().map_err(|_| Unfit)?
        }
    };
    Ok(if negative { -magnitude } else { magnitude })
}

fn found(value: &str, place: Place, text: &str) -> bool {
    match place {
        Place::Anywhere => value.contains(text),
        Place::Start => value.starts_with(text),
        Place::End => value.ends_with(text),
    }
}
