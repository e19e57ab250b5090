//! `mq send`: test messages, from the command line, from lines, from a file.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use client::message::Message;
use client::producer::{Producer, SendResult, SendStatus};
use remoting::protocol::body::queue_map::MessageQueue;

use crate::error::{CliError, Exit, Result};
use crate::output::Output;
use crate::profile::Cluster;
use crate::progress;

/// Producer group of this command.
const GROUP: &str = "mq-send";

/// Send messages to a topic
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq send orders 'hello'\n  seq 1000 | mq send orders --tag numbers   one message per line\n  \
                        mq send orders --file order.json --keys 4711 --property source=test\n  \
                        mq send orders 'tick' --count 100 --rate 10\n  mq send orders 'x' --queue broker-a:3"
)]
pub(crate) struct Args {
    /// Name of the topic
    topic: String,
    /// The message [default: one message for each line of standard input]
    #[arg(conflicts_with = "file")]
    body: Option<String>,
    /// Send the contents of a file as one message
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The tag that consumers can select by
    #[arg(short, long)]
    tag: Option<String>,
    /// Keys that messages can be found by; several separated by blanks
    #[arg(short, long)]
    keys: Option<String>,
    /// A property of the message; may be given several times
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = property)]
    property: Vec<(String, String)>,
    /// Send so many messages: the body again and again, or at most so many lines
    #[arg(short, long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Messages per second, at most
    #[arg(short, long, value_name = "PER SECOND")]
    rate: Option<f64>,
    /// Always to this queue
    #[arg(long, value_name = "BROKER:ID", conflicts_with_all = ["batch", "oneway"])]
    queue: Option<String>,
    /// Do not wait for the broker's answer
    #[arg(long, conflicts_with = "batch")]
    oneway: bool,
    /// Send so many messages in one request
    #[arg(long, value_name = "SIZE", value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: Option<u32>,
    #[command(flatten)]
    cluster: Cluster,
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// Where the messages come from, one after the other.
enum Bodies {
    Same {
        body: Vec<u8>,
        left: u64,
    },
    Lines {
        lines: std::io::StdinLock<'static>,
        left: u64,
    },
}

impl Bodies {
    fn open(args: &Args) -> Result<Self> {
        if let Some(body) = &args.body {
            return Ok(Self::Same {
                body: body.clone().into_bytes(),
                left: args.count.unwrap_or(1),
            });
        }
        if let Some(file) = &args.file {
            let body = std::fs::read(file).map_err(|e| {
                CliError::failed(format!("cannot read {}", file.display())).because(&e)
            })?;
            return Ok(Self::Same {
                body,
                left: args.count.unwrap_or(1),
            });
        }
        if std::io::stdin().is_terminal() {
            return Err(CliError::usage("there is no message to send")
                .hint("give it behind the topic, or pipe lines into the command"));
        }
        Ok(Self::Lines {
            lines: std::io::stdin().lock(),
            left: args.count.unwrap_or(u64::MAX),
        })
    }

    /// How many there will be, if that is known.
    fn total(&self) -> Option<u64> {
        match self {
            Self::Same { left, .. } => Some(*left),
            Self::Lines { .. } => None,
        }
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let (Self::Same { left, .. } | Self::Lines { left, .. }) = self;
        if *left == 0 {
            return Ok(None);
        }
        *left -= 1;
        match self {
            Self::Same { body, .. } => Ok(Some(body.clone())),
            Self::Lines { lines, .. } => {
                let mut line = Vec::new();
                let read = lines
                    .read_until(b'\n', &mut line)
                    .map_err(|e| CliError::failed("cannot read standard input").because(&e))?;
                if read == 0 {
                    return Ok(None);
                }
                if line.ends_with(b"\n") {
                    line.pop();
                }
                Ok(Some(line))
            }
        }
    }
}

