//! Asking many servers at once. Every answer is kept, the failed ones as well: one server that does
//! not answer takes nothing away from what the others know.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Questions under way at once.
const AT_ONCE: usize = 16;

/// Asks about each item, some at once; the outcomes come in the order of the items.
pub async fn all<I, F>(items: impl IntoIterator<Item = I>, ask: impl Fn(I) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for (place, item) in items.into_iter().enumerate() {
        let (turns, asking) = (turns.clone(), ask(item));
        tasks.spawn(async move {
            // Never closed.
            let _turn = turns.acquire().await;
            (place, asking.await)
        });
    }
    let mut outcomes = tasks.join_all().await;
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outcomes_are_in_order_whatever_is_ready_first() {
        let outcomes = all(0..100u32, |n| async move {
            for _ in 0..100 - n {
                tokio::task::yield_now().await;
            }
            if n % 7 == 0 { Err(n) } else { Ok(n) }
        });
        let expected: Vec<_> = (0..100)
            .map(|n| if n % 7 == 0 { Err(n) } else { Ok(n) })
            .collect();
        assert_eq!(outcomes.await, expected);
    }
}
