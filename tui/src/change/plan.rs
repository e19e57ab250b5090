//! What a filled-in form leads to: a plan, or the question that a plan has to wait for.

use client::admin::Broker;
use client::message::MessageExt;
use client::names::{check_group, check_topic};
use client::reset::Part;
use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE};

use super::{Action, Form, Master};
use crate::figures::short;
use crate::snapshot::Snapshot;

const MOST_QUEUES: i32 = 65_535;

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
        masters: Vec<Broker>,
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

/// The masters that are known: topics and groups are changed on all of them.
struct Masters {
    names: String,
    addresses: Vec<String>,
}

impl Masters {
    fn of(snapshot: &Snapshot) -> Result<Self, String> {
        let masters = snapshot.brokers.iter().filter(|broker| broker.id == 0);
        let (names, addresses): (Vec<&str>, Vec<String>) = masters
            .map(|master| (master.name.as_str(), master.address.clone()))
            .unzip();
        if addresses.is_empty() {
            return Err("no master is registered".to_owned());
        }
        Ok(Self {
            names: names.join(", "),
            addresses,
        })
    }
}

impl Plan {
    fn new(lines: Vec<String>, command: String, change: Change) -> Self {
        Self {
            lines,
            command,
            word: None,
            change,
        }
    }

    /// It destroys something: `word` has to be typed.
    fn after(self, word: &str) -> Self {
        Self {
            word: Some(word.to_owned()),
            ..self
        }
    }
}

impl Form {
    /// Works out what would be done, or what is missing for that.
    pub(crate) fn plan(&self, snapshot: &Snapshot) -> Result<Planned, String> {
        let masters = Masters::of(snapshot)?;
        let plan = match &self.action {
            Action::CreateTopic => self.create_topic(snapshot, masters)?,
            Action::ChangeTopic(topic) => self.change_topic(topic, masters)?,
            Action::DeleteTopic(topic) => delete_topic(snapshot, topic, masters),
            Action::SendMessage(topic) => self.send(topic)?,
            Action::CreateGroup => self.create_group(snapshot, masters)?,
            Action::ChangeGroup(group) => self.change_group(group, masters)?,
            Action::DeleteGroup(group) => delete_group(snapshot, group, masters),
            Action::ResetOffsets(group, _) => {
                return self.reset(snapshot, group).map(Planned::Ask);
            }
            Action::ResendDeadLetters(group, _) => return self.resend(group).map(Planned::Ask),
            Action::SetConfig(broker) => self.set_config(broker)?,
            Action::WipeWritePerm(broker) => wipe_write_perm(broker),
            Action::RestoreWritePerm(broker) => restore_write_perm(broker),
        };
        Ok(Planned::Plan(plan))
    }

    /// What was typed, if anything was.
    fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    fn create_topic(&self, snapshot: &Snapshot, masters: Masters) -> Result<Plan, String> {
        let topic = self.text("name").to_owned();
        check_topic(&topic).map_err(|error| error.to_string())?;
        if snapshot.topic(&topic).is_some() {
            return Err(format!("topic {topic} exists"));
        }
        let queues = queues(self.text("queues"))?.ok_or("how many queues?")?;
        let (word, perm) = perm(self.text("perm"))?.ok_or("which permission?")?;
        let names = masters.names;
        Ok(Plan::new(
            vec![format!(
                "create topic {topic} on {names}: {queues} queues each, {word}"
            )],
            format!("mq topic create {topic} --queues {queues} --perm {word}"),
            Change::CreateTopic {
                topic,
                queues,
                perm,
                brokers: masters.addresses,
            },
        ))
    }

    fn change_topic(&self, topic: &str, masters: Masters) -> Result<Plan, String> {
        let queues = queues(self.text("queues"))?;
        let perm = perm(self.text("perm"))?;
        let names = masters.names;
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
        let change = Change::UpdateTopic {
            topic: topic.to_owned(),
            queues,
            perm: perm.map(|(_, bits)| bits),
            brokers: masters.addresses,
        };
        Ok(Plan::new(lines, command, change))
    }

    fn send(&self, topic: &str) -> Result<Plan, String> {
        let body = self.text("body").to_owned();
        if body.is_empty() {
            return Err("a message needs a body".to_owned());
        }
        let (tag, key) = (self.given("tag"), self.given("key"));
        let mut command = format!("mq send {topic} {}", quoted(&body));
        for (flag, value) in [("--tag", tag), ("--keys", key)] {
            if let Some(value) = value {
                command.push_str(&format!(" {flag} {}", quoted(value)));
            }
        }
        Ok(Plan::new(
            vec![format!("send a message of {} bytes to {topic}", body.len())],
            command,
            Change::Send {
                topic: topic.to_owned(),
                tag: tag.map(str::to_owned),
                key: key.map(str::to_owned),
                body,
            },
        ))
    }

