//! Replication, controllers and containers of 5.x.

use std::time::Duration;

use remoting::protocol::body::replicas::{HaClientRuntimeInfo, HaRuntimeInfo, ReplicaIdentity};

use super::asking::again;
use super::broker::{change_setting, print_settings};
use super::options::{flag, req, val};
use super::{Call, Scope, Verb, java, out, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "haStatus",
        "Show how far the slaves of a master are",
        ha_status,
        [
            val("c", "clusterName", "of all masters of this cluster"),
            val("b", "brokerAddr", "of this broker"),
            val("i", "interval", "again and again, every so many seconds"),
        ]
    ),
    verb!(
        "getSyncStateSet",
        "Show which replicas are in sync",
        sync_state,
        [
            req("a", "controllerAddress", "address of a controller"),
            val("c", "clusterName", "of all brokers of this cluster"),
            val("b", "brokerName", "of this broker"),
            val("i", "interval", "again and again, every so many seconds"),
        ]
    ),
    verb!(
        "getBrokerEpoch",
        "Show which masters wrote which parts of the commit log",
        epochs,
        [
            val("c", "clusterName", "of all brokers of this cluster"),
            val("b", "brokerName", "of all replicas of this broker"),
            val("i", "interval", "again and again, every so many seconds"),
        ]
    ),
    verb!(
        "getControllerMetaData",
        "Show the controllers and their leader",
        metadata,
        [req("a", "controllerAddress", "address of a controller"),]
    ),
    verb!(
        "getControllerConfig",
        "Show the settings of controllers",
        config,
        [req(
            "a",
            "controllerAddress",
            "addresses of controllers, separated by semicolons"
        ),]
    ),
    verb!(
        "updateControllerConfig",
        "Change a setting of controllers",
        update_config,
        [
            req(
                "a",
                "controllerAddress",
                "addresses of controllers, separated by semicolons"
            ),
            req("k", "key", "name of the setting"),
            req("v", "value", "its new value"),
        ]
    ),
    verb!(
        "electMaster",
        "Make one replica of a broker its master",
        elect,
        [
            req("a", "controllerAddress", "address of a controller"),
            req("b", "brokerId", "id of the replica"),
            req("bn", "brokerName", "name of the broker"),
            req("c", "clusterName", "cluster of the broker"),
        ]
    ),
    verb!(
        "cleanBrokerMetadata",
        "Make the controllers forget replicas of a broker",
        forget,
        [
            req("a", "controllerAddress", "address of a controller"),
            val(
                "b",
                "brokerControllerIdsToClean",
                "ids of the replicas, separated by semicolons; all unless given"
            ),
            req("bn", "brokerName", "name of the broker"),
            val("c", "clusterName", "cluster of the broker"),
            flag("l", "cleanLivingBroker", "living ones too"),
        ]
    ),
    verb!(
        "addBroker",
        "Start a broker inside a container",
        add_broker,
        [
            req("c", "brokerContainerAddr", "address of the container"),
            req(
                "b",
                "brokerConfigPath",
                "configuration file on the container's host"
            ),
        ]
    ),
    verb!(
        "removeBroker",
        "Stop a broker inside a container",
        remove_broker,
        [
            req("c", "brokerContainerAddr", "address of the container"),
            req("b", "brokerIdentity", "CLUSTER:BROKER:ID"),
        ]
    ),
];

/// From one look to the next, unless it is said.
const INTERVAL_SECONDS: u64 = 3;

/// How long to wait before looking again; `None`: look once.
fn interval(call: &Call<'_>) -> Result<Option<Duration>> {
    let Some(text) = call.get("i") else {
        return Ok(None);
    };
    let seconds = match text {
        "" => INTERVAL_SECONDS,
        _ => call.number("i")?.unwrap_or(INTERVAL_SECONDS),
    };
    Ok(Some(Duration::from_secs(seconds)))
}

async fn ha_status(call: &Call<'_>) -> Result<Exit> {
    again(interval(call)?, async || {
        let targets = call.targets(Scope::Masters).await?;
        call.each(
            targets,
            "read the state of replication",
            |admin, address| async move { admin.ha_status(&address).await },
            |address, info| print_ha(call, address, &info),
        )
        .await
    })
    .await
}

