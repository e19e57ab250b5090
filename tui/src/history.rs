//! What was seen since the dashboard started: rates, trends, and since when a queue stands still.
//!
//! A round in which a broker was missing adds nothing to the sums of what lies on it: a difference with it says nothing. What
//! the others told is kept apart, so that figures of now are shown in place of those from before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use client::verdict::{Facts, Sample, Verdict};

use crate::snapshot::{Broker, Group, GroupQueue, Runtime, Snapshot, Topic, TopicQueue};

/// Rounds kept: five minutes at two seconds each.
const ROUNDS: usize = 150;

/// A counter or a gauge over time, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series(Vec<(i64, f64)>);

impl Series {
    fn push(&mut self, at_ms: i64, value: f64) {
        if self.0.last().is_some_and(|(last, _)| *last >= at_ms) {
            return;
        }
        if self.0.len() == ROUNDS {
            self.0.remove(0);
        }
        self.0.push((at_ms, value));
    }

    pub(crate) fn values(&self) -> Vec<f64> {
        self.0.iter().map(|(_, value)| *value).collect()
    }

    /// By how much a counter grew per second between neighbours.
    pub(crate) fn rates(&self) -> Vec<f64> {
        self.0
            .windows(2)
            .map(|pair| rate(pair[0], pair[1]))
            .collect()
    }

    /// The latest rate of a counter.
    pub(crate) fn rate(&self) -> Option<f64> {
        let (earlier, last) = (self.0.iter().rev().nth(1)?, self.0.last()?);
        Some(rate(*earlier, *last))
    }
}

/// Counters that go back (a deleted topic made again) count as standing still.
fn rate((from_ms, from): (i64, f64), (to_ms, to): (i64, f64)) -> f64 {
    (to - from).max(0.0) * 1000.0 / (to_ms - from_ms).max(1) as f64
}

/// A queue of a topic: broker and id.
type QueueKey = (String, i32);
/// A queue of a group: topic, broker and id.
type GroupQueueKey = (String, String, i32);

/// Where a queue's reader or end stands, and since when.
#[derive(Debug, Clone, Copy)]
struct Mark {
    offset: i64,
    seen_ms: i64,
    since_ms: i64,
    per_second: Option<f64>,
}

impl Mark {
    fn advance(before: Option<&Self>, offset: i64, at_ms: i64, waiting: bool) -> Self {
        let Some(before) = before else {
            return Self {
                offset,
                seen_ms: at_ms,
                since_ms: at_ms,
                per_second: None,
            };
        };
        if at_ms <= before.seen_ms {
            return *before;
        }
        let moved = offset != before.offset;
        Self {
            offset,
            seen_ms: at_ms,
            // Nothing to do is not standing still.
            since_ms: if moved || !waiting {
                at_ms
            } else {
                before.since_ms
            },
            per_second: Some(rate(
                (before.seen_ms, before.offset as f64),
                (at_ms, offset as f64),
            )),
        }
    }
}

/// Where a group stood over time.
#[derive(Debug, Default)]
struct Standings {
    whole: Vec<Sample>,
    /// While a broker is missing: of these brokers only.
    partial: Vec<Sample>,
    brokers: BTreeSet<String>,
}

impl Standings {
    fn of(&self, group: &Group) -> &[Sample] {
        match group.incomplete {
            true => &self.partial,
            false => &self.whole,
        }
    }

    fn push(&mut self, group: &Group, queues: &[GroupQueue]) {
        let sample = Sample {
            at_ms: group.asked_ms,
            lag: queues.iter().map(GroupQueue::lag).sum(),
            consumed: queues.iter().map(|queue| queue.offset).sum(),
        };
        let samples = if group.incomplete {
            let brokers = BTreeSet::from_iter(queues.iter().map(|queue| queue.broker.clone()));
            if brokers != self.brokers {
                self.partial.clear();
                self.brokers = brokers;
            }
            &mut self.partial
        } else {
            self.partial.clear();
            &mut self.whole
        };
        if samples.last().is_none_or(|last| last.at_ms < sample.at_ms) {
            if samples.len() == ROUNDS {
                samples.remove(0);
            }
            samples.push(sample);
        }
    }
}

