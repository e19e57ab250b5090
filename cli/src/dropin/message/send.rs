//! Sending, and how long it takes.

use std::time::{Duration, Instant};

use client::ClientError;
use client::message::Message;
use client::producer::Producer;
use client::trace::TRACE_TOPIC;
use jiff::Timestamp;
use remoting::protocol::message::id::decode_offset_message_id;

use crate::dropin::trace;
use crate::dropin::{Call, java, out};
use crate::error::{CliError, Exit, Result};

pub(super) async fn send(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let mut message = Message::new(topic, call.text("p").to_owned());
    message.tags = call.get("c").map(str::to_owned);
    message.keys = call.get("k").map(str::to_owned).into_iter().collect();
    if call.has("i") && !call.has("b") {
        return call.misses("Broker name must be set if the queue is chosen!");
    }
    let failed = |e: &ClientError| CliError::client(format!("cannot send to topic '{topic}'"), e);
    let time_ms = Timestamp::now().as_millisecond();
    let group = time_ms.to_string();
    let producer = Producer::new(call.client().clone(), group.as_str()).map_err(|e| failed(&e))?;
    let begin = Instant::now();
    let sent = match (call.get("b"), call.number::<i32>("i")?) {
        (None, _) => producer.send(&message).await,
        (Some(broker), id) => {
            // Apache sends anywhere unless the queue is named as well.
            let queues = producer.queues(topic).await.map_err(|e| failed(&e))?;
            let queue = queues.into_iter().find(|queue| {
                queue.broker_name == broker && id.is_none_or(|id| queue.queue_id == id)
            });
            let queue = queue.ok_or_else(|| {
                CliError::not_found(format!(
                    "topic '{topic}' has no such queue on broker '{broker}'"
                ))
            })?;
            producer.send_to(&message, &queue).await
        }
    };
    let result = sent.map_err(|e| failed(&e))?;
    if call.is_true("m") == Some(true) {
        let cost = begin.elapsed().as_millis();
        let host = decode_offset_message_id(&result.offset_message_id);
        let host = host.map_or_else(|_| String::new(), |(host, _)| host.to_string());
        let trace = trace::sent(&message, &result, &group, &host, time_ms, cost);
        producer.send(&trace).await.map_err(|e| {
            CliError::client(format!("cannot trace the message in {}", TRACE_TOPIC), &e)
        })?;
    }
    producer.close().await;
    let row = |columns: [&str; 4]| -> Result<()> {
        let [broker, queue, status, id] = columns;
        out!(call, "{broker:<32}  {queue:<4}  {status:<20}    {id}\n");
        Ok(())
    };
    row(["#Broker Name", "#QID", "#Send Result", "#MsgId"])?;
    row([
        &result.queue.broker_name,
        &result.queue.queue_id.to_string(),
        result.status.name(),
        &result.message_id,
    ])?;
    Ok(Exit::Done)
}

pub(super) async fn send_times(call: &Call<'_>) -> Result<Exit> {
    let topic = call.text("t");
    let amount: u32 = call.number("a")?.unwrap_or(100);
    let size: usize = call.number("s")?.unwrap_or(128);
    let failed = |e: &ClientError| CliError::client(format!("cannot send to topic '{topic}'"), e);
    let group = Timestamp::now().as_millisecond().to_string();
    let producer = Producer::new(call.client().clone(), group).map_err(|e| failed(&e))?;
    let queues = producer.queues(topic).await.map_err(|e| failed(&e))?;
    let message = Message::new(topic, "a".repeat(size));
    let row = |broker: &str, queue: &str, sent: &str, time: &str| -> Result<()> {
        out!(call, "{broker:<32}  {queue:<4}  {sent:<20}    {time}\n");
        Ok(())
    };
    row("#Broker Name", "#QID", "#Send Result", "#RT")?;
    let mut elapsed = Duration::ZERO;
    let mut sent_all = true;
    for (turn, queue) in (0..amount).zip(queues.iter().cycle()) {
        let begin = Instant::now();
        let sent = producer.send_to(&message, queue).await.is_ok();
        let took = begin.elapsed();
        sent_all &= sent;
        // The first has to connect.
        if turn > 0 {
            elapsed += took;
        }
        row(
            &queue.broker_name,
            &queue.queue_id.to_string(),
            &sent.to_string(),
            &took.as_millis().to_string(),
        )?;
    }
    producer.close().await;
    let average = elapsed.as_secs_f64() * 1000.0 / (f64::from(amount) - 1.0);
    out!(call, "Avg RT: {}\n", java::fixed(average, 2));
    Ok(if sent_all { Exit::Done } else { Exit::Failed })
}
