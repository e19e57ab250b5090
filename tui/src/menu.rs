//! What the menu of changes offers.

use client::dead_letters::group_of;
use client::names::DLQ_PREFIX;

use crate::app::App;
use crate::change::{Action, Master};
use crate::page::Page;
use crate::snapshot::Broker;

/// What can be done here: with what the page is about, and with the row's own object.
pub(crate) fn actions(app: &App) -> Vec<Action> {
    let row = app.selected_row();
    let object = row.as_ref().and_then(|row| row.links.first());
    // In a list the row comes first, and making another one last.
    let in_list = Page::TOP.iter().any(|(_, page)| page == app.page());
    let page = std::iter::once(app.page());
    let about = page
        .clone()
        .filter(|_| !in_list)
        .chain(object)
        .chain(page.filter(|_| in_list));
    let mut actions = Vec::new();
    for page in about {
        let offered = match page {
            Page::Topic(name) if name.starts_with(DLQ_PREFIX) => {
                let group = group_of(name).to_owned();
                let one =
                    dead_letter(app).map(|id| Action::ResendDeadLetters(group.clone(), Some(id)));
                let all = Action::ResendDeadLetters(group, None);
                one.into_iter()
                    .chain([all, Action::DeleteTopic(name.clone())])
                    .collect()
            }
            Page::Topic(name) => vec![
                Action::SendMessage(name.clone()),
                Action::ChangeTopic(name.clone()),
                Action::DeleteTopic(name.clone()),
            ],
            Page::Group(name) => queue_of(app, name)
                .map(|queue| Action::ResetOffsets(name.clone(), Some(queue)))
                .into_iter()
                .chain([
                    Action::ResetOffsets(name.clone(), None),
                    Action::ChangeGroup(name.clone()),
                    Action::DeleteGroup(name.clone()),
                ])
                .collect(),
            Page::Broker(address) => {
                let brokers = app.latest.iter().flat_map(|latest| &latest.brokers);
                let master = brokers
                    .filter(|broker| broker.id == 0)
                    .find(|broker| broker.address == *address);
                master.map(master_of).map_or_else(Vec::new, |broker| {
                    vec![
                        Action::SetConfig(broker.clone()),
                        Action::WipeWritePerm(broker.clone()),
                        Action::RestoreWritePerm(broker),
                    ]
                })
            }
            Page::Topics => vec![Action::CreateTopic],
            Page::Groups => vec![Action::CreateGroup],
            _ => Vec::new(),
        };
        for action in offered {
            if !actions.contains(&action) {
                actions.push(action);
            }
        }
    }
    actions
}

/// The queue that the selected row of a group is.
fn queue_of(app: &App, group: &str) -> Option<(String, String, i32)> {
    if *app.page() != Page::Group(group.to_owned()) {
        return None;
    }
    let row = app.selected_row()?;
    let queues = app.latest.as_ref()?.group(group)?.queues.as_ref().ok()?;
    let queue = queues.iter().find(|queue| queue.key() == row.key)?;
    Some((queue.topic.clone(), queue.broker.clone(), queue.id))
}

/// The id of the message that is looked at, or that the selected row is.
fn dead_letter(app: &App) -> Option<String> {
    let trace = |page: Page| match page {
        Page::Trace(id) => Some(id),
        _ => None,
    };
    app.selected_row()?.links.into_iter().find_map(trace)
}

fn master_of(broker: &Broker) -> Master {
    Master {
        name: broker.name.clone(),
        address: broker.address.clone(),
    }
}
