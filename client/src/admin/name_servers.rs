//! What a name server keeps: its settings, and the KV configuration. Each has its own, so what is to
//! hold everywhere is told to every one of them.

use std::collections::BTreeMap;

use remoting::protocol::body::kv::KvTable;
use remoting::protocol::body::topic::TopicList;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::headers::namesrv::{
    KvKeyRequestHeader, KvValueResponseHeader, NamespaceRequestHeader, PutKvConfigRequestHeader,
};
use remoting::protocol::properties::Property;

use super::{Admin, NoFields, read_properties};
use crate::ClientError;
use crate::client::header_of;

/// The namespace that name servers themselves read: topic → `broker-a:4;broker-b:4`, the queues of topics whose order is
/// strict.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

impl Admin {
    /// Names of the topics that one name server knows, in order.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn name_server_topics(&self, name_server: &str) -> Result<Vec<String>, ClientError> {
        let code = RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER;
        let list: TopicList = self.ask(name_server, code, &NoFields {}).await?;
        let mut names = list.topic_list;
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// A name server's settings.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn name_server_config(
        &self,
        name_server: &str,
    ) -> Result<Vec<Property>, ClientError> {
        let code = RequestCode::GET_NAMESRV_CONFIG;
        let answer = self.tell(name_server, code, &NoFields {}).await?;
        read_properties(name_server, &answer)
    }

    /// Changes settings of a running name server: `key=value` lines.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `NO_PERMISSION` for keys that it takes from its file only; any other.
    pub async fn change_name_server_config(
        &self,
        name_server: &str,
        text: String,
    ) -> Result<(), ClientError> {
        let request = RemotingCommand::request(RequestCode::UPDATE_NAMESRV_CONFIG).with_body(text);
        self.client().call_ok(name_server, request).await.map(drop)
    }

    /// All keys of a namespace with their values; `None` if there is no such namespace. Nothing in the protocol lists the
    /// namespaces.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn kv_namespace(
        &self,
        name_server: &str,
        namespace: &str,
    ) -> Result<Option<BTreeMap<String, String>>, ClientError> {
        let header = NamespaceRequestHeader {
            namespace: namespace.to_owned(),
        };
        let code = RequestCode::GET_KVLIST_BY_NAMESPACE;
        let table = found(self.ask::<KvTable>(name_server, code, &header).await)?;
        Ok(table.map(|table| table.table))
    }

    /// The value of a key; `None` if there is no such key.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn kv_value(
        &self,
        name_server: &str,
        namespace: &str,
        key: &str,
    ) -> Result<Option<String>, ClientError> {
        let header = key_header(namespace, key);
        let code = RequestCode::GET_KV_CONFIG;
        let Some(answer) = found(self.tell(name_server, code, &header).await)? else {
            return Ok(None);
        };
        let header: KvValueResponseHeader = header_of(name_server, &answer)?;
        Ok(header.value)
    }

    /// Sets the value of a key, in a namespace that may be new.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn put_kv(
        &self,
        name_server: &str,
        namespace: &str,
        key: &str,
        value: &str,
    ) -> Result<(), ClientError> {
        let header = PutKvConfigRequestHeader {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let code = RequestCode::PUT_KV_CONFIG;
        self.tell(name_server, code, &header).await.map(drop)
    }

    /// Deletes a key. Done already if there is no such key.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn delete_kv(
        &self,
        name_server: &str,
        namespace: &str,
        key: &str,
    ) -> Result<(), ClientError> {
        let header = key_header(namespace, key);
        let code = RequestCode::DELETE_KV_CONFIG;
        self.tell(name_server, code, &header).await.map(drop)
    }
}

fn key_header(namespace: &str, key: &str) -> KvKeyRequestHeader {
    KvKeyRequestHeader {
        namespace: namespace.to_owned(),
        key: key.to_owned(),
    }
}

/// What is not there is an answer.
fn found<T>(asked: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match asked {
        Err(error) if error.code() == Some(ResponseCode::QUERY_NOT_FOUND) => Ok(None),
        asked => asked.map(Some),
    }
}
