//! A small server and its callers over real sockets.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tokio::io::{Interest, Ready};

use super::answer::Answer;
use super::connection::{CallError, Connection, Limits, Service};
use super::listener::{Listening, bind};
use super::router::{Lane, Pool, Refusal, Reply, Request, Router, Routes, Server};
use super::rpc::{NoService, RpcClient};
use super::tls::{ClientAuth, Stream, TlsError, TlsMode, TlsServer, TlsSettings};
use super::workers::{Priority, Workers};
use crate::protocol::codes::{RequestCode, ResponseCode};
use crate::protocol::command::{CommandView, FLAG_RESPONSE, RemotingCommand};
use crate::protocol::frame::next_frame;
use crate::protocol::properties::Value;

const ECHO: RequestCode = RequestCode(9001);
const BLOCKING_ECHO: RequestCode = RequestCode(9002);
const REFUSED: RequestCode = RequestCode(9003);
const SILENT: RequestCode = RequestCode(9004);
const LARGE: RequestCode = RequestCode(9005);
const COUNT: RequestCode = RequestCode(9006);
const TIMEOUT: Duration = Duration::from_secs(20);

const LARGE_BYTES: usize = 256 * 1024;
/// More output than may wait.
const FLOOD_BYTES: usize = 5 * 1024 * 1024;

struct Echo {
    closed: mpsc::Sender<u64>,
    /// Large answers given.
    large: AtomicUsize,
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

fn large(server: &Echo, _: &Request<'_>) -> Result<Reply, Refusal> {
    server.large.fetch_add(1, Ordering::Relaxed);
    Ok(Answer::ok().body(vec![0; LARGE_BYTES]).into())
}

fn count(server: &Echo, _: &Request<'_>) -> Result<Reply, Refusal> {
    let count = server.large.load(Ordering::Relaxed).to_string();
    Ok(Answer::ok().body(count).into())
}

async fn start(limits: Limits) -> (Listening, mpsc::Receiver<u64>) {
    start_with_tls(limits, TlsServer::default()).await
}

async fn start_with_tls(limits: Limits, tls: TlsServer) -> (Listening, mpsc::Receiver<u64>) {
    let (closed, ended) = mpsc::channel();
    let routes = Routes::default()
        .on(ECHO, Lane::Direct, echo)
        .on(BLOCKING_ECHO, Lane::Direct, blocking_echo)
        .on(REFUSED, Lane::Admin, |_, _| {
            Err(Refusal::new(ResponseCode(17), "no such thing"))
        })
        .on(SILENT, Lane::Direct, |_, _| Ok(Reply::None))
        .on(LARGE, Lane::Direct, large)
        .on(COUNT, Lane::Direct, count);
    let pool = |name| Pool {
        workers: Arc::new(Workers::start(name, 1, 100, Priority::Normal).unwrap()),
        max_wait: TIMEOUT,
    };
    let router = Router::new(
        Arc::new(Echo {
            closed,
            large: AtomicUsize::new(0),
        }),
        routes,
        pool("read"),
        pool("admin"),
    );
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    (
        Listening::start_with_tls(listener, Arc::new(router), limits, tls).unwrap(),
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

/// Some hundred requests come with one read; their answers would take a hundred megabytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_wait_while_the_peer_does_not_read_its_answers() {
    const REQUESTS: usize = 400;
    let (server, _ended) = start(Limits::default()).await;
    let address = server.address;
    let socket = tokio::task::spawn_blocking(move || {
        let mut frames = Vec::new();
        for _ in 0..REQUESTS {
            request(LARGE, "").encode_into(&mut frames);
        }
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        socket.write_all(&frames).unwrap();
        // What comes with the first read has been handled once an answer begins.
        socket.peek(&mut [0]).unwrap();
        socket
    });
    let mut socket = socket.await.unwrap();
    let counted = client()
        .call(&address.to_string(), request(COUNT, ""), TIMEOUT)
        .await
        .unwrap();
    let handled: usize = std::str::from_utf8(&counted.body).unwrap().parse().unwrap();
    assert!(handled < REQUESTS / 2, "{handled} answers in memory");

    tokio::task::spawn_blocking(move || {
        for _ in 0..REQUESTS {
            let mut prefix = [0; 4];
            socket.read_exact(&mut prefix).unwrap();
            let mut answer = vec![0; u32::from_be_bytes(prefix) as usize];
            socket.read_exact(&mut answer).unwrap();
            assert!(answer.len() > LARGE_BYTES);
        }
    })
    .await
    .unwrap();
    server.shutdown(TIMEOUT).await;
}

/// For a test that serves it over a stream of its own.
async fn connection_without_task() -> Arc<Connection> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = tokio::net::TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    Connection::new(&socket).unwrap()
}

/// A peer of two requests that came with one read; it takes all output at once.
struct TwoRequests {
    connection: Arc<Connection>,
    input: Vec<u8>,
    /// Answers that another thread has ready when output has just gone.
    from_elsewhere: Vec<u8>,
}

impl Stream for TwoRequests {
    async fn ready(&self, interest: Interest) -> std::io::Result<Ready> {
        Ok(if interest.is_readable() {
            Ready::READABLE
        } else {
            Ready::WRITABLE
        })
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = std::mem::take(&mut self.input);
        buffer[..read.len()].copy_from_slice(&read);
        Ok(read.len())
    }

    fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn try_flush(&mut self) -> std::io::Result<bool> {
        if self.input.is_empty() {
            let answers = std::mem::take(&mut self.from_elsewhere);
            self.connection.push(|out| out.extend(answers));
        }
        Ok(true)
    }
}

/// Answers each request with so much that the next one has to wait.
#[derive(Default)]
struct Floods {
    handled: AtomicUsize,
}

impl Service for Floods {
    fn request(&self, connection: &Arc<Connection>, _: &CommandView<'_>, _: &[u8]) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        connection.push(|out| out.resize(out.len() + FLOOD_BYTES, 0));
    }

    fn closed(&self, _: &Arc<Connection>) {}
}

#[tokio::test]
async fn a_waiting_request_outlasts_answers_that_come_from_elsewhere_meanwhile() {
    let connection = connection_without_task().await;
    let mut input = Vec::new();
    for _ in 0..2 {
        request(ECHO, "x").encode_into(&mut input);
    }
    let stream = TwoRequests {
        connection: connection.clone(),
        input,
        from_elsewhere: vec![0; FLOOD_BYTES],
    };
    let service = Floods::default();
    let limits = Limits::default();
    assert!(connection.serve(stream, &service, &limits).await.is_ok());
    assert_eq!(service.handled.load(Ordering::Relaxed), 2);
}

/// A peer that answers the first 64 calls all at once, and the others as they come.
struct AnswersTogether {
    /// Frames of each write.
    writes: Arc<Mutex<Vec<usize>>>,
    answers: Vec<u8>,
    asked: usize,
}

const TOGETHER: usize = 64;

impl Stream for AnswersTogether {
    async fn ready(&self, _: Interest) -> std::io::Result<Ready> {
        if self.asked < TOGETHER || self.answers.is_empty() {
            std::future::pending::<()>().await;
        }
        Ok(Ready::READABLE)
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let answers = std::mem::take(&mut self.answers);
        buffer[..answers.len()].copy_from_slice(&answers);
        Ok(answers.len())
    }

    fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (mut rest, mut frames) = (bytes, 0);
        while let Some(frame) = next_frame(rest, bytes.len()).unwrap() {
            let asked = CommandView::parse(frame).unwrap();
            let answer = RemotingCommand {
                opaque: asked.opaque,
                flag: FLAG_RESPONSE,
                ..RemotingCommand::request(RequestCode(ResponseCode::SUCCESS.0))
            };
            answer.encode_into(&mut self.answers);
            rest = &rest[frame.len()..];
            frames += 1;
        }
        self.asked += frames;
        self.writes.lock().unwrap().push(frames);
        Ok(bytes.len())
    }

    fn try_flush(&mut self) -> std::io::Result<bool> {
        Ok(true)
    }
}

#[tokio::test]
async fn callers_whose_answers_came_together_send_together_but_do_not_all_wait_for_each_other() {
    let connection = connection_without_task().await;
    let callers: Vec<_> = (0..TOGETHER)
        .map(|_| {
            let connection = connection.clone();
            tokio::spawn(async move {
                for _ in 0..2 {
                    let answer = connection.call(request(ECHO, "x"), TIMEOUT).await.unwrap();
                    assert_eq!(answer.response_code(), ResponseCode::SUCCESS);
                }
            })
        })
        .collect();
    let writes = Arc::<Mutex<Vec<usize>>>::default();
    let stream = AnswersTogether {
        writes: writes.clone(),
        answers: Vec::new(),
        asked: 0,
    };
    let (service, limits) = (NoService, Limits::default());
    let served = async {
        for caller in callers {
            caller.await.unwrap();
        }
        connection.close();
    };
    let (outcome, ()) = tokio::join!(connection.serve(stream, &service, &limits), served);
    assert!(outcome.is_ok());
    // The first calls leave as the runtime likes it. 64 callers that go on in two halves write twice, or a little more often
    // if the runtime looks for events meanwhile.
    let mut sum = 0;
    let mut of_second_calls = writes.lock().unwrap().clone();
    of_second_calls.retain(|frames| {
        sum += frames;
        sum > TOGETHER
    });
    assert_eq!(sum, 2 * TOGETHER);
    assert!(
        of_second_calls.len() <= 6 && of_second_calls.iter().all(|frames| *frames <= TOGETHER / 2),
        "{of_second_calls:?}"
    );
}

fn tls(mode: TlsMode) -> TlsServer {
    let settings = TlsSettings {
        mode,
        ..TlsSettings::default()
    };
    TlsServer::new(&settings).unwrap()
}

