//! The loop around the pure parts: keys, clock and answers in, frames and effects out.

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use client::{Admin, Client};
use crossterm::event::EventStream;
use futures_core::Stream;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Map, Value as Json, json};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::app::App;
use crate::carry_out::carry_out;
use crate::command::{self, Target};
use crate::frame;
use crate::messages;
use crate::plans;
use crate::poll::{Poller, now_ms};
use crate::recording::{self, Recorder, RecordingError};
use crate::snapshot::Snapshot;
use crate::terminal::Screen;
use crate::theme::Theme;
use crate::update::{Effect, Event, update};
use crate::view::view;

/// How often the servers are asked.
const ROUND: Duration = Duration::from_secs(2);
/// How often ages on the screen move on.
const TICK: Duration = Duration::from_secs(1);
/// Between the two rounds that a single frame needs for its rates.
const ONCE_PAUSE: Duration = Duration::from_secs(1);

/// Why there is no dashboard, or no more.
#[derive(Debug, Error)]
pub enum TuiError {
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] io::Error),
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error("{0}")]
    NoAnswer(String),
    #[error("no such view: {0}")]
    NoSuchView(String),
    #[error("the task that asks the servers has ended: {0}")]
    Asking(String),
}

/// Where the figures come from.
#[derive(Debug)]
pub enum Source {
    Cluster {
        client: Client,
        /// Where to write down what is seen.
        record: Option<PathBuf>,
    },
    /// A recording; it goes on as fast as it was recorded, and stays at its end.
    Recording(PathBuf),
}

/// What the caller decides.
#[derive(Debug)]
pub struct Options {
    /// The name servers or the recording, as shown in the header.
    pub title: String,
    pub theme: Theme,
    /// Offer no changes.
    pub read_only: bool,
    /// The view to begin with, as it is typed after `:`.
    pub view: Option<String>,
}

/// How a single frame is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFormat {
    Text,
    Ansi,
    Json,
}

/// A single frame.
#[derive(Debug)]
pub struct Printed {
    pub text: String,
    /// Every server answered.
    pub complete: bool,
}

type Answer = Result<Arc<Snapshot>, String>;

/// Shows the dashboard until the user leaves it, or the process is asked to end.
///
/// # Errors
/// When the terminal cannot be set up, read or drawn to; when a recording cannot be written or read.
pub async fn run(source: Source, options: Options) -> Result<(), TuiError> {
    let refresh = Arc::new(Notify::new());
    let (answers, mut answered) = mpsc::channel(1);
    let live = matches!(source, Source::Cluster { .. });
    let (questions, asked) = watch::channel(None);
    let (found, mut found_answers) = mpsc::channel(1);
    let (mut asking, client, mut recorder) = match source {
        Source::Cluster { client, record } => {
            let recorder = record.map(|path| Recorder::create(&path)).transpose()?;
            let poller = Poller::new(Admin::new(client.clone()));
            (
                tokio::spawn(poll(poller, answers, refresh.clone())),
                Some(client),
                recorder,
            )
        }
        Source::Recording(path) => (
            tokio::spawn(replay(recording::read(&path)?, answers, refresh.clone())),
            None,
            None,
        ),
    };
    let admin = client.clone().map(Admin::new);
    let (done, mut carried_out) = mpsc::channel(1);
    let (worked_out, mut plans) = mpsc::channel(1);
    let mut planning = JoinSet::new();
    let mut changing = JoinSet::new();
    let reading = tokio::spawn(messages::answer(client, asked, found));
    let mut app = App::new(
        options.title,
        options.read_only || !live,
        if live { now_ms() } else { 0 },
    );
    let mut wanted = options.view;
    let ended = async {
        let mut screen = Screen::enter()?;
        let mut keys = EventStream::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut clock = tokio::time::interval(TICK);
        loop {
            screen.draw(|frame| view(&app, options.theme, frame))?;
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
                    Ok(snapshot) => {
                        if let Some(recorder) = &mut recorder {
                            recorder.add(&snapshot)?;
                        }
                        Event::Snapshot(snapshot)
                    }
                    Err(failure) => Event::Failed(failure),
                },
                Some((question, found)) = found_answers.recv() => Event::Answer(question, found),
                Some((number, planned)) = plans.recv() => Event::Planned(number, planned),
                Some((id, outcome)) = carried_out.recv() => Event::CarriedOut(id, outcome),
                // In a recording, time stands at what is seen.
                _ = clock.tick(), if live => Event::Tick(now_ms()),
                _ = terminate.recv() => return Ok(()),
                _ = hang_up.recv() => return Ok(()),
                // It ends only by a panic, which has taken the screen away.
                ended = &mut asking => {
                    let reason = ended.err().map(|error| error.to_string());
                    return Err(TuiError::Asking(reason.unwrap_or_default()));
                }
            };
            let page = app.page().clone();
            let round = matches!(event, Event::Snapshot(_));
            let mut asks_again = false;
            match update(&mut app, event) {
                None => {}
                Some(Effect::Quit) => return Ok(()),
                Some(Effect::Refresh) => {
                    refresh.notify_one();
                    asks_again = true;
                }
                Some(Effect::WorkOut(number, question)) => {
                    if let Some(admin) = admin.clone() {
                        let worked_out = worked_out.clone();
                        planning.spawn(async move {
                            let plan = plans::work_out(admin, question).await;
                            let _ = worked_out.send((number, plan)).await;
                        });
                    }
                }
                Some(Effect::Copy(text)) => screen.copy(&text)?,
                Some(Effect::Mouse(on)) => screen.mouse(on)?,
                Some(Effect::CarryOut(id, change)) => {
                    if let Some(admin) = admin.clone() {
                        let done = done.clone();
                        changing.spawn(async move {
                            // Nobody listens any more when the user has left.
                            let _ = done.send((id, carry_out(admin, change).await)).await;
                        });
                    }
                }
            }
            // Objects are known by name only once there are any.
            if app.latest.is_some()
                && let Some(view) = wanted.take()
            {
                open(&mut app, &view)?;
            }
            // The latest messages are asked for with each round, a search only once.
            let question = app.page().question();
            let goes_on = question.as_ref().is_some_and(|question| question.goes_on());
            if (round && goes_on) || asks_again || *app.page() != page {
                questions.send_replace(question);
            }
        }
    };
    let ended = ended.await;
    asking.abort();
    reading.abort();
    drop(carried_out);
    // What was begun is finished: half a deletion is worse than a moment's wait.
    changing.join_all().await;
    ended
}

