//! `mq message trace`.

use client::trace::{Event, TRACE_TOPIC, events};

use crate::error::{CliError, Exit, Result};
use crate::lookup::{self, split};
use crate::output::{Output, Report, row};
use crate::profile::masters;
use crate::time;
use crate::watch::{self, Ask};

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
    ask: Ask,
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
    let (id, topic) = (&args.id, &args.topic);
    watch::rows(output, &args.ask, async |admin| {
        let (by_master, mut missing) = lookup::topics(&admin).await?;
        if !by_master.iter().any(|(_, topics)| topics.contains_key(topic)) && missing.is_empty() {
            return Err(CliError::not_found(format!(
                "nothing is traced: no broker has topic '{topic}'"
            ))
            .hint("brokers have it with traceTopicEnable=true, clients write to it with enableMsgTrace; \
                   --topic if they write elsewhere"));
        }
        let (answers, unanswered) = split(client::trace::of(&admin, masters(&admin).await?, topic, id).await);
        missing.extend(unanswered);
        missing.sort();
        missing.dedup();
        let searched: Vec<&str> = answers.iter().map(|(broker, _)| broker.name.as_str()).collect();
        let searched = searched.join(", ");
        let records: Vec<_> = answers.iter().flat_map(|(_, records)| records.clone()).collect();
        let rows: Vec<TraceRow> = events(&records, id).into_iter().map(TraceRow::from).collect();
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

impl From<Event> for TraceRow {
    fn from(event: Event) -> Self {
        Self {
            time: time::rfc3339(event.time_ms),
            event: event.what.to_owned(),
            group: event.group,
            client: event.client,
            outcome: event.outcome,
            cost_ms: event.cost_ms,
            retries: event.retries,
            message_id: event.message_id,
            topic: event.topic,
            tag: event.tag,
            keys: event.keys,
            store_host: event.store_host,
        }
    }
}
