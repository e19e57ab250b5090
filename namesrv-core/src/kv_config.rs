//! Texts by namespace and key, kept in Apache's `kvConfig.json`:
//! `{"configTable":{"NAMESPACE":{"KEY":"VALUE"}}}`.
//!
//! A change is on disk before it can be read. A namespace stays when its last key goes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use remoting::protocol::fastjson;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::warn;

use crate::safe_file;

/// The queues of topics whose order is strict, by topic: `broker-a:4;broker-b:4`.
pub(crate) const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// The file, and with it the answer with a whole namespace, must fit a frame.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Why the KV configuration could not be read or changed.
#[derive(Debug, Error)]
pub enum KvConfigError {
    #[error("read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// Starting without it would overwrite what can still be repaired by hand.
    #[error("parse {}: {problem}; its .bak is of no use either: repair one of them, or remove both", path.display())]
    Parse { path: PathBuf, problem: String },
    #[error("write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the KV configuration would be larger than {MAX_FILE_BYTES} bytes")]
    Full,
}

type Namespaces = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct KvFile {
    config_table: Namespaces,
}

/// The configuration in memory and on disk.
#[derive(Debug)]
pub(crate) struct KvConfig {
    path: PathBuf,
    /// Replaced as a whole, so that nobody who reads waits for the disk.
    current: RwLock<Arc<KvFile>>,
    /// Held by the one who makes and saves the next.
    saving: Mutex<()>,
}

impl KvConfig {
    /// Reads the file, or its backup when the file is missing or damaged. None of them: empty.
    pub(crate) fn load(path: PathBuf) -> Result<Self, KvConfigError> {
        let file = load_file(&path)?;
        Ok(Self {
            path,
            current: RwLock::new(Arc::new(file)),
            saving: Mutex::new(()),
        })
    }

    pub(crate) fn value(&self, namespace: &str, key: &str) -> Option<String> {
        self.current()
            .config_table
            .get(namespace)?
            .get(key)
            .cloned()
    }

    /// All keys of a namespace.
    pub(crate) fn namespace(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        self.current().config_table.get(namespace).cloned()
    }

    pub(crate) fn put(
        &self,
        namespace: String,
        key: String,
        value: String,
    ) -> Result<(), KvConfigError> {
        self.change(|table| {
            table.entry(namespace).or_default().insert(key, value);
        })
    }

    pub(crate) fn delete(&self, namespace: &str, key: &str) -> Result<(), KvConfigError> {
        if self.value(namespace, key).is_none() {
            return Ok(());
        }
        self.change(|table| {
            if let Some(keys) = table.get_mut(namespace) {
                keys.remove(key);
            }
        })
    }

    fn current(&self) -> Arc<KvFile> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    fn change(&self, change: impl FnOnce(&mut Namespaces)) -> Result<(), KvConfigError> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = KvFile::clone(&self.current());
        change(&mut next.config_table);
        let json = fastjson::to_string_pretty(&next).expect("texts can be written as JSON");
        if u64::try_from(json.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
            return Err(KvConfigError::Full);
        }
        safe_file::replace(&self.path, json.as_bytes()).map_err(|source| KvConfigError::Write {
            path: self.path.clone(),
            source,
        })?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }
}

fn load_file(path: &Path) -> Result<KvFile, KvConfigError> {
    let problem = match parse_file(path)? {
        Some(Ok(file)) => return Ok(file),
        Some(Err(problem)) => problem,
        None => "absent".to_owned(),
    };
    match parse_file(&safe_file::backup_of(path))? {
        Some(Ok(file)) => {
            warn!(path = %path.display(), problem, "KV configuration read from its backup");
            Ok(file)
        }
        None if problem == "absent" => Ok(KvFile::default()),
        Some(Err(_)) | None => Err(KvConfigError::Parse {
            path: path.to_owned(),
            problem,
        }),
    }
}

/// `None`: there is no such file.
fn parse_file(path: &Path) -> Result<Option<Result<KvFile, String>>, KvConfigError> {
    let content = safe_file::read(path, MAX_FILE_BYTES).map_err(|source| KvConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(content.map(|bytes| fastjson::from_slice(&bytes).map_err(|e| e.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn changes_survive_and_one_generation_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("namesrv/kvConfig.json");
        let put = |kv: &KvConfig, key: &str, value: &str| {
            kv.put("N".to_owned(), key.to_owned(), value.to_owned())
                .unwrap();
        };
        let kv = KvConfig::load(path.clone()).unwrap();
        assert_eq!((kv.value("N", "k"), kv.namespace("N")), (None, None));
        kv.delete("N", "k").unwrap();
        assert!(!path.exists());
        put(&kv, "k", "v");
        put(&kv, "标签", "二");
        kv.delete("N", "k").unwrap();
        let again = KvConfig::load(path.clone()).unwrap();
        assert_eq!(again.value("N", "标签").as_deref(), Some("二"));
        assert_eq!(again.namespace("N"), kv.namespace("N"));
        assert_eq!(again.value("N", "k"), None);

        fs::write(&path, "{\"configTable\":{").unwrap();
        let before = KvConfig::load(path.clone()).unwrap();
        assert_eq!(before.value("N", "k").as_deref(), Some("v"));
        fs::write(safe_file::backup_of(&path), "").unwrap();
        assert!(matches!(
            KvConfig::load(path),
            Err(KvConfigError::Parse { .. })
        ));
    }

    #[test]
    fn apaches_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kvConfig.json");
        let json = "{\n\t\"configTable\":{\"ORDER_TOPIC_CONFIG\":{\n\t\t\"T\":\"broker-a:4;broker-b:4\"\n\t}\n\t}\n}";
        fs::write(&path, json).unwrap();
        let kv = KvConfig::load(path).unwrap();
        assert_eq!(
            kv.value(ORDER_TOPIC_CONFIG, "T").as_deref(),
            Some("broker-a:4;broker-b:4")
        );
    }

    #[test]
    fn what_cannot_be_saved_does_not_act() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kvConfig.json");
        let kv = KvConfig::load(path.clone()).unwrap();
        let put = |value: String| kv.put("N".to_owned(), "k".to_owned(), value);
        assert!(matches!(put("x".repeat(9 << 20)), Err(KvConfigError::Full)));
        fs::create_dir(&path).unwrap();
        assert!(matches!(
            put("v".to_owned()),
            Err(KvConfigError::Write { .. })
        ));
        assert_eq!(kv.namespace("N"), None);
    }
}
