//! What the user can change: filled in as a form, shown as a plan, confirmed, and only then carried out.
//!
//! Pure: a plan is worked out of what is known, or of a question to the brokers (`plans`), and is a value, so what was shown
//! is what is done.

use client::admin::Broker as Server;
use client::dead_letters::group_of;
use client::message::MessageExt;
use client::names::{DLQ_PREFIX, RETRY_PREFIX, check_group, check_topic};
use client::reset::Part;
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE};

use crate::app::{App, Page};
use crate::sheet::short;
use crate::snapshot::{Broker, GroupQueue, Snapshot};

/// Queues of a new topic on each broker, unless another number is typed.
const QUEUES: &str = "8";
const MOST_QUEUES: i32 = 65_535;

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

/// What a filled-in form leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Planned {
    Plan(Plan),
    /// The brokers must be asked first.
    Ask(Question),
}

/// A plan that the brokers must be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    Reset {
        group: String,
        topic: String,
        /// As `broker-a:3`.
        queue: Option<String>,
        to: Aim,
    },
    Resend {
        group: String,
        id: Option<String>,
        max_resends: u32,
    },
}

/// Where a group is to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Aim {
    /// `earliest`, `latest`, or a time.
    To(String),
    Shift(i64),
    Like(String),
}

/// What will be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) lines: Vec<String>,
    /// The command line that does the same.
    pub(crate) command: String,
    /// The word to be typed, where something is destroyed.
    pub(crate) word: Option<String>,
    pub(crate) change: Change,
}

/// A change with everything that carrying it out needs. Brokers are addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    CreateTopic {
        topic: String,
        queues: i32,
        perm: i32,
        brokers: Vec<String>,
    },
    UpdateTopic {
        topic: String,
        queues: Option<i32>,
        perm: Option<i32>,
        brokers: Vec<String>,
    },
    DeleteTopic {
        topic: String,
        brokers: Vec<String>,
    },
    Send {
        topic: String,
        body: String,
        tag: Option<String>,
        key: Option<String>,
    },
    CreateGroup {
        group: String,
        brokers: Vec<String>,
    },
    DeleteGroup {
        group: String,
        brokers: Vec<String>,
    },
    UpdateGroup {
        group: String,
        tries: Option<i32>,
        consume: Option<bool>,
        brokers: Vec<String>,
    },
    Reset {
        group: String,
        parts: Vec<Part>,
    },
    Resend {
        /// The group's retry topic.
        to: String,
        masters: Vec<Server>,
        messages: Vec<MessageExt>,
    },
    SetConfig {
        broker: String,
        key: String,
        value: String,
    },
    /// A broker by its name, at every name server.
    WipeWritePerm {
        broker: String,
    },
    /// A broker by its address: it registers its topics as they are.
    RestoreWritePerm {
        broker: String,
    },
}

/// What can be done here: with what the page is about, and with the row's own object.
pub(crate) fn actions(app: &App) -> Vec<Action> {
    let row = app.selected_row();
    let object = row.as_ref().and_then(|row| row.links.first());
    // In a list the row comes first, and making another one last.
    let in_list = Page::TOP.iter().any(|(_, page)| page == app.page());
    let page = std::iter::once(app.page());
    let about = page
        .clone()
        .filter(|_| !in_list)
        .chain(object)
        .chain(page.filter(|_| in_list));
    let mut actions = Vec::new();
    for page in about {
        let offered = match page {
            Page::Topic(name) if name.starts_with(DLQ_PREFIX) => {
                let group = group_of(name).to_owned();
                let one =
                    dead_letter(app).map(|id| Action::ResendDeadLetters(group.clone(), Some(id)));
                let all = Action::ResendDeadLetters(group, None);
                one.into_iter()
                    .chain([all, Action::DeleteTopic(name.clone())])
                    .collect()
            }
            Page::Topic(name) => vec![
                Action::SendMessage(name.clone()),
                Action::ChangeTopic(name.clone()),
                Action::DeleteTopic(name.clone()),
            ],
            Page::Group(name) => queue_of(app, name)
                .map(|queue| Action::ResetOffsets(name.clone(), Some(queue)))
                .into_iter()
                .chain([
                    Action::ResetOffsets(name.clone(), None),
                    Action::ChangeGroup(name.clone()),
                    Action::DeleteGroup(name.clone()),
                ])
                .collect(),
            Page::Broker(address) => {
                let brokers = app.latest.iter().flat_map(|latest| &latest.brokers);
                let master = brokers
                    .filter(|broker| broker.id == 0)
                    .find(|broker| broker.address == *address);
                master.map(master_of).map_or_else(Vec::new, |broker| {
                    vec![
                        Action::SetConfig(broker.clone()),
                        Action::WipeWritePerm(broker.clone()),
                        Action::RestoreWritePerm(broker),
                    ]
                })
            }
            Page::Topics => vec![Action::CreateTopic],
            Page::Groups => vec![Action::CreateGroup],
            _ => Vec::new(),
        };
        for action in offered {
            if !actions.contains(&action) {
                actions.push(action);
            }
        }
    }
    actions
}

