//! Options as Apache's tools declare, read and explain them: by letter or long name, anywhere on the line.

use std::collections::HashMap;

use super::Generation;

/// Columns of a help text.
const WIDTH: usize = 110;
/// What a value is called in a help text.
const VALUE: &str = " <arg>";

/// One option of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opt {
    /// The letter (or letters); empty if there is only the long name.
    short: &'static str,
    /// As the help shows it, with Apache's stray blanks.
    long: &'static str,
    about: &'static str,
    takes_value: bool,
    need: Need,
    only: Option<Generation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Optional,
    Required,
    /// Exactly one of the options with the same number.
    OneOf(u8),
}

impl Opt {
    const fn new(short: &'static str, long: &'static str, about: &'static str) -> Self {
        Self {
            short,
            long,
            about,
            takes_value: true,
            need: Need::Optional,
            only: None,
        }
    }

    /// Where the two generations of the tools disagree about an option.
    pub(super) const fn only(mut self, generation: Generation) -> Self {
        self.only = Some(generation);
        self
    }

    /// What names the option: its letter, else its long name.
    fn key(&self) -> &'static str {
        if self.short.is_empty() {
            self.long
        } else {
            self.short
        }
    }

    fn usage(&self) -> String {
        let dashes = if self.short.is_empty() { "--" } else { "-" };
        let value = if self.takes_value { VALUE } else { "" };
        format!("{dashes}{}{value}", self.key())
    }
}

/// An option with a value.
pub(super) const fn val(short: &'static str, long: &'static str, about: &'static str) -> Opt {
    Opt::new(short, long, about)
}

/// An option with a value that must be there.
pub(super) const fn req(short: &'static str, long: &'static str, about: &'static str) -> Opt {
    Opt {
        need: Need::Required,
        ..Opt::new(short, long, about)
    }
}

/// An option without a value.
pub(super) const fn flag(short: &'static str, long: &'static str, about: &'static str) -> Opt {
    Opt {
        takes_value: false,
        ..Opt::new(short, long, about)
    }
}

/// An option with a value, of which exactly one in its group must be there.
pub(super) const fn one_of(
    group: u8,
    short: &'static str,
    long: &'static str,
    about: &'static str,
) -> Opt {
    Opt {
        need: Need::OneOf(group),
        ..Opt::new(short, long, about)
    }
}

/// The topic that a verb is about.
pub(super) const TOPIC: Opt = req("t", "topic", "topic name");
/// The topic whose brokers have the queues, of topics that are kept in those of another one.
pub(super) const ROUTE_OF: Opt = val(
    "c",
    "cluster",
    "find the brokers by the route of this topic (LMQ parent)",
);

/// Options of every verb.
const COMMON: [Opt; 2] = [
    flag("h", "help", "Print help"),
    val(
        "n",
        "namesrvAddr",
        "Addresses of the name servers, as in '192.168.0.1:9876;192.168.0.2:9876'",
    ),
];

/// The options of a verb.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// By key, as the help lists them.
    known: Vec<Opt>,
}

impl Options {
    /// Those of this generation; one of a verb replaces a common one.
    pub(super) fn new(own: &[Opt], generation: Generation) -> Self {
        let mut known: Vec<Opt> = own
            .iter()
            .filter(|opt| opt.only.is_none_or(|only| only == generation))
            .copied()
            .collect();
        for common in COMMON {
            if !known.iter().any(|opt| opt.short == common.short) {
                known.push(common);
            }
        }
        known.sort_by_key(|opt| opt.key().to_lowercase());
        Self { known }
    }

    fn find(&self, name: &str) -> Option<&Opt> {
        self.known
            .iter()
            .find(|opt| (!opt.short.is_empty() && opt.short == name) || opt.long.trim() == name)
    }

