//! What is counted while a benchmark runs, and the line that shows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use client::ClientError;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{CliError, Result};

/// Longest latency that is told apart from longer ones.
const LONGEST: Duration = Duration::from_secs(300);
/// Digits to which latencies are kept.
const DIGITS: u8 = 3;
const LINE_EVERY: Duration = Duration::from_millis(500);

/// When work begins, and which part of it counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phases {
    pub(super) begin: Instant,
    /// From here on it counts.
    pub(super) warm: Instant,
    pub(super) end: Instant,
}

impl Phases {
    /// Beginning now.
    ///
    /// # Errors
    /// Usage, for spans that are none.
    pub(super) fn new(run: &super::Run) -> Result<Self> {
        let span = |name: &str, span: jiff::SignedDuration| {
            Duration::try_from(span)
                .map_err(|_| CliError::usage(format!("{name} needs a span of time above 0")))
        };
        let duration = span("--duration", run.duration)?;
        if duration < Duration::from_millis(100) {
            return Err(CliError::usage("--duration needs 100ms at least"));
        }
        let begin = Instant::now();
        let warm = begin + span("--warmup", run.warmup)?;
        Ok(Self {
            begin,
            warm,
            end: warm + duration,
        })
    }

    pub(super) fn measured(&self) -> Duration {
        self.end - self.warm
    }
}

/// Counts one kind of requests. Shared by all who make them.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) what: &'static str,
    phases: Phases,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    counted: Counted,
    /// Since the line was last drawn, the warm-up included.
    lately: Histogram<u64>,
    messages_lately: u64,
}

/// What was counted in the measured time. Latencies are in nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) latencies: Histogram<u64>,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// Requests that failed or were refused.
    pub(super) failed: u64,
    /// Why the first of them did.
    pub(super) reason: Option<String>,
}

fn histogram() -> Histogram<u64> {
    let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
    Histogram::new_with_max(longest, DIGITS).expect("a valid range and precision")
}

impl Meter {
    pub(super) fn new(what: &'static str, phases: Phases) -> Arc<Self> {
        Arc::new(Self {
            what,
            phases,
            state: Mutex::new(State {
                counted: Counted {
                    latencies: histogram(),
                    messages: 0,
                    bytes: 0,
                    failed: 0,
                    reason: None,
                },
                lately: histogram(),
                messages_lately: 0,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request that was due at `since` has been answered now.
    pub(super) fn done(&self, since: Instant, messages: u64, bytes: u64) {
        let now = Instant::now();
        let took = u64::try_from((now - since).as_nanos()).unwrap_or(u64::MAX);
        let mut state = self.state();
        state.lately.saturating_record(took);
        state.messages_lately += messages;
        if now >= self.phases.warm && now < self.phases.end {
            state.counted.latencies.saturating_record(took);
            state.counted.messages += messages;
            state.counted.bytes += bytes;
        }
    }

    /// A request has failed.
    pub(super) fn failed(&self, error: &ClientError) {
        let mut state = self.state();
        if Instant::now() >= self.phases.warm {
            state.counted.failed += 1;
        }
        state
            .counted
            .reason
            .get_or_insert_with(|| error.to_string());
    }

    pub(super) fn counted(&self) -> Counted {
        self.state().counted.clone()
    }

    /// `send 12,345/s  p50 0.31 ms  p99 1.20 ms` of the last moments.
    fn line(&self, passed: Duration) -> String {
        let mut state = self.state();
        let per_second = state.messages_lately as f64 / passed.as_secs_f64();
        let ms = |quantile| state.lately.value_at_quantile(quantile) as f64 / 1e6;
        let line = format!(
            "{} {per_second:.0}/s  p50 {:.2} ms  p99 {:.2} ms  p99.9 {:.2} ms",
            self.what,
            ms(0.5),
            ms(0.99),
            ms(0.999)
        );
        state.lately.reset();
        state.messages_lately = 0;
        line
    }
}

/// Shows the meters on a terminal until the time is over. In a pipe it only waits.
pub(super) async fn watch(meters: &[Arc<Meter>], phases: Phases) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
    bar.set_style(ProgressStyle::with_template("{msg}").expect("a constant template"));
    let mut last = Instant::now();
    while last < phases.end {
        tokio::time::sleep(LINE_EVERY.min(phases.end - last)).await;
        let now = Instant::now();
        let left = phases.end.saturating_duration_since(now).as_secs();
        let phase = match now < phases.warm {
            true => "warming up".to_owned(),
            false => format!("{left} s left"),
        };
        let lines: Vec<String> = meters.iter().map(|meter| meter.line(now - last)).collect();
        bar.set_message(format!("{}  {phase}", lines.join("   ")));
        last = now;
    }
    bar.finish_and_clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_measured_time_counts() {
        let begin = Instant::now();
        let phases = |warm, end| Phases {
            begin,
            warm: begin + warm,
            end: begin + end,
        };
        let hour = Duration::from_secs(3600);
        for (phases, counted) in [
            (phases(Duration::ZERO, hour), 32),
            (phases(hour, 2 * hour), 0),
            (phases(Duration::ZERO, Duration::ZERO), 0),
        ] {
            let meter = Meter::new("send", phases);
            meter.done(begin, 32, 4096);
            let sum = meter.counted();
            assert_eq!((sum.messages, sum.latencies.len()), (counted, counted / 32));
        }
    }
}
