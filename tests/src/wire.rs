//! The remoting protocol as a stranger would speak it: JSON headers over a blocking socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

pub const SEND_MESSAGE: i32 = 10;
pub const GET_BROKER_CLUSTER_INFO: i32 = 106;
pub const SUCCESS: i64 = 0;

/// A connection that is silent for so long is broken.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

#[derive(Debug)]
pub struct Answer {
    pub code: i64,
    pub opaque: i64,
    pub remark: Option<String>,
    pub ext_fields: Value,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// A second handle on the same connection, to send and to receive in two threads.
    pub fn share(&self) -> std::io::Result<Self> {
        Ok(Self { stream: self.stream.try_clone()? })
    }

    pub fn ask(&mut self, code: i32, ext_fields: &Value, body: &[u8]) -> std::io::Result<Answer> {
        self.send(code, 1, ext_fields, body)?;
        self.receive()
    }

    /// Sends a request without waiting for its answer.
    pub fn send(&mut self, code: i32, opaque: i64, ext_fields: &Value, body: &[u8]) -> std::io::Result<()> {
        let header = json!({
            "code": code, "language": "OTHER", "version": 401, "opaque": opaque, "flag": 0,
            "serializeTypeCurrentRPC": "JSON", "extFields": ext_fields,
        });
        let header = header.to_string().into_bytes();
        let length = |bytes: usize| u32::try_from(bytes).expect("frames of tests are small").to_be_bytes();
        // One write: a frame is one packet.
        let frame = [&length(4 + header.len() + body.len())[..], &length(header.len()), &header, body].concat();
        self.stream.write_all(&frame)
    }

    pub fn receive(&mut self) -> std::io::Result<Answer> {
        let mut word = [0; 4];
        self.stream.read_exact(&mut word)?;
        let mut frame = vec![0; u32::from_be_bytes(word) as usize];
        self.stream.read_exact(&mut frame)?;
        // The high byte names the kind of header: we ask in JSON and are answered in JSON.
        let header_length = u32::from_be_bytes([0, frame[1], frame[2], frame[3]]) as usize;
        let body = frame.split_off(4 + header_length);
        let header: Value = serde_json::from_slice(&frame[4..])?;
        Ok(Answer {
            code: header["code"].as_i64().expect("every header has a code"),
            opaque: header["opaque"].as_i64().expect("every header has an opaque"),
            remark: header["remark"].as_str().map(str::to_owned),
            ext_fields: header["extFields"].clone(),
            body,
        })
    }
}
