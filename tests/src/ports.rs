//! Free ports, for servers that are started a little later.
//!
//! They are below those that the kernel gives to outgoing connections (from 32768 on, on Linux): one of hundreds of
//! clients would now and then take a port before its server binds it, or while it is restarted.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::{LazyLock, Mutex};

const PORTS: Range<u16> = 13_000..32_000;

/// Who holds a port's UDP side may use its TCP side: so other processes with tests keep away, too, and what an aborted
/// one held is free again.
struct Reservations {
    held: Vec<UdpSocket>,
    next: u16,
}

static RESERVATIONS: LazyLock<Mutex<Reservations>> = LazyLock::new(|| {
    Mutex::new(Reservations {
        held: Vec::new(),
        // Processes begin at different places, to not meet at each port.
        next: PORTS.start + (std::process::id() * 61 % PORTS.len() as u32) as u16,
    })
});

pub fn one() -> u16 {
    reserve(1)
}

/// A broker's `listenPort`: the port two below (VIP) and the one above (replication) are free, too.
pub fn broker() -> u16 {
    reserve(4) + 2
}

/// The first of `count` free ports in a row.
fn reserve(count: u16) -> u16 {
    let mut reservations = RESERVATIONS.lock().expect("no holder panics");
    for _ in 0..PORTS.len() {
        if reservations.next + count > PORTS.end {
            reservations.next = PORTS.start;
        }
        let first = reservations.next;
        let row: Result<Vec<UdpSocket>, _> = (first..first + count).map(bind_both).collect();
        match row {
            Ok(row) => {
                reservations.held.extend(row);
                reservations.next += count;
                return first;
            }
            Err(_) => reservations.next += 1,
        }
    }
    panic!("no {count} free ports in a row in {PORTS:?}");
}

fn bind_both(port: u16) -> std::io::Result<UdpSocket> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wait;

    #[test]
    fn ports_are_given_out_once_and_only_if_free() {
        let port = one();
        let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).expect_err("it is reserved");
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        // A child that another test starts has a copy of the socket that tried the port, until it is another program.
        let busy = wait::until("the TCP side to be free", Duration::from_secs(20), || {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
        });
        assert!(bind_both(port).is_err(), "{busy:?} is there");
        let broker = broker();
        assert!(broker - 2 > port || broker + 1 < port);
    }
}
