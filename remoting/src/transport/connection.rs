//! One connection: its task, its output buffer, and the calls under way on it.
//!
//! Both sides may send requests on a connection, so the same code serves a server's accepted
//! sockets and a client's own. Invariants:
//! - Only the connection's task touches the socket. Everybody else appends whole frames to the
//!   output buffer and wakes the task.
//! - The buffer's lock is held for appending or swapping only, never across I/O or `.await`.
//! - Input is parsed from a buffer shared by all connections of a thread; a connection owns
//!   receive memory only while a frame of it is incomplete, and that memory grows as bytes arrive.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tracing::{debug, warn};

use super::tls::{Accepted, Refused, Stream, TlsServer, TlsStream};
use crate::protocol::command::{CommandView, FLAG_ONEWAY, RemotingCommand};
use crate::protocol::frame::{FrameError, frame_length, next_frame};

/// What one read may bring in.
const READ_BYTES: usize = 128 * 1024;
/// While this much output waits, the peer's requests wait: they are neither read nor handled.
const OUTPUT_HIGH_WATER_BYTES: usize = 4 * 1024 * 1024;
/// An emptied buffer larger than this is given back.
const KEPT_BUFFER_BYTES: usize = 64 * 1024;
/// Calls that may wait for their response on one connection.
const MAX_PENDING_CALLS: usize = 65_536;
/// Calls that get their responses before their callers go on. What these send next leaves with one write: enough that
/// such a write is worth it, few enough that the peer has work while the next ones get theirs.
const CALLS_AT_ONCE: usize = 32;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What is done with the requests of a connection.
pub trait Service: Send + Sync + 'static {
    /// One request. Runs on the connection's task: it must be short and must not block. The answer
    /// goes to `connection` now or later; a one-way request has none.
    fn request(&self, connection: &Arc<Connection>, request: &CommandView<'_>, frame: &[u8]);

    /// All requests of one read have been handed over.
    fn end_of_batch(&self) {}

    /// A connection has ended. No request of it follows.
    fn closed(&self, connection: &Arc<Connection>);
}

/// How long a peer may take, and how large its frames may be.
#[derive(Debug, Clone)]
pub struct Limits {
    pub frame_bytes: usize,
    /// Nothing read or written for this long: closed.
    pub idle: Duration,
    /// A frame begun must be complete after this long without progress of its connection.
    pub partial_frame: Duration,
    /// A peer that does not read its answers is closed after this long.
    pub blocked_output: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: crate::protocol::frame::MAX_FRAME_BYTES,
            idle: Duration::from_secs(120),
            partial_frame: Duration::from_secs(5),
            blocked_output: Duration::from_secs(30),
        }
    }
}

/// Why a call got no response.
#[derive(Debug, Error)]
pub enum CallError {
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    #[error("no answer from {address} within {timeout_ms} ms")]
    Timeout { address: String, timeout_ms: u128 },
    #[error("connection to {address} closed before the answer")]
    Closed { address: String },
    #[error("too many calls under way to {address}")]
    Busy { address: String },
}

/// An open connection, as everybody but its own task sees it.
#[derive(Debug)]
pub struct Connection {
    /// Unique in this process, never reused.
    pub id: u64,
    pub remote: SocketAddr,
    pub local: SocketAddr,
    output: Mutex<Vec<u8>>,
    /// Bytes of `output` and of what the task is writing: what the high-water mark looks at.
    output_bytes: AtomicUsize,
    wake: Notify,
    closing: AtomicBool,
    next_opaque: AtomicI32,
    calls: Mutex<HashMap<i32, oneshot::Sender<RemotingCommand>>>,
    clock: ActivityClock,
}

/// When something last happened, in milliseconds since the process first asked; 0 is "not now".
#[derive(Debug, Default)]
struct ActivityClock {
    active: AtomicU64,
    partial_since: AtomicU64,
    blocked_since: AtomicU64,
}