/// Draws one frame of `width` by `height`, without a terminal. Rates are known: two rounds are asked.
///
/// # Errors
/// When nobody answers, the recording cannot be read, or the view does not exist.
pub async fn once(
    source: Source,
    options: Options,
    (width, height): (u16, u16),
    format: FrameFormat,
) -> Result<Printed, TuiError> {
    let rounds = match source {
        Source::Recording(path) => recording::read(&path)?.into_iter().map(Arc::new).collect(),
        Source::Cluster { client, record } => {
            let mut recorder = record.map(|path| Recorder::create(&path)).transpose()?;
            let mut poller = Poller::new(Admin::new(client));
            let mut rounds = vec![poller.round(false).await.map_err(TuiError::NoAnswer)?];
            tokio::time::sleep(ONCE_PAUSE).await;
            rounds.push(poller.round(false).await.map_err(TuiError::NoAnswer)?);
            if let Some(recorder) = &mut recorder {
                rounds
                    .iter()
                    .try_for_each(|snapshot| recorder.add(snapshot))?;
            }
            rounds
        }
    };
    let mut app = App::new(options.title, true, 0);
    for snapshot in rounds {
        update(&mut app, Event::Snapshot(snapshot));
    }
    if let Some(view) = &options.view {
        open(&mut app, view)?;
    }
    let complete = app
        .latest
        .as_ref()
        .is_some_and(|latest| latest.is_complete());
    let text = match format {
        FrameFormat::Json => format!("{:#}\n", as_json(&app)),
        FrameFormat::Text | FrameFormat::Ansi => {
            let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
            let Ok(_) = terminal.draw(|frame| view(&app, options.theme, frame));
            let buffer = terminal.backend().buffer();
            if format == FrameFormat::Ansi {
                frame::ansi(buffer)
            } else {
                frame::text(buffer)
            }
        }
    };
    Ok(Printed { text, complete })
}

fn open(app: &mut App, view: &str) -> Result<(), TuiError> {
    match command::target(app, view) {
        Ok(Target::Page(page)) => {
            app.open(page);
            Ok(())
        }
        Ok(Target::Quit) | Err(_) => Err(TuiError::NoSuchView(view.to_owned())),
    }
}