    /// Reads a command line. Words that belong to no option are passed over, as Apache does.
    ///
    /// # Errors
    /// What is wrong with it, for the one who typed it.
    pub(super) fn parse(&self, words: &[String]) -> Result<Given, String> {
        let mut given = Given::default();
        let mut words = words.iter().map(String::as_str).peekable();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else {
                continue;
            };
            let name = name.strip_prefix('-').unwrap_or(name);
            if name.is_empty() {
                break;
            }
            let (opt, mut value) = self.named(word, name)?;
            if opt.takes_value && value.is_none() {
                let next = words.next_if(|next| !self.is_option(next));
                value = next.map(str::to_owned);
                if value.is_none() {
                    return Err(format!("Missing argument for option: {}", opt.key()));
                }
            }
            let value = value.unwrap_or_default();
            let first = given.0.entry(opt.key());
            first.or_insert_with(|| strip_quotes(&value).trim().to_owned());
        }
        if !given.has("h") {
            self.check(&given)?;
        }
        Ok(given)
    }

    /// The option that a word names, and the value that is part of the word.
    fn named(&self, word: &str, name: &str) -> Result<(&Opt, Option<String>), String> {
        let unknown = || format!("Unrecognized option: {word}");
        if let Some(opt) = self.find(name) {
            return Ok((opt, None));
        }
        if let Some((name, value)) = name.split_once('=')
            && let Some(opt) = self.find(name)
            && opt.takes_value
        {
            return Ok((opt, Some(value.to_owned())));
        }
        if word.starts_with("--") {
            return Err(unknown());
        }
        // The value may follow its letter at once.
        let (letter, value) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
        match self.find(letter) {
            Some(opt) if opt.takes_value => Ok((opt, Some(value.to_owned()))),
            _ => Err(unknown()),
        }
    }

    fn is_option(&self, word: &str) -> bool {
        word.strip_prefix('-').is_some_and(|name| {
            let name = name.strip_prefix('-').unwrap_or(name);
            let name = name.split_once('=').map_or(name, |(name, _)| name);
            self.find(name).is_some()
        })
    }

    fn check(&self, given: &Given) -> Result<(), String> {
        let missing: Vec<&str> = self
            .known
            .iter()
            .filter(|opt| opt.need == Need::Required && !given.has(opt.key()))
            .map(Opt::key)
            .collect();
        if !missing.is_empty() {
            return Err(format!("Missing required option: {}", missing.join(", ")));
        }
        for opt in &self.known {
            let Need::OneOf(group) = opt.need else {
                continue;
            };
            let members: Vec<&str> = self.group(group).map(Opt::key).collect();
            match members.iter().filter(|key| given.has(key)).count() {
                1 => {}
                0 => {
                    return Err(format!(
                        "Missing required option: one of {}",
                        members.join(", ")
                    ));
                }
                _ => return Err(format!("Only one of {} can be given", members.join(", "))),
            }
        }
        Ok(())
    }

    fn group(&self, group: u8) -> impl Iterator<Item = &Opt> {
        self.known
            .iter()
            .filter(move |opt| opt.need == Need::OneOf(group))
    }

    /// The help text of a command.
    pub(super) fn help(&self, command: &str) -> String {
        let mut usage = format!("usage: {command}");
        let mut groups = Vec::new();
        for opt in &self.known {
            match opt.need {
                Need::Required => usage += &format!(" {}", opt.usage()),
                Need::Optional => usage += &format!(" [{}]", opt.usage()),
                Need::OneOf(group) if groups.contains(&group) => {}
                Need::OneOf(group) => {
                    groups.push(group);
                    let members: Vec<String> = self.group(group).map(Opt::usage).collect();
                    usage += &format!(" {}", members.join(" | "));
                }
            }
        }
        let mut help = wrap(&usage, "usage: ".len());
        let names: Vec<String> = self
            .known
            .iter()
            .map(|opt| {
                let long = format!("--{}", opt.long);
                let value = if opt.takes_value { VALUE } else { "" };
                if opt.short.is_empty() {
                    format!("    {long}{value}")
                } else {
                    format!(" -{},{long}{value}", opt.short)
                }
            })
            .collect();
        let width = names.iter().map(String::len).max().unwrap_or(0);
        for (opt, name) in self.known.iter().zip(&names) {
            let line = format!("{name:<width$}   {}", opt.about);
            help += &wrap(&line, width + 3);
        }
        help
    }
}

