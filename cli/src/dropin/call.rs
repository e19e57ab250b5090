//! A verb that is called: what was given to it, the brokers that are meant, and asking them all at once.

use std::str::FromStr;

use client::admin::Broker;
use client::{Admin, Client, ClientError, fan_out};

use super::options::{Given, Options};
use super::{Generation, Verb};
use crate::error::{CliError, Exit, Result};
use crate::output::Output;
use crate::profile::Settings;

/// Which brokers of a cluster are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Masters,
    All,
}

/// A verb with what was given to it.
pub(super) struct Call<'a> {
    pub(super) verb: &'static Verb,
    pub(super) options: Options,
    pub(super) given: Given,
    pub(super) generation: Generation,
    pub(super) output: &'a Output,
    pub(super) settings: Settings,
    pub(super) admin: Admin,
}

impl Call<'_> {
    pub(super) fn client(&self) -> &Client {
        self.admin.client()
    }

    /// A client whose brokers are those of a unit: its id ends with the unit's name.
    pub(super) fn client_of_unit(&self, unit: &str) -> Result<Client> {
        let instance_name = format!("{}@{unit}", std::process::id());
        self.settings.client_named(instance_name)
    }

    pub(super) fn name_servers(&self) -> Vec<String> {
        self.client().name_servers().all().to_vec()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.given.has(key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.given.get(key)
    }

    /// The value of an option that is required, and so was given.
    pub(super) fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or_default()
    }

    /// As `Boolean.parseBoolean`: all but `true` is false.
    pub(super) fn is_true(&self, key: &str) -> Option<bool> {
        Some(self.get(key)?.eq_ignore_ascii_case("true"))
    }

    pub(super) fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        let wrong = || {
            CliError::usage(format!(
                "{}: the value '{text}' of -{key} is no number",
                self.verb.name
            ))
        };
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// Prints the help, as Apache does when options fit but say too little.
    pub(super) fn misses<T>(&self, what: &str) -> Result<T> {
        self.output.raw(
            self.options
                .help(&format!("mqadmin {}", self.verb.name))
                .as_bytes(),
        )?;
        Err(CliError::usage(format!("{}: {what}", self.verb.name)))
    }

    /// As [`Self::misses`], when neither a broker nor a cluster was given.
    pub(super) fn neither<T>(&self) -> Result<T> {
        self.misses("one of -b and -c is needed")
    }

    /// All brokers, by cluster and name.
    pub(super) async fn brokers(&self) -> Result<Vec<Broker>> {
        let brokers = self.admin.brokers().await;
        brokers.map_err(|e| CliError::client("cannot list the brokers", &e))
    }

    /// The brokers of a cluster that are meant.
    pub(super) async fn cluster(&self, cluster: &str, scope: Scope) -> Result<Vec<Broker>> {
        let mut brokers = self.brokers().await?;
        let names: Vec<String> = brokers.iter().map(|b| b.cluster.clone()).collect();
        brokers.retain(|broker| broker.cluster == cluster);
        if brokers.is_empty() {
            let otherwise = "mqadmin clusterList shows what there is";
            return Err(CliError::not_found(format!(
                "there is no cluster '{cluster}'. Make sure the specified clusterName exists or the name server \
                 connected to is correct."
            ))
            .did_you_mean(cluster, names, otherwise));
        }
        brokers.retain(|broker| scope == Scope::All || broker.is_master());
        Ok(brokers)
    }

    /// Addresses: that of `-b`, else those of the cluster `-c`.
    ///
    /// # Errors
    /// Usage, if neither was given; as [`Self::cluster`].
    pub(super) async fn targets(&self, scope: Scope) -> Result<Vec<String>> {
        if let Some(address) = self.get("b") {
            return Ok(vec![address.to_owned()]);
        }
        let Some(cluster) = self.get("c") else {
            return self.neither();
        };
        let brokers = self.cluster(cluster, scope).await?;
        Ok(brokers.into_iter().map(|b| b.address).collect())
    }

    /// Has all brokers that are meant do something at once, and prints a line for each that did. What failed is said on
    /// standard error.
    pub(super) async fn on_all<F>(
        &self,
        scope: Scope,
        what: &str,
        ask: impl Fn(Admin, String) -> F,
        line: impl Fn(&str) -> String,
    ) -> Result<Exit>
    where
        F: Future<Output = Result<(), ClientError>> + Send + 'static,
    {
        let targets = self.targets(scope).await?;
        self.each(targets, what, ask, |address, ()| {
            self.output.raw(line(address).as_bytes())
        })
        .await
    }

    /// Asks all servers at once and prints what they answered, in their order. What failed is said on standard error.
    pub(super) async fn each<T, F>(
        &self,
        addresses: Vec<String>,
        what: &str,
        ask: impl Fn(Admin, String) -> F,
        mut print: impl FnMut(&str, T) -> Result<()>,
    ) -> Result<Exit>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ClientError>> + Send + 'static,
    {
        let answers = fan_out::all(addresses.clone(), |address| {
            ask(self.admin.clone(), address)
        });
        let mut failures = Vec::new();
        let mut done = 0_usize;
        for (address, answer) in addresses.iter().zip(answers.await) {
            match answer {
                Ok(answer) => {
                    print(address, answer)?;
                    done += 1;
                }
                Err(error) => failures.push(CliError::client(
                    format!("cannot {what} at {address}"),
                    &error,
                )),
            }
        }
        Ok(self.verdict(done, &failures))
    }

    /// Says what failed; partly done if anything was done.
    pub(super) fn verdict(&self, done: usize, failures: &[CliError]) -> Exit {
        let mut exit = Exit::Done;
        for failure in failures {
            exit = self.output.error(failure);
        }
        if done > 0 && !failures.is_empty() {
            Exit::Partly
        } else {
            exit
        }
    }
}
