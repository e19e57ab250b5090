//! Queries: they change nothing.

use std::collections::BTreeMap;

use remoting::protocol::body::client::{ConsumerConnection, ConsumerRunningInfo};
use remoting::protocol::body::cluster::ClusterInfo;
use remoting::protocol::body::group::{
    GroupList, SubscriptionGroupConfig, SubscriptionGroupWrapper,
};
use remoting::protocol::body::kv::KvTable;
use remoting::protocol::body::stats::{ConsumeStats, ConsumeStatsList, TopicStatsTable};
use remoting::protocol::body::topic::{TopicConfig, TopicConfigSerializeWrapper, TopicList};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::admin::{
    BrokerConsumeStatsRequestHeader, ConsumeStatsRequestHeader, TopicRequestHeader,
};
use remoting::protocol::headers::client::{ConsumerGroupHeader, ConsumerRunningInfoRequestHeader};
use remoting::protocol::headers::query::{
    QueryMessageRequestHeader, UNIQUE_KEY_QUERY, ViewMessageRequestHeader,
};
use remoting::protocol::message::record;
use remoting::protocol::properties::{self, Property};

use super::{Admin, NoFields, read};
use crate::client::accepted;
use crate::message::MessageExt;
use crate::route::MASTER_ID;
use crate::{ClientError, fan_out};

/// One broker process of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broker {
    pub cluster: String,
    pub name: String,
    /// 0 is the master.
    pub id: i64,
    /// `host:port`, as it advertises itself.
    pub address: String,
}

impl Broker {
    pub fn is_master(&self) -> bool {
        self.id == MASTER_ID
    }
}

/// Who consumes in a group right now, and what.
pub type Members = ConsumerConnection;

/// What a broker says of itself: Apache's table of texts, read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Runtime {
    /// As the broker names it: `V4_9_8`.
    pub version: String,
    /// Messages per second, averaged by the broker over ten seconds. 0 before it has run for so long.
    pub in_per_second: f64,
    pub out_per_second: f64,
    /// Used share of the commit log's partition, 0 to 1; `None` if the broker does not know it.
    pub disk_used: Option<f64>,
    /// Bytes in the commit log.
    pub commit_log_bytes: Option<i64>,
    /// Bytes written and not yet in queues and index.
    pub dispatch_behind_bytes: Option<i64>,
    /// Start of the process, in milliseconds since the epoch.
    pub boot_ms: Option<i64>,
    /// Store time of the oldest message, in milliseconds since the epoch.
    pub earliest_message_ms: Option<i64>,
    /// Why it takes no messages, if it says so.
    pub read_only_reason: Option<String>,
    /// The table as it came.
    pub table: BTreeMap<String, String>,
}

impl Runtime {
    /// Reads the table. Keys that are missing or unreadable are unknown.
    pub fn read(table: BTreeMap<String, String>) -> Self {
        let text = |key: &str| table.get(key).map(|text| text.trim());
        let number = |key: &str| text(key)?.parse::<i64>().ok();
        // Averages over 10, 60 and 600 seconds; none before the broker has run for so long.
        let rate = |key: &str| text(key)?.split(' ').next()?.parse::<f64>().ok();
        let since_epoch = |key: &str| number(key).filter(|ms| *ms > 0);
        let disk_used = text("commitLogDiskRatio").and_then(|text| text.parse::<f64>().ok());
        let log = number("commitLogMaxOffset").zip(number("commitLogMinOffset"));
        Self {
            version: text("brokerVersionDesc").unwrap_or_default().to_owned(),
            in_per_second: rate("putTps").unwrap_or(0.0),
            // 4.x misspells it.
            out_per_second: rate("getTransferredTps")
                .or_else(|| rate("getTransferedTps"))
                .unwrap_or(0.0),
            disk_used: disk_used.filter(|used| *used >= 0.0),
            commit_log_bytes: log.map(|(max, min)| max - min),
            dispatch_behind_bytes: number("dispatchBehindBytes"),
            boot_ms: since_epoch("bootTimestamp"),
            earliest_message_ms: since_epoch("earliestMessageTimeStamp"),
            read_only_reason: text("storeReadOnlyReason")
                .filter(|reason| !reason.is_empty())
                .map(str::to_owned),
            table,
        }
    }
}

