//! Who holds a TCP port on this machine, from `/proc`. A best effort: other users' processes hide their descriptors.

use std::fs;
use std::path::Path;

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// `java (pid 4711)`, for a listener on `port`; `None` when it cannot be found out.
pub(crate) fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let targets: Vec<String> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find_map(|pid| {
            let process = Path::new("/proc").join(pid.to_string());
            let holds = fs::read_dir(process.join("fd")).ok()?.flatten().any(|fd| {
                fs::read_link(fd.path())
                    .is_ok_and(|target| targets.iter().any(|t| target.as_os_str() == t.as_str()))
            });
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            holds.then(|| format!("{} (pid {pid})", name.trim()))
        })
}

/// What to do about a port in use: who is asked to free it, or else.
pub(crate) fn hint(port: u16, otherwise: &str) -> String {
    match holder(port) {
        Some(holder) => format!("{holder} holds port {port}: stop it; or {otherwise}"),
        None => format!("a program of another user holds port {port}; {otherwise}"),
    }
}

/// Columns: number, local address, remote address, state, …, inode as the tenth.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == LISTEN;
        listens.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_listeners_by_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:2694 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8123 1 0 100 0\n\
             1: 0100007F:2694 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 8124 1 0 100 0\n";
        assert_eq!(listening_inodes(table, 0x2694), ["8123"]);
        assert!(listening_inodes(table, 0x2695).is_empty());
    }

    #[test]
    fn finds_this_process() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let holder = holder(listener.local_addr().unwrap().port()).unwrap();
        assert!(
            holder.ends_with(&format!("(pid {})", std::process::id())),
            "{holder}"
        );
    }
}
