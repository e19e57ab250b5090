//! A name server behind a real socket.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use remoting::protocol::body::kv::KvTable;
use remoting::protocol::body::register::RegisterBrokerBody;
use remoting::protocol::body::topic::{DataVersion, TopicConfig, TopicList, TopicRouteData};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::namesrv::*;
use remoting::transport::connection::Limits;
use remoting::transport::rpc::{NoService, RpcClient};
use serde::Serialize;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(20);

async fn start(folder: &Path) -> Namesrv {
    let config = NamesrvConfig {
        listen_port: 0,
        bind_address: [127, 0, 0, 1].into(),
        kv_config_path: folder.join("kvConfig.json"),
        config_store_path: folder.join("namesrv.properties"),
        ..NamesrvConfig::default()
    };
    Namesrv::start(config).await.unwrap()
}

/// One connection to a name server.
struct Peer {
    client: RpcClient<NoService>,
    address: String,
}

impl Peer {
    fn of(namesrv: &Namesrv) -> Self {
        Self {
            client: RpcClient::new(Arc::new(NoService), Limits::default()),
            address: namesrv.address().to_string(),
        }
    }

    async fn send(&self, request: RemotingCommand) -> RemotingCommand {
        self.client
            .call(&self.address, request, TIMEOUT)
            .await
            .unwrap()
    }

    async fn ask(&self, code: RequestCode, header: &impl Serialize) -> RemotingCommand {
        let request = RemotingCommand::request(code).with_header(header).unwrap();
        self.send(request).await
    }

    async fn route(&self, topic: &str) -> RemotingCommand {
        let header = RouteInfoRequestHeader {
            topic: topic.to_owned(),
            ..Default::default()
        };
        self.ask(RequestCode::GET_ROUTEINFO_BY_TOPIC, &header).await
    }