fn now_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX) + 1
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while one of these locks was held cannot leave its plain buffer or map half changed.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Connection {
    /// Registers a socket; the caller then awaits [`run`](Self::run), which is its task.
    pub(super) fn new(stream: &TcpStream) -> io::Result<Arc<Self>> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        stream.set_nodelay(true)?;
        let clock = ActivityClock::default();
        clock.active.store(now_ms(), Ordering::Relaxed);
        Ok(Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            remote: canonical(stream.peer_addr()?),
            local: canonical(stream.local_addr()?),
            output: Mutex::default(),
            output_bytes: AtomicUsize::new(0),
            wake: Notify::new(),
            closing: AtomicBool::new(false),
            next_opaque: AtomicI32::new(0),
            calls: Mutex::default(),
            clock,
        }))
    }

    /// Appends to the output without waking the task: for code that runs on the task itself, or
    /// that wakes it once after several appends.
    pub fn push(&self, append: impl FnOnce(&mut Vec<u8>)) {
        if self.closing.load(Ordering::Relaxed) {
            return;
        }
        let mut output = lock(&self.output);
        let before = output.len();
        append(&mut output);
        self.output_bytes
            .fetch_add(output.len() - before, Ordering::Relaxed);
    }

    /// Lets the task write what was pushed.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Ends the connection once its task looks; output that was not written is dropped.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    pub fn is_closed(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// True when all output has reached the socket.
    pub fn is_drained(&self) -> bool {
        self.output_bytes.load(Ordering::Relaxed) == 0
    }

    /// Sends a request for which no response is wanted.
    pub fn send_oneway(&self, mut request: RemotingCommand) {
        request.opaque = self.next_opaque.fetch_add(1, Ordering::Relaxed);
        request.flag |= FLAG_ONEWAY;
        self.push(|out| request.encode_into(out));
        self.wake();
    }

    /// Sends a request and waits for its response.
    pub async fn call(
        &self,
        request: RemotingCommand,
        timeout: Duration,
    ) -> Result<RemotingCommand, CallError> {
        let address = || self.remote.to_string();
        let (opaque, response) = self
            .start_call(request)
            .ok_or_else(|| CallError::Busy { address: address() })?;
        let outcome = tokio::time::timeout(timeout, response).await;
        match outcome {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(CallError::Closed { address: address() }),
            Err(_) => {
                lock(&self.calls).remove(&opaque);
                Err(CallError::Timeout {
                    address: address(),
                    timeout_ms: timeout.as_millis(),
                })
            }
        }
    }

    fn start_call(
        &self,
        mut request: RemotingCommand,
    ) -> Option<(i32, oneshot::Receiver<RemotingCommand>)> {
        let (sender, receiver) = oneshot::channel();
        request.opaque = self.next_opaque.fetch_add(1, Ordering::Relaxed);
        {
            let mut calls = lock(&self.calls);
            if calls.len() >= MAX_PENDING_CALLS {
                return None;
            }
            // On a connection that has ended the sender is dropped, which the receiver reports.
            if !self.is_closed() {
                calls.insert(request.opaque, sender);
            }
        }
        self.push(|out| request.encode_into(out));
        self.wake();
        Some((request.opaque, receiver))
    }

    /// Which limit this connection exceeds, for the owner that looks at all of them now and then.
    pub(super) fn exceeds(&self, limits: &Limits) -> Option<&'static str> {
        let now = now_ms();
        let older = |since: &AtomicU64, limit: Duration| {
            let since = since.load(Ordering::Relaxed);
            since != 0 && u128::from(now.saturating_sub(since)) > limit.as_millis()
        };
        if older(&self.clock.blocked_since, limits.blocked_output) {
            Some("does not read its answers")
        } else if older(&self.clock.partial_since, limits.partial_frame) {
            Some("left a frame incomplete")
        } else if older(&self.clock.active, limits.idle) {
            Some("was idle")
        } else {
            None
        }
    }

    /// The task of a connection that was accepted: plain or TLS, as its first byte says.
    pub(super) async fn run_accepted<S: Service>(
        self: Arc<Self>,
        stream: TcpStream,
        service: Arc<S>,
        limits: Limits,
        tls: TlsServer,
    ) {
        let outcome = match self.first_byte(&stream).await {
            Ok(None) => Ok(()),
            Ok(Some(first)) => match tls.accept(first) {
                Ok(Accepted::Plain) => self.serve(stream, &*service, &limits).await,
                Ok(Accepted::Tls(session)) => {
                    self.serve(TlsStream::new(stream, session), &*service, &limits)
                        .await
                }
                Err(refused) => Err(refused.into()),
            },
            Err(error) => Err(error.into()),
        };
        self.end(outcome, &*service);
    }

    /// The task of a connection that was made from here: ends when the peer closes, breaks the
    /// protocol, or [`close`](Self::close) is called.
    pub(super) async fn run<S: Service>(
        self: Arc<Self>,
        stream: TcpStream,
        service: Arc<S>,
        limits: Limits,
    ) {
        let outcome = self.serve(stream, &*service, &limits).await;
        self.end(outcome, &*service);
    }

    /// Waits for the peer to begin, without taking the byte. `None`: it closed, or was closed.
    async fn first_byte(&self, stream: &TcpStream) -> io::Result<Option<u8>> {
        let mut first = [0];
        loop {
            tokio::select! {
                peeked = stream.peek(&mut first) => return Ok((peeked? > 0).then_some(first[0])),
                () = self.wake.notified() => if self.is_closed() { return Ok(None) },
            }
        }
    }

    pub(super) async fn serve<S: Service>(
        self: &Arc<Self>,
        stream: impl Stream,
        service: &S,
        limits: &Limits,
    ) -> Result<(), Ended> {
        Task::new(self, stream).serve(service, limits).await
    }

    fn end<S: Service>(self: Arc<Self>, outcome: Result<(), Ended>, service: &S) {
        match outcome {
            Ok(()) => debug!(remote = %self.remote, "connection closed"),
            Err(Ended::Io(error)) => debug!(remote = %self.remote, %error, "connection lost"),
            Err(Ended::Frame(error)) => {
                warn!(remote = %self.remote, %error, "connection closed: not the protocol")
            }
            Err(Ended::Refused(reason)) => {
                warn!(remote = %self.remote, "connection closed: {reason}")
            }
        }
        self.closing.store(true, Ordering::Relaxed);
        lock(&self.calls).clear();
        *lock(&self.output) = Vec::new();
        self.output_bytes.store(0, Ordering::Relaxed);
        service.closed(&self);
    }
}

