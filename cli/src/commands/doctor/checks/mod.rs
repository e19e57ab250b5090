//! The checks: each a function of the facts. Those that the dashboard makes as well are in the client crate.

use client::checks::{Finding, Level, Subject};

use super::facts::{BrokerFacts, Facts};

mod groups;
mod host;
mod servers;
#[cfg(test)]
mod tests;
mod topics;

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Servers,
    Topics,
    Groups,
    Host,
}

pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// What is so when it finds nothing.
    pub(crate) expects: &'static str,
    pub(crate) scope: Scope,
    pub(crate) run: fn(&Facts) -> Vec<Finding>,
}

macro_rules! checks {
    ($($scope:ident $name:literal $run:path => $expects:literal;)*) => {
        /// All of them, along the way from a client to its messages.
        pub(crate) const CHECKS: &[Check] = &[
            $(Check { name: $name, expects: $expects, scope: Scope::$scope, run: $run },)*
        ];
    };
}

checks! {
    Servers "name-server-answers" servers::name_server_answers => "every name server answers";
    Servers "name-servers-agree" servers::name_servers_agree => "all name servers know the same brokers";
    Servers "name-servers-topics" servers::name_servers_topics => "all name servers know the same topics";
    Servers "name-servers-settings" servers::name_servers_settings => "all name servers have the same settings";
    Servers "broker-registered" servers::broker_registered => "a broker is registered";
    Servers "broker-answers" servers::broker_answers => "every broker answers at the address it advertises";
    Servers "loopback-advertised" servers::loopback_advertised => "no broker advertises an address that means every machine itself";
    Servers "address-shared" servers::address_shared => "no two brokers advertise the same address";
    Servers "master-present" servers::master_present => "every broker name has a master";
    Servers "broker-permission" servers::broker_permission => "brokers may be read and written";
    Servers "disk" servers::disk => "no disk is filling up";
    Servers "read-only-store" servers::read_only_store => "every store takes messages";
    Servers "failed-writes" servers::failed_writes => "no write has failed";
    Servers "page-cache" servers::page_cache => "writes are quick";
    Servers "dispatch" servers::dispatch => "what is stored is visible at once";
    Servers "flush" servers::flush => "what is stored is soon on disk";
    Servers "requests-wait" servers::requests_wait => "requests are handled at once";
    Servers "answer-time" servers::answer_time => "servers answer quickly";
    Servers "clock" servers::clock => "all clocks agree";
    Servers "versions" servers::versions => "all brokers run the same release";
    Servers "config-drift" servers::config_drift => "brokers of a cluster have the same settings";
    Servers "durability" servers::durability => "production survives the loss of a machine's memory";
    Servers "auto-create" servers::auto_create => "topics of production are made on purpose";
    Topics "topic-routed" topics::topic_routed => "every topic of a broker is known to the name servers";
    Topics "topic-held" topics::topic_held => "every topic that name servers know is on a broker";
    Topics "topic-alike" topics::topic_alike => "a topic has the same settings on all its brokers";
    Topics "write-permission" topics::write_permission => "name servers give out the permissions that brokers have";
    Topics "topic-spread" topics::topic_spread => "topics of production are on more than one broker";
    Groups "lag" groups::lag => "every group keeps up";
    Groups "subscriptions" groups::subscriptions => "all members of a group subscribe to the same";
    Groups "subscribed-topic" groups::subscribed_topic => "every subscribed topic exists";
    Groups "idle-members" groups::idle_members => "every member of a group has a queue";
    Groups "uneven-queues" groups::uneven_queues => "the members of a group own as many queues as each other";
    Groups "hot-queue" groups::hot_queue => "the queues of a topic are consumed evenly";
    Groups "retries" groups::retries => "messages are consumed at the first try";
    Groups "dead-letters" groups::dead_letters => "no message was given up";
    Groups "consume-enabled" groups::consume_enabled => "no group with members is switched off";
    Groups "group-everywhere" groups::group_everywhere => "a group exists on all brokers of its topics";
    Groups "client-versions" groups::client_versions => "the members of a group run the same client";
    Groups "dead-group" groups::dead_group => "no group is left over";
    Host "open-files" host::open_files => "servers of this host may open enough files";
    Host "namesrv-variable" host::namesrv_variable => "programs started here find the same name servers";
    Host "local-broker" host::local_broker => "brokers of this host are registered here";
    Host "rewrite-used" host::rewrite_used => "every rule of address rewriting meets a broker";
}

fn of_broker(broker: &BrokerFacts) -> Subject {
    Subject::Broker {
        name: broker.broker.name.clone(),
        address: broker.broker.address.clone(),
    }
}

fn on_broker(
    level: Level,
    what: &'static str,
    broker: &BrokerFacts,
    evidence: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding::new(level, what, of_broker(broker), evidence, fix)
}

/// Up to five of many names.
fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names = Vec::from_iter(names);
    let more = names.len().saturating_sub(5);
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