fn print_ha(call: &Call<'_>, address: &str, info: &HaRuntimeInfo) -> Result<()> {
    let speed = |bytes: i64| java::fixed(bytes as f64 / 1024.0, 2);
    if !info.master {
        let HaClientRuntimeInfo {
            last_read_timestamp,
            last_write_timestamp,
            master_addr,
            master_flush_offset,
            max_offset,
            transferred_byte_in_second,
        } = &info.ha_client_runtime_info;
        out!(
            call,
            "\n#MasterAddr\t{master_addr}\n#CommitLogMaxOffset\t{max_offset}\n#TransferSpeed(KB/s)\t{}\n\
             #LastReadTime\t{}\n#LastWriteTime\t{}\n#MasterFlushOffset\t{master_flush_offset}\n",
            speed(*transferred_byte_in_second),
            java::millis(*last_read_timestamp),
            java::millis(*last_write_timestamp)
        );
        return Ok(());
    }
    out!(
        call,
        "\n#MasterAddr\t{address}\n#MasterCommitLogMaxOffset\t{}\n#SlaveNum\t{}\n#InSyncSlaveNum\t{}\n",
        info.master_commit_log_max_offset,
        info.ha_connection_info.len(),
        info.in_sync_slave_nums
    );
    let row = |columns: [&str; 6]| -> Result<()> {
        let [slave, acked, diff, speed, status, from] = columns;
        out!(
            call,
            "{slave:<32}  {acked:<16} {diff:>16} {speed:>16} {status:>16} {from:>16}\n"
        );
        Ok(())
    };
    row([
        "#SlaveAddr",
        "#SlaveAckOffset",
        "#Diff",
        "#TransferSpeed(KB/s)",
        "#Status",
        "#TransferFromWhere",
    ])?;
    for slave in &info.ha_connection_info {
        row([
            &slave.addr,
            &slave.slave_ack_offset.to_string(),
            &slave.diff.to_string(),
            &speed(slave.transferred_byte_in_second),
            if slave.in_sync { "OK" } else { "Fall Behind" },
            &slave.transfer_from_where.to_string(),
        ])?;
    }
    Ok(())
}

async fn sync_state(call: &Call<'_>) -> Result<Exit> {
    let controller = call.text("a").split(';').next().unwrap_or_default();
    again(interval(call)?, async || {
        let names = match (call.get("b"), call.get("c")) {
            (Some(name), _) => vec![name.to_owned()],
            (None, Some(cluster)) => {
                let brokers = call.cluster(cluster, Scope::All).await?;
                let mut names: Vec<String> = brokers.into_iter().map(|b| b.name).collect();
                names.dedup();
                names
            }
            (None, None) => return call.neither(),
        };
        let state = call.admin.sync_state(controller, &names).await;
        let state = state.map_err(|e| failed(controller, &e))?;
        for (name, replicas) in &state.replicas_info_table {
            out!(
                call,
                "\n#brokerName\t{name}\n#MasterBrokerId\t{}\n#MasterAddr\t{}\n#MasterEpoch\t{}\n\
                 #SyncStateSetEpoch\t{}\n#SyncStateSetNums\t{}\n",
                java::or_null(replicas.master_broker_id),
                java::or_null(replicas.master_address.as_ref()),
                replicas.master_epoch,
                replicas.sync_state_set_epoch,
                replicas.in_sync_replicas.len()
            );
            for replica in &replicas.in_sync_replicas {
                out!(call, "\nInSyncReplica:\t{}\n", identity(replica));
            }
            for replica in &replicas.not_in_sync_replicas {
                out!(call, "\nNotInSyncReplica:\t{}\n", identity(replica));
            }
        }
        Ok(Exit::Done)
    })
    .await
}

fn identity(replica: &ReplicaIdentity) -> String {
    let ReplicaIdentity {
        alive,
        broker_address,
        broker_id,
        broker_name,
    } = replica;
    format!(
        "ReplicaIdentity{{brokerName='{broker_name}', brokerId={broker_id}, brokerAddress='{broker_address}', alive={}}}",
        java::or_null(alive.as_ref())
    )
}

fn failed(controller: &str, error: &client::ClientError) -> CliError {
    CliError::client(
        format!("cannot ask the controllers, of which {controller} is one"),
        error,
    )
}

async fn epochs(call: &Call<'_>) -> Result<Exit> {
    again(interval(call)?, async || {
        let brokers = match (call.get("b"), call.get("c")) {
            (Some(name), _) => {
                let mut brokers = call.brokers().await?;
                brokers.retain(|broker| broker.name == name);
                if brokers.is_empty() {
                    return Err(CliError::not_found(format!("there is no broker '{name}'")));
                }
                brokers
            }
            (None, Some(cluster)) => call.cluster(cluster, Scope::All).await?,
            (None, None) => return call.neither(),
        };
        let addresses = brokers.into_iter().map(|broker| broker.address).collect();
        call.each(
            addresses,
            "read the epochs",
            |admin, address| async move { admin.epochs(&address).await },
            |address, cache| {
                out!(
                    call,
                    "\n#clusterName\t{}\n#brokerName\t{}\n#brokerAddr\t{address}\n#brokerId\t{}",
                    cache.cluster_name,
                    cache.broker_name,
                    cache.broker_id
                );
                let last = cache.epoch_list.len().saturating_sub(1);
                for (number, entry) in cache.epoch_list.iter().enumerate() {
                    // The last goes on.
                    let end = if number == last {
                        cache.max_offset
                    } else {
                        entry.end_offset
                    };
                    out!(
                        call,
                        "\n#Epoch: EpochEntry{{epoch={}, startOffset={}, endOffset={end}}}",
                        entry.epoch,
                        entry.start_offset
                    );
                }
                out!(call, "\n");
                Ok(())
            },
        )
        .await
    })
    .await
}

