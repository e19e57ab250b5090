//! The request table of a server: code → lane and handler, on one screen. Decoding, timing out,
//! refusing and answering happen here, once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use super::connection::{Answer, Connection, ReplyHandle, Service};
use super::workers::Workers;
use crate::protocol::codes::{RequestCode, ResponseCode};
use crate::protocol::command::CommandView;
use crate::protocol::ext_fields::HeaderError;

/// Where a request is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// On the connection's task: short and never blocking.
    Direct,
    /// On the pool of administration: may read files and scan tables; bounded, so that it delays nobody else.
    Admin,
}

/// What a handler made of a request.
#[derive(Debug)]
pub enum Reply {
    Now(Answer),
    /// Somebody keeps a [`ReplyHandle`] and will answer.
    Parked,
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
}

impl<'a> Request<'a> {
    /// The header fields as a struct.
    pub fn header<T: serde::Deserialize<'a>>(&self) -> Result<T, Refusal> {
        Ok(self.command.header()?)
    }

    pub fn body(&self) -> &'a [u8] {
        self.command.body
    }

    /// For a handler that answers later.
    pub fn reply_handle(&self) -> ReplyHandle {
        ReplyHandle::new(self.connection, self.command)
    }
}

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
    fn end_of_batch(&self);
    fn connection_closed(&self, connection: &Arc<Connection>);
}

/// A [`Service`] that looks requests up in a table of [`Routes`].
pub struct Router<S> {
    server: Arc<S>,
    routes: HashMap<i32, (Lane, Handler<S>)>,
    admin: Arc<Workers>,
    /// An administrative request that waited longer for its turn is refused as busy.
    admin_wait: Duration,
}

impl<S: Server> Router<S> {
    pub fn new(
        server: Arc<S>,
        routes: Routes<S>,
        admin: Arc<Workers>,
        admin_wait: Duration,
    ) -> Self {
        Self {
            server,
            routes: routes.entries,
            admin,
            admin_wait,
        }
    }

    fn submit(
        &self,
        handler: Handler<S>,
        connection: &Arc<Connection>,
        request: &CommandView<'_>,
        frame: &[u8],
    ) {
        let handle = ReplyHandle::new(connection, request);
        let (server, frame, limit) = (self.server.clone(), frame.to_vec(), self.admin_wait);
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
                if let Ok(command) = CommandView::parse(&frame) {
                    let request = Request {
                        connection: &handle.connection,
                        command: &command,
                    };
                    if let Some(answer) = run(handler, &server, &request) {
                        handle.send(&answer);
                    }
                    server.end_of_batch();
                }
            }
        };
        if self.admin.submit(job).is_err() {
            let remark = "[OVERLOAD]system busy, start flow control for a while";
            handle.push(&Answer::with_code(ResponseCode::SYSTEM_BUSY, remark));
        }
    }
}

fn run<S>(handler: Handler<S>, server: &S, request: &Request<'_>) -> Option<Answer> {
    match handler(server, request) {
        Ok(Reply::Now(answer)) => Some(answer),
        Ok(Reply::Parked | Reply::None) => None,
        Err(refusal) => {
            debug!(
                remote = %request.connection.remote,
                request = request.command.request_code().name(),
                code = refusal.code.0,
                remark = refusal.remark,
                "refused"
            );
            Some(Answer::with_code(refusal.code, refusal.remark))
        }
    }
}

impl<S: Server> Service for Router<S> {
    fn request(&self, connection: &Arc<Connection>, command: &CommandView<'_>, frame: &[u8]) {
        let request = Request {
            connection,
            command,
        };
        let answer = match self.routes.get(&command.code) {
            Some((Lane::Direct, handler)) => run(*handler, &self.server, &request),
            Some((Lane::Admin, handler)) => {
                return self.submit(*handler, connection, command, frame);
            }
            None => {
                warn!(remote = %connection.remote, code = command.code, "request code not supported");
                let remark = format!(" request type {} not supported", command.code);
                Some(Answer::with_code(
                    ResponseCode::REQUEST_CODE_NOT_SUPPORTED,
                    remark,
                ))
            }
        };
        if let Some(answer) = answer {
            request.reply_handle().push(&answer);
        }
    }

    fn end_of_batch(&self) {
        self.server.end_of_batch();
    }

    fn closed(&self, connection: &Arc<Connection>) {
        self.server.connection_closed(connection);
    }
}
