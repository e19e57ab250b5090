//! A test's own folder: gone afterwards, unless the test failed.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

#[derive(Debug)]
pub struct Folder(Option<TempDir>);

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("mq-test-").tempdir();
        Self(Some(
            folder.expect("the system has a folder for temporary files"),
        ))
    }

    pub fn path(&self) -> &Path {
        self.0.as_ref().expect("taken only by drop").path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(
    clippy::print_stderr,
    reason = "tells where a failed test left its files"
)]
impl Drop for Folder {
    fn drop(&mut self) {
        let folder = self.0.take().expect("drop runs once");
        if std::thread::panicking() {
            eprintln!("kept for inspection: {}", folder.keep().display());
        }
    }
}
