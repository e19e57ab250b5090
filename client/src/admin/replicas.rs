//! Replication, controllers and containers of 5.x.

use remoting::protocol::body::cluster::BrokerMemberGroupBody;
use remoting::protocol::body::replicas::{BrokerReplicasInfo, EpochEntryCache, HaRuntimeInfo};
use remoting::protocol::body::topic::BrokerData;
use remoting::protocol::codes::RequestCode;
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::controller::{
    AddBrokerRequestHeader, CleanBrokerDataRequestHeader, ControllerMetadataResponseHeader,
    ElectMasterRequestHeader, ElectMasterResponseHeader, RemoveBrokerRequestHeader,
};
use remoting::protocol::properties::Property;

use super::{Admin, NoFields, read, read_properties};
use crate::ClientError;
use crate::client::header_of;
use crate::unique_key::now_ms;

impl Admin {
    /// How far the slaves of a master are, or how far a slave is.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn ha_status(&self, broker: &str) -> Result<HaRuntimeInfo, ClientError> {
        let code = RequestCode::GET_BROKER_HA_STATUS;
        self.ask(broker, code, &NoFields {}).await
    }

    /// Which masters wrote which parts of a broker's commit log.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn epochs(&self, broker: &str) -> Result<EpochEntryCache, ClientError> {
        let code = RequestCode::GET_BROKER_EPOCH_CACHE;
        self.ask(broker, code, &NoFields {}).await
    }

    /// What a controller knows of its kind: any of them names the leader.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn controller_metadata(
        &self,
        controller: &str,
    ) -> Result<ControllerMetadataResponseHeader, ClientError> {
        let code = RequestCode::CONTROLLER_GET_METADATA_INFO;
        let answer = self.tell(controller, code, &NoFields {}).await?;
        header_of(controller, &answer)
    }

    /// The leader among the controllers, asked of one of them.
    async fn leader(&self, controller: &str) -> Result<String, ClientError> {
        let metadata = self.controller_metadata(controller).await?;
        let leader = metadata.controller_leader_address;
        leader.ok_or_else(|| ClientError::protocol(controller, "the controllers have no leader"))
    }

    /// Which replicas of these brokers are in sync.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn sync_state(
        &self,
        controller: &str,
        brokers: &[String],
    ) -> Result<BrokerReplicasInfo, ClientError> {
        let leader = self.leader(controller).await?;
        let request = RemotingCommand::request(RequestCode::CONTROLLER_GET_SYNC_STATE_DATA)
            .with_body(fastjson::to_vec(brokers)?);
        let answer = self.client().call_ok(&leader, request).await?;
        read(&leader, &answer)
    }

    /// Makes one replica of a broker its master.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn elect_master(
        &self,
        controller: &str,
        cluster: &str,
        broker: &str,
        id: i64,
    ) -> Result<(ElectMasterResponseHeader, BrokerData), ClientError> {
        let leader = self.leader(controller).await?;
        let header = ElectMasterRequestHeader {
            cluster_name: cluster.to_owned(),
            broker_name: broker.to_owned(),
            broker_id: id,
            designate_elect: true,
            invoke_time: now_ms(),
        };
        let code = RequestCode::CONTROLLER_ELECT_MASTER;
        let answer = self.tell(&leader, code, &header).await?;
        let elected = header_of(&leader, &answer)?;
        let group = match answer.body.is_empty() {
            true => BrokerData::default(),
            false => read::<BrokerMemberGroupBody>(&leader, &answer)?.broker_member_group,
        };
        Ok((elected, group))
    }

    /// Makes the controllers forget replicas of a broker: those with these ids (`1;2`), or all; living ones only if
    /// `living`.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn forget_replicas(
        &self,
        controller: &str,
        cluster: Option<&str>,
        broker: &str,
        ids: Option<&str>,
        living: bool,
    ) -> Result<(), ClientError> {
        let leader = self.leader(controller).await?;
        let header = CleanBrokerDataRequestHeader {
            cluster_name: cluster.map(str::to_owned),
            broker_name: broker.to_owned(),
            broker_controller_ids_to_clean: ids.map(str::to_owned),
            is_clean_living_broker: living,
            invoke_time: now_ms(),
        };
        let code = RequestCode::CLEAN_BROKER_DATA;
        self.tell(&leader, code, &header).await.map(drop)
    }

    /// A controller's settings.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn controller_config(&self, controller: &str) -> Result<Vec<Property>, ClientError> {
        let code = RequestCode::GET_CONTROLLER_CONFIG;
        let answer = self.tell(controller, code, &NoFields {}).await?;
        read_properties(controller, &answer)
    }

    /// Changes settings of a running controller: `key=value` lines.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn change_controller_config(
        &self,
        controller: &str,
        text: String,
    ) -> Result<(), ClientError> {
        let request =
            RemotingCommand::request(RequestCode::UPDATE_CONTROLLER_CONFIG).with_body(text);
        self.client().call_ok(controller, request).await.map(drop)
    }

    /// Starts a broker inside a container, from a configuration file on the container's host.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn add_broker(&self, container: &str, config_file: &str) -> Result<(), ClientError> {
        let header = AddBrokerRequestHeader {
            config_path: config_file.to_owned(),
        };
        let code = RequestCode::ADD_BROKER;
        self.tell(container, code, &header).await.map(drop)
    }

    /// Stops a broker inside a container.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn remove_broker(
        &self,
        container: &str,
        cluster: &str,
        broker: &str,
        id: i64,
    ) -> Result<(), ClientError> {
        let header = RemoveBrokerRequestHeader {
            broker_name: broker.to_owned(),
            broker_cluster_name: cluster.to_owned(),
            broker_id: id,
        };
        let code = RequestCode::REMOVE_BROKER;
        self.tell(container, code, &header).await.map(drop)
    }
}
