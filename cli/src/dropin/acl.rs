//! Accounts of 4.x.

use remoting::protocol::body::acl::PlainAccessConfig;

use super::options::{one_of, req, val};
use super::{Call, Scope, Verb, java, out, verb};
use crate::error::{Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "updateAclConfig",
        "Create an account of 4.x or overwrite it",
        update,
        [
            one_of(0, "b", "brokerAddr", "on this broker"),
            one_of(0, "c", "clusterName", "on all brokers of this cluster"),
            req("a", "accessKey", "name of the account"),
            val("s", "secretKey", "its secret"),
            val("w", "whiteRemoteAddress", "addresses that need no secret"),
            val(
                "i",
                "defaultTopicPerm",
                "what it may do with topics: DENY, PUB, SUB, PUB|SUB"
            ),
            val(
                "u",
                "defaultGroupPerm",
                "what it may do with groups: DENY, PUB, SUB, PUB|SUB"
            ),
            val(
                "t",
                "topicPerms",
                "what it may do with some topics: TopicA=DENY,TopicB=SUB"
            ),
            val(
                "g",
                "groupPerms",
                "what it may do with some groups: GroupA=DENY,GroupB=SUB"
            ),
            val("m", "admin", "whether it may do everything (true|false)"),
        ]
    ),
    verb!(
        "deleteAclConfig",
        "Delete an account of 4.x",
        delete,
        [
            one_of(0, "b", "brokerAddr", "from this broker"),
            one_of(0, "c", "clusterName", "from all brokers of this cluster"),
            req("a", "accessKey", "name of the account"),
        ]
    ),
    verb!(
        "clusterAclConfigVersion",
        "Show how old the accounts of 4.x are",
        versions,
        [
            one_of(0, "b", "brokerAddr", "of this broker"),
            one_of(0, "c", "clusterName", "of all masters of this cluster"),
        ]
    ),
    verb!(
        "updateGlobalWhiteAddr",
        "Replace the addresses that 4.x lets in without an account",
        white,
        [
            one_of(0, "b", "brokerAddr", "on this broker"),
            one_of(0, "c", "clusterName", "on all brokers of this cluster"),
            req(
                "g",
                "globalWhiteRemoteAddresses",
                "the addresses: 10.10.103.*,192.168.0.*"
            ),
            val("p", "aclFileFullPath", "in this file of the broker"),
        ]
    ),
    verb!(
        "getAclConfig",
        "Show all accounts of 4.x, up to 4.9.4",
        list,
        [
            one_of(0, "b", "brokerAddr", "of this broker"),
            one_of(0, "c", "clusterName", "of all masters of this cluster"),
        ]
    ),
];

async fn update(call: &Call<'_>) -> Result<Exit> {
    let text = |key| call.get(key).map(str::to_owned);
    let list = |key| {
        call.get(key)
            .map(|list| list.split(',').map(str::to_owned).collect())
    };
    let account = PlainAccessConfig {
        access_key: text("a"),
        admin: call.is_true("m").unwrap_or(false),
        default_group_perm: text("u"),
        default_topic_perm: text("i"),
        group_perms: list("g"),
        secret_key: text("s"),
        topic_perms: list("t"),
        white_remote_address: text("w"),
    };
    call.on_all(
        Scope::All,
        &format!("write account '{}'", call.text("a")),
        |admin, address| {
            let account = account.clone();
            async move { admin.put_account(&address, &account).await }
        },
        |address| format!("create or update plain access config to {address} success.\n"),
    )
    .await
}

async fn delete(call: &Call<'_>) -> Result<Exit> {
    let account = call.text("a");
    let exit = call
        .on_all(
            Scope::All,
            &format!("delete account '{account}'"),
            |admin, address| {
                let account = account.to_owned();
                async move { admin.delete_account(&address, &account).await }
            },
            |address| format!("delete plain access config account from {address} success.\n"),
        )
        .await?;
    if exit == Exit::Done {
        out!(call, "account's accesskey is:{account}");
    }
    Ok(exit)
}

async fn versions(call: &Call<'_>) -> Result<Exit> {
    let row = |columns: [&str; 6]| -> Result<()> {
        let [cluster, broker, address, file, version, time] = columns;
        out!(
            call,
            "{cluster:<16}  {broker:<22}  {address:<22}  {file:<20}  {version:<22}  {time:<22}\n"
        );
        Ok(())
    };
    let whose = if call.has("c") { "cluster" } else { "broker" };
    if call.has("c") {
        row([
            "#Cluster Name",
            "#Broker Name",
            "#Broker Addr",
            "#AclFilePath",
            "#AclConfigVersionNum",
            "#AclLastUpdateTime",
        ])?;
    }
    let targets = call.targets(Scope::Masters).await?;
    let exit = call
        .each(
            targets,
            "read the versions of accounts",
            |admin, address| async move { admin.acl_versions(&address).await },
            |_, versions| {
                for (file, version) in &versions.files {
                    row([
                        &versions.cluster,
                        &versions.broker,
                        &versions.address,
                        file,
                        &version.counter.to_string(),
                        &java::seconds(version.timestamp),
                    ])?;
                }
                Ok(())
            },
        )
        .await?;
    if exit == Exit::Done {
        out!(call, "get {whose}'s plain access config version success.\n");
    }
    Ok(exit)
}

async fn white(call: &Call<'_>) -> Result<Exit> {
    call.on_all(
        Scope::All,
        "replace the addresses",
        |admin, address| {
            let addresses = call.text("g").to_owned();
            let file = call.get("p").map(str::to_owned);
            async move {
                admin
                    .put_white_addresses(&address, &addresses, file.as_deref())
                    .await
            }
        },
        |address| format!("update global white remote addresses to {address} success.\n"),
    )
    .await
}

async fn list(call: &Call<'_>) -> Result<Exit> {
    let targets = call.targets(Scope::Masters).await?;
    call.each(
        targets,
        "read the accounts",
        |admin, address| async move { admin.accounts(&address).await },
        |_, config| {
            let addresses = java::list(&config.global_white_addrs);
            out!(
                call,
                "\n{:<20}: {addresses}\n\naccounts:\n",
                "globalWhiteRemoteAddresses"
            );
            for account in &config.plain_access_configs {
                let list = |list: &Option<Vec<String>>| list.as_ref().map(java::list);
                for (name, value) in [
                    ("accessKey", account.access_key.clone()),
                    ("secretKey", account.secret_key.clone()),
                    ("whiteRemoteAddress", account.white_remote_address.clone()),
                    ("admin", Some(account.admin.to_string())),
                    ("defaultTopicPerm", account.default_topic_perm.clone()),
                    ("defaultGroupPerm", account.default_group_perm.clone()),
                    ("topicPerms", list(&account.topic_perms)),
                    ("groupPerms", list(&account.group_perms)),
                ] {
                    out!(call, "  {name:<18}: {}\n", value.unwrap_or_default());
                }
                out!(call, "\n");
            }
            Ok(())
        },
    )
    .await
}
