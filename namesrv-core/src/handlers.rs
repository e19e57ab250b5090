//! What each request does. Decoding and encoding here, the rest in the tables.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use remoting::protocol::body::kv::KvTable;
use remoting::protocol::body::register::RegisterBrokerBody;
use remoting::protocol::body::topic::{DataVersion, TopicRouteData};
use remoting::protocol::codes::ResponseCode;
use remoting::protocol::fastjson;
use remoting::protocol::headers::namesrv::{
    AddWritePermResponseHeader, BrokerHeartbeatRequestHeader, BrokerIdentityRequestHeader,
    BrokerMemberGroupRequestHeader, BrokerNameRequestHeader, DataVersionResponseHeader,
    DeleteTopicInNamesrvRequestHeader, KvKeyRequestHeader, KvValueResponseHeader,
    NamespaceRequestHeader, PutKvConfigRequestHeader, RegisterBrokerRequestHeader,
    RegisterBrokerResponseHeader, RouteInfoRequestHeader, TopicsByClusterRequestHeader,
    WipeWritePermResponseHeader,
};
use remoting::protocol::properties;
use remoting::transport::answer::Answer;
use remoting::transport::connection::Connection;
use remoting::transport::router::{Lane, Refusal, Reply, Request, Server};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{info, warn};

use crate::config::{NamesrvConfig, UpdateError};
use crate::kv_config::{KvConfig, KvConfigError, ORDER_TOPIC_CONFIG};
use crate::route_table::{
    HEARTBEAT_TIMEOUT_MS, Registered, Registration, RouteTable, encode_route,
};

/// Clients from 4.9.4 on read routes with quoted keys, and only those.
const FIRST_VERSION_WITH_STANDARD_JSON: i32 = 401;
/// A larger registration is not decoded on the connection's task.
const DIRECT_REGISTRATION_BYTES: usize = 64 * 1024;
/// Bits of a topic's system flags.
const FLAG_UNIT: i32 = 1;
const FLAG_UNIT_SUB: i32 = 2;

type Outcome = Result<Reply, Refusal>;

/// All that handlers share.
#[derive(Debug)]
pub(crate) struct State {
    table: RwLock<RouteTable>,
    kv: KvConfig,
    config: RwLock<NamesrvConfig>,
    started: Instant,
}

impl State {
    pub(crate) fn new(config: NamesrvConfig, kv: KvConfig) -> Self {
        Self {
            table: RwLock::default(),
            kv,
            config: RwLock::new(config),
            started: Instant::now(),
        }
    }

    /// Removes the brokers that have been silent for too long.
    pub(crate) fn expire_brokers(&self) {
        let now_ms = self.now_ms();
        for address in self.table_mut().expire(now_ms) {
            warn!(address, "broker removed: it was silent for too long");
        }
    }

    /// Milliseconds since the start: the wall clock may jump.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn table(&self) -> RwLockReadGuard<'_, RouteTable> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, RouteTable> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn config(&self) -> RwLockReadGuard<'_, NamesrvConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server for State {
    fn end_of_batch(&self) {}

    fn connection_closed(&self, connection: &Arc<Connection>) {
        // Nearly all connections are clients', for whom nobody should have to wait.
        if !self.table().is_broker(connection.id) {
            return;
        }
        for address in self.table_mut().connection_closed(connection.id) {
            warn!(address, "broker removed: its connection closed");
        }
    }
}

// Routes.

pub(crate) fn route_of_topic(state: &State, request: &Request<'_>) -> Outcome {
    let header: RouteInfoRequestHeader = request.header()?;
    let standard = header.accept_standard_json_only.unwrap_or(false)
        || request.command.version >= FIRST_VERSION_WITH_STANDARD_JSON;
    let order_topic_conf = if state.config().order_message_enable {
        state.kv.value(ORDER_TOPIC_CONFIG, &header.topic)
    } else {
        None
    };
    let table = state.table();
    let route = match order_topic_conf {
        None => table.encoded_route(&header.topic, standard),
        Some(conf) => table.route(&header.topic).map(|mut route| {
            route.order_topic_conf = Some(conf);
            encode_route(&route, standard)
        }),
    };
    drop(table);
    let route = route.ok_or_else(|| {
        let remark = format!(
            "No topic route info in name server for the topic: {}\nSee http://rocketmq.apache.org/docs/faq/ for further details.",
            header.topic
        );
        Refusal::new(ResponseCode::TOPIC_NOT_EXIST, remark)
    })?;
    Ok(Answer::ok().body(route).into())
}

