//! Blocks of the log that several readers come by at about the same time.
//!
//! The log holds the records of all queues mixed. Those who read the queues of a topic pass the same stretch of it one
//! after the other, and so do groups that read the same queue; each picks a record here and there, with a call to the
//! system for each that costs more than the copy. So the second who comes by a block reads it whole, and those behind
//! find it here; if they do, the first at the next block reads that whole. A reader who is alone reads nothing but what
//! it wants.
//!
//! Readers may also come one after the other at such a distance that a block is gone before the next of them is there.
//! So a block must be paid for: by what was saved with those before.
//!
//! What is written in the log stays as it is, so a block cannot become outdated. It is not looked at here: whoever hands
//! out a record of it checks that.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::{Bytes, BytesMut};

use crate::guards::lock;

/// Blocks begin at multiples of this.
pub(crate) const BLOCK_BYTES: i64 = 128 * 1024;
/// So many bytes are copied in the time that a call takes without its copy.
pub(crate) const BYTES_PER_CALL: i64 = 4096;
const BLOCK_COST: i64 = cost(BLOCK_BYTES);
/// What can be saved up.
const CREDIT_MAX: i64 = 20 * BLOCK_COST;
/// Blocks that are remembered, each in the one place where it can be: 8 MiB at most.
const PLACES: usize = 64;

/// What one call costs that reads so many bytes, in calls that read nothing.
pub(crate) const fn cost(bytes: i64) -> i64 {
    1 + bytes / BYTES_PER_CALL
}

/// What a reader finds at a block.
#[derive(Debug, PartialEq)]
pub(crate) enum Visit {
    /// The whole block.
    Found(Bytes),
    /// Others were here before or are about to come: it is worth reading whole. Into memory of this length, which had
    /// another block.
    Shared(Option<BytesMut>),
    /// Nobody else was here.
    Alone,
}

/// Records of one queue within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visitor {
    /// Tells queues apart.
    pub(crate) queue: usize,
    /// Queue offsets of the first and the last record.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Of reading these records and little else.
    pub(crate) cost: i64,
}

impl Visitor {
    /// One who comes a second time for what follows is the same.
    fn goes_on_from(self, before: Self) -> bool {
        self.queue == before.queue && self.first > before.last
    }
}

#[derive(Debug)]
struct Place {
    begin: i64,
    /// The last one who found nothing.
    visitor: Visitor,
    bytes: Option<Bytes>,
    /// By another than the one who read it.
    found: bool,
    /// Since [`CommonBlocks::release_unused`] looked.
    used: bool,
}

#[derive(Debug)]
pub(crate) struct CommonBlocks {
    places: [Mutex<Option<Place>>; PLACES],
    /// What was saved, less what blocks have cost. Not exact: a block too many or too few does no harm.
    credit: AtomicI64,
}

impl Default for CommonBlocks {
    fn default() -> Self {
        Self {
            places: [const { Mutex::new(None) }; PLACES],
            credit: AtomicI64::new(CREDIT_MAX / 2),
        }
    }
}

impl CommonBlocks {
    fn place(&self, begin: i64) -> &Mutex<Option<Place>> {
        let number = usize::try_from(begin / BLOCK_BYTES).unwrap_or(0);
        &self.places[number % PLACES]
    }

    /// Somebody needs records of the block that begins at `begin`.
    pub(crate) fn visit(&self, begin: i64, visitor: Visitor) -> Visit {
        let follows = self.was_found(begin - BLOCK_BYTES);
        let mut place = lock(self.place(begin));
        match &mut *place {
            Some(place) if place.begin == begin => {
                place.used = true;
                if let Some(bytes) = &place.bytes {
                    place.found |= !visitor.goes_on_from(place.visitor);
                    self.earn(visitor.cost);
                    return Visit::Found(bytes.clone());
                }
                let before = std::mem::replace(&mut place.visitor, visitor);
                if !visitor.goes_on_from(before) && self.pay() {
                    return Visit::Shared(None);
                }
            }
            other => {
                let before = other.replace(Place {
                    begin,
                    visitor,
                    bytes: None,
                    found: false,
                    used: true,
                });
                if follows && self.pay() {
                    let bytes = before.and_then(|before| before.bytes);
                    return Visit::Shared(bytes.and_then(|bytes| bytes.try_into_mut().ok()));
                }
            }
        }
        Visit::Alone
    }

    fn was_found(&self, begin: i64) -> bool {
        begin >= 0
            && lock(self.place(begin))
                .as_ref()
                .is_some_and(|place| place.begin == begin && place.found)
    }

    fn earn(&self, saved: i64) {
        let before = self.credit.load(Ordering::Relaxed);
        let now = (before + saved).min(CREDIT_MAX);
        self.credit.store(now, Ordering::Relaxed);
    }

    /// Whether a block can be paid for. Who is turned away pays a little for one that will be tried later.
    fn pay(&self) -> bool {
        let can = self.credit.load(Ordering::Relaxed) >= BLOCK_COST;
        self.earn(if can { -BLOCK_COST } else { 1 });
        can
    }

