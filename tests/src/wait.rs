//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(10);

/// Asks again and again until `condition` gives a value; panics with `what` when the time is over.
#[track_caller]
pub fn until<T>(what: &str, patience: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "waited {patience:?} in vain for {what}"
        );
        std::thread::sleep(POLL);
    }
}