/// IPv4 peers of a dual-stack listener appear as IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

pub(super) enum Ended {
    Io(io::Error),
    Frame(FrameError),
    Refused(Refused),
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FrameError> for Ended {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// What only the connection's task sees.
struct Task<'c, T> {
    connection: &'c Arc<Connection>,
    stream: T,
    /// The start of a frame whose rest has not arrived. In front of it, whole frames that wait for output to go, or for
    /// callers to go on.
    partial: Vec<u8>,
    /// Output taken over from the connection; `written` bytes of it are out.
    writing: Vec<u8>,
    written: usize,
    /// Calls that got their response since their callers were last let go on.
    completed: usize,
}

impl<'c, T: Stream> Task<'c, T> {
    fn new(connection: &'c Arc<Connection>, stream: T) -> Self {
        Self {
            connection,
            stream,
            partial: Vec::new(),
            writing: Vec::new(),
            written: 0,
            completed: 0,
        }
    }

    async fn serve<S: Service>(&mut self, service: &S, limits: &Limits) -> Result<(), Ended> {
        loop {
            let blocked = !self.write_output()?;
            if self.connection.is_closed() {
                return Ok(());
            }
            let flooded = self.is_flooded();
            if !flooded && self.has_whole_frame(limits)? {
                self.handle_partial(service, limits)?;
                self.let_callers_go_on().await;
                continue;
            }
            let interest = match (blocked, flooded) {
                (false, false) => Interest::READABLE,
                (true, false) => Interest::READABLE | Interest::WRITABLE,
                (true, true) => Interest::WRITABLE,
                // Other threads have answered since: there is more to write first.
                (false, true) => continue,
            };
            let ready = tokio::select! {
                ready = self.stream.ready(interest) => ready?,
                () = self.connection.wake.notified() => continue,
            };
            if !ready.is_readable() {
                continue;
            }
            let more = if self.partial.is_empty() {
                READ_BUFFER.with_borrow_mut(|buffer| self.read_batch(buffer, service, limits))?
            } else {
                self.read_partial(service, limits)?
            };
            if !more {
                return Ok(());
            }
            self.let_callers_go_on().await;
        }
    }

    /// Callers are tasks of the same runtime. The first that sends again wakes this task, which would write its request
    /// alone, with a call to the system and a wake-up of the peer for each, if the others did not come first.
    async fn let_callers_go_on(&mut self) {
        if std::mem::take(&mut self.completed) > 1 {
            tokio::task::yield_now().await;
        }
    }

    fn is_flooded(&self) -> bool {
        self.connection.output_bytes.load(Ordering::Relaxed) > OUTPUT_HIGH_WATER_BYTES
    }

    fn has_whole_frame(&self, limits: &Limits) -> Result<bool, FrameError> {
        Ok(next_frame(&self.partial, limits.frame_bytes)?.is_some())
    }

    /// Reads once and handles all whole frames. `Ok(false)`: the peer has closed.
    fn read_batch<S: Service>(
        &mut self,
        buffer: &mut [u8],
        service: &S,
        limits: &Limits,
    ) -> Result<bool, Ended> {
        let read = match self.stream.try_read(buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(e) => return Err(e.into()),
        };
        let input = buffer.get(..read).unwrap_or_default();
        let consumed = self.handle_frames(input, service, limits)?;
        self.partial
            .extend_from_slice(input.get(consumed..).unwrap_or_default());
        self.note_activity(limits)?;
        Ok(true)
    }

