//! Which segments of the commit log have to go, and whether the disk is full: a decision, without
//! doing anything.
//!
//! The rules are Apache 4.9's. A run happens when the local hour is one of `deleteWhen`, when a
//! partition is fuller than `diskMaxUsedSpaceRatio`, or when an administrator asked for it. It
//! deletes, oldest first, segments whose last modification lies `fileReservedTime` back; above the
//! forcible ratio also those that have not expired (`cleanFileForciblyEnable`). The last segment
//! stays always. Above the warning ratio the store counts as full, until the usage has fallen to
//! the forcible ratio: in between nothing changes.
//!
//! One deviation: Apache looks at the partition of the queues after that of the log, and a roomy
//! one clears the "full" which the other has just set. Here either one makes the store full.

use crate::config::RetentionRules;
use jiff::ZonedDateTime;

/// How full the partitions are, from 0 to 1; `None` where it could not be found out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct UsedRatios {
    /// The partition of the log. With several folders: the emptiest.
    pub(crate) commit_log: Option<f64>,
    /// The partition of the consume queues.
    pub(crate) consume_queue: Option<f64>,
}

/// Why a run took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// The local hour is one of `deleteWhen`.
    Hour,
    /// A partition is fuller than `diskMaxUsedSpaceRatio`, or its usage is unknown.
    Space,
    /// An administrator asked.
    Manual,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Why something may be deleted; `None`: not now.
    pub(crate) trigger: Option<Trigger>,
    /// So many of the oldest segments are to be deleted.
    pub(crate) delete_oldest: usize,
    /// Whether some of them have not expired: the disk is so full that age does not count.
    pub(crate) forcibly: bool,
    /// Whether the store is to refuse messages.
    pub(crate) disk_full: bool,
}

/// Decides again and again; remembers what the rules need between two decisions.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    disk_full: bool,
    manual_rounds: u32,
}

impl Retention {
    /// An administrator wants expired segments gone whatever the hour: the next 20 decisions.
    pub(crate) fn delete_manually(&mut self) {
        self.manual_rounds = MANUAL_ROUNDS;
    }

    /// Decides for segments last modified at the given times (milliseconds since the epoch),
    /// oldest segment first. `now` carries the time zone in which `deleteWhen` is meant.
    pub(crate) fn decide(
        &mut self,
        rules: &RetentionRules,
        now: &ZonedDateTime,
        segments_modified_ms: &[i64],
        used: UsedRatios,
    ) -> Decision {
        let ratios = [used.commit_log, used.consume_queue];
        let percent = |n: u8| f64::from(n) / 100.0;
        let above = |limit: f64| ratios.iter().flatten().any(|&ratio| ratio > limit);

        let warning = percent(rules.disk_space_warning_level_ratio);
        let forcible = percent(rules.disk_space_clean_forcibly_ratio);
        let clean_immediately = above(warning) || above(forcible);
        if above(warning) {
            self.disk_full = true;
        } else if !above(forcible) && ratios.iter().all(Option::is_some) {
            // A ratio that could not be read says nothing about room.
            self.disk_full = false;
        }

        // An unknown ratio deletes what has expired, as Apache does: nothing is lost by that which
        // would not go at the next `deleteWhen`.
        let max_used = percent(rules.disk_max_used_space_ratio.clamp(10, 95));
        let unknown = ratios.iter().any(Option::is_none);
        let trigger = if rules
            .delete_when
            .iter()
            .any(|&hour| i32::from(hour) == i32::from(now.hour()))
        {
            Some(Trigger::Hour)
        } else if clean_immediately || above(max_used) || unknown {
            Some(Trigger::Space)
        } else if self.manual_rounds > 0 {
            Some(Trigger::Manual)
        } else {
            None
        };
        self.manual_rounds = self.manual_rounds.saturating_sub(1);

        let reserved_ms = i64::from(rules.file_reserved_hours) * 3_600_000;
        let now_ms = now.timestamp().as_millisecond();
        let expired = |modified_ms: i64| modified_ms.saturating_add(reserved_ms) <= now_ms;
        let at_once = clean_immediately && rules.clean_file_forcibly;
        let mut delete_oldest = 0;
        let mut forcibly = false;
        if trigger.is_some() {
            let but_the_last = segments_modified_ms.len().saturating_sub(1);
            for &modified_ms in segments_modified_ms[..but_the_last]
                .iter()
                .take(DELETE_BATCH_MAX)
            {
                if !expired(modified_ms) {
                    if !at_once {
                        break;
                    }
                    forcibly = true;
                }
                delete_oldest += 1;
            }
        }
        Decision {
            trigger,
            delete_oldest,
            forcibly,
            disk_full: self.disk_full,
        }
    }
}

/// Decisions that one request of an administrator lasts for, as in Apache's broker.
const MANUAL_ROUNDS: u32 = 20;

