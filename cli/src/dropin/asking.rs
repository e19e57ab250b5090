//! Questions that many verbs ask.

use std::fs;
use std::time::Duration;

use client::ClientError;
use client::admin::Members;
use client::names::RETRY_PREFIX;
use remoting::protocol::body::client::{ClientConnection, ConsumerConnection};
use remoting::protocol::body::stats::ConsumeStats;
use remoting::protocol::body::topic::{BrokerData, TopicRouteData};
use remoting::protocol::fastjson;
use serde::de::DeserializeOwned;

use super::Call;
use crate::error::{CliError, Exit, Result};

/// For each broker name of a route the address that tools ask: that of the master, or else of a slave.
pub(super) fn one_address_each(route: &TopicRouteData) -> Vec<String> {
    let first = |data: &BrokerData| {
        data.broker_addrs
            .first_key_value()
            .map(|(_, address)| address.clone())
    };
    route.broker_datas.iter().filter_map(first).collect()
}

/// A file with JSON, of fastjson's dialect or not.
///
/// # Errors
/// Not found; or usage, when it is something else.
pub(super) fn read_json<T: DeserializeOwned>(file: &str) -> Result<T> {
    let text = fs::read(file)
        .map_err(|e| CliError::not_found(format!("cannot read {file}")).because(&e))?;
    fastjson::from_slice(&text).map_err(|e| {
        CliError::usage(format!("{file} is not the JSON that is expected")).because(&e)
    })
}

/// Writes a file and the folders it is in.
pub(super) fn write(file: &str, text: &[u8]) -> Result<()> {
    let path = std::path::Path::new(file);
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .map_err(|e| CliError::failed(format!("cannot write {file}")).because(&e))
}

/// Looks once, or again and again if there is an interval.
pub(super) async fn again(
    interval: Option<Duration>,
    look: impl AsyncFn() -> Result<Exit>,
) -> Result<Exit> {
    loop {
        let exit = look().await?;
        match interval {
            Some(interval) => tokio::time::sleep(interval).await,
            None => return Ok(exit),
        }
    }
}

