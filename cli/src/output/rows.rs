//! What commands print: rows of known and unknown values, and what is missing among them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A value that a server was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known<T> {
    Known(T),
    /// Why it could not be learnt.
    Unknown(String),
}

/// `{"unknown": "reason"}`, or just the value.
impl<T: Serialize> Serialize for Known<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::Unknown(reason) => BTreeMap::from([("unknown", reason)]).serialize(serializer),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Known<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Known_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<T>(),
                {
                    "type": "object",
                    "properties": {"unknown": {"type": "string"}},
                    "required": ["unknown"],
                },
            ],
        })
    }
}

impl<T> Known<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Known(value) => Known::Known(f(value)),
            Self::Unknown(reason) => Known::Unknown(reason),
        }
    }

    /// What was asked for, or the error as the reason why it is not known.
    pub(crate) fn from_result(asked: Result<T, impl Display>) -> Self {
        match asked {
            Ok(value) => Self::Known(value),
            Err(error) => Self::Unknown(error.to_string()),
        }
    }
}

impl Known<String> {
    /// What becomes of one target of a change: `did`, as "deleted", or why not. If not to `go_on`, it is not done, but
    /// "would be deleted".
    pub(crate) async fn outcome<T, E: Display>(
        did: &str,
        go_on: bool,
        act: impl Future<Output = Result<T, E>>,
    ) -> Self {
        if !go_on {
            return Self::Known(format!("would be {did}"));
        }
        Self::from_result(act.await.map(|_| did.to_owned()))
    }
}

impl<T> From<T> for Known<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

/// What a field looks like in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    Number(String),
    /// Known to be nothing, as the time of the last message of an empty queue.
    Nothing,
    Unknown(String),
}

impl Cell {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Nothing => "",
            Self::Unknown(_) => "-",
        }
    }
}

/// Types that row fields may have.
pub(crate) trait ToCell {
    fn to_cell(&self) -> Cell;
}

macro_rules! number_cells {
    ($($type:ty)*) => {
        $(impl ToCell for $type {
            fn to_cell(&self) -> Cell {
                Cell::Number(self.to_string())
            }
        })*
    };
}
number_cells! { i32 i64 u16 u32 u64 usize }

impl ToCell for f64 {
    fn to_cell(&self) -> Cell {
        Cell::Number(format!("{self:.2}"))
    }
}

impl ToCell for bool {
    fn to_cell(&self) -> Cell {
        Cell::Text(self.to_string())
    }
}

impl ToCell for String {
    fn to_cell(&self) -> Cell {
        if self.is_empty() {
            Cell::Nothing
        } else {
            Cell::Text(self.clone())
        }
    }
}

impl ToCell for Vec<String> {
    fn to_cell(&self) -> Cell {
        self.join(";").to_cell()
    }
}

impl ToCell for BTreeMap<String, String> {
    fn to_cell(&self) -> Cell {
        self.iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
            .to_cell()
    }
}

impl<T: ToCell> ToCell for Option<T> {
    fn to_cell(&self) -> Cell {
        self.as_ref().map_or(Cell::Nothing, ToCell::to_cell)
    }
}

impl<T: ToCell> ToCell for Known<T> {
    fn to_cell(&self) -> Cell {
        match self {
            Self::Known(value) => value.to_cell(),
            Self::Unknown(reason) => Cell::Unknown(reason.clone()),
        }
    }
}

/// A column: the name of its field, and whether only `-o wide` shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) wide: bool,
}

/// What a command prints many of. Written by [`row!`].
pub(crate) trait Row: Serialize + JsonSchema {
    const COLUMNS: &'static [Column];

    /// One cell per column.
    fn cells(&self) -> Vec<Cell>;

    /// What `-o name` prints.
    fn name(&self) -> String;
}

/// Declares a row once: struct, machine formats and table columns. `as wide` keeps a column out of the plain table.
macro_rules! row {
    (
        $(#[$meta:meta])*
        struct $row:ident named by $key:ident {
            $($(#[$field_meta:meta])* $field:ident: $type:ty $(as $wide:ident)?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
        pub(crate) struct $row {
            $($(#[$field_meta])* pub(crate) $field: $type,)*
        }

        impl $crate::output::Row for $row {
            const COLUMNS: &'static [$crate::output::Column] = &[
                $($crate::output::Column {
                    name: stringify!($field),
                    wide: $crate::output::row!(@wide $($wide)?),
                },)*
            ];

            fn cells(&self) -> Vec<$crate::output::Cell> {
                vec![$($crate::output::ToCell::to_cell(&self.$field)),*]
            }

            fn name(&self) -> String {
                self.$key.to_string()
            }
        }
    };
    (@wide) => { false };
    (@wide wide) => { true };
}
pub(crate) use row;

/// Rows, and what is missing among them.
#[derive(Debug)]
pub(crate) struct Report<R> {
    pub(crate) rows: Vec<R>,
    /// One line for each source that gave no rows: who, and why.
    pub(crate) missing: Vec<String>,
}

impl<R> From<Vec<R>> for Report<R> {
    fn from(rows: Vec<R>) -> Self {
        Self {
            rows,
            missing: Vec::new(),
        }
    }
}
