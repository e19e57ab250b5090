//! What a broker is told on the command line.

use std::path::{Path, PathBuf};

use broker_core::config::{BrokerConfig, ConfigWarning, Environment};

use crate::error::Result;
use crate::settings;

/// Where a broker's settings come from; what is further down wins.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Configuration file, as of Apache's broker; mq config template broker.conf prints one
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Name servers to register with, whatever the file and NAMESRV_ADDR say
    #[arg(short, long, value_name = "HOST:PORT;…")]
    namesrv: Option<String>,
    /// A setting that wins over the file; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = settings::parse)]
    set: Vec<(String, String)>,
}

impl Settings {
    /// Those of a file alone.
    pub(crate) fn of_file(file: &Path) -> Self {
        Self {
            config: Some(file.to_owned()),
            namesrv: None,
            set: Vec::new(),
        }
    }

    /// The configuration, and what in it has no effect.
    ///
    /// # Errors
    /// Not found, failed, or usage with all settings that are wrong.
    pub(crate) fn read(&self) -> Result<(BrokerConfig, Vec<ConfigWarning>)> {
        let file = self.config.as_deref().map(settings::entries).transpose()?;
        let namesrv = self
            .namesrv
            .iter()
            .map(|text| ("namesrvAddr", text.as_str()));
        let set = self
            .set
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let command_line: Vec<(&str, &str)> = namesrv.chain(set).collect();
        BrokerConfig::from_properties(
            file.as_ref()
                .map(|(name, entries)| (name.as_str(), entries.as_slice())),
            &command_line,
            &Environment::of_process(),
        )
        .map_err(|errors| settings::wrong("broker", &errors))
    }
}