// Brokers.

pub(crate) fn register_broker(state: &State, request: &Request<'_>) -> Outcome {
    let body = request.body();
    if body.len() > DIRECT_REGISTRATION_BYTES && !request.may_block() {
        return Ok(Reply::MoveTo(Lane::Admin));
    }
    let header: RegisterBrokerRequestHeader = request.header()?;
    if header.body_crc32 != 0 && crc32(body) != header.body_crc32 {
        return Err(Refusal::system("crc32 not match"));
    }
    let body = RegisterBrokerBody::decode(body, header.compressed, request.command.version)
        .map_err(|e| Refusal::system(format!("Failed to decode RegisterBrokerBody: {e}")))?;
    let timeout_ms = header
        .heartbeat_timeout_millis
        .and_then(|ms| u64::try_from(ms).ok());
    let (cluster, name, address) = (
        header.cluster_name.clone(),
        header.broker_name.clone(),
        header.broker_addr.clone(),
    );
    let registration = Registration {
        cluster: header.cluster_name,
        broker_name: header.broker_name,
        broker_id: header.broker_id,
        address: header.broker_addr,
        ha_address: header.ha_server_addr,
        heartbeat_timeout_ms: timeout_ms
            .filter(|ms| *ms > 0)
            .unwrap_or(HEARTBEAT_TIMEOUT_MS),
        connection: request.connection.id,
        topics: body.topic_config_serialize_wrapper,
        filter_servers: body.filter_server_list,
    };
    let Registered { is_new, master } = {
        let mut table = state.table_mut();
        // A connection is marked before its brokers are removed: it is either not marked yet and
        // they will be removed, or nothing of it may come in.
        if request.connection.is_closed() {
            return Err(Refusal::system(
                "register broker failed: the connection is closed",
            ));
        }
        let now_ms = state.now_ms();
        table.register(registration, now_ms).map_err(refused)?
    };
    if is_new {
        info!(
            cluster,
            name,
            id = header.broker_id,
            address,
            "broker registered"
        );
    }
    let mut answer = Answer::ok();
    if let Some(master) = master {
        answer = answer.header(&RegisterBrokerResponseHeader {
            ha_server_addr: Some(master.ha_address),
            master_addr: Some(master.address),
        })?;
    }
    let order_topics = if state.config().return_order_topic_config_to_broker {
        state.kv.namespace(ORDER_TOPIC_CONFIG)
    } else {
        None
    };
    match order_topics {
        Some(table) => Ok(answer.body(json(&KvTable { table })?).into()),
        None => Ok(answer.into()),
    }
}

pub(crate) fn unregister_broker(state: &State, request: &Request<'_>) -> Outcome {
    let header: BrokerIdentityRequestHeader = request.header()?;
    let removed = state
        .table_mut()
        .unregister(&header.broker_name, &header.broker_addr);
    if removed {
        info!(
            name = header.broker_name,
            address = header.broker_addr,
            "broker unregistered"
        );
    }
    Ok(Answer::ok().into())
}

pub(crate) fn query_data_version(state: &State, request: &Request<'_>) -> Outcome {
    let header: BrokerIdentityRequestHeader = request.header()?;
    let version: DataVersion = from_json(request.body())?;
    let now_ms = state.now_ms();
    let mut table = state.table_mut();
    let known = table.data_version(&header.broker_addr).cloned();
    let changed = known.as_ref() != Some(&version);
    if !changed {
        table.refresh(&header.broker_addr, now_ms);
    }
    drop(table);
    let answer = Answer::ok().header(&DataVersionResponseHeader { changed })?;
    match known {
        Some(version) => Ok(answer.body(json(&version)?).into()),
        None => Ok(answer.into()),
    }
}

