//! Consumer groups: their settings on brokers; creating and deleting them.

use std::collections::BTreeMap;

use remoting::protocol::body::group::{SubscriptionGroupConfig, SubscriptionGroupWrapper};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::admin::DeleteSubscriptionGroupRequestHeader;
use serde_json::{Value, json};

use super::{Admin, NoFields};
use crate::ClientError;
use crate::names::check_group;

impl Admin {
    /// The settings of all consumer groups of a broker.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn groups(
        &self,
        broker: &str,
    ) -> Result<BTreeMap<String, SubscriptionGroupConfig>, ClientError> {
        let code = RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
        let table: SubscriptionGroupWrapper = self.ask(broker, code, &NoFields {}).await?;
        Ok(table.subscription_group_table)
    }

    /// The same as a broker tells it: with the version of the table, and with what only brokers of 5.x know
    /// of a group.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn group_table(&self, broker: &str) -> Result<Value, ClientError> {
        let code = RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
        self.ask(broker, code, &NoFields {}).await
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
        self.put_group_json(broker, &json!(group)).await
    }

    /// As [`Self::put_group`], with settings that only brokers of 5.x know.
    ///
    /// # Errors
    /// As there.
    pub async fn put_group_json(&self, broker: &str, group: &Value) -> Result<(), ClientError> {
        check_group(group["groupName"].as_str().unwrap_or_default())?;
        let request = RemotingCommand::request(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)
            .with_body(fastjson::to_vec(group)?);
        self.client().call_ok(broker, request).await.map(drop)
    }

    /// Creates many groups, or gives them these settings, in one request; since 5.x.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn put_groups_json(&self, broker: &str, groups: &[Value]) -> Result<(), ClientError> {
        let code = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST;
        let body = fastjson::to_vec(&json!({ "groupConfigList": groups }))?;
        let request = RemotingCommand::request(code).with_body(body);
        self.client().call_ok(broker, request).await.map(drop)
    }

    /// Chooses whether a group pulls or pops a topic (`PULL`, `POP`), and how many queues its clients
    /// share; since 5.x.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn put_request_mode(
        &self,
        broker: &str,
        topic: &str,
        group: &str,
        mode: &str,
        shared_queues: i32,
    ) -> Result<(), ClientError> {
        let body = json!({
            "topic": topic, "consumerGroup": group, "mode": mode, "popShareQueueNum": shared_queues,
        });
        let request = RemotingCommand::request(RequestCode::SET_MESSAGE_REQUEST_MODE)
            .with_body(fastjson::to_vec(&body)?);
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

    /// Changes settings of a group on a broker; what `change` leaves alone stays as it is, also what
    /// only brokers of 5.x know. Returns the settings before and after.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `SUBSCRIPTION_GROUP_NOT_EXIST`; any other.
    pub async fn change_group(
        &self,
        broker: &str,
        group: &str,
        change: impl FnOnce(&mut SubscriptionGroupConfig),
    ) -> Result<(SubscriptionGroupConfig, SubscriptionGroupConfig), ClientError> {
        let mut table = self.group_table(broker).await?;
        let stored = table
            .get_mut("subscriptionGroupTable")
            .and_then(|groups| groups.get_mut(group));
        let Some(Value::Object(stored)) = stored else {
            return Err(ClientError::Refused {
                address: broker.to_owned(),
                code: ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
                remark: format!("there is no group {group}"),
            });
        };
        let before: SubscriptionGroupConfig = serde_json::from_value(Value::Object(stored.clone()))
            .map_err(|error| ClientError::protocol(broker, error))?;
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok((before, after));
        }
        if let Ok(Value::Object(changed)) = serde_json::to_value(&after) {
            stored.extend(changed);
        }
        let request = RemotingCommand::request(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)
            .with_body(fastjson::to_vec(stored)?);
        self.client().call_ok(broker, request).await?;
        Ok((before, after))
    }
}
