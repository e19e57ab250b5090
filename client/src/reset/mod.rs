//! Where a consumer group would go on after a reset of its offsets, and by what means its brokers can
//! bring that about.
//!
//! What is worked out here is pure; `group` asks the brokers for what it needs. Whoever resets (`mq group reset`,
//! `mq group clone`, the dashboard) shows the plan first, and carries out just this.

mod group;

pub use group::{NoPlan, Outcomes, Part, Plan, Reset, Topics};

use remoting::protocol::body::queue_map::MessageQueue;
use thiserror::Error;

use crate::admin::Runtime;
use crate::time;

/// Where a group is to go on. Offsets count messages of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// At the oldest message that is still there.
    Earliest,
    /// Behind the newest message.
    Latest,
    /// At the first message stored from this time on, in milliseconds since the epoch.
    Time(i64),
    /// At this offset of each queue.
    Offset(i64),
    /// By so many messages further on, or back.
    Shift(i64),
    /// Where another group is.
    OtherGroup,
}

impl Target {
    /// `earliest`, `latest`, or a time.
    ///
    /// # Errors
    /// What is expected in its place, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "earliest" | "first" => Ok(Self::Earliest),
            "latest" | "last" => Ok(Self::Latest),
            time => time::parse_now(time)
                .map(|time| Self::Time(time.epoch_ms()))
                .map_err(|e| format!("neither earliest nor latest, and {e}")),
        }
    }
}

/// A queue and where its reader stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub queue: MessageQueue,
    /// Offset of the oldest message that is still there.
    pub min: i64,
    /// Offset that the next message will have.
    pub max: i64,
    /// Where the group goes on; `None` if it has never said.
    pub consumer: Option<i64>,
    /// For [`Target::Time`] what the broker finds, for [`Target::OtherGroup`] where that group is.
    pub found: Option<i64>,
}

/// What a reset does to one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub queue: MessageQueue,
    pub min: i64,
    pub max: i64,
    pub from: Option<i64>,
    pub to: i64,
}

/// Why a queue stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Stays {
    #[error("the group has no offset to shift from")]
    NoOffset,
    #[error("the other group has no offset")]
    NoOtherOffset,
}

impl Move {
    /// Where `target` is in a queue: never outside of what it has.
    ///
    /// # Errors
    /// [`Stays`] if there is nowhere to go.
    pub fn plan(position: &Position, target: Target) -> Result<Self, Stays> {
        let &Position {
            min, max, consumer, ..
        } = position;
        let to = match target {
            Target::Earliest => min,
            Target::Latest => max,
            Target::Offset(offset) => offset,
            Target::Shift(by) => consumer.ok_or(Stays::NoOffset)?.saturating_add(by),
            Target::Time(_) => position.found.unwrap_or(max),
            Target::OtherGroup => position.found.ok_or(Stays::NoOtherOffset)?,
        };
        Ok(Self {
            queue: position.queue.clone(),
            min,
            max,
            from: consumer,
            to: to.clamp(min, max.max(min)),
        })
    }

    /// Whether the group would go on elsewhere than it is.
    pub fn changes(&self) -> bool {
        self.from != Some(self.to)
    }

    /// Messages that the group will never see. Those that are deleted already do not count.
    pub fn skipped(&self) -> Option<i64> {
        Some((self.to - self.from?.max(self.min)).max(0))
    }

    /// Messages that the group will see again.
    pub fn again(&self) -> Option<i64> {
        Some((self.from?.min(self.max) - self.to).max(0))
    }

    /// Whether an offset seen later shows that the group has gone where it was told: it may have read
    /// on since.
    pub fn is_done_at(&self, offset: i64) -> bool {
        match self.from {
            Some(from) if self.to < from => (self.to..from).contains(&offset),
            _ => offset >= self.to,
        }
    }
}

