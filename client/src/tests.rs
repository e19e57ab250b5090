//! Producer and consumer against small servers over real sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remoting::protocol::body::client::{ConsumerIdList, HeartbeatData};
use remoting::protocol::body::queue_map::MessageQueue;
use remoting::protocol::body::topic::{BrokerData, QueueData, TopicRouteData};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::CommandView;
use remoting::protocol::fastjson;
use remoting::protocol::headers::namesrv::RouteInfoRequestHeader;
use remoting::protocol::headers::offset::{
    OffsetResponseHeader, QueueRequestHeader, UpdateConsumerOffsetRequestHeader,
};
use remoting::protocol::headers::pull::{PullMessageRequestHeader, PullMessageResponseHeader};
use remoting::protocol::headers::send::SendMessageResponseHeader;
use remoting::protocol::message::record::{RecordFields, patch};
use remoting::transport::answer::{Answer, ReplyHandle};
use remoting::transport::connection::{Connection, Limits, Service};
use remoting::transport::listener::{Listening, bind};
use tokio::net::TcpListener;

use crate::consumer::{ConsumeFrom, Consumer, ConsumerOptions, MessageModel};
use crate::message::Message;
use crate::producer::{Producer, SendStatus};
use crate::pull::{PullStatus, Puller};
use crate::{Client, ClientError, ClientOptions, Expression};

/// A name server and a broker with one queue.
struct Fake {
    routes: BTreeMap<String, TopicRouteData>,
    /// What sends are answered.
    send_code: ResponseCode,
    /// The queue: whole records.
    records: Vec<Vec<u8>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    codes: Vec<i32>,
    client_id: String,
    committed: Option<i64>,
}

impl Fake {
    fn answer(&self, request: &CommandView<'_>) -> Option<Answer> {
        let mut seen = self.seen.lock().unwrap();
        seen.codes.push(request.code);
        let answer = match request.request_code() {
            RequestCode::GET_ROUTEINFO_BY_TOPIC => {
                let header: RouteInfoRequestHeader = request.header().unwrap();
                match self.routes.get(&header.topic) {
                    Some(route) => Answer::ok().body(fastjson::to_vec(route).unwrap()),
                    None => Answer::with_code(ResponseCode::TOPIC_NOT_EXIST, "no such topic"),
                }
            }
            RequestCode::SEND_MESSAGE_V2 | RequestCode::SEND_BATCH_MESSAGE => {
                let header = SendMessageResponseHeader {
                    msg_id: "ID".to_owned(),
                    queue_id: 0,
                    queue_offset: 5,
                    ..SendMessageResponseHeader::default()
                };
                Answer::with_code(self.send_code, "remark")
                    .header(&header)
                    .unwrap()
            }
            RequestCode::HEART_BEAT => {
                let data: HeartbeatData = fastjson::from_slice(request.body).unwrap();
                seen.client_id = data.client_id;
                Answer::ok()
            }
            RequestCode::GET_CONSUMER_LIST_BY_GROUP => {
                let list = ConsumerIdList {
                    consumer_id_list: vec![seen.client_id.clone()],
                };
                Answer::ok().body(fastjson::to_vec(&list).unwrap())
            }
            RequestCode::QUERY_CONSUMER_OFFSET => {
                Answer::with_code(ResponseCode::QUERY_NOT_FOUND, "not found")
            }
            RequestCode::UPDATE_CONSUMER_OFFSET => {
                let header: UpdateConsumerOffsetRequestHeader<'_> = request.header().unwrap();
                seen.committed = Some(header.commit_offset);
                Answer::ok()
            }
            RequestCode::GET_MAX_OFFSET => {
                let _: QueueRequestHeader = request.header().unwrap();
                let offset = i64::try_from(self.records.len()).unwrap();
                Answer::ok()
                    .header(&OffsetResponseHeader { offset })
                    .unwrap()
            }
            RequestCode::PULL_MESSAGE => return self.pull(request),
            _ => Answer::ok(),
        };
        Some(answer)
    }

