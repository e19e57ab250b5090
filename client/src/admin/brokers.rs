//! Brokers: which there are, what each says of itself, its settings.

use std::collections::BTreeMap;

use remoting::protocol::body::cluster::ClusterInfo;
use remoting::protocol::body::kv::KvTable;
use remoting::protocol::body::topic::PERM_WRITE;
use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::namesrv::{
    AddWritePermResponseHeader, BrokerNameRequestHeader, WipeWritePermResponseHeader,
};
use remoting::protocol::properties::{self, Property};
use serde::de::DeserializeOwned;

use super::{Admin, NoFields, read_properties};
use crate::client::header_of;
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

    /// What the broker's clock showed when it answered, in milliseconds since the epoch: its start, and for how long it has
    /// run, which it tells to the second.
    pub fn clock_ms(&self) -> Option<i64> {
        let text = self.table.get("runtime")?;
        let mut seconds = 0;
        let words = text.trim_matches(['[', ']', ' ']).split([',', ' ']);
        let words = Vec::from_iter(words.filter(|word| !word.is_empty()));
        for pair in words.chunks_exact(2) {
            let count: i64 = pair[0].parse().ok()?;
            seconds += count
                * match pair[1] {
                    "days" => 86_400,
                    "hours" => 3_600,
                    "minutes" => 60,
                    "seconds" => 1,
                    _ => return None,
                };
        }
        Some(self.boot_ms? + seconds * 1_000 + 500)
    }
}

impl Admin {
    /// All brokers that the name servers know, by cluster, name and id. Name servers are asked at
    /// once; what one of them knows counts.
    ///
    /// # Errors
    /// When no name server answered.
    pub async fn brokers(&self) -> Result<Vec<Broker>, ClientError> {
        let name_servers = self.client.name_servers().all().to_vec();
        let answers = fan_out::all(name_servers, |address| {
            let admin = self.clone();
            async move { admin.cluster_info(&address).await }
        });
        let mut brokers = Vec::new();
        let mut failures = Vec::new();
        let mut answered = false;
        for answer in answers.await {
            match answer {
                Ok(info) => {
                    answered = true;
                    brokers.extend(brokers_of(info));
                }
                Err(error) => failures.push(error),
            }
        }
        if !answered {
            return Err(ClientError::of_name_servers(failures));
        }
        brokers.sort();
        brokers.dedup();
        Ok(brokers)
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
        read_properties(broker, &answer)
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

    /// Sets whether a broker takes messages (`brokerPermission`); either way it registers all its topics anew, with the
    /// permissions that they have.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn set_write_permission(&self, broker: &str, write: bool) -> Result<(), ClientError> {
        const PERMISSION: &str = "brokerPermission";
        let config = self.broker_config(broker).await?;
        let before = config
            .iter()
            .rfind(|property| property.key == PERMISSION)
            .and_then(|property| property.value.parse::<i32>().ok())
            .ok_or_else(|| ClientError::protocol(broker, "it does not tell brokerPermission"))?;
        let after = match write {
            true => before | PERM_WRITE,
            false => before & !PERM_WRITE,
        };
        let text = properties::render([(PERMISSION, after.to_string())]);
        self.change_broker_config(broker, text).await
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
        let code = RequestCode::WIPE_WRITE_PERM_OF_BROKER;
        let header: WipeWritePermResponseHeader =
            self.change_write_perm(name_server, broker, code).await?;
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
        let code = RequestCode::ADD_WRITE_PERM_OF_BROKER;
        let header: AddWritePermResponseHeader =
            self.change_write_perm(name_server, broker, code).await?;
        Ok(header.add_topic_count)
    }

    async fn change_write_perm<H: DeserializeOwned>(
        &self,
        name_server: &str,
        broker: &str,
        code: RequestCode,
    ) -> Result<H, ClientError> {
        let header = BrokerNameRequestHeader {
            broker_name: broker.to_owned(),
        };
        let answer = self.tell(name_server, code, &header).await?;
        header_of(name_server, &answer)
    }
}

/// The brokers in what a name server knows of the clusters.
pub fn brokers_of(info: ClusterInfo) -> impl Iterator<Item = Broker> {
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
    fn a_brokers_clock_is_its_start_and_its_age() {
        let clock_ms =
            |text: &str| runtime(&[("runtime", text), ("bootTimestamp", "1000000")]).clock_ms();
        assert_eq!(
            clock_ms("[ 1 days, 2 hours, 3 minutes, 4 seconds ]"),
            Some(1_000_500 + 93_784_000)
        );
        assert_eq!(clock_ms("for long"), None);
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