/// What a broker can do about offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ability {
    /// It moves a group on its own, members or not: 5.x.
    pub on_its_own: bool,
    /// It tells members any offset: ours. Others tell times only.
    pub tells_offsets: bool,
}

impl Ability {
    /// By what a broker says of itself, and by its setting `useServerSideResetOffset`.
    pub fn of(runtime: &Runtime, server_side_reset: Option<&str>) -> Self {
        let is_ours = runtime.table.contains_key("storeDiskFull");
        Self {
            on_its_own: !is_ours && server_side_reset.is_some_and(|value| value == "true"),
            tells_offsets: is_ours,
        }
    }
}

/// How offsets are moved on one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// They are committed, as the group itself would: nobody is there to commit over it.
    Commit,
    /// The broker resets each queue on its own.
    OnItsOwn,
    /// The broker tells the members, who go there.
    TellOffsets,
    /// The same, by a time in milliseconds since the epoch; −1 is the latest. The broker looks the
    /// offsets up itself, for all queues of the topic.
    TellTime(i64),
}

/// Why a broker cannot move a group as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{members} members are connected, and this broker ({version}) can send them to a time only, in all queues of a \
     topic; stop them, or reset to earliest, latest or a time"
)]
pub struct MembersInTheWay {
    pub members: usize,
    pub version: String,
}

