//! Topics: their settings and ranges on brokers; creating and deleting them.

use std::collections::BTreeMap;

use remoting::protocol::body::group::GroupList;
use remoting::protocol::body::stats::TopicStatsTable;
use remoting::protocol::body::topic::{TopicConfig, TopicConfigSerializeWrapper, TopicList};
use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::admin::{CreateTopicRequestHeader, TopicRequestHeader};
use remoting::protocol::headers::namesrv::DeleteTopicInNamesrvRequestHeader;
use serde_json::{Value, json};

use super::{Admin, NoFields, read};
use crate::ClientError;
use crate::client::accepted;
use crate::names::{DEFAULT_TOPIC, check_topic};

impl Admin {
    /// Names of all topics, in order.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn topic_names(&self) -> Result<Vec<String>, ClientError> {
        let code = RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER;
        let request = RemotingCommand::request(code);
        let answer = self.client.call_name_server(request).await?;
        let answer = accepted("name server", answer)?;
        let mut names = read::<TopicList>("name server", &answer)?.topic_list;
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The settings of all topics of a broker.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn topics(&self, broker: &str) -> Result<BTreeMap<String, TopicConfig>, ClientError> {
        let code = RequestCode::GET_ALL_TOPIC_CONFIG;
        let table: TopicConfigSerializeWrapper = self.ask(broker, code, &NoFields {}).await?;
        Ok(table.topic_config_table)
    }

    /// The same as a broker tells it: with the version of the table, and with what only brokers of 5.x have.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn topic_table(&self, broker: &str) -> Result<Value, ClientError> {
        let code = RequestCode::GET_ALL_TOPIC_CONFIG;
        self.ask(broker, code, &NoFields {}).await
    }

    /// Names of the topics that a broker has for itself.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn system_topics(&self, broker: &str) -> Result<Vec<String>, ClientError> {
        let code = RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER;
        let list: TopicList = self.ask(broker, code, &NoFields {}).await?;
        Ok(list.topic_list)
    }

    /// A topic of 5.x with the mapping of its queues, as the broker writes it.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn topic_with_mapping(
        &self,
        broker: &str,
        topic: &str,
    ) -> Result<Value, ClientError> {
        let header = TopicRequestHeader {
            topic: topic.to_owned(),
        };
        self.ask(broker, RequestCode::GET_TOPIC_CONFIG, &header)
            .await
    }

    /// The range of each queue of a topic.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn topic_stats(
        &self,
        broker: &str,
        topic: &str,
    ) -> Result<TopicStatsTable, ClientError> {
        let header = TopicRequestHeader {
            topic: topic.to_owned(),
        };
        self.ask(broker, RequestCode::GET_TOPIC_STATS_INFO, &header)
            .await
    }

    /// Groups that consume a topic, or have: they subscribe it now, or have offsets in it.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn groups_of_topic(
        &self,
        broker: &str,
        topic: &str,
    ) -> Result<Vec<String>, ClientError> {
        let header = TopicRequestHeader {
            topic: topic.to_owned(),
        };
        let code = RequestCode::QUERY_TOPIC_CONSUME_BY_WHO;
        Ok(self
            .ask::<GroupList>(broker, code, &header)
            .await?
            .group_list)
    }

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
            attributes: attributes(&topic.attributes),
        };
        let code = RequestCode::UPDATE_AND_CREATE_TOPIC;
        self.tell(broker, code, &header).await.map(drop)
    }

    /// Creates topics on a broker, or gives them these settings, in one request; since 5.x.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn put_topics(
        &self,
        broker: &str,
        topics: &[TopicConfig],
    ) -> Result<(), ClientError> {
        let body = fastjson::to_vec(&json!({ "topicConfigList": topics }))?;
        let request =
            RemotingCommand::request(RequestCode::UPDATE_AND_CREATE_TOPIC_LIST).with_body(body);
        self.client().call_ok(broker, request).await.map(drop)
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
}

/// What to set (`+a` → `b`) and to drop (`-c`) of the attributes that topics have since 5.x. Others are those that the
/// topic has, which stay.
fn attributes(changes: &BTreeMap<String, String>) -> Option<String> {
    let change = |(key, value): (&String, &String)| match value.as_str() {
        "" => key.clone(),
        value => format!("{key}={value}"),
    };
    let is_change = |(key, _): &(&String, &String)| key.starts_with(['+', '-']);
    let changes: Vec<String> = changes.iter().filter(is_change).map(change).collect();
    (!changes.is_empty()).then(|| changes.join(","))
}
