//! Tokens to a checked tree: one function per level of precedence.

use std::cmp::Ordering;

use super::lexer::{self, Keyword, Token};
use super::{Expression, Literal, MAX_BYTES, MAX_DEPTH, Order, Place, Problem, SyntaxError, eval};

/// Parses a condition. As in Apache's grammar, it ends where no operator follows; the rest of the
/// text, were it ever so wrong, is ignored: `a = 1 b = 2` asks for `a = 1`.
pub(super) fn parse(text: &str) -> Result<Expression, SyntaxError> {
    if text.len() > MAX_BYTES {
        let problem = Problem::TooLong(text.len());
        return Err(SyntaxError { at: 0, problem });
    }
    let (token, start, next) = lexer::token(text, 0)?;
    let mut parser = Parser {
        text,
        token,
        start,
        next,
    };
    let root = parser.or(0)?;
    parser.condition(root)
}

/// An expression with the height of its tree.
type Parsed = (Expression, usize);

struct Parser<'t> {
    text: &'t str,
    /// The token to be looked at now, and where it starts.
    token: Token<'t>,
    start: usize,
    /// Where the token behind it is looked for.
    next: usize,
}

impl<'t> Parser<'t> {
    /// `depth`: parentheses and signs around this place.
    fn or(&mut self, depth: usize) -> Result<Parsed, SyntaxError> {
        let first = self.and(depth)?;
        self.chain(first, Keyword::Or, Expression::Or, |parser| {
            parser.and(depth)
        })
    }

    fn and(&mut self, depth: usize) -> Result<Parsed, SyntaxError> {
        let first = self.equality(depth)?;
        self.chain(first, Keyword::And, Expression::And, |parser| {
            parser.equality(depth)
        })
    }

    /// Operands of one logical operator, as one node: a long list is not a deep tree.
    fn chain(
        &mut self,
        first: Parsed,
        operator: Keyword,
        node: fn(Vec<Expression>) -> Expression,
        operand: impl Fn(&mut Self) -> Result<Parsed, SyntaxError>,
    ) -> Result<Parsed, SyntaxError> {
        if self.token != Token::Keyword(operator) {
            return Ok(first);
        }
        let mut height = first.1;
        let mut operands = vec![self.condition(first)?];
        while self.skip(Token::Keyword(operator))? {
            let next = operand(self)?;
            height = height.max(next.1);
            operands.push(self.condition(next)?);
        }
        self.node(node(operands), height)
    }

    fn equality(&mut self, depth: usize) -> Result<Parsed, SyntaxError> {
        let mut left = self.comparison(depth)?;
        loop {
            if self.skip(Token::Symbol("="))? {
                let right = self.comparison(depth)?;
                left = self.equal(left, right)?;
            } else if self.skip(Token::Symbol("<>"))? {
                let right = self.comparison(depth)?;
                let (equal, height) = self.equal(left, right)?;
                left = self.node(Expression::Not(equal.into()), height)?;
            } else if self.skip(Token::Keyword(Keyword::Is))? {
                let not = self.skip(Token::Keyword(Keyword::Not))?;
                self.expect(Token::Keyword(Keyword::Null), "NULL")?;
                left = self.node(Expression::IsNull(left.0.into()), left.1)?;
                if not {
                    left = self.node(Expression::Not(left.0.into()), left.1)?;
                }
            } else {
                return Ok(left);
            }
        }
    }

    fn equal(&self, left: Parsed, right: Parsed) -> Result<Parsed, SyntaxError> {
        use Expression::Literal as Constant;
        match (&left.0, &right.0) {
            (Constant(Literal::Null), _) | (_, Constant(Literal::Null)) => {
                Err(self.error(Problem::EqualsNull))
            }
            (Constant(Literal::Boolean(_)), Constant(Literal::Boolean(_))) => Ok(()),
            (Constant(Literal::Boolean(_)), Constant(_)) => Err(self.error(Problem::EqualsBoolean)),
            _ => Ok(()),
        }?;
        let height = left.1.max(right.1);
        self.node(Expression::Equal(Box::new([left.0, right.0])), height)
    }