pub(crate) fn broker_heartbeat(state: &State, request: &Request<'_>) -> Outcome {
    let header: BrokerHeartbeatRequestHeader = request.header()?;
    let now_ms = state.now_ms();
    state.table_mut().refresh(&header.broker_addr, now_ms);
    Ok(Answer::ok().into())
}

pub(crate) fn member_group(state: &State, request: &Request<'_>) -> Outcome {
    let header: BrokerMemberGroupRequestHeader = request.header()?;
    let group = state
        .table()
        .member_group(&header.cluster_name, &header.broker_name);
    answer_json(&group)
}

// KV configuration.

pub(crate) fn put_kv(state: &State, request: &Request<'_>) -> Outcome {
    let header: PutKvConfigRequestHeader = request.header()?;
    let (namespace, key) = (header.namespace.clone(), header.key.clone());
    state
        .kv
        .put(header.namespace, header.key, header.value)
        .map_err(not_saved)?;
    info!(namespace, key, "KV configuration changed");
    Ok(Answer::ok().into())
}

pub(crate) fn kv_value(state: &State, request: &Request<'_>) -> Outcome {
    let KvKeyRequestHeader { namespace, key } = request.header()?;
    let value = state.kv.value(&namespace, &key);
    let value = value.ok_or_else(|| {
        let remark = format!("No config item, Namespace: {namespace} Key: {key}");
        Refusal::new(ResponseCode::QUERY_NOT_FOUND, remark)
    })?;
    Ok(Answer::ok()
        .header(&KvValueResponseHeader { value: Some(value) })?
        .into())
}

pub(crate) fn delete_kv(state: &State, request: &Request<'_>) -> Outcome {
    let KvKeyRequestHeader { namespace, key } = request.header()?;
    state.kv.delete(&namespace, &key).map_err(not_saved)?;
    info!(namespace, key, "KV configuration deleted");
    Ok(Answer::ok().into())
}

pub(crate) fn kv_namespace(state: &State, request: &Request<'_>) -> Outcome {
    let NamespaceRequestHeader { namespace } = request.header()?;
    let table = state.kv.namespace(&namespace).ok_or_else(|| {
        let remark = format!("No config item, Namespace: {namespace}");
        Refusal::new(ResponseCode::QUERY_NOT_FOUND, remark)
    })?;
    answer_json(&KvTable { table })
}

// Lists.

pub(crate) fn cluster_info(state: &State, _: &Request<'_>) -> Outcome {
    let info = state.table().cluster_info();
    answer_json(&info)
}

pub(crate) fn topics(state: &State, _: &Request<'_>) -> Outcome {
    let topics = state.table().topics();
    answer_json(&topics)
}

pub(crate) fn topics_of_cluster(state: &State, request: &Request<'_>) -> Outcome {
    let header: TopicsByClusterRequestHeader = request.header()?;
    let topics = state.table().topics_of_cluster(&header.cluster);
    answer_json(&topics)
}

pub(crate) fn system_topics(state: &State, _: &Request<'_>) -> Outcome {
    let topics = state.table().system_topics();
    answer_json(&topics)
}

pub(crate) fn unit_topics(state: &State, _: &Request<'_>) -> Outcome {
    let topics = state
        .table()
        .topics_with_flags(|flags| flags & FLAG_UNIT != 0);
    answer_json(&topics)
}

pub(crate) fn unit_sub_topics(state: &State, _: &Request<'_>) -> Outcome {
    let topics = state
        .table()
        .topics_with_flags(|flags| flags & FLAG_UNIT_SUB != 0);
    answer_json(&topics)
}

pub(crate) fn unit_sub_not_unit_topics(state: &State, _: &Request<'_>) -> Outcome {
    let wanted = |flags| flags & (FLAG_UNIT | FLAG_UNIT_SUB) == FLAG_UNIT_SUB;
    let topics = state.table().topics_with_flags(wanted);
    answer_json(&topics)
}

// Administration.