    fn create_group(&self, snapshot: &Snapshot, masters: Masters) -> Result<Plan, String> {
        let group = self.text("name").to_owned();
        check_group(&group).map_err(|error| error.to_string())?;
        if snapshot.group(&group).is_some() {
            return Err(format!("group {group} exists"));
        }
        Ok(Plan::new(
            vec![format!("create group {group} on {}", masters.names)],
            format!("mq group create {group}"),
            Change::CreateGroup {
                group,
                brokers: masters.addresses,
            },
        ))
    }

    fn change_group(&self, group: &str, masters: Masters) -> Result<Plan, String> {
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
        let names = masters.names;
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
        let change = Change::UpdateGroup {
            group: group.to_owned(),
            tries,
            consume,
            brokers: masters.addresses,
        };
        Ok(Plan::new(lines, command, change))
    }

    fn reset(&self, snapshot: &Snapshot, group: &str) -> Result<Question, String> {
        let topic = self.text("topic");
        if snapshot.topic(topic).is_none() {
            return Err(format!("there is no topic {topic:?}"));
        }
        let to = match (self.given("shift"), self.given("like")) {
            (Some(_), Some(_)) => return Err("either shift or like, not both".to_owned()),
            (Some(shift), None) => {
                let shift = shift.trim_start_matches('+').parse();
                Aim::Shift(shift.map_err(|_| "shift by how many messages?".to_owned())?)
            }
            (None, Some(like)) if snapshot.group(like).is_none() => {
                return Err(format!("there is no group {like}"));
            }
            (None, Some(like)) => Aim::Like(like.to_owned()),
            (None, None) => Aim::To(self.given("to").ok_or("to where?")?.to_owned()),
        };
        Ok(Question::Reset {
            group: group.to_owned(),
            topic: topic.to_owned(),
            queue: self.given("queue").map(str::to_owned),
            to,
        })
    }

    fn resend(&self, group: &str) -> Result<Question, String> {
        let resends = self.text("resends");
        let max_resends = resends
            .parse()
            .map_err(|_| format!("a number is needed, not {resends:?}"))?;
        Ok(Question::Resend {
            group: group.to_owned(),
            id: self.given("id").map(str::to_owned),
            max_resends,
        })
    }

    fn set_config(&self, broker: &Master) -> Result<Plan, String> {
        let (key, value) = (self.text("key").to_owned(), self.text("value").to_owned());
        if key.is_empty() || key.contains(['=', ':', ' ']) {
            return Err("a key as in broker.conf is needed".to_owned());
        }
        Ok(Plan::new(
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
        ))
    }
}

fn delete_topic(snapshot: &Snapshot, topic: &str, masters: Masters) -> Plan {
    let messages = snapshot
        .topic(topic)
        .map_or_else(|| Err(String::new()), |topic| topic.messages());
    let messages = messages.map_or_else(|_| "an unknown number of".to_owned(), short);
    let names = masters.names;
    Plan::new(
        vec![format!(
            "delete topic {topic} with {messages} messages from {names} and all name servers"
        )],
        format!("mq topic delete {topic} --yes"),
        Change::DeleteTopic {
            topic: topic.to_owned(),
            brokers: masters.addresses,
        },
    )
    .after(topic)
}

fn delete_group(snapshot: &Snapshot, group: &str, masters: Masters) -> Plan {
    let names = masters.names;
    let mut lines = vec![format!(
        "delete group {group}, all its offsets and its retry topic from {names}"
    )];
    let known = snapshot.group(group);
    let members = known.and_then(|known| known.member_count()).unwrap_or(0);
    if members > 0 {
        lines.push(format!(
            "members connected: {members}; they will create it again"
        ));
    }
    Plan::new(
        lines,
        format!("mq group delete {group} --yes"),
        Change::DeleteGroup {
            group: group.to_owned(),
            brokers: masters.addresses,
        },
    )
    .after(group)
}

fn wipe_write_perm(broker: &Master) -> Plan {
    let name = &broker.name;
    Plan::new(
        vec![
            format!("take the write permission from all topics of {name} in the routes"),
            "producers go to other brokers; consumers read on".to_owned(),
        ],
        format!("mq broker drain {name} --no-wait --yes"),
        Change::WipeWritePerm {
            broker: name.clone(),
        },
    )
    .after(name)
}

fn restore_write_perm(broker: &Master) -> Plan {
    let name = &broker.name;
    Plan::new(
        vec![format!(
            "{name} takes messages again, and registers its topics as they are"
        )],
        format!("mq broker drain {name} --undo"),
        Change::RestoreWritePerm {
            broker: broker.address.clone(),
        },
    )
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
