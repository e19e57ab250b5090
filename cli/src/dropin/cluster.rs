//! Clusters: their brokers, and how long sends take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use client::admin::{Broker, Runtime};
use client::fan_out;
use client::message::Message;
use client::producer::Producer;
use jiff::Timestamp;

use super::options::{flag, val};
use super::{Call, Generation, Scope, Verb, asking, java, out, verb};
use crate::error::{CliError, Exit, Result};

pub(super) const VERBS: &[Verb] = &[
    verb!(
        "clusterList",
        "List the brokers of all clusters",
        list,
        [
            flag("m", "moreStats", "messages of today and yesterday"),
            val("i", "interval", "again and again, every so many seconds"),
            val("c", "clusterName", "only this cluster"),
        ]
    ),
    verb!(
        "clusterRT",
        "Measure again and again how long sends to each broker take",
        send_times,
        [
            val("a", "amount", "messages of a measurement, 100 unless given"),
            val("s", "size", "size of a message in bytes, 128 unless given"),
            val("c", "cluster", "only this cluster"),
            val("p", "print log", "as lines of a log (true|false)"),
            val(
                "m",
                "machine room",
                "name of the machine room in that log, noname unless given"
            ),
            val(
                "i",
                "interval",
                "seconds from one measurement to the next, 10 unless given"
            ),
        ]
    ),
];

async fn list(call: &Call<'_>) -> Result<Exit> {
    let interval = call.number("i")?.map(Duration::from_secs);
    asking::again(interval, async || match call.has("m") {
        true => totals(call).await,
        false => overview(call).await,
    })
    .await
}

type Answers = Vec<(Broker, Result<Runtime, client::ClientError>)>;

async fn runtimes(call: &Call<'_>) -> Result<Answers> {
    let brokers = match call.get("c") {
        Some(cluster) => call.cluster(cluster, Scope::All).await?,
        None => call.brokers().await?,
    };
    let answers = fan_out::all(brokers.clone(), |broker| {
        let admin = call.admin.clone();
        async move { admin.runtime(&broker.address).await }
    });
    let answers = answers.await;
    Ok(brokers.into_iter().zip(answers).collect())
}

/// Says which brokers did not answer.
fn verdict(call: &Call<'_>, answers: &Answers) -> Exit {
    let failures: Vec<CliError> = answers
        .iter()
        .filter_map(|(broker, answer)| {
            let error = answer.as_ref().err()?;
            let what = format!(
                "cannot read the state of {} ({})",
                broker.name, broker.address
            );
            Some(CliError::client(what, error))
        })
        .collect();
    call.verdict(answers.len() - failures.len(), &failures)
}

async fn totals(call: &Call<'_>) -> Result<Exit> {
    out!(
        call,
        "{:<16}  {:<32} {:>14} {:>14} {:>14} {:>14}\n",
        "#Cluster Name",
        "#Broker Name",
        "#InTotalYest",
        "#OutTotalYest",
        "#InTotalToday",
        "#OutTotalToday"
    );
    let answers = runtimes(call).await?;
    for (broker, answer) in &answers {
        let difference = |from: &str, to: &str| -> String {
            let Ok(runtime) = answer else {
                return "-".to_owned();
            };
            let number = |key: &str| runtime.table.get(key)?.trim().parse::<i64>().ok();
            let numbers = number(to).zip(number(from));
            numbers.map_or_else(|| "-".to_owned(), |(to, from)| (to - from).to_string())
        };
        out!(
            call,
            "{:<16}  {:<32} {:>14} {:>14} {:>14} {:>14}\n",
            broker.cluster,
            broker.name,
            difference("msgPutTotalYesterdayMorning", "msgPutTotalTodayMorning"),
            difference("msgGetTotalYesterdayMorning", "msgGetTotalTodayMorning"),
            difference("msgPutTotalTodayMorning", "msgPutTotalTodayNow"),
            difference("msgGetTotalTodayMorning", "msgGetTotalTodayNow"),
        );
    }
    Ok(verdict(call, &answers))
}

