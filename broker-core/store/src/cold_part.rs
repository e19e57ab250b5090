//! Which part of the log is taken to be on disk only.
//!
//! Whether the system has a page in memory is found out by trying to read it. That try is not free of waiting: it may
//! have to hand a read-ahead to a disk that is busy. So after a try in vain the place, what is older, and the stretch
//! that its reader comes to next are not tried again for a while. What is newer is: a consumer that is a little behind
//! does not suffer from one that is far behind.

use std::sync::atomic::{AtomicI64, Ordering};

/// A stretch of the log that a reader of old messages passes in some tenths of a second.
const STRETCH_BYTES: i64 = 256 * 1024 * 1024;
/// For so long no more is tried.
const TRUSTED_MS: i64 = 1000;

/// The two may be seen apart from each other, which costs a try too many or too few.
#[derive(Default)]
pub(crate) struct ColdPart {
    end: AtomicI64,
    until_ms: AtomicI64,
}

impl ColdPart {
    /// The record at a position of the log was not in memory.
    pub(crate) fn note(&self, position: i64, now_ms: i64) {
        self.end.store(position + STRETCH_BYTES, Ordering::Relaxed);
        self.until_ms.store(now_ms + TRUSTED_MS, Ordering::Relaxed);
    }

    /// Whether reading at a position must be taken to wait for the disk.
    pub(crate) fn contains(&self, position: i64, now_ms: i64) -> bool {
        position < self.end.load(Ordering::Relaxed)
            && now_ms < self.until_ms.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_a_try_in_vain_is_cold_for_a_second() {
        let part = ColdPart::default();
        assert!(!part.contains(0, 0));

        part.note(5_000, 100);
        assert!(part.contains(0, 100));
        assert!(part.contains(5_000 + STRETCH_BYTES - 1, 1_099));
        assert!(!part.contains(5_000 + STRETCH_BYTES, 100));
        assert!(!part.contains(5_000, 1_100));
    }
}