pub(crate) fn wipe_write_perm(state: &State, request: &Request<'_>) -> Outcome {
    let header: BrokerNameRequestHeader = request.header()?;
    let count = state.table_mut().wipe_write_perm(&header.broker_name);
    info!(
        name = header.broker_name,
        topics = count,
        "write permission wiped"
    );
    let wipe_topic_count = i32::try_from(count).unwrap_or(i32::MAX);
    Ok(Answer::ok()
        .header(&WipeWritePermResponseHeader { wipe_topic_count })?
        .into())
}

pub(crate) fn add_write_perm(state: &State, request: &Request<'_>) -> Outcome {
    let header: BrokerNameRequestHeader = request.header()?;
    let count = state.table_mut().add_write_perm(&header.broker_name);
    info!(
        name = header.broker_name,
        topics = count,
        "write permission added"
    );
    let add_topic_count = i32::try_from(count).unwrap_or(i32::MAX);
    Ok(Answer::ok()
        .header(&AddWritePermResponseHeader { add_topic_count })?
        .into())
}

pub(crate) fn delete_topic(state: &State, request: &Request<'_>) -> Outcome {
    let header: DeleteTopicInNamesrvRequestHeader = request.header()?;
    let cluster = header.cluster_name.filter(|cluster| !cluster.is_empty());
    state
        .table_mut()
        .delete_topic(&header.topic, cluster.as_deref());
    info!(topic = header.topic, ?cluster, "topic deleted");
    Ok(Answer::ok().into())
}

pub(crate) fn register_topic(state: &State, request: &Request<'_>) -> Outcome {
    // The header is that of a query for a route: a topic.
    let header: RouteInfoRequestHeader = request.header()?;
    let route: TopicRouteData = from_json(request.body())?;
    let mut table = state.table_mut();
    table
        .register_topic(&header.topic, &route.queue_datas)
        .map_err(refused)?;
    drop(table);
    info!(topic = header.topic, "topic registered");
    Ok(Answer::ok().into())
}

pub(crate) fn update_config(state: &State, request: &Request<'_>) -> Outcome {
    let text = str::from_utf8(request.body())
        .map_err(|_| Refusal::system("string2Properties error: the body is not UTF-8"))?;
    let changes = properties::parse(text)
        .map_err(|e| Refusal::system(format!("string2Properties error: {e}")))?;
    // Requests of this kind come one after the other, so nothing changes in between.
    let updated = state.config().updated(&changes).map_err(|error| {
        let code = match error {
            UpdateError::BlackListed | UpdateError::AtStartOnly(_) => ResponseCode::NO_PERMISSION,
            UpdateError::Invalid(_) | UpdateError::Save { .. } => ResponseCode::SYSTEM_ERROR,
        };
        Refusal::new(code, error.to_string())
    })?;
    *state.config.write().unwrap_or_else(PoisonError::into_inner) = updated;
    let keys: Vec<_> = changes.iter().map(|change| &change.key).collect();
    info!(remote = %request.connection.remote, ?keys, "configuration changed");
    Ok(Answer::ok().into())
}

pub(crate) fn config(state: &State, _: &Request<'_>) -> Outcome {
    let text = state.config().to_properties();
    Ok(Answer::ok().body(text).into())
}

/// CRC-32 as Apache sends it, without the sign bit.
fn crc32(bytes: &[u8]) -> i32 {
    (crc32fast::hash(bytes) & 0x7fff_ffff).cast_signed()
}

fn refused(error: crate::route_table::RegisterError) -> Refusal {
    warn!(%error, "registration refused");
    Refusal::system(error.to_string())
}

fn not_saved(error: KvConfigError) -> Refusal {
    warn!(%error, "KV configuration not changed");
    Refusal::system(error.to_string())
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    fastjson::from_slice(body).map_err(|e| Refusal::system(format!("decode the body: {e}")))
}

fn json<T: Serialize>(body: &T) -> Result<Vec<u8>, Refusal> {
    fastjson::to_vec(body).map_err(|e| Refusal::system(format!("encode the answer: {e}")))
}

fn answer_json<T: Serialize>(body: &T) -> Outcome {
    Ok(Answer::ok().body(json(body)?).into())
}
