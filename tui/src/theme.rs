//! Colours and characters that a terminal can show. Only the terminal's own sixteen colours are used, so that what is
//! readable in its light or dark scheme stays so.

use ratatui::style::{Color, Modifier, Style};

use crate::sheet::Tone;
use crate::text::Lang;

/// Which colours to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Palette {
    /// Bold, dim and reversed only.
    None,
    #[default]
    Default,
    /// Without yellow, which is hard to read on white.
    Light,
    /// Blue and yellow in place of green and red.
    ColorBlind,
}

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Theme {
    pub palette: Palette,
    /// No character beyond ASCII.
    pub ascii: bool,
    pub lang: Lang,
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_BARS: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

impl Theme {
    pub(crate) fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let (good, warn, bad) = match self.palette {
            Palette::None => (None, None, None),
            Palette::Default => (Some(Color::Green), Some(Color::Yellow), Some(Color::Red)),
            Palette::Light => (Some(Color::Green), Some(Color::Magenta), Some(Color::Red)),
            Palette::ColorBlind => (Some(Color::Blue), Some(Color::Yellow), Some(Color::Magenta)),
        };
        let colored =
            |style: Style, color: Option<Color>| color.map_or(style, |color| style.fg(color));
        match tone {
            Tone::Plain => plain,
            Tone::Good => colored(plain, good),
            Tone::Warn => colored(plain, warn),
            Tone::Bad => colored(plain.add_modifier(Modifier::BOLD), bad),
            Tone::Dim => plain.add_modifier(Modifier::DIM),
            Tone::Head => plain.add_modifier(Modifier::BOLD),
        }
    }

    /// The last `width` values, scaled to the largest of them.
    pub(crate) fn spark(self, values: &[f64], width: usize) -> String {
        let shown = &values[values.len().saturating_sub(width)..];
        let largest = shown.iter().copied().fold(0.0, f64::max);
        let bars = if self.ascii { ASCII_BARS } else { BARS };
        let bar = |value: &f64| {
            let level = if largest > 0.0 {
                value / largest * 7.0
            } else {
                0.0
            };
            bars[(level.round().clamp(0.0, 7.0)) as usize]
        };
        shown.iter().map(bar).collect()
    }

    /// A small bar for each part, 0 to 1; where there are more than fit, each stands for the largest of its neighbours.
    pub(crate) fn strip(self, parts: &[f64], width: usize) -> String {
        let bars = if self.ascii { ASCII_BARS } else { BARS };
        let bar = |parts: &[f64]| match parts.iter().copied().fold(0.0, f64::max) {
            0.0 if self.ascii => '.',
            0.0 => '·',
            part => bars[((part * 7.0).ceil().clamp(0.0, 7.0)) as usize],
        };
        let each = parts.len().div_ceil(width.max(1)).max(1);
        parts.chunks(each).map(bar).collect()
    }

    /// A bar of a part of `width`; anything above nothing shows.
    pub(crate) fn heat(self, part: f64, width: usize) -> String {
        let filled = (part.clamp(0.0, 1.0) * width as f64).ceil() as usize;
        let (full, empty) = if self.ascii {
            ("#", ".")
        } else {
            ("█", "·")
        };
        full.repeat(filled) + &empty.repeat(width.saturating_sub(filled))
    }

    /// Words of our own, in the language wanted.
    pub(crate) fn words(self, text: &str) -> String {
        self.text(&self.lang.words(text))
    }

    /// What a character beyond ASCII of our own texts becomes.
    pub(crate) fn text(self, text: &str) -> String {
        let one = |letter: char| match letter {
            _ if letter.is_control() => ' ',
            _ if !self.ascii || letter.is_ascii() => letter,
            '≥' | '›' => '>',
            '…' => '~',
            '↑' => '^',
            '↓' => 'v',
            '→' => '>',
            '←' => '<',
            _ => '?',
        };
        text.chars().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars() {
        let theme = Theme::default();
        assert_eq!(theme.spark(&[9.0, 0.0, 3.5, 7.0], 3), "▁▅█");
        assert_eq!(theme.spark(&[], 3), "");
        assert_eq!(theme.spark(&[0.0, 0.0], 8), "▁▁");
        assert_eq!(theme.heat(0.01, 4), "█···");
        assert_eq!(theme.heat(7.0, 4), "████");
        assert_eq!(theme.strip(&[0.0, 0.01, 1.0], 8), "·▂█");
        assert_eq!(theme.strip(&[0.0, 0.01, 1.0, 0.0], 2), "▂█");
        let ascii = Theme {
            ascii: true,
            ..theme
        };
        assert_eq!(ascii.spark(&[0.0, 7.0], 8), "_#");
        assert_eq!(ascii.text("≥5 …"), ">5 ~");
    }
}