/// Segments that one run deletes at most (`deleteFileBatchMax` of 5.x).
const DELETE_BATCH_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    /// 2024-05-10, the given hour in Shanghai.
    fn at_hour(hour: i8) -> ZonedDateTime {
        jiff::civil::date(2024, 5, 10)
            .at(hour, 59, 0, 0)
            .in_tz("Asia/Shanghai")
            .unwrap()
    }

    fn modified(ages_hours: &[i64], now: &ZonedDateTime) -> Vec<i64> {
        let now_ms = now.timestamp().as_millisecond();
        ages_hours
            .iter()
            .map(|age| now_ms - age * HOUR_MS)
            .collect()
    }

    fn used(log: f64, queues: f64) -> UsedRatios {
        UsedRatios {
            commit_log: Some(log),
            consume_queue: Some(queues),
        }
    }

    #[test]
    fn what_goes_when() {
        use Trigger::{Hour, Space};
        let unknown = UsedRatios {
            commit_log: None,
            consume_queue: Some(0.1),
        };
        let many = [100; 14];
        type Case<'a> = (i8, &'a [i64], UsedRatios, Option<Trigger>, usize, bool);
        #[rustfmt::skip]
        let cases: &[Case<'_>] = &[
            // hour, ages, used, trigger, deleted, forcibly
            (4, &[100, 80, 10, 0], used(0.5, 0.5), Some(Hour), 2, false),
            (3, &[100, 80, 10, 0], used(0.5, 0.5), None, 0, false),
            (3, &[100, 80, 10, 0], used(0.76, 0.5), Some(Space), 2, false),
            (3, &[100, 80, 10, 0], used(0.5, 0.76), Some(Space), 2, false),
            (3, &[100, 80, 10, 0], used(0.75, 0.75), None, 0, false),
            (3, &[100, 80, 10, 0], used(0.86, 0.5), Some(Space), 3, true),
            (3, &[100, 80, 10, 0], used(0.95, 0.5), Some(Space), 3, true),
            // The first that has not expired ends the walk, even if older ones follow.
            (4, &[10, 100, 0], used(0.5, 0.5), Some(Hour), 0, false),
            // Exactly expired; the last stays.
            (4, &[72, 72], used(0.5, 0.5), Some(Hour), 1, false),
            (4, &[100], used(0.99, 0.99), Some(Hour), 0, false),
            (4, &[], used(0.99, 0.99), Some(Hour), 0, false),
            (4, &many, used(0.5, 0.5), Some(Hour), 10, false),
            (3, &[100, 10, 0], unknown, Some(Space), 1, false),
        ];
        for (n, (hour, ages, used, trigger, deleted, forcibly)) in cases.iter().enumerate() {
            let now = at_hour(*hour);
            let mut retention = Retention::default();
            let decision = retention.decide(
                &RetentionRules::default(),
                &now,
                &modified(ages, &now),
                *used,
            );
            assert_eq!(decision.trigger, *trigger, "case {n}");
            assert_eq!(decision.delete_oldest, *deleted, "case {n}");
            assert_eq!(decision.forcibly, *forcibly, "case {n}");
        }
    }

    #[test]
    fn nothing_is_deleted_early_when_that_is_forbidden() {
        let now = at_hour(3);
        let rules = RetentionRules {
            clean_file_forcibly: false,
            ..RetentionRules::default()
        };
        let modified = modified(&[100, 10, 0], &now);
        let decision = Retention::default().decide(&rules, &now, &modified, used(0.95, 0.1));
        assert_eq!((decision.delete_oldest, decision.disk_full), (1, true));
    }

    #[test]
    fn full_stays_full_until_the_forcible_ratio() {
        let now = at_hour(3);
        let mut retention = Retention::default();
        let mut full = |used| {
            retention
                .decide(&RetentionRules::default(), &now, &[], used)
                .disk_full
        };
        let steps = [
            (used(0.90, 0.1), false),
            (used(0.901, 0.1), true),
            (used(0.88, 0.1), true),
            (used(0.851, 0.1), true),
            (used(0.85, 0.1), false),
            (used(0.89, 0.1), false),
            (used(0.1, 0.95), true),
        ];
        for (ratios, expected) in steps {
            assert_eq!(full(ratios), expected, "{ratios:?}");
        }
        // Not knowing is no reason to accept again.
        let unknown = UsedRatios {
            commit_log: None,
            consume_queue: None,
        };
        assert!(full(unknown));
        assert!(!full(used(0.2, 0.2)));
    }

    #[test]
    fn a_manual_request_lasts_twenty_rounds() {
        let now = at_hour(3);
        let modified = modified(&[100, 0], &now);
        let mut retention = Retention::default();
        retention.delete_manually();
        let mut deleted = 0;
        for _ in 0..30 {
            let decision =
                retention.decide(&RetentionRules::default(), &now, &modified, used(0.1, 0.1));
            deleted += decision.delete_oldest;
        }
        assert_eq!(deleted, 20);
    }
}
