//! Which queues of a topic a member of a group reads. Every member works it out for itself, so all
//! must come to the same division: Apache's `AllocateMessageQueueAveragely`.

use remoting::protocol::body::queue_map::MessageQueue;

/// The block of `queues` that falls to `member`. `queues` and `members` are sorted.
pub fn allocate_averagely(
    member: &str,
    members: &[String],
    queues: &[MessageQueue],
) -> Vec<MessageQueue> {
    let Some(index) = members.iter().position(|other| other == member) else {
        return Vec::new();
    };
    // The first `rest` members get one queue more than the others.
    let (share, rest) = (queues.len() / members.len(), queues.len() % members.len());
    let begin = index * share + index.min(rest);
    let count = share + usize::from(index < rest);
    queues.iter().skip(begin).take(count).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_divided_as_apache_divides_them() {
        // Members, queues, and what falls to each member: where it begins and how many.
        for (members, queues, expected) in [
            (1, 4, vec![(0, 4)]),
            (2, 4, vec![(0, 2), (2, 2)]),
            (3, 8, vec![(0, 3), (3, 3), (6, 2)]),
            (4, 10, vec![(0, 3), (3, 3), (6, 2), (8, 2)]),
            (3, 2, vec![(0, 1), (1, 1), (2, 0)]),
            (3, 3, vec![(0, 1), (1, 1), (2, 1)]),
            (2, 0, vec![(0, 0), (0, 0)]),
        ] {
            let queues: Vec<MessageQueue> = (0..queues)
                .map(|queue_id| MessageQueue {
                    queue_id,
                    ..MessageQueue::default()
                })
                .collect();
            let members: Vec<String> = (0..members).map(|n| format!("member-{n}")).collect();
            for (member, (begin, count)) in members.iter().zip(expected) {
                assert_eq!(
                    allocate_averagely(member, &members, &queues),
                    queues[begin..begin + count],
                    "{member} of {members:?}"
                );
            }
            assert!(allocate_averagely("stranger", &members, &queues).is_empty());
        }
    }
}
