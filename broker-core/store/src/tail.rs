//! The hot tail: the newest bytes of the log, in memory, for consumers that keep up.
//!
//! Full chunks are handed out by reference count. The one chunk that is still growing is copied
//! from, under a short lock; a consumer that keeps up takes little from it at a time. Chunks are
//! dropped, oldest first, when they exceed the limit; readers that still hold parts keep those.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;

use crate::guards::lock;

/// Bytes of a chunk.
const CHUNK_SIZE: usize = 256 * 1024;

/// The newest bytes of the log.
pub(crate) struct HotTail {
    inner: Mutex<Inner>,
    limit: usize,
}

struct Inner {
    /// Full chunks with their log offsets: ascending and contiguous, up to `open_start`.
    sealed: VecDeque<(i64, Bytes)>,
    sealed_bytes: usize,
    /// The growing chunk.
    open: Vec<u8>,
    open_start: i64,
}

/// Pieces of the log, gathered in order.
pub(crate) struct Pieces {
    runs: Vec<Bytes>,
    /// What was copied and is not in `runs` yet.
    copied: Vec<u8>,
    /// Bytes that are still to come, at most.
    left: usize,
}

impl Pieces {
    /// Takes so many records of so many bytes in all without allocating for each.
    pub(crate) fn with_room(records: usize, bytes: usize) -> Self {
        Self {
            runs: Vec::with_capacity(records),
            copied: Vec::new(),
            left: bytes,
        }
    }

    /// Adds a piece that is shared. Neighbours in memory become one run.
    pub(crate) fn push_shared(&mut self, piece: Bytes) {
        self.settle();
        self.left = self.left.saturating_sub(piece.len());
        self.runs.push(piece);
    }

    /// Adds a copy of a piece.
    pub(crate) fn push_copy(&mut self, piece: &[u8]) {
        if self.copied.is_empty() {
            self.copied.reserve(self.left);
        }
        self.left = self.left.saturating_sub(piece.len());
        self.copied.extend_from_slice(piece);
    }

    fn settle(&mut self) {
        if !self.copied.is_empty() {
            self.runs
                .push(Bytes::from(std::mem::take(&mut self.copied)));
        }
    }

    /// All pieces.
    pub(crate) fn into_runs(mut self) -> Vec<Bytes> {
        self.settle();
        self.runs
    }
}

impl HotTail {
    /// An empty tail that starts at a log offset and holds about `limit` bytes at most.
    pub(crate) fn new(start: i64, limit: usize) -> Self {
        let inner = Inner {
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            open: Vec::new(),
            open_start: start,
        };
        Self {
            inner: Mutex::new(inner),
            limit,
        }
    }

    /// Adds what was written to the log at `offset`. A jump (the rest of a file, given to a blank
    /// record) is filled with nothing: the tail begins anew there for bytes that no queue names.
    pub(crate) fn push(&self, offset: i64, mut bytes: &[u8]) {
        if self.limit == 0 {
            return;
        }
        let mut inner = lock(&self.inner);
        if inner.open_start + inner.open.len() as i64 != offset {
            inner.seal();
            inner.open_start = offset;
        }
        while !bytes.is_empty() {
            if inner.open.capacity() == 0 {
                inner.open.reserve_exact(CHUNK_SIZE);
            }
            let room = CHUNK_SIZE - inner.open.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            inner.open.extend_from_slice(now);
            bytes = later;
            if inner.open.len() == CHUNK_SIZE {
                inner.seal();
            }
        }
        while inner.sealed_bytes > self.limit.saturating_sub(CHUNK_SIZE) {
            let Some((_, oldest)) = inner.sealed.pop_front() else {
                break;
            };
            inner.sealed_bytes -= oldest.len();
        }
    }

    /// Gathers ranges (offset, length) of the log into `pieces`, as long as they are in memory;
    /// returns how many were.
    pub(crate) fn read(
        &self,
        ranges: impl Iterator<Item = (i64, usize)>,
        pieces: &mut Pieces,
    ) -> usize {
        let inner = lock(&self.inner);
        let mut found = 0;
        for (offset, len) in ranges {
            if !inner.copy(offset, len, pieces) {
                break;
            }
            found += 1;
        }
        found
    }
}