    fn comparison(&mut self, depth: usize) -> Result<Parsed, SyntaxError> {
        const ORDERS: [(&str, Order); 4] = [
            (">", Order::Greater),
            (">=", Order::GreaterOrEqual),
            ("<", Order::Less),
            ("<=", Order::LessOrEqual),
        ];
        let mut left = self.unary(depth)?;
        loop {
            if let Token::Symbol(symbol) = self.token
                && let Some(&(_, order)) = ORDERS.iter().find(|(known, _)| *known == symbol)
            {
                self.advance()?;
                let right = self.unary(depth)?;
                self.ordered(&left.0)?;
                self.ordered(&right.0)?;
                let height = left.1.max(right.1);
                left = self.node(
                    Expression::Order(order, Box::new([left.0, right.0])),
                    height,
                )?;
                continue;
            }
            let not = self.skip(Token::Keyword(Keyword::Not))?;
            left = match self.token {
                Token::Keyword(Keyword::Between) => self.between(left, not, depth)?,
                Token::Keyword(Keyword::In) => self.in_list(left, not)?,
                Token::Keyword(Keyword::Contains) => self.search(left, Place::Anywhere, not)?,
                Token::Keyword(Keyword::StartsWith) => self.search(left, Place::Start, not)?,
                Token::Keyword(Keyword::EndsWith) => self.search(left, Place::End, not)?,
                _ if not => {
                    return Err(self.expected("BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH"));
                }
                _ => return Ok(left),
            };
        }
    }

    fn between(&mut self, value: Parsed, not: bool, depth: usize) -> Result<Parsed, SyntaxError> {
        self.advance()?;
        let low = self.unary(depth)?;
        self.expect(Token::Keyword(Keyword::And), "AND")?;
        let high = self.unary(depth)?;
        for operand in [&value.0, &low.0, &high.0] {
            self.ordered(operand)?;
        }
        // NOT BETWEEN is not checked, nor is an end with a sign.
        if !not
            && let (Expression::Literal(low), Expression::Literal(high)) = (&low.0, &high.0)
            && let (Some(low), Some(high)) = (eval::value(low), eval::value(high))
            && eval::compare(low, high).is_ok_and(Ordering::is_gt)
        {
            return Err(self.error(Problem::EmptyBetween));
        }
        let height = value.1.max(low.1).max(high.1);
        let operands = Box::new([value.0, low.0, high.0]);
        let node = if not {
            Expression::NotBetween
        } else {
            Expression::Between
        };
        self.node(node(operands), height)
    }

    fn in_list(&mut self, left: Parsed, not: bool) -> Result<Parsed, SyntaxError> {
        self.advance()?;
        self.expect(Token::Symbol("("), "(")?;
        let mut texts = vec![self.text()?];
        while self.skip(Token::Symbol(","))? {
            texts.push(self.text()?);
        }
        self.expect(Token::Symbol(")"), ", or )")?;
        texts.sort_unstable();
        let Expression::Property(property) = left.0 else {
            return Err(self.error(Problem::InWithoutProperty));
        };
        self.node(
            Expression::In {
                property,
                texts,
                not,
            },
            0,
        )
    }

    fn search(&mut self, subject: Parsed, place: Place, not: bool) -> Result<Parsed, SyntaxError> {
        self.advance()?;
        let text = self.text()?;
        let subject = (Box::new(subject.0), subject.1);
        self.node(
            Expression::Search {
                subject: subject.0,
                place,
                text,
                not,
            },
            subject.1,
        )
    }

    fn unary(&mut self, depth: usize) -> Result<Parsed, SyntaxError> {
        if depth >= MAX_DEPTH {
            return Err(self.error(Problem::TooDeep));
        }
        if self.skip(Token::Symbol("+"))? {
            self.unary(depth + 1)
        } else if self.skip(Token::Symbol("-"))? {
            let (operand, height) = self.unary(depth + 1)?;
            self.node(Expression::Negate(operand.into()), height)
        } else if self.skip(Token::Keyword(Keyword::Not))? {
            let operand = self.unary(depth + 1)?;
            let height = operand.1;
            let operand = self.condition(operand)?;
            self.node(Expression::Not(operand.into()), height)
        } else {
            self.primary(depth)
        }
    }

