//! What can be wrong with a cluster: each check takes what is known and says what it found, with the evidence and what to
//! do. Pure: whoever gathers the facts (`mq doctor`, `mq cluster health`, the dashboard) gets the same words for them.

use std::fmt;

pub mod groups;
pub mod servers;

/// How bad it is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something does not work, or will not for long.
    Critical,
    Warning,
    /// Worth knowing; nothing is unhealthy by it.
    Note,
}

impl Level {
    /// As tables show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "CRIT",
            Self::Warning => "WARN",
            Self::Note => "note",
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Cluster,
    /// By address.
    NameServer(String),
    Broker {
        name: String,
        address: String,
    },
    Topic(String),
    Group(String),
    /// A group's dead letters.
    DeadLetters(String),
    /// The machine that looks.
    Host,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("cluster"),
            Self::Broker { name, .. } => f.write_str(name),
            Self::NameServer(name)
            | Self::Topic(name)
            | Self::Group(name)
            | Self::DeadLetters(name) => f.write_str(name),
            Self::Host => f.write_str("this host"),
        }
    }
}

/// Something that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// Two or three words, the same for all findings of a kind.
    pub what: &'static str,
    pub subject: Subject,
    /// The figures or words that show it.
    pub evidence: String,
    /// What to do next: a command, where one does it.
    pub fix: String,
}

impl Finding {
    pub fn new(
        level: Level,
        what: &'static str,
        subject: Subject,
        evidence: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            level,
            what,
            subject,
            evidence: evidence.into(),
            fix: fix.into(),
        }
    }
}
