//! Where the cluster is: `-n`, else `NAMESRV_ADDR`, else this machine.

use std::time::Duration;

use clap::Args;
use client::admin::Broker;
use client::{Admin, Client, ClientError, ClientOptions};

use crate::error::{CliError, Result};

/// The name server's port everywhere.
pub(crate) const DEFAULT_PORT: u16 = 9876;
pub(crate) const DEFAULT: &str = "127.0.0.1:9876";
/// A server that takes longer to answer counts as one that does not.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// Flags of every command that talks to a cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct Cluster {
    /// Name servers, separated by semicolons [default: 127.0.0.1:9876]
    #[arg(
        short,
        long,
        value_name = "HOST:PORT;…",
        env = "NAMESRV_ADDR",
        hide_env_values = true
    )]
    namesrv: Option<String>,
}

impl Cluster {
    /// The addresses to try, at least one.
    ///
    /// # Errors
    /// Usage, when an address has no host or no valid port.
    pub(crate) fn namesrv_addresses(&self) -> Result<Vec<String>> {
        let text = self
            .namesrv
            .as_deref()
            .filter(|text| !text.trim().is_empty())
            .unwrap_or(DEFAULT);
        parse(text)
    }

    /// A client of the cluster; nothing is connected yet.
    ///
    /// # Errors
    /// As [`Self::namesrv_addresses`].
    pub(crate) fn client(&self) -> Result<Client> {
        let options = ClientOptions {
            name_servers: self.namesrv_addresses()?,
            timeout: TIMEOUT,
            ..ClientOptions::default()
        };
        Client::new(options).map_err(|e| CliError::client("cannot start the client", &e))
    }

    /// Queries and actions on the cluster.
    ///
    /// # Errors
    /// As [`Self::namesrv_addresses`].
    pub(crate) fn admin(&self) -> Result<Admin> {
        self.client().map(Admin::new)
    }

    /// The addresses as one text, for messages.
    pub(crate) fn describe(&self) -> String {
        self.namesrv
            .clone()
            .filter(|text| !text.trim().is_empty())
            .unwrap_or_else(|| DEFAULT.to_owned())
    }
}

/// The masters of the cluster.
///
/// # Errors
/// When no name server answered.
pub(crate) async fn masters(admin: &Admin) -> Result<Vec<Broker>> {
    let masters = admin.masters().await;
    masters.map_err(|e| CliError::client("cannot list the brokers", &e))
}

/// `BROKER (ADDRESS): reason`, for what is missing from a list.
pub(crate) fn missing_from(broker: &Broker, error: &ClientError) -> String {
    format!("{} ({}): {error}", broker.name, broker.address)
}

/// Splits `host:port;host:port`. Commas are taken as well: people write both.
pub(crate) fn parse(text: &str) -> Result<Vec<String>> {
    let addresses: Vec<String> = text
        .split([';', ','])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    for address in &addresses {
        let valid = address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
        });
        if !valid {
            return Err(
                CliError::usage(format!("'{address}' is no name server address")).hint(
                    "write host:port, several separated by semicolons: 10.0.0.1:9876;10.0.0.2:9876",
                ),
            );
        }
    }
    if addresses.is_empty() {
        return Err(CliError::usage("no name server address given"));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("a:1", Some(vec!["a:1"])),
            (" a:1 ; b:2;", Some(vec!["a:1", "b:2"])),
            ("a:1,b:2", Some(vec!["a:1", "b:2"])),
            ("[::1]:9876", Some(vec!["[::1]:9876"])),
            ("", None),
            ("a", None),
            ("a:0", None),
            ("a:70000", None),
            (":9876", None),
        ] {
            let expected =
                expected.map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(parse(text).ok(), expected, "{text:?}");
        }
    }
}