/// The queue that the selected row of a group is.
fn queue_of(app: &App, group: &str) -> Option<(String, String, i32)> {
    if *app.page() != Page::Group(group.to_owned()) {
        return None;
    }
    let row = app.selected_row()?;
    let queues = app.latest.as_ref()?.group(group)?.queues.as_ref().ok()?;
    let queue = queues.iter().find(|queue| queue.key() == row.key)?;
    Some((queue.topic.clone(), queue.broker.clone(), queue.id))
}

/// The id of the message that is looked at, or that the selected row is.
fn dead_letter(app: &App) -> Option<String> {
    let trace = |page: Page| match page {
        Page::Trace(id) => Some(id),
        _ => None,
    };
    app.selected_row()?.links.into_iter().find_map(trace)
}

fn master_of(broker: &Broker) -> Master {
    Master {
        name: broker.name.clone(),
        address: broker.address.clone(),
    }
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

    /// Works out what would be done, or what is missing for that.
    pub(crate) fn plan(&self, snapshot: &Snapshot) -> Result<Planned, String> {
        let masters: Vec<Master> = snapshot
            .brokers
            .iter()
            .filter(|broker| broker.id == 0)
            .map(master_of)
            .collect();
        let brokers: Vec<String> = masters
            .iter()
            .map(|master| master.address.clone())
            .collect();
        if brokers.is_empty() {
            return Err("no master is registered".to_owned());
        }
        let names = Vec::from_iter(masters.iter().map(|master| master.name.as_str())).join(", ");
        let plan = |lines: Vec<String>, command: String, change| {
            Ok(Planned::Plan(Plan {
                lines,
                command,
                word: None,
                change,
            }))
        };
        let destroys = |word: &str, lines: Vec<String>, command: String, change| {
            Ok(Planned::Plan(Plan {
                lines,
                command,
                word: Some(word.to_owned()),
                change,
            }))
        };
        match &self.action {
            Action::CreateTopic => {
                let topic = self.text("name").to_owned();
                check_topic(&topic).map_err(|error| error.to_string())?;
                if snapshot.topic(&topic).is_some() {
                    return Err(format!("topic {topic} exists"));
                }
                let queues = queues(self.text("queues"))?.ok_or("how many queues?")?;
                let (word, perm) = perm(self.text("perm"))?.ok_or("which permission?")?;
                plan(
                    vec![format!(
                        "create topic {topic} on {names}: {queues} queues each, {word}"
                    )],
                    format!("mq topic create {topic} --queues {queues} --perm {word}"),
                    Change::CreateTopic {
                        topic,
                        queues,
                        perm,
                        brokers,
                    },
                )
            }
            Action::ChangeTopic(topic) => {
                let queues = queues(self.text("queues"))?;
                let perm = perm(self.text("perm"))?;
                let mut lines = Vec::new();
                let mut command = format!("mq topic update {topic}");
                if let Some(queues) = queues {
                    lines.push(format!(
                        "topic {topic} on {names}: {queues} queues to read and to write on each"
                    ));
                    command.push_str(&format!(" --queues {queues}"));
                }
                if let Some((word, _)) = perm {
                    lines.push(format!("topic {topic} on {names}: permission {word}"));
                    command.push_str(&format!(" --perm {word}"));
                }
                if lines.is_empty() {
                    return Err("nothing would change".to_owned());
                }
                let perm = perm.map(|(_, bits)| bits);
                plan(
                    lines,
                    command,
                    Change::UpdateTopic {
                        topic: topic.clone(),
                        queues,
                        perm,
                        brokers,
                    },
                )
            }
            Action::DeleteTopic(topic) => {
                let messages = snapshot
                    .topic(topic)
                    .map_or_else(|| Err(String::new()), |topic| topic.messages());
                let messages = messages.map_or_else(|_| "an unknown number of".to_owned(), short);
                destroys(
                    topic,
                    vec![format!(
                        "delete topic {topic} with {messages} messages from {names} and all name servers"
                    )],
                    format!("mq topic delete {topic} --yes"),
                    Change::DeleteTopic {
                        topic: topic.clone(),
                        brokers,
                    },
                )
            }
            Action::SendMessage(topic) => {
                let body = self.text("body").to_owned();
                if body.is_empty() {
                    return Err("a message needs a body".to_owned());
                }
                let given =
                    |name: &str| Some(self.text(name).to_owned()).filter(|text| !text.is_empty());
                let (tag, key) = (given("tag"), given("key"));
                let mut command = format!("mq send {topic} {}", quoted(&body));
                for (flag, value) in [("--tag", &tag), ("--keys", &key)] {
                    if let Some(value) = value {
                        command.push_str(&format!(" {flag} {}", quoted(value)));
                    }
                }
                plan(
                    vec![format!("send a message of {} bytes to {topic}", body.len())],
                    command,
                    Change::Send {
                        topic: topic.clone(),
                        body,
                        tag,
                        key,
                    },
                )
            }
            Action::CreateGroup => {
                let group = self.text("name").to_owned();
                check_group(&group).map_err(|error| error.to_string())?;
                if snapshot.group(&group).is_some() {
                    return Err(format!("group {group} exists"));
                }
                plan(
                    vec![format!("create group {group} on {names}")],
                    format!("mq group create {group}"),
                    Change::CreateGroup { group, brokers },
                )
            }
            Action::DeleteGroup(group) => {
                let mut lines = vec![format!(
                    "delete group {group}, all its offsets and its retry topic from {names}"
                )];
                let members = snapshot
                    .group(group)
                    .and_then(|group| group.member_count())
                    .unwrap_or(0);
                if members > 0 {
                    lines.push(format!(
                        "members connected: {members}; they will create it again"
                    ));
                }
                let command = format!("mq group delete {group} --yes");
                destroys(
                    group,
                    lines,
                    command,
                    Change::DeleteGroup {
                        group: group.clone(),
                        brokers,
                    },
                )
            }
            Action::ChangeGroup(group) => {
                let tries = match self.text("tries") {
                    "" => None,
                    text => {
                        let tries = text.parse().ok().filter(|tries: &i32| *tries >= 0);
                        Some(tries.ok_or_else(|| format!("a number is needed, not {text:?}"))?)
                    }
                };
                let consume = match self.text("consume") {
                    "" => None,
                    "true" => Some(true),
                    "false" => Some(false),
                    other => return Err(format!("true or false expected, not {other:?}")),
                };
                let mut lines = Vec::new();
                let mut command = format!("mq group update {group}");
                if let Some(tries) = tries {
                    lines.push(format!("group {group} on {names}: {tries} tries again"));
                    command.push_str(&format!(" --retry-max-times {tries}"));
                }
                if let Some(consume) = consume {
                    lines.push(match consume {
                        true => format!("group {group} on {names}: its members may consume"),
                        false => format!("group {group} on {names}: its members are refused"),
                    });
                    command.push_str(&format!(" --consume {consume}"));
                }
                if lines.is_empty() {
                    return Err("nothing would change".to_owned());
                }
                plan(
                    lines,
                    command,
                    Change::UpdateGroup {
                        group: group.clone(),
                        tries,
                        consume,
                        brokers,
                    },
                )
            }
            Action::ResetOffsets(group, _) => self.reset(snapshot, group),
            Action::ResendDeadLetters(group, _) => {
                let resends = self.text("resends");
                let max_resends = resends
                    .parse()
                    .map_err(|_| format!("a number is needed, not {resends:?}"))?;
                Ok(Planned::Ask(Question::Resend {
                    group: group.clone(),
                    id: Some(self.text("id").to_owned()).filter(|id| !id.is_empty()),
                    max_resends,
                }))
            }
            Action::SetConfig(broker) => {
                let (key, value) = (self.text("key").to_owned(), self.text("value").to_owned());
                if key.is_empty() || key.contains(['=', ':', ' ']) {
                    return Err("a key as in broker.conf is needed".to_owned());
                }
                plan(
                    vec![format!("set {key}={value} on {}", broker.name)],
                    format!(
                        "mq broker config set {} --broker {} --yes",
                        quoted(&format!("{key}={value}")),
                        broker.name
                    ),
                    Change::SetConfig {
                        broker: broker.address.clone(),
                        key,
                        value,
                    },
                )
            }
            Action::WipeWritePerm(broker) => destroys(
                &broker.name,
                vec![
                    format!(
                        "take the write permission from all topics of {} in the routes",
                        broker.name
                    ),
                    "producers go to other brokers; consumers read on".to_owned(),
                ],
                format!("mq broker drain {} --no-wait --yes", broker.name),
                Change::WipeWritePerm {
                    broker: broker.name.clone(),
                },
            ),
            Action::RestoreWritePerm(broker) => plan(
                vec![format!(
                    "{} takes messages again, and registers its topics as they are",
                    broker.name
                )],
                format!("mq broker drain {} --undo", broker.name),
                Change::RestoreWritePerm {
                    broker: broker.address.clone(),
                },
            ),
        }
    }

    fn reset(&self, snapshot: &Snapshot, name: &str) -> Result<Planned, String> {
        let topic = self.text("topic");
        if snapshot.topic(topic).is_none() {
            return Err(format!("there is no topic {topic:?}"));
        }
        let given = |name: &str| Some(self.text(name)).filter(|text| !text.is_empty());
        let to = match (given("shift"), given("like")) {
            (Some(_), Some(_)) => return Err("either shift or like, not both".to_owned()),
            (Some(shift), None) => {
                let shift = shift.trim_start_matches('+').parse();
                Aim::Shift(shift.map_err(|_| "shift by how many messages?".to_owned())?)
            }
            (None, Some(like)) if snapshot.group(like).is_none() => {
                return Err(format!("there is no group {like}"));
            }
            (None, Some(like)) => Aim::Like(like.to_owned()),
            (None, None) => Aim::To(given("to").ok_or("to where?")?.to_owned()),
        };
        Ok(Planned::Ask(Question::Reset {
            group: name.to_owned(),
            topic: topic.to_owned(),
            queue: given("queue").map(str::to_owned),
            to,
        }))
    }
}

