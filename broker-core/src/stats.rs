//! How much goes through the broker: rates of the last minutes, counters by topic and group, and
//! totals by day. Names, keys and windows are Apache's. Time is handed in.
//!
//! | window | a sample every | samples kept |
//! |---|---|---|
//! | minute | 10 s | 7 |
//! | hour | 10 min | 7 |
//! | day | 1 h | 25 |
//!
//! A window's figures are the difference of its newest and its oldest sample.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use remoting::protocol::body::stats::{BrokerStatsData, BrokerStatsItem};

const SECOND_MS: i64 = 1000;
/// Windows of the rates in seconds.
const RATE_WINDOWS: [usize; 3] = [10, 60, 600];
/// Items of one kind. What comes later is not counted by topic and group.
const ITEMS_MAX: usize = 500_000;

/// Counters by topic, by `topic@group`, and of the broker as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    TopicPut,
    GroupGet,
    SendBack,
    BrokerPut,
    BrokerGet,
}

const KINDS: usize = 5;

/// What [`Stats::data`] is asked for: Apache's name, and which figure of which counter that is.
const NAMES: [(&str, Kind, Figure); 7] = [
    ("TOPIC_PUT_NUMS", Kind::TopicPut, Figure::Messages),
    ("TOPIC_PUT_SIZE", Kind::TopicPut, Figure::Bytes),
    ("GROUP_GET_NUMS", Kind::GroupGet, Figure::Messages),
    ("GROUP_GET_SIZE", Kind::GroupGet, Figure::Bytes),
    ("SNDBCK_PUT_NUMS", Kind::SendBack, Figure::Messages),
    ("BROKER_PUT_NUMS", Kind::BrokerPut, Figure::Messages),
    ("BROKER_GET_NUMS", Kind::BrokerGet, Figure::Messages),
];

#[derive(Debug, Clone, Copy)]
enum Figure {
    Messages,
    Bytes,
}

/// All figures.
#[derive(Debug)]
pub(crate) struct Stats {
    cluster: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    totals: Totals,
    /// One a second, the newest last.
    seconds: VecDeque<(i64, Totals)>,
    items: [HashMap<Box<str>, Item>; KINDS],
    windows: [Window; 3],
    day: jiff::civil::Date,
    morning: Totals,
    yesterday: Totals,
}

/// Since the start.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    put: u64,
    get_found: u64,
    get_miss: u64,
    transferred: u64,
}

/// The clock of one window, which all items share.
#[derive(Debug)]
struct Window {
    every_ms: i64,
    keep: usize,
    times: VecDeque<i64>,
}

#[derive(Debug, Default)]
struct Item {
    now: Sample,
    /// By window; an item younger than a window has fewer samples than the window has times.
    samples: [VecDeque<Sample>; 3],
}

/// What was counted: since the start, or what is to be added.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    messages: u64,
    bytes: u64,
    calls: u64,
}

impl Sample {
    /// The messages of one request.
    pub(crate) fn of(messages: u32, bytes: usize) -> Self {
        Self {
            messages: messages.into(),
            bytes: bytes as u64,
            calls: 1,
        }
    }

    pub(crate) fn add(&mut self, added: Self) {
        self.messages += added.messages;
        self.bytes += added.bytes;
        self.calls += added.calls;
    }
}

/// Messages or pulls a second over 10, 60 and 600 s, separated by blanks, as texts that tools take
/// apart. A window that is older than the broker is empty.
#[derive(Debug)]
pub(crate) struct Rates {
    pub(crate) put: String,
    pub(crate) get_found: String,
    pub(crate) get_miss: String,
    pub(crate) get_total: String,
    pub(crate) transferred: String,
}

/// Messages since the start: until now, until this midnight, until the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days {
    pub(crate) put_now: u64,
    pub(crate) put_morning: u64,
    pub(crate) put_yesterday: u64,
    pub(crate) get_now: u64,
    pub(crate) get_morning: u64,
    pub(crate) get_yesterday: u64,
}

