//! The loop around the pure parts: keys, clock and answers in, frames and effects out.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use client::Client;
use crossterm::event::EventStream;
use futures_core::Stream;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use crate::app::App;
use crate::poll::{Poller, now_ms};
use crate::snapshot::Snapshot;
use crate::terminal::Screen;
use crate::theme::Theme;
use crate::update::{Effect, Event, update};
use crate::view::view;

/// How often the servers are asked.
const ROUND: Duration = Duration::from_secs(2);
/// How often ages on the screen move on.
const TICK: Duration = Duration::from_secs(1);

/// Why the dashboard ended, if not because it was told to.
#[derive(Debug, Error)]
pub enum TuiError {
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] io::Error),
}

/// What the caller decides.
#[derive(Debug)]
pub struct Options {
    /// The name servers, as they are shown.
    pub source: String,
    pub theme: Theme,
}

/// Shows the dashboard until the user leaves it, or the process is asked to end.
///
/// # Errors
/// When the terminal cannot be set up, read or drawn to.
pub async fn run(client: Client, options: Options) -> Result<(), TuiError> {
    let refresh = Arc::new(Notify::new());
    let (answers, answered) = mpsc::channel(1);
    let poll = tokio::spawn(poll(Poller::new(client), answers, refresh.clone()));
    let mut app = App::new(options.source, now_ms());
    let ended = show(&mut app, options.theme, answered, &refresh).await;
    poll.abort();
    ended
}

/// Asks again and again: every [`ROUND`], or at once when the user wants.
async fn poll(
    mut poller: Poller,
    answers: mpsc::Sender<Result<Arc<Snapshot>, String>>,
    refresh: Arc<Notify>,
) {
    while answers.send(poller.round().await).await.is_ok() {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = refresh.notified() => {}
        }
    }
}

async fn show(
    app: &mut App,
    theme: Theme,
    mut answered: mpsc::Receiver<Result<Arc<Snapshot>, String>>,
    refresh: &Notify,
) -> Result<(), TuiError> {
    let mut screen = Screen::enter()?;
    let mut keys = EventStream::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut clock = tokio::time::interval(TICK);
    loop {
        screen.draw(|frame| view(app, theme, frame))?;
        let event = tokio::select! {
            key = poll_fn(|context| Pin::new(&mut keys).poll_next(context)) => match key {
                None => return Ok(()),
                Some(read) => match read? {
                    crossterm::event::Event::Key(key) if !key.is_release() => Event::Key(key),
                    crossterm::event::Event::Mouse(mouse) => Event::Mouse(mouse),
                    _ => Event::Resized,
                },
            },
            Some(answer) = answered.recv() => match answer {
                Ok(snapshot) => Event::Snapshot(snapshot),
                Err(failure) => Event::Failed(failure),
            },
            _ = clock.tick() => Event::Tick(now_ms()),
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
        };
        match update(app, event) {
            None => {}
            Some(Effect::Quit) => return Ok(()),
            Some(Effect::Refresh) => refresh.notify_one(),
            Some(Effect::Copy(text)) => screen.copy(&text)?,
            Some(Effect::Mouse(on)) => screen.mouse(on)?,
        }
    }
}
