//! Registration with the name servers: with each of them on its own, at start, every
//! `registerNameServerPeriod`, when topics change, and again as soon as one can be reached that
//! could not be, or that has lost the connection.

use std::sync::Arc;
use std::time::Duration;

use remoting::protocol::body::register::RegisterBrokerBody;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::{CommandView, RemotingCommand};
use remoting::protocol::fastjson;
use remoting::protocol::headers::namesrv::{
    BrokerIdentityRequestHeader, RegisterBrokerRequestHeader,
};
use remoting::protocol::message::record::body_crc;
use remoting::transport::connection::{Connection, Limits, Service};
use remoting::transport::rpc::RpcClient;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{BrokerConfig, LiveConfig};
use crate::topics::Topics;

/// A name server that cannot be reached is tried again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What a change may cost whoever makes it, while no name server can be told.
const TELL_TIMEOUT: Duration = Duration::from_secs(3);
/// What leaving may cost at shutdown.
const UNREGISTER_TIMEOUT: Duration = Duration::from_secs(3);

/// Keeps the name servers informed.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Where clients reach this broker.
    port: u16,
    /// Counts what name servers have to be told.
    changes: watch::Sender<u64>,
    /// How many of them one of the name servers knows.
    told: watch::Sender<u64>,
    registered: watch::Sender<bool>,
    rpc: Arc<RpcClient<NameServers>>,
    lost: Arc<Notify>,
}

/// The tasks of a running registration.
#[derive(Debug)]
pub(crate) struct Registering(Vec<JoinHandle<()>>);

/// The far end of our connections: it asks for nothing, but its end is noted.
#[derive(Debug)]
struct NameServers {
    lost: Arc<Notify>,
}

impl Service for NameServers {
    fn request(&self, _: &Arc<Connection>, _: &CommandView<'_>, _: &[u8]) {}

    fn closed(&self, _: &Arc<Connection>) {
        self.lost.notify_waiters();
    }
}

impl Registration {
    pub(crate) fn new(port: u16) -> Self {
        let lost = Arc::new(Notify::new());
        let service = Arc::new(NameServers { lost: lost.clone() });
        Self {
            port,
            changes: watch::Sender::new(0),
            told: watch::Sender::new(0),
            registered: watch::Sender::new(false),
            rpc: Arc::new(RpcClient::new(service, Limits::default())),
            lost,
        }
    }

    /// Registers from now on. Must be called within a tokio runtime.
    pub(crate) fn start(&self, topics: &Arc<Topics>, config: &Arc<LiveConfig>) -> Registering {
        let addresses = config.current().namesrv_addr.clone();
        if addresses.is_empty() {
            self.registered.send_replace(true);
            self.told.send_replace(u64::MAX);
        }
        let tasks = addresses.into_iter().map(|address| {
            let one = OneNameServer {
                address,
                port: self.port,
                topics: topics.clone(),
                config: config.clone(),
                rpc: self.rpc.clone(),
                lost: self.lost.clone(),
                told: self.told.clone(),
                registered: self.registered.clone(),
            };
            tokio::spawn(one.keep_registered(self.changes.subscribe()))
        });
        Registering(tasks.collect())
    }

    /// Topics or permissions have changed: the name servers are told soon.
    pub(crate) fn topics_changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Completes once a name server knows of all changes made so far, or cannot be told; at once if
    /// there is none.
    pub(crate) fn told(&self) -> impl Future<Output = ()> + Send + 'static {
        let changes = *self.changes.borrow();
        let mut told = self.told.subscribe();
        async move {
            let all = told.wait_for(|told| *told >= changes);
            // Whoever made the change is answered in any case: it was made.
            let _ = tokio::time::timeout(TELL_TIMEOUT, all).await;
        }
    }

    /// Completes once a name server knows this broker; at once if there is none to tell.
    pub(crate) async fn registered(&self) {
        // Fails only when the sender is gone, which is `self`.
        let _ = self
            .registered
            .subscribe()
            .wait_for(|registered| *registered)
            .await;
    }

    /// Stops registering and takes the broker out of all routes.
    pub(crate) async fn unregister(&self, registering: Registering, config: &BrokerConfig) {
        for task in &registering.0 {
            task.abort();
        }
        let header = BrokerIdentityRequestHeader {
            broker_name: config.broker_name.clone(),
            broker_addr: config.broker_address(self.port),
            cluster_name: config.broker_cluster_name.clone(),
            broker_id: config.broker_id,
        };
        let mut calls = JoinSet::new();
        for address in config.namesrv_addr.clone() {
            let Ok(request) =
                RemotingCommand::request(RequestCode::UNREGISTER_BROKER).with_header(&header)
            else {
                continue;
            };
            let rpc = self.rpc.clone();
            calls.spawn(async move {
                let call = rpc.call(&address, request, UNREGISTER_TIMEOUT);
                match tokio::time::timeout(UNREGISTER_TIMEOUT, call).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => {
                        tracing::warn!("name server {address} is not told of the end: {error}")
                    }
                    Err(_) => tracing::warn!("name server {address} cannot be reached"),
                }
            });
        }
        while calls.join_next().await.is_some() {}
        self.rpc.close().await;
    }
}