/// Lines of at most [`WIDTH`] columns, those after the first indented.
fn wrap(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut rest = text.to_owned();
    while rest.chars().count() > WIDTH {
        let limit = rest
            .char_indices()
            .nth(WIDTH)
            .map_or(rest.len(), |(at, _)| at);
        let at = rest[..=limit]
            .rfind(' ')
            .filter(|at| *at >= indent)
            .or_else(|| rest[limit..].find(' ').map(|at| limit + at));
        let Some(at) = at else { break };
        out += rest[..at].trim_end();
        out.push('\n');
        rest = format!("{:indent$}{}", "", rest[at..].trim());
    }
    out += &rest;
    out.push('\n');
    out
}

fn strip_quotes(text: &str) -> &str {
    let text = text.strip_prefix('"').unwrap_or(text);
    text.strip_suffix('"').unwrap_or(text)
}

/// What was given on a command line: the first value of each option, without blanks around it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Given(HashMap<&'static str, String>);

impl Given {
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[Opt] = &[
        req("t", "topic", "topic name"),
        one_of(0, "b", "brokerAddr", "the broker"),
        one_of(0, "c", "clusterName", "the cluster"),
        flag("l", "list", "as a list"),
        val("bn", "brokerName ", "name of the broker"),
        val("", "attributes", "the attributes"),
    ];

    fn parse(line: &str) -> Result<Given, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::new(OPTIONS, Generation::Four).parse(&words)
    }

    #[test]
    fn options_are_found_however_they_are_written() {
        for line in [
            "-t T -b a:1 -l",
            "-b a:1 -l -t T",
            "--topic T --brokerAddr a:1 --list",
            "--topic=T --brokerAddr=a:1 -l",
            "-topic T -ba:1 -l",
            "-tT -b=a:1 stray -l",
            "-t T -b a:1 -l -t other",
        ] {
            let given = parse(line).unwrap();
            let found = (given.get("t"), given.get("b"), given.has("l"));
            assert_eq!(found, (Some("T"), Some("a:1"), true), "{line}");
        }
        let given = parse("-t T -c C -bn x --attributes +a=b -n h:1").unwrap();
        assert_eq!(given.get("bn"), Some("x"));
        assert_eq!(given.get("attributes"), Some("+a=b"));
        assert_eq!(given.get("n"), Some("h:1"));
        // A value may begin with a dash if it is no option.
        assert_eq!(parse("-t -1 -c C").unwrap().get("t"), Some("-1"));
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        for (line, problem) in [
            ("-b a:1", "Missing required option: t"),
            ("-t T", "Missing required option: one of b, c"),
            ("-t T -b a -c b", "Only one of b, c can be given"),
            ("-t -b a", "Missing argument for option: t"),
            ("-t T -b a -x", "Unrecognized option: -x"),
            ("-t T -b a --xyz", "Unrecognized option: --xyz"),
        ] {
            assert_eq!(parse(line), Err(problem.to_owned()), "{line}");
        }
        assert!(parse("-h").unwrap().has("h"));
    }

    #[test]
    fn help_has_apaches_form() {
        let help = Options::new(OPTIONS, Generation::Four).help("mqadmin verb");
        assert_eq!(
            help,
            "usage: mqadmin verb [--attributes <arg>] -b <arg> | -c <arg> [-bn <arg>] [-h] [-l] [-n <arg>] -t <arg>\n\
             \x20   --attributes <arg>     the attributes\n\
             \x20-b,--brokerAddr <arg>     the broker\n\
             \x20-bn,--brokerName  <arg>   name of the broker\n\
             \x20-c,--clusterName <arg>    the cluster\n\
             \x20-h,--help                 Print help\n\
             \x20-l,--list                 as a list\n\
             \x20-n,--namesrvAddr <arg>    Addresses of the name servers, as in '192.168.0.1:9876;192.168.0.2:9876'\n\
             \x20-t,--topic <arg>          topic name\n"
        );
    }

    #[test]
    fn long_lines_are_wrapped() {
        let text = format!("usage: {}", "[-a <arg>] ".repeat(20));
        let wrapped = wrap(text.trim(), 7);
        assert!(wrapped.lines().all(|line| line.len() <= WIDTH));
        assert!(
            wrapped
                .lines()
                .skip(1)
                .all(|line| line.starts_with("       "))
        );
    }
}