async fn overview(call: &Call<'_>) -> Result<Exit> {
    let generation = call.generation;
    let header = match generation {
        Generation::Four => four([
            "#Cluster Name",
            "#Broker Name",
            "#BID",
            "#Addr",
            "#Version",
            "#InTPS(LOAD)",
            "#OutTPS(LOAD)",
            "#PCWait(ms)",
            "#Hour",
            "#SPACE",
        ]),
        Generation::Five => format!(
            "{:<22}  {:<22}  {:<4}  {:<22} {:<16}  {:>16}  {:>30}  {:<22}  {:<11}  {:<12}  {:<8}  {:<10}\n",
            "#Cluster Name",
            "#Broker Name",
            "#BID",
            "#Addr",
            "#Version",
            "#InTPS(LOAD)",
            "#OutTPS(LOAD)",
            "#Timer(Progress)",
            "#PCWait(ms)",
            "#Hour",
            "#SPACE",
            "#ACTIVATED"
        ),
    };
    out!(call, "{header}");
    let answers = runtimes(call).await?;
    for (broker, answer) in &answers {
        match answer {
            Ok(runtime) => out!(call, "{}", row(broker, runtime, generation)),
            Err(_) => out!(call, "{}", unknown_row(broker, generation)),
        }
    }
    Ok(verdict(call, &answers))
}

fn four(columns: [&str; 10]) -> String {
    let [
        cluster,
        name,
        id,
        address,
        version,
        input,
        output,
        wait,
        hour,
        space,
    ] = columns;
    format!(
        "{cluster:<16}  {name:<22}  {id:<4}  {address:<22} {version:<16} {input:>19} {output:>19} {wait:>10} {hour:>5} \
         {space:>6}\n"
    )
}

/// What did not answer is not shown as zero.
fn unknown_row(broker: &Broker, generation: Generation) -> String {
    let (id, dash) = (broker.id.to_string(), "-");
    let (cluster, name, address) = (&broker.cluster, &broker.name, &broker.address);
    match generation {
        Generation::Four => four([
            cluster, name, &id, address, dash, dash, dash, dash, dash, dash,
        ]),
        Generation::Five => format!(
            "{cluster:<22}  {name:<22}  {id:<4}  {address:<22} {dash:<16}  {dash:>16}  {dash:>30}  {dash:<22}  {dash:>11}  \
             {dash:<12}  {dash:<8}  {dash:>10}\n"
        ),
    }
}

fn row(broker: &Broker, runtime: &Runtime, generation: Generation) -> String {
    let text = |key: &str| runtime.table.get(key).map(String::as_str);
    let or_null = |key| text(key).unwrap_or("null");
    let or_n = |key| text(key).unwrap_or("N");
    let hour = runtime.earliest_message_ms.map_or_else(
        // Apache subtracts its -1 for "none" from the present.
        || Timestamp::now().as_millisecond() + 1,
        |earliest| Timestamp::now().as_millisecond() - earliest,
    );
    let hour = java::fixed(hour as f64 / 3_600_000.0, 2);
    let space = text("commitLogDiskRatio").and_then(|text| text.parse().ok());
    let space = java::fixed(space.unwrap_or(0.0), 4);
    let wait = or_null("pageCacheLockTimeMills");
    let id = broker.id.to_string();
    let tps = |value| format!("{:>9}", java::fixed(value, 2));
    let input = format!(
        "{}({},{}ms)",
        tps(runtime.in_per_second),
        or_null("sendThreadPoolQueueSize"),
        or_null("sendThreadPoolQueueHeadWaitTimeMills")
    );
    let pull = format!(
        "{},{}ms",
        or_null("pullThreadPoolQueueSize"),
        or_null("pullThreadPoolQueueHeadWaitTimeMills")
    );
    let (cluster, name, address) = (&broker.cluster, &broker.name, &broker.address);
    let version = &runtime.version;
    match generation {
        Generation::Four => {
            let output = format!("{}({pull})", tps(runtime.out_per_second));
            four([
                cluster, name, &id, address, version, &input, &output, wait, &hour, &space,
            ])
        }
        Generation::Five => {
            let output = format!(
                "{}({pull}|{},{}ms)",
                tps(runtime.out_per_second),
                or_n("ackThreadPoolQueueSize"),
                or_n("ackThreadPoolQueueHeadWaitTimeMills")
            );
            let timer = timer(&runtime.table);
            let active = text("brokerActive").is_some_and(|text| text.eq_ignore_ascii_case("true"));
            format!(
                "{cluster:<22}  {name:<22}  {id:<4}  {address:<22} {version:<16}  {input:>16}  {output:>30}  {timer:<22}  \
                 {wait:>11}  {hour:<12}  {space:<8}  {active:>10}\n"
            )
        }
    }
}

