//! The remoting protocol as a stranger would speak it: JSON headers over a blocking socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

pub const CHECK_TRANSACTION_STATE: i64 = 39;
pub const LOCK_BATCH_MQ: i32 = 41;
pub const UPDATE_CONSUMER_OFFSET: i32 = 15;
pub const SEND_MESSAGE: i32 = 10;
pub const PULL_MESSAGE: i32 = 11;
pub const HEART_BEAT: i32 = 34;
pub const CHECK_CLIENT_CONFIG: i32 = 46;
pub const CONSUMER_SEND_MSG_BACK: i32 = 36;
pub const QUERY_CONSUMER_OFFSET: i32 = 14;
pub const UPDATE_AND_CREATE_TOPIC: i32 = 17;
pub const REGISTER_BROKER: i32 = 103;
pub const GET_BROKER_CLUSTER_INFO: i32 = 106;
pub const GET_MAX_OFFSET: i32 = 30;
pub const END_TRANSACTION: i32 = 37;
pub const SUCCESS: i64 = 0;
pub const NO_PERMISSION: i64 = 16;

/// A connection that is silent for so long is broken.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

/// What a broker asks of its client, or a client of a server.
#[derive(Debug)]
pub struct Question {
    pub code: i64,
    pub opaque: i64,
    pub ext_fields: Value,
    pub body: Vec<u8>,
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

    /// What a server was connected to.
    pub fn accepted(stream: TcpStream) -> Self {
        Self { stream }
    }

    pub fn ask(&mut self, code: i32, ext_fields: &Value, body: &[u8]) -> std::io::Result<Answer> {
        self.send(code, 1, ext_fields, body)?;
        self.receive()
    }

    /// Sends a request without waiting for its answer.
    pub fn send(
        &mut self,
        code: i32,
        opaque: i64,
        ext_fields: &Value,
        body: &[u8],
    ) -> std::io::Result<()> {
        let header = json!({
            "code": code, "language": "OTHER", "version": 401, "opaque": opaque, "flag": 0,
            "serializeTypeCurrentRPC": "JSON", "extFields": ext_fields,
        });
        self.send_frame(&header, body)
    }

    /// The next answer. What the broker asks of its clients in between is passed over.
    pub fn receive(&mut self) -> std::io::Result<Answer> {
        loop {
            let (header, body) = self.receive_frame()?;
            let is_answer = header["flag"].as_i64().is_some_and(|flag| flag & 1 != 0);
            if !is_answer {
                continue;
            }
            return Ok(Answer {
                code: header["code"].as_i64().expect("every header has a code"),
                opaque: header["opaque"]
                    .as_i64()
                    .expect("every header has an opaque"),
                remark: header["remark"].as_str().map(str::to_owned),
                ext_fields: header["extFields"].clone(),
                body,
            });
        }
    }

    /// The next thing that the broker asks. Answers in between are passed over.
    pub fn receive_question(&mut self) -> std::io::Result<Question> {
        loop {
            let (header, body) = self.receive_frame()?;
            if header["flag"].as_i64().is_some_and(|flag| flag & 1 == 0) {
                return Ok(Question {
                    code: header["code"].as_i64().expect("every header has a code"),
                    opaque: header["opaque"]
                        .as_i64()
                        .expect("every header has an opaque"),
                    ext_fields: header["extFields"].clone(),
                    body,
                });
            }
        }
    }

    /// Answers a request.
    pub fn answer(&mut self, opaque: i64, code: i64, remark: &str) -> std::io::Result<()> {
        let header = json!({
            "code": code, "language": "OTHER", "version": 401, "opaque": opaque, "flag": 1,
            "serializeTypeCurrentRPC": "JSON", "remark": remark,
        });
        self.send_frame(&header, b"")
    }

    fn send_frame(&mut self, header: &Value, body: &[u8]) -> std::io::Result<()> {
        let header = header.to_string().into_bytes();
        let length = |bytes: usize| {
            u32::try_from(bytes)
                .expect("frames of tests are small")
                .to_be_bytes()
        };
        // One write: a frame is one packet.
        let frame = [
            &length(4 + header.len() + body.len())[..],
            &length(header.len()),
            &header,
            body,
        ]
        .concat();
        self.stream.write_all(&frame)
    }

    fn receive_frame(&mut self) -> std::io::Result<(Value, Vec<u8>)> {
        let mut word = [0; 4];
        self.stream.read_exact(&mut word)?;
        let mut frame = vec![0; u32::from_be_bytes(word) as usize];
        self.stream.read_exact(&mut frame)?;
        // The high byte names the kind of header: we ask in JSON and are answered in JSON.
        let header_length = u32::from_be_bytes([0, frame[1], frame[2], frame[3]]) as usize;
        let body = frame.split_off(4 + header_length);
        Ok((serde_json::from_slice(&frame[4..])?, body))
    }
}

