//! Users and policies of 5.x.

use client::{Admin, ClientError};
use remoting::protocol::body::acl::{AclInfo, PolicyEntryInfo, PolicyInfo, UserInfo};

use super::options::{Opt, one_of, req, val};
use super::{Call, Scope, Verb, java, out, verb};
use crate::error::{CliError, Exit, Result};

const ON_CLUSTER: Opt = one_of(0, "c", "clusterName", "on all brokers of this cluster");
const ON_BROKER: Opt = one_of(0, "b", "brokerAddr", "on this broker");
const ON_MASTERS: Opt = one_of(0, "c", "clusterName", "on all masters of this cluster");
const USER_NAME: Opt = req("u", "username", "name of the user");
const SUBJECT: Opt = req("s", "subject", "the subject: User:NAME");
const RESOURCES: Opt = req(
    "r",
    "resources",
    "what it is about, separated by commas: Topic:NAME,Group:NAME*",
);
const ACTIONS: Opt = req(
    "a",
    "actions",
    "what may be done, separated by commas: Pub,Sub",
);
const SOURCES: Opt = val("i", "sourceIp", "from where, separated by commas");
const DECISION: Opt = req("d", "decision", "Allow or Deny");

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "createUser",
        "Create a user of 5.x",
        create_user,
        [
            ON_CLUSTER,
            ON_BROKER,
            USER_NAME,
            req("p", "password", "the password"),
            val("t", "userType", "Super or Normal"),
        ]
    ),
    verb!(
        "updateUser",
        "Change a user of 5.x",
        update_user,
        [
            ON_CLUSTER,
            ON_BROKER,
            USER_NAME,
            one_of(1, "p", "password", "the new password"),
            one_of(1, "t", "userType", "Super or Normal"),
            one_of(1, "s", "userStatus", "enable or disable"),
        ]
    ),
    verb!(
        "deleteUser",
        "Delete a user of 5.x, with what it may do",
        delete_user,
        [
            one_of(0, "c", "clusterName", "from all brokers of this cluster"),
            one_of(0, "b", "brokerAddr", "from this broker"),
            USER_NAME,
        ]
    ),
    verb!(
        "getUser",
        "Show a user of 5.x",
        get_user,
        [
            one_of(0, "b", "brokerAddr", "as this broker knows it"),
            one_of(
                0,
                "c",
                "clusterName",
                "as the first master of this cluster knows it"
            ),
            val("u", "username", "name of the user"),
        ]
    ),
    verb!(
        "listUser",
        "List the users of 5.x",
        list_users,
        [
            one_of(0, "b", "brokerAddr", "of this broker"),
            one_of(
                0,
                "c",
                "clusterName",
                "of the first master of this cluster that has some"
            ),
            val("f", "filter", "only names with this in them"),
        ]
    ),
    verb!(
        "copyUser",
        "Copy users of 5.x from one broker to another",
        copy_users,
        [
            req("f", "fromBroker", "the broker that has them"),
            req("t", "toBroker", "the broker that is to have them"),
            val("u", "usernames", "only these, separated by commas"),
        ]
    ),
    verb!(
        "createAcl",
        "Grant a subject of 5.x something",
        create_acl,
        [
            ON_CLUSTER, ON_BROKER, SUBJECT, RESOURCES, ACTIONS, SOURCES, DECISION,
        ]
    ),
    verb!(
        "updateAcl",
        "Change what a subject of 5.x may do",
        update_acl,
        [
            ON_CLUSTER, ON_BROKER, SUBJECT, RESOURCES, ACTIONS, SOURCES, DECISION,
        ]
    ),
    verb!(
        "deleteAcl",
        "Revoke what a subject of 5.x may do",
        delete_acl,
        [
            ON_CLUSTER,
            ON_BROKER,
            SUBJECT,
            val(
                "r",
                "resources",
                "only with this resource; everything unless given"
            ),
        ]
    ),
    verb!(
        "getAcl",
        "Show what a subject of 5.x may do",
        get_acl,
        [
            ON_BROKER,
            ON_MASTERS,
            val("s", "subject", "the subject: User:NAME"),
        ]
    ),
    verb!(
        "listAcl",
        "List what subjects of 5.x may do",
        list_acls,
        [
            ON_BROKER,
            ON_MASTERS,
            val("s", "subject", "only subjects with this in them"),
            val("r", "resource", "only resources with this in them"),
        ]
    ),
    verb!(
        "copyAcl",
        "Copy what subjects of 5.x may do from one broker to another",
        copy_acls,
        [
            req("f", "fromBroker", "the broker that has it"),
            req("t", "toBroker", "the broker that is to have it"),
            val("s", "subjects", "only these, separated by commas"),
        ]
    ),
];