impl Inner {
    fn seal(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let end = self.open_start + self.open.len() as i64;
        let chunk = Bytes::from(std::mem::take(&mut self.open));
        self.sealed_bytes += chunk.len();
        self.sealed.push_back((self.open_start, chunk));
        self.open_start = end;
    }

    /// Gathers one range, which may span chunks. `false`, with nothing gathered, if any of it is
    /// not here.
    fn copy(&self, offset: i64, len: usize, pieces: &mut Pieces) -> bool {
        if offset >= self.open_start {
            let start = (offset - self.open_start) as usize;
            let Some(piece) = start
                .checked_add(len)
                .and_then(|end| self.open.get(start..end))
            else {
                return false;
            };
            pieces.push_copy(piece);
            return true;
        }
        let index = self.sealed.partition_point(|(start, _)| *start <= offset);
        let Some(mut index) = index.checked_sub(1) else {
            return false;
        };
        let (chunk_start, chunk) = &self.sealed[index];
        let start = (offset - chunk_start) as usize;
        if let Some(end) = start.checked_add(len)
            && end <= chunk.len()
        {
            pieces.push_shared(chunk.slice(start..end));
            return true;
        }
        // Spans chunks: find out first whether all of it is here.
        let mut parts: Vec<&[u8]> = Vec::new();
        let (mut at, mut left) = (offset, len);
        while left > 0 {
            let (chunk_start, chunk): (i64, &[u8]) = match self.sealed.get(index) {
                Some((start, chunk)) => (*start, chunk),
                None if index == self.sealed.len() => (self.open_start, &self.open),
                None => return false,
            };
            let Some(rest) = usize::try_from(at - chunk_start)
                .ok()
                .and_then(|skip| chunk.get(skip..))
            else {
                return false;
            };
            if rest.is_empty() {
                return false;
            }
            let part = &rest[..rest.len().min(left)];
            parts.push(part);
            at += part.len() as i64;
            left -= part.len();
            index += 1;
        }
        for part in parts {
            pieces.push_copy(part);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tail: &HotTail, offset: i64, len: usize) -> Option<Vec<u8>> {
        let mut pieces = Pieces::with_room(1, len);
        let found = tail.read([(offset, len)].into_iter(), &mut pieces);
        (found == 1).then(|| pieces.into_runs().concat())
    }

    #[test]
    fn serves_what_it_holds_and_forgets_the_oldest() {
        let tail = HotTail::new(1000, 4 * CHUNK_SIZE);
        let byte = |offset: i64| (offset % 251) as u8;
        let mut offset = 1000;
        for len in [
            1,
            200,
            CHUNK_SIZE,
            3 * CHUNK_SIZE / 2,
            77,
            CHUNK_SIZE * 2,
            500,
        ] {
            let bytes: Vec<u8> = (offset..offset + len as i64).map(byte).collect();
            tail.push(offset, &bytes);
            offset += len as i64;
        }
        let end = offset;
        assert_eq!(read(&tail, 1000, 1), None, "forgotten");
        for (start, len) in [
            (end - 500, 500),
            (end - 600, 300),
            (end - 2 * CHUNK_SIZE as i64, 2 * CHUNK_SIZE),
            (end - 3 * CHUNK_SIZE as i64 + 5, 17),
        ] {
            let expected: Vec<u8> = (start..start + len as i64).map(byte).collect();
            assert_eq!(read(&tail, start, len), Some(expected), "{start} {len}");
        }
        assert_eq!(read(&tail, end - 10, 11), None, "past the end");
        assert!(tail.inner.lock().unwrap().sealed_bytes <= 4 * CHUNK_SIZE);
    }

    #[test]
    fn a_jump_leaves_a_hole() {
        let tail = HotTail::new(0, 4 * CHUNK_SIZE);
        tail.push(0, b"abc");
        tail.push(10, b"def");
        assert_eq!(read(&tail, 0, 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(read(&tail, 10, 3).as_deref(), Some(&b"def"[..]));
        assert_eq!(read(&tail, 1, 4), None);
        assert_eq!(read(&tail, 5, 2), None);
    }
}
