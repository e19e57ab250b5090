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
    /// Those of a file, and of name servers that win over it.
    pub(crate) fn new(file: Option<&Path>, namesrv: Option<&str>) -> Self {
        Self {
            config: file.map(Path::to_owned),
            namesrv: namesrv.map(str::to_owned),
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
