//! Finding what a command names: on which masters it is, or what was probably meant.

use std::collections::BTreeMap;

use client::Admin;
use client::admin::{Answers, Broker};
use remoting::protocol::body::group::SubscriptionGroupConfig;
use remoting::protocol::body::topic::TopicConfig;

use crate::error::{CliError, Result};
use crate::profile::{masters, missing_from};

/// What each master that answered has, by name.
pub(crate) type ByMaster<T> = Vec<(Broker, BTreeMap<String, T>)>;

/// The answers, and a line for each master that gave none.
pub(crate) fn split<T>(answers: Answers<T>) -> (Vec<(Broker, T)>, Vec<String>) {
    let missing = answers
        .failed
        .iter()
        .map(|(broker, error)| missing_from(broker, error));
    let missing = missing.collect();
    (answers.known, missing)
}

/// The settings of all topics, by master; and who did not answer.
///
/// # Errors
/// When no name server answered.
pub(crate) async fn topics(admin: &Admin) -> Result<(ByMaster<TopicConfig>, Vec<String>)> {
    let answers = admin.each(masters(admin).await?, |admin, broker| async move {
        admin.topics(&broker.address).await
    });
    Ok(split(answers.await))
}

/// The settings of all consumer groups, by master; and who did not answer.
///
/// # Errors
/// When no name server answered.
pub(crate) async fn groups(
    admin: &Admin,
) -> Result<(ByMaster<SubscriptionGroupConfig>, Vec<String>)> {
    let answers = admin.each(masters(admin).await?, |admin, broker| async move {
        admin.groups(&broker.address).await
    });
    Ok(split(answers.await))
}

/// The masters that have a topic, with its settings; and who did not answer.
///
/// # Errors
/// Not found, if all answered and none has it; failed, if not all answered.
pub(crate) async fn topic(
    admin: &Admin,
    topic: &str,
) -> Result<(Vec<(Broker, TopicConfig)>, Vec<String>)> {
    let (by_master, missing) = topics(admin).await?;
    let on = holders(&by_master, topic);
    if on.is_empty() {
        return Err(no_such_topic(topic, &by_master, &missing));
    }
    Ok((on, missing))
}

/// The masters that have a consumer group, with its settings; and who did not answer.
///
/// # Errors
/// As [`topic`].
pub(crate) async fn group(
    admin: &Admin,
    group: &str,
) -> Result<(Vec<(Broker, SubscriptionGroupConfig)>, Vec<String>)> {
    let (by_master, missing) = groups(admin).await?;
    let on = holders(&by_master, group);
    if on.is_empty() {
        return Err(no_such_group(group, &by_master, &missing));
    }
    Ok((on, missing))
}

fn holders<T: Clone>(by_master: &ByMaster<T>, name: &str) -> Vec<(Broker, T)> {
    let on = by_master
        .iter()
        .filter_map(|(broker, table)| Some((broker.clone(), table.get(name)?.clone())));
    on.collect()
}

pub(crate) fn no_such_topic<T>(
    topic: &str,
    by_master: &ByMaster<T>,
    missing: &[String],
) -> CliError {
    let otherwise = format!("see mq topic list, or create it: mq topic create {topic}");
    no_such("topic", topic, by_master, missing, otherwise)
}

pub(crate) fn no_such_group<T>(
    group: &str,
    by_master: &ByMaster<T>,
    missing: &[String],
) -> CliError {
    let otherwise = format!("see mq group list, or create it: mq group create {group}");
    no_such("consumer group", group, by_master, missing, otherwise)
}

fn no_such<T>(
    kind: &str,
    name: &str,
    by_master: &ByMaster<T>,
    missing: &[String],
    otherwise: String,
) -> CliError {
    if let [first, ..] = missing {
        return CliError::failed(format!(
            "no broker that answered has {kind} '{name}', and not all answered: {first}"
        ));
    }
    let known = by_master.iter().flat_map(|(_, table)| table.keys());
    CliError::not_found(format!("there is no {kind} '{name}'")).did_you_mean(name, known, otherwise)
}

/// Leaves the masters of these names; all, if none is named.
///
/// # Errors
/// Not found, if one of them is not among those that answered. `what` cannot be done then.
pub(crate) fn only<T>(
    by_master: Vec<(Broker, T)>,
    names: &[String],
    what: &str,
) -> Result<Vec<(Broker, T)>> {
    for wanted in names {
        let known = by_master.iter().map(|(broker, _)| &broker.name);
        if !known.clone().any(|name| name == wanted) {
            let problem = format!("{what}: no master '{wanted}' answers");
            let otherwise = "see mq broker list";
            return Err(CliError::not_found(problem).did_you_mean(wanted, known, otherwise));
        }
    }
    let chosen = |broker: &Broker| names.is_empty() || names.contains(&broker.name);
    Ok(by_master
        .into_iter()
        .filter(|(broker, _)| chosen(broker))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_may_be_on_a_broker_that_is_away() {
        let broker = Broker {
            cluster: "c".to_owned(),
            name: "broker-a".to_owned(),
            id: 0,
            address: "127.0.0.1:1".to_owned(),
        };
        let by_master = vec![(broker, BTreeMap::from([("orders".to_owned(), ())]))];
        let error = no_such_topic("ordrs", &by_master, &[]).to_string();
        assert_eq!(
            error,
            "error: there is no topic 'ordrs'\nhint: did you mean 'orders'?"
        );
        let error = no_such_group("x", &by_master, &["broker-b (b:1): refused".to_owned()]);
        assert_eq!(
            error.to_string(),
            "error: no broker that answered has consumer group 'x', and not all answered: broker-b (b:1): refused"
        );
        let only = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            only(by_master.clone(), &names, "cannot do it").map(|chosen| chosen.len())
        };
        assert_eq!(only(&[]).ok(), Some(1));
        assert_eq!(only(&["broker-a"]).ok(), Some(1));
        assert!(only(&["broker-b"]).is_err_and(|e| e.to_string().contains("'broker-a'")));
    }
}
