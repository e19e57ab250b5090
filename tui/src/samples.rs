//! Clusters for tests.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::snapshot::{Broker, Group, Progress, Runtime, Snapshot, Topic, TopicStats};
use crate::update::{Event, update};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

pub(crate) fn app(snapshot: Snapshot) -> App {
    let mut app = App::new("127.0.0.1:9876".to_owned(), false, *START);
    update(&mut app, Event::Snapshot(Box::new(snapshot)));
    update(&mut app, Event::Tick(*START + Duration::from_secs(1)));
    app
}

fn broker(name: &str, port: u16) -> Broker {
    let runtime = Runtime {
        version: "V4_9_8".to_owned(),
        in_per_second: 1234.5,
        out_per_second: 99.04,
        disk_used: Some(0.42),
    };
    Broker {
        cluster: "DefaultCluster".to_owned(),
        name: name.to_owned(),
        id: 0,
        address: format!("127.0.0.1:{port}"),
        runtime: Ok(runtime),
    }
}

fn topic(name: &str, messages: i64) -> Topic {
    let stats = TopicStats {
        brokers: 2,
        queues: 8,
        messages,
        ends: messages + 7,
        incomplete: false,
    };
    Topic {
        name: name.to_owned(),
        stats: Ok(stats),
    }
}

fn group(name: &str, lag: i64) -> Group {
    let progress = Progress {
        topics: 1,
        lag,
        out_per_second: 12.0,
        incomplete: false,
    };
    Group {
        name: name.to_owned(),
        progress: Ok(progress),
        members: Ok(2),
    }
}

pub(crate) fn healthy() -> Snapshot {
    Snapshot {
        taken: *START,
        brokers: vec![broker("broker-a", 10911), broker("broker-b", 10921)],
        topics: vec![
            topic("audit", 0),
            topic("orders", 1_234_567),
            topic("payments", 50),
        ],
        groups: vec![
            group("audit-writer", 0),
            group("billing", 12_000),
            group("mailer", 3),
        ],
        missing: Vec::new(),
    }
}

pub(crate) fn empty() -> Snapshot {
    Snapshot {
        brokers: Vec::new(),
        topics: Vec::new(),
        groups: Vec::new(),
        ..healthy()
    }
}

/// Broker-b is dead.
pub(crate) fn failing() -> Snapshot {
    let mut snapshot = healthy();
    let reason = || "connect to 127.0.0.1:10921: connection refused".to_owned();
    snapshot.brokers[1].runtime = Err(reason());
    if let Ok(stats) = &mut snapshot.topics[1].stats {
        stats.incomplete = true;
    }
    snapshot.topics[2].stats = Err(reason());
    if let Ok(progress) = &mut snapshot.groups[1].progress {
        progress.incomplete = true;
    }
    snapshot.groups[2].progress = Err(reason());
    snapshot.groups[2].members = Err(reason());
    snapshot.missing.push(format!("broker-b: {}", reason()));
    snapshot
}