/// Echoes `body` over any blocking stream.
fn echo_over(stream: &mut (impl Read + Write), body: &str) -> std::io::Result<()> {
    let mut frame = Vec::new();
    request(ECHO, body).encode_into(&mut frame);
    stream.write_all(&frame)?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let mut answer = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut answer)?;
    assert!(answer.ends_with(body.as_bytes()));
    Ok(())
}

/// As Apache's clients in their test mode: takes any certificate.
#[derive(Debug)]
struct TrustsAll(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for TrustsAll {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn connect_tls(
    address: SocketAddr,
    version: &'static rustls::SupportedProtocolVersion,
) -> rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustsAll(provider)))
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = std::net::TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    rustls::StreamOwned::new(session, socket)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_port_takes_plain_and_tls_connections() {
    let (server, ended) = start_with_tls(Limits::default(), tls(TlsMode::Permissive)).await;
    let address = server.address;
    tokio::task::spawn_blocking(move || {
        let mut plain = std::net::TcpStream::connect(address).unwrap();
        let mut new = connect_tls(address, &rustls::version::TLS13);
        let mut old = connect_tls(address, &rustls::version::TLS12);
        // Larger than any buffer on the way, in both directions.
        for body in ["hello".to_owned(), "x".repeat(3_000_000), String::new()] {
            echo_over(&mut plain, &body).unwrap();
            echo_over(&mut new, &body).unwrap();
            echo_over(&mut old, &body).unwrap();
        }
        new.conn.send_close_notify();
        new.flush().unwrap();
        ended.recv_timeout(TIMEOUT).unwrap();
        drop(old);
        ended.recv_timeout(TIMEOUT).unwrap();
        echo_over(&mut plain, "still here").unwrap();
    })
    .await
    .unwrap();
    server.shutdown(TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mode_decides_who_is_turned_away() {
    for (mode, takes_plain, takes_tls) in [
        (TlsMode::Disabled, true, false),
        (TlsMode::Permissive, true, true),
        (TlsMode::Enforcing, false, true),
    ] {
        let (server, _ended) = start_with_tls(Limits::default(), tls(mode)).await;
        let address = server.address;
        tokio::task::spawn_blocking(move || {
            let mut plain = std::net::TcpStream::connect(address).unwrap();
            assert_eq!(echo_over(&mut plain, "x").is_ok(), takes_plain, "{mode:?}");
            let mut encrypted = connect_tls(address, &rustls::version::TLS13);
            assert_eq!(
                echo_over(&mut encrypted, "x").is_ok(),
                takes_tls,
                "{mode:?}"
            );
        })
        .await
        .unwrap();
        server.shutdown(TIMEOUT).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_handshake_ends_the_connection() {
    let (server, ended) = start_with_tls(Limits::default(), tls(TlsMode::Permissive)).await;
    let address = server.address;
    tokio::task::spawn_blocking(move || {
        for input in [
            &[0x16, 0x03, 0x01, 0x00, 0x04, 1, 2, 3, 4][..],
            &[0x16, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            let mut socket = std::net::TcpStream::connect(address).unwrap();
            socket.write_all(input).unwrap();
            ended.recv_timeout(TIMEOUT).unwrap();
        }
        // Gone in the middle of it.
        let mut half = std::net::TcpStream::connect(address).unwrap();
        half.write_all(&[0x16, 0x03, 0x01, 0x02]).unwrap();
        drop(half);
        ended.recv_timeout(TIMEOUT).unwrap();
    })
    .await
    .unwrap();
    server.shutdown(TIMEOUT).await;
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let missing = Some("no/such/file.pem".into());
    let new = |settings| TlsServer::new(&settings).unwrap_err();
    let half = TlsSettings {
        key: missing.clone(),
        ..TlsSettings::default()
    };
    assert!(matches!(new(half.clone()), TlsError::Half));
    let unreadable = TlsSettings {
        certificate: missing,
        ..half
    };
    assert!(matches!(new(unreadable), TlsError::Read { .. }));
    let unchecked = TlsSettings {
        client_auth: ClientAuth::Require,
        ..TlsSettings::default()
    };
    assert!(matches!(new(unchecked), TlsError::NothingTrusted));
    assert_eq!(TlsMode::parse("enforcing", None), Ok(TlsMode::Enforcing));
    assert_eq!(
        TlsMode::parse("on", None).unwrap_err(),
        "must be one of disabled permissive enforcing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_connects_during_the_shutdown_does_not_hold_it_up() {
    // Which of the two is seen first is left to chance.
    for _ in 0..64 {
        let (server, _ended) = start(Limits::default()).await;
        let address = server.address;
        let (connected, first) = tokio::sync::oneshot::channel();
        let peer = std::thread::spawn(move || {
            let connect = || std::net::TcpStream::connect(address);
            let mut connections = vec![connect().unwrap()];
            connected.send(()).unwrap();
            connections.extend(std::iter::from_fn(|| connect().ok()));
            connections
        });
        first.await.unwrap();
        let end = server.shutdown(Duration::ZERO);
        tokio::time::timeout(TIMEOUT, end).await.unwrap();
        peer.join().unwrap();
    }
}
