//! What runs that has to wait: on this thread alone, or on several.

use tokio::runtime::{Builder, Runtime};

use crate::error::{CliError, Exit, Result};

/// Sockets, timers and waiting, on so many threads. One is the caller's own: such a runtime starts in no time.
pub(crate) fn of_threads(threads: usize) -> Result<Runtime> {
    let mut builder = match threads {
        ..=1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder
        .worker_threads(threads.max(1))
        .enable_all()
        .build()
        .map_err(|e| CliError::failed("cannot start the event loop").because(&e))
}

/// Runs a command on this thread alone.
pub(crate) fn wait_for(command: impl Future<Output = Result<Exit>>) -> Result<Exit> {
    of_threads(1)?.block_on(command)
}
