//! What can be looked at: the pages by name, and what each must ask for itself.

use crate::figures::time;
use crate::messages::{Find, Query, Question};

/// What can be looked at. Those with a name or a queue are opened from a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Page {
    Pulse,
    Brokers,
    Broker(String),
    Topics,
    Topic(String),
    Groups,
    Group(String),
    /// The latest messages.
    Messages(Query),
    /// One of them, by broker, queue and offset.
    Message {
        query: Query,
        place: String,
    },
    /// What became of a message, by its id or a key.
    Trace(String),
    /// All queues of an object at a glance.
    Heat(Heat),
    Dlq,
    Clients,
    Store,
    Log,
    /// What came of an action, by its number, target by target.
    Outcome(u64),
    Help,
}

/// Whose queues a heat map shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Heat {
    Topic(String),
    Group(String),
}

impl Page {
    /// Those reachable from everywhere, in the order of `Tab`.
    pub(crate) const TOP: [(&'static str, Self); 9] = [
        ("pulse", Self::Pulse),
        ("brokers", Self::Brokers),
        ("topics", Self::Topics),
        ("groups", Self::Groups),
        ("dlq", Self::Dlq),
        ("clients", Self::Clients),
        ("store", Self::Store),
        ("log", Self::Log),
        ("help", Self::Help),
    ];

    /// What must be asked for this page alone.
    pub(crate) fn question(&self) -> Option<Question> {
        match self {
            Self::Messages(query) | Self::Message { query, .. } => {
                Some(Question::Messages(query.clone()))
            }
            Self::Trace(id) => Some(Question::Trace(id.clone())),
            _ => None,
        }
    }

    /// Whether its title is the name of an object, and no word of ours.
    pub(crate) fn is_named(&self) -> bool {
        matches!(
            self,
            Self::Broker(_) | Self::Topic(_) | Self::Group(_) | Self::Message { .. }
        )
    }

    /// As in the crumbs at the top.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Messages(Query { topic, queue, find }) => {
                let place = match queue {
                    Some((broker, id)) => format!("{topic} {broker}/{id}"),
                    None => topic.clone(),
                };
                match find {
                    Find::Latest => format!("messages of {place}"),
                    Find::Key(key) => format!("messages of {place} with key {key}"),
                    Find::Id(id) => format!("message {id} of {place}"),
                    Find::From(from_ms) => {
                        format!("messages of {place} from {}", time(*from_ms))
                    }
                }
            }
            Self::Message { place, .. } => place.clone(),
            Self::Trace(id) => format!("trace of {id}"),
            Self::Heat(Heat::Topic(name) | Heat::Group(name)) => format!("heat of {name}"),
            Self::Outcome(id) => format!("action {id}"),
            Self::Broker(name) | Self::Topic(name) | Self::Group(name) => name.clone(),
            top => Self::TOP
                .iter()
                .find(|(_, page)| page == top)
                .map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }
}