impl Admin {
    /// All brokers that the name servers know, by cluster, name and id. Name servers are asked at
    /// once; what one of them knows counts.
    ///
    /// # Errors
    /// That of the first name server, when none answered.
    pub async fn brokers(&self) -> Result<Vec<Broker>, ClientError> {
        let name_servers = self.client.name_servers().all().to_vec();
        let answers = fan_out::all(name_servers, |address| {
            let admin = self.clone();
            async move { admin.cluster_info(&address).await }
        });
        let mut brokers = Vec::new();
        let mut failure = None;
        let mut answered = false;
        for answer in answers.await {
            match answer {
                Ok(info) => {
                    answered = true;
                    brokers.extend(brokers_of(info));
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        brokers.sort();
        brokers.dedup();
        match failure {
            Some(error) if !answered => Err(error),
            None if !answered => Err(ClientError::NoNameServer {
                attempts: Vec::new(),
            }),
            _ => Ok(brokers),
        }
    }

    /// The masters among [`Self::brokers`].
    ///
    /// # Errors
    /// As there.
    pub async fn masters(&self) -> Result<Vec<Broker>, ClientError> {
        let mut brokers = self.brokers().await?;
        brokers.retain(Broker::is_master);
        Ok(brokers)
    }

    /// What one name server knows of the clusters.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn cluster_info(&self, name_server: &str) -> Result<ClusterInfo, ClientError> {
        let code = RequestCode::GET_BROKER_CLUSTER_INFO;
        self.ask(name_server, code, &NoFields {}).await
    }

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
        let wrapper: TopicConfigSerializeWrapper = self.ask(broker, code, &NoFields {}).await?;
        Ok(wrapper.topic_config_table)
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

    /// The settings of all consumer groups of a broker.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn groups(
        &self,
        broker: &str,
    ) -> Result<BTreeMap<String, SubscriptionGroupConfig>, ClientError> {
        let code = RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
        let wrapper: SubscriptionGroupWrapper = self.ask(broker, code, &NoFields {}).await?;
        Ok(wrapper.subscription_group_table)
    }

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
        let header = BrokerConsumeStatsRequestHeader { is_order: false };
        let code = RequestCode::GET_BROKER_CONSUME_STATS;
        let list: ConsumeStatsList = self.ask(broker, code, &header).await?;
        Ok(list.consume_stats_list.into_iter().flatten().collect())
    }

