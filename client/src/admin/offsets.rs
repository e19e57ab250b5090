//! How far consumer groups are, and moving them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use remoting::protocol::body::group::{ConsumerOffsetWrapper, ResetOffsetBody};
use remoting::protocol::body::queue_map::{MessageQueue, QueueMap};
use remoting::protocol::body::stats::{ConsumeStats, ConsumeStatsList};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::{Language, RemotingCommand};
use remoting::protocol::fastjson;
use remoting::protocol::headers::admin::{
    BrokerConsumeStatsRequestHeader, CloneGroupOffsetRequestHeader, ConsumeStatsRequestHeader,
};
use remoting::protocol::headers::client::ResetOffsetRequestHeader;
use remoting::protocol::headers::offset::{
    OffsetResponseHeader, QueryConsumerOffsetRequestHeader, SearchOffsetRequestHeader,
    UpdateConsumerOffsetRequestHeader,
};

use super::{Admin, NoFields, read};
use crate::ClientError;
use crate::client::{accepted, header_of};

impl Admin {
    /// How far a group is, in one topic or in all of them.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn consume_stats(
        &self,
        broker: &str,
        group: &str,
        topic: Option<&str>,
    ) -> Result<ConsumeStats, ClientError> {
        let header = ConsumeStatsRequestHeader {
            consumer_group: group.to_owned(),
            topic: topic.map(str::to_owned),
        };
        self.ask(broker, RequestCode::GET_CONSUME_STATS, &header)
            .await
    }

    /// How far all groups of a broker are, by group and topic.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn all_consume_stats(
        &self,
        broker: &str,
    ) -> Result<BTreeMap<String, Vec<ConsumeStats>>, ClientError> {
        let timeout = self.client().timeout();
        let list = self.consume_stats_of_broker(broker, false, timeout).await?;
        Ok(list.consume_stats_list.into_iter().flatten().collect())
    }

    /// The same as the broker counts it; of ordered topics only, or of all.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn consume_stats_of_broker(
        &self,
        broker: &str,
        ordered_only: bool,
        timeout: Duration,
    ) -> Result<ConsumeStatsList, ClientError> {
        let header = BrokerConsumeStatsRequestHeader {
            is_order: ordered_only,
        };
        let code = RequestCode::GET_BROKER_CONSUME_STATS;
        let request = RemotingCommand::request(code).with_header(&header)?;
        let answer = self.client().call_within(broker, request, timeout).await?;
        read(broker, &accepted(broker, answer)?)
    }

    /// Sets where a group goes on in a queue. For a group without members: those commit over it.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn put_offset(
        &self,
        broker: &str,
        group: &str,
        queue: &MessageQueue,
        offset: i64,
    ) -> Result<(), ClientError> {
        let header = UpdateConsumerOffsetRequestHeader {
            consumer_group: Cow::Borrowed(group),
            topic: Cow::Borrowed(&queue.topic),
            queue_id: queue.queue_id,
            commit_offset: offset,
        };
        let code = RequestCode::UPDATE_CONSUMER_OFFSET;
        self.tell(broker, code, &header).await.map(drop)
    }

    /// Tells the members of a group to go on elsewhere; returns where, by queue.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `CONSUMER_NOT_ONLINE` if it has none; any other.
    pub async fn reset_members(
        &self,
        broker: &str,
        header: &ResetOffsetRequestHeader,
    ) -> Result<ResetOffsetBody, ClientError> {
        let code = RequestCode::INVOKE_BROKER_TO_RESET_OFFSET;
        let answer = self.tell(broker, code, header).await?;
        read(broker, &answer)
    }

    /// As [`Self::reset_members`], for members of the C++ client, which are told in a form of their own.
    ///
    /// # Errors
    /// As there.
    pub async fn reset_cpp_members(
        &self,
        broker: &str,
        header: &ResetOffsetRequestHeader,
    ) -> Result<ResetOffsetBody, ClientError> {
        let code = RequestCode::INVOKE_BROKER_TO_RESET_OFFSET;
        let mut request = RemotingCommand::request(code).with_header(header)?;
        request.language = Language::CPP;
        let answer = self.client().call_ok(broker, request).await?;
        read(broker, &answer)
    }

    /// Lets a group go on where another one is: in one topic, or in all.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn clone_offsets(
        &self,
        broker: &str,
        from: &str,
        to: &str,
        topic: Option<&str>,
    ) -> Result<(), ClientError> {
        let header = CloneGroupOffsetRequestHeader {
            src_group: from.to_owned(),
            dest_group: to.to_owned(),
            topic: topic.map(str::to_owned),
            offline: Some(false),
        };
        let code = RequestCode::CLONE_GROUP_OFFSET;
        self.tell(broker, code, &header).await.map(drop)
    }

    /// Where all groups go on in all topics, as a broker stores it.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn all_offsets(&self, broker: &str) -> Result<ConsumerOffsetWrapper, ClientError> {
        let code = RequestCode::GET_ALL_CONSUMER_OFFSET;
        self.ask(broker, code, &NoFields {}).await
    }

    /// Where a group goes on in a queue; `None` if it has never said.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn offset(
        &self,
        broker: &str,
        group: &str,
        queue: &MessageQueue,
    ) -> Result<Option<i64>, ClientError> {
        let header = QueryConsumerOffsetRequestHeader {
            consumer_group: Cow::Borrowed(group),
            topic: Cow::Borrowed(&queue.topic),
            queue_id: queue.queue_id,
            set_zero_if_not_found: Some(false),
        };
        let code = RequestCode::QUERY_CONSUMER_OFFSET;
        match self.tell(broker, code, &header).await {
            Ok(answer) => read_offset(broker, &answer).map(Some),
            Err(error) if error.code() == Some(ResponseCode::QUERY_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Offset of the message of a queue that was stored at a time, in milliseconds since the epoch,
    /// or next to it: before or behind it, or, with the boundary `LOWER`, at the first one since.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn offset_by_time(
        &self,
        broker: &str,
        queue: &MessageQueue,
        timestamp: i64,
        boundary: Option<&str>,
    ) -> Result<i64, ClientError> {
        let header = SearchOffsetRequestHeader {
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
            timestamp,
            boundary_type: boundary.map(str::to_owned),
        };
        let code = RequestCode::SEARCH_OFFSET_BY_TIMESTAMP;
        let answer = self.tell(broker, code, &header).await?;
        read_offset(broker, &answer)
    }

    /// Sets where a group goes on in a queue, whether it has members or not. Only for brokers that
    /// reset on their own: 5.x unless `useServerSideResetOffset` is off.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn reset_queue(
        &self,
        broker: &str,
        group: &str,
        queue: &MessageQueue,
        offset: i64,
    ) -> Result<(), ClientError> {
        let header = ResetOffsetRequestHeader {
            topic: queue.topic.clone(),
            group: group.to_owned(),
            timestamp: 0,
            is_force: true,
            queue_id: Some(queue.queue_id),
            offset: Some(offset),
        };
        self.reset_members(broker, &header).await.map(drop)
    }

    /// Tells the members of a group to go on at these offsets of a topic. Only for our brokers:
    /// Apache's would not look at the offsets.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `CONSUMER_NOT_ONLINE` if it has none; any other.
    pub async fn reset_members_to(
        &self,
        broker: &str,
        group: &str,
        topic: &str,
        offsets: QueueMap<i64>,
    ) -> Result<ResetOffsetBody, ClientError> {
        let header = ResetOffsetRequestHeader {
            topic: topic.to_owned(),
            group: group.to_owned(),
            // A broker that does not look at the offsets moves nothing forward.
            timestamp: -1,
            is_force: false,
            queue_id: None,
            offset: None,
        };
        let body = ResetOffsetBody {
            offset_table: offsets,
        };
        let request = RemotingCommand::request(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET)
            .with_header(&header)?
            .with_body(fastjson::to_vec(&body)?);
        let answer = self.client().call_ok(broker, request).await?;
        read(broker, &answer)
    }
}

fn read_offset(broker: &str, answer: &RemotingCommand) -> Result<i64, ClientError> {
    let header: OffsetResponseHeader = header_of(broker, answer)?;
    Ok(header.offset)
}