fn queues(text: &str) -> Result<Option<i32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let count = text
        .parse()
        .ok()
        .filter(|count| (1..=MOST_QUEUES).contains(count));
    count
        .map(Some)
        .ok_or_else(|| format!("1 to {MOST_QUEUES} queues expected, not {text:?}"))
}

fn perm(text: &str) -> Result<Option<(&'static str, i32)>, String> {
    match text {
        "" => Ok(None),
        "r" => Ok(Some(("r", PERM_READ))),
        "w" => Ok(Some(("w", PERM_WRITE))),
        "rw" => Ok(Some(("rw", PERM_READ | PERM_WRITE))),
        other => Err(format!("r, w or rw expected, not {other:?}")),
    }
}

/// As a shell takes it for one word.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn planned(
        action: Action,
        fields: &[(&str, &str)],
        snapshot: &Snapshot,
    ) -> Result<Plan, String> {
        let mut form = Form::new(action, snapshot);
        for (name, text) in fields {
            let field = form
                .fields
                .iter_mut()
                .find(|field| field.name == *name)
                .unwrap();
            field.text = (*text).to_owned();
        }
        match form.plan(snapshot)? {
            Planned::Plan(plan) => Ok(plan),
            Planned::Ask(question) => Err(format!("{question:?}")),
        }
    }

    #[test]
    fn plans_and_refusals() {
        let broker = || Master {
            name: "broker-a".to_owned(),
            address: "127.0.0.1:10911".to_owned(),
        };
        let topic = || "orders".to_owned();
        for (action, fields, expected) in [
            (
                Action::CreateTopic,
                &[("name", "new"), ("perm", "r")][..],
                Ok("mq topic create new --queues 8 --perm r"),
            ),
            (
                Action::CreateTopic,
                &[("name", "orders")],
                Err("topic orders exists"),
            ),
            (
                Action::CreateTopic,
                &[("name", "new"), ("queues", "0")],
                Err("1 to 65535 queues expected, not \"0\""),
            ),
            (
                Action::CreateTopic,
                &[("name", "new"), ("perm", "x")],
                Err("r, w or rw expected, not \"x\""),
            ),
            (
                Action::ChangeTopic(topic()),
                &[("queues", "16")],
                Ok("mq topic update orders --queues 16"),
            ),
            (
                Action::ChangeTopic(topic()),
                &[],
                Err("nothing would change"),
            ),
            (
                Action::DeleteTopic(topic()),
                &[],
                Ok("mq topic delete orders --yes"),
            ),
            (
                Action::SendMessage(topic()),
                &[("body", "it's"), ("key", "k1")],
                Ok(r"mq send orders 'it'\''s' --keys k1"),
            ),
            (
                Action::SendMessage(topic()),
                &[("body", " ")],
                Err("a message needs a body"),
            ),
            (
                Action::CreateGroup,
                &[("name", "g1")],
                Ok("mq group create g1"),
            ),
            (
                Action::DeleteGroup("billing".to_owned()),
                &[],
                Ok("mq group delete billing --yes"),
            ),
            (
                Action::ChangeGroup("billing".to_owned()),
                &[("tries", "3"), ("consume", "false")],
                Ok("mq group update billing --retry-max-times 3 --consume false"),
            ),
            (
                Action::ChangeGroup("billing".to_owned()),
                &[("tries", "-1")],
                Err("a number is needed, not \"-1\""),
            ),
            (
                Action::ResetOffsets("billing".to_owned(), None),
                &[("topic", "nosuch")],
                Err("there is no topic \"nosuch\""),
            ),
            (
                Action::ResetOffsets("billing".to_owned(), None),
                &[("shift", "1"), ("like", "mailer")],
                Err("either shift or like, not both"),
            ),
            (
                Action::ResetOffsets("billing".to_owned(), None),
                &[("like", "nosuch")],
                Err("there is no group nosuch"),
            ),
            (
                Action::ResendDeadLetters("billing".to_owned(), None),
                &[("resends", "x")],
                Err("a number is needed, not \"x\""),
            ),
            (
                Action::SetConfig(broker()),
                &[("key", "fileReservedTime"), ("value", "24")],
                Ok("mq broker config set 'fileReservedTime=24' --broker broker-a --yes"),
            ),
            (
                Action::SetConfig(broker()),
                &[("key", "a=b")],
                Err("a key as in broker.conf is needed"),
            ),
            (
                Action::WipeWritePerm(broker()),
                &[],
                Ok("mq broker drain broker-a --no-wait --yes"),
            ),
        ] {
            let plan = planned(action.clone(), fields, &samples::healthy());
            let command = plan
                .as_ref()
                .map(|plan| plan.command.as_str())
                .map_err(String::as_str);
            assert_eq!(command, expected, "{action:?} {fields:?}");
        }
    }

    #[test]
    fn what_a_reset_and_a_resend_ask_the_brokers() {
        let question = |action: Action, fields: &[(&str, &str)]| {
            let snapshot = samples::healthy();
            let mut form = Form::new(action, &snapshot);
            for (name, text) in fields {
                let mut all = form.fields.iter_mut();
                all.find(|field| field.name == *name).unwrap().text = (*text).to_owned();
            }
            match form.plan(&snapshot) {
                Ok(Planned::Ask(question)) => question,
                other => panic!("{other:?}"),
            }
        };
        let reset = |queue: Option<&str>, to| Question::Reset {
            group: "billing".to_owned(),
            topic: "orders".to_owned(),
            queue: queue.map(str::to_owned),
            to,
        };
        let group = || "billing".to_owned();
        let queue = ("orders".to_owned(), "broker-a".to_owned(), 3);
        assert_eq!(
            question(Action::ResetOffsets(group(), None), &[("to", "-2h")]),
            reset(None, Aim::To("-2h".to_owned()))
        );
        assert_eq!(
            question(Action::ResetOffsets(group(), Some(queue)), &[]),
            reset(Some("broker-a:3"), Aim::Shift(1))
        );
        let resend = question(Action::ResendDeadLetters(group(), None), &[]);
        assert_eq!(
            resend,
            Question::Resend {
                group: group(),
                id: None,
                max_resends: 1
            }
        );
    }
}
