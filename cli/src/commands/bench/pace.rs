//! When messages are due.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};

use crate::error::{CliError, Result};

/// Tells those who work when to begin the next request, and since when it is due.
pub(super) enum Pace {
    /// Now.
    Closed,
    /// At fixed times.
    Open(Mutex<mpsc::UnboundedReceiver<Instant>>),
}

impl Pace {
    /// `rate`: requests per second, from `begin` until `end`; `None`: as fast as they are answered.
    ///
    /// # Errors
    /// Usage, for a rate that is none.
    pub(super) fn new(rate: Option<f64>, begin: Instant, end: Instant) -> Result<Self> {
        let Some(rate) = rate else {
            return Ok(Self::Closed);
        };
        if !rate.is_finite() || rate <= 0.0 || rate > 10_000_000.0 {
            return Err(CliError::usage("--rate needs a number above 0"));
        }
        let (due, receiver) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("bench-pace".to_owned())
            .spawn(move || tick(rate, begin, end, &due))
            .map_err(|e| CliError::failed("cannot start a thread").because(&e))?;
        Ok(Self::Open(Mutex::new(receiver)))
    }

    /// Waits until a request is due, and returns since when it is. `None`: none will be any more.
    pub(super) async fn next(&self, end: Instant) -> Option<Instant> {
        match self {
            Self::Closed => Some(Instant::now()).filter(|now| *now < end),
            Self::Open(due) => due.lock().await.recv().await,
        }
    }
}

/// A thread of its own: the timers of the event loop are true to a millisecond only.
fn tick(rate: f64, begin: Instant, end: Instant, due: &mpsc::UnboundedSender<Instant>) {
    // Without it every sleep is 50 µs too long, which is the latency of a good cluster.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let at = |number: u64| begin + Duration::from_secs_f64(number as f64 / rate);
    let mut number = 0;
    loop {
        let next = at(number);
        if next >= end {
            return;
        }
        let now = Instant::now();
        if next > now {
            std::thread::sleep(next - now);
            continue;
        }
        if due.send(next).is_err() {
            return;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_are_due_at_even_intervals_and_none_is_left_out() {
        let begin = Instant::now();
        let end = begin + Duration::from_millis(50);
        let pace = Pace::new(Some(1000.0), begin, end).unwrap();
        for number in 0..50 {
            let due = pace.next(end).await.unwrap();
            assert_eq!(
                due - begin,
                Duration::from_secs_f64(f64::from(number) / 1000.0)
            );
        }
        assert_eq!(pace.next(end).await, None);
        assert!(Pace::new(Some(0.0), begin, end).is_err());
    }
}
