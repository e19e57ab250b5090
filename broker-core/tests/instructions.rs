//! What a message costs, counted rather than timed: instructions, where valgrind is installed. The budget belongs to the
//! profile that tests are built with.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot do without may end it"
)]

use std::process::Command;

use workload::Workload;

mod workload;

/// Set for the process that valgrind watches: sends and pulls so many messages, and ends.
const WORKLOAD: &str = "MQ_COST_WORKLOAD";

#[test]
fn instructions_per_message_stay_within_bounds() {
    if let Ok(bursts) = std::env::var(WORKLOAD) {
        let mut workload = Workload::start();
        workload.send(bursts.parse().unwrap());
        workload.pull(bursts.parse().unwrap(), 32);
        return workload.stop();
    }
    let Some(few) = instructions(10) else {
        println!("valgrind is not installed: instructions are not counted");
        return;
    };
    let many = instructions(40).unwrap();
    // A burst is 64 messages sent and 32 pulled.
    let per_burst = (many - few) / 30;
    const BUDGET: u64 = 3_000_000;
    assert!(
        per_burst <= BUDGET,
        "{per_burst} instructions for 64 messages sent and 32 pulled"
    );
}

/// Instructions of a process that runs the workload; `None` without valgrind.
fn instructions(bursts: usize) -> Option<u64> {
    let dir = tempfile::tempdir().unwrap();
    let counts = dir.path().join("counts");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--vgdb=no"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "instructions_per_message_stay_within_bounds"])
        .env(WORKLOAD, bursts.to_string())
        .output();
    let run = match run {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
        run => run.unwrap(),
    };
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let counts = std::fs::read_to_string(counts).unwrap();
    let total = counts.lines().find_map(|line| {
        let number = line
            .strip_prefix("summary: ")
            .or(line.strip_prefix("totals: "))?;
        number.trim().parse().ok()
    });
    Some(total.unwrap())
}
