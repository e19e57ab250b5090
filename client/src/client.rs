//! One client of a cluster: its connections, its name servers, the routes it knows.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use remoting::protocol::body::topic::TopicRouteData;
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::namesrv::RouteInfoRequestHeader;
use remoting::transport::connection::{CallError, Limits};
use remoting::transport::rpc::RpcClient;
use serde::Deserialize;

use crate::address::AddressRules;
use crate::error::ClientError;
use crate::incoming::Incoming;
use crate::name_server::NameServers;
use crate::route::{RouteCache, TopicRoute};
use crate::silent::Silent;
use crate::unique_key::KeySource;

/// What a client needs to know before it starts.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Addresses `host:port`; one text may hold several, separated by `;` or `,`.
    pub name_servers: Vec<String>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// Second half of the client id. `None`: one that no other client on this host has.
    pub instance_name: Option<String>,
    /// Send to the brokers' other port (their port less two), which no consumer can keep busy.
    pub vip_channel: bool,
    /// Where servers are reached that advertise something else.
    pub rewrite: AddressRules,
    /// Send nothing that changes anything: such requests fail with [`ClientError::ReadOnly`].
    pub read_only: bool,
    /// Wait for a server that does not answer once, not for each question: for as long again as it was waited for,
    /// calls to it fail at once, with the same reason.
    pub wait_once: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            name_servers: Vec::new(),
            timeout: Duration::from_secs(3),
            instance_name: None,
            vip_channel: false,
            rewrite: AddressRules::default(),
            read_only: false,
            wait_once: false,
        }
    }
}

/// A client of a cluster. Clones share everything.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    timeout: Duration,
    vip_channel: bool,
    rewrite: AddressRules,
    read_only: bool,
    silent: Option<Silent>,
    name_servers: NameServers,
    routes: RouteCache,
    keys: KeySource,
    incoming: Arc<Incoming>,
    rpc: RpcClient<Incoming>,
}

impl Client {
    /// A client that is not connected yet: connections are made when they are first needed.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if a name server's address is none.
    pub fn new(options: ClientOptions) -> Result<Self, ClientError> {
        let name_servers = NameServers::parse(&options.name_servers)?;
        let address = local_address(&name_servers);
        let incoming = Arc::new(Incoming::default());
        let instance_name = options.instance_name.unwrap_or_else(unique_instance_name);
        Ok(Self {
            inner: Arc::new(Inner {
                id: format!("{address}@{instance_name}"),
                timeout: options.timeout,
                vip_channel: options.vip_channel,
                rewrite: options.rewrite,
                read_only: options.read_only,
                silent: options.wait_once.then(|| Silent::new(options.timeout)),
                name_servers,
                routes: RouteCache::default(),
                keys: KeySource::new(address),
                rpc: RpcClient::new(incoming.clone(), Limits::default()),
                incoming,
            }),
        })
    }

