//! The request table of a server: code → lane and handler, on one screen. Decoding, timing out,
//! refusing and answering happen here, once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use super::answer::{Answer, ReplyHandle};
use super::connection::{Connection, Service};
use super::workers::Workers;
use crate::protocol::codes::{RequestCode, ResponseCode};
use crate::protocol::command::CommandView;
use crate::protocol::ext_fields::HeaderError;

/// Where a request is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// On the connection's task: short and never blocking.
    Direct,
    /// On the pool of readers: may read the store's files.
    Read,
    /// On the pool of administration: may scan tables and write configuration files. Apart from
    /// the readers, so that a scan delays no consumer.
    Admin,
}

/// What a handler made of a request.
#[derive(Debug)]
pub enum Reply {
    Now(Answer),
    /// Somebody keeps a [`ReplyHandle`] and will answer.
    Parked,
    /// The handler, called on [`Lane::Direct`], found that it would block: call it again there.
    MoveTo(Lane),
    /// This request has no answer, even if it was not sent one-way.
    None,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Now(answer)
    }
}

/// A request that was not served: exactly what the peer will see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: ResponseCode,
    pub remark: String,
}

impl Refusal {
    pub fn new(code: ResponseCode, remark: impl Into<String>) -> Self {
        Self {
            code,
            remark: remark.into(),
        }
    }

    /// `SYSTEM_ERROR`, for what went wrong on our side.
    pub fn system(remark: impl Into<String>) -> Self {
        Self::new(ResponseCode::SYSTEM_ERROR, remark)
    }
}

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        Self::system(error.to_string())
    }
}

/// One request on its way through the table.
#[derive(Debug)]
pub struct Request<'a> {
    pub connection: &'a Arc<Connection>,
    pub command: &'a CommandView<'a>,
    /// Where this is running.
    pub lane: Lane,
}

impl<'a> Request<'a> {
    /// The header fields as a struct.
    pub fn header<T: serde::Deserialize<'a>>(&self) -> Result<T, Refusal> {
        Ok(self.command.header()?)
    }

    pub fn body(&self) -> &'a [u8] {
        self.command.body
    }

    /// Whether this is running where files may be read and written.
    pub fn may_block(&self) -> bool {
        self.lane != Lane::Direct
    }

    /// For a handler that answers later.
    pub fn reply_handle(&self) -> ReplyHandle {
        ReplyHandle::new(self.connection, self.command)
    }
}

/// Serves one request with what the server `S` has.
pub type Handler<S> = fn(&S, &Request<'_>) -> Result<Reply, Refusal>;

/// The table: which codes a server serves.
pub struct Routes<S> {
    entries: HashMap<i32, (Lane, Handler<S>)>,
}

impl<S> Default for Routes<S> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
        }
    }
}

impl<S> Routes<S> {
    /// Adds a row. A code has one row.
    pub fn on(mut self, code: RequestCode, lane: Lane, handler: Handler<S>) -> Self {
        let before = self.entries.insert(code.0, (lane, handler));
        assert!(before.is_none(), "request code {} is routed twice", code.0);
        self
    }

    /// The same table without some codes: what a second listener serves.
    pub fn without(mut self, codes: &[RequestCode]) -> Self {
        for code in codes {
            self.entries.remove(&code.0);
        }
        self
    }
}

/// What a router needs to know of the server it fronts.
pub trait Server: Send + Sync + 'static {
    /// All requests of one read have been handed over.
    fn end_of_batch(&self);
    fn connection_closed(&self, connection: &Arc<Connection>);
}

/// One of the pools behind a router.
#[derive(Debug, Clone)]
pub struct Pool {
    pub workers: Arc<Workers>,
    /// A request that waited longer for its turn is refused as busy.
    pub max_wait: Duration,
}

/// A [`Service`] that looks requests up in a table of [`Routes`].
pub struct Router<S> {
    server: Arc<S>,
    /// In the order of the codes: finding one among so few costs less than hashing it.
    routes: Box<[(i32, Lane, Handler<S>)]>,
    read: Pool,
    admin: Pool,
}

