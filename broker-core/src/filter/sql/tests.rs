use proptest::prelude::*;
use remoting::protocol::message::properties;

use super::{Condition, MAX_BYTES, MAX_DEPTH, Problem};

/// `a=1 b=x` to a property string.
fn message(text: &str) -> Vec<u8> {
    properties::encode(
        text.split_whitespace()
            .filter_map(|pair| pair.split_once('=')),
    )
}

#[track_caller]
fn check(condition: &str, cases: &[(&str, bool)]) {
    let compiled = Condition::compile(condition).unwrap_or_else(|e| panic!("{condition}: {e}"));
    for &(properties, expected) in cases {
        assert_eq!(
            compiled.matches(&message(properties)),
            expected,
            "{condition} on {properties:?}"
        );
    }
}

#[test]
fn operators_compare_as_documented() {
    check(
        "a = 'x'",
        &[
            ("a=x", true),
            ("a=X", false),
            ("a=", false),
            ("", false),
            ("A=x", false),
        ],
    );
    check("a <> 'x'", &[("a=x", false), ("a=y", true), ("", false)]);
    check(
        "a = 5",
        &[
            ("a=5", true),
            ("a=05", true),
            ("a=+5", true),
            ("a=5.0", false),
            ("a=x", false),
        ],
    );
    check(
        "a > 5",
        &[("a=6", true), ("a=5", false), ("a=-6", false), ("", false)],
    );
    check("a >= 5", &[("a=5", true), ("a=4", false)]);
    check("a < 5", &[("a=4", true), ("a=5", false), ("", false)]);
    check("a <= 5", &[("a=5", true), ("a=6", false)]);
    check("5 < a", &[("a=6", true), ("a=5", false)]);
    check("a > -5", &[("a=-4", true), ("a=-5", false)]);
    check("a = +5", &[("a=5", true)]);
    check(
        "a BETWEEN 0 AND 3",
        &[
            ("a=0", true),
            ("a=3", true),
            ("a=4", false),
            ("a=-1", false),
            ("", false),
        ],
    );
    check(
        "a NOT BETWEEN 0 AND 3",
        &[("a=0", false), ("a=4", true), ("a=-1", true), ("", false)],
    );
    check(
        "a between b and c",
        &[
            ("a=2 b=1 c=3", true),
            ("a=2 b=1.5 c=1.9", false),
            ("a=2 b=1", false),
        ],
    );
    check(
        "5 between a and b",
        &[("a=1 b=9", true), ("a=6 b=9", false)],
    );
    check(
        "a IN ('x', 'y''s')",
        &[("a=x", true), ("a=y's", true), ("a=z", false), ("", false)],
    );
    check(
        "a NOT IN ('x', 'y')",
        &[("a=x", false), ("a=z", true), ("", false)],
    );
    check("a IS NULL", &[("", true), ("a=", false), ("a=x", false)]);
    check("a IS NOT NULL", &[("", false), ("a=", true), ("a=x", true)]);
    check(
        "a CONTAINS 'b'",
        &[("a=abc", true), ("a=b", true), ("a=c", false), ("", false)],
    );
    check("a STARTSWITH 'a'", &[("a=ab", true), ("a=ba", false)]);
    check("a ENDSWITH 'a'", &[("a=ab", false), ("a=ba", true)]);
    check("TRUE", &[("", true)]);
    check("FALSE", &[("", false)]);
    check("null", &[("", false)]);
    check(
        "(TAGS is not null and TAGS in ('TagA', 'TagB')) and (a is not null and a between 0 and 3)",
        &[
            ("TAGS=TagA a=1", true),
            ("TAGS=TagC a=1", false),
            ("TAGS=TagA", false),
            ("TAGS=TagB a=4", false),
        ],
    );
}

#[test]
fn tighter_operators_bind_first() {
    check(
        "a = 1 OR b = 1 AND c = 1",
        &[
            ("a=1", true),
            ("b=1", false),
            ("b=1 c=1", true),
            ("a=0 b=1 c=0", false),
        ],
    );
    check(
        "(a = 1 OR b = 1) AND c = 1",
        &[("a=1", false), ("a=1 c=1", true)],
    );
    check(
        "NOT (a = 1) AND b = 1",
        &[("a=2 b=1", true), ("a=1 b=1", false)],
    );
    check("a > 1 = TRUE", &[("a=2", true), ("a=1", false)]);
    check("a = b = TRUE", &[("a=x b=x", true), ("a=x b=y", false)]);
    check(
        "a BETWEEN 1 AND 3 AND b = 1",
        &[("a=2 b=1", true), ("a=2 b=2", false)],
    );
    check("a is null is not null", &[("", true), ("a=1", true)]);
}

