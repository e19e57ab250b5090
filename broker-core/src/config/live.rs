//! The configuration of a running broker, and changing it over the network.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use remoting::protocol::properties::{self, PropertiesError, Property};
use store::fs::OsFileSystem;
use store::json_file;

use super::{BrokerConfig, UpdateError, canonical};

/// The configuration in force. What [`BrokerConfig::changed`] makes of it takes the place of the old one, for all to see,
/// once it is in the file.
#[derive(Debug)]
pub struct LiveConfig {
    current: RwLock<Arc<BrokerConfig>>,
    /// Where changes are kept. Without it they end with the process.
    file: Option<PathBuf>,
    changing: Mutex<()>,
}

impl LiveConfig {
    /// `file`: the one that was given with `-c`.
    pub fn new(config: BrokerConfig, file: Option<PathBuf>) -> Self {
        Self {
            current: RwLock::new(Arc::new(config)),
            file,
            changing: Mutex::default(),
        }
    }

    /// The values in force now.
    pub fn current(&self) -> Arc<BrokerConfig> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes values for all to see, after writing them to the file, whose old content is kept as
    /// `.bak`. Blocks on the disk. `text` is the body of `UPDATE_BROKER_CONFIG` (25).
    pub fn change(&self, text: &str) -> Result<Arc<BrokerConfig>, UpdateError> {
        let changes = properties::parse(text)
            .map_err(|error: PropertiesError| UpdateError::Invalid(error.to_string()))?;
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = Arc::new(self.current().changed(&changes)?);
        if let Some(file) = &self.file {
            save_changes(file, &changes).map_err(UpdateError::Save)?;
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = changed.clone();
        Ok(changed)
    }
}

fn save_changes(file: &Path, changes: &[Property]) -> std::io::Result<()> {
    let old = std::fs::read_to_string(file)?;
    let pairs: Vec<(&str, &str)> = changes
        .iter()
        .map(|change| (canonical(change.key.trim()), change.value.trim()))
        .collect();
    let new = properties::rewrite(&old, &pairs);
    json_file::save(&OsFileSystem, file, new.as_bytes()).map_err(std::io::Error::other)
}
