//! The keys that this client gives the messages it sends.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use remoting::protocol::message::id::UniqueKeys;

/// Keys count milliseconds since the local month began; nobody else here needs a calendar.
#[derive(Debug)]
pub(crate) struct KeySource {
    keys: UniqueKeys,
    counter: AtomicU16,
    month: Mutex<Month>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Month {
    /// Milliseconds since the epoch.
    begin: i64,
    end: i64,
}

impl KeySource {
    pub(crate) fn new(address: IpAddr) -> Self {
        // What tells apart two clients of one process: nothing else needs this number.
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.subsec_nanos());
        Self {
            keys: UniqueKeys {
                address,
                process_id: std::process::id(),
                instance: nanos.cast_signed(),
            },
            counter: AtomicU16::new(0),
            month: Mutex::default(),
        }
    }

    /// A key that no other message has.
    pub(crate) fn next(&self) -> String {
        let now = now_ms();
        let month = {
            let mut month = self.month.lock().unwrap_or_else(PoisonError::into_inner);
            if !(month.begin..month.end).contains(&now) {
                *month = month_of(now).unwrap_or(Month {
                    begin: now,
                    end: now,
                });
            }
            *month
        };
        let since_month = i32::try_from(now - month.begin).unwrap_or(i32::MAX);
        self.keys
            .key(since_month, self.counter.fetch_add(1, Ordering::Relaxed))
    }
}

fn month_of(now: i64) -> Option<Month> {
    let now = Timestamp::from_millisecond(now)
        .ok()?
        .to_zoned_datetime(TimeZone::system());
    let first = now.first_of_month().ok()?.start_of_day().ok()?;
    let next = first.checked_add(1.month()).ok()?;
    Some(Month {
        begin: first.timestamp().as_millisecond(),
        end: next.timestamp().as_millisecond(),
    })
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_count_from_the_month() {
        let source = KeySource::new([127, 0, 0, 1].into());
        let (one, two) = (source.next(), source.next());
        assert_eq!((one.len(), two.len()), (32, 32));
        assert_ne!(one, two);
        assert!(one.starts_with("7F000001"));
        let month = month_of(now_ms()).unwrap();
        let days = (month.end - month.begin) / 86_400_000;
        assert!((27..=31).contains(&days), "{days}");
    }
}
