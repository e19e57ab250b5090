//! Texts in a given number of cells of the screen.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::theme::Theme;

/// A text in exactly `width` cells of the screen, cut where it is too long.
pub(super) fn fit(text: &str, width: usize, right: bool, theme: Theme) -> String {
    let length = text.width();
    if length <= width {
        let blanks = " ".repeat(width - length);
        return if right {
            blanks + text
        } else {
            text.to_owned() + &blanks
        };
    }
    let Some(room) = width.checked_sub(1) else {
        return String::new();
    };
    let mut cut = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let size = letter.width().unwrap_or(0);
        if used + size > room {
            break;
        }
        used += size;
        cut.push(letter);
    }
    cut.push(if theme.ascii { '~' } else { '…' });
    cut + &" ".repeat(room - used)
}

/// A text in lines of at most `width` cells, which end between words where there are any.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let length = word.trim_end().width();
        if used > 0 && used + length > width {
            lines.push(String::new());
            used = 0;
        }
        for letter in word.chars() {
            let size = letter.width().unwrap_or(0);
            if used + size > width && letter != ' ' {
                lines.push(String::new());
                used = 0;
            }
            used += size;
            if let Some(line) = lines.last_mut() {
                line.push(letter);
            }
        }
    }
    lines
}