    /// One message at a time; at the end, silence for those who wait.
    fn pull(&self, request: &CommandView<'_>) -> Option<Answer> {
        let header: PullMessageRequestHeader<'_> = request.header().unwrap();
        let record = self
            .records
            .get(usize::try_from(header.queue_offset).unwrap());
        if record.is_none() && header.sys_flag & 2 != 0 {
            return None;
        }
        let code = match record {
            Some(_) => ResponseCode::SUCCESS,
            None => ResponseCode::PULL_NOT_FOUND,
        };
        let end = i64::try_from(self.records.len()).unwrap();
        let answer = Answer {
            code,
            ..Answer::default()
        };
        let answer = answer.header(&PullMessageResponseHeader {
            next_begin_offset: (header.queue_offset + 1).min(end),
            max_offset: end,
            ..PullMessageResponseHeader::default()
        });
        Some(answer.unwrap().body(record.cloned().unwrap_or_default()))
    }
}

impl Service for Fake {
    fn request(&self, connection: &Arc<Connection>, request: &CommandView<'_>, _: &[u8]) {
        if let Some(answer) = self.answer(request) {
            ReplyHandle::new(connection, request).push(&answer);
        }
    }

    fn closed(&self, _: &Arc<Connection>) {}
}

fn listen() -> (TcpListener, String) {
    let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn start(
    listener: TcpListener,
    routes: BTreeMap<String, TopicRouteData>,
    send_code: ResponseCode,
    records: Vec<Vec<u8>>,
) -> (Arc<Fake>, Listening) {
    let fake = Arc::new(Fake {
        routes,
        send_code,
        records,
        seen: Mutex::default(),
    });
    let listening = Listening::start(listener, fake.clone(), Limits::default()).unwrap();
    (fake, listening)
}

fn route(brokers: &[(&str, &str)]) -> TopicRouteData {
    TopicRouteData {
        broker_datas: brokers
            .iter()
            .map(|(name, address)| BrokerData {
                broker_addrs: BTreeMap::from([(0, (*address).to_owned())]),
                broker_name: (*name).to_owned(),
                cluster: "c".to_owned(),
            })
            .collect(),
        queue_datas: brokers
            .iter()
            .map(|(name, _)| QueueData {
                broker_name: (*name).to_owned(),
                perm: 6,
                read_queue_nums: 1,
                write_queue_nums: 1,
                ..QueueData::default()
            })
            .collect(),
        ..TopicRouteData::default()
    }
}

fn client(name_servers: &[&str]) -> Client {
    Client::new(ClientOptions {
        name_servers: name_servers.iter().map(ToString::to_string).collect(),
        timeout: Duration::from_secs(20),
        ..ClientOptions::default()
    })
    .unwrap()
}

/// An address where nobody listens.
fn dead_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

fn sends(fake: &Fake) -> usize {
    let seen = fake.seen.lock().unwrap();
    seen.codes
        .iter()
        .filter(|code| [310, 320].contains(*code))
        .count()
}

fn record(offset: i64, tags: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (body, properties) = (format!("body {offset}"), format!("TAGS\u{1}{tags}\u{2}"));
    let host = ([127, 0, 0, 1], 1).into();
    RecordFields::plain("T", body.as_bytes(), properties.as_bytes(), host)
        .encode_into(&mut bytes)
        .unwrap();
    patch(&mut bytes, offset, offset * 100, 1);
    bytes
}

#[tokio::test]
async fn a_send_goes_to_another_broker_when_that_may_help() {
    // What broker "bad" answers, and whether the send succeeds in the end.
    for (code, succeeds) in [
        (ResponseCode::SYSTEM_BUSY, true),
        (ResponseCode::TOPIC_NOT_EXIST, true),
        (ResponseCode::MESSAGE_ILLEGAL, false),
    ] {
        let ((bad_socket, bad_address), (good_socket, good_address)) = (listen(), listen());
        let (servers_socket, servers_address) = listen();
        let brokers = route(&[("bad", &bad_address), ("good", &good_address)]);
        // The topic is created after the default topic's route.
        let routes = BTreeMap::from([("TBW102".to_owned(), brokers)]);
        let (bad, _bad) = start(bad_socket, BTreeMap::new(), code, Vec::new());
        let ok = ResponseCode::FLUSH_DISK_TIMEOUT;
        let (good, _good) = start(good_socket, BTreeMap::new(), ok, Vec::new());
        let _servers = start(servers_socket, routes, ok, Vec::new());

        let client = client(&[&dead_address(), &servers_address]);
        let producer = Producer::new(client.clone(), "p").unwrap();
        // Two sends in turn begin at both brokers.
        for _ in 0..2 {
            match producer.send(&Message::new("T", "x")).await {
                Ok(result) => {
                    assert_eq!(result.status, SendStatus::FlushDiskTimeout);
                    assert_eq!(result.queue.broker_name, "good");
                    assert_eq!(result.queue_offset, 5);
                    assert_eq!(result.offset_message_id, "ID");
                    assert_eq!(result.message_id.len(), 32);
                }
                Err(error) => {
                    assert!(!succeeds, "{error}");
                    assert_eq!(error.code(), Some(code));
                }
            }
        }
        // Trying again takes a turn too, so that both sends may have begun at "bad".
        assert!(sends(&bad) > 0, "{code}");
        assert_eq!(sends(&good), if succeeds { 2 } else { 1 }, "{code}");
        let batch = [Message::new("T", "x"), Message::new("T", "y")];
        if succeeds {
            let result = producer.send_batch(&batch).await.unwrap();
            assert_eq!(result.message_id.len(), 65, "{}", result.message_id);
        }
        let queue = MessageQueue {
            broker_name: "good".to_owned(),
            queue_id: 0,
            topic: "T".to_owned(),
        };
        assert!(producer.send_to(&batch[0], &queue).await.is_ok());
        producer.close().await;
        let error = client.route("other").await.unwrap_err();
        assert!(matches!(error, ClientError::NoRoute { .. }), "{error}");
        client.close().await;
    }
}

#[tokio::test]
async fn unreachable_name_servers_are_named() {
    let (one, two) = (dead_address(), dead_address());
    let error = client(&[&one, &two]).route("T").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&one) && text.contains(&two), "{text}");
    let error = client(&[]).route("T").await.unwrap_err();
    assert_eq!(error.to_string(), "no name server address is set");
}

