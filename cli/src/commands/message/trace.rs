//! `mq message trace`.

use std::collections::BTreeMap;

use client::admin::KeyQuery;
use client::trace::{TRACE_TOPIC, TraceRecord, read};

use crate::error::{CliError, Exit, Result};
use crate::lookup::{self, split};
use crate::output::{Output, Read, Report, row};
use crate::profile::{Cluster, masters};
use crate::time;
use crate::watch;

/// Show the life of a message, as clients that trace have written it down
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq message trace 7F0000010B5818B4AAC24C1E1AE40000\n  mq message trace order-4711 -o wide\n\n\
                  Clients trace if they are told to (enableMsgTrace), into a topic that brokers have with traceTopicEnable=true."
)]
pub(crate) struct Args {
    /// The id that a send answered, or a key
    id: String,
    /// Where the clients trace to
    #[arg(short, long, default_value = TRACE_TOPIC)]
    topic: String,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    read: Read,
}

row! {
    struct TraceRow named by message_id {
        time: Option<String>,
        event: String,
        group: String,
        client: String,
        outcome: String,
        cost_ms: Option<i64>,
        retries: Option<i64>,
        message_id: String as wide,
        topic: Option<String> as wide,
        tag: Option<String> as wide,
        keys: Option<String> as wide,
        store_host: Option<String> as wide,
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let admin = args.cluster.admin()?;
    let (id, topic) = (&args.id, &args.topic);
    watch::read(output, &args.read, async || {
        let (by_master, mut missing) = lookup::topics(&admin).await?;
        if !by_master.iter().any(|(_, topics)| topics.contains_key(topic)) && missing.is_empty() {
            return Err(CliError::not_found(format!(
                "nothing is traced: no broker has topic '{topic}'"
            ))
            .hint("brokers have it with traceTopicEnable=true, clients write to it with enableMsgTrace; \
                   --topic if they write elsewhere"));
        }
        let query = KeyQuery::all(topic, id, false);
        let answers = admin.each(masters(&admin).await?, |admin, broker| {
            let query = query.clone();
            async move { admin.messages_by_key(&broker, &query).await }
        });
        let (answers, unanswered) = split(answers.await);
        missing.extend(unanswered);
        missing.sort();
        missing.dedup();
        let searched: Vec<&str> = answers.iter().map(|(broker, _)| broker.name.as_str()).collect();
        let searched = searched.join(", ");
        let mut records = Vec::new();
        for message in answers.iter().flat_map(|(_, answer)| &answer.messages) {
            // The client is the one that sent the trace.
            let client = message.born_host.ip().to_string();
            let body = String::from_utf8_lossy(&message.body);
            records.extend(read(&body).into_iter().map(|record| (client.clone(), record)));
        }
        let rows = rows(&records, id);
        if rows.is_empty() && missing.is_empty() {
            return Err(CliError::not_found(format!(
                "nobody has traced '{id}' into topic '{topic}' on {searched}"
            ))
            .hint("traces come some seconds after the fact; did its clients trace (enableMsgTrace)?"));
        }
        Ok(Report { rows, missing })
    })
    .await
}

/// What became of a consumption, by the code that clients give.
fn outcome(success: bool, code: Option<i64>) -> String {
    match (success, code) {
        (true, _) => "success",
        (false, Some(1)) => "timeout",
        (false, Some(2)) => "exception",
        (false, Some(3)) => "returned nothing",
        (false, _) => "failed",
    }
    .to_owned()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The records that are about a message, or about all with a key, in the order of their times; the two of a consumption
/// are one row.
fn rows(records: &[(String, TraceRecord)], id: &str) -> Vec<TraceRow> {
    let has_key = |keys: &str| keys.split(' ').any(|key| key == id);
    let mut ends = BTreeMap::new();
    for (_, record) in records {
        if let TraceRecord::Ended {
            request,
            message_id,
            cost_ms,
            success,
            code,
            ..
        } = record
        {
            ends.insert((request, message_id), (*cost_ms, *success, *code));
        }
    }
    let mut rows: Vec<(i64, TraceRow)> = Vec::new();
    for (client, record) in records {
        let about = |keys: &str| record.message_id() == id || has_key(keys);
        match record {
            TraceRecord::Sent {
                time_ms,
                group,
                topic,
                message_id,
                tags,
                keys,
                store_host,
                cost_ms,
                success,
                ..
            } if about(keys) => rows.push((
                *time_ms,
                TraceRow {
                    time: time::rfc3339(*time_ms),
                    event: "sent".to_owned(),
                    group: group.clone(),
                    client: client.clone(),
                    outcome: outcome(*success, None),
                    cost_ms: Some(*cost_ms),
                    retries: None,
                    message_id: message_id.clone(),
                    topic: some(topic),
                    tag: some(tags),
                    keys: some(keys),
                    store_host: some(store_host),
                },
            )),
            TraceRecord::Began {
                time_ms,
                group,
                request,
                message_id,
                retries,
                keys,
            } if about(keys) => {
                let end = ends.get(&(request, message_id));
                rows.push((
                    *time_ms,
                    TraceRow {
                        time: time::rfc3339(*time_ms),
                        event: "consumed".to_owned(),
                        group: group.clone(),
                        client: client.clone(),
                        outcome: end.map_or_else(
                            || "no end traced".to_owned(),
                            |(_, success, code)| outcome(*success, *code),
                        ),
                        cost_ms: end.map(|(cost, ..)| *cost),
                        retries: Some(*retries),
                        message_id: message_id.clone(),
                        topic: None,
                        tag: None,
                        keys: some(keys),
                        store_host: None,
                    },
                ));
            }
            TraceRecord::Transaction {
                time_ms,
                group,
                topic,
                message_id,
                store_host,
                state,
                from_check,
            } if about("") => rows.push((
                *time_ms,
                TraceRow {
                    time: time::rfc3339(*time_ms),
                    event: if *from_check {
                        "checked"
                    } else {
                        "transaction"
                    }
                    .to_owned(),
                    group: group.clone(),
                    client: client.clone(),
                    outcome: state.clone(),
                    cost_ms: None,
                    retries: None,
                    message_id: message_id.clone(),
                    topic: some(topic),
                    tag: None,
                    keys: None,
                    store_host: some(store_host),
                },
            )),
            _ => {}
        }
    }
    rows.sort_by_key(|(time, _)| *time);
    rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumption_is_one_row_also_without_its_end() {
        let began = |request: &str, retries| TraceRecord::Began {
            time_ms: 10 + retries,
            group: "billing".to_owned(),
            request: request.to_owned(),
            message_id: "ID".to_owned(),
            retries,
            keys: "k1 k2".to_owned(),
        };
        let records = [
            began("R2", 1),
            began("R1", 0),
            TraceRecord::Ended {
                request: "R1".to_owned(),
                message_id: "ID".to_owned(),
                cost_ms: 7,
                success: false,
                code: Some(2),
                time_ms: None,
                group: None,
            },
        ]
        .map(|record| ("10.0.0.9".to_owned(), record));
        for wanted in ["ID", "k2"] {
            let rows = rows(&records, wanted);
            let shown: Vec<_> = rows
                .iter()
                .map(|row| (row.retries, row.outcome.as_str(), row.cost_ms))
                .collect();
            assert_eq!(
                shown,
                [
                    (Some(0), "exception", Some(7)),
                    (Some(1), "no end traced", None)
                ]
            );
        }
        assert!(rows(&records, "k").is_empty());
    }
}
