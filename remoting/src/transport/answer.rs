//! Answers, and the right to give one later.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::connection::Connection;
use crate::protocol::codes::ResponseCode;
use crate::protocol::command::{CommandView, ReplyTo, encode_response};
use crate::protocol::ext_fields::{ExtBuf, FieldWriter, HeaderError};

/// The right to answer one request, kept by whoever answers later.
#[derive(Debug, Clone)]
pub struct ReplyHandle {
    pub connection: Arc<Connection>,
    pub to: ReplyTo,
    pub oneway: bool,
}

impl ReplyHandle {
    pub fn new(connection: &Arc<Connection>, request: &CommandView<'_>) -> Self {
        Self {
            connection: connection.clone(),
            to: ReplyTo {
                opaque: request.opaque,
                serialize_type: request.serialize_type,
            },
            oneway: request.is_oneway(),
        }
    }

    /// Appends the answer; the caller wakes the connection when it has appended all it has.
    pub fn push(&self, answer: &Answer) {
        if !self.oneway {
            self.connection.push(|out| answer.encode_into(out, self.to));
        }
    }

    /// Appends an answer that has nothing but header fields, which `fields` writes in place.
    pub fn push_fields(&self, code: ResponseCode, fields: impl FnOnce(&mut FieldWriter<'_>)) {
        if !self.oneway {
            self.connection
                .push(|out| encode_response(out, self.to, code, None, fields, []));
        }
    }

    /// Appends the answer and lets it be written.
    pub fn send(&self, answer: &Answer) {
        self.push(answer);
        self.connection.wake();
    }
}

/// Most headers are shorter.
const USUAL_HEADER_BYTES: usize = 512;

/// A response before it is addressed.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub code: ResponseCode,
    pub remark: Option<String>,
    pub ext: ExtBuf,
    /// Laid end to end on the wire.
    pub body: Vec<Bytes>,
}

impl Answer {
    /// `SUCCESS` without header fields and body.
    pub fn ok() -> Self {
        Self::default()
    }

    pub fn with_code(code: ResponseCode, remark: impl Into<String>) -> Self {
        Self {
            code,
            remark: Some(remark.into()),
            ..Self::default()
        }
    }

    pub fn header<H: Serialize>(mut self, header: &H) -> Result<Self, HeaderError> {
        self.ext.add(header, &[])?;
        Ok(self)
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body.push(body.into());
        self
    }

    fn encode_into(&self, out: &mut Vec<u8>, to: ReplyTo) {
        let bytes: usize = self.body.iter().map(Bytes::len).sum();
        // Else a body of many pieces would be moved each time the buffer grows.
        out.reserve(bytes + USUAL_HEADER_BYTES);
        let body = self.body.iter().map(|piece| &piece[..]);
        let fields = |fields: &mut FieldWriter<'_>| fields.all(&self.ext);
        encode_response(out, to, self.code, self.remark.as_deref(), fields, body);
    }
}