#[tokio::test]
async fn a_queue_is_pulled_followed_and_consumed() {
    let (socket, address) = listen();
    let routes = BTreeMap::from([("T".to_owned(), route(&[("b", &address)]))]);
    let records = vec![record(0, "A"), record(1, "B"), record(2, "A")];
    let (fake, _listening) = start(socket, routes, ResponseCode::SUCCESS, records);
    let client = client(&[&address]);
    let tag_a = Expression::tags("A").unwrap();

    let puller = Puller::new(client.clone());
    let queue = puller.queues("T").await.unwrap().remove(0);
    assert_eq!(puller.max_offset(&queue).await.unwrap(), 3);
    let result = puller.pull(&queue, 1, 32, &tag_a).await.unwrap();
    assert_eq!((result.messages.len(), result.next_begin_offset), (0, 2));
    let result = puller.pull(&queue, 3, 32, &tag_a).await.unwrap();
    assert_eq!(result.status, PullStatus::NoNewMessage);
    let mut follower = puller.follow(vec![(queue, 1)], &tag_a);
    let message = follower.next().await.unwrap().unwrap();
    assert_eq!(
        (message.queue_offset, &message.body[..]),
        (2, &b"body 2"[..])
    );

    let options = ConsumerOptions {
        group: "g".to_owned(),
        topic: "T".to_owned(),
        expression: tag_a,
        from: ConsumeFrom::First,
        model: MessageModel::Clustering,
    };
    let mut consumer = Consumer::start(client.clone(), options.clone())
        .await
        .unwrap();
    assert!(
        Consumer::start(client.clone(), options.clone())
            .await
            .is_err()
    );
    for offset in [0, 2] {
        let message = consumer.next().await.unwrap();
        assert_eq!(message.queue_offset, offset);
        if offset == 0 {
            consumer.ack(&message);
        }
    }
    assert_eq!(consumer.queues().len(), 1);
    consumer.close().await;
    {
        let seen = fake.seen.lock().unwrap();
        // The second message was not acknowledged; the one between was not wanted.
        assert_eq!(seen.committed, Some(2));
        assert_eq!(seen.client_id, client.id());
        assert!(seen.codes.contains(&RequestCode::UNREGISTER_CLIENT.0));
    }
    // The group can be joined again.
    let consumer = Consumer::start(client.clone(), options).await.unwrap();
    consumer.close().await;
}
