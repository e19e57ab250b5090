//! Where the cluster is, and how it is to be treated: what a flag says, else the environment, else the profile of
//! `config.toml`, else this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use client::admin::Broker;
use client::{AddressRules, Admin, Client, ClientError, ClientOptions};

use crate::config_file::{ConfigFile, FILE_VARIABLE};
use crate::confirm;
use crate::error::{CliError, Result};
use crate::output::Output;

/// The name server's port everywhere.
pub(crate) const DEFAULT_PORT: u16 = 9876;
pub(crate) const DEFAULT: &str = "127.0.0.1:9876";
/// A server that takes longer to answer counts as one that does not.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);
const NAMESRV_VARIABLE: &str = "NAMESRV_ADDR";
const PROFILE_VARIABLE: &str = "MQ_PROFILE";

/// Flags of every command that talks to a cluster. The root has them as well, see [`BeforeCommand`].
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Cluster {
    /// Name servers, separated by semicolons [env: NAMESRV_ADDR=] [default: those of the profile, or 127.0.0.1:9876]
    #[arg(short, long, value_name = "HOST:PORT;…")]
    namesrv: Option<String>,
    /// Profile of config.toml; see mq profile list [env: MQ_PROFILE=]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// The same flags in front of a command, from where clap passes them on to the command's own. Commands that have no use for
/// them do not show them.
#[derive(Debug, Args)]
pub(crate) struct BeforeCommand {
    #[arg(short, long, global = true, hide = true)]
    namesrv: Option<String>,
    #[arg(long, global = true, hide = true)]
    profile: Option<String>,
}

/// A value, and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Origin<T> {
    pub(crate) value: T,
    pub(crate) origin: String,
}

impl<T> Origin<T> {
    fn new(value: T, origin: impl Into<String>) -> Self {
        Self {
            value,
            origin: origin.into(),
        }
    }
}

/// What a command goes by.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) file: String,
    pub(crate) profile: Origin<Option<String>>,
    pub(crate) namesrv: Origin<String>,
    pub(crate) read_only: Origin<bool>,
    pub(crate) prod: Origin<bool>,
    pub(crate) rewrite: Origin<BTreeMap<String, String>>,
    rules: AddressRules,
}

impl Settings {
    /// The addresses of the name servers to try, at least one.
    ///
    /// # Errors
    /// Usage, when an address has no host or no valid port.
    pub(crate) fn namesrv_addresses(&self) -> Result<Vec<String>> {
        parse(&self.namesrv.value)
    }

    /// A client of the cluster, with a time limit for each answer; nothing is connected yet.
    ///
    /// # Errors
    /// As [`Self::namesrv_addresses`].
    pub(crate) fn client(&self, timeout: Duration) -> Result<Client> {
        connect(self.options(timeout)?)
    }

    /// A client for a few questions, which waits so long for a silent server, once.
    ///
    /// # Errors
    /// As [`Self::namesrv_addresses`].
    pub(crate) fn client_to_ask(&self, timeout: Duration) -> Result<Client> {
        connect(ClientOptions {
            wait_once: true,
            ..self.options(timeout)?
        })
    }

    /// A client with the second half of its client id.
    ///
    /// # Errors
    /// As [`Self::namesrv_addresses`].
    pub(crate) fn client_named(&self, instance_name: String) -> Result<Client> {
        connect(ClientOptions {
            instance_name: Some(instance_name),
            ..self.options(TIMEOUT)?
        })
    }

    fn options(&self, timeout: Duration) -> Result<ClientOptions> {
        Ok(ClientOptions {
            name_servers: self.namesrv_addresses()?,
            timeout,
            rewrite: self.rules.clone(),
            read_only: self.read_only.value,
            ..ClientOptions::default()
        })
    }
}

fn connect(options: ClientOptions) -> Result<Client> {
    Client::new(options).map_err(|e| CliError::client("cannot start the client", &e))
}

/// A variable of the environment that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

impl Cluster {
    /// The same with name servers of its own, if any are given.
    pub(crate) fn at(&self, namesrv: Option<&str>) -> Self {
        let namesrv = namesrv.map(str::to_owned);
        Self {
            namesrv: namesrv.or_else(|| self.namesrv.clone()),
            profile: self.profile.clone(),
        }
    }