impl<S: Server> Router<S> {
    pub fn new(server: Arc<S>, routes: Routes<S>, read: Pool, admin: Pool) -> Self {
        let routes = routes.entries.into_iter();
        let mut routes: Box<[_]> = routes
            .map(|(code, (lane, handler))| (code, lane, handler))
            .collect();
        routes.sort_unstable_by_key(|(code, ..)| *code);
        Self {
            server,
            routes,
            read,
            admin,
        }
    }

    /// Handles a request on a pool's thread, from a copy of its frame.
    fn submit(&self, lane: Lane, handler: Handler<S>, request: &Request<'_>, frame: &[u8]) {
        let pool = match lane {
            Lane::Read => &self.read,
            Lane::Direct | Lane::Admin => &self.admin,
        };
        let handle = request.reply_handle();
        let (server, frame, limit) = (self.server.clone(), frame.to_vec(), pool.max_wait);
        let job = {
            let handle = handle.clone();
            move |waited: Duration| {
                if waited > limit {
                    let remark = format!(
                        "[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: {}ms",
                        waited.as_millis()
                    );
                    return handle.send(&Answer::with_code(ResponseCode::SYSTEM_BUSY, remark));
                }
                // It was parsed once already, so it parses again.
                let Ok(command) = CommandView::parse(&frame) else {
                    return;
                };
                let request = Request {
                    connection: &handle.connection,
                    command: &command,
                    lane,
                };
                if let Outcome::Answer(answer) = run(handler, &server, &request) {
                    handle.send(&answer);
                }
                server.end_of_batch();
            }
        };
        if pool.workers.submit(job).is_err() {
            let remark = "[OVERLOAD]system busy, start flow control for a while";
            handle.push(&Answer::with_code(ResponseCode::SYSTEM_BUSY, remark));
        }
    }
}

enum Outcome {
    Answer(Answer),
    MoveTo(Lane),
    Nothing,
}

fn run<S>(handler: Handler<S>, server: &S, request: &Request<'_>) -> Outcome {
    match handler(server, request) {
        Ok(Reply::Now(answer)) => Outcome::Answer(answer),
        Ok(Reply::MoveTo(lane)) => Outcome::MoveTo(lane),
        Ok(Reply::Parked | Reply::None) => Outcome::Nothing,
        Err(refusal) => {
            debug!(
                remote = %request.connection.remote,
                request = request.command.request_code().name(),
                code = refusal.code.0,
                remark = refusal.remark,
                "refused"
            );
            Outcome::Answer(Answer::with_code(refusal.code, refusal.remark))
        }
    }
}

impl<S: Server> Service for Router<S> {
    fn request(&self, connection: &Arc<Connection>, command: &CommandView<'_>, frame: &[u8]) {
        let request = Request {
            connection,
            command,
            lane: Lane::Direct,
        };
        let found = self
            .routes
            .binary_search_by_key(&command.code, |(code, ..)| *code);
        let Some(&(_, lane, handler)) = found.ok().and_then(|at| self.routes.get(at)) else {
            warn!(remote = %connection.remote, code = command.code, "request code not supported");
            let remark = format!(" request type {} not supported", command.code);
            let answer = Answer::with_code(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, remark);
            return request.reply_handle().push(&answer);
        };
        if lane != Lane::Direct {
            return self.submit(lane, handler, &request, frame);
        }
        match run(handler, &self.server, &request) {
            Outcome::Answer(answer) => request.reply_handle().push(&answer),
            Outcome::MoveTo(lane) => self.submit(lane, handler, &request, frame),
            Outcome::Nothing => {}
        }
    }

    fn end_of_batch(&self) {
        self.server.end_of_batch();
    }

    fn closed(&self, connection: &Arc<Connection>) {
        self.server.connection_closed(connection);
    }
}