    fn primary(&mut self, depth: usize) -> Result<Parsed, SyntaxError> {
        let out_of_range = |text: &str| self.error(Problem::Number(text.to_owned()));
        let expression = match self.token {
            Token::Symbol("(") => {
                self.advance()?;
                let inner = self.or(depth + 1)?;
                self.expect(Token::Symbol(")"), ")")?;
                return Ok(inner);
            }
            Token::Text(_) => return Ok((Expression::Literal(Literal::Text(self.text()?)), 0)),
            Token::Name(name) => Expression::Property(name.into()),
            Token::Integer(digits) => {
                let long: i64 = digits.parse().map_err(|_| out_of_range(digits))?;
                Expression::Literal(
                    i32::try_from(long).map_or(Literal::Long(long), Literal::Integer),
                )
            }
            Token::Decimal(text) => {
                // Apache refuses what is not above the smallest double, so 0.0 too.
                let double: f64 = text.parse().map_err(|_| out_of_range(text))?;
                if !double.is_finite() || double == 0.0 {
                    return Err(out_of_range(text));
                }
                Expression::Literal(Literal::Double(double))
            }
            Token::Keyword(Keyword::True) => Expression::Literal(Literal::Boolean(true)),
            Token::Keyword(Keyword::False) => Expression::Literal(Literal::Boolean(false)),
            Token::Keyword(Keyword::Null) => Expression::Literal(Literal::Null),
            _ => return Err(self.expected("a literal, a property or (")),
        };
        self.advance()?;
        Ok((expression, 0))
    }

    fn text(&mut self) -> Result<Box<str>, SyntaxError> {
        let Token::Text(quoted) = self.token else {
            return Err(self.expected("a text in quotes"));
        };
        self.advance()?;
        Ok(quoted.replace("''", "'").into())
    }

    /// Makes an operand of a logical operator, or the whole, a condition.
    fn condition(&self, (expression, _): Parsed) -> Result<Expression, SyntaxError> {
        match expression {
            Expression::Property(_) => Ok(Expression::Cast(expression.into())),
            expression if expression.is_condition() => Ok(expression),
            _ => Err(self.error(Problem::NotBoolean)),
        }
    }

    fn ordered(&self, operand: &Expression) -> Result<(), SyntaxError> {
        use Literal::{Double, Integer, Long};
        match operand {
            Expression::Literal(Integer(_) | Long(_) | Double(_)) => Ok(()),
            operand if operand.is_condition() => Err(self.error(Problem::NotOrdered)),
            Expression::Literal(_) => Err(self.error(Problem::NotOrdered)),
            _ => Ok(()),
        }
    }

    /// An inner node over operands of the given height.
    fn node(&self, expression: Expression, height: usize) -> Result<Parsed, SyntaxError> {
        if height >= MAX_DEPTH {
            return Err(self.error(Problem::TooDeep));
        }
        Ok((expression, height + 1))
    }

    fn advance(&mut self) -> Result<(), SyntaxError> {
        (self.token, self.start, self.next) = lexer::token(self.text, self.next)?;
        Ok(())
    }

    fn skip(&mut self, token: Token<'static>) -> Result<bool, SyntaxError> {
        let is_there = self.token == token;
        if is_there {
            self.advance()?;
        }
        Ok(is_there)
    }

    fn expect(&mut self, token: Token<'static>, name: &'static str) -> Result<(), SyntaxError> {
        if self.skip(token)? {
            Ok(())
        } else {
            Err(self.expected(name))
        }
    }

    fn expected(&self, expected: &'static str) -> SyntaxError {
        let found = match self.text.get(self.start..self.next) {
            None | Some("") => "the end".to_owned(),
            Some(text) => text.chars().take(40).collect(),
        };
        self.error(Problem::Expected { expected, found })
    }

    fn error(&self, problem: Problem) -> SyntaxError {
        SyntaxError {
            at: self.start,
            problem,
        }
    }
}

impl Expression {
    /// Whether it has a truth value by its form.
    fn is_condition(&self) -> bool {
        match self {
            Self::Literal(Literal::Boolean(_) | Literal::Null) => true,
            Self::Literal(_) | Self::Property(_) | Self::Negate(_) => false,
            Self::Cast(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Equal(_)
            | Self::IsNull(_)
            | Self::Order(..)
            | Self::Between(_)
            | Self::NotBetween(_)
            | Self::In { .. }
            | Self::Search { .. } => true,
        }
    }
}