/// A broker by cluster, name and id.
type BrokerKey = (String, String, i64);

#[derive(Debug, Default)]
pub(crate) struct History {
    /// Messages per second into and out of all brokers.
    pub(crate) arriving: Series,
    pub(crate) leaving: Series,
    /// Messages that all groups have yet to consume.
    pub(crate) backlog: Series,
    /// Its address, and when it was last registered.
    brokers: BTreeMap<BrokerKey, (String, i64)>,
    /// By topic: the sum of its queues' ends.
    topics: HashMap<String, Series>,
    groups: HashMap<String, Standings>,
    topic_queues: HashMap<String, HashMap<QueueKey, Mark>>,
    group_queues: HashMap<String, HashMap<GroupQueueKey, Mark>>,
}

impl History {
    pub(crate) fn add(&mut self, snapshot: &Snapshot) {
        let at_ms = snapshot.taken_ms;
        let runtimes = || {
            snapshot
                .brokers
                .iter()
                .map(|broker| broker.runtime.as_ref().ok())
        };
        // Adding to zero: an empty sum of floats is negative zero.
        let sum = |of: fn(&Runtime) -> f64| {
            runtimes().try_fold(0.0, |sum, runtime| Some(sum + of(runtime?)))
        };
        if let (Some(arriving), Some(leaving)) =
            (sum(|r| r.in_per_second), sum(|r| r.out_per_second))
        {
            self.arriving.push(at_ms, arriving);
            self.leaving.push(at_ms, leaving);
        }
        let whole = snapshot.groups.iter().all(|group| !group.incomplete);
        let lags = snapshot
            .groups
            .iter()
            .map(|group| group.lag().ok())
            .sum::<Option<i64>>();
        if let Some(lag) = lags.filter(|_| whole) {
            self.backlog.push(at_ms, lag as f64);
        }
        for broker in &snapshot.brokers {
            let seen = (broker.address.clone(), at_ms);
            self.brokers.insert(key_of(broker), seen);
        }
        self.topics.retain(|name, _| snapshot.topic(name).is_some());
        self.topic_queues
            .retain(|name, _| snapshot.topic(name).is_some());
        for topic in &snapshot.topics {
            let Ok(queues) = &topic.queues else { continue };
            let marks = self.topic_queues.entry(topic.name.clone()).or_default();
            for queue in queues {
                let key = (queue.broker.clone(), queue.id);
                let mark = Mark::advance(marks.get(&key), queue.max, topic.asked_ms, true);
                marks.insert(key, mark);
            }
            marks.retain(|_, mark| mark.seen_ms >= topic.asked_ms);
            if let Some(ends) = topic.ends().filter(|_| !topic.incomplete) {
                self.topics
                    .entry(topic.name.clone())
                    .or_default()
                    .push(topic.asked_ms, ends as f64);
            }
        }
        self.groups.retain(|name, _| snapshot.group(name).is_some());
        self.group_queues
            .retain(|name, _| snapshot.group(name).is_some());
        for group in &snapshot.groups {
            self.add_group(group);
        }
    }

    fn add_group(&mut self, group: &Group) {
        let Ok(queues) = &group.queues else { return };
        let standings = self.groups.entry(group.name.clone()).or_default();
        standings.push(group, queues);
        let marks = self.group_queues.entry(group.name.clone()).or_default();
        for queue in queues {
            let key = group_key(queue);
            let waiting = queue.lag() > 0;
            let mark = Mark::advance(marks.get(&key), queue.offset, group.asked_ms, waiting);
            marks.insert(key, mark);
        }
        // Of a queue that nobody tells of, nothing is known: it may have moved.
        marks.retain(|_, mark| mark.seen_ms >= group.asked_ms);
    }

