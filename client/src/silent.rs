//! Servers that let a call time out: a command that has waited for one need not wait for it again.
//!
//! A stuck server is forgotten after as long as was waited for it, so that whoever looks again and again sees it come back.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use remoting::transport::connection::CallError;

/// By address: when it last kept somebody waiting, and what came of it.
#[derive(Debug)]
pub(crate) struct Silent {
    lasts: Duration,
    since: Mutex<HashMap<String, (Instant, CallError)>>,
}

impl Silent {
    pub(crate) fn new(lasts: Duration) -> Self {
        Self {
            lasts,
            since: Mutex::default(),
        }
    }

    fn since(&self) -> MutexGuard<'_, HashMap<String, (Instant, CallError)>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a call now would be waiting in vain.
    pub(crate) fn reason(&self, address: &str, now: Instant) -> Option<CallError> {
        let since = self.since();
        let (failed, error) = since.get(address)?;
        let lasts = now.saturating_duration_since(*failed) < self.lasts;
        lasts.then(|| repeated(error)).flatten()
    }

    /// A call has failed.
    pub(crate) fn note(&self, address: &str, error: &CallError, now: Instant) {
        if let Some(error) = repeated(error) {
            self.since().insert(address.to_owned(), (now, error));
        }
    }
}

/// The same error once more, if it is one that was waited for.
fn repeated(error: &CallError) -> Option<CallError> {
    match error {
        CallError::Timeout {
            address,
            timeout_ms,
        } => Some(CallError::Timeout {
            address: address.clone(),
            timeout_ms: *timeout_ms,
        }),
        // Told at once.
        CallError::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
            None
        }
        CallError::Connect { address, source } => Some(CallError::Connect {
            address: address.clone(),
            source: io::Error::new(source.kind(), source.to_string()),
        }),
        CallError::Closed { .. } | CallError::Busy { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_kept_somebody_waiting_is_not_asked_again_for_as_long() {
        let silent = Silent::new(Duration::from_secs(3));
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let address = || "10.0.0.1:10911".to_owned();
        let timeout = CallError::Timeout {
            address: address(),
            timeout_ms: 3000,
        };
        assert!(silent.reason(&address(), at(0)).is_none());
        silent.note(&address(), &timeout, at(0));
        let reason = silent.reason(&address(), at(2)).expect("it is silent");
        assert_eq!(reason.to_string(), timeout.to_string());
        assert!(silent.reason("10.0.0.2:10911", at(2)).is_none());
        assert!(silent.reason(&address(), at(3)).is_none());
    }

    #[test]
    fn what_is_told_at_once_may_be_asked_again_at_once() {
        let silent = Silent::new(Duration::from_secs(3));
        let now = Instant::now();
        let connect = |kind: io::ErrorKind| CallError::Connect {
            address: "a:1".to_owned(),
            source: kind.into(),
        };
        silent.note("a:1", &connect(io::ErrorKind::ConnectionRefused), now);
        let address = "a:1".to_owned();
        silent.note("a:1", &CallError::Closed { address }, now);
        assert!(silent.reason("a:1", now).is_none());
        silent.note("a:1", &connect(io::ErrorKind::HostUnreachable), now);
        assert!(silent.reason("a:1", now).is_some());
    }
}
