//! The catalogue of what can be asked of a cluster and changed in it: one function per request, typed
//! both ways, for Apache's servers of 4.x and 5.x as for ours.
//!
//! A query or action goes to one server; [`Admin::each`] asks many brokers at once, each with a
//! deadline, [`fan_out`](crate::fan_out) anything else. What a value means that could not be read is
//! left to the caller: errors are returned, never turned into zeros.

mod acl;
mod answers;
mod brokers;
mod clients;
mod groups;
mod messages;
mod name_servers;
mod offsets;
mod replicas;
mod stats;
mod topics;
mod upkeep;

pub use acl::AclVersions;
pub use answers::Answers;
pub use brokers::{Broker, Runtime, brokers_of};
pub use clients::Members;
pub use messages::{KeyAnswer, KeyQuery};
pub use name_servers::ORDER_TOPIC_CONFIG;
pub use remoting::protocol::version::version_name;
pub use stats::{GROUP_GET_NUMS, TOPIC_PUT_NUMS};

use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::properties::{self, Property};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Client, ClientError};

/// Asks and changes, through the connections of a client. Clones share everything.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
}

impl Admin {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request and waits for success.
    async fn tell(
        &self,
        address: &str,
        code: RequestCode,
        header: &impl Serialize,
    ) -> Result<RemotingCommand, ClientError> {
        let request = RemotingCommand::request(code).with_header(header)?;
        self.client.call_ok(address, request).await
    }

    /// Sends a request, and reads the body of its successful answer.
    async fn ask<T: DeserializeOwned>(
        &self,
        address: &str,
        code: RequestCode,
        header: &impl Serialize,
    ) -> Result<T, ClientError> {
        let answer = self.tell(address, code, header).await?;
        read(address, &answer)
    }
}

fn read<T: DeserializeOwned>(address: &str, answer: &RemotingCommand) -> Result<T, ClientError> {
    fastjson::from_slice(&answer.body).map_err(|error| ClientError::protocol(address, error))
}

/// The body of an answer as settings.
fn read_properties(address: &str, answer: &RemotingCommand) -> Result<Vec<Property>, ClientError> {
    let unreadable = |problem: &dyn std::fmt::Display| ClientError::protocol(address, problem);
    let text = str::from_utf8(&answer.body).map_err(|e| unreadable(&e))?;
    properties::parse(text).map_err(|e| unreadable(&e))
}

/// The header of a request that has no fields.
#[derive(Debug, Clone, Copy, Serialize)]
struct NoFields {}
