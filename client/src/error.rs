//! Why a client's operation failed.

use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::ext_fields::HeaderError;
use remoting::protocol::fastjson::JsonError;
use remoting::transport::connection::CallError;
use thiserror::Error;

/// What a client reports. Every text names the address or name it is about.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Every address was tried; the attempts say why each failed. Empty: no address is configured.
    #[error("{}", no_name_server(.attempts))]
    NoNameServer { attempts: Vec<CallError> },
    #[error("no route for topic {topic}: {reason}")]
    NoRoute { topic: String, reason: String },
    /// The topic is there, and nobody may send to it now.
    #[error("no queue of topic {topic} can be written")]
    NotWritable { topic: String },
    /// No connection, no answer in time, or the connection was lost.
    #[error(transparent)]
    Transport(#[from] CallError),
    /// The peer answered, and declined.
    #[error("{address} answered {code}: {remark}")]
    Refused {
        address: String,
        code: ResponseCode,
        remark: String,
    },
    /// The client was made to change nothing.
    #[error("this profile is read-only, and {code} would change something")]
    ReadOnly { code: RequestCode },
    /// The peer's answer is not what the protocol says.
    #[error("unreadable answer from {address}: {problem}")]
    Protocol { address: String, problem: String },
    /// A request cannot be written from what the caller gave.
    #[error("cannot encode request: {0}")]
    Encode(String),
    #[error("invalid {what} {value:?}: {problem}")]
    Invalid {
        what: &'static str,
        value: String,
        problem: String,
    },
}

impl ClientError {
    /// A name or argument that was refused before anything was sent.
    pub fn invalid(
        what: &'static str,
        value: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            what,
            value: value.into(),
            problem: problem.into(),
        }
    }

    /// An answer of `address` that cannot be read.
    pub fn protocol(address: &str, problem: impl std::fmt::Display) -> Self {
        Self::Protocol {
            address: address.to_owned(),
            problem: problem.to_string(),
        }
    }

    /// What several name servers failed with: that none was reached, or else the first reason of another kind.
    pub fn of_name_servers(failures: impl IntoIterator<Item = Self>) -> Self {
        let mut attempts = Vec::new();
        for failure in failures {
            match failure {
                Self::Transport(attempt) => attempts.push(attempt),
                other => return other,
            }
        }
        Self::NoNameServer { attempts }
    }

    /// The code a peer answered with, if one did.
    pub fn code(&self) -> Option<ResponseCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

impl From<HeaderError> for ClientError {
    /// Headers are encoded by `?`; reading one says whose it was, see [`ClientError::protocol`].
    fn from(error: HeaderError) -> Self {
        Self::Encode(error.to_string())
    }
}

impl From<JsonError> for ClientError {
    fn from(error: JsonError) -> Self {
        Self::Encode(error.to_string())
    }
}

fn no_name_server(attempts: &[CallError]) -> String {
    if attempts.is_empty() {
        return "no name server address is set".to_owned();
    }
    let reasons: Vec<String> = attempts.iter().map(ToString::to_string).collect();
    format!("no name server reachable: {}", reasons.join("; "))
}
