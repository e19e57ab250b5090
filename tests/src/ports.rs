//! Free ports on loopback.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex};

/// Ports given out by this process: one that is not bound yet must not be given out again.
static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

pub fn one() -> u16 {
    free(&[0])
}

/// A broker's `listenPort`: the port two below (VIP) and the one above (replication) are free, too.
pub fn broker() -> u16 {
    free(&[0, -2, 1])
}

fn free(offsets: &[i32]) -> u16 {
    let mut given = GIVEN.lock().expect("no holder panics");
    for _ in 0..1000 {
        let chosen = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|l| l.local_addr())
            .expect("loopback can be bound")
            .port();
        let wanted: Vec<u16> = offsets
            .iter()
            .filter_map(|o| u16::try_from(i32::from(chosen) + o).ok())
            .collect();
        let all_free = wanted.len() == offsets.len()
            && wanted.iter().all(|port| {
                !given.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok()
            });
        if all_free {
            given.extend(wanted);
            return chosen;
        }
    }
    panic!("no free ports with the offsets {offsets:?}");
}
