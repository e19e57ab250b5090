//! The live dashboard of a cluster, asked again every two seconds.
//!
//! `snapshot` is what is known at one moment, `history` what was seen before; `page` is what can be looked at, `app` what is.
//! `findings` says what is wrong; `pages` turn state into a `sheet` (facts, columns, rows), `view` turns a sheet into a
//! screen. `update` turns events into state and effects by `keys`, the one table of keys. `menu` offers what can be changed,
//! `change` plans it and `carry_out` does it; only then is anything changed on a server. `poll` asks the servers, `terminal`
//! enters and leaves the screen.

mod app;
mod carry_out;
mod change;
mod command;
mod figures;
mod findings;
mod frame;
mod history;
mod keys;
mod menu;
mod messages;
mod page;
mod pages;
mod plans;
mod poll;
mod recording;
mod run;
#[cfg(test)]
mod samples;
mod sheet;
mod snapshot;
mod terminal;
mod text;
mod theme;
mod update;
mod view;

pub use recording::RecordingError;
pub use run::{FrameFormat, Options, Printed, Source, TuiError, once, run};
pub use text::Lang;
pub use theme::{Palette, Theme};
