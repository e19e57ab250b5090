//! What the user can change: filled in as a form, shown as a plan, confirmed, and only then carried out.
//!
//! Pure: a plan is worked out of what is known, and is a value, so what was shown is what is done.

use client::names::{check_group, check_topic};
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE};

use crate::app::{App, Page};
use crate::findings::DLQ_PREFIX;
use crate::sheet::short;
use crate::snapshot::{Broker, Snapshot};

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
    DeleteGroup(String),
    ResetOffsets(String),
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
            Self::DeleteGroup(group) => format!("delete group {group} with its offsets"),
            Self::ResetOffsets(group) => format!("reset offsets of group {group}"),
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
            Self::ResetOffsets(group) => {
                let queues = snapshot
                    .group(group)
                    .and_then(|group| group.queues.as_ref().ok());
                let topic = queues.and_then(|queues| {
                    queues
                        .iter()
                        .find(|queue| !queue.topic.starts_with("%RETRY%"))
                });
                vec![
                    field("topic", "of which", topic.map_or("", |queue| &queue.topic)),
                    field("to", "latest or earliest", "latest"),
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
    /// The plan to be confirmed, with what was typed for that.
    pub(crate) plan: Option<(Plan, String)>,
}

/// What will be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) lines: Vec<String>,
    /// The command line that does the same: of `mq`, else of Apache's tools.
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
    /// Of a group with members: they are told, by each broker.
    ResetMembers {
        group: String,
        topic: String,
        to_latest: bool,
        brokers: Vec<String>,
    },
    /// Of a group without members.
    PutOffsets {
        group: String,
        offsets: Vec<(String, MessageQueue, i64)>,
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
                vec![Action::DeleteTopic(name.clone())]
            }
            Page::Topic(name) => vec![
                Action::SendMessage(name.clone()),
                Action::ChangeTopic(name.clone()),
                Action::DeleteTopic(name.clone()),
            ],
            Page::Group(name) => vec![
                Action::ResetOffsets(name.clone()),
                Action::DeleteGroup(name.clone()),
            ],
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
            plan: None,
        }
    }

    fn text(&self, name: &str) -> &str {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .map_or("", |field| field.text.trim())
    }

    /// Works out what would be done, or what is missing for that.
    pub(crate) fn plan(&self, snapshot: &Snapshot) -> Result<Plan, String> {
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
            Ok(Plan {
                lines,
                command,
                word: None,
                change,
            })
        };
        let destroys = |word: &str, lines: Vec<String>, command: String, change| {
            Ok(Plan {
                lines,
                command,
                word: Some(word.to_owned()),
                change,
            })
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
                        "{members} members are connected: they will create it again"
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
            Action::ResetOffsets(group) => self.reset(snapshot, group, &masters),
            Action::SetConfig(broker) => {
                let (key, value) = (self.text("key").to_owned(), self.text("value").to_owned());
                if key.is_empty() || key.contains(['=', ':', ' ']) {
                    return Err("a key as in broker.conf is needed".to_owned());
                }
                plan(
                    vec![format!("set {key}={value} on {}", broker.name)],
                    format!(
                        "mqadmin updateBrokerConfig -b {} -k {key} -v {}",
                        broker.address,
                        quoted(&value)
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
                format!("mqadmin wipeWritePerm -b {}", broker.name),
                Change::WipeWritePerm {
                    broker: broker.name.clone(),
                },
            ),
            Action::RestoreWritePerm(broker) => plan(
                vec![format!(
                    "give all topics of {} their write permission back in the routes",
                    broker.name
                )],
                format!("mqadmin addWritePerm -b {}", broker.name),
                Change::RestoreWritePerm {
                    broker: broker.name.clone(),
                },
            ),
        }
    }

    /// Where each queue of a group would go.
    fn reset(&self, snapshot: &Snapshot, name: &str, masters: &[Master]) -> Result<Plan, String> {
        let group = snapshot
            .group(name)
            .ok_or_else(|| format!("there is no group {name}"))?;
        let members = group
            .members
            .as_ref()
            .map_err(|reason| format!("its members are unknown: {reason}"))?;
        let topic_name = self.text("topic");
        let topic = snapshot
            .topic(topic_name)
            .ok_or_else(|| format!("there is no topic {topic_name:?}"))?;
        if topic.incomplete {
            return Err(format!("a broker of {topic_name} does not answer"));
        }
        let to_latest = match self.text("to") {
            "latest" => true,
            "earliest" => false,
            other => return Err(format!("latest or earliest expected, not {other:?}")),
        };
        let present = group.queues.clone()?;
        let mut lines = Vec::new();
        let mut offsets = Vec::new();
        for queue in topic.queues.clone()? {
            let own = |candidate: &&crate::snapshot::GroupQueue| {
                candidate.topic == topic_name
                    && candidate.broker == queue.broker
                    && candidate.id == queue.id
            };
            let from = present.iter().find(own).map(|queue| queue.offset);
            let to = if to_latest { queue.max } else { queue.min };
            let moved = match from.map(|from| to - from) {
                None => "no offset yet".to_owned(),
                Some(0) => "as it is".to_owned(),
                Some(skipped @ 1..) => format!("skips {}", short(skipped)),
                Some(again) => format!("{} again", short(-again)),
            };
            let from = from.map_or("-".to_owned(), |from| from.to_string());
            lines.push(format!(
                "{}/{}: {from} → {to}, {moved}",
                queue.broker, queue.id
            ));
            let master = masters.iter().find(|master| master.name == queue.broker);
            let master = master.ok_or_else(|| format!("{} has no master", queue.broker))?;
            let queue = MessageQueue {
                broker_name: queue.broker,
                queue_id: queue.id,
                topic: topic_name.to_owned(),
            };
            offsets.push((master.address.clone(), queue, to));
        }
        let change = if members.is_empty() {
            lines.push("nobody is connected: the offsets are set on the brokers".to_owned());
            Change::PutOffsets {
                group: name.to_owned(),
                offsets,
            }
        } else {
            lines.push(format!("{} members are told to go on there", members.len()));
            Change::ResetMembers {
                group: name.to_owned(),
                topic: topic_name.to_owned(),
                to_latest,
                brokers: masters
                    .iter()
                    .map(|master| master.address.clone())
                    .collect(),
            }
        };
        let command = format!(
            "mq group reset {name} --topic {topic_name} --to {} --yes",
            if to_latest { "latest" } else { "earliest" }
        );
        Ok(Plan {
            lines,
            command,
            word: Some(name.to_owned()),
            change,
        })
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
fn quoted(text: &str) -> String {
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
        form.plan(snapshot)
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
                Action::ResetOffsets("billing".to_owned()),
                &[],
                Ok("mq group reset billing --topic orders --to latest --yes"),
            ),
            (
                Action::ResetOffsets("billing".to_owned()),
                &[("to", "noon")],
                Err("latest or earliest expected, not \"noon\""),
            ),
            (
                Action::SetConfig(broker()),
                &[("key", "fileReservedTime"), ("value", "24")],
                Ok("mqadmin updateBrokerConfig -b 127.0.0.1:10911 -k fileReservedTime -v 24"),
            ),
            (
                Action::SetConfig(broker()),
                &[("key", "a=b")],
                Err("a key as in broker.conf is needed"),
            ),
            (
                Action::WipeWritePerm(broker()),
                &[],
                Ok("mqadmin wipeWritePerm -b broker-a"),
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
    fn a_reset_shows_each_queue_and_depends_on_members() {
        let reset = || Action::ResetOffsets("billing".to_owned());
        let mut snapshot = samples::healthy();
        let plan = planned(reset(), &[], &snapshot).unwrap();
        assert_eq!(plan.lines[0], "broker-a/0: 152828 → 154328, skips 1500");
        assert_eq!(plan.lines[8], "2 members are told to go on there");
        assert_eq!(plan.word.as_deref(), Some("billing"));
        assert!(matches!(
            plan.change,
            Change::ResetMembers {
                to_latest: true,
                ..
            }
        ));

        samples::group(&mut snapshot, "billing").members = Ok(Vec::new());
        let plan = planned(reset(), &[("to", "earliest")], &snapshot).unwrap();
        assert_eq!(plan.lines[7], "broker-b/3: 152828 → 7, 152821 again");
        let Change::PutOffsets { offsets, .. } = plan.change else {
            panic!("{:?}", plan.change)
        };
        assert_eq!(
            (offsets.len(), offsets[7].0.as_str(), offsets[7].2),
            (8, "127.0.0.1:10921", 7)
        );

        assert_eq!(
            planned(reset(), &[], &samples::failing()).unwrap_err(),
            "a broker of orders does not answer"
        );
    }
}
