//! `mq store cat`: the messages of a store.

use std::io::Write;
use std::ops::ControlFlow;

use clap::ValueEnum;
use client::message::MessageExt;
use remoting::protocol::message::id::decode_offset_message_id;
use remoting::protocol::message::record::Record;
use serde::Serialize;
use store::inspect::{Selection, Wanted};

use super::{Folder, Shown};
use crate::commands::message::MessageLine;
use crate::error::{CliError, Exit, Result};
use crate::output::Output;
use crate::time;

/// Bytes of a body in a line of `-o hex`.
const HEX_BYTES: usize = 16;

/// Print messages of a store, one per line
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mq store cat ~/store --topic orders --queue 3 --from 100 --count 10\n  \
                        mq store cat ~/store --since -1h --until now -o json\n  \
                        mq store cat ~/store --offset 1073741824 --count 1 -o hex\n  \
                        mq store cat ~/store --topic orders --key order-4711\n  \
                        mq store cat ~/store --id 7F00000100002A9F0000000000000316"
)]
pub(super) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Only this topic; its queues come one after the other
    #[arg(short, long)]
    topic: Option<String>,
    /// Only this queue
    #[arg(short, long, requires = "topic")]
    queue: Option<i32>,
    /// Begin at this offset of the queue
    #[arg(long, requires = "topic")]
    from: Option<i64>,
    /// End in front of this offset of the queue
    #[arg(long, requires = "topic")]
    to: Option<i64>,
    /// Begin at this byte of the log, and go on in its order
    #[arg(long, value_name = "COMMIT-LOG OFFSET")]
    offset: Option<i64>,
    /// Only messages stored at this time or later
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time::parse_now)]
    since: Option<time::Time>,
    /// Only messages stored before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time::parse_now)]
    until: Option<time::Time>,
    /// Only messages with this key
    #[arg(short, long, group = "which")]
    key: Option<String>,
    /// The message with this id, of its producer or of its place in the log
    #[arg(long, group = "which", conflicts_with = "offset")]
    id: Option<String>,
    /// Stop after so many messages
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How to print a message
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Line)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Store time, log offset, topic:queue:offset, tag, keys, body; separated by tabs
    Line,
    /// One JSON object per line
    #[value(alias = "jsonl")]
    Json,
    /// Only the body, as it is, and a line end
    Body,
    /// A line without the body, and below it the body as it was stored, in hexadecimal digits and text
    Hex,
    /// Only the id
    Name,
}

/// As JSON, these are the field names.
#[derive(Serialize)]
struct StoredLine {
    commit_log_offset: i64,
    store_size: usize,
    offset_message_id: String,
    #[serde(flatten)]
    message: MessageLine,
}

pub(super) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let store = args.folder.open("read")?;
    let shown = Shown::new("reading");
    let mut out = output.writer();
    let mut left = args.count.unwrap_or(u64::MAX);
    let wanted = wanted(args, &mut left);
    let (mut printed, mut damaged) = (0_u64, 0_u64);
    let mut failed = None;
    let read = store.cat(&wanted, &|step| shown.step(step), |selection| {
        let record = match selection {
            Selection::Message(record) => record,
            Selection::Damaged { path, byte, what } => {
                damaged += 1;
                output.note(&format!("warning: {}:{byte}: {what}", path.display()));
                return ControlFlow::Continue(());
            }
        };
        printed += 1;
        left -= 1;
        match print(args.format, record, &mut out) {
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
            Ok(()) if left == 0 => ControlFlow::Break(()),
            Ok(()) => ControlFlow::Continue(()),
        }
    });
    shown.end();
    failed.map_or(Ok(()), Err)?;
    out.flush()?;
    let what = format!("cannot read the store {}", args.folder.store.display());
    read.map_err(|e| CliError::failed(what).because(&e))?;
    let sought = args.id.as_ref().or(args.key.as_ref());
    match sought {
        Some(sought) if printed == 0 && damaged == 0 => Err(CliError::not_found(format!(
            "there is no message '{sought}'"
        ))),
        _ if damaged > 0 => Ok(Exit::Partly),
        _ => Ok(Exit::Done),
    }
}

fn wanted(args: &Args, left: &mut u64) -> Wanted {
    let mut wanted = Wanted {
        commit_log_offset: args.offset,
        topic: args.topic.clone(),
        queue_id: args.queue,
        from: args.from,
        to: args.to,
        since_ms: args.since.map(time::Time::epoch_ms),
        until_ms: args.until.map(time::Time::epoch_ms),
        key: args.key.clone(),
    };
    if let Some(id) = &args.id {
        match decode_offset_message_id(id) {
            Ok((_, offset)) if offset >= 0 => {
                wanted.commit_log_offset = Some(offset);
                *left = 1;
            }
            _ => wanted.key = Some(id.clone()),
        }
    }
    wanted
}

fn print(format: Format, record: &Record<'_>, out: &mut impl Write) -> Result<()> {
    let message = MessageExt::from_record(record, "");
    match format {
        Format::Body => {
            out.write_all(&message.body)?;
            out.write_all(b"\n")?;
        }
        Format::Name => writeln!(out, "{}", message.message_id())?,
        Format::Json => {
            let line = StoredLine {
                commit_log_offset: record.physical_offset,
                store_size: record.total_size,
                offset_message_id: message.offset_message_id.clone(),
                message: MessageLine::from(&message),
            };
            let text = serde_json::to_string(&line)
                .map_err(|e| CliError::failed("cannot write a message as JSON").because(&e))?;
            writeln!(out, "{text}")?;
        }
        Format::Line => writeln!(
            out,
            "{}",
            MessageLine::from(&message).text_at(&place(record))
        )?,
        Format::Hex => {
            let line = MessageLine {
                body: Some(format!("{} bytes", record.body.len())),
                body_hex: None,
                ..MessageLine::from(&message)
            };
            writeln!(out, "{}", line.text_at(&place(record)))?;
            for (row, bytes) in record.body.chunks(HEX_BYTES).enumerate() {
                writeln!(out, "{}", hex_line(row * HEX_BYTES, bytes))?;
            }
        }
    }
    Ok(())
}

fn place(record: &Record<'_>) -> String {
    format!(
        "{}\t{}:{}:{}",
        record.physical_offset, record.topic, record.queue_id, record.queue_offset
    )
}

/// Position, digits, and the letters among them.
fn hex_line(at: usize, bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let letter = |&byte: &u8| {
        if byte.is_ascii_graphic() || byte == b' ' {
            char::from(byte)
        } else {
            '.'
        }
    };
    let letters: String = bytes.iter().map(letter).collect();
    let digits = digits.join(" ");
    format!(
        "  {at:08x}  {digits:<width$}  {letters}",
        width = HEX_BYTES * 3 - 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_in_hexadecimal() {
        assert_eq!(
            hex_line(16, b"a b\x00\xff"),
            format!("  00000010  61 20 62 00 ff{}  a b..", " ".repeat(33))
        );
    }
}