#[test]
fn unknown_is_neither_true_nor_false() {
    check("NOT (a = 1)", &[("", false), ("a=2", true)]);
    check(
        "a = 1 OR b = 1",
        &[("b=1", true), ("a=1", true), ("a=2", false)],
    );
    check(
        "NOT (a = 1 AND b = 1)",
        &[("b=2", true), ("b=1", false), ("a=2", true)],
    );
    check("NOT (a > 1 OR b > 1)", &[("b=1", false), ("a=1 b=1", true)]);
    check("(a = 1) IS NULL", &[("", true), ("a=1", false)]);
    check("-a IS NULL", &[("a=1", true)]);
    // On the left a missing property is unknown, on the right a difference, on both sides the same.
    check("NOT (a = b)", &[("a=1", true), ("b=1", false), ("", false)]);
    check("a = b", &[("", true)]);
    check("NOT (1 = a)", &[("", true)]);
    check("NOT (1 > a)", &[("", false)]);
    // Searching knows no unknown.
    check(
        "a NOT CONTAINS 'x'",
        &[("a=y", true), ("a=x", false), ("", false)],
    );
    check(
        "a NOT STARTSWITH 'x'",
        &[("a=yx", true), ("a=xy", false), ("", false)],
    );
    check(
        "a NOT ENDSWITH 'x'",
        &[("a=xy", true), ("a=yx", false), ("", false)],
    );
    check("NOT (a CONTAINS 'x')", &[("", true)]);
    check("a NOT CONTAINS ''", &[("a=y", false)]);
    check("a CONTAINS ''", &[("a=y", false)]);
    check("(a = 1) CONTAINS 'x'", &[("a=1", false)]);
    check("5 NOT CONTAINS 'x'", &[("", false)]);
}

#[test]
fn text_is_read_as_the_other_side() {
    // An integer literal reads 32 bits, whatever its suffix.
    check(
        "a > 5",
        &[
            ("a=2147483647", true),
            ("a=2147483648", false),
            ("a=1e3", false),
            ("a=6L", false),
        ],
    );
    check("a > 5L", &[("a=2147483647", true), ("a=2147483648", false)]);
    check(
        "a < 2147483648",
        &[
            ("a=2147483647", true),
            ("a=-9223372036854775808", true),
            ("a=9223372036854775808", false),
        ],
    );
    check(
        "a > 5.0",
        &[
            ("a=2147483648", true),
            ("a=1e3", true),
            ("a=5.5f", true),
            ("a=NaN", true),
            ("a=Infinity", true),
        ],
    );
    check(
        "a > 5.0",
        &[
            ("a=inf", false),
            ("a=nan", false),
            ("a=0x10", false),
            ("a=", false),
            ("a=1e", false),
            ("a=6ff", false),
        ],
    );
    check(
        "a = .5",
        &[("a=0.50", true), ("a=5e-1", true), ("a=+.5d", true)],
    );
    check(
        "a > -1.5",
        &[
            ("a=-Infinity", false),
            ("a=-1.4", true),
            ("a=--1", false),
            ("a=NaNd", false),
        ],
    );
    check(
        "a > b",
        &[
            ("a=10 b=9", true),
            ("a=1e1 b=9.5", true),
            ("a=x b=9", false),
            ("a=10", false),
        ],
    );
    check("a = b", &[("a=1 b=1.0", false), ("a=1 b=1", true)]);
    check(
        "a = TRUE",
        &[("a=true", true), ("a=TRUE", true), ("a=1", false)],
    );
    check("a <> TRUE", &[("a=1", true), ("a=true", false)]);
    check(
        "1 = '1' AND 1 = 1.0 AND 3000000000 > 1 AND 2.5 < 3000000000 AND 'a' = 'a'",
        &[("", true)],
    );
    check("TRUE = TRUE AND TRUE <> FALSE", &[("", true)]);
    check("(a = 1) = 5", &[("a=1", false)]);
}

#[test]
fn what_cannot_be_evaluated_is_not_delivered() {
    check("a > 1 OR b = 1", &[("a=x b=1", false), ("b=1", true)]);
    // What decides first is evaluated first.
    check("b = 1 OR a > 1", &[("a=x b=1", true)]);
    check("NOT (a > 1)", &[("a=x", false), ("a=1", true)]);
    check("(a > 1) IS NULL", &[("a=x", false), ("", true)]);
    check("a <> 1", &[("a=x", false), ("a=2", true)]);
    check("a NOT BETWEEN 1 AND 2", &[("a=x", false)]);
    // A truth value on the left cannot be compared with text.
    check("TRUE = a", &[("a=true", false)]);
    check("TRUE <> a", &[("a=false", false)]);
    check("(a = 1) = 'true'", &[("a=1", false)]);
    // Bytes that are no text are no property.
    let condition = Condition::compile("a IS NULL").unwrap();
    assert!(condition.matches(b"a\x01\xff\x02"));
    assert!(condition.matches(b"\x02\x01\x02a"));
}