impl Means {
    /// `some_queues`: not all queues of the topic are meant.
    ///
    /// # Errors
    /// [`MembersInTheWay`].
    pub fn choose(
        ability: Ability,
        version: &str,
        members: usize,
        target: Target,
        some_queues: bool,
    ) -> Result<Self, MembersInTheWay> {
        if ability.on_its_own {
            return Ok(Self::OnItsOwn);
        }
        if members == 0 {
            return Ok(Self::Commit);
        }
        if ability.tells_offsets {
            return Ok(Self::TellOffsets);
        }
        match target {
            Target::Latest if !some_queues => Ok(Self::TellTime(-1)),
            Target::Earliest if !some_queues => Ok(Self::TellTime(0)),
            Target::Time(time) if !some_queues => Ok(Self::TellTime(time)),
            _ => Err(MembersInTheWay {
                members,
                version: version.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(min: i64, max: i64, consumer: Option<i64>, found: Option<i64>) -> Position {
        Position {
            queue: MessageQueue::default(),
            min,
            max,
            consumer,
            found,
        }
    }

    #[test]
    fn targets() {
        for (text, expected) in [
            ("earliest", Some(Target::Earliest)),
            ("latest", Some(Target::Latest)),
            ("1769860800123", Some(Target::Time(1_769_860_800_123))),
            ("soon", None),
        ] {
            assert_eq!(Target::parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn where_a_queue_goes_and_what_that_costs() {
        use Target::{Earliest, Latest, Offset, OtherGroup, Shift, Time};
        // (min, max, consumer, found), target → to, skipped, again
        for (queue, target, to, skipped, again) in [
            ((10, 100, Some(40), None), Earliest, 10, Some(0), Some(30)),
            ((10, 100, Some(40), None), Latest, 100, Some(60), Some(0)),
            ((10, 100, None, None), Latest, 100, None, None),
            ((10, 100, Some(40), None), Offset(50), 50, Some(10), Some(0)),
            ((10, 100, Some(40), None), Offset(0), 10, Some(0), Some(30)),
            (
                (10, 100, Some(40), None),
                Offset(i64::MAX),
                100,
                Some(60),
                Some(0),
            ),
            ((10, 100, Some(40), None), Shift(-5), 35, Some(0), Some(5)),
            (
                (10, 100, Some(40), None),
                Shift(-500),
                10,
                Some(0),
                Some(30),
            ),
            (
                (10, 100, Some(40), None),
                Shift(i64::MAX),
                100,
                Some(60),
                Some(0),
            ),
            // What retention has deleted is neither skipped nor read again.
            ((10, 100, Some(4), None), Latest, 100, Some(90), Some(0)),
            // Offsets beyond the end are left over from a topic that was deleted.
            ((0, 5, Some(40), None), Earliest, 0, Some(0), Some(5)),
            (
                (10, 100, Some(40), Some(70)),
                Time(1),
                70,
                Some(30),
                Some(0),
            ),
            ((10, 100, Some(40), None), Time(1), 100, Some(60), Some(0)),
            (
                (10, 100, Some(40), Some(7)),
                OtherGroup,
                10,
                Some(0),
                Some(30),
            ),
            ((0, 0, Some(0), None), Latest, 0, Some(0), Some(0)),
        ] {
            let (min, max, consumer, found) = queue;
            let planned = Move::plan(&position(min, max, consumer, found), target).unwrap();
            let outcome = (planned.to, planned.skipped(), planned.again());
            assert_eq!(outcome, (to, skipped, again), "{queue:?} {target:?}");
            assert_eq!(
                planned.changes(),
                consumer != Some(to),
                "{queue:?} {target:?}"
            );
        }
        let nowhere = |target| Move::plan(&position(0, 9, None, None), target);
        assert_eq!(nowhere(Shift(1)), Err(Stays::NoOffset));
        assert_eq!(nowhere(OtherGroup), Err(Stays::NoOtherOffset));
    }

    #[test]
    fn a_group_that_has_read_on_has_arrived() {
        let moved =
            |from, to| Move::plan(&position(0, 100, from, None), Target::Offset(to)).unwrap();
        for (planned, offset, done) in [
            (moved(Some(40), 10), 40, false),
            (moved(Some(40), 10), 10, true),
            (moved(Some(40), 10), 12, true),
            (moved(Some(40), 60), 45, false),
            (moved(Some(40), 60), 61, true),
            (moved(None, 60), 60, true),
        ] {
            assert_eq!(planned.is_done_at(offset), done, "{planned:?} {offset}");
        }
    }

    #[test]
    fn means_depend_on_broker_and_members() {
        let apache_4 = Ability::default();
        let ours = Ability {
            tells_offsets: true,
            ..Ability::default()
        };
        let apache_5 = Ability {
            on_its_own: true,
            ..Ability::default()
        };
        let exact = Target::Shift(-1);
        for (ability, members, target, some_queues, expected) in [
            (apache_4, 0, exact, true, Some(Means::Commit)),
            (
                apache_4,
                2,
                Target::Latest,
                false,
                Some(Means::TellTime(-1)),
            ),
            (
                apache_4,
                2,
                Target::Earliest,
                false,
                Some(Means::TellTime(0)),
            ),
            (
                apache_4,
                2,
                Target::Time(7),
                false,
                Some(Means::TellTime(7)),
            ),
            (apache_4, 2, Target::Latest, true, None),
            (apache_4, 2, exact, false, None),
            (apache_4, 2, Target::OtherGroup, false, None),
            (ours, 0, exact, true, Some(Means::Commit)),
            (ours, 2, exact, true, Some(Means::TellOffsets)),
            (apache_5, 0, Target::Latest, false, Some(Means::OnItsOwn)),
            (apache_5, 2, exact, true, Some(Means::OnItsOwn)),
        ] {
            let means = Means::choose(ability, "V4_9_8", members, target, some_queues);
            assert_eq!(means.ok(), expected, "{ability:?} {members} {target:?}");
        }
    }

    #[test]
    fn brokers_are_told_apart() {
        let runtime = |keys: &[&str]| {
            Runtime::read(
                keys.iter()
                    .map(|key| ((*key).to_owned(), "false".to_owned()))
                    .collect(),
            )
        };
        let ours = Ability::of(&runtime(&["storeDiskFull"]), None);
        assert!(ours.tells_offsets && !ours.on_its_own);
        assert!(Ability::of(&runtime(&[]), Some("true")).on_its_own);
        for setting in [None, Some("false")] {
            assert_eq!(Ability::of(&runtime(&[]), setting), Ability::default());
        }
    }
}