/// Has something done on every broker that is meant, and says so in Apache's words.
async fn on_all<F>(
    call: &Call<'_>,
    what: &str,
    done: &str,
    ask: impl Fn(Admin, String) -> F,
) -> Result<Exit>
where
    F: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let line = |address: &str| format!("{done} to {address} success.\n");
    call.on_all(Scope::All, what, ask, line).await
}

fn user(call: &Call<'_>) -> UserInfo {
    let text = |key| call.get(key).map(str::to_owned);
    UserInfo {
        password: text("p"),
        user_status: text("s"),
        user_type: text("t"),
        username: call.text("u").to_owned(),
    }
}

async fn create_user(call: &Call<'_>) -> Result<Exit> {
    let user = user(call);
    on_all(call, "create the user", "create user", |admin, address| {
        let user = user.clone();
        async move { admin.create_user(&address, &user).await }
    })
    .await
}

async fn update_user(call: &Call<'_>) -> Result<Exit> {
    let user = user(call);
    on_all(call, "change the user", "update user", |admin, address| {
        let user = user.clone();
        async move { admin.update_user(&address, &user).await }
    })
    .await
}

async fn delete_user(call: &Call<'_>) -> Result<Exit> {
    let name = call.text("u");
    on_all(
        call,
        &format!("delete user '{name}'"),
        "delete user",
        |admin, address| {
            let name = name.to_owned();
            async move { admin.delete_user(&address, &name).await }
        },
    )
    .await
}

fn print_users(call: &Call<'_>, users: &[UserInfo]) -> Result<()> {
    let row = |columns: [&str; 4]| -> Result<()> {
        let [name, password, kind, status] = columns;
        out!(
            call,
            "{name:<16}  {password:<22}  {kind:<22}  {status:<22}\n"
        );
        Ok(())
    };
    row(["#UserName", "#Password", "#UserType", "#UserStatus"])?;
    for user in users {
        let text = |value: &Option<String>| java::or_null(value.as_ref());
        row([
            &user.username,
            &text(&user.password),
            &text(&user.user_type),
            &text(&user.user_status),
        ])?;
    }
    Ok(())
}

async fn get_user(call: &Call<'_>) -> Result<Exit> {
    let name = call.text("u");
    let mut found = None;
    let targets = call.targets(Scope::Masters).await?;
    let exit = call
        .each(
            targets,
            &format!("read user '{name}'"),
            |admin, address| {
                let name = name.to_owned();
                async move { admin.user(&address, &name).await }
            },
            |_, user| {
                found = found.take().or(user);
                Ok(())
            },
        )
        .await?;
    match found {
        Some(user) => print_users(call, &[user])?,
        None if exit == Exit::Done => {
            return Err(CliError::not_found(format!("there is no user '{name}'")));
        }
        None => {}
    }
    Ok(exit)
}

async fn list_users(call: &Call<'_>) -> Result<Exit> {
    let mut found = None;
    let targets = call.targets(Scope::Masters).await?;
    let exit = call
        .each(
            targets,
            "list the users",
            |admin, address| {
                let filter = call.get("f").map(str::to_owned);
                async move { admin.users(&address, filter.as_deref()).await }
            },
            |address, users| {
                if found.is_none() && !users.is_empty() {
                    found = Some((address.to_owned(), users));
                }
                Ok(())
            },
        )
        .await?;
    if let Some((address, users)) = found {
        print_users(call, &users)?;
        if call.has("c") {
            out!(call, "get user from {address} success.\n");
        }
    }
    Ok(exit)
}

async fn copy_users(call: &Call<'_>) -> Result<Exit> {
    let (from, to) = (call.text("f"), call.text("t"));
    let failed = |e: &ClientError| CliError::client("cannot copy users", e);
    let mut users = Vec::new();
    match call.get("u") {
        Some(names) => {
            for name in names.split(',') {
                users.extend(
                    call.admin
                        .user(from, name.trim())
                        .await
                        .map_err(|e| failed(&e))?,
                );
            }
        }
        None => users = call.admin.users(from, None).await.map_err(|e| failed(&e))?,
    }
    for user in users {
        let name = &user.username;
        let known = call.admin.user(to, name).await.map_err(|e| failed(&e))?;
        let copied = match known {
            None => call.admin.create_user(to, &user).await,
            Some(_) => call.admin.update_user(to, &user).await,
        };
        copied.map_err(|e| failed(&e))?;
        out!(call, "copy user of {name} from {from} to {to} success.\n");
    }
    Ok(Exit::Done)
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|part| part.trim().to_owned()).collect()
}

