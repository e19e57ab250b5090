//! Numbers and times, as people read them.

pub(crate) use client::verdict::{bytes, short};

/// RFC 3339, in UTC: producer, broker and reader may live in three zones. To the millisecond, so that times stand below each
/// other.
pub(crate) fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms);
    time.map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
}

pub(crate) fn short_rate(per_second: f64) -> String {
    if per_second < 100.0 {
        format!("{per_second:.1}")
    } else {
        short(per_second.round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (count, expected) in [
            (512, "512 B"),
            (1_572_864, "1.5 MiB"),
            (i64::MAX, "8388608.0 TiB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
    }
}
