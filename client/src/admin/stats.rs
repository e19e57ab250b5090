//! Counters that brokers keep, and consume queues as they are stored.

use remoting::protocol::body::stats::{BrokerStatsData, QueryConsumeQueueBody};
use remoting::protocol::codes::RequestCode;
use remoting::protocol::headers::admin::{
    BrokerStatsDataRequestHeader, QueryConsumeQueueRequestHeader,
};

use super::Admin;
use crate::ClientError;

/// Messages that were sent to a topic; its name is the key.
pub const TOPIC_PUT_NUMS: &str = "TOPIC_PUT_NUMS";
/// Messages that a group was given of a topic; the key is `topic@group`.
pub const GROUP_GET_NUMS: &str = "GROUP_GET_NUMS";

impl Admin {
    /// A counter over the last minute, hour and day.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `SYSTEM_ERROR` if nothing was counted yet; any other.
    pub async fn counter(
        &self,
        broker: &str,
        name: &str,
        key: &str,
    ) -> Result<BrokerStatsData, ClientError> {
        let header = BrokerStatsDataRequestHeader {
            stats_name: name.to_owned(),
            stats_key: key.to_owned(),
        };
        let code = RequestCode::VIEW_BROKER_STATS_DATA;
        self.ask(broker, code, &header).await
    }

    /// Entries of a consume queue, and what the filter of a group makes of them.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn consume_queue(
        &self,
        broker: &str,
        topic: &str,
        queue_id: i32,
        index: i64,
        count: i32,
        group: Option<&str>,
    ) -> Result<QueryConsumeQueueBody, ClientError> {
        let header = QueryConsumeQueueRequestHeader {
            topic: topic.to_owned(),
            queue_id,
            index,
            count,
            consumer_group: group.map(str::to_owned),
        };
        let code = RequestCode::QUERY_CONSUME_QUEUE;
        self.ask(broker, code, &header).await
    }
}
