//! `config.toml` in the user's configuration folder: named profiles of clusters.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use client::AddressRules;
use etcetera::BaseStrategy;
use serde::Deserialize;
use toml::Spanned;

use crate::error::{CliError, Result};

/// Names another file than the one in the user's configuration folder.
pub(crate) const FILE_VARIABLE: &str = "MQ_CONFIG";

/// A file, read. One that is not there is an empty one.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    text: String,
    pub(crate) content: Content,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    /// The profile that counts when none is named.
    pub(crate) default_profile: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) profile: BTreeMap<String, Profile>,
}

/// One cluster, and how to treat it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// `host:port;host:port`
    pub(crate) namesrv: Option<Spanned<String>>,
    /// Refuse whatever changes something.
    pub(crate) read_only: Option<Spanned<bool>>,
    /// Real work depends on it: questions are answered with the profile's name.
    pub(crate) prod: Option<Spanned<bool>>,
    /// What a server advertises → where it is reached.
    #[serde(default)]
    pub(crate) rewrite: BTreeMap<String, Spanned<String>>,
}

impl Profile {
    /// # Errors
    /// Usage, naming the rule.
    pub(crate) fn rules(&self) -> Result<AddressRules> {
        let pairs = self.rewrite.iter();
        let pairs = pairs.map(|(from, to)| (from.as_str(), to.get_ref().as_str()));
        AddressRules::parse(pairs).map_err(|e| CliError::client("the profile cannot be used", &e))
    }
}

impl ConfigFile {
    /// # Errors
    /// Failed, if it is there and cannot be read; usage, with line and column, for what is not understood.
    pub(crate) fn read() -> Result<Self> {
        let path = path()?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            Err(e) => {
                return Err(CliError::failed(format!("cannot read {}", path.display())).because(&e));
            }
        };
        let content = toml::from_str(&text).map_err(|e| {
            let place = e.span().map_or(1, |span| line_of(&text, span.start));
            CliError::usage(format!(
                "{}:{place}: {}",
                path.display(),
                e.message().trim()
            ))
            .hint("mq profile show --help shows an example")
        })?;
        Ok(Self {
            path,
            text,
            content,
        })
    }

    /// `FILE:LINE` of a value.
    pub(crate) fn origin<T>(&self, value: &Spanned<T>) -> String {
        let line = line_of(&self.text, value.span().start);
        format!("{}:{line}", self.path.display())
    }
}

fn path() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let base = etcetera::choose_base_strategy()
        .map_err(|e| CliError::failed("cannot find the configuration folder").because(&e))?;
    Ok(base.config_dir().join("mq").join("config.toml"))
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_lines() {
        let text = "default_profile = 'a'\n\n[profile.a]\nnamesrv = 'x:1'\nprod = true\n[profile.a.rewrite]\n'172.17.0.*' = 'localhost'\n";
        let content: Content = toml::from_str(text).unwrap();
        let file = ConfigFile {
            path: "c.toml".into(),
            text: text.to_owned(),
            content,
        };
        let profile = &file.content.profile["a"];
        let origin = |value: &Option<Spanned<_>>| file.origin(value.as_ref().unwrap());
        assert_eq!(origin(&profile.namesrv), "c.toml:4");
        assert_eq!(file.origin(profile.prod.as_ref().unwrap()), "c.toml:5");
        assert_eq!(
            profile.rules().unwrap().apply("172.17.0.9:10911"),
            "localhost:10911"
        );
        assert!(toml::from_str::<Content>("[profile.a]\nnamesvr = 'x:1'").is_err());
    }
}