/// Creates a topic on the broker at `port`.
#[track_caller]
pub fn create_topic(port: u16, topic: &str, queues: u32, perm: u32) {
    let fields = json!({
        "topic": topic, "defaultTopic": "TBW102", "readQueueNums": queues.to_string(),
        "writeQueueNums": queues.to_string(), "perm": perm.to_string(), "topicFilterType": "SINGLE_TAG",
        "topicSysFlag": "0", "order": "false",
    });
    let answer =
        Connection::open(port).and_then(|mut c| c.ask(UPDATE_AND_CREATE_TOPIC, &fields, b""));
    let answer = answer.expect("the broker answers");
    assert_eq!(answer.code, SUCCESS, "{:?}", answer.remark);
}

/// The fields of a send to one queue.
pub fn send_fields(topic: &str, queue: u32) -> Value {
    json!({
        "producerGroup": "P", "topic": topic, "defaultTopic": "TBW102", "defaultTopicQueueNums": "4",
        "queueId": queue.to_string(), "sysFlag": "0", "bornTimestamp": "1", "flag": "0", "properties": "",
        "reconsumeTimes": "0", "unitMode": "false", "batch": "false",
    })
}

/// One message in the body of a batch; `properties` as in the fields of a send.
pub fn batch_part(body: &[u8], properties: &str) -> Vec<u8> {
    let length = |bytes: usize| {
        u32::try_from(bytes)
            .expect("messages of tests are small")
            .to_be_bytes()
    };
    let properties = properties.as_bytes();
    let size = 4 * 5 + body.len() + 2 + properties.len();
    // Magic, checksum and flag are not looked at.
    let unused = [0; 12];
    let (body_length, properties_length) = (length(body.len()), length(properties.len()));
    [
        &length(size)[..],
        &unused,
        &body_length,
        body,
        &properties_length[2..],
        properties,
    ]
    .concat()
}

/// All bodies of a queue, which begins at 0, by queue offset.
pub fn read_queue(
    connection: &mut Connection,
    topic: &str,
    queue: u32,
) -> std::io::Result<Vec<Vec<u8>>> {
    let stored = read_messages(connection, topic, queue)?;
    Ok(stored.into_iter().map(|message| message.body).collect())
}

/// All messages of a queue, which begins at 0.
pub fn read_messages(
    connection: &mut Connection,
    topic: &str,
    queue: u32,
) -> std::io::Result<Vec<Stored>> {
    read_messages_from(connection, topic, queue, 0)
}

/// All messages of a queue from an offset on.
pub fn read_messages_from(
    connection: &mut Connection,
    topic: &str,
    queue: u32,
    from: u64,
) -> std::io::Result<Vec<Stored>> {
    let queue_fields = json!({ "topic": topic, "queueId": queue.to_string() });
    let max = connection.ask(GET_MAX_OFFSET, &queue_fields, b"")?;
    let max: u64 = max.ext_fields["offset"]
        .as_str()
        .and_then(|offset| offset.parse().ok())
        .expect("an offset");
    let mut messages = Vec::new();
    let mut next = from;
    while next < max {
        let fields = json!({
            "consumerGroup": "G", "topic": topic, "queueId": queue.to_string(),
            "queueOffset": next.to_string(), "maxMsgNums": "32", "commitOffset": "0",
            "suspendTimeoutMillis": "0", "subVersion": "0", "subscription": "*",
            // The subscription comes with the request: no heartbeat has told it before.
            "sysFlag": "4",
        });
        let answer = connection.ask(PULL_MESSAGE, &fields, b"")?;
        assert_eq!(
            answer.code, SUCCESS,
            "pull of {topic} {queue} at {next}: {:?}",
            answer.remark
        );
        for message in records(&answer.body) {
            assert_eq!(
                message.queue_offset, next,
                "queue offsets of {topic} {queue} are without gaps"
            );
            next += 1;
            messages.push(message);
        }
    }
    Ok(messages)
}

/// What tests look at in a stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub queue_offset: u64,
    /// Its place in the commit log.
    pub offset: u64,
    /// Milliseconds since the epoch.
    pub store_timestamp: u64,
    pub reconsume_times: u32,
    pub body: Vec<u8>,
}

/// The stored messages in an answer to a pull.
pub fn records(mut bytes: &[u8]) -> Vec<Stored> {
    // Positions for IPv4 hosts, as all are here.
    const QUEUE_OFFSET: usize = 20;
    const PHYSICAL_OFFSET: usize = 28;
    const STORE_TIMESTAMP: usize = 56;
    const RECONSUME_TIMES: usize = 72;
    const BODY_LENGTH: usize = 84;
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let word =
            |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let long =
            |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let body = &bytes[BODY_LENGTH + 4..BODY_LENGTH + 4 + word(BODY_LENGTH) as usize];
        records.push(Stored {
            queue_offset: long(QUEUE_OFFSET),
            offset: long(PHYSICAL_OFFSET),
            store_timestamp: long(STORE_TIMESTAMP),
            reconsume_times: word(RECONSUME_TIMES),
            body: body.to_vec(),
        });
        bytes = &bytes[word(0) as usize..];
    }
    records
}
