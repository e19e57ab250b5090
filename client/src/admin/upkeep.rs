//! What a broker is told to do with its store: clean it, limit how old messages are read, convert it.

use std::time::Duration;

use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::upkeep::{
    CheckRocksdbQueuesRequestHeader, ExportRocksdbRequestHeader, MasterFlushOffsetHeader,
    ReadAheadRequestHeader,
};
use remoting::protocol::properties;
use serde_json::Value;

use super::{Admin, NoFields, read};
use crate::ClientError;
use crate::client::accepted;

/// Converting what a broker has may take long.
const CONVERSION_TIMEOUT: Duration = Duration::from_secs(30);

impl Admin {
    /// Drops the parts of consume queues whose messages are gone.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn clean_expired_queues(&self, broker: &str) -> Result<(), ClientError> {
        let code = RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE;
        self.tell(broker, code, &NoFields {}).await.map(drop)
    }

    /// Drops the consume queues of topics that are gone.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn clean_unused_topics(&self, broker: &str) -> Result<(), ClientError> {
        let code = RequestCode::CLEAN_UNUSED_TOPIC;
        self.tell(broker, code, &NoFields {}).await.map(drop)
    }

    /// Deletes the files of the commit log that are older than they need to be kept.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn delete_expired_files(&self, broker: &str) -> Result<(), ClientError> {
        let code = RequestCode::DELETE_EXPIRED_COMMITLOG;
        self.tell(broker, code, &NoFields {}).await.map(drop)
    }

    /// The limits on reading old messages, since 5.x, as the broker writes them.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn cold_data(&self, broker: &str) -> Result<Value, ClientError> {
        let code = RequestCode::GET_COLD_DATA_FLOW_CTR_INFO;
        self.ask(broker, code, &NoFields {}).await
    }

    /// Limits how much of old messages a group may read, in bytes per second.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn put_cold_data_limit(
        &self,
        broker: &str,
        group: &str,
        limit: &str,
    ) -> Result<(), ClientError> {
        let request = RemotingCommand::request(RequestCode::UPDATE_COLD_DATA_FLOW_CTR_CONFIG)
            .with_body(properties::render([(group, limit)]));
        self.client().call_ok(broker, request).await.map(drop)
    }

    /// Lifts the limit of a group.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn delete_cold_data_limit(
        &self,
        broker: &str,
        group: &str,
    ) -> Result<(), ClientError> {
        let request = RemotingCommand::request(RequestCode::REMOVE_COLD_DATA_FLOW_CTR_CONFIG)
            .with_body(group.to_owned());
        self.client().call_ok(broker, request).await.map(drop)
    }

    /// Chooses how the system reads ahead in the commit log: `0` as usual, `1` not at all. Returns
    /// what the broker says to it.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn put_read_ahead(&self, broker: &str, mode: &str) -> Result<String, ClientError> {
        let header = ReadAheadRequestHeader {
            mode: mode.to_owned(),
        };
        let code = RequestCode::SET_COMMITLOG_READ_MODE;
        let answer = self.tell(broker, code, &header).await?;
        Ok(answer.remark.unwrap_or_default())
    }

    /// Tells a slave how far its master has flushed, in bytes of the commit log.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn put_master_flush_offset(
        &self,
        broker: &str,
        offset: i64,
    ) -> Result<(), ClientError> {
        let header = MasterFlushOffsetHeader {
            master_flush_offset: offset,
        };
        let code = RequestCode::RESET_MASTER_FLUSH_OFFSET;
        self.tell(broker, code, &header).await.map(drop)
    }

    /// Lets a broker write its RocksDB tables as JSON beside its store. `kinds` as in
    /// `topics;subscriptionGroups;consumerOffsets`.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn export_rocksdb(&self, broker: &str, kinds: &str) -> Result<(), ClientError> {
        let header = ExportRocksdbRequestHeader {
            config_type: kinds.to_owned(),
        };
        let code = RequestCode::EXPORT_ROCKSDB_CONFIG_TO_JSON;
        let request = RemotingCommand::request(code).with_header(&header)?;
        self.call_long(broker, request).await.map(drop)
    }

    /// Lets a broker compare its consume queues in RocksDB with those in files; the result is in
    /// its log, and what it says to it is returned.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn check_rocksdb_queues(
        &self,
        broker: &str,
        topic: &str,
        since_ms: i64,
    ) -> Result<Value, ClientError> {
        let header = CheckRocksdbQueuesRequestHeader {
            topic: topic.to_owned(),
            check_store_time: since_ms,
        };
        let code = RequestCode::CHECK_ROCKSDB_CQ_WRITE_PROGRESS;
        let request = RemotingCommand::request(code).with_header(&header)?;
        let answer = self.call_long(broker, request).await?;
        read(broker, &answer)
    }

    /// Lets a broker move its pop records from RocksDB back into files.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn roll_back_pop(&self, broker: &str) -> Result<(), ClientError> {
        let request = RemotingCommand::request(RequestCode::POP_ROLLBACK);
        self.call_long(broker, request).await.map(drop)
    }

    async fn call_long(
        &self,
        broker: &str,
        request: RemotingCommand,
    ) -> Result<RemotingCommand, ClientError> {
        let answer = self
            .client()
            .call_within(broker, request, CONVERSION_TIMEOUT);
        accepted(broker, answer.await?)
    }
}
