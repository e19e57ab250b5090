//! How a consumer group is doing, told from its offsets over time.
//!
//! Pure: whoever keeps samples (`mq group lag`, the dashboard) gets the same words for the same figures.

use std::fmt;

/// A group that has moved nothing for this long, with work to do, is stuck. Consumers commit every five seconds, so
/// three commits were missed.
pub const STUCK_AFTER_MS: i64 = 15_000;
/// Trends are told from samples this far back at most, so that they follow what happens now.
pub const TREND_WINDOW_MS: i64 = 60_000;
/// How often consumers commit: a lag of what is consumed in between says nothing.
const COMMITS_EVERY_MS: i64 = 5_000;
/// A trend needs samples that span at least this.
const TREND_SPAN_MS: i64 = 1_500;
/// The next message to consume has outlived this part of the retention time: it will be deleted soon.
const RETENTION_WARNING: f64 = 0.9;

/// Where a group stood at one moment, over all its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    pub at_ms: i64,
    /// Messages still to consume.
    pub lag: i64,
    /// Sum of the consumer offsets: grows with each message consumed.
    pub consumed: i64,
}

/// What else is known of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// `None`: nobody could be asked.
    pub members: Option<usize>,
    /// Store time of the oldest last-consumed message among queues with lag; how old it is tells the lag in time.
    pub behind_ms: Option<i64>,
    /// How long the brokers keep messages.
    pub retention_ms: Option<i64>,
    /// Messages that were deleted before this group came to them.
    pub lost: i64,
    /// Messages in topics that the group subscribes to and has no offset of: brokers count no lag for those.
    pub unread: i64,
}

/// The state of a group in one word, worst first where several hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Retention has deleted messages that the group has not consumed.
    Lost {
        messages: i64,
    },
    /// Retention will delete messages before they are consumed, unless the group hurries.
    Losing {
        in_ms: i64,
    },
    /// Messages wait, nobody is connected.
    NoMember,
    /// Members are connected, messages wait, nothing moves.
    Stuck {
        for_ms: i64,
    },
    /// Nothing was ever consumed, although messages are there.
    Unread,
    Growing {
        per_second: f64,
    },
    Draining {
        left_ms: i64,
    },
    /// Behind, by the same number all the time.
    Steady,
    /// Behind; too early to tell whither.
    Behind,
    CaughtUp,
}

impl Verdict {
    /// Judges by `samples`, oldest first; the last one is now.
    pub fn of(samples: &[Sample], facts: Facts) -> Self {
        let Some(now) = samples.last() else {
            return Self::Behind;
        };
        if facts.lost > 0 {
            return Self::Lost {
                messages: facts.lost,
            };
        }
        if now.lag <= 0 {
            return if facts.unread > 0 {
                Self::Unread
            } else {
                Self::CaughtUp
            };
        }
        if let (Some(behind), Some(retention)) = (facts.behind_ms, facts.retention_ms)
            && retention > 0
            && behind as f64 > retention as f64 * RETENTION_WARNING
        {
            return Self::Losing {
                in_ms: (retention - behind).max(0),
            };
        }
        if facts.members == Some(0) {
            return Self::NoMember;
        }
        let unmoved_ms = unmoved_ms(samples, *now);
        if unmoved_ms >= STUCK_AFTER_MS {
            return if now.consumed == 0 {
                Self::Unread
            } else {
                Self::Stuck { for_ms: unmoved_ms }
            };
        }
        trend(samples, *now)
    }

    /// Whether somebody should look.
    pub fn is_bad(self) -> bool {
        matches!(
            self,
            Self::Lost { .. }
                | Self::Losing { .. }
                | Self::NoMember
                | Self::Stuck { .. }
                | Self::Unread
                | Self::Growing { .. }
        )
    }

    /// The word for machines and narrow columns.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost { .. } => "lost",
            Self::Losing { .. } => "losing",
            Self::NoMember => "no-member",
            Self::Stuck { .. } => "stuck",
            Self::Unread => "unread",
            Self::Growing { .. } => "growing",
            Self::Draining { .. } => "draining",
            Self::Steady => "steady",
            Self::Behind => "behind",
            Self::CaughtUp => "caught-up",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Lost { messages } => write!(f, "lost {messages} to retention"),
            Self::Losing { in_ms } => write!(f, "loses data in {}", span(in_ms)),
            Self::NoMember => f.write_str("no member"),
            Self::Stuck { for_ms } => write!(f, "stuck for {}", span(for_ms)),
            Self::Unread => f.write_str("unread"),
            Self::Growing { per_second } => write!(f, "growing {per_second:.1}/s"),
            Self::Draining { left_ms } => write!(f, "draining, {} left", span(left_ms)),
            Self::Steady => f.write_str("steady"),
            Self::Behind => f.write_str("behind"),
            Self::CaughtUp => f.write_str("caught up"),
        }
    }
}

/// For how long messages have waited and none was consumed.
fn unmoved_ms(samples: &[Sample], now: Sample) -> i64 {
    let since = samples
        .iter()
        .rev()
        .take_while(|sample| sample.consumed == now.consumed && sample.lag > 0)
        .last();
    since.map_or(0, |since| now.at_ms - since.at_ms)
}

