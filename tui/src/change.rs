//! What the user can change: filled in as a form, shown as a plan, confirmed, and only then carried out.
//!
//! Pure: a plan is worked out of what is known, or of a question to the brokers (`plans`), and is a value, so what was shown
//! is what is done.

use client::names::RETRY_PREFIX;

use crate::snapshot::{GroupQueue, Snapshot};

mod plan;

pub(crate) use plan::{Aim, Change, Plan, Planned, Question, quoted};

/// Queues of a new topic on each broker, unless another number is typed.
const QUEUES: &str = "8";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    CreateTopic,
    ChangeTopic(String),
    DeleteTopic(String),
    SendMessage(String),
    CreateGroup,
    ChangeGroup(String),
    DeleteGroup(String),
    /// Of one queue (topic, broker, id), if the row is one; else of a topic.
    ResetOffsets(String, Option<(String, String, i32)>),
    /// All dead letters of a group, or the one with this id.
    ResendDeadLetters(String, Option<String>),
    SetConfig(Master),
    WipeWritePerm(Master),
    RestoreWritePerm(Master),
}

/// A broker that takes changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Master {
    pub(crate) name: String,
    pub(crate) address: String,
}

impl Action {
    /// As in the menu.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::CreateTopic => "create a topic".to_owned(),
            Self::ChangeTopic(topic) => format!("change topic {topic}: queues, permission"),
            Self::DeleteTopic(topic) => format!("delete topic {topic} with its messages"),
            Self::SendMessage(topic) => format!("send a test message to {topic}"),
            Self::CreateGroup => "create a consumer group".to_owned(),
            Self::ChangeGroup(group) => format!("change group {group}: tries, consuming"),
            Self::DeleteGroup(group) => format!("delete group {group} with its offsets"),
            Self::ResetOffsets(group, None) => format!("reset offsets of group {group}"),
            Self::ResetOffsets(group, Some((topic, broker, id))) => {
                format!("reset the offset of group {group} in {topic} {broker}/{id}")
            }
            Self::ResendDeadLetters(group, None) => {
                format!("send the dead letters of {group} to it once more")
            }
            Self::ResendDeadLetters(group, Some(_)) => {
                format!("send this dead letter to {group} once more")
            }
            Self::SetConfig(broker) => format!("change a setting of {}", broker.name),
            Self::WipeWritePerm(broker) => {
                format!("stop writes to {}: take its write permission", broker.name)
            }
            Self::RestoreWritePerm(broker) => {
                format!("give {} its write permission back", broker.name)
            }
        }
    }

    fn fields(&self, snapshot: &Snapshot) -> Vec<Field> {
        let field = |name, help, text: &str| Field {
            name,
            help,
            text: text.to_owned(),
        };
        match self {
            Self::CreateTopic => vec![
                field("name", "letters, digits and _-%|", ""),
                field("queues", "on each master", QUEUES),
                field("perm", "r, w or rw", "rw"),
            ],
            Self::ChangeTopic(_) => vec![
                field("queues", "on each master; blank: as they are", ""),
                field("perm", "r, w or rw; blank: as it is", ""),
            ],
            Self::SendMessage(_) => vec![
                field("body", "its text", "test"),
                field("tag", "blank: none", ""),
                field("key", "blank: none", ""),
            ],
            Self::CreateGroup => vec![field("name", "letters, digits and _-%|", "")],
            Self::ChangeGroup(_) => vec![
                field(
                    "tries",
                    "again, before it is a dead letter; blank: as it is",
                    "",
                ),
                field("consume", "true or false; blank: as it is", ""),
            ],
            Self::ResendDeadLetters(_, id) => vec![
                field(
                    "id",
                    "of a message; blank: all of them",
                    id.as_deref().unwrap_or_default(),
                ),
                field("resends", "refuse what came back so often already", "1"),
            ],
            Self::ResetOffsets(group, queue) => {
                let first_topic = || {
                    let queues = snapshot.group(group)?.queues.as_ref().ok()?;
                    let own = |queue: &&GroupQueue| !queue.topic.starts_with(RETRY_PREFIX);
                    queues.iter().find(own).map(|queue| queue.topic.clone())
                };
                // One queue is most of the time stuck at a message, which is to be skipped.
                let (topic, queue, to, shift) = match queue {
                    Some((topic, broker, id)) => (topic.clone(), format!("{broker}:{id}"), "", "1"),
                    None => (
                        first_topic().unwrap_or_default(),
                        String::new(),
                        "latest",
                        "",
                    ),
                };
                vec![
                    field("topic", "of which", &topic),
                    field("queue", "as broker-a:3; blank: all", &queue),
                    field("to", "latest, earliest, or a time as -2h", to),
                    field(
                        "shift",
                        "messages further on, or back as -5; in place of to",
                        shift,
                    ),
                    field("like", "where this group is; in place of to", ""),
                ]
            }
            Self::SetConfig(_) => {
                vec![
                    field("key", "as in broker.conf", ""),
                    field("value", "", ""),
                ]
            }
            Self::DeleteTopic(_)
            | Self::DeleteGroup(_)
            | Self::WipeWritePerm(_)
            | Self::RestoreWritePerm(_) => Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) text: String,
}

/// An action that is being filled in or confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) action: Action,
    pub(crate) fields: Vec<Field>,
    /// The field that is typed into.
    pub(crate) at: usize,
    /// Why it cannot be done as filled in.
    pub(crate) problem: Option<String>,
    /// The brokers are being asked for what the plan needs, under this number.
    pub(crate) asking: Option<u64>,
    /// The plan to be confirmed, with what was typed for that.
    pub(crate) plan: Option<(Plan, String)>,
}

impl Form {
    pub(crate) fn new(action: Action, snapshot: &Snapshot) -> Self {
        let fields = action.fields(snapshot);
        Self {
            action,
            fields,
            at: 0,
            problem: None,
            asking: None,
            plan: None,
        }
    }

    fn text(&self, name: &str) -> &str {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .map_or("", |field| field.text.trim())
    }

    /// Shows a plan, or why there is none.
    pub(crate) fn take(&mut self, planned: Result<Plan, String>) {
        match planned {
            Ok(plan) => {
                self.problem = None;
                self.at = 0;
                self.plan = Some((plan, String::new()));
            }
            Err(problem) => self.problem = Some(problem),
        }
    }
}
