//! Name servers: settings, KV configuration, the permission to write.

use super::broker::{change_setting, print_settings};
use super::options::req;
use super::{Call, Verb, java, out, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "updateKvConfig",
        "Set the value of a key that name servers keep",
        update_kv,
        [
            req("s", "namespace", "namespace of the key"),
            req("k", "key", "the key"),
            req("v", "value", "its new value"),
        ]
    ),
    verb!(
        "deleteKvConfig",
        "Delete a key that name servers keep",
        delete_kv,
        [
            req("s", "namespace", "namespace of the key"),
            req("k", "key", "the key"),
        ]
    ),
    verb!(
        "wipeWritePerm",
        "Take the permission to write from a broker, in all name servers",
        wipe,
        [req("b", "brokerName", "name of the broker"),]
    ),
    verb!(
        "addWritePerm",
        "Give a broker the permission to write, in all name servers",
        add,
        [req("b", "brokerName", "name of the broker"),]
    ),
    verb!(
        "getNamesrvConfig",
        "Show the settings of name servers",
        config,
        []
    ),
    verb!(
        "updateNamesrvConfig",
        "Change a setting of name servers",
        update_config,
        [
            req("k", "key", "name of the setting"),
            req("v", "value", "its new value"),
        ]
    ),
];

async fn update_kv(call: &Call<'_>) -> Result<Exit> {
    call.put_kv(call.text("s"), call.text("k"), call.text("v"))
        .await?;
    out!(call, "create or update kv config to namespace success.\n");
    Ok(Exit::Done)
}

async fn delete_kv(call: &Call<'_>) -> Result<Exit> {
    call.delete_kv(call.text("s"), call.text("k")).await?;
    out!(call, "delete kv config from namespace success.\n");
    Ok(Exit::Done)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Wipe,
    Add,
}

async fn wipe(call: &Call<'_>) -> Result<Exit> {
    change_perm(call, Change::Wipe).await
}

async fn add(call: &Call<'_>) -> Result<Exit> {
    change_perm(call, Change::Add).await
}

async fn change_perm(call: &Call<'_>, change: Change) -> Result<Exit> {
    let broker = call.text("b");
    let word = match change {
        Change::Wipe => "wipe",
        Change::Add => "add",
    };
    let (mut done, mut failures) = (0, Vec::new());
    for name_server in call.name_servers() {
        let changed = match change {
            Change::Wipe => call.admin.wipe_write_perm(&name_server, broker).await,
            Change::Add => call.admin.add_write_perm(&name_server, broker).await,
        };
        match changed {
            Ok(topics) => {
                out!(
                    call,
                    "{word} write perm of broker[{broker}] in name server[{name_server}] OK, {topics}\n"
                );
                done += 1;
            }
            Err(error) => {
                out!(
                    call,
                    "{word} write perm of broker[{broker}] in name server[{name_server}] Failed\n"
                );
                let what = format!("cannot {word} the permission at {name_server}");
                failures.push(CliError::client(what, &error));
            }
        }
    }
    Ok(call.verdict(done, &failures))
}

async fn config(call: &Call<'_>) -> Result<Exit> {
    print_settings(call, call.name_servers(), |admin, address| async move {
        admin.name_server_config(&address).await
    })
    .await
}

async fn update_config(call: &Call<'_>) -> Result<Exit> {
    let (key, value) = (call.text("k"), call.text("v"));
    let exit = change_setting(
        call,
        call.name_servers(),
        |admin, address, text| async move { admin.change_name_server_config(&address, text).await },
    )
    .await?;
    if exit == Exit::Done {
        let given = if call.has("n") {
            java::list(call.name_servers())
        } else {
            String::new()
        };
        out!(
            call,
            "update name server config success!{given}\n{key} : {value}\n"
        );
    }
    Ok(exit)
}
