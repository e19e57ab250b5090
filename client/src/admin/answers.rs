//! One question to many brokers.

use super::{Admin, Broker};
use crate::{ClientError, fan_out};

/// What several brokers said to one question. One that did not answer takes nothing away from the
/// others, and is never passed over in silence.
#[derive(Debug)]
pub struct Answers<T> {
    pub known: Vec<(Broker, T)>,
    pub failed: Vec<(Broker, ClientError)>,
}

impl Admin {
    /// Asks or tells each of some brokers, all at once, each with the client's deadline.
    pub async fn each<T, F>(
        &self,
        brokers: impl IntoIterator<Item = Broker>,
        ask: impl Fn(Self, Broker) -> F,
    ) -> Answers<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ClientError>> + Send + 'static,
    {
        let answers = fan_out::all(brokers, |broker| {
            let asking = ask(self.clone(), broker.clone());
            async move { (broker, asking.await) }
        });
        let mut split = Answers {
            known: Vec::new(),
            failed: Vec::new(),
        };
        for (broker, answer) in answers.await {
            match answer {
                Ok(answer) => split.known.push((broker, answer)),
                Err(error) => split.failed.push((broker, error)),
            }
        }
        split
    }
}
