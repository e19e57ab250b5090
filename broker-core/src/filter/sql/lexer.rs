//! Text to tokens, one at a time: what stands behind the end of a condition is never looked at.

use super::{Problem, SyntaxError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Name(&'t str),
    Keyword(Keyword),
    /// Digits only.
    Integer(&'t str),
    Decimal(&'t str),
    /// What stands between the quotes; a quote in it is doubled.
    Text(&'t str),
    /// `=`, `<>`, `<`, `<=`, `>`, `>=`, `+`, `-`, `(`, `)`, `,`.
    Symbol(&'static str),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Not,
    And,
    Or,
    Between,
    In,
    True,
    False,
    Null,
    Is,
    Contains,
    StartsWith,
    EndsWith,
}

const KEYWORDS: [(&str, Keyword); 12] = [
    ("NOT", Keyword::Not),
    ("AND", Keyword::And),
    ("OR", Keyword::Or),
    ("BETWEEN", Keyword::Between),
    ("IN", Keyword::In),
    ("TRUE", Keyword::True),
    ("FALSE", Keyword::False),
    ("NULL", Keyword::Null),
    ("IS", Keyword::Is),
    ("CONTAINS", Keyword::Contains),
    ("STARTSWITH", Keyword::StartsWith),
    ("ENDSWITH", Keyword::EndsWith),
];

/// Longer ones first.
const SYMBOLS: [&str; 11] = ["<>", "<=", ">=", "=", "<", ">", "+", "-", "(", ")", ","];

/// The token at or behind byte `at` of `text`, where it starts, and where the next may start.
pub(super) fn token(text: &str, at: usize) -> Result<(Token<'_>, usize, usize), SyntaxError> {
    let start = skip_blanks(text, at)?;
    let rest = text.get(start..).unwrap_or_default();
    let error = |problem| SyntaxError { at: start, problem };
    let Some(first) = rest.chars().next() else {
        return Ok((Token::End, start, start));
    };
    let (token, length) = if first.is_ascii_alphabetic() || matches!(first, '_' | '$') {
        let length = span(rest, |b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$')
        });
        let name = rest.get(..length).unwrap_or_default();
        let keyword = KEYWORDS
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(name));
        (
            keyword.map_or(Token::Name(name), |&(_, keyword)| Token::Keyword(keyword)),
            length,
        )
    } else if let Some(number) = number(rest) {
        number
    } else if first == '\'' {
        let inner = quoted_length(rest).ok_or_else(|| error(Problem::OpenText))?;
        (
            Token::Text(rest.get(1..=inner).unwrap_or_default()),
            inner + 2,
        )
    } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
        (Token::Symbol(symbol), symbol.len())
    } else {
        return Err(error(Problem::Character(first)));
    };
    Ok((token, start, start + length))
}

/// Skips white space, `-- … line end` and `/* … */`. Two dashes without a line end are two signs.
fn skip_blanks(text: &str, mut at: usize) -> Result<usize, SyntaxError> {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let blanks = span(rest, |b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0C));
        if blanks > 0 {
            at += blanks;
        } else if let Some(line) = rest.strip_prefix("--")
            && let Some(end) = line.find(['\n', '\r'])
        {
            at += "--".len() + end;
        } else if let Some(block) = rest.strip_prefix("/*") {
            let problem = Problem::OpenComment;
            at += "/*".len() + "*/".len() + block.find("*/").ok_or(SyntaxError { at, problem })?;
        } else {
            return Ok(at);
        }
    }
}

