//! How far long work has come, on standard error, when that is a terminal. In a pipe there is nothing.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const REDRAWS_PER_SECOND: u8 = 10;

/// A bar when `total` is known, else a counter; both with their rate.
pub(crate) fn messages(total: Option<u64>, verb: &'static str) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta} left",
        None => "{msg} {human_pos}  {per_sec}  {elapsed}",
    };
    bar(total, template, verb.to_owned())
}

/// As [`messages`], counting bytes.
pub(crate) fn bytes(total: Option<u64>, verb: String) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
        None => "{msg} {bytes}  {bytes_per_sec}  {elapsed}",
    };
    bar(total, template, verb)
}

fn bar(total: Option<u64>, template: &str, verb: String) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("a constant template");
    let bar = ProgressBar::with_draw_target(total, target())
        .with_style(style)
        .with_message(verb);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// A state that changes, with how long it has been watched.
pub(crate) fn waiting() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
    let bar = ProgressBar::with_draw_target(None, target())
        .with_style(style.expect("a constant template"));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND)
    } else {
        ProgressDrawTarget::hidden()
    }
}
