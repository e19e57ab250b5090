//! What a message costs, counted rather than timed: allocations of the broker. The only test of its process, which counts
//! everything.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot do without may end it"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use workload::{IN_FLIGHT, Workload};

mod workload;

/// Allocations and reallocations of this process.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

#[expect(unsafe_code, reason = "an allocator can only be written so")]
// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(place, layout, size) }
    }
}

fn allocations(workload: &mut Workload, work: impl FnOnce(&mut Workload)) -> f64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work(workload);
    (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64
}

#[test]
fn allocations_per_message_stay_within_bounds() {
    let mut workload = Workload::start();
    // The topic is created, and all buffers have their size.
    workload.send(20);
    const BURSTS: usize = 100;
    let sending = allocations(&mut workload, |workload| workload.send(BURSTS));
    let per_message = sending / (BURSTS * IN_FLIGHT) as f64;
    assert!(
        per_message <= 2.0,
        "{per_message} allocations per message sent"
    );

    const PULLS: usize = 200;
    assert_eq!(workload.pull(20, 32), 32);
    let one = allocations(&mut workload, |workload| {
        assert_eq!(workload.pull(PULLS, 1), 1)
    }) / PULLS as f64;
    let many = allocations(&mut workload, |workload| {
        assert_eq!(workload.pull(PULLS, 32), 32)
    }) / PULLS as f64;
    let per_message = (many - one) / 31.0;
    assert!(
        per_message <= 0.1,
        "{per_message} allocations per message pulled"
    );
    assert!(one <= 24.0, "{one} allocations per pull");
    workload.stop();
}
