//! A flag that a thread sleeps on.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::guards::lock;

/// Wakes one thread. Raising it twice before the thread looks is the same as once.
#[derive(Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    raised: Condvar,
}

#[derive(Default)]
struct State {
    raised: bool,
    sleeping: bool,
}

impl Signal {
    /// Wakes the thread, now or when it next wants to sleep.
    pub(crate) fn raise(&self) {
        let mut state = lock(&self.state);
        state.raised = true;
        let sleeping = state.sleeping;
        drop(state);
        if sleeping {
            self.raised.notify_one();
        }
    }

    /// Sleeps until the flag is raised, for `timeout` at most, and lowers it.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = lock(&self.state);
        state.sleeping = true;
        while !state.raised {
            match deadline {
                None => {
                    state = self
                        .raised
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner)
                }
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    let waited = self.raised.wait_timeout(state, left);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        state.raised = false;
        state.sleeping = false;
    }
}