#[test]
fn oddities_of_the_original_are_kept() {
    // A property is a condition, and a false one if it has a value.
    check("a", &[("a=true", false), ("", false)]);
    check("NOT a", &[("a=true", true), ("", false)]);
    check("NOT a = 1", &[("a=1", false), ("a=2", false)]);
    // The rest is not looked at.
    check("a = 1 b = 2", &[("a=1", true)]);
    check("a = 1) or (b = 2", &[("b=2", false)]);
    check("a = 1 --", &[("a=1", true)]);
    check(
        "a = 1 -- a comment\n AND b = 1",
        &[("a=1", false), ("a=1 b=1", true)],
    );
    check("a /* = 2 */ = 1", &[("a=1", true)]);
    check("a NOT BETWEEN 3 AND 0", &[("a=1", true)]);
    check("a BETWEEN -1 AND -5", &[("a=-2", false)]);
    check("LIKE = 1", &[("LIKE=1", true)]);
    check("a <= now", &[("a=1 now=2", true)]);
    check("a in ('1') = TRUE", &[("a=1", true)]);
}

#[test]
fn errors_say_what_and_where() {
    for (condition, message) in [
        (
            "",
            "a literal, a property or ( expected, found the end, at byte 0",
        ),
        (
            "a and between 2 and 10",
            "a literal, a property or ( expected, found between, at byte 6",
        ),
        (
            "a >",
            "a literal, a property or ( expected, found the end, at byte 3",
        ),
        ("a = 1 AND #", "unexpected character '#', at byte 10"),
        ("a = 'x", "text without closing quote, at byte 4"),
        ("a = 1 /* x", "comment without end, at byte 6"),
        ("a IN (1)", "a text in quotes expected, found 1, at byte 6"),
        ("a IN ()", "a text in quotes expected, found ), at byte 6"),
        ("a IN ('x' 'y')", ", or ) expected, found 'y', at byte 10"),
        ("(a) = 1 AND (b", ") expected, found the end, at byte 14"),
        ("a IS 5", "NULL expected, found 5, at byte 5"),
        (
            "a NOT = 5",
            "BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH expected, found =, at byte 6",
        ),
        (
            "a CONTAINS b",
            "a text in quotes expected, found b, at byte 11",
        ),
        ("a BETWEEN 1 OR 2", "AND expected, found OR, at byte 12"),
        ("5 IN ('x')", "IN needs a property on its left, at byte 10"),
        (
            "a > 100000000000000000000",
            "number 100000000000000000000 is out of range, at byte 4",
        ),
        ("a > 0.0", "number 0.0 is out of range, at byte 4"),
        ("a > 1e999", "number 1e999 is out of range, at byte 4"),
        (
            "a between 10 and 0",
            "the lower end of BETWEEN lies above the upper one, at byte 18",
        ),
        (
            "a between 9007199254740993 and 9007199254740992",
            "the lower end of BETWEEN lies above the upper one, at byte 47",
        ),
    ] {
        let error = Condition::compile(condition).unwrap_err().to_string();
        assert_eq!(error, format!("{message} of the expression"), "{condition}");
    }
    for (condition, problem) in [
        ("a > 'x'", Problem::NotOrdered),
        ("a < TRUE", Problem::NotOrdered),
        ("NULL >= a", Problem::NotOrdered),
        ("a > 1 > 2", Problem::NotOrdered),
        ("a BETWEEN 'a' AND 'b'", Problem::NotOrdered),
        ("a = NULL", Problem::EqualsNull),
        ("NULL <> a", Problem::EqualsNull),
        ("TRUE = 'x'", Problem::EqualsBoolean),
        ("5", Problem::NotBoolean),
        ("'x' OR a = 1", Problem::NotBoolean),
        ("a = 1 AND -5", Problem::NotBoolean),
        ("NOT 5", Problem::NotBoolean),
        ("-- only a comment", Problem::NotBoolean),
    ] {
        assert_eq!(
            Condition::compile(condition).unwrap_err().problem,
            problem,
            "{condition}"
        );
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |open: &str, close: &str, levels: usize| {
        format!("{}a = 1{}", open.repeat(levels), close.repeat(levels))
    };
    let deep = MAX_DEPTH - 3;
    for (open, close) in [
        ("(", ")"),
        ("NOT (", ")"),
        ("b = 2 OR (", ")"),
        ("(b = 2 AND ", ")"),
    ] {
        let condition = Condition::compile(&nested(open, close, deep / 2)).unwrap();
        condition.matches(&message("a=1 b=2"));
        let too_deep = Condition::compile(&nested(open, close, MAX_DEPTH)).unwrap_err();
        assert_eq!(too_deep.problem, Problem::TooDeep, "{open}");
        // Nor does anything deeper reach the end of the stack.
        assert!(
            Condition::compile(&nested(open, close, 5000)).is_err(),
            "{open}"
        );
    }
    for (sign, rest) in [("NOT ", "a"), ("- ", "a IS NULL"), ("+ ", "a IS NULL")] {
        assert!(
            Condition::compile(&(sign.repeat(deep) + rest)).is_ok(),
            "{sign}"
        );
        assert!(
            Condition::compile(&(sign.repeat(10_000) + rest)).is_err(),
            "{sign}"
        );
    }
    assert!(Condition::compile(&format!("a{}", " IS NULL".repeat(deep))).is_ok());
    assert!(Condition::compile(&format!("a{}", " IS NULL".repeat(5000))).is_err());
    assert!(Condition::compile(&format!("a{}", " = b".repeat(5000))).is_err());

    // Long is not deep.
    let long = vec!["a = 1"; 5000].join(" OR ");
    assert!(Condition::compile(&long).unwrap().matches(&message("a=1")));
    let texts = (0..5000)
        .map(|n| format!("'{n}'"))
        .collect::<Vec<_>>()
        .join(",");
    check(
        &format!("a IN ({texts})"),
        &[("a=4999", true), ("a=5000", false)],
    );
    let too_long = Condition::compile(&" ".repeat(MAX_BYTES + 1)).unwrap_err();
    assert_eq!(too_long.problem, Problem::TooLong(MAX_BYTES + 1));
}

/// Parsing and evaluating at the depth limit must fit a thread's stack many times over.
#[test]
fn the_deepest_condition_needs_little_stack() {
    let run = || {
        let deep = "NOT (a = 1 OR ".repeat(MAX_DEPTH / 3) + "b = 2" + &")".repeat(MAX_DEPTH / 3);
        Condition::compile(&deep)
            .unwrap()
            .matches(&message("a=2 b=2"))
    };
    std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

/// Something like a condition.
fn soup() -> impl Strategy<Value = String> {
    const WORDS: [&str; 40] = [
        "a",
        "b",
        "TAGS",
        "5",
        "-5",
        "0",
        "3000000000",
        "1.5",
        ".5e3",
        "'x'",
        "''",
        "TRUE",
        "FALSE",
        "NULL",
        "NOT",
        "AND",
        "OR",
        "IS",
        "IN",
        "(",
        ")",
        ",",
        "BETWEEN",
        "CONTAINS",
        "STARTSWITH",
        "ENDSWITH",
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "+",
        "-",
        "--",
        "\n",
        "/*",
        "*/",
        "'",
        "标",
    ];
    prop::collection::vec(prop::sample::select(&WORDS[..]), 0..40).prop_map(|words| words.join(" "))
}

/// A condition by construction.
fn condition() -> impl Strategy<Value = String> {
    let operand = || prop::sample::select(&["a", "b", "5", "-5", "1.5", "3000000000"][..]);
    let leaf = prop_oneof![
        (
            operand(),
            prop::sample::select(&["=", "<>", "<", "<=", ">", ">="][..]),
            operand()
        )
            .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        (operand(), operand(), operand())
            .prop_map(|(a, b, c)| format!("{a} NOT BETWEEN {b} AND {c}")),
        "[ab] (NOT )?IN \\('[a-z]{0,3}', '[0-9]{1,2}'\\)",
        "[ab] IS (NOT )?NULL",
        "[ab] (NOT )?(CONTAINS|STARTSWITH|ENDSWITH) '[a-z0-9]{0,2}'",
        "TRUE|FALSE|NULL|a",
    ];
    leaf.prop_recursive(4, 32, 2, |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(&["AND", "OR"][..]),
                inner.clone()
            )
                .prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})")),
            inner.prop_map(|inner| format!("NOT ({inner})")),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text: String, soup in soup(), properties: Vec<u8>) {
        for text in [text, soup] {
            if let Ok(condition) = Condition::compile(&text) {
                condition.matches(&properties);
                condition.matches(b"a\x015\x02b\x01x\x02");
            }
        }
    }

    #[test]
    fn conditions_obey_logic(left in condition(), right in condition(), a in "[0-9.x-]{0,3}", b in "[0-9.x-]{0,3}") {
        let properties = properties::encode([("a", a), ("b", b)]);
        let matches = |text: String| Condition::compile(&text).unwrap().matches(&properties);
        let (is_left, is_right) = (matches(left.clone()), matches(right.clone()));
        let is_not_left = matches(format!("NOT ({left})"));
        prop_assert!(!(is_left && is_not_left));
        prop_assert_eq!(matches(format!("({left}) AND ({right})")), is_left && is_right);
        // An operand that cannot be evaluated spoils those behind it.
        let is_either = matches(format!("({left}) OR ({right})"));
        prop_assert!(is_either || !is_left);
        prop_assert!(!is_either || is_left || is_right);
    }
}