    async fn put_kv(&self, namespace: &str, key: &str, value: &str) {
        let header = PutKvConfigRequestHeader {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let answer = self.ask(RequestCode::PUT_KV_CONFIG, &header).await;
        assert_eq!((answer.code, answer.remark), (0, None));
    }

    async fn register(
        &self,
        header: RegisterBrokerRequestHeader,
        body: Vec<u8>,
    ) -> RemotingCommand {
        let request = RemotingCommand::request(RequestCode::REGISTER_BROKER)
            .with_header(&header)
            .unwrap()
            .with_body(body);
        self.send(request).await
    }
}

fn master() -> RegisterBrokerRequestHeader {
    RegisterBrokerRequestHeader {
        broker_name: "broker-a".to_owned(),
        broker_addr: "10.0.0.1:10911".to_owned(),
        cluster_name: "DefaultCluster".to_owned(),
        ha_server_addr: "10.0.0.1:10912".to_owned(),
        ..Default::default()
    }
}

fn identity() -> BrokerIdentityRequestHeader {
    BrokerIdentityRequestHeader {
        broker_name: "broker-a".to_owned(),
        broker_addr: "10.0.0.1:10911".to_owned(),
        cluster_name: "DefaultCluster".to_owned(),
        broker_id: 0,
    }
}

fn body(topics: &[String]) -> Vec<u8> {
    let mut body = RegisterBrokerBody::default();
    let wrapper = &mut body.topic_config_serialize_wrapper;
    wrapper.data_version.counter = i64::try_from(topics.len()).unwrap();
    for topic in topics {
        let config = TopicConfig {
            topic_name: topic.clone(),
            ..TopicConfig::default()
        };
        wrapper.topic_config_table.insert(topic.clone(), config);
    }
    fastjson::to_vec(&body).unwrap()
}

fn expect_ok(answer: &RemotingCommand) {
    assert_eq!((answer.code, answer.remark.as_deref()), (0, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_registers_clients_find_it_and_it_goes_with_its_connection() {
    let folder = tempfile::tempdir().unwrap();
    let namesrv = start(folder.path()).await;
    let (broker, client) = (Peer::of(&namesrv), Peer::of(&namesrv));

    let body = body(&["T".to_owned()]);
    let wrong = RegisterBrokerRequestHeader {
        body_crc32: 1,
        ..master()
    };
    let refused = broker.register(wrong, body.clone()).await;
    assert_eq!(
        (refused.code, refused.remark.as_deref()),
        (1, Some("crc32 not match"))
    );
    let with_crc = RegisterBrokerRequestHeader {
        body_crc32: (crc32fast::hash(&body) & 0x7fff_ffff).cast_signed(),
        ..master()
    };
    expect_ok(&broker.register(with_crc, body).await);

    let answer = client.route("T").await;
    expect_ok(&answer);
    let route: TopicRouteData = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(route.broker_datas[0].broker_addrs[&0], "10.0.0.1:10911");
    assert_eq!(route.queue_datas[0].write_queue_nums, 16);

    let slave = RegisterBrokerRequestHeader {
        broker_addr: "10.0.0.2:10911".to_owned(),
        broker_id: 1,
        ..master()
    };
    let slaves = Peer::of(&namesrv);
    let learned = slaves.register(slave, Vec::new()).await;
    let learned: RegisterBrokerResponseHeader = learned.header().unwrap();
    assert_eq!(learned.master_addr.as_deref(), Some("10.0.0.1:10911"));
    assert_eq!(learned.ha_server_addr.as_deref(), Some("10.0.0.1:10912"));

    slaves.client.close().await;
    broker.client.close().await;
    let gone = async {
        loop {
            let answer = client.route("T").await;
            if answer.code != 0 {
                return answer;
            }
        }
    };
    let gone = tokio::time::timeout(TIMEOUT, gone).await.unwrap();
    assert_eq!(gone.response_code(), ResponseCode::TOPIC_NOT_EXIST);
    assert_eq!(
        gone.remark.as_deref(),
        Some(
            "No topic route info in name server for the topic: T\nSee http://rocketmq.apache.org/docs/faq/ for further details."
        )
    );
    namesrv.shutdown(TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_routes_are_quoted_for_those_who_want_it() {
    let folder = tempfile::tempdir().unwrap();
    let namesrv = start(folder.path()).await;
    let peer = Peer::of(&namesrv);
    expect_ok(&peer.register(master(), body(&["T".to_owned()])).await);
    for (version, accept, key) in [
        (275, None, "{0:"),
        (400, Some(false), "{0:"),
        (400, Some(true), "{\"0\":"),
        (401, None, "{\"0\":"),
    ] {
        let header = RouteInfoRequestHeader {
            topic: "T".to_owned(),
            accept_standard_json_only: accept,
        };
        let request = RemotingCommand::request(RequestCode::GET_ROUTEINFO_BY_TOPIC);
        let mut request = request.with_header(&header).unwrap();
        request.version = version;
        let answer = peer.send(request).await;
        let json = str::from_utf8(&answer.body).unwrap();
        assert!(json.contains(key), "{version} {accept:?}: {json}");
    }
    namesrv.shutdown(TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_and_compressed_registrations() {
    let folder = tempfile::tempdir().unwrap();
    let namesrv = start(folder.path()).await;
    let peer = Peer::of(&namesrv);
    let topics: Vec<String> = (0..2000).map(|n| format!("topic-{n:04}")).collect();
    let large = body(&topics);
    assert!(large.len() > 64 * 1024);
    expect_ok(&peer.register(master(), large).await);

    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    for part in [
        r#"{"counter":5,"timestamp":0}"#,
        "",
        "Compressed 8 8 6 SINGLE_TAG",
        "[]",
    ] {
        let length = if part.is_empty() { 1 } else { part.len() };
        zlib.write_all(&i32::try_from(length).unwrap().to_be_bytes())
            .unwrap();
        zlib.write_all(part.as_bytes()).unwrap();
    }
    let compressed = RegisterBrokerRequestHeader {
        compressed: true,
        ..master()
    };
    expect_ok(&peer.register(compressed, zlib.finish().unwrap()).await);
    let damaged = peer
        .register(master(), b"{\"filterServerList\":".to_vec())
        .await;
    assert_eq!(damaged.code, 1);

    let list = peer
        .send(RemotingCommand::request(
            RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER,
        ))
        .await;
    let list: TopicList = fastjson::from_slice(&list.body).unwrap();
    assert_eq!(
        (list.topic_list.len(), &*list.topic_list[0]),
        (2001, "Compressed")
    );

    for (counter, changed) in [(5, false), (6, true)] {
        let version = DataVersion {
            counter,
            ..DataVersion::default()
        };
        let request = RemotingCommand::request(RequestCode::QUERY_DATA_VERSION)
            .with_header(&identity())
            .unwrap()
            .with_body(fastjson::to_vec(&version).unwrap());
        let answer = peer.send(request).await;
        assert_eq!(
            answer
                .header::<DataVersionResponseHeader>()
                .unwrap()
                .changed,
            changed
        );
        assert_eq!(answer.body, r#"{"counter":5,"timestamp":0}"#);
    }
    let name = BrokerNameRequestHeader {
        broker_name: "broker-a".to_owned(),
    };
    let wiped = peer
        .ask(RequestCode::WIPE_WRITE_PERM_OF_BROKER, &name)
        .await;
    assert_eq!(
        wiped
            .header::<WipeWritePermResponseHeader>()
            .unwrap()
            .wipe_topic_count,
        2001
    );
    expect_ok(&peer.ask(RequestCode::UNREGISTER_BROKER, &identity()).await);
    assert_eq!(
        peer.route("Compressed").await.response_code(),
        ResponseCode::TOPIC_NOT_EXIST
    );
    namesrv.shutdown(TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kv_configuration_survives_a_restart_and_orders_topics() {
    let folder = tempfile::tempdir().unwrap();
    let namesrv = start(folder.path()).await;
    let peer = Peer::of(&namesrv);
    peer.put_kv("ORDER_TOPIC_CONFIG", "T", "broker-a:4").await;
    peer.put_kv("N", "k", "v").await;
    namesrv.shutdown(TIMEOUT).await;

    let namesrv = start(folder.path()).await;
    let peer = Peer::of(&namesrv);
    let registered = peer.register(master(), body(&["T".to_owned()])).await;
    let orders: KvTable = fastjson::from_slice(&registered.body).unwrap();
    assert_eq!(orders.table["T"], "broker-a:4");

    let key = |key: &str| KvKeyRequestHeader {
        namespace: "N".to_owned(),
        key: key.to_owned(),
    };
    let value = peer.ask(RequestCode::GET_KV_CONFIG, &key("k")).await;
    let value: KvValueResponseHeader = value.header().unwrap();
    assert_eq!(value.value.as_deref(), Some("v"));
    expect_ok(&peer.ask(RequestCode::DELETE_KV_CONFIG, &key("k")).await);
    let missing = peer.ask(RequestCode::GET_KV_CONFIG, &key("k")).await;
    assert_eq!(
        (missing.code, missing.remark.as_deref()),
        (22, Some("No config item, Namespace: N Key: k"))
    );

    let order_of = async || {
        let route: TopicRouteData = fastjson::from_slice(&peer.route("T").await.body).unwrap();
        route.order_topic_conf
    };
    let update = async |text: &str| {
        let request = RemotingCommand::request(RequestCode::UPDATE_NAMESRV_CONFIG);
        peer.send(request.with_body(text.to_owned())).await
    };
    assert_eq!(order_of().await, None);
    expect_ok(&update("orderMessageEnable=true").await);
    assert_eq!(order_of().await.as_deref(), Some("broker-a:4"));
    let refused = update("kvConfigPath=/tmp/x").await;
    assert_eq!(
        (refused.code, refused.remark.as_deref()),
        (16, Some("Can not update config in black list."))
    );
    let shown = peer
        .send(RemotingCommand::request(RequestCode::GET_NAMESRV_CONFIG))
        .await;
    let shown = str::from_utf8(&shown.body).unwrap();
    assert!(shown.contains("orderMessageEnable=true\n"), "{shown}");
    namesrv.shutdown(TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starting_fails_for_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let namesrv = start(folder.path()).await;
    let config = NamesrvConfig {
        listen_port: namesrv.address().port(),
        bind_address: [127, 0, 0, 1].into(),
        kv_config_path: folder.path().join("kvConfig.json"),
        ..NamesrvConfig::default()
    };
    let again = Namesrv::start(config.clone()).await;
    assert!(
        matches!(again, Err(StartError::AddressInUse { address }) if address == namesrv.address())
    );
    namesrv.shutdown(TIMEOUT).await;

    std::fs::write(&config.kv_config_path, "nonsense").unwrap();
    let damaged = NamesrvConfig {
        listen_port: 0,
        ..config
    };
    let damaged = Namesrv::start(damaged).await;
    assert!(matches!(damaged, Err(StartError::KvConfig(_))));
}
