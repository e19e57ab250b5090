//! A small server and its callers over real sockets.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::connection::{Answer, CallError, Connection, Limits};
use super::listener::{Listening, bind};
use super::router::{Lane, Pool, Refusal, Reply, Request, Router, Routes, Server};
use super::rpc::{NoService, RpcClient};
use super::workers::Workers;
use crate::protocol::codes::{RequestCode, ResponseCode};
use crate::protocol::command::RemotingCommand;

const ECHO: RequestCode = RequestCode(9001);
const BLOCKING_ECHO: RequestCode = RequestCode(9002);
const REFUSED: RequestCode = RequestCode(9003);
const SILENT: RequestCode = RequestCode(9004);
const TIMEOUT: Duration = Duration::from_secs(20);

struct Echo {
    closed: mpsc::Sender<u64>,
}

impl Server for Echo {
    fn end_of_batch(&self) {}

    fn connection_closed(&self, connection: &Arc<Connection>) {
        let _ = self.closed.send(connection.id);
    }
}

fn echo(_: &Echo, request: &Request<'_>) -> Result<Reply, Refusal> {
    Ok(Answer::ok().body(request.body().to_vec()).into())
}

fn blocking_echo(server: &Echo, request: &Request<'_>) -> Result<Reply, Refusal> {
    if request.may_block() {
        echo(server, request)
    } else {
        Ok(Reply::MoveTo(Lane::Read))
    }
}

async fn start(limits: Limits) -> (Listening, mpsc::Receiver<u64>) {
    let (closed, ended) = mpsc::channel();
    let routes = Routes::default()
        .on(ECHO, Lane::Direct, echo)
        .on(BLOCKING_ECHO, Lane::Direct, blocking_echo)
        .on(REFUSED, Lane::Admin, |_, _| {
            Err(Refusal::new(ResponseCode(17), "no such thing"))
        })
        .on(SILENT, Lane::Direct, |_, _| Ok(Reply::None));
    let pool = |name| Pool {
        workers: Arc::new(Workers::start(name, 1, 100).unwrap()),
        max_wait: TIMEOUT,
    };
    let router = Router::new(
        Arc::new(Echo { closed }),
        routes,
        pool("read"),
        pool("admin"),
    );
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    (
        Listening::start(listener, Arc::new(router), limits).unwrap(),
        ended,
    )
}

fn client() -> RpcClient<NoService> {
    RpcClient::new(Arc::new(NoService), Limits::default())
}

fn request(code: RequestCode, body: &str) -> RemotingCommand {
    RemotingCommand::request(code).with_body(body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_every_lane_are_answered() {
    let (server, _ended) = start(Limits::default()).await;
    let (client, address) = (client(), server.address.to_string());
    for (code, expected) in [
        (ECHO, (0, None)),
        (BLOCKING_ECHO, (0, None)),
        (REFUSED, (17, Some("no such thing"))),
        (
            RequestCode(4711),
            (3, Some(" request type 4711 not supported")),
        ),
    ] {
        let answer = client
            .call(&address, request(code, "hello"), TIMEOUT)
            .await
            .unwrap();
        assert_eq!((answer.code, answer.remark.as_deref()), expected);
        assert_eq!(answer.body, if expected.0 == 0 { "hello" } else { "" });
    }
    server.shutdown(TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_share_one_connection() {
    let (server, _ended) = start(Limits::default()).await;
    let connection = client()
        .connection(&server.address.to_string())
        .await
        .unwrap();
    let large = "x".repeat(300_000);
    let calls: Vec<_> = (0..200)
        .map(|n| {
            let connection = connection.clone();
            let code = if n % 2 == 0 { ECHO } else { BLOCKING_ECHO };
            let body = if n % 10 == 0 {
                format!("{n}{large}")
            } else {
                n.to_string()
            };
            tokio::spawn(async move {
                let answer = connection
                    .call(request(code, &body), TIMEOUT)
                    .await
                    .unwrap();
                assert_eq!(answer.body, body);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(server.connection_count(), 1);
    server.shutdown(TIMEOUT).await;
    assert!(matches!(
        connection.call(request(ECHO, ""), TIMEOUT).await,
        Err(CallError::Closed { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_answer_times_out_and_the_connection_lives() {
    let (server, _ended) = start(Limits::default()).await;
    let connection = client()
        .connection(&server.address.to_string())
        .await
        .unwrap();
    let silent = connection
        .call(request(SILENT, ""), Duration::from_millis(1))
        .await;
    assert!(
        matches!(silent, Err(CallError::Timeout { .. })),
        "{silent:?}"
    );
    assert_eq!(
        connection
            .call(request(ECHO, "x"), TIMEOUT)
            .await
            .unwrap()
            .body,
        "x"
    );
    server.shutdown(TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_may_arrive_byte_by_byte() {
    let (server, _ended) = start(Limits::default()).await;
    let mut frame = Vec::new();
    request(ECHO, "slow").encode_into(&mut frame);
    let address = server.address;
    let answer = tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        for byte in frame {
            socket.write_all(&[byte]).unwrap();
        }
        let mut prefix = [0; 4];
        socket.read_exact(&mut prefix).unwrap();
        let mut rest = vec![0; u32::from_be_bytes(prefix) as usize];
        socket.read_exact(&mut rest).unwrap();
        rest
    })
    .await
    .unwrap();
    assert!(answer.ends_with(b"slow"));
    server.shutdown(TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_protocol_is_closed_and_reported() {
    let (server, ended) = start(Limits::default()).await;
    let address = server.address;
    let ended = tokio::task::spawn_blocking(move || {
        for input in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &[0x16, 3, 1, 2, 0],
            &[0x7f, 0xff, 0xff, 0xff],
            &[0, 0, 0, 6, 0, 0, 0, 2, b'{', b'}'],
            &[0, 0, 0, 4, 0, 0, 1, 0],
        ] {
            let mut socket = std::net::TcpStream::connect(address).unwrap();
            socket.write_all(input).unwrap();
            // Closed, either way: end of file, or reset because bytes were left unread.
            assert!(
                matches!(socket.read(&mut [0; 64]), Ok(0) | Err(_)),
                "{input:?}"
            );
            ended.recv_timeout(TIMEOUT).unwrap();
        }
        ended
    })
    .await
    .unwrap();
    server.shutdown(TIMEOUT).await;
    assert!(ended.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_and_half_sent_connections_are_closed() {
    let limits = Limits {
        idle: Duration::from_millis(50),
        partial_frame: Duration::from_millis(10),
        ..Limits::default()
    };
    let (server, ended) = start(limits).await;
    let address = server.address;
    tokio::task::spawn_blocking(move || {
        let _idle = std::net::TcpStream::connect(address).unwrap();
        let mut half = std::net::TcpStream::connect(address).unwrap();
        half.write_all(&[0, 0, 1]).unwrap();
        ended.recv_timeout(TIMEOUT).unwrap();
        ended.recv_timeout(TIMEOUT).unwrap();
    })
    .await
    .unwrap();
    server.shutdown(TIMEOUT).await;
}
