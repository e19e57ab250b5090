//! What went wrong, as an operator reads it: object and address, cause, the next thing to try, and an exit code.
//!
//! Only this crate turns error chains into prose. Library errors are lower-case fragments and fit after the colon.

use std::error::Error;
use std::fmt;
use std::io;

use client::ClientError;
use remoting::protocol::codes::ResponseCode;

/// How the process ends. The numbers are a contract with scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// Partly done, or partly known: a broker did not answer, and the rest is shown.
    Partly = 3,
    NotFound = 4,
    /// A precondition, a permission, or a confirmation is missing.
    Refused = 5,
    /// What was looked at is not as it should be.
    Unhealthy = 10,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with everything its reader needs.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) exit: Exit,
    /// What could not be done to which object at which address: `cannot create topic 'orders' on broker-a (…)`.
    what: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// The reader of our output went away, which is its right.
    pub(crate) closed_pipe: bool,
}

pub(crate) type Result<T, E = CliError> = std::result::Result<T, E>;

impl CliError {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            causes: Vec::new(),
            hint: None,
            closed_pipe: false,
        }
    }

    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, what)
    }

    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::new(Exit::Refused, what)
    }

    /// Adds an error and all its sources, dropping those that only repeat the one before.
    pub(crate) fn because(mut self, cause: &(dyn Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(cause) = next {
            let text = cause.to_string();
            if !self.causes.last().is_some_and(|last| last.contains(&text)) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// What could not be done, because of what the cluster said or did not say.
    pub(crate) fn client(what: impl Into<String>, error: &ClientError) -> Self {
        let exit = match error {
            ClientError::NoRoute { .. } => Exit::NotFound,
            ClientError::Invalid { .. } => Exit::Usage,
            ClientError::ReadOnly { .. } | ClientError::NotWritable { .. } => Exit::Refused,
            ClientError::Refused { code, .. } => match *code {
                ResponseCode::TOPIC_NOT_EXIST
                | ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST
                | ResponseCode::QUERY_NOT_FOUND => Exit::NotFound,
                ResponseCode::NO_PERMISSION => Exit::Refused,
                _ => Exit::Failed,
            },
            _ => Exit::Failed,
        };
        let failed = Self::new(exit, what).because(error);
        match error {
            ClientError::NoNameServer { .. } => failed
                .hint("is a name server running there? see mq status, or give its address with -n"),
            ClientError::NoRoute { .. } => {
                failed.hint("see mq topic list, or create it with mq topic create")
            }
            ClientError::NotWritable { topic } => failed.hint(format!(
                "mq topic route {topic} shows what clients may do with it; mq topic perm {topic} rw, or \
                 mq broker drain --undo, lets them write"
            )),
            ClientError::ReadOnly { .. } => failed.hint("choose another profile with --profile"),
            ClientError::Transport(_) => {
                failed.hint("brokers are reached at the address they advertise: see mq broker list")
            }
            _ => failed,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Hints at the known name that `wanted` was probably meant to be; if none is near, at something else.
    pub(crate) fn did_you_mean<S: AsRef<str>>(
        self,
        wanted: &str,
        known: impl IntoIterator<Item = S>,
        otherwise: impl Into<String>,
    ) -> Self {
        match nearest(wanted, known) {
            Some(near) => self.hint(format!("did you mean '{}'?", near.as_ref())),
            None => self.hint(otherwise),
        }
    }
}

/// `error: WHAT: cause: cause`, and on its own line `hint: …`.
impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// For writing output only: everything else says what it was doing.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        let closed_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Self {
            closed_pipe,
            ..Self::failed("cannot write output").because(&error)
        }
    }
}

/// The known name that `wanted` was probably meant to be.
fn nearest<S: AsRef<str>>(wanted: &str, known: impl IntoIterator<Item = S>) -> Option<S> {
    let lower = wanted.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&lower, &name.to_lowercase());
    known
        .into_iter()
        .map(|name| (likeness(name.as_ref()), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_has_causes_once_and_the_hint_below() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let error = CliError::failed("cannot create topic 'orders' on broker-a (127.0.0.1:10911)")
            .because(&refused)
            .hint("is it running? mq status");
        assert_eq!(
            error.to_string(),
            "error: cannot create topic 'orders' on broker-a (127.0.0.1:10911): connection refused\n\
             hint: is it running? mq status"
        );
    }

    #[test]
    fn did_you_mean() {
        let known = ["orders", "payments", "TopicTest"];
        for (wanted, expected) in [
            ("order", Some("orders")),
            ("ordres", Some("orders")),
            ("topictest", Some("TopicTest")),
            ("xyz", None),
        ] {
            assert_eq!(nearest(wanted, known), expected, "{wanted}");
        }
    }

    #[test]
    fn a_closed_pipe_is_recognised() {
        assert!(CliError::from(io::Error::from(io::ErrorKind::BrokenPipe)).closed_pipe);
        assert!(!CliError::from(io::Error::from(io::ErrorKind::StorageFull)).closed_pipe);
    }
}