    /// As [`read_batch`](Self::read_batch), continuing an incomplete frame in its own buffer. No whole frame may wait
    /// there.
    fn read_partial<S: Service>(&mut self, service: &S, limits: &Limits) -> Result<bool, Ended> {
        let have = self.partial.len();
        let wanted = frame_length(&self.partial, limits.frame_bytes)?
            .map_or(READ_BYTES, |length| length - have);
        // Memory follows the bytes that arrive, not the length that was announced.
        self.partial
            .resize(have + wanted.clamp(4096, have.max(READ_BYTES)), 0);
        let read = self
            .stream
            .try_read(self.partial.get_mut(have..).unwrap_or_default());
        self.partial.truncate(have + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(e) => return Err(e.into()),
        }
        self.handle_partial(service, limits)?;
        Ok(true)
    }

    fn handle_partial<S: Service>(&mut self, service: &S, limits: &Limits) -> Result<(), Ended> {
        let mut input = std::mem::take(&mut self.partial);
        let consumed = self.handle_frames(&input, service, limits)?;
        if consumed < input.len() {
            input.drain(..consumed);
            self.partial = input;
        }
        self.note_activity(limits)?;
        Ok(())
    }

    /// Handles the whole frames of `input` until too much output waits or enough callers have their response; returns how
    /// many bytes they took.
    fn handle_frames<S: Service>(
        &mut self,
        input: &[u8],
        service: &S,
        limits: &Limits,
    ) -> Result<usize, Ended> {
        let mut rest = input;
        let outcome = loop {
            if self.is_flooded() || self.completed >= CALLS_AT_ONCE {
                break Ok(input.len() - rest.len());
            }
            let frame = match next_frame(rest, limits.frame_bytes) {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(input.len() - rest.len()),
                Err(e) => break Err(Ended::Frame(e)),
            };
            rest = rest.get(frame.len()..).unwrap_or_default();
            match CommandView::parse(frame) {
                Ok(command) if command.is_response() => self.complete_call(&command),
                Ok(command) => service.request(self.connection, &command, frame),
                Err(e) => break Err(Ended::Frame(e)),
            }
        };
        service.end_of_batch();
        outcome
    }

    fn complete_call(&mut self, response: &CommandView<'_>) {
        self.completed += 1;
        let waiting = lock(&self.connection.calls).remove(&response.opaque);
        if let Some(sender) = waiting {
            // The caller may have given up meanwhile.
            let _ = sender.send(response.to_owned());
        }
    }

    fn note_activity(&self, limits: &Limits) -> Result<(), FrameError> {
        let now = now_ms();
        let clock = &self.connection.clock;
        clock.active.store(now, Ordering::Relaxed);
        let waits_for_peer = !self.partial.is_empty() && !self.has_whole_frame(limits)?;
        let partial_since = if waits_for_peer { now } else { 0 };
        clock.partial_since.store(partial_since, Ordering::Relaxed);
        Ok(())
    }

    /// Writes as much output as the socket takes. True: nothing is left.
    fn write_output(&mut self) -> io::Result<bool> {
        loop {
            if self.written == self.writing.len() {
                self.written = 0;
                if self.writing.capacity() > KEPT_BUFFER_BYTES {
                    self.writing = Vec::new();
                } else {
                    self.writing.clear();
                }
                std::mem::swap(&mut self.writing, &mut *lock(&self.connection.output));
                if self.writing.is_empty() {
                    let flushed = self.stream.try_flush()?;
                    if flushed {
                        self.connection
                            .clock
                            .blocked_since
                            .store(0, Ordering::Relaxed);
                    }
                    return Ok(flushed);
                }
            }
            match self
                .stream
                .try_write(self.writing.get(self.written..).unwrap_or_default())
            {
                Ok(wrote) => {
                    self.written += wrote;
                    self.connection
                        .output_bytes
                        .fetch_sub(wrote, Ordering::Relaxed);
                    let now = now_ms();
                    self.connection.clock.active.store(now, Ordering::Relaxed);
                    self.connection
                        .clock
                        .blocked_since
                        .store(now, Ordering::Relaxed);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let clock = &self.connection.clock.blocked_since;
                    // Keeps the moment since when nothing moved.
                    let _ =
                        clock.compare_exchange(0, now_ms(), Ordering::Relaxed, Ordering::Relaxed);
                    return Ok(false);
                }
                Err(e) => return Err(e),
            }
        }
    }
}