fn acl(call: &Call<'_>) -> AclInfo {
    let entry = |resource: String| PolicyEntryInfo {
        actions: list(call.text("a")),
        decision: call.get("d").map(str::to_owned),
        resource,
        source_ips: call.get("i").map(list),
    };
    AclInfo {
        policies: vec![PolicyInfo {
            entries: list(call.text("r")).into_iter().map(entry).collect(),
            policy_type: None,
        }],
        subject: call.text("s").to_owned(),
    }
}

async fn create_acl(call: &Call<'_>) -> Result<Exit> {
    let acl = acl(call);
    on_all(call, "grant it", "create acl", |admin, address| {
        let acl = acl.clone();
        async move { admin.create_acl(&address, &acl).await }
    })
    .await
}

async fn update_acl(call: &Call<'_>) -> Result<Exit> {
    let acl = acl(call);
    on_all(call, "change it", "update acl", |admin, address| {
        let acl = acl.clone();
        async move { admin.update_acl(&address, &acl).await }
    })
    .await
}

async fn delete_acl(call: &Call<'_>) -> Result<Exit> {
    let subject = call.text("s");
    on_all(call, "revoke it", "delete acl", |admin, address| {
        let subject = subject.to_owned();
        let resource = call.get("r").map(str::to_owned);
        async move {
            admin
                .delete_acl(&address, &subject, resource.as_deref())
                .await
        }
    })
    .await
}

fn print_acls(call: &Call<'_>, acls: &[AclInfo]) -> Result<()> {
    let row = |columns: [&str; 6]| -> Result<()> {
        let [subject, kind, resource, actions, addresses, decision] = columns;
        out!(
            call,
            "{subject:<16}  {kind:<10}  {resource:<22}  {actions:<20}  {addresses:<24}  {decision:<10}\n"
        );
        Ok(())
    };
    row([
        "#Subject",
        "#PolicyType",
        "#Resource",
        "#Actions",
        "#SourceIp",
        "#Decision",
    ])?;
    for acl in acls {
        if acl.policies.is_empty() {
            row([&acl.subject, "", "", "", "", ""])?;
        }
        for policy in &acl.policies {
            for entry in &policy.entries {
                row([
                    &acl.subject,
                    &java::or_null(policy.policy_type.as_ref()),
                    &entry.resource,
                    &java::list(&entry.actions),
                    &java::or_null(entry.source_ips.as_ref().map(java::list)),
                    &java::or_null(entry.decision.as_ref()),
                ])?;
            }
        }
    }
    Ok(())
}

async fn get_acl(call: &Call<'_>) -> Result<Exit> {
    let subject = call.text("s");
    let mut found = false;
    let targets = call.targets(Scope::Masters).await?;
    let exit = call
        .each(
            targets,
            "read what it may do",
            |admin, address| {
                let subject = subject.to_owned();
                async move { admin.acl(&address, &subject).await }
            },
            |_, acl| {
                let Some(acl) = acl else { return Ok(()) };
                found = true;
                print_acls(call, &[acl])
            },
        )
        .await?;
    if !found && exit == Exit::Done {
        return Err(CliError::not_found(format!(
            "there is nothing about '{subject}'"
        )));
    }
    Ok(exit)
}

async fn list_acls(call: &Call<'_>) -> Result<Exit> {
    let targets = call.targets(Scope::Masters).await?;
    call.each(
        targets,
        "list what subjects may do",
        |admin, address| {
            let text = |key| call.get(key).map(str::to_owned);
            let (subject, resource) = (text("s"), text("r"));
            async move {
                admin
                    .acls(&address, subject.as_deref(), resource.as_deref())
                    .await
            }
        },
        |_, acls| {
            if acls.is_empty() {
                return Ok(());
            }
            print_acls(call, &acls)
        },
    )
    .await
}

async fn copy_acls(call: &Call<'_>) -> Result<Exit> {
    let (from, to) = (call.text("f"), call.text("t"));
    let failed = |e: &ClientError| CliError::client("cannot copy what subjects may do", e);
    let mut acls = Vec::new();
    match call.get("s") {
        Some(subjects) => {
            for subject in subjects.split(',') {
                acls.extend(
                    call.admin
                        .acl(from, subject.trim())
                        .await
                        .map_err(|e| failed(&e))?,
                );
            }
        }
        None => {
            acls = call
                .admin
                .acls(from, None, None)
                .await
                .map_err(|e| failed(&e))?
        }
    }
    for acl in acls {
        let subject = &acl.subject;
        let known = call.admin.acl(to, subject).await.map_err(|e| failed(&e))?;
        let copied = match known {
            None => call.admin.create_acl(to, &acl).await,
            Some(_) => call.admin.update_acl(to, &acl).await,
        };
        copied.map_err(|e| failed(&e))?;
        out!(call, "copy acl of {subject} from {from} to {to} success.\n");
    }
    Ok(Exit::Done)
}
