//! What defaults are taken from: the machine, and the process's environment.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// Where defaults come from that are not constants.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `NAMESRV_ADDR`.
    pub namesrv_addr: Option<String>,
    /// The home folder, under which the store is by default.
    pub home: PathBuf,
    /// `brokerName` by default.
    pub host_name: String,
    /// `brokerIP1` and `brokerIP2` by default.
    pub local_address: IpAddr,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let host_name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Self {
            namesrv_addr: std::env::var("NAMESRV_ADDR")
                .ok()
                .filter(|addresses| !addresses.trim().is_empty()),
            home: std::env::home_dir().unwrap_or_default(),
            host_name: if host_name.is_empty() {
                "DEFAULT_BROKER".to_owned()
            } else {
                host_name
            },
            local_address: local_address(),
        }
    }
}

/// The first IPv4 address that other machines may reach: not a loopback, preferably not one of the
/// bridges that container engines make, whose addresses mean nothing elsewhere.
fn local_address() -> IpAddr {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = |interface: &&if_addrs::Interface| matches!(interface.ip(), IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified());
    let is_bridge = |name: &str| {
        ["docker", "br-", "virbr", "veth", "cni", "flannel"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    interfaces
        .iter()
        .filter(usable)
        .find(|interface| !is_bridge(&interface.name))
        .or_else(|| interfaces.iter().find(usable))
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), if_addrs::Interface::ip)
}