async fn metadata(call: &Call<'_>) -> Result<Exit> {
    let controller = call.text("a");
    let metadata = call.admin.controller_metadata(controller).await;
    let metadata = metadata.map_err(|e| failed(controller, &e))?;
    out!(
        call,
        "\n#ControllerGroup\t{}\n#ControllerLeaderId\t{}\n#ControllerLeaderAddress\t{}",
        java::or_null(metadata.group),
        java::or_null(metadata.controller_leader_id),
        java::or_null(metadata.controller_leader_address)
    );
    let peers = metadata.peers.unwrap_or_default();
    for peer in peers.split(';').filter(|peer| !peer.is_empty()) {
        out!(call, "\n#Peer:\t{peer}");
    }
    out!(call, "\n");
    Ok(Exit::Done)
}

fn controllers(call: &Call<'_>) -> Vec<String> {
    let addresses = call.text("a").split(';').map(str::trim);
    addresses
        .filter(|address| !address.is_empty())
        .map(str::to_owned)
        .collect()
}

async fn config(call: &Call<'_>) -> Result<Exit> {
    print_settings(call, controllers(call), |admin, address| async move {
        admin.controller_config(&address).await
    })
    .await
}

async fn update_config(call: &Call<'_>) -> Result<Exit> {
    let (key, value) = (call.text("k"), call.text("v"));
    let exit = change_setting(call, controllers(call), |admin, address, text| async move {
        admin.change_controller_config(&address, text).await
    })
    .await?;
    if exit == Exit::Done {
        let addresses = java::list(controllers(call));
        out!(
            call,
            "update controller config success!{addresses}\n{key} : {value}\n"
        );
    }
    Ok(exit)
}

async fn elect(call: &Call<'_>) -> Result<Exit> {
    let (controller, cluster, broker) = (call.text("a"), call.text("c"), call.text("bn"));
    let id = call.number("b")?.unwrap_or_default();
    let elected = call
        .admin
        .elect_master(controller, cluster, broker, id)
        .await;
    let (elected, group) = elected.map_err(|e| failed(controller, &e))?;
    out!(
        call,
        "\n#ClusterName\t{cluster}\n#BrokerName\t{broker}\n#BrokerMasterAddr\t{}\n#MasterEpoch\t{}\n\
         #SyncStateSetEpoch\t{}\n",
        java::or_null(elected.master_address),
        java::or_null(elected.master_epoch),
        java::or_null(elected.sync_state_set_epoch)
    );
    for (id, address) in &group.broker_addrs {
        out!(call, "\t#Broker\t{id}\t{address}\n");
    }
    Ok(Exit::Done)
}

async fn forget(call: &Call<'_>) -> Result<Exit> {
    let (controller, broker) = (call.text("a"), call.text("bn"));
    let living = call.has("l");
    if !living && !call.has("c") {
        return call
            .misses("cleanLivingBroker option is false, clusterName option can not be empty.");
    }
    let ids = call.get("b");
    if ids.is_some_and(|ids| ids.split(';').any(|id| id.parse::<i64>().is_err())) {
        return call.misses("-b is a list of ids, separated by semicolons");
    }
    let told = call
        .admin
        .forget_replicas(controller, call.get("c"), broker, ids, living)
        .await;
    told.map_err(|e| failed(controller, &e))?;
    out!(
        call,
        "clear broker {broker} metadata from controller success! \n"
    );
    Ok(Exit::Done)
}

async fn add_broker(call: &Call<'_>) -> Result<Exit> {
    let container = call.text("c");
    let told = call.admin.add_broker(container, call.text("b")).await;
    told.map_err(|e| CliError::client(format!("cannot add a broker to {container}"), &e))?;
    out!(call, "add broker to {container} success\n");
    Ok(Exit::Done)
}

async fn remove_broker(call: &Call<'_>) -> Result<Exit> {
    let container = call.text("c");
    let parts: Vec<&str> = call.text("b").split(':').map(str::trim).collect();
    let [cluster, broker, id] = parts.as_slice() else {
        return call.misses("-b is CLUSTER:BROKER:ID");
    };
    let Some(id) = id.parse().ok().filter(|id: &i64| *id >= 0) else {
        return call.misses("brokerId can't be negative");
    };
    let told = call
        .admin
        .remove_broker(container, cluster, broker, id)
        .await;
    told.map_err(|e| CliError::client(format!("cannot remove a broker from {container}"), &e))?;
    out!(call, "remove broker from {container} success\n");
    Ok(Exit::Done)
}
