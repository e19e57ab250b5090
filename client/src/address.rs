//! Rewriting of addresses: a cluster in containers, or behind a forwarded port, advertises addresses that cannot be
//! reached from here. Every connection of a client goes through these rules.

use std::borrow::Cow;

use crate::ClientError;
use crate::name_server::check_address;

/// Rules from what a server advertises to where it is reached. The most special one counts: a whole address, then a host,
/// then the longest beginning of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressRules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    from: From,
    to: To,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Beginning(String),
    Host(String),
    Address(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum To {
    /// The port stays.
    Host(String),
    Address(String),
}

impl AddressRules {
    /// Reads pairs such as `172.17.0.2:10911` → `127.0.0.1:10911`, `broker-a` → `10.0.0.5` (the port stays), and
    /// `172.17.0.*` → `127.0.0.1`.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if a side is neither.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ClientError> {
        let rules = pairs.into_iter().map(|(from, to)| rule(from, to));
        let mut rules: Vec<Rule> = rules.collect::<Result<_, _>>()?;
        let length = |rule: &Rule| match &rule.from {
            From::Beginning(text) | From::Host(text) | From::Address(text) => text.len(),
        };
        let special = |rule: &Rule| match rule.from {
            From::Beginning(_) => 0,
            From::Host(_) => 1,
            From::Address(_) => 2,
        };
        rules.sort_by_key(|rule| std::cmp::Reverse((special(rule), length(rule))));
        Ok(Self { rules })
    }

    /// Where the server that advertises `address` (`host:port`) is reached.
    pub fn apply<'a>(&self, address: &'a str) -> Cow<'a, str> {
        if self.rules.is_empty() {
            return Cow::Borrowed(address);
        }
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        let found = self.rules.iter().find(|rule| match &rule.from {
            From::Address(from) => from == address,
            From::Host(from) => from == host,
            From::Beginning(from) => host.starts_with(from.as_str()),
        });
        match found.map(|rule| &rule.to) {
            None => Cow::Borrowed(address),
            Some(To::Address(to)) => Cow::Owned(to.clone()),
            Some(To::Host(to)) => Cow::Owned(format!("{to}:{port}")),
        }
    }
}

fn rule(from: &str, to: &str) -> Result<Rule, ClientError> {
    let (from, to) = (from.trim(), to.trim());
    let what = "address rewriting";
    let has_port = |text: &str| text.contains(':') && !text.ends_with(']');
    let wrong = |text: &str, problem| Err(ClientError::invalid(what, text, problem));
    let from = match from.strip_suffix('*') {
        Some(beginning) if beginning.is_empty() || has_port(beginning) => {
            return wrong(
                from,
                "a star stands for the end of a host, as in 172.17.0.*",
            );
        }
        Some(beginning) => From::Beginning(beginning.to_owned()),
        None if from.is_empty() || from.contains('*') => {
            return wrong(
                from,
                "host:port, a host, or the beginning of a host and a star",
            );
        }
        None if has_port(from) => {
            check_address(what, from)?;
            From::Address(from.to_owned())
        }
        None => From::Host(from.to_owned()),
    };
    let to = if to.is_empty() || to.contains(char::is_whitespace) {
        return wrong(to, "host:port or a host expected");
    } else if has_port(to) {
        check_address(what, to)?;
        To::Address(to.to_owned())
    } else {
        To::Host(to.to_owned())
    };
    if matches!((&from, &to), (From::Beginning(_), To::Address(_))) {
        return wrong("a star", "leads to a host: several servers cannot be one");
    }
    Ok(Rule { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_special_rule_counts() {
        let rules = AddressRules::parse([
            ("172.17.*", "10.1.1.1"),
            ("172.17.0.*", "10.2.2.2"),
            ("172.17.0.2", "10.3.3.3"),
            ("172.17.0.2:10911", "localhost:20911"),
            ("[fd00::1]:1", "[::1]:2"),
        ])
        .unwrap();
        for (from, to) in [
            ("172.17.0.2:10911", "localhost:20911"),
            ("172.17.0.2:10909", "10.3.3.3:10909"),
            ("172.17.0.3:10911", "10.2.2.2:10911"),
            ("172.17.9.3:10911", "10.1.1.1:10911"),
            ("[fd00::1]:1", "[::1]:2"),
            ("192.168.0.1:10911", "192.168.0.1:10911"),
        ] {
            assert_eq!(rules.apply(from), to, "{from}");
        }
        assert_eq!(AddressRules::default().apply("a:1"), "a:1");
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for (from, to) in [
            ("", "a"),
            ("*", "a"),
            ("a*b", "c"),
            ("172.17.0.*", "a:1"),
            ("a:x", "b"),
            ("a", "b:0"),
            ("a", ""),
            ("a:1*", "b"),
        ] {
            assert!(AddressRules::parse([(from, to)]).is_err(), "{from} {to}");
        }
    }
}