    /// Who consumes in a group. Nobody is an answer.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn members(&self, broker: &str, group: &str) -> Result<Members, ClientError> {
        let header = ConsumerGroupHeader {
            consumer_group: group.to_owned(),
        };
        let code = RequestCode::GET_CONSUMER_CONNECTION_LIST;
        match self.ask(broker, code, &header).await {
            Err(error) if error.code() == Some(ResponseCode::CONSUMER_NOT_ONLINE) => {
                Ok(Members::default())
            }
            asked => asked,
        }
    }

    /// What a consumer says of itself, asked through the broker.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn running_info(
        &self,
        broker: &str,
        group: &str,
        client_id: &str,
        stacks: bool,
    ) -> Result<ConsumerRunningInfo, ClientError> {
        let header = ConsumerRunningInfoRequestHeader {
            consumer_group: group.to_owned(),
            client_id: client_id.to_owned(),
            jstack_enable: Some(stacks),
        };
        self.ask(broker, RequestCode::GET_CONSUMER_RUNNING_INFO, &header)
            .await
    }

    /// What a broker says of itself.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn runtime(&self, broker: &str) -> Result<Runtime, ClientError> {
        let code = RequestCode::GET_BROKER_RUNTIME_INFO;
        let table: KvTable = self.ask(broker, code, &NoFields {}).await?;
        Ok(Runtime::read(table.table))
    }

    /// A broker's settings.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn broker_config(&self, broker: &str) -> Result<Vec<Property>, ClientError> {
        let answer = self
            .tell(broker, RequestCode::GET_BROKER_CONFIG, &NoFields {})
            .await?;
        let unreadable = |problem: &dyn std::fmt::Display| ClientError::protocol(broker, problem);
        let text = str::from_utf8(&answer.body).map_err(|e| unreadable(&e))?;
        properties::parse(text).map_err(|e| unreadable(&e))
    }

    /// The message at a position of a broker's log, in bytes. `broker_name` is put into it.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn message_at(
        &self,
        broker: &str,
        broker_name: &str,
        offset: i64,
    ) -> Result<Option<MessageExt>, ClientError> {
        let header = ViewMessageRequestHeader {
            offset,
            topic: None,
        };
        let answer = self
            .tell(broker, RequestCode::VIEW_MESSAGE_BY_ID, &header)
            .await?;
        Ok(messages(broker, broker_name, &answer)?.pop())
    }

    /// Messages with a key, or with a unique id, that a broker has. Keys that only share the hash are
    /// left out.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn messages_by_key(
        &self,
        broker: &Broker,
        topic: &str,
        key: &str,
        unique: bool,
        max: u32,
    ) -> Result<Vec<MessageExt>, ClientError> {
        let header = QueryMessageRequestHeader {
            topic: topic.to_owned(),
            key: key.to_owned(),
            max_num: i32::try_from(max).unwrap_or(i32::MAX),
            begin_timestamp: 0,
            end_timestamp: i64::MAX,
        };
        let mut request =
            RemotingCommand::request(RequestCode::QUERY_MESSAGE).with_header(&header)?;
        request
            .ext
            .push(UNIQUE_KEY_QUERY, if unique { "true" } else { "false" });
        let answer = self.client.call(&broker.address, request).await?;
        if answer.response_code() == ResponseCode::QUERY_NOT_FOUND {
            return Ok(Vec::new());
        }
        let answer = accepted(&broker.address, answer)?;
        let mut found = messages(&broker.address, &broker.name, &answer)?;
        found.retain(|message| {
            let has_key = || {
                message
                    .keys()
                    .is_some_and(|keys| keys.split(' ').any(|k| k == key))
            };
            message.topic == topic && (message.unique_key() == Some(key) || (!unique && has_key()))
        });
        Ok(found)
    }
}

fn brokers_of(info: ClusterInfo) -> impl Iterator<Item = Broker> {
    info.broker_addr_table.into_iter().flat_map(|(name, data)| {
        data.broker_addrs
            .into_iter()
            .map(move |(id, address)| Broker {
                cluster: data.cluster.clone(),
                name: name.clone(),
                id,
                address,
            })
    })
}

fn messages(
    address: &str,
    broker_name: &str,
    answer: &RemotingCommand,
) -> Result<Vec<MessageExt>, ClientError> {
    record::records(&answer.body)
        .map(|record| match record {
            Ok(record) => Ok(MessageExt::from_record(&record, broker_name)),
            Err(e) => Err(ClientError::protocol(address, e)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(entries: &[(&str, &str)]) -> Runtime {
        let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Runtime::read(entries.iter().map(entry).collect())
    }

    #[test]
    fn a_broker_that_has_just_started_has_no_rates_and_knows_little() {
        let young = runtime(&[
            ("putTps", " "),
            ("commitLogDiskRatio", "-1"),
            ("earliestMessageTimeStamp", "-1"),
        ]);
        let known = (
            young.in_per_second,
            young.disk_used,
            young.earliest_message_ms,
        );
        assert_eq!(known, (0.0, None, None));
    }

    #[test]
    fn both_spellings_of_the_rate_are_read() {
        let old = runtime(&[
            ("putTps", "12.5 11.0 3.0"),
            ("getTransferedTps", "7.0 8.0 9.0"),
        ]);
        assert_eq!((old.in_per_second, old.out_per_second), (12.5, 7.0));
        assert_eq!(
            runtime(&[("getTransferredTps", "5 6 7")]).out_per_second,
            5.0
        );
    }
}