impl Stats {
    /// For a broker of this cluster, whose name is the key of the broker's own counters.
    pub(crate) fn new(cluster: &str, now: i64) -> Self {
        let window = |every_ms, keep| Window {
            every_ms,
            keep,
            times: VecDeque::from([now]),
        };
        let state = State {
            totals: Totals::default(),
            seconds: VecDeque::new(),
            items: Default::default(),
            windows: [
                window(10 * SECOND_MS, 7),
                window(600 * SECOND_MS, 7),
                window(3600 * SECOND_MS, 25),
            ],
            day: local_day(now),
            morning: Totals::default(),
            yesterday: Totals::default(),
        };
        Self {
            cluster: cluster.to_owned(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages were stored in a topic.
    pub(crate) fn put(&self, topic: &str, added: Sample) {
        let mut state = self.state();
        state.totals.put += added.messages;
        state.add(Kind::TopicPut, topic, added);
        state.add(Kind::BrokerPut, &self.cluster, added);
    }

    /// A pull was answered with so many messages.
    pub(crate) fn pulled(&self, group: &str, topic: &str, messages: u32, bytes: usize) {
        let mut state = self.state();
        if messages == 0 {
            state.totals.get_miss += 1;
            return;
        }
        state.totals.get_found += 1;
        state.totals.transferred += u64::from(messages);
        let added = Sample::of(messages, bytes);
        state.add(Kind::GroupGet, &topic_at_group(topic, group), added);
        state.add(Kind::BrokerGet, &self.cluster, added);
    }

    /// A group sent a message of a topic back.
    pub(crate) fn sent_back(&self, group: &str, topic: &str) {
        self.state().add(
            Kind::SendBack,
            &topic_at_group(topic, group),
            Sample::of(1, 0),
        );
    }

    /// Takes the samples that are due. To be called every second.
    pub(crate) fn tick(&self, now: i64) {
        let mut state = self.state();
        let state = &mut *state;
        state.seconds.push_back((now, state.totals));
        if state.seconds.len() > RATE_WINDOWS[2] + 1 {
            state.seconds.pop_front();
        }
        for (at, window) in state.windows.iter_mut().enumerate() {
            if window
                .times
                .back()
                .is_some_and(|last| now - last < window.every_ms)
            {
                continue;
            }
            push(&mut window.times, now, window.keep);
            for item in state.items.iter_mut().flat_map(HashMap::values_mut) {
                let sample = item.now;
                if let Some(samples) = item.samples.get_mut(at) {
                    if samples.is_empty() {
                        // What came since the sample before this item existed.
                        samples.push_back(Sample::default());
                    }
                    push(samples, sample, window.keep);
                }
            }
        }
        let today = local_day(now);
        if today != state.day {
            state.day = today;
            state.yesterday = std::mem::replace(&mut state.morning, state.totals);
        }
    }

    pub(crate) fn rates(&self) -> Rates {
        let state = self.state();
        let of = |total: fn(&Totals) -> u64| {
            let windows = RATE_WINDOWS.map(|window| state.rate(window, total).unwrap_or_default());
            windows.join(" ")
        };
        Rates {
            put: of(|totals| totals.put),
            get_found: of(|totals| totals.get_found),
            get_miss: of(|totals| totals.get_miss),
            get_total: of(|totals| totals.get_found + totals.get_miss),
            transferred: of(|totals| totals.transferred),
        }
    }

    pub(crate) fn days(&self) -> Days {
        let state = self.state();
        Days {
            put_now: state.totals.put,
            put_morning: state.morning.put,
            put_yesterday: state.yesterday.put,
            get_now: state.totals.transferred,
            get_morning: state.morning.transferred,
            get_yesterday: state.yesterday.transferred,
        }
    }

    /// The figures of `VIEW_BROKER_STATS_DATA` (315). `None`: an unknown name, or nothing has been
    /// counted under this key.
    pub(crate) fn data(&self, name: &str, key: &str) -> Option<BrokerStatsData> {
        let (_, kind, figure) = NAMES.iter().find(|(known, ..)| *known == name)?;
        let state = self.state();
        let item = state.items[*kind as usize].get(key)?;
        let [minute, hour, day] =
            [0, 1, 2].map(|at| item.figures(&state.windows[at], &item.samples[at], *figure));
        Some(BrokerStatsData {
            stats_day: day,
            stats_hour: hour,
            stats_minute: minute,
        })
    }

    /// Messages of a topic a second that a group gets, over the last minute.
    pub(crate) fn group_get_tps(&self, group: &str, topic: &str) -> f64 {
        self.data("GROUP_GET_NUMS", &topic_at_group(topic, group))
            .map_or(0.0, |data| data.stats_minute.tps)
    }

    pub(crate) fn forget_topic(&self, topic: &str) {
        let of_group = format!("{topic}@");
        self.forget(|kind, key| match kind {
            Kind::TopicPut => key == topic,
            _ => key.starts_with(&of_group),
        });
    }

    pub(crate) fn forget_group(&self, group: &str) {
        let suffix = format!("@{group}");
        self.forget(|kind, key| kind != Kind::TopicPut && key.ends_with(&suffix));
    }

    fn forget(&self, gone: impl Fn(Kind, &str) -> bool) {
        let mut state = self.state();
        for kind in [Kind::TopicPut, Kind::GroupGet, Kind::SendBack] {
            state.items[kind as usize].retain(|key, _| !gone(kind, key));
        }
    }
}

impl State {
    fn add(&mut self, kind: Kind, key: &str, added: Sample) {
        let items = &mut self.items[kind as usize];
        if let Some(item) = items.get_mut(key) {
            item.now.add(added);
        } else if items.len() < ITEMS_MAX {
            items.entry(key.into()).or_default().now.add(added);
        }
    }

    /// Java's text of a rate; `None` while the broker is younger than the window.
    fn rate(&self, window: usize, total: fn(&Totals) -> u64) -> Option<String> {
        let (newest_at, newest) = self.seconds.back()?;
        let (oldest_at, oldest) = self
            .seconds
            .get(self.seconds.len().checked_sub(window + 1)?)?;
        let seconds = (newest_at - oldest_at).max(1) as f64 / SECOND_MS as f64;
        Some(format!(
            "{:?}",
            (total(newest) - total(oldest)) as f64 / seconds
        ))
    }
}

impl Item {
    fn figures(
        &self,
        window: &Window,
        samples: &VecDeque<Sample>,
        figure: Figure,
    ) -> BrokerStatsItem {
        let (Some(oldest), Some(newest)) = (samples.front(), samples.back()) else {
            return BrokerStatsItem::default();
        };
        let of = |sample: &Sample| match figure {
            Figure::Messages => sample.messages,
            Figure::Bytes => sample.bytes,
        };
        let sum = of(newest) - of(oldest);
        let calls = newest.calls - oldest.calls;
        let oldest_at = window
            .times
            .get(window.times.len().saturating_sub(samples.len()));
        let span = window
            .times
            .back()
            .zip(oldest_at)
            .map_or(0, |(newest, oldest)| newest - oldest);
        BrokerStatsItem {
            sum: i64::try_from(sum).unwrap_or(i64::MAX),
            tps: if span > 0 {
                sum as f64 * SECOND_MS as f64 / span as f64
            } else {
                0.0
            },
            avgpt: if calls > 0 {
                sum as f64 / calls as f64
            } else {
                0.0
            },
        }
    }
}

fn push<T>(samples: &mut VecDeque<T>, sample: T, keep: usize) {
    samples.push_back(sample);
    if samples.len() > keep {
        samples.pop_front();
    }
}

fn topic_at_group(topic: &str, group: &str) -> String {
    format!("{topic}@{group}")
}

/// Days change at this machine's midnight, as Apache's do.
fn local_day(now: i64) -> jiff::civil::Date {
    let now = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
    now.to_zoned_datetime(jiff::tz::TimeZone::system()).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broker that counts from `since`, up to date at `until`.
    fn tick(stats: &Stats, since: i64, until: i64) {
        for second in (since + 1)..=until {
            stats.tick(second * SECOND_MS);
        }
    }

    #[test]
    fn windows_hold_what_came_in_their_time() {
        let stats = Stats::new("c", 0);
        assert!(
            stats.data("TOPIC_PUT_NUMS", "T").is_none(),
            "nothing counted yet"
        );
        stats.put("T", Sample::of(1, 100));
        stats.put("T", Sample::of(9, 200));
        stats.pulled("G", "T", 10, 300);
        assert_eq!(
            stats.data("TOPIC_PUT_NUMS", "T").unwrap().stats_minute,
            BrokerStatsItem::default()
        );
        tick(&stats, 0, 10);
        let minute = stats.data("TOPIC_PUT_NUMS", "T").unwrap().stats_minute;
        assert_eq!((minute.sum, minute.tps, minute.avgpt), (10, 1.0, 5.0));
        let minute = stats.data("TOPIC_PUT_SIZE", "T").unwrap().stats_minute;
        assert_eq!((minute.sum, minute.tps, minute.avgpt), (300, 30.0, 150.0));
        assert_eq!(stats.group_get_tps("G", "T"), 1.0);
        assert_eq!(
            stats.data("BROKER_PUT_NUMS", "c").unwrap().stats_minute.sum,
            10
        );
        assert!(stats.data("NO_SUCH_NAME", "T").is_none());

        tick(&stats, 10, 600);
        let data = stats.data("TOPIC_PUT_NUMS", "T").unwrap();
        assert_eq!(
            (
                data.stats_minute.sum,
                data.stats_hour.sum,
                data.stats_day.sum
            ),
            (0, 10, 0)
        );
        tick(&stats, 600, 3600);
        let data = stats.data("TOPIC_PUT_NUMS", "T").unwrap();
        assert_eq!((data.stats_hour.sum, data.stats_day.sum), (10, 10));

        stats.forget_group("G");
        assert!(stats.data("GROUP_GET_NUMS", "T@G").is_none());
        stats.sent_back("H", "T");
        stats.forget_topic("T");
        assert!(
            stats.data("TOPIC_PUT_NUMS", "T").is_none()
                && stats.data("SNDBCK_PUT_NUMS", "T@H").is_none()
        );
    }

    #[test]
    fn rates_appear_once_their_window_has_passed() {
        let stats = Stats::new("c", 0);
        assert_eq!(stats.rates().put, "  ");
        stats.tick(0);
        stats.put("T", Sample::of(30, 1));
        stats.pulled("G", "T", 5, 1);
        stats.pulled("G", "T", 0, 0);
        tick(&stats, 0, 10);
        let rates = stats.rates();
        assert_eq!(
            (&*rates.put, &*rates.get_total, &*rates.transferred),
            ("3.0  ", "0.2  ", "0.5  ")
        );
        tick(&stats, 10, 600);
        assert_eq!(stats.rates().put, "0.0 0.0 0.05");
    }

    #[test]
    fn days_change_at_midnight() {
        const DAY_MS: i64 = 86_400_000;
        let stats = Stats::new("c", 0);
        stats.put("T", Sample::of(1, 1));
        stats.tick(2 * DAY_MS);
        stats.put("T", Sample::of(2, 1));
        stats.tick(4 * DAY_MS);
        stats.put("T", Sample::of(4, 1));
        let days = stats.days();
        assert_eq!(
            (days.put_now, days.put_morning, days.put_yesterday),
            (7, 3, 1)
        );
    }
}
