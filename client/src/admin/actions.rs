//! Actions: each can be repeated without harm.

use remoting::protocol::body::group::{ResetOffsetBody, SubscriptionGroupConfig};
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::body::topic::TopicConfig;
use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::admin::{
    CloneGroupOffsetRequestHeader, CreateTopicRequestHeader, DeleteSubscriptionGroupRequestHeader,
    TopicRequestHeader,
};
use remoting::protocol::headers::client::ResetOffsetRequestHeader;
use remoting::protocol::headers::namesrv::{
    AddWritePermResponseHeader, BrokerNameRequestHeader, DeleteTopicInNamesrvRequestHeader,
    WipeWritePermResponseHeader,
};
use remoting::protocol::headers::offset::UpdateConsumerOffsetRequestHeader;
use std::borrow::Cow;

use super::{Admin, read};
use crate::ClientError;
use crate::names::{DEFAULT_TOPIC, check_group, check_topic};

impl Admin {
    /// Creates a topic on a broker, or gives it these settings.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] for a name that Apache's clients refuse; any other.
    pub async fn put_topic(&self, broker: &str, topic: &TopicConfig) -> Result<(), ClientError> {
        check_topic(&topic.topic_name)?;
        let header = CreateTopicRequestHeader {
            topic: topic.topic_name.clone(),
            default_topic: DEFAULT_TOPIC.to_owned(),
            read_queue_nums: topic.read_queue_nums,
            write_queue_nums: topic.write_queue_nums,
            perm: topic.perm,
            topic_filter_type: Some(topic.topic_filter_type.clone()),
            topic_sys_flag: Some(topic.topic_sys_flag),
            order: Some(topic.order),
            attributes: None,
        };
        let code = RequestCode::UPDATE_AND_CREATE_TOPIC;
        self.tell(broker, code, &header).await.map(drop)
    }

    /// Deletes a topic with its messages from a broker.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn delete_topic(&self, broker: &str, topic: &str) -> Result<(), ClientError> {
        let header = TopicRequestHeader {
            topic: topic.to_owned(),
        };
        let code = RequestCode::DELETE_TOPIC_IN_BROKER;
        self.tell(broker, code, &header).await.map(drop)
    }

    /// Makes a name server forget a topic.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn forget_topic(&self, name_server: &str, topic: &str) -> Result<(), ClientError> {
        let header = DeleteTopicInNamesrvRequestHeader {
            topic: topic.to_owned(),
            cluster_name: None,
        };
        let code = RequestCode::DELETE_TOPIC_IN_NAMESRV;
        self.tell(name_server, code, &header).await.map(drop)
    }

    /// Creates a consumer group on a broker, or gives it these settings.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] for a name that Apache's clients refuse; any other.
    pub async fn put_group(
        &self,
        broker: &str,
        group: &SubscriptionGroupConfig,
    ) -> Result<(), ClientError> {
        check_group(&group.group_name)?;
        let request = RemotingCommand::request(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)
            .with_body(fastjson::to_vec(group)?);
        self.client().call_ok(broker, request).await.map(drop)
    }

    /// Deletes a consumer group from a broker, with or without its offsets.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn delete_group(
        &self,
        broker: &str,
        group: &str,
        with_offsets: bool,
    ) -> Result<(), ClientError> {
        let header = DeleteSubscriptionGroupRequestHeader {
            group_name: group.to_owned(),
            remove_offset: Some(with_offsets),
            clean_offset: Some(with_offsets),
        };
        let code = RequestCode::DELETE_SUBSCRIPTIONGROUP;
        self.tell(broker, code, &header).await.map(drop)
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

    /// Changes settings of a running broker: `key=value` lines.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn change_broker_config(
        &self,
        broker: &str,
        text: String,
    ) -> Result<(), ClientError> {
        let request = RemotingCommand::request(RequestCode::UPDATE_BROKER_CONFIG).with_body(text);
        self.client().call_ok(broker, request).await.map(drop)
    }

    /// Takes the permission to write from all topics of a broker, in one name server's routes.
    /// Returns of how many.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn wipe_write_perm(
        &self,
        name_server: &str,
        broker: &str,
    ) -> Result<i32, ClientError> {
        let header = BrokerNameRequestHeader {
            broker_name: broker.to_owned(),
        };
        let code = RequestCode::WIPE_WRITE_PERM_OF_BROKER;
        let answer = self.tell(name_server, code, &header).await?;
        let header: WipeWritePermResponseHeader = answer
            .header()
            .map_err(|error| ClientError::protocol(name_server, error))?;
        Ok(header.wipe_topic_count)
    }

    /// Gives it back, as [`Self::wipe_write_perm`] took it.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn add_write_perm(
        &self,
        name_server: &str,
        broker: &str,
    ) -> Result<i32, ClientError> {
        let header = BrokerNameRequestHeader {
            broker_name: broker.to_owned(),
        };
        let code = RequestCode::ADD_WRITE_PERM_OF_BROKER;
        let answer = self.tell(name_server, code, &header).await?;
        let header: AddWritePermResponseHeader = answer
            .header()
            .map_err(|error| ClientError::protocol(name_server, error))?;
        Ok(header.add_topic_count)
    }
}
