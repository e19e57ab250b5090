//! Telling brokers which groups a client has.

use std::time::Duration;

use remoting::protocol::body::client::HeartbeatData;
use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::client::UnregisterClientRequestHeader;

use crate::client::Client;
use crate::error::ClientError;

/// How often brokers are told. They forget a client after four times as long.
pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);

/// A group of a client, by its role.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role<'a> {
    Producer(&'a str),
    Consumer(&'a str),
}

impl Client {
    /// Tells one broker.
    pub(crate) async fn send_heartbeat(
        &self,
        address: &str,
        data: &HeartbeatData,
    ) -> Result<(), ClientError> {
        let request = RemotingCommand::request(RequestCode::HEART_BEAT)
            .with_body(fastjson::to_vec_standard(data)?);
        self.call_ok(address, request).await.map(drop)
    }

    /// Tells one broker that the group has left this client.
    pub(crate) async fn unregister(
        &self,
        address: &str,
        role: Role<'_>,
    ) -> Result<(), ClientError> {
        let (producer_group, consumer_group) = match role {
            Role::Producer(group) => (Some(group.to_owned()), None),
            Role::Consumer(group) => (None, Some(group.to_owned())),
        };
        let header = UnregisterClientRequestHeader {
            client_id: self.id().to_owned(),
            producer_group,
            consumer_group,
        };
        let request =
            RemotingCommand::request(RequestCode::UNREGISTER_CLIENT).with_header(&header)?;
        self.call_ok(address, request).await.map(drop)
    }
}