    /// Flag, environment, profile, default, in this order.
    ///
    /// # Errors
    /// Not found, if the profile is not; failed or usage for a file that cannot be used.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let file = ConfigFile::read()?;
        let content = &file.content;
        let default = content.default_profile.as_ref();
        let flag = self.profile.clone();
        let name = flag
            .map(|name| Origin::new(name, "--profile"))
            .or_else(|| variable(PROFILE_VARIABLE).map(|name| Origin::new(name, PROFILE_VARIABLE)))
            .or_else(|| default.map(|name| Origin::new(name.get_ref().clone(), file.origin(name))));
        let profile = match &name {
            None => None,
            Some(name) => {
                let found = content.profile.get(&name.value);
                let error = || {
                    CliError::not_found(format!(
                        "there is no profile '{}' (chosen by {}) in {}",
                        name.value,
                        name.origin,
                        file.path.display()
                    ))
                    .did_you_mean(
                        &name.value,
                        content.profile.keys(),
                        format!("mq profile list lists them; {FILE_VARIABLE} names another file"),
                    )
                };
                Some(found.ok_or_else(error)?)
            }
        };
        let of_profile = |value: Option<&toml::Spanned<bool>>| {
            value.map_or(Origin::new(false, "default"), |value| {
                Origin::new(*value.get_ref(), file.origin(value))
            })
        };
        let flag = self.namesrv.clone().filter(|text| !text.trim().is_empty());
        let namesrv = flag
            .map(|text| Origin::new(text, "--namesrv"))
            .or_else(|| variable(NAMESRV_VARIABLE).map(|text| Origin::new(text, NAMESRV_VARIABLE)))
            .or_else(|| {
                let value = profile?.namesrv.as_ref()?;
                Some(Origin::new(value.get_ref().clone(), file.origin(value)))
            })
            .unwrap_or_else(|| Origin::new(DEFAULT.to_owned(), "default"));
        let rewrite = profile.map(|profile| &profile.rewrite);
        let rewrite = rewrite.filter(|rewrite| !rewrite.is_empty());
        Ok(Settings {
            file: file.path.display().to_string(),
            namesrv,
            read_only: of_profile(profile.and_then(|profile| profile.read_only.as_ref())),
            prod: of_profile(profile.and_then(|profile| profile.prod.as_ref())),
            rewrite: match rewrite {
                None => Origin::new(BTreeMap::new(), "default"),
                Some(rewrite) => {
                    let pairs = rewrite.iter();
                    let pairs = pairs.map(|(from, to)| (from.clone(), to.get_ref().clone()));
                    let first = rewrite.values().next().map(|value| file.origin(value));
                    Origin::new(pairs.collect(), first.unwrap_or_default())
                }
            },
            rules: profile.map_or_else(|| Ok(AddressRules::default()), |p| p.rules())?,
            profile: match name {
                Some(name) => Origin::new(Some(name.value), name.origin),
                None => Origin::new(None, "default"),
            },
        })
    }

    /// A client that asks the cluster; nothing is connected yet.
    ///
    /// # Errors
    /// As [`Self::settings`] and [`Settings::namesrv_addresses`].
    pub(crate) fn client(&self) -> Result<Client> {
        self.settings()?.client_to_ask(TIMEOUT)
    }

    /// Queries on the cluster.
    ///
    /// # Errors
    /// As [`Self::client`].
    pub(crate) fn admin(&self) -> Result<Admin> {
        self.client().map(Admin::new)
    }

    /// A client that changes something, unless it only shows what it would do. In a profile that is marked prod, whoever
    /// sits at a terminal is asked for the profile's name: the usual mistake is the wrong window. Scripts mean what they say.
    ///
    /// # Errors
    /// Refused, if the profile is read-only or the name was not given; as [`Self::client`].
    pub(crate) fn client_to_change(&self, output: &Output, dry_run: bool) -> Result<Client> {
        let settings = self.settings()?;
        let name = settings.profile.value.as_deref().unwrap_or_default();
        if settings.read_only.value && !dry_run {
            return Err(CliError::refused(format!(
                "profile '{name}' is read-only ({})",
                settings.read_only.origin
            ))
            .hint("choose another profile with --profile"));
        }
        if settings.prod.value && !dry_run {
            confirm::name(output, &format!("profile '{name}' is marked prod"), name)?;
        }
        settings.client(TIMEOUT)
    }

    /// Actions on the cluster, under the same conditions.
    ///
    /// # Errors
    /// As [`Self::client_to_change`].
    pub(crate) fn admin_to_change(&self, output: &Output, dry_run: bool) -> Result<Admin> {
        self.client_to_change(output, dry_run).map(Admin::new)
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

/// The brokers with these names, masters and slaves; all if no name is given.
///
/// # Errors
/// When no name server answered; not found, with the nearest name.
pub(crate) async fn brokers_named(admin: &Admin, names: &[String]) -> Result<Vec<Broker>> {
    let mut brokers = admin
        .brokers()
        .await
        .map_err(|e| CliError::client("cannot list the brokers", &e))?;
    for name in names {
        let known = brokers.iter().map(|broker| &broker.name);
        if !known.clone().any(|known| known == name) {
            let problem = format!("there is no broker '{name}'");
            let otherwise = "see mq broker list";
            return Err(CliError::not_found(problem).did_you_mean(name, known, otherwise));
        }
    }
    if !names.is_empty() {
        brokers.retain(|broker| names.contains(&broker.name));
    }
    Ok(brokers)
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