impl Call<'_> {
    /// Names of all topics.
    pub(super) async fn topic_names(&self) -> Result<Vec<String>> {
        let topics = self.admin.topic_names().await;
        topics.map_err(|e| CliError::client("cannot list the topics", &e))
    }

    /// Where a topic is, as the name server tells it now.
    pub(super) async fn route(&self, topic: &str) -> Result<TopicRouteData> {
        match self.client().route(topic).await {
            Ok(route) => Ok(route.data.clone()),
            Err(error) => {
                let unknown = matches!(error, ClientError::NoRoute { .. });
                let failed = CliError::client(format!("cannot find topic '{topic}'"), &error);
                let known = match self.admin.topic_names().await {
                    Ok(known) if unknown => known,
                    _ => return Err(failed),
                };
                let otherwise = "mqadmin topicList shows what there is";
                Err(failed.did_you_mean(topic, known, otherwise))
            }
        }
    }

    /// Addresses to ask about a group: those of its retry topic's route.
    pub(super) async fn group_addresses(&self, group: &str) -> Result<Vec<String>> {
        let route = self.client().route(&format!("{RETRY_PREFIX}{group}")).await;
        match route {
            Ok(route) => Ok(one_address_each(&route.data)),
            Err(error) => Err(
                CliError::client(format!("cannot find group '{group}'"), &error).hint(
                    "no client of it was seen yet; mqadmin consumerProgress lists the groups",
                ),
            ),
        }
    }

    /// How far a group is, on all brokers asked; also those that failed.
    pub(super) async fn consume_stats(
        &self,
        addresses: Vec<String>,
        group: &str,
        topic: Option<&str>,
    ) -> Result<(ConsumeStats, Exit)> {
        let mut all = ConsumeStats::default();
        let exit = self
            .each(
                addresses,
                &format!("read the progress of group '{group}'"),
                |admin, address| {
                    let (group, topic) = (group.to_owned(), topic.map(str::to_owned));
                    async move {
                        admin
                            .consume_stats(&address, &group, topic.as_deref())
                            .await
                    }
                },
                |_, stats| {
                    all.consume_tps += stats.consume_tps;
                    all.offset_table.0.extend(stats.offset_table.0);
                    Ok(())
                },
            )
            .await?;
        Ok((all, exit))
    }

    /// Who is in a group, as all brokers asked see it together.
    pub(super) async fn members(
        &self,
        addresses: Vec<String>,
        group: &str,
    ) -> Result<(Members, Exit)> {
        let mut all = ConsumerConnection::default();
        let exit = self
            .each(
                addresses,
                &format!("list the clients of group '{group}'"),
                |admin, address| {
                    let group = group.to_owned();
                    async move { admin.members(&address, &group).await }
                },
                |_, members| {
                    for connection in members.connection_set {
                        let known = |c: &ClientConnection| c.client_id == connection.client_id;
                        if !all.connection_set.iter().any(known) {
                            all.connection_set.push(connection);
                        }
                    }
                    all.subscription_table.extend(members.subscription_table);
                    all.consume_type = all.consume_type.take().or(members.consume_type);
                    all.message_model = all.message_model.take().or(members.message_model);
                    let from = all.consume_from_where.take();
                    all.consume_from_where = from.or(members.consume_from_where);
                    Ok(())
                },
            )
            .await?;
        all.connection_set
            .sort_by(|a, b| a.client_id.cmp(&b.client_id));
        Ok((all, exit))
    }

    /// The members of a group, of which there must be some.
    pub(super) async fn online(
        &self,
        addresses: Vec<String>,
        group: &str,
    ) -> Result<(Members, Exit)> {
        let (members, exit) = self.members(addresses, group).await?;
        if members.connection_set.is_empty() && exit == Exit::Done {
            return Err(CliError::not_found(format!(
                "Not found the consumer group connection: nobody consumes in group '{group}'"
            )));
        }
        Ok((members, exit))
    }

    /// The value of a key that name servers keep; the first that has it tells.
    pub(super) async fn kv(&self, namespace: &str, key: &str) -> Result<Option<String>> {
        let mut failed = None;
        for name_server in self.name_servers() {
            match self.admin.kv_value(&name_server, namespace, key).await {
                Ok(value) => return Ok(value),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let what = format!("cannot read key '{key}' of namespace '{namespace}'");
        failed.map_or(Ok(None), |error| Err(CliError::client(what, &error)))
    }

    /// Gives a key its value in every name server.
    pub(super) async fn put_kv(&self, namespace: &str, key: &str, value: &str) -> Result<Exit> {
        let what = format!("write key '{key}' of namespace '{namespace}'");
        let exit = self
            .each(
                self.name_servers(),
                &what,
                |admin, address| {
                    let (namespace, key, value) =
                        (namespace.to_owned(), key.to_owned(), value.to_owned());
                    async move { admin.put_kv(&address, &namespace, &key, &value).await }
                },
                |_, ()| Ok(()),
            )
            .await?;
        done(exit, &what)
    }

    /// Deletes a key from every name server.
    pub(super) async fn delete_kv(&self, namespace: &str, key: &str) -> Result<Exit> {
        let what = format!("delete key '{key}' of namespace '{namespace}'");
        let exit = self
            .each(
                self.name_servers(),
                &what,
                |admin, address| {
                    let (namespace, key) = (namespace.to_owned(), key.to_owned());
                    async move { admin.delete_kv(&address, &namespace, &key).await }
                },
                |_, ()| Ok(()),
            )
            .await?;
        done(exit, &what)
    }
}

/// An error unless all servers did it: they would tell clients different things.
fn done(exit: Exit, what: &str) -> Result<Exit> {
    match exit {
        Exit::Done => Ok(exit),
        exit => Err(CliError::new(
            exit,
            format!("not every name server could {what}"),
        )),
    }
}
