//! The name servers of a client: it stays with one that answers and moves on when it does not.
//!
//! All name servers know the same, so any answer, even a refusal, is final.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ClientError;

/// Addresses in the order they were given, and which one is in use.
#[derive(Debug)]
pub struct NameServers {
    addresses: Vec<String>,
    current: AtomicUsize,
}

impl NameServers {
    /// Reads lists such as `a:9876;b:9876` (`,` separates too). May be empty: then only calls to
    /// brokers are possible.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if an entry is not `host:port`.
    pub fn parse<S: AsRef<str>>(lists: &[S]) -> Result<Self, ClientError> {
        let mut addresses: Vec<String> = Vec::new();
        for address in lists
            .iter()
            .flat_map(|list| list.as_ref().split([';', ',']))
            .map(str::trim)
            .filter(|address| !address.is_empty())
        {
            check_address("name server", address)?;
            if !addresses.iter().any(|known| known == address) {
                addresses.push(address.to_owned());
            }
        }
        Ok(Self {
            addresses,
            current: AtomicUsize::new(0),
        })
    }

    /// All addresses, for what must be told to every name server.
    pub fn all(&self) -> &[String] {
        &self.addresses
    }

    /// All addresses, the one in use first.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (usize, &str)> {
        let count = self.addresses.len();
        let current = self.current.load(Ordering::Relaxed);
        (0..count).filter_map(move |step| {
            let index = (current + step) % count;
            Some((index, self.addresses.get(index)?.as_str()))
        })
    }

    /// This one answered: stay with it.
    pub(crate) fn stay_with(&self, index: usize) {
        self.current.store(index, Ordering::Relaxed);
    }
}

/// Checks `host:port` without resolving it.
///
/// # Errors
/// [`ClientError::Invalid`], calling the address `what`.
pub fn check_address(what: &'static str, address: &str) -> Result<(), ClientError> {
    let well_formed = address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(char::is_whitespace)
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if well_formed {
        Ok(())
    } else {
        Err(ClientError::invalid(what, address, "host:port expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_the_one_that_answered_comes_first() {
        let servers = NameServers::parse(&["a:1; b:2,", "a:1,[::1]:3"]).unwrap();
        assert_eq!(servers.all(), ["a:1", "b:2", "[::1]:3"]);
        servers.stay_with(1);
        let order: Vec<_> = servers.in_order().map(|(_, address)| address).collect();
        assert_eq!(order, ["b:2", "[::1]:3", "a:1"]);
        assert!(NameServers::parse::<&str>(&[]).unwrap().all().is_empty());
        for bad in ["a", "a:", ":1", "a:x", "a:65536", "a:0", "a b:1"] {
            assert!(NameServers::parse(&[bad]).is_err(), "{bad}");
        }
    }
}
