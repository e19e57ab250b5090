//! `mq client show`: what a consumer says of itself.

use client::{Admin, fan_out};
use remoting::protocol::body::client::ConsumerRunningInfo;
use serde_json::Value;

use super::{Connected, Kind, connected};
use crate::error::{CliError, Exit, Result};
use crate::output::{Output, Report, Row, row};
use crate::time;
use crate::watch::{self, Ask};

/// Show what a consumer does: its queues, its rates, its settings, its threads
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq client show 10.0.0.7@4711              its queues, and how far each is\n  \
                  mq client show 10.0.0.7@4711 --rates      how fast it pulls and consumes, by topic\n  \
                  mq client show 10.0.0.7@4711 --stacks     what its threads do, for a consumer that hangs\n\n\
                  See mq client list for its name. Brokers ask the client, which answers if it can."
)]
pub(crate) struct Args {
    /// Client id
    client: String,
    /// Only as a member of this group
    #[arg(short, long)]
    group: Option<String>,
    /// How fast it pulls and consumes, by topic
    #[arg(long, conflicts_with_all = ["settings", "stacks"])]
    rates: bool,
    /// How it is configured
    #[arg(long, conflicts_with = "stacks")]
    settings: bool,
    /// The stacks of its threads
    #[arg(long)]
    stacks: bool,
    #[command(flatten)]
    ask: Ask,
}

row! {
    struct OwnedQueueRow named by client {
        client: String as wide,
        group: String,
        topic: String,
        broker: String,
        queue_id: i32,
        consumer_offset: i64,
        cached_messages: i32,
        cached_mib: i32 as wide,
        last_pull_time: Option<String>,
        last_consume_time: Option<String>,
        locked: bool as wide,
        dropped: bool as wide,
    }
}

row! {
    struct RateRow named by client {
        client: String as wide,
        group: String,
        topic: String,
        pull_ms: Option<f64>,
        pulled_per_second: Option<f64>,
        consume_ms: Option<f64>,
        consumed_per_second: Option<f64>,
        failed_per_second: Option<f64>,
        failed: Option<f64>,
    }
}

row! {
    struct SettingRow named by key {
        client: String as wide,
        group: String,
        key: String,
        value: String,
    }
}

row! {
    struct StackRow named by client {
        client: String,
        group: String,
        stacks: Option<String>,
    }
}

/// What a client said as member of a group.
struct Said {
    client: String,
    group: String,
    info: ConsumerRunningInfo,
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    if args.rates {
        return report(args, output, rates).await;
    }
    if args.settings {
        return report(args, output, settings).await;
    }
    if args.stacks {
        return report(args, output, stacks).await;
    }
    report(args, output, queues).await
}

async fn report<R: Row>(args: &Args, output: &Output, rows: fn(&Said) -> Vec<R>) -> Result<Exit> {
    watch::rows(output, &args.ask, async |admin| {
        let (said, missing) = ask(&admin, args).await?;
        Ok(Report {
            rows: said.iter().flat_map(rows).collect(),
            missing,
        })
    })
    .await
}

/// Asks the client, in each of its groups, through a broker that it is connected to.
async fn ask(admin: &Admin, args: &Args) -> Result<(Vec<Said>, Vec<String>)> {
    let wanted = &args.client;
    let (all, mut missing) = connected(admin, args.group.as_deref(), None).await?;
    let (consumes, produces): (Vec<Connected>, Vec<Connected>) = all
        .iter()
        .filter(|client| client.client == *wanted)
        .cloned()
        .partition(|client| client.kind == Kind::Consumer);
    if consumes.is_empty() {
        if let Some(producer) = produces.first() {
            return Err(CliError::refused(format!(
                "client '{wanted}' only produces, in group '{}': only consumers tell of themselves",
                producer.group
            ))
            .hint("see mq client list -o wide"));
        }
        let error = CliError::not_found(format!("there is no client '{wanted}' connected"));
        if let [first, ..] = missing.as_slice() {
            return Err(error.hint(format!("not all brokers answered: {first}")));
        }
        let known = all.iter().map(|client| &client.client);
        return Err(error.did_you_mean(wanted, known, "see mq client list"));
    }
    let stacks = args.stacks;
    let answers = fan_out::all(consumes, |member| {
        let admin = admin.clone();
        async move {
            let mut failure = None;
            for broker in &member.brokers {
                let address = &broker.address;
                match admin
                    .running_info(address, &member.group, &member.client, stacks)
                    .await
                {
                    Ok(info) => {
                        return Ok(Said {
                            client: member.client,
                            group: member.group,
                            info,
                        });
                    }
                    Err(error) => failure = Some(error),
                }
            }
            let why = failure.map_or_else(String::new, |error| error.to_string());
            Err(format!(
                "{} in group {}: {why}",
                member.client, member.group
            ))
        }
    });
    let mut said = Vec::new();
    for answer in answers.await {
        match answer {
            Ok(one) => said.push(one),
            Err(why) => missing.push(why),
        }
    }
    Ok((said, missing))
}

fn queues(said: &Said) -> Vec<OwnedQueueRow> {
    let when = |ms: i64| Some(ms).filter(|ms| *ms > 0).and_then(time::rfc3339);
    let queues = said.info.mq_table.0.iter();
    let rows = queues.map(|(queue, state)| OwnedQueueRow {
        client: said.client.clone(),
        group: said.group.clone(),
        topic: queue.topic.clone(),
        broker: queue.broker_name.clone(),
        queue_id: queue.queue_id,
        consumer_offset: state.commit_offset,
        cached_messages: state.cached_msg_count,
        cached_mib: state.cached_msg_size_in_mi_b,
        last_pull_time: when(state.last_pull_timestamp),
        last_consume_time: when(state.last_consume_timestamp),
        locked: state.locked,
        dropped: state.droped,
    });
    rows.collect()
}

fn rates(said: &Said) -> Vec<RateRow> {
    let rows = said.info.status_table.iter().map(|(topic, status)| {
        let number = |key: &str| status.get(key).and_then(Value::as_f64);
        RateRow {
            client: said.client.clone(),
            group: said.group.clone(),
            topic: topic.clone(),
            pull_ms: number("pullRT"),
            pulled_per_second: number("pullTPS"),
            consume_ms: number("consumeRT"),
            consumed_per_second: number("consumeOKTPS"),
            failed_per_second: number("consumeFailedTPS"),
            failed: number("consumeFailedMsgs"),
        }
    });
    rows.collect()
}

fn settings(said: &Said) -> Vec<SettingRow> {
    let rows = said.info.properties.iter().map(|(key, value)| SettingRow {
        client: said.client.clone(),
        group: said.group.clone(),
        key: key.clone(),
        value: value.clone(),
    });
    rows.collect()
}

fn stacks(said: &Said) -> Vec<StackRow> {
    let text = said.info.jstack.clone();
    vec![StackRow {
        client: said.client.clone(),
        group: said.group.clone(),
        stacks: text.filter(|stacks| !stacks.is_empty()),
    }]
}
