//! Connected producers and consumers, and what they say of themselves.

use std::collections::BTreeMap;

use remoting::protocol::body::client::{
    ConsumeMessageDirectlyResult, ConsumerConnection, ConsumerRunningInfo, ProducerConnection,
    ProducerInfo, ProducerTableInfo,
};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::headers::client::{
    ConsumeMessageDirectlyRequestHeader, ConsumerGroupHeader, ConsumerRunningInfoRequestHeader,
    ProducerGroupHeader,
};

use super::{Admin, Broker, NoFields};
use crate::ClientError;

/// Who consumes in a group right now, and what.
pub type Members = ConsumerConnection;

impl Admin {
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

    /// The producers of a group that are connected to a broker. None is an answer.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn producers(
        &self,
        broker: &str,
        group: &str,
    ) -> Result<ProducerConnection, ClientError> {
        let header = ProducerGroupHeader {
            producer_group: group.to_owned(),
        };
        let code = RequestCode::GET_PRODUCER_CONNECTION_LIST;
        match self.ask(broker, code, &header).await {
            // Brokers have no code of its own for it.
            Err(ClientError::Refused { remark, .. }) if remark.contains("not exist") => {
                Ok(ProducerConnection::default())
            }
            asked => asked,
        }
    }

    /// All producers that are connected to a broker, by group.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn all_producers(
        &self,
        broker: &str,
    ) -> Result<BTreeMap<String, Vec<ProducerInfo>>, ClientError> {
        let code = RequestCode::GET_ALL_PRODUCER_INFO;
        let table: ProducerTableInfo = self.ask(broker, code, &NoFields {}).await?;
        Ok(table.data)
    }

    /// Lets one member of a group consume a message now, whatever its offsets, and tells what became
    /// of it. `message_id` names the message's place in the broker's log.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn consume_directly(
        &self,
        broker: &Broker,
        group: &str,
        client_id: &str,
        message_id: &str,
    ) -> Result<ConsumeMessageDirectlyResult, ClientError> {
        let header = ConsumeMessageDirectlyRequestHeader {
            consumer_group: group.to_owned(),
            client_id: Some(client_id.to_owned()),
            msg_id: Some(message_id.to_owned()),
            broker_name: Some(broker.name.clone()),
        };
        let code = RequestCode::CONSUME_MESSAGE_DIRECTLY;
        self.ask(&broker.address, code, &header).await
    }
}