fn trend(samples: &[Sample], now: Sample) -> Verdict {
    let first = samples
        .iter()
        .find(|sample| now.at_ms - sample.at_ms <= TREND_WINDOW_MS)
        .copied()
        .unwrap_or(now);
    let span_ms = now.at_ms - first.at_ms;
    if span_ms < TREND_SPAN_MS {
        return Verdict::Behind;
    }
    let consumed = (now.consumed - first.consumed).max(0) as f64 / span_ms as f64;
    if now.lag as f64 <= consumed * COMMITS_EVERY_MS as f64 {
        return Verdict::Steady;
    }
    let grown = now.lag - first.lag;
    let noise = (now.lag / 100).max(5);
    let per_second = grown as f64 * 1000.0 / span_ms as f64;
    if grown > noise {
        Verdict::Growing { per_second }
    } else if grown < -noise {
        Verdict::Draining {
            left_ms: (now.lag as f64 / -per_second * 1000.0) as i64,
        }
    } else {
        Verdict::Steady
    }
}

/// The two largest units: `42s`, `3m10s`, `2h05m`, `3d04h`.
pub fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m{:02}s", seconds % 60),
        3_600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// Up to six digits as they are, then with a unit: `999999`, `1.0M`, `1.2G`.
pub fn short(count: i64) -> String {
    match count.unsigned_abs() {
        0..1_000_000 => count.to_string(),
        1_000_000..1_000_000_000 => format!("{:.1}M", count as f64 / 1e6),
        _ => format!("{:.1}G", count as f64 / 1e9),
    }
}

/// Bytes with a binary unit: `512 B`, `1.5 MiB`.
pub fn bytes(count: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = count as f64;
    let mut unit = 0;
    while size.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{size:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples every five seconds from (lag, consumed) pairs.
    fn samples(states: &[(i64, i64)]) -> Vec<Sample> {
        let sample = |(place, &(lag, consumed)): (usize, &(i64, i64))| Sample {
            at_ms: place as i64 * 5_000,
            lag,
            consumed,
        };
        states.iter().enumerate().map(sample).collect()
    }

    #[test]
    fn verdicts() {
        let members = |count| Facts {
            members: Some(count),
            ..Facts::default()
        };
        let hour = 3_600_000;
        let old = |behind_ms| Facts {
            behind_ms: Some(behind_ms),
            retention_ms: Some(72 * hour),
            ..members(1)
        };
        for (states, facts, expected) in [
            (&[][..], members(1), "behind"),
            (&[(0, 10)], members(1), "caught up"),
            (&[(0, 10)], members(0), "caught up"),
            (&[(5, 10)], members(0), "no member"),
            (&[(5, 10)], Facts::default(), "behind"),
            (&[(5, 10)], members(1), "behind"),
            (
                &[(100, 10), (100, 10), (100, 10), (100, 10)],
                members(1),
                "stuck for 15s",
            ),
            (
                &[(0, 0)],
                Facts {
                    unread: 4,
                    ..members(1)
                },
                "unread",
            ),
            // Three commits are not missed yet.
            (&[(100, 10), (100, 10), (100, 10)], members(1), "steady"),
            (
                &[(100, 0), (100, 0), (120, 0), (140, 0)],
                members(1),
                "unread",
            ),
            // There was nothing to do before.
            (
                &[(0, 10), (0, 10), (0, 10), (0, 10), (9, 10)],
                members(1),
                "growing 0.5/s",
            ),
            (
                &[(100, 10), (200, 20), (300, 30)],
                members(1),
                "growing 20.0/s",
            ),
            (
                &[(1000, 10), (900, 110), (800, 210)],
                members(1),
                "draining, 40s left",
            ),
            (&[(1000, 10), (1003, 110), (998, 210)], members(1), "steady"),
            // 20 a second are consumed: that much waits between two commits.
            (&[(16, 10), (40, 110), (99, 210)], members(1), "steady"),
            (
                &[(16, 10), (40, 110), (101, 210)],
                members(1),
                "growing 8.5/s",
            ),
            (&[(10, 10)], old(71 * hour), "loses data in 1h00m"),
            (&[(10, 10)], old(80 * hour), "loses data in 0s"),
            (&[(10, 10)], old(2 * hour), "behind"),
            (
                &[(10, 10)],
                Facts {
                    lost: 7,
                    ..members(0)
                },
                "lost 7 to retention",
            ),
        ] {
            let verdict = Verdict::of(&samples(states), facts);
            assert_eq!(verdict.to_string(), expected, "{states:?} {facts:?}");
        }
    }

    #[test]
    fn a_trend_follows_what_happens_now() {
        // Grew for a long time, shrinks since a minute.
        let mut states: Vec<(i64, i64)> = (0..40).map(|n| (n * 1000, n)).collect();
        states.extend((0..13).map(|n| (40_000 - n * 500, 40 + n * 500)));
        let verdict = Verdict::of(&samples(&states), Facts::default());
        assert_eq!(verdict.name(), "draining");
    }

    #[test]
    fn spans() {
        for (ms, expected) in [
            (-5, "0s"),
            (59_999, "59s"),
            (190_000, "3m10s"),
            (7_500_000, "2h05m"),
            (273_600_000, "3d04h"),
        ] {
            assert_eq!(span(ms), expected);
        }
    }
}
