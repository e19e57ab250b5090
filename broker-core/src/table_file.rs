//! A table of the broker on disk: `config/NAME.json`, in the dialect and the layout of Apache's.

use std::path::PathBuf;

use remoting::protocol::fastjson::{self, JsonError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::StoreError;
use store::fs::OsFileSystem;
use store::json_file::{self, LoadError, Loaded};

/// Why a table cannot be read or saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Save(#[from] StoreError),
    #[error("encode {}: {problem}", path.display())]
    Encode { path: PathBuf, problem: JsonError },
}

/// Where a table is kept. Saving replaces the file as a whole.
#[derive(Debug)]
pub(crate) struct TableFile {
    path: PathBuf,
}

impl TableFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The table; an empty one for a new store.
    pub(crate) fn load<T: DeserializeOwned + Default>(&self) -> Result<T, TableError> {
        let loaded = json_file::load(&OsFileSystem, &self.path, |bytes| {
            fastjson::from_slice(bytes)
        })?;
        Ok(match loaded {
            Loaded::Main(table) => table,
            Loaded::Backup { value, problem } => {
                tracing::warn!("{} is {problem}: its backup is used", self.path.display());
                value
            }
            Loaded::Absent => T::default(),
        })
    }

    pub(crate) fn save<T: Serialize>(&self, table: &T) -> Result<(), TableError> {
        let text = fastjson::to_string_pretty(table).map_err(|problem| TableError::Encode {
            path: self.path.clone(),
            problem,
        })?;
        Ok(json_file::save(&OsFileSystem, &self.path, text.as_bytes())?)
    }
}
