//! `mq tui`: the dashboard.

use std::path::PathBuf;
use std::time::Duration;

use tui::{FrameFormat, Lang, Options, Source, Theme, TuiError};

use crate::error::{CliError, Exit, Result};
use crate::output::Output;
use crate::profile::Cluster;

/// A broker that answers later than this counts as dead for the round; the next one asks it again.
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// Columns and lines; nobody's terminal is larger.
const LARGEST: u16 = 1_000;

/// Watch a cluster: brokers, topics, groups, what falls behind and what is wrong
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq tui\n  mq tui --view 'group billing' -n 10.0.0.1:9876\n  \
                        mq tui --once --view groups --size 120x40\n  \
                        mq tui --once -o json | jq '.rows[].what'\n  \
                        mq tui --record incident.jsonl\n  mq tui --replay incident.jsonl"
)]
pub(crate) struct Args {
    /// Begin with this view, as typed after ':': groups, 'topic orders' [default: pulse]
    #[arg(long, value_name = "VIEW")]
    view: Option<String>,
    /// Print one frame and end; exit code 3 if somebody did not answer
    #[arg(long)]
    once: bool,
    /// Columns and lines of the frame
    #[arg(long, value_name = "WxH", value_parser = size, default_value = "120x40", requires = "once")]
    size: (u16, u16),
    /// How to print the frame
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Text, requires = "once")]
    format: Format,
    /// Also write what is seen into a file, for --replay
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Show what was recorded in place of a cluster
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Colours: the terminal's own, those for a light background, for the colour-blind, or none [default: default; none if
    /// NO_COLOR is set]
    #[arg(long, value_enum)]
    palette: Option<Palette>,
    /// Offer no changes
    #[arg(long)]
    read_only: bool,
    /// Use ASCII characters only; in English
    #[arg(long)]
    ascii: bool,
    /// Language: English or Chinese [default: that of the locale]
    #[arg(long, value_enum, value_name = "en|zh", conflicts_with = "ascii")]
    lang: Option<Language>,
    #[command(flatten)]
    cluster: Cluster,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Palette {
    Default,
    Light,
    ColorBlind,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    En,
    Zh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    /// Text with colours
    Ansi,
    /// The rows of the view as values
    Json,
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let palette = match args.palette {
        Some(Palette::Default) => tui::Palette::Default,
        Some(Palette::Light) => tui::Palette::Light,
        Some(Palette::ColorBlind) => tui::Palette::ColorBlind,
        Some(Palette::None) => tui::Palette::None,
        None if no_color => tui::Palette::None,
        None => tui::Palette::Default,
    };
    let (title, source, read_only) = match &args.replay {
        Some(path) => {
            let title = path.display().to_string();
            (title, Source::Recording(path.clone()), false)
        }
        None => {
            let settings = args.cluster.settings()?;
            let title = match settings.prod.value {
                true => format!("PROD {}", settings.namesrv.value),
                false => settings.namesrv.value.clone(),
            };
            let source = Source::Cluster {
                client: settings.client(TIMEOUT)?,
                record: args.record.clone(),
            };
            (title, source, settings.read_only.value)
        }
    };
    let theme = Theme {
        palette,
        ascii: args.ascii,
        lang: match args.lang {
            Some(Language::En) => Lang::English,
            Some(Language::Zh) => Lang::Chinese,
            None if args.ascii => Lang::English,
            None => of_locale(|name| std::env::var(name).ok()),
        },
    };
    let options = Options {
        title,
        theme,
        read_only: args.read_only || read_only,
        view: args.view.clone(),
    };
    if !args.once {
        tui::run(source, options).await.map_err(explain)?;
        return Ok(Exit::Done);
    }
    let format = match args.format {
        Format::Text => FrameFormat::Text,
        Format::Ansi => FrameFormat::Ansi,
        Format::Json => FrameFormat::Json,
    };
    let frame = tui::once(source, options, args.size, format)
        .await
        .map_err(explain)?;
    output.raw(frame.text.as_bytes())?;
    Ok(if frame.complete {
        Exit::Done
    } else {
        Exit::Partly
    })
}

fn explain(error: TuiError) -> CliError {
    let failed = CliError::failed("cannot show the dashboard").because(&error);
    match error {
        TuiError::Terminal(_) => failed.hint("run it in a terminal, or print one frame with --once"),
        TuiError::NoAnswer(_) => failed.hint("is the name server there? give its address with -n"),
        TuiError::NoSuchView(_) => CliError::not_found(error.to_string())
            .hint("views are pulse, brokers, topics, groups, dlq, clients, store, help, 'topic NAME', 'group NAME'"),
        TuiError::Recording(_) | TuiError::Asking(_) => failed,
    }
}

/// The language of the first variable that is set, in the order of setlocale(3).
fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Lang {
    let mut set = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(variable)
        .filter(|value| !value.is_empty());
    match set.next() {
        Some(locale) if locale.starts_with("zh") => Lang::Chinese,
        _ => Lang::English,
    }
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides
        .filter(|(width, height)| (1..=LARGEST).contains(width) && (1..=LARGEST).contains(height))
        .ok_or_else(|| format!("columns and lines up to {LARGEST} expected, as in 120x40"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_the_locale() {
        for (variables, expected) in [
            (&[("LANG", "zh_CN.UTF-8")][..], Lang::Chinese),
            (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")], Lang::English),
            (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "")], Lang::English),
            (&[], Lang::English),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(own, _)| *own == name)?;
                Some(found.1.to_owned())
            };
            assert_eq!(of_locale(variable), expected, "{variables:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("80x24", Some((80, 24))),
            ("1x1", Some((1, 1))),
            ("0x1", None),
            ("1001x1", None),
            ("80", None),
            ("80x", None),
            ("-1x5", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }
}
