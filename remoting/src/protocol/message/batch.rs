//! The body of a batch send: its messages end to end.
//!
//! | width | field |
//! |---|---|
//! | i32 | size of the item, this field included |
//! | i32 | magic, 0 |
//! | i32 | CRC, 0 |
//! | i32 | flag |
//! | i32 + n | body |
//! | i16 + n | properties |

use thiserror::Error;

/// One message of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchItem<'a> {
    pub flag: i32,
    pub body: &'a [u8],
    pub properties: &'a [u8],
}

/// The body of a batch is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed batch at byte {at}")]
pub struct BatchError {
    pub at: usize,
}

/// The messages of a batch. Ends after the first error.
pub fn items(batch: &[u8]) -> impl Iterator<Item = Result<BatchItem<'_>, BatchError>> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = batch.len() - rest.len();
        let item = split_item(rest);
        rest = item.map_or(&[], |(_, rest)| rest);
        Some(item.map(|(item, _)| item).ok_or(BatchError { at }))
    })
}

fn split_item(bytes: &[u8]) -> Option<(BatchItem<'_>, &[u8])> {
    let (total, _) = bytes.split_first_chunk::<4>()?;
    let (item, rest) = bytes.split_at_checked(usize::try_from(i32::from_be_bytes(*total)).ok()?)?;
    let fields = item.get(12..)?;
    let (flag, fields) = fields.split_first_chunk::<4>()?;
    let (length, fields) = fields.split_first_chunk::<4>()?;
    let (body, fields) =
        fields.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
    let (length, fields) = fields.split_first_chunk::<2>()?;
    let (properties, fields) =
        fields.split_at_checked(usize::try_from(i16::from_be_bytes(*length)).ok()?)?;
    let item = BatchItem {
        flag: i32::from_be_bytes(*flag),
        body,
        properties,
    };
    fields.is_empty().then_some((item, rest))
}

/// Appends one message to the body of a batch. `None`: it is too long for the format.
pub fn push_item(out: &mut Vec<u8>, item: &BatchItem<'_>) -> Option<()> {
    let total = i32::try_from(item.body.len() + item.properties.len() + 22).ok()?;
    let body_length = i32::try_from(item.body.len()).ok()?;
    let properties_length = i16::try_from(item.properties.len()).ok()?;
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&item.flag.to_be_bytes());
    out.extend_from_slice(&body_length.to_be_bytes());
    out.extend_from_slice(item.body);
    out.extend_from_slice(&properties_length.to_be_bytes());
    out.extend_from_slice(item.properties);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_and_damage_is_found() {
        let given = [
            BatchItem {
                flag: 1,
                body: b"one",
                properties: b"",
            },
            BatchItem {
                flag: -2,
                body: b"",
                properties: b"a\x01b\x02",
            },
        ];
        let mut batch = Vec::new();
        for item in &given {
            push_item(&mut batch, item).unwrap();
        }
        let got: Result<Vec<_>, _> = items(&batch).collect();
        assert_eq!(got.unwrap(), given);
        for cut in 1..batch.len() {
            if cut == 25 {
                continue;
            }
            assert!(
                items(&batch[..cut]).any(|item| item.is_err()),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic() {
        proptest::proptest!(|(bytes: Vec<u8>)| { items(&bytes).count(); });
    }
}