    /// `ip@instance`, by which brokers tell clients apart.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    pub fn name_servers(&self) -> &NameServers {
        &self.inner.name_servers
    }

    /// How long one answer may take.
    pub fn timeout(&self) -> Duration {
        self.inner.timeout
    }

    /// Who answers what brokers ask.
    pub(crate) fn incoming(&self) -> &Incoming {
        &self.inner.incoming
    }

    /// A key for a message that is about to be sent.
    pub(crate) fn unique_key(&self) -> String {
        self.inner.keys.next()
    }

    /// Where the server that advertises `address` is reached.
    pub fn reached_at<'a>(&self, address: &'a str) -> Cow<'a, str> {
        self.inner.rewrite.apply(address)
    }

    /// Lets nothing out of a read-only client that is not known to change nothing.
    fn check(&self, request: &RemotingCommand) -> Result<(), ClientError> {
        let code = RequestCode(request.code);
        if self.inner.read_only && !only_reads(code) {
            return Err(ClientError::ReadOnly { code });
        }
        Ok(())
    }

    /// The address by which a broker is sent to: itself, or its other port, as the options say.
    pub fn broker_address(&self, address: &str) -> String {
        let vip = || {
            let (host, port) = address.rsplit_once(':')?;
            let port = port.parse::<u16>().ok()?.checked_sub(2)?;
            Some(format!("{host}:{port}"))
        };
        self.inner
            .vip_channel
            .then(vip)
            .flatten()
            .unwrap_or_else(|| address.to_owned())
    }

    /// Sends a request to `address` and waits for its answer, whatever its code.
    ///
    /// # Errors
    /// [`ClientError::Transport`].
    pub async fn call(
        &self,
        address: &str,
        request: RemotingCommand,
    ) -> Result<RemotingCommand, ClientError> {
        self.call_within(address, request, self.inner.timeout).await
    }

    /// [`call`](Self::call) with a time limit of its own.
    ///
    /// # Errors
    /// [`ClientError::Transport`].
    pub async fn call_within(
        &self,
        address: &str,
        request: RemotingCommand,
        timeout: Duration,
    ) -> Result<RemotingCommand, ClientError> {
        self.check(&request)?;
        let address = self.reached_at(address);
        let silent = self.inner.silent.as_ref();
        if let Some(reason) = silent.and_then(|silent| silent.reason(&address, Instant::now())) {
            return Err(reason.into());
        }
        let answer = self.inner.rpc.call(&address, request, timeout).await;
        if let (Some(silent), Err(error)) = (silent, &answer) {
            silent.note(&address, error, Instant::now());
        }
        Ok(answer?)
    }

    /// Sends a request to `address` and waits for a successful answer.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for any code but `SUCCESS`; [`ClientError::Transport`].
    pub async fn call_ok(
        &self,
        address: &str,
        request: RemotingCommand,
    ) -> Result<RemotingCommand, ClientError> {
        let answer = self.call(address, request).await?;
        accepted(address, answer)
    }

    /// Asks one name server, the next if it does not answer. The answer may have any code.
    ///
    /// # Errors
    /// [`ClientError::NoNameServer`] if none answered.
    pub async fn call_name_server(
        &self,
        request: RemotingCommand,
    ) -> Result<RemotingCommand, ClientError> {
        let (_, answer) = self.ask_name_server(request).await?;
        Ok(answer)
    }

    async fn ask_name_server(
        &self,
        request: RemotingCommand,
    ) -> Result<(&str, RemotingCommand), ClientError> {
        let Inner {
            name_servers,
            rpc,
            timeout,
            ..
        } = &*self.inner;
        self.check(&request)?;
        let mut attempts = Vec::new();
        for (index, address) in name_servers.in_order() {
            let reached_at = self.reached_at(address);
            match rpc.call(&reached_at, request.clone(), *timeout).await {
                Ok(answer) => {
                    name_servers.stay_with(index);
                    return Ok((address, answer));
                }
                Err(error) => attempts.push(error),
            }
        }
        Err(ClientError::NoNameServer { attempts })
    }

    /// Sends a request that has no answer, once what was sent to `address` before has left.
    ///
    /// # Errors
    /// [`ClientError::Transport`].
    pub async fn send_oneway(
        &self,
        address: &str,
        request: RemotingCommand,
    ) -> Result<(), ClientError> {
        self.check(&request)?;
        let address = &*self.reached_at(address);
        let connection = self.inner.rpc.connection(address).await?;
        let started = Instant::now();
        let mut turns = 0;
        // Nothing else holds back a sender that is faster than the network.
        while !connection.is_drained() && !connection.is_closed() {
            if started.elapsed() > self.inner.timeout {
                return Err(CallError::Busy {
                    address: address.to_owned(),
                }
                .into());
            }
            if turns < 64 {
                turns += 1;
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        connection.send_oneway(request);
        Ok(())
    }

    /// Where a topic is. Kept for [`ROUTE_LIFETIME`](crate::route::ROUTE_LIFETIME); used on while
    /// no name server answers.
    ///
    /// # Errors
    /// [`ClientError::NoRoute`] if the topic is nowhere; [`ClientError::NoNameServer`].
    pub async fn route(&self, topic: &str) -> Result<Arc<TopicRoute>, ClientError> {
        let routes = &self.inner.routes;
        if let Some(route) = routes.fresh(topic) {
            return Ok(route);
        }
        let _asking = routes.asking.lock().await;
        if let Some(route) = routes.fresh(topic) {
            return Ok(route);
        }
        match self.fetch_route(topic).await {
            Ok(route) => {
                let route = Arc::new(route);
                routes.put(route.clone());
                Ok(route)
            }
            Err(error @ ClientError::NoRoute { .. }) => {
                routes.remove(topic);
                Err(error)
            }
            Err(error) => routes.prolong(topic).ok_or(error),
        }
    }

    async fn fetch_route(&self, topic: &str) -> Result<TopicRoute, ClientError> {
        let header = RouteInfoRequestHeader {
            topic: topic.to_owned(),
            accept_standard_json_only: Some(true),
        };
        let request =
            RemotingCommand::request(RequestCode::GET_ROUTEINFO_BY_TOPIC).with_header(&header)?;
        let (address, answer) = self.ask_name_server(request).await?;
        if answer.response_code() == ResponseCode::TOPIC_NOT_EXIST {
            return Err(ClientError::NoRoute {
                topic: topic.to_owned(),
                reason: format!("{address} does not know the topic"),
            });
        }
        let answer = accepted(address, answer)?;
        let data: TopicRouteData = fastjson::from_slice(&answer.body)
            .map_err(|error| ClientError::protocol(address, error))?;
        Ok(TopicRoute::new(topic, data))
    }

    /// Asks for a topic's route again before it is next used: something went wrong by it.
    pub fn doubt_route(&self, topic: &str) {
        self.inner.routes.doubt(topic);
    }

    /// Closes all connections. The client can be used again.
    pub async fn close(&self) {
        self.inner.rpc.close().await;
    }
}

/// Requests that change nothing at any server or client. Registering as a member of a group is not among them: the other
/// members lose queues by it.
fn only_reads(code: RequestCode) -> bool {
    use RequestCode as Code;
    matches!(
        code,
        Code::PULL_MESSAGE
            | Code::LITE_PULL_MESSAGE
            | Code::QUERY_MESSAGE
            | Code::VIEW_MESSAGE_BY_ID
            | Code::QUERY_CONSUMER_OFFSET
            | Code::SEARCH_OFFSET_BY_TIMESTAMP
            | Code::GET_MAX_OFFSET
            | Code::GET_MIN_OFFSET
            | Code::GET_EARLIEST_MSG_STORETIME
            | Code::GET_ALL_TOPIC_CONFIG
            | Code::GET_TOPIC_CONFIG
            | Code::GET_TOPIC_STATS_INFO
            | Code::GET_ALL_TOPIC_LIST_FROM_NAMESERVER
            | Code::GET_TOPICS_BY_CLUSTER
            | Code::GET_SYSTEM_TOPIC_LIST_FROM_NS
            | Code::GET_SYSTEM_TOPIC_LIST_FROM_BROKER
            | Code::GET_UNIT_TOPIC_LIST
            | Code::GET_HAS_UNIT_SUB_TOPIC_LIST
            | Code::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST
            | Code::GET_ROUTEINFO_BY_TOPIC
            | Code::GET_BROKER_CLUSTER_INFO
            | Code::GET_BROKER_MEMBER_GROUP
            | Code::GET_BROKER_CONFIG
            | Code::GET_NAMESRV_CONFIG
            | Code::GET_BROKER_RUNTIME_INFO
            | Code::VIEW_BROKER_STATS_DATA
            | Code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG
            | Code::GET_SUBSCRIPTIONGROUP_CONFIG
            | Code::GET_CONSUMER_LIST_BY_GROUP
            | Code::GET_CONSUMER_CONNECTION_LIST
            | Code::GET_PRODUCER_CONNECTION_LIST
            | Code::GET_ALL_PRODUCER_INFO
            | Code::GET_CONSUMER_RUNNING_INFO
            | Code::INVOKE_BROKER_TO_GET_CONSUMER_STATUS
            | Code::GET_CONSUME_STATS
            | Code::GET_BROKER_CONSUME_STATS
            | Code::QUERY_CONSUME_TIME_SPAN
            | Code::QUERY_CORRECTION_OFFSET
            | Code::QUERY_TOPIC_CONSUME_BY_WHO
            | Code::QUERY_TOPICS_BY_CONSUMER
            | Code::QUERY_SUBSCRIPTION_BY_CONSUMER
            | Code::QUERY_CONSUME_QUEUE
            | Code::GET_ALL_CONSUMER_OFFSET
            | Code::GET_ALL_DELAY_OFFSET
            | Code::GET_KV_CONFIG
            | Code::GET_KVLIST_BY_NAMESPACE
            | Code::CHECK_CLIENT_CONFIG
            | Code::GET_BROKER_HA_STATUS
            | Code::GET_BROKER_EPOCH_CACHE
            | Code::GET_BROKER_CLUSTER_ACL_INFO
            | Code::GET_BROKER_CLUSTER_ACL_CONFIG
    )
}

/// Turns an answer with another code than `SUCCESS` into an error.
pub(crate) fn accepted(
    address: &str,
    answer: RemotingCommand,
) -> Result<RemotingCommand, ClientError> {
    if answer.response_code() == ResponseCode::SUCCESS {
        return Ok(answer);
    }
    Err(refused(address, answer))
}

/// What an answer says that is a refusal.
pub(crate) fn refused(address: &str, answer: RemotingCommand) -> ClientError {
    ClientError::Refused {
        address: address.to_owned(),
        code: answer.response_code(),
        remark: answer.remark.unwrap_or_default(),
    }
}

/// The header fields of an answer as a struct.
pub(crate) fn header_of<'a, T: Deserialize<'a>>(
    address: &str,
    answer: &'a RemotingCommand,
) -> Result<T, ClientError> {
    answer
        .header()
        .map_err(|error| ClientError::protocol(address, error))
}

/// Our address on the way to the first name server, as brokers would see it.
fn local_address(name_servers: &NameServers) -> IpAddr {
    // Connecting a datagram socket sends nothing: it only makes the system choose the address.
    let towards = |target: SocketAddr| -> Option<IpAddr> {
        let any: SocketAddr = if target.is_ipv6() {
            "[::]:0".parse().ok()?
        } else {
            "0.0.0.0:0".parse().ok()?
        };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    name_servers
        .all()
        .iter()
        .filter_map(|address| address.parse().ok())
        .find_map(towards)
        .or_else(|| towards(SocketAddr::from(([192, 0, 2, 1], 9))))
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// As Apache's clients since 4.9: process id and nanoseconds.
fn unique_instance_name() -> String {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    format!("{}#{nanos}", std::process::id())
}