    /// Brokers that were registered before and are no more: name, address, and when they were last.
    pub(crate) fn gone<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = (&'a str, &'a str, i64)> {
        let registered = BTreeSet::from_iter(snapshot.brokers.iter().map(key_of));
        let brokers = self.brokers.iter();
        let gone = brokers.filter(move |(key, _)| !registered.contains(*key));
        gone.map(|((_, name, _), (address, seen_ms))| (name.as_str(), address.as_str(), *seen_ms))
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&Series> {
        self.topics.get(name)
    }

    /// Messages per second that arrive in a topic; while a broker is missing, on the others.
    pub(crate) fn topic_rate(&self, topic: &Topic) -> Option<f64> {
        if !topic.incomplete {
            return self.topic(&topic.name)?.rate();
        }
        let queues = topic.queues.as_ref().ok()?.iter();
        queues
            .map(|queue| self.arrival_rate(&topic.name, queue))
            .sum()
    }

    fn samples(&self, group: &Group) -> &[Sample] {
        let standings = self.groups.get(&group.name);
        standings.map_or(&[], |standings| standings.of(group))
    }

    pub(crate) fn lags(&self, group: &Group) -> Vec<f64> {
        let samples = self.samples(group).iter();
        samples.map(|sample| sample.lag as f64).collect()
    }

    /// Messages per second that a group consumes.
    pub(crate) fn consume_rate(&self, group: &Group) -> Option<f64> {
        let samples = self.samples(group);
        let (earlier, last) = (samples.iter().rev().nth(1)?, samples.last()?);
        let point = |sample: &Sample| (sample.at_ms, sample.consumed as f64);
        Some(rate(point(earlier), point(last)))
    }

    pub(crate) fn arrival_rate(&self, topic: &str, queue: &TopicQueue) -> Option<f64> {
        self.topic_queues
            .get(topic)?
            .get(&(queue.broker.clone(), queue.id))?
            .per_second
    }

    fn group_mark(&self, group: &str, queue: &GroupQueue) -> Option<&Mark> {
        self.group_queues.get(group)?.get(&group_key(queue))
    }

    pub(crate) fn queue_consume_rate(&self, group: &str, queue: &GroupQueue) -> Option<f64> {
        self.group_mark(group, queue)?.per_second
    }

    /// For how long messages have waited in a queue while its offset stood still.
    pub(crate) fn stands_still_ms(&self, group: &str, queue: &GroupQueue) -> i64 {
        self.group_mark(group, queue)
            .map_or(0, |mark| mark.seen_ms - mark.since_ms)
    }

    /// How a group is doing.
    pub(crate) fn verdict(&self, group: &Group, snapshot: &Snapshot) -> Verdict {
        let facts = Facts {
            members: group.member_count(),
            behind_ms: group.behind_ms(snapshot.taken_ms),
            retention_ms: snapshot.retention_ms(),
            lost: lost(group, snapshot),
            unread: unread(group, snapshot),
        };
        Verdict::of(self.samples(group), facts)
    }
}

fn group_key(queue: &GroupQueue) -> GroupQueueKey {
    (queue.topic.clone(), queue.broker.clone(), queue.id)
}

fn key_of(broker: &Broker) -> BrokerKey {
    (broker.cluster.clone(), broker.name.clone(), broker.id)
}

/// Messages that were deleted before the group came to them.
fn lost(group: &Group, snapshot: &Snapshot) -> i64 {
    let Ok(queues) = &group.queues else { return 0 };
    let gap = |queue: &GroupQueue| {
        // A group that never consumed has missed nothing yet: it starts where the queue starts.
        if queue.offset == 0 {
            return 0;
        }
        let Some(Ok(ends)) = snapshot.topic(&queue.topic).map(|topic| &topic.queues) else {
            return 0;
        };
        let end = ends
            .iter()
            .find(|end| end.broker == queue.broker && end.id == queue.id);
        end.map_or(0, |end| (end.min - queue.offset).max(0))
    };
    queues.iter().map(gap).sum()
}

/// Messages in subscribed topics of which the group has no offset at all.
pub(crate) fn unread(group: &Group, snapshot: &Snapshot) -> i64 {
    let Ok(queues) = &group.queues else { return 0 };
    // The offset may lie on the broker that is missing.
    if group.incomplete {
        return 0;
    }
    let wanted = group
        .subscriptions
        .iter()
        .map(|subscription| subscription.topic.as_str());
    let unread = wanted.filter(|topic| !queues.iter().any(|queue| queue.topic == **topic));
    unread
        .filter_map(|topic| snapshot.topic(topic)?.messages().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn rates_and_stillness_come_from_rounds() {
        let mut history = History::default();
        for round in 0..3 {
            history.add(&samples::at(round * 2_000, round * 500));
        }
        assert_eq!(history.topic("orders").unwrap().rate(), Some(250.0));
        let last = samples::at(4_000, 1_000);
        let billing = last.group("billing").unwrap();
        let queue = &billing.queues.as_ref().unwrap()[0];
        assert_eq!(history.stands_still_ms("billing", queue), 4_000);
        assert_eq!(history.consume_rate(billing), Some(0.0));
    }

    #[test]
    fn while_a_broker_is_missing_the_others_are_told_of_as_they_are_now() {
        let mut history = History::default();
        let mut snapshot = samples::healthy();
        for _ in 0..3 {
            history.add(&snapshot);
            snapshot = samples::later(&snapshot, 2_000);
            samples::send(&mut snapshot, "orders", 0, 500);
            samples::consume(&mut snapshot, "billing", 10);
        }
        assert_eq!(history.topic("orders").unwrap().rate(), Some(250.0));
        // Broker-b goes: nothing arrives any more, and billing stands still.
        samples::lose_broker_b(&mut snapshot);
        for _ in 0..10 {
            history.add(&snapshot);
            snapshot = samples::later(&snapshot, 2_000);
        }
        let (orders, billing) = (
            snapshot.topic("orders").unwrap(),
            snapshot.group("billing").unwrap(),
        );
        assert_eq!(history.topic_rate(orders), Some(0.0));
        assert_eq!(history.consume_rate(billing), Some(0.0));
        let verdict = history.verdict(billing, &snapshot).to_string();
        assert_eq!(verdict, "stuck for 18s");
        // What is half is not compared with what was whole.
        assert_eq!(history.lags(billing).len(), 10);
        assert_eq!(history.backlog.values().len(), 3);
        // When it is back, its queues have not stood still for as long as nobody knew of them.
        let back = samples::at(60_000, 0);
        history.add(&back);
        let billing = back.group("billing").unwrap();
        let still = |queue: &GroupQueue| history.stands_still_ms("billing", queue);
        let queues = billing.queues.as_ref().unwrap().iter();
        let longest = queues
            .filter(|queue| queue.broker == "broker-b")
            .map(still)
            .max();
        assert_eq!(longest, Some(0));
    }

    #[test]
    fn a_broker_is_gone_until_another_takes_its_place() {
        let mut history = History::default();
        let mut snapshot = samples::healthy();
        history.add(&snapshot);
        let mut broker_b = snapshot.brokers.pop().unwrap();
        history.add(&snapshot);
        let gone = Vec::from_iter(history.gone(&snapshot));
        assert_eq!(gone, [("broker-b", "127.0.0.1:10921", samples::START_MS)]);
        broker_b.address = "127.0.0.1:10931".to_owned();
        snapshot.brokers.push(broker_b);
        history.add(&snapshot);
        assert_eq!(history.gone(&snapshot).count(), 0);
    }

    #[test]
    fn the_ring_is_bounded_and_forgets_what_is_gone() {
        let mut history = History::default();
        for round in 0..400 {
            history.add(&samples::at(round * 2_000, 0));
        }
        let last = samples::healthy();
        assert_eq!(history.lags(last.group("billing").unwrap()).len(), ROUNDS);
        history.add(&Snapshot {
            taken_ms: 900_000,
            ..Snapshot::default()
        });
        assert!(
            history.topics.is_empty()
                && history.groups.is_empty()
                && history.group_queues.is_empty()
        );
    }
}