    /// The block has been read.
    pub(crate) fn keep(&self, begin: i64, bytes: Bytes) {
        if let Some(place) = &mut *lock(self.place(begin))
            && place.begin == begin
        {
            place.bytes = Some(bytes);
        }
    }

    /// Forgets blocks that nobody has come by since the last call.
    pub(crate) fn release_unused(&self) {
        for place in &self.places {
            let mut place = lock(place);
            if let Some(kept) = &mut *place
                && !std::mem::take(&mut kept.used)
            {
                *place = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: Visit = Visit::Shared(None);

    fn visitor(queue: usize, first: i64, last: i64) -> Visitor {
        Visitor {
            queue,
            first,
            last,
            cost: 10,
        }
    }

    fn found(bytes: &'static [u8]) -> Visit {
        Visit::Found(Bytes::from_static(bytes))
    }

    #[test]
    fn a_block_is_worth_reading_for_the_second_visitor_and_there_for_the_third() {
        let blocks = CommonBlocks::default();
        assert_eq!(blocks.visit(0, visitor(1, 0, 9)), Visit::Alone);
        assert_eq!(blocks.visit(0, visitor(2, 0, 9)), SHARED);
        blocks.keep(0, Bytes::from_static(b"block"));
        assert_eq!(blocks.visit(0, visitor(3, 0, 9)), found(b"block"));
        // Of the next, the first.
        assert_eq!(blocks.visit(BLOCK_BYTES, visitor(3, 10, 19)), SHARED);
        // Of one further on, the second.
        let further = 3 * BLOCK_BYTES;
        assert_eq!(blocks.visit(further, visitor(3, 20, 29)), Visit::Alone);
    }

    #[test]
    fn who_goes_on_is_alone_and_who_begins_again_is_not() {
        let blocks = CommonBlocks::default();
        assert_eq!(blocks.visit(0, visitor(1, 0, 9)), Visit::Alone);
        assert_eq!(blocks.visit(0, visitor(1, 10, 19)), Visit::Alone);
        assert_eq!(blocks.visit(0, visitor(1, 5, 14)), SHARED);
        blocks.keep(0, Bytes::from_static(b"block"));
        assert_eq!(blocks.visit(0, visitor(1, 15, 24)), found(b"block"));
        // Nobody else has found the block before.
        let next = visitor(1, 25, 34);
        assert_eq!(blocks.visit(BLOCK_BYTES, next), Visit::Alone);
    }

    #[test]
    fn blocks_that_nobody_finds_are_not_read_for_long() {
        let blocks = CommonBlocks::default();
        let mut read = 0;
        let visits = 2000;
        for n in 0..visits {
            let begin = n * 2 * BLOCK_BYTES;
            assert_eq!(blocks.visit(begin, visitor(1, n, n)), Visit::Alone);
            read += i64::from(blocks.visit(begin, visitor(2, n, n)) == SHARED);
        }
        let at_first = CREDIT_MAX / 2 / BLOCK_COST;
        let later = visits / BLOCK_COST;
        assert!(read <= at_first + later, "{read}");
        // One is tried now and then, and pays for others when it is found.
        assert!(read >= at_first + later / 2, "{read}");
    }

    #[test]
    fn a_place_holds_one_block_and_gives_it_back_when_nobody_comes() {
        let blocks = CommonBlocks::default();
        let same_place = BLOCK_BYTES * PLACES as i64;
        blocks.visit(0, visitor(1, 0, 9));
        blocks.visit(same_place, visitor(1, 0, 9));
        blocks.keep(0, Bytes::from_static(b"late"));
        assert_eq!(blocks.visit(same_place, visitor(2, 0, 9)), SHARED);
        blocks.keep(same_place, Bytes::from_static(b"kept"));
        blocks.release_unused();
        assert_eq!(blocks.visit(same_place, visitor(3, 0, 9)), found(b"kept"));
        blocks.release_unused();
        blocks.release_unused();
        assert_eq!(blocks.visit(same_place, visitor(3, 0, 9)), Visit::Alone);
    }

    #[test]
    fn memory_of_an_old_block_is_used_again_once_nobody_reads_it() {
        let next_round = BLOCK_BYTES * PLACES as i64;
        for read in [false, true] {
            let blocks = CommonBlocks::default();
            for begin in [0, next_round - BLOCK_BYTES] {
                blocks.visit(begin, visitor(1, 0, 9));
                blocks.keep(begin, Bytes::from(b"old".to_vec()));
                blocks.visit(begin, visitor(2, 0, 9));
            }
            let reading = read.then(|| blocks.visit(0, visitor(1, 0, 9)));
            let again = (!read).then(|| BytesMut::from(&b"old"[..]));
            let visit = blocks.visit(next_round, visitor(1, 10, 19));
            assert_eq!(visit, Visit::Shared(again));
            drop(reading);
        }
    }
}