/// The page as values, whatever the size of a screen.
fn as_json(app: &App) -> Json {
    let sheet = app.sheet();
    let facts = sheet
        .facts
        .iter()
        .flatten()
        .filter(|fact| !fact.name.is_empty());
    let facts: Map<String, Json> = facts
        .map(|fact| (crate::sheet::json_name(fact.name), fact.cell.json()))
        .collect();
    json!({
        "view": app.page().title(),
        "taken_ms": app.latest.as_ref().map(|latest| latest.taken_ms),
        "facts": facts,
        "rows": sheet.json(),
    })
}

/// Asks again and again: every [`ROUND`], or at once, and for everything, when the user wants.
async fn poll(mut poller: Poller, answers: mpsc::Sender<Answer>, refresh: Arc<Notify>) {
    let mut wanted = false;
    while answers.send(poller.round(wanted).await).await.is_ok() {
        wanted = pause(ROUND, &refresh).await;
    }
}

/// Sends what was recorded, at its own pace, or at once when the user wants.
async fn replay(rounds: Vec<Snapshot>, answers: mpsc::Sender<Answer>, refresh: Arc<Notify>) {
    let mut before_ms = None;
    for snapshot in rounds {
        let gap_ms = before_ms.map_or(0, |before| snapshot.taken_ms - before);
        before_ms = Some(snapshot.taken_ms);
        pause(
            Duration::from_millis(gap_ms.max(0).unsigned_abs()).min(ROUND),
            &refresh,
        )
        .await;
        if answers.send(Ok(Arc::new(snapshot))).await.is_err() {
            return;
        }
    }
    // The channel stays open: its end would look like an answer that never comes.
    answers.closed().await;
}

/// Returns whether the user cut it short.
async fn pause(time: Duration, refresh: &Notify) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => false,
        () = refresh.notified() => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use crate::theme::Palette;

    /// One frame of a recording of two rounds in which orders arrive.
    async fn frame(view: &str, last: Snapshot, format: FrameFormat) -> Result<Printed, TuiError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("incident.jsonl");
        let mut recorder = Recorder::create(&path).unwrap();
        recorder.add(&samples::healthy()).unwrap();
        recorder.add(&last).unwrap();
        let options = Options {
            title: "incident".to_owned(),
            theme: Theme {
                palette: Palette::None,
                ascii: true,
                lang: crate::Lang::English,
            },
            read_only: true,
            view: Some(view.to_owned()),
        };
        once(Source::Recording(path), options, (80, 10), format).await
    }

    #[tokio::test]
    async fn a_recording_is_replayed_into_a_frame() {
        let last = samples::at(2_000, 500);
        let printed = frame("topics", last.clone(), FrameFormat::Text)
            .await
            .unwrap();
        assert!(printed.complete);
        assert_eq!(printed.text.lines().count(), 10);
        let orders = printed
            .text
            .lines()
            .find(|line| line.contains("orders"))
            .unwrap();
        assert!(orders.contains("250"), "{orders}");

        let json = frame("topic orders", last, FrameFormat::Json)
            .await
            .unwrap();
        let json: Json = serde_json::from_str(&json.text).unwrap();
        assert_eq!(json["view"], "orders");
        assert_eq!(json["facts"]["in_per_second"], 250);
        assert_eq!(json["rows"][0]["max"], 154_828);
        assert_eq!(json["rows"][1]["broker"], "broker-a");
    }

    #[tokio::test]
    async fn a_frame_tells_when_somebody_did_not_answer() {
        let printed = frame("brokers", samples::failing(), FrameFormat::Json)
            .await
            .unwrap();
        assert!(!printed.complete);
        let json: Json = serde_json::from_str(&printed.text).unwrap();
        let reason = "connect to 127.0.0.1:10921: connection refused";
        assert_eq!(json["rows"][1]["in_per_second"]["unknown"], reason);
        let nosuch = frame("nosuch", samples::healthy(), FrameFormat::Text).await;
        assert!(matches!(nosuch, Err(TuiError::NoSuchView(_))), "{nosuch:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_recording_goes_on_at_its_own_pace_and_stays_at_its_end() {
        let rounds = vec![
            samples::healthy(),
            samples::at(1_000, 5),
            samples::at(60_000, 9),
        ];
        let (answers, mut answered) = mpsc::channel(1);
        let started = tokio::time::Instant::now();
        let replaying = tokio::spawn(replay(rounds, answers, Arc::new(Notify::new())));
        let mut seen = Vec::new();
        for _ in 0..3 {
            answered.recv().await.unwrap().unwrap();
            seen.push(started.elapsed().as_secs());
        }
        // A long silence is cut short.
        assert_eq!(seen, [0, 1, 3]);
        assert!(!replaying.is_finished());
    }
}
