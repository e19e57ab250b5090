//! Incidents that are staged: each must be on the pulse, and open with a key.

use super::*;
use crate::sheet::Row;

/// An incident: what was staged, and the first cells of the row that must be on the pulse.
pub(super) struct Incident {
    pub(super) name: &'static str,
    pub(super) app: fn() -> App,
    row: [&'static str; 3],
    /// Keys from that row, and what the screen must then say.
    keys: &'static str,
    shows: &'static [&'static str],
}

pub(super) const INCIDENTS: [Incident; 13] = [
    Incident {
        name: "a broker that was stopped, and so is not registered any more",
        app: || {
            samples::app_after(3, samples::healthy(), |snapshot| {
                snapshot.brokers.truncate(1);
            })
        },
        row: ["CRIT", "broker gone", "broker-b (127.0.0.1:10921)"],
        keys: "\n",
        shows: &["broker-a"],
    },
    Incident {
        name: "a consumer that has not finished its first message",
        app: || {
            let mut snapshot = samples::healthy();
            samples::group_queues(&mut snapshot, "mailer").clear();
            samples::app(snapshot)
        },
        row: ["WARN", "unread", "mailer"],
        keys: "\n",
        shows: &["unread", "10.0.0.1@mailer"],
    },
    Incident {
        name: "a stuck consumer",
        app: || {
            samples::app_after(12, samples::healthy(), |snapshot| {
                samples::send(snapshot, "orders", 1, 50)
            })
        },
        row: ["CRIT", "stuck", "billing"],
        keys: "\n",
        shows: &["stuck for 22s", "10.0.0.1@billing"],
    },
    Incident {
        name: "a group without members",
        app: || {
            let mut snapshot = samples::healthy();
            samples::group(&mut snapshot, "billing").members = Ok(Vec::new());
            samples::app(snapshot)
        },
        row: ["CRIT", "no member", "billing"],
        keys: "\n",
        shows: &["no member", "nobody"],
    },
    Incident {
        name: "one hot queue",
        app: || {
            samples::app_after(5, samples::healthy(), |snapshot| {
                samples::send(snapshot, "orders", 2, 9_000);
                samples::consume(snapshot, "billing", 250);
            })
        },
        row: ["WARN", "hot queue", "billing"],
        keys: "\n",
        shows: &["████████", "10.0.0.1@billing"],
    },
    Incident {
        name: "one queue whose client hangs",
        app: || {
            samples::app_after(12, samples::healthy(), |snapshot| {
                for id in 0..4 {
                    samples::send(snapshot, "orders", id, 10);
                }
                let hung = samples::group_queues(snapshot, "billing")[3].offset;
                samples::consume(snapshot, "billing", 11);
                samples::group_queues(snapshot, "billing")[3].offset = hung;
            })
        },
        row: ["CRIT", "stuck queue", "billing"],
        keys: "\n",
        shows: &["22s"],
    },
    Incident {
        name: "a clock that is wrong",
        app: || {
            let mut snapshot = samples::healthy();
            snapshot.brokers[0].runtime.as_mut().unwrap().ahead_ms = Some(90_000);
            samples::app(snapshot)
        },
        row: ["WARN", "clock skew", "broker-a"],
        keys: "\n",
        shows: &["broker broker-a", "clock 1m30s ahead of ours"],
    },
    Incident {
        name: "a disk that does not keep up with flushing",
        app: || {
            let mut snapshot = samples::healthy();
            let runtime = snapshot.brokers[0].runtime.as_mut().unwrap();
            runtime.to_flush = Some("1.5 GiB".to_owned());
            samples::app(snapshot)
        },
        row: ["WARN", "flush behind", "broker-a"],
        keys: "\n",
        shows: &["to flush 1.5 GiB"],
    },
    Incident {
        name: "a member that owns far more queues than the other",
        app: || {
            let mut snapshot = samples::healthy();
            let members = samples::group(&mut snapshot, "mailer").members.as_mut();
            let mut running = members.unwrap().iter_mut().map(|member| {
                let running = member.running.as_mut().unwrap();
                running.as_mut().unwrap()
            });
            let (first, second) = (running.next().unwrap(), running.next().unwrap());
            first.queues.append(&mut second.queues.split_off(1));
            samples::app(snapshot)
        },
        row: ["WARN", "uneven queues", "mailer"],
        keys: "H",
        shows: &["10.0.0.1@mailer", "10.0.0.2@mailer"],
    },
    Incident {
        name: "a broker down",
        app: || samples::app(samples::failing()),
        row: ["CRIT", "broker down", "broker-b (127.0.0.1:10921)"],
        keys: "\n",
        shows: &["DOWN", "connection refused"],
    },
    Incident {
        name: "disk at 90 %",
        app: || {
            let mut snapshot = samples::healthy();
            snapshot.brokers[0].runtime.as_mut().unwrap().disk_used = Some(0.9);
            samples::app(snapshot)
        },
        row: ["CRIT", "disk", "broker-a"],
        keys: "\n",
        shows: &["disk 90%"],
    },
    Incident {
        name: "messages arriving in a dead-letter queue",
        app: || {
            samples::app_after(4, samples::healthy(), |snapshot| {
                samples::send(snapshot, "%DLQ%billing", 0, 3)
            })
        },
        row: ["CRIT", "dead letters arrive", "billing"],
        keys: "\n",
        shows: &["%DLQ%billing", "messages 9"],
    },
    Incident {
        name: "two members with different subscriptions",
        app: || {
            let mut snapshot = samples::healthy();
            let members = samples::group(&mut snapshot, "mailer")
                .members
                .as_mut()
                .unwrap();
            let running = members[1].running.as_mut().unwrap().as_mut().unwrap();
            running.subscriptions[0].expression = "vip".to_owned();
            samples::app(snapshot)
        },
        row: ["CRIT", "subscriptions", "mailer"],
        keys: "\n",
        shows: &["subscriptions differ", "payments:vip"],
    },
];

#[test]
fn incidents_are_on_the_pulse_and_open_with_a_key() {
    for incident in INCIDENTS {
        let mut app = (incident.app)();
        let sheet = app.sheet();
        let starts = |row: &&Row| {
            row.cells
                .iter()
                .zip(incident.row)
                .all(|(cell, expected)| cell.plain() == expected)
        };
        let row = sheet.rows.iter().find(starts);
        let row = row
            .unwrap_or_else(|| panic!("{}:\n{}", incident.name, screen(&mut app, (120, 40), "")));
        assert!(
            row.details
                .iter()
                .any(|(name, text)| *name == "fix" && !text.is_empty()),
            "{}",
            incident.name
        );
        let pulse = screen(&mut app, (80, 24), "");
        assert!(
            pulse.contains(incident.row[1]),
            "{}: not seen at 80x24\n{pulse}",
            incident.name
        );
        // From there it is one key; the row itself is reached by at most two.
        app.place_mut().selected = Some(row.key.clone());
        let place = sheet
            .rows
            .iter()
            .position(|other| other.key == row.key)
            .unwrap();
        assert!(
            place + incident.keys.len() <= 3,
            "{}: too far down",
            incident.name
        );
        let seen = screen(&mut app, (120, 40), incident.keys);
        for text in incident.shows {
            assert!(
                seen.contains(text),
                "{}: {text:?} is missing\n{seen}",
                incident.name
            );
        }
    }
}
