//! Stores of 5.x: RocksDB, pop records, compaction, static topics.

use std::fs;

use client::ClientError;
use client::message::MessageExt;
use jiff::Timestamp;
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::message::record::records;
use remoting::protocol::message::sys_flag;
use serde_json::Value;

use super::options::{TOPIC, one_of, req, val};
use super::{Call, Generation, Scope, Verb, java, out, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "rocksDBConfigToJson",
        "Let brokers of 5.x write their RocksDB tables as JSON",
        to_json,
        [
            val(
                "t",
                "configType",
                "topics;subscriptionGroups;consumerOffsets, or some of them"
            ),
            val("p", "configPath", "read this folder instead"),
            val("e", "exportFile", "write what is read there into this file"),
            val("j", "jsonEnable", "print it as JSON (true|false)"),
            val("n", "nameserverAddr", "addresses of the name servers"),
            val("c", "cluster", "the masters of this cluster"),
            val("b", "brokerAddr", "this broker"),
        ]
    ),
    verb!(
        "exportMetadataInRocksDB",
        "Print topics or groups of a RocksDB folder",
        print_rocksdb,
        [
            req("p", "path", "the folder"),
            req("t", "configType", "topics or subscriptionGroups"),
            val("j", "jsonEnable", "as JSON (true|false)"),
        ]
    ),
    verb!(
        "exportPopRecord",
        "Let brokers of 5.x move pop records from RocksDB into files",
        export_pop,
        [
            val("c", "clusterName", "all brokers of this cluster"),
            val("b", "brokerAddr", "this broker"),
            val(
                "d",
                "dryRun",
                "as Apache reads it: only 'false' changes nothing"
            ),
        ]
    ),
    verb!(
        "checkRocksdbCqWriteProgress",
        "Let brokers of 5.x compare consume queues in RocksDB and files",
        check_queues,
        [
            req("c", "cluster", "the masters of this cluster"),
            req("n", "nameserverAddr", "addresses of the name servers"),
            val("t", "topic", "only this topic"),
            val(
                "cf",
                "checkFrom",
                "messages stored since, in milliseconds since 1970; 30 days unless given"
            ),
        ]
    ),
    verb!(
        "dumpCompactionLog",
        "Print the messages of a compaction file",
        dump_compaction,
        [req("f", "file", "the file"),]
    ),
    verb!(
        "updateStaticTopic",
        "Create or extend a topic with fixed queues",
        static_topic,
        [
            one_of(
                0,
                "c",
                "clusters",
                "on the brokers of these clusters, separated by commas"
            ),
            one_of(0, "b", "brokers", "on these brokers, separated by commas"),
            TOPIC,
            req("qn", "totalQueueNum", "number of queues"),
            val("mf", "mapFile", "a file that says where each queue is"),
            val(
                "fr",
                "forceReplace",
                "put it in the place of another map (true|false)"
            ),
        ]
    ),
    verb!(
        "remappingStaticTopic",
        "Move the queues of a topic with fixed queues",
        static_topic,
        [
            one_of(
                0,
                "c",
                "clusters",
                "to the brokers of these clusters, separated by commas"
            ),
            one_of(0, "b", "brokers", "to these brokers, separated by commas"),
            TOPIC,
            val("mf", "mapFile", "a file that says where each queue is"),
            val(
                "fr",
                "forceReplace",
                "put it in the place of another map (true|false)"
            ),
        ]
    ),
];

const ALL_TABLES: &str = "topics;subscriptionGroups;consumerOffsets";
const THIRTY_DAYS_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// What would need a reader of RocksDB.
fn no_rocksdb(folder: &str) -> CliError {
    CliError::refused(format!(
        "cannot read {folder}: RocksDB folders are not read here"
    ))
    .hint("let the broker write them as JSON: mqadmin rocksDBConfigToJson -b HOST:PORT")
}

async fn to_json(call: &Call<'_>) -> Result<Exit> {
    if let Some(folder) = call.get("p").filter(|_| !call.has("b") && !call.has("c")) {
        return Err(no_rocksdb(folder));
    }
    let targets = call.targets(Scope::Masters).await?;
    let tables = call.get("t").unwrap_or(ALL_TABLES);
    if call.has("c") {
        out!(
            call,
            "Use [rpc mode] call all brokers in cluster to export to json file \n"
        );
    } else {
        out!(call, "Use [rpc mode] call broker to export to json file \n");
    }
    let exit = call
        .each(
            targets,
            "let the broker write its tables",
            |admin, address| {
                let tables = tables.to_owned();
                async move { admin.export_rocksdb(&address, &tables).await }
            },
            |_, ()| Ok(()),
        )
        .await?;
    if exit == Exit::Done {
        out!(call, "broker export done.");
    }
    Ok(exit)
}