/// How far timed messages are behind: seconds, messages, and how many wait.
fn timer(table: &BTreeMap<String, String>) -> String {
    let number = |key: &str| table.get(key).and_then(|text| text.parse::<f64>().ok());
    let whole = |key| number(key).unwrap_or(0.0) as i64;
    format!(
        "{}-{}({}w, {}, {})",
        whole("timerReadBehind"),
        whole("timerOffsetBehind"),
        java::fixed(whole("timerCongestNum") as f64 / 10_000.0, 1),
        java::fixed(number("timerEnqueueTps").unwrap_or(0.0), 1),
        java::fixed(number("timerDequeueTps").unwrap_or(0.0), 1),
    )
}

async fn send_times(call: &Call<'_>) -> Result<Exit> {
    let amount: u32 = call.number("a")?.unwrap_or(100);
    let size: usize = call.number("s")?.unwrap_or(128);
    let interval: u64 = call.number("i")?.unwrap_or(10);
    let as_log = call.is_true("p").unwrap_or(false);
    let room = call.get("m").unwrap_or("noname");
    let brokers = match call.get("c") {
        Some(cluster) => call.cluster(cluster, Scope::Masters).await?,
        None => {
            let masters = call.admin.masters().await;
            masters.map_err(|e| CliError::client("cannot list the brokers", &e))?
        }
    };
    let group = Timestamp::now().as_millisecond().to_string();
    let producer = Producer::new(call.client().clone(), group)
        .map_err(|e| CliError::client("cannot start a producer", &e))?;
    if !as_log {
        out!(
            call,
            "{:<24}  {:<24}  {:<4}  {:<8}  {:<8}\n",
            "#Cluster Name",
            "#Broker Name",
            "#RT",
            "#successCount",
            "#failCount"
        );
    }
    loop {
        for broker in &brokers {
            let message = Message::new(broker.name.as_str(), "a".repeat(size));
            let (mut sent, mut elapsed) = (0_u32, Duration::ZERO);
            for turn in 0..amount {
                let begin = Instant::now();
                sent += u32::from(producer.send(&message).await.is_ok());
                // The first has to connect.
                if turn > 0 {
                    elapsed += begin.elapsed();
                }
            }
            let average = elapsed.as_secs_f64() * 1000.0 / (f64::from(amount) - 1.0);
            let (cluster, name) = (&broker.cluster, &broker.name);
            if as_log {
                let now = java::seconds_gmt8(Timestamp::now().as_millisecond());
                let average = java::fixed(average, 0);
                out!(call, "{now}|{room}|{cluster}|{name}|{average}\n");
            } else {
                let average = java::fixed(average, 2);
                let failed = amount - sent;
                out!(
                    call,
                    "{cluster:<24}  {name:<24}  {average:<8}  {sent:<16}  {failed:<16}\n"
                );
            }
        }
        tokio::time::sleep(Duration::from_secs(interval)).await;
    }
}