/// A number without sign: `12`, `12L`, `1.`, `.5`, `1.5E-3`, `2E10`. A leading zero ends an integer.
fn number(rest: &str) -> Option<(Token<'_>, usize)> {
    let digits = |from: usize| span(rest.get(from..).unwrap_or_default(), |b| b.is_ascii_digit());
    let exponent = |from: usize| {
        let tail = rest.get(from..).unwrap_or_default();
        let sign = usize::from(matches!(tail.as_bytes().get(1), Some(b'+' | b'-')));
        let digits = digits(from + 1 + sign);
        let is_exponent = tail.starts_with(['e', 'E']) && digits > 0;
        if is_exponent { 1 + sign + digits } else { 0 }
    };
    let whole = digits(0);
    let decimal = if rest.as_bytes().get(whole) == Some(&b'.') {
        let fraction = digits(whole + 1);
        let end = whole + 1 + fraction;
        if whole + fraction == 0 {
            0
        } else {
            end + exponent(end)
        }
    } else if whole > 0 && exponent(whole) > 0 {
        whole + exponent(whole)
    } else {
        0
    };
    if decimal > 0 {
        return Some((Token::Decimal(rest.get(..decimal)?), decimal));
    }
    match rest.as_bytes().first()? {
        b'0' => Some((Token::Integer("0"), 1)),
        b'1'..=b'9' => {
            let suffix = usize::from(matches!(rest.as_bytes().get(whole), Some(b'l' | b'L')));
            Some((Token::Integer(rest.get(..whole)?), whole + suffix))
        }
        _ => None,
    }
}

/// Bytes between the quotes of the text at the start of `rest`.
fn quoted_length(rest: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        at += rest.get(at..)?.find('\'')?;
        if rest.as_bytes().get(at + 1) != Some(&b'\'') {
            return Some(at - 1);
        }
        at += 2;
    }
}

fn span(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|&b| belongs(b)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        let (mut out, mut at) = (Vec::new(), 0);
        loop {
            match token(text, at).unwrap() {
                (Token::End, ..) => return out,
                (token, _, next) => {
                    out.push(token);
                    at = next;
                }
            }
        }
    }

    #[test]
    fn the_longest_token_wins() {
        use Token::{Decimal, Integer, Keyword as K, Name, Symbol, Text};
        for (text, expected) in [
            (
                "a<>b<=c",
                vec![Name("a"), Symbol("<>"), Name("b"), Symbol("<="), Name("c")],
            ),
            ("nOt noting", vec![K(Keyword::Not), Name("noting")]),
            ("$a_1 _b", vec![Name("$a_1"), Name("_b")]),
            (
                "0 12 12L 12l",
                vec![Integer("0"), Integer("12"), Integer("12"), Integer("12")],
            ),
            (
                "0L 007",
                vec![
                    Integer("0"),
                    Name("L"),
                    Integer("0"),
                    Integer("0"),
                    Integer("7"),
                ],
            ),
            ("0x1F", vec![Integer("0"), Name("x1F")]),
            (
                "1. .5 007.5",
                vec![Decimal("1."), Decimal(".5"), Decimal("007.5")],
            ),
            (
                "5E10 5e-3 1.5E+2 1.E2",
                vec![
                    Decimal("5E10"),
                    Decimal("5e-3"),
                    Decimal("1.5E+2"),
                    Decimal("1.E2"),
                ],
            ),
            (
                "5E 5E+",
                vec![
                    Integer("5"),
                    Name("E"),
                    Integer("5"),
                    Name("E"),
                    Symbol("+"),
                ],
            ),
            ("1.5.2", vec![Decimal("1.5"), Decimal(".2")]),
            ("'' 'a''b' '标'", vec![Text(""), Text("a''b"), Text("标")]),
            ("''''", vec![Text("''")]),
            ("a -- b\r\nc", vec![Name("a"), Name("c")]),
            (
                "a --b",
                vec![Name("a"), Symbol("-"), Symbol("-"), Name("b")],
            ),
            ("a/* * ** / */b/***/", vec![Name("a"), Name("b")]),
            (" \t\n\r\u{c}", vec![]),
        ] {
            assert_eq!(tokens(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        for (text, problem) in [
            ("a # b", Problem::Character('#')),
            ("a /b", Problem::Character('/')),
            ("a .", Problem::Character('.')),
            ("a 标", Problem::Character('标')),
            ("a\u{a0}b", Problem::Character('\u{a0}')),
            ("a 'b", Problem::OpenText),
            ("a 'b''", Problem::OpenText),
            ("a /*/", Problem::OpenComment),
        ] {
            let start = token(text, 0).unwrap().2;
            assert_eq!(token(text, start).unwrap_err().problem, problem, "{text:?}");
        }
    }
}