/// What is needed to register with one name server.
struct OneNameServer {
    address: String,
    port: u16,
    topics: Arc<Topics>,
    config: Arc<LiveConfig>,
    rpc: Arc<RpcClient<NameServers>>,
    lost: Arc<Notify>,
    told: watch::Sender<u64>,
    registered: watch::Sender<bool>,
}

impl OneNameServer {
    async fn keep_registered(self, mut changes: watch::Receiver<u64>) {
        // Only the first of several failures is worth a warning.
        let mut known = true;
        loop {
            // Before the table is read: what is in it may be newer, never older.
            let change = *changes.borrow_and_update();
            let lost = self.lost.notified();
            let wait = match self.register().await {
                Ok(()) => {
                    if !known {
                        tracing::info!("registered with name server {}", self.address);
                    }
                    known = true;
                    self.registered.send_replace(true);
                    self.told.send_if_modified(|told| {
                        let newer = change > *told;
                        *told = change.max(*told);
                        newer
                    });
                    Duration::from_millis(self.config.current().register_period_ms())
                }
                Err(problem) => {
                    if known {
                        tracing::warn!(
                            "not registered with name server {}: {problem}",
                            self.address
                        );
                    }
                    known = false;
                    RETRY_AFTER
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // While a name server is away, changes have nothing to hurry for.
                changed = changes.changed(), if known => if changed.is_err() { return },
                () = lost, if known => {}
            }
        }
    }

    async fn register(&self) -> Result<(), String> {
        let config = self.config.current();
        let request = registration(&self.topics, &config, self.port)?;
        let timeout = Duration::from_millis(config.register_broker_timeout_mills);
        let response = self
            .rpc
            .call(&self.address, request, timeout)
            .await
            .map_err(|e| e.to_string())?;
        match response.response_code() {
            ResponseCode::SUCCESS => Ok(()),
            code => Err(format!(
                "{code}: {}",
                response.remark.as_deref().unwrap_or_default()
            )),
        }
    }
}

/// `REGISTER_BROKER` (103).
fn registration(
    topics: &Topics,
    config: &BrokerConfig,
    port: u16,
) -> Result<RemotingCommand, String> {
    let mut table = topics.to_wrapper();
    for topic in table.topic_config_table.values_mut() {
        topic.perm = allowed(topic.perm, config.broker_permission);
    }
    let body = RegisterBrokerBody {
        filter_server_list: Vec::new(),
        topic_config_serialize_wrapper: table,
    };
    let body = fastjson::to_vec(&body).map_err(|e| e.to_string())?;
    let header = RegisterBrokerRequestHeader {
        broker_name: config.broker_name.clone(),
        broker_addr: config.broker_address(port),
        cluster_name: config.broker_cluster_name.clone(),
        ha_server_addr: config.ha_address(port),
        broker_id: config.broker_id,
        compressed: false,
        body_crc32: body_crc(&body),
        heartbeat_timeout_millis: None,
        enable_acting_master: None,
    };
    let request = RemotingCommand::request(RequestCode::REGISTER_BROKER);
    Ok(request
        .with_header(&header)
        .map_err(|e| e.to_string())?
        .with_body(body))
}

/// What is left of a topic's permission when the broker as a whole allows less than everything.
fn allowed(topic_perm: i32, broker_perm: i32) -> i32 {
    use remoting::protocol::body::topic::{PERM_READ, PERM_WRITE};
    let everything = PERM_READ | PERM_WRITE;
    if broker_perm & everything == everything {
        topic_perm
    } else {
        topic_perm & broker_perm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_says_where_the_broker_is_and_what_it_allows() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display().to_string();
        let settings = [
            ("storePathRootDir", &*root),
            ("brokerIP1", "10.0.0.7"),
            ("brokerName", "b"),
            ("brokerPermission", "4"),
        ];
        let config = BrokerConfig::with(&settings).unwrap();
        let topics = Topics::open(&config, 1).unwrap();
        topics.put(crate::topics::topic("T", 4, 6), 2).unwrap();
        let request = registration(&topics, &config, 10_911).unwrap();
        let header: RegisterBrokerRequestHeader = request.header().unwrap();
        assert_eq!(
            (&*header.broker_addr, &*header.broker_name, header.broker_id),
            ("10.0.0.7:10911", "b", 0)
        );
        assert_eq!(header.body_crc32, body_crc(&request.body));
        let body = RegisterBrokerBody::decode(&request.body, false, request.version).unwrap();
        let table = body.topic_config_serialize_wrapper;
        assert_eq!(table.data_version.counter, 1);
        assert_eq!(
            table.topic_config_table["T"].perm, 4,
            "the broker allows reading only"
        );
        assert_eq!(allowed(7, 6), 7);
    }
}
