//! Times as people type them, and as we print them.
//!
//! Accepted everywhere a time is: RFC 3339 (`2026-01-31T12:00:00Z`), local date and time (`2026-01-31 12:00`,
//! `2026-01-31`), a span back from now (`-2h`, `-1d12h`), `now`, seconds or milliseconds since the epoch, and the form of
//! RocketMQ's own tools, `yyyy-MM-dd#HH:mm:ss:SSS`. Times without a zone are local.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan, ZonedDateTime};

/// Numbers from here on are milliseconds: as seconds, this is the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// A point in time as somebody gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl Time {
    /// In milliseconds since the epoch.
    pub fn epoch_ms(self) -> i64 {
        self.0.as_millisecond()
    }
}

/// Relative to the present, in the local zone.
///
/// # Errors
/// What is expected in its place, as a sentence.
pub fn parse_now(text: &str) -> Result<Time, String> {
    parse(text, &ZonedDateTime::now()).map(Time)
}

/// Relative to a time in milliseconds since the epoch, in the local zone; the result is one, too.
///
/// # Errors
/// What is expected in its place, as a sentence.
pub fn parse_at(text: &str, now_ms: i64) -> Result<i64, String> {
    let now = Timestamp::from_millisecond(now_ms).map_err(|e| e.to_string())?;
    let time = parse(text, &now.to_zoned_datetime(TimeZone::system()))?;
    Ok(time.as_millisecond())
}

fn parse(text: &str, now: &ZonedDateTime) -> Result<Timestamp, String> {
    let text = text.trim();
    let zone = now.time_zone();
    if text == "now" {
        return Ok(now.timestamp());
    }
    if let Some(span) = text.strip_prefix('-') {
        let span: Span = span
            .parse()
            .map_err(|_| "not a span of time like -2h or -1d12h".to_owned())?;
        let then = now.checked_sub(span).map_err(|e| e.to_string())?;
        return Ok(then.timestamp());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        let number: i64 = text
            .parse()
            .map_err(|_| format!("{text} is too large for a time"))?;
        let time = if number < MILLISECONDS_FROM {
            Timestamp::from_second(number)
        } else {
            Timestamp::from_millisecond(number)
        };
        return time.map_err(|e| e.to_string());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let local = mqadmin_form(text)
        .or_else(|| text.parse::<DateTime>().ok())
        .or_else(|| {
            text.parse::<Date>()
                .ok()
                .map(|date| date.to_datetime(jiff::civil::Time::midnight()))
        });
    match local {
        Some(local) => zone.to_timestamp(local).map_err(|e| e.to_string()),
        None => Err("not a time; try 2026-01-31T12:00:00Z, '2026-01-31 12:00', -2h, now, or epoch seconds or \
                     milliseconds"
            .to_owned()),
    }
}

/// `yyyy-MM-dd#HH:mm:ss:SSS`: the last colon separates milliseconds.
fn mqadmin_form(text: &str) -> Option<DateTime> {
    let (seconds, millis) = text.rsplit_once(':')?;
    let millis: i64 = (millis.len() == 3).then(|| millis.parse().ok())??;
    let time = strtime::parse("%Y-%m-%d#%H:%M:%S", seconds)
        .ok()?
        .to_datetime()
        .ok()?;
    time.checked_add(millis.milliseconds()).ok()
}

/// Epoch milliseconds as RFC 3339 with the local zone, to the millisecond; `None` for 0 and below, which RocketMQ uses
/// for "never".
pub fn rfc3339(epoch_ms: i64) -> Option<String> {
    if epoch_ms <= 0 {
        return None;
    }
    let time = Timestamp::from_millisecond(epoch_ms).ok()?;
    Some(
        time.to_zoned_datetime(TimeZone::system())
            .strftime("%Y-%m-%dT%H:%M:%S%.3f%:z")
            .to_string(),
    )
}

/// A span as a person reads it: `3d 4h`, `12m 5s`, `0s`.
pub fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (d, h, m, s) = (
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, _) => format!("{m}m {s}s"),
        (0, _, _) => format!("{h}h {m}m"),
        _ => format!("{d}d {h}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_forms() {
        let now: ZonedDateTime = "2026-01-31T14:00:00+08:00[Asia/Shanghai]".parse().unwrap();
        for (text, expected) in [
            ("now", "2026-01-31T06:00:00Z"),
            ("-2h", "2026-01-31T04:00:00Z"),
            ("-90s", "2026-01-31T05:58:30Z"),
            ("-1d12h", "2026-01-29T18:00:00Z"),
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
            ("2026-01-31 12:00", "2026-01-31T04:00:00Z"),
            ("2026-01-31 12:00:05", "2026-01-31T04:00:05Z"),
            ("2026-01-31", "2026-01-30T16:00:00Z"),
            ("1769860800", "2026-01-31T12:00:00Z"),
            ("1769860800123", "2026-01-31T12:00:00.123Z"),
            ("2026-01-31#12:00:00:250", "2026-01-31T04:00:00.25Z"),
        ] {
            assert_eq!(
                parse(text, &now).map(|t| t.to_string()),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn refused_forms() {
        let now: ZonedDateTime = "2026-01-31T14:00:00[UTC]".parse().unwrap();
        for text in [
            "",
            "yesterday",
            "-",
            "-2",
            "2026-13-01",
            "99999999999999999999",
            "2026-01-31#12:00:00",
        ] {
            assert!(parse(text, &now).is_err(), "{text:?}");
        }
    }

    #[test]
    fn never_has_no_time() {
        assert_eq!(rfc3339(0), None);
        assert_eq!(rfc3339(-1), None);
        assert!(rfc3339(1_769_860_800_123).is_some_and(|text| text.contains(".123")));
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (725, "12m 5s"),
            (7_260, "2h 1m"),
            (273_600, "3d 4h"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
