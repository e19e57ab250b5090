//! How the text of a value becomes a value, and back.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// A type that values of a configuration can have.
pub trait Value: Sized {
    /// Reads a text without blanks at its ends. Numbers must lie in `range`; without one from 0 on.
    ///
    /// # Errors
    /// What would be right; follows the key in a sentence.
    fn parse(text: &str, range: Option<RangeInclusive<i64>>) -> Result<Self, String>;

    /// The text that [`parse`](Self::parse) makes the same value of.
    fn show(&self) -> String;
}

macro_rules! number_values {
    ($($type:ty)*) => {
        $(impl Value for $type {
            fn parse(text: &str, range: Option<RangeInclusive<i64>>) -> Result<Self, String> {
                let (from, to) = range.map_or((0, i64::MAX), RangeInclusive::into_inner);
                let wrong = || format!("must be a whole number between {from} and {to}");
                let number: i64 = text.parse().map_err(|_| wrong())?;
                if number < from || number > to {
                    return Err(wrong());
                }
                Self::try_from(number).map_err(|_| wrong())
            }

            fn show(&self) -> String {
                self.to_string()
            }
        })*
    };
}

number_values!(u8 u16 u32 u64 i32 i64);

impl Value for bool {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        // Apache takes anything but `true` for false, so that a typo goes unnoticed.
        if text.eq_ignore_ascii_case("true") {
            Ok(true)
        } else if text.eq_ignore_ascii_case("false") {
            Ok(false)
        } else {
            Err("must be true or false".to_owned())
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        if text.is_empty() {
            return Err("must not be empty".to_owned());
        }
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            return Err(format!("must not contain the control character {c:?}"));
        }
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

/// Items joined by semicolons, each once.
impl Value for Vec<String> {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        let mut items = Self::new();
        for item in text.split(';').map(str::trim).filter(|i| !i.is_empty()) {
            if !items.iter().any(|known| known == item) {
                items.push(item.to_owned());
            }
        }
        Ok(items)
    }

    fn show(&self) -> String {
        self.join(";")
    }
}

impl Value for IpAddr {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "must be an IP address, such as 0.0.0.0 or 127.0.0.1".to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') {
            return Err("must be a path".to_owned());
        }
        Ok(Self::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

/// Empty is "not set".
impl<T: Value> Value for Option<T> {
    fn parse(text: &str, range: Option<RangeInclusive<i64>>) -> Result<Self, String> {
        if text.is_empty() {
            Ok(None)
        } else {
            T::parse(text, range).map(Some)
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, Value::show)
    }
}
