//! What brokers ask a client, on the connections the client made.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remoting::protocol::body::group::{ConsumerStatusBody, ResetOffsetBody};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::CommandView;
use remoting::protocol::fastjson;
use remoting::protocol::headers::client::{
    ConsumerGroupHeader, ConsumerRunningInfoRequestHeader, ConsumerStatusRequestHeader,
    ResetOffsetRequestHeader,
};
use remoting::transport::answer::{Answer, ReplyHandle};
use remoting::transport::connection::{Connection, Service};
use tracing::debug;

use crate::consumer::Group;
use crate::error::ClientError;

/// The consumer groups of a client, by name.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    groups: Mutex<HashMap<String, Arc<Group>>>,
}

impl Incoming {
    fn groups(&self) -> MutexGuard<'_, HashMap<String, Arc<Group>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn group(&self, name: &str) -> Option<Arc<Group>> {
        self.groups().get(name).cloned()
    }

    /// Brokers know a client's group by client and group, so a client has a group once.
    pub(crate) fn join(&self, group: Arc<Group>) -> Result<(), ClientError> {
        match self.groups().entry(group.name.clone()) {
            Entry::Occupied(entry) => Err(ClientError::invalid(
                "group",
                entry.key(),
                "this client has a consumer of it already",
            )),
            Entry::Vacant(entry) => {
                entry.insert(group);
                Ok(())
            }
        }
    }

    pub(crate) fn leave(&self, group: &str) {
        self.groups().remove(group);
    }

    /// `None`: nothing is answered.
    fn answer(&self, request: &CommandView<'_>) -> Result<Option<Answer>, ClientError> {
        match request.request_code() {
            RequestCode::NOTIFY_CONSUMER_IDS_CHANGED => {
                let header: ConsumerGroupHeader = request.header()?;
                if let Some(group) = self.group(&header.consumer_group) {
                    group.rebalance.notify_one();
                }
                Ok(None)
            }
            RequestCode::RESET_CONSUMER_CLIENT_OFFSET => {
                let header: ResetOffsetRequestHeader = request.header()?;
                let body: ResetOffsetBody = fastjson::from_slice(request.body)?;
                if let Some(group) = self.group(&header.group) {
                    group.reset(&header.topic, &body.offset_table);
                }
                Ok(None)
            }
            RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT => {
                let header: ConsumerStatusRequestHeader = request.header()?;
                let group = self.group(&header.group);
                let body = ConsumerStatusBody {
                    message_queue_table: group
                        .map(|group| group.positions(&header.topic))
                        .unwrap_or_default(),
                };
                Ok(Some(Answer::ok().body(fastjson::to_vec(&body)?)))
            }
            RequestCode::GET_CONSUMER_RUNNING_INFO => {
                let header: ConsumerRunningInfoRequestHeader = request.header()?;
                let name = header.consumer_group;
                Ok(Some(match self.group(&name) {
                    Some(group) => Answer::ok().body(fastjson::to_vec(&group.running_info())?),
                    None => Answer::with_code(
                        ResponseCode::SYSTEM_ERROR,
                        format!("The Consumer Group <{name}> not exist in this consumer"),
                    ),
                }))
            }
            code => Ok(Some(Answer::with_code(
                ResponseCode::REQUEST_CODE_NOT_SUPPORTED,
                format!(" request type {} not supported", code.0),
            ))),
        }
    }
}

impl Service for Incoming {
    fn request(&self, connection: &Arc<Connection>, request: &CommandView<'_>, _frame: &[u8]) {
        let answer = self.answer(request).unwrap_or_else(|error| {
            debug!(remote = %connection.remote, code = request.code, %error, "unreadable request");
            Some(Answer::with_code(
                ResponseCode::SYSTEM_ERROR,
                error.to_string(),
            ))
        });
        if let Some(answer) = answer {
            ReplyHandle::new(connection, request).push(&answer);
        }
    }

    fn closed(&self, _connection: &Arc<Connection>) {}
}