pub(crate) async fn run(args: &Args, output: &Output) -> Result<Exit> {
    let pause = match args.rate {
        None => None,
        Some(rate) if rate.is_finite() && rate > 0.0 => Some(Duration::from_secs_f64(1.0 / rate)),
        Some(_) => return Err(CliError::usage("--rate needs a number above 0")),
    };
    let queue = args
        .queue
        .as_deref()
        .map(|text| queue(&args.topic, text))
        .transpose()?;
    let mut bodies = Bodies::open(args)?;
    let client = args.cluster.client_to_change(output, false)?;
    let producer = Producer::new(client.clone(), GROUP)
        .map_err(|e| CliError::client("cannot start the producer", &e))?;
    let bar = progress::messages(bodies.total(), "sent");
    let mut tick = pause.map(tokio::time::interval);
    let mut batch = Vec::new();
    let mut sent = Sent::default();
    let outcome = loop {
        let body = bodies.next()?;
        let last = body.is_none();
        if let Some(body) = body {
            if let Some(tick) = &mut tick {
                tick.tick().await;
            }
            batch.push(message(args, body));
        }
        if batch.len() >= args.batch.unwrap_or(1) as usize || (last && !batch.is_empty()) {
            if let Err(error) = sent.send(args, &producer, queue.as_ref(), &batch).await {
                break Err(error);
            }
            bar.set_position(sent.count);
            batch.clear();
        }
        if last {
            break Ok(());
        }
    };
    bar.finish_and_clear();
    producer.close().await;
    client.close().await;
    if let Err(error) = outcome {
        let sent = sent.count;
        let what = format!(
            "cannot send to topic '{}' (sent before: {sent})",
            args.topic
        );
        return Err(CliError::client(what, &error));
    }
    sent.report(args, output)
}

/// What became of the messages.
#[derive(Default)]
struct Sent {
    count: u64,
    /// Stored, but less safely than was asked for.
    doubtful: u64,
    last: Option<SendResult>,
}

impl Sent {
    async fn send(
        &mut self,
        args: &Args,
        producer: &Producer,
        queue: Option<&MessageQueue>,
        messages: &[Message],
    ) -> Result<(), client::ClientError> {
        let result = match (messages, queue) {
            ([message], _) if args.oneway => {
                producer.send_oneway(message).await?;
                None
            }
            ([message], Some(queue)) => Some(producer.send_to(message, queue).await?),
            ([message], None) => Some(producer.send(message).await?),
            (messages, _) => Some(producer.send_batch(messages).await?),
        };
        self.count += messages.len() as u64;
        if let Some(result) = result {
            if result.status != SendStatus::SendOk {
                self.doubtful += messages.len() as u64;
            }
            self.last = Some(result);
        }
        Ok(())
    }

    fn report(&self, args: &Args, output: &Output) -> Result<Exit> {
        match &self.last {
            Some(result) if self.count == 1 => output.line(&format!(
                "{}: {} at {}:{}:{}",
                result.status.name(),
                result.message_id,
                result.queue.broker_name,
                result.queue.queue_id,
                result.queue_offset
            ))?,
            Some(_) => output.line(&format!("sent {} messages to {}", self.count, args.topic))?,
            None => output.line(&format!(
                "sent {} messages to {}, without an answer",
                self.count, args.topic
            ))?,
        }
        if self.doubtful > 0 {
            output.note(&format!(
                "warning: {} of them are stored, but not as safely as the broker is set to",
                self.doubtful
            ));
            return Ok(Exit::Partly);
        }
        Ok(Exit::Done)
    }
}

fn message(args: &Args, body: Vec<u8>) -> Message {
    let mut message = Message::new(&args.topic, body);
    message.tags.clone_from(&args.tag);
    let keys = args.keys.iter().flat_map(|keys| keys.split_whitespace());
    message.keys = keys.map(str::to_owned).collect();
    message.properties.extend(args.property.iter().cloned());
    message
}

fn queue(topic: &str, text: &str) -> Result<MessageQueue> {
    let parsed = text
        .rsplit_once(':')
        .and_then(|(broker, id)| Some((broker, id.parse().ok()?)));
    let (broker, queue_id) = parsed.ok_or_else(|| {
        CliError::usage(format!("'{text}' is no queue")).hint("write BROKER:ID, as broker-a:3")
    })?;
    Ok(MessageQueue {
        broker_name: broker.to_owned(),
        queue_id,
        topic: topic.to_owned(),
    })
}
