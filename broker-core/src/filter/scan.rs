//! Reading under a condition: messages are read as if for everybody, and only those that satisfy it
//! are kept, until there are enough of them or enough was looked at.

use remoting::protocol::message::record::{Record, peek};
use store::{ReadOutcome, ReadRequest, ReadResult, ReadStatus};

use super::sql::Condition;

/// Messages of one read of the store.
const STEP_MESSAGES: u32 = 32;
/// Messages that one pull looks at, as many as when it filters by tag.
const MAX_MESSAGES: u32 = 800;
/// Bytes of messages that one pull looks at. The one that passes this is still looked at.
const MAX_BYTES: usize = 1024 * 1024;

/// Reads with `read` from the request's offset on. What it has found is the answer, even when going
/// on would need the disk: the consumer comes again at once.
pub(crate) fn scan(
    request: &ReadRequest<'_>,
    condition: &Condition,
    mut read: impl FnMut(&ReadRequest<'_>) -> ReadOutcome,
) -> ReadOutcome {
    let mut answer = ReadResult {
        status: ReadStatus::NoMatchedMessage,
        runs: Vec::new(),
        message_count: 0,
        size: 0,
        next_begin_offset: request.offset,
        min_offset: 0,
        max_offset: 0,
        suggest_slave: false,
    };
    let (mut messages, mut bytes) = (0, 0);
    loop {
        let step = ReadRequest {
            offset: answer.next_begin_offset,
            max_messages: STEP_MESSAGES,
            max_bytes: u32::MAX,
            ..*request
        };
        let batch = match read(&step) {
            ReadOutcome::Done(batch) if batch.status == ReadStatus::Found => batch,
            nothing if messages == 0 => return nothing,
            _ => return ReadOutcome::Done(answer),
        };
        messages += batch.message_count;
        bytes += batch.size;
        answer.next_begin_offset = batch.next_begin_offset;
        answer.min_offset = batch.min_offset;
        answer.max_offset = batch.max_offset;
        answer.suggest_slave = batch.suggest_slave;
        let is_full = keep(&mut answer, batch, request, condition);
        if is_full || messages >= MAX_MESSAGES || bytes >= MAX_BYTES {
            return ReadOutcome::Done(answer);
        }
    }
}

/// Takes over what satisfies the condition. True: no more is wanted, and the answer's next offset
/// is behind the last one taken.
fn keep(
    answer: &mut ReadResult,
    batch: ReadResult,
    request: &ReadRequest<'_>,
    condition: &Condition,
) -> bool {
    for run in batch.runs {
        let mut at = 0;
        while let Some(rest) = run.get(at..)
            && let Some((size, _)) = peek(rest)
            && let Ok(size @ 1..) = usize::try_from(size)
        {
            // A damaged record satisfies nothing.
            if let Ok(record) = Record::parse(rest)
                && condition.matches(record.properties)
            {
                if answer.message_count > 0 && answer.size + size > request.max_bytes as usize {
                    answer.next_begin_offset = record.queue_offset;
                    return true;
                }
                answer.runs.push(run.slice(at..at + size));
                answer.status = ReadStatus::Found;
                answer.message_count += 1;
                answer.size += size;
                if answer.message_count >= request.max_messages {
                    answer.next_begin_offset = record.queue_offset + 1;
                    return true;
                }
            }
            at += size;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use remoting::protocol::message::record::{RecordFields, patch, records};

    use super::*;

    fn record(offset: i64) -> Vec<u8> {
        let host = ([127, 0, 0, 1], 10_911).into();
        let mut out = Vec::new();
        let properties = format!("n\u{1}{offset}\u{2}");
        let fields = RecordFields::plain("T", b"body", properties.as_bytes(), host);
        fields.encode_into(&mut out).unwrap();
        patch(&mut out, offset, 0, 0);
        out
    }

    /// A queue of `end` messages, each with its offset as property `n`; those from `cold` on are
    /// not in memory. Returns the offsets found, the status and the next offset.
    fn scanned(
        condition: &str,
        offset: i64,
        max_messages: u32,
        max_bytes: u32,
        end: i64,
        cold: i64,
    ) -> Option<(Vec<i64>, ReadStatus, i64)> {
        let request = ReadRequest {
            topic: "T",
            queue_id: 0,
            offset,
            max_messages,
            max_bytes,
        };
        let outcome = scan(&request, &Condition::compile(condition).unwrap(), |step| {
            let to = end.min(step.offset + i64::from(step.max_messages));
            if step.offset >= cold {
                return ReadOutcome::Cold;
            }
            let runs: Vec<Bytes> = (step.offset..to).map(|at| record(at).into()).collect();
            let status = if runs.is_empty() {
                ReadStatus::OffsetOverflowOne
            } else {
                ReadStatus::Found
            };
            ReadOutcome::Done(ReadResult {
                status,
                message_count: u32::try_from(runs.len()).unwrap(),
                size: runs.iter().map(Bytes::len).sum(),
                // Neighbours come as one run.
                runs: vec![runs.concat().into()],
                next_begin_offset: to,
                min_offset: 0,
                max_offset: end,
                suggest_slave: false,
            })
        });
        let ReadOutcome::Done(result) = outcome else {
            return None;
        };
        let found = result
            .runs
            .iter()
            .flat_map(|run| records(run))
            .map(|record| record.unwrap().queue_offset)
            .collect();
        Some((found, result.status, result.next_begin_offset))
    }

    #[test]
    fn a_pull_goes_on_until_it_has_enough() {
        use ReadStatus::{Found, NoMatchedMessage, OffsetOverflowOne};
        let one = u32::try_from(record(0).len()).unwrap();
        for (condition, offset, messages, bytes, end, expected) in [
            ("n >= 40", 0, 2, u32::MAX, 100, (vec![40, 41], Found, 42)),
            ("n = 99", 0, 8, u32::MAX, 100, (vec![99], Found, 100)),
            ("n >= 5", 0, 8, 2 * one, 9, (vec![5, 6], Found, 7)),
            ("n >= 5", 0, 8, 0, 9, (vec![5], Found, 6)),
            (
                "n < 0",
                0,
                8,
                u32::MAX,
                100,
                (vec![], NoMatchedMessage, 100),
            ),
            (
                "n < 0",
                100,
                8,
                u32::MAX,
                100,
                (vec![], OffsetOverflowOne, 100),
            ),
            // It stops in between, so that a rare message does not hold the thread.
            (
                "n = 5000",
                0,
                8,
                u32::MAX,
                6000,
                (vec![], NoMatchedMessage, 800),
            ),
        ] {
            assert_eq!(
                scanned(condition, offset, messages, bytes, end, end + 1),
                Some(expected),
                "{condition}"
            );
        }
    }

    #[test]
    fn what_is_on_disk_is_left_to_the_next_pull() {
        assert_eq!(
            scanned("n = 1", 0, 8, u32::MAX, 100, 32),
            Some((vec![1], ReadStatus::Found, 32))
        );
        assert_eq!(
            scanned("n = 50", 0, 8, u32::MAX, 100, 32),
            Some((vec![], ReadStatus::NoMatchedMessage, 32))
        );
        assert_eq!(scanned("n = 1", 0, 8, u32::MAX, 100, 0), None);
    }
}