async fn print_rocksdb(call: &Call<'_>) -> Result<Exit> {
    Err(no_rocksdb(call.text("p")))
}

async fn export_pop(call: &Call<'_>) -> Result<Exit> {
    let dry_run = call
        .get("d")
        .is_some_and(|text| text.eq_ignore_ascii_case("false"));
    let targets = call.targets(Scope::All).await?;
    let brokers = call.brokers().await.unwrap_or_default();
    call.each(
        targets,
        "let the broker move its pop records",
        |admin, address| async move {
            match dry_run {
                true => Ok(()),
                false => admin.roll_back_pop(&address).await,
            }
        },
        |address, ()| {
            let broker = brokers.iter().find(|broker| broker.address == address);
            let name = broker.map_or("", |broker| &broker.name);
            out!(
                call,
                "Export broker records, brokerName={name}, brokerAddr={address}, dryRun={dry_run}\n"
            );
            Ok(())
        },
    )
    .await
}

async fn check_queues(call: &Call<'_>) -> Result<Exit> {
    let topic = call.get("t").unwrap_or_default();
    let since = call
        .number("cf")?
        .unwrap_or_else(|| Timestamp::now().as_millisecond() - THIRTY_DAYS_MS);
    let masters = call.cluster(call.text("c"), Scope::Masters).await?;
    let addresses = masters
        .iter()
        .map(|broker| broker.address.clone())
        .collect();
    let mut wrong = false;
    let exit = call
        .each(
            addresses,
            "let the broker compare its queues",
            |admin, address| {
                let topic = topic.to_owned();
                async move { admin.check_rocksdb_queues(&address, &topic, since).await }
            },
            |address, result| {
                let broker = masters.iter().find(|broker| broker.address == address);
                let name = broker.map_or("", |broker| &broker.name);
                // 3 is an error; the others are on their way or done.
                if result["checkStatus"].as_i64() == Some(3) {
                    wrong = true;
                    let info = result["checkResult"].as_str().unwrap_or("null");
                    out!(
                        call,
                        "{name} check error, please check log... errInfo: {info}"
                    );
                } else {
                    out!(
                        call,
                        "{name} check doing, please wait and get the result from log... \n"
                    );
                }
                Ok(())
            },
        )
        .await?;
    Ok(if wrong { Exit::Failed } else { exit })
}

async fn dump_compaction(call: &Call<'_>) -> Result<Exit> {
    let file = call.text("f");
    let bytes = fs::read(file)
        .map_err(|e| CliError::not_found(format!("cannot read {file}")).because(&e))?;
    // Behind the last message the file is empty.
    for record in records(&bytes).map_while(Result::ok) {
        let mut message = MessageExt::from_record(&record, "");
        // As it is stored.
        if message.sys_flag & sys_flag::COMPRESSED != 0 {
            message.body = record.body.to_vec().into();
        }
        out!(call, "{}\n", java::message(&message, Generation::Five));
    }
    Ok(Exit::Done)
}

/// Asks the brokers for the map that they have, as Apache does first. Where one has maps, only Apache's own tool changes
/// them: its way of dividing them is part of no protocol.
async fn static_topic(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let mut brokers = call.brokers().await?;
    let names = |key| {
        call.get(key)
            .map(|list| list.split(',').map(str::trim).collect::<Vec<_>>())
    };
    let (clusters, wanted) = (names("c"), names("b"));
    brokers.retain(|broker| {
        broker.is_master()
            && clusters
                .as_ref()
                .is_none_or(|list| list.contains(&broker.cluster.as_str()))
            && wanted
                .as_ref()
                .is_none_or(|list| list.contains(&broker.name.as_str()))
    });
    if brokers.is_empty() {
        return Err(CliError::not_found("no master is among them"));
    }
    let addresses = brokers.into_iter().map(|broker| broker.address).collect();
    let exit = call
        .each(
            addresses,
            &format!("read the map of topic '{topic}'"),
            |admin, address| {
                let topic = topic.to_owned();
                async move {
                    match admin.topic_with_mapping(&address, &topic).await {
                        // A new one has none yet.
                        Err(ClientError::Refused {
                            code: ResponseCode::TOPIC_NOT_EXIST,
                            ..
                        }) => Ok(Value::Null),
                        answer => answer,
                    }
                }
            },
            |address, config| {
                out!(call, "{address} {}\n", config["mappingDetail"]);
                Ok(())
            },
        )
        .await?;
    // A server of 4.x has answered that it knows no such request.
    if exit != Exit::Done {
        return Ok(exit);
    }
    Err(CliError::refused(format!(
        "cannot change the fixed queues of topic '{topic}': not supported"
    ))
    .hint("nothing was changed; use the mqadmin of the release that the brokers are of"))
}
