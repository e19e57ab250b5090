//! What a broker tells a name server about itself.
//!
//! Body of `REGISTER_BROKER` (103): JSON, or, with `compressed=true`, a zlib stream of
//!
//! | width | field |
//! |---|---|
//! | i32 + n | `DataVersion`, JSON |
//! | i32 | number of topics |
//! | each: i32 + n | topic: name, read queues, write queues, permission, filter type, and since 5.x attributes as JSON, one blank between |
//! | i32 + n | filter servers, JSON array |
//! | i32, each: i32 + n | static topics, since 5.x |

use std::io::Read;

use flate2::read::ZlibDecoder;
use serde::{Deserialize, Serialize};

use super::topic::{DataVersion, TopicConfig, TopicConfigSerializeWrapper};
use crate::protocol::fastjson::{self, JsonError};

/// A compressed registration may not grow beyond this.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Brokers before `V3_0_11` send the bare topic table.
const FIRST_VERSION_WITH_WRAPPER: i32 = 37;

/// The JSON form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegisterBrokerBody {
    pub filter_server_list: Vec<String>,
    pub topic_config_serialize_wrapper: TopicConfigSerializeWrapper,
}

impl RegisterBrokerBody {
    /// Reads either form. `version`: what the broker declared in its header.
    pub fn decode(body: &[u8], compressed: bool, version: i32) -> Result<Self, JsonError> {
        // A 5.3 broker compresses without saying so; no JSON starts with this byte.
        if compressed || body.first() == Some(&0x78) {
            return Self::decode_compressed(body);
        }
        if body.is_empty() {
            return Ok(Self::default());
        }
        if version >= FIRST_VERSION_WITH_WRAPPER {
            return fastjson::from_slice(body);
        }
        Ok(Self {
            filter_server_list: Vec::new(),
            topic_config_serialize_wrapper: fastjson::from_slice(body)?,
        })
    }

    fn decode_compressed(body: &[u8]) -> Result<Self, JsonError> {
        let malformed = |problem| JsonError::Malformed { at: 0, problem };
        let mut bytes = Vec::new();
        ZlibDecoder::new(body)
            .take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|_| malformed("not a zlib stream"))?;
        let mut rest = &bytes[..];
        let mut block = || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (block, after) =
                after.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
            rest = after;
            Some(block)
        };
        let version = block().ok_or(malformed("no data version"))?;
        let data_version: DataVersion = fastjson::from_slice(version)?;
        let (count, after) = rest
            .split_first_chunk::<4>()
            .ok_or(malformed("no topic count"))?;
        rest = after;
        let mut wrapper = TopicConfigSerializeWrapper {
            data_version,
            ..Default::default()
        };
        for _ in 0..i32::from_be_bytes(*count) {
            let Some((length, after)) = rest.split_first_chunk::<4>() else {
                return Err(malformed("fewer topics than announced"));
            };
            let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let (text, after) = after
                .split_at_checked(length)
                .ok_or(malformed("a topic is cut off"))?;
            rest = after;
            let topic = parse_topic(text).ok_or(malformed("malformed topic"))?;
            wrapper
                .topic_config_table
                .insert(topic.topic_name.clone(), topic);
        }
        Ok(Self {
            filter_server_list: Vec::new(),
            topic_config_serialize_wrapper: wrapper,
        })
    }
}

fn parse_topic(text: &[u8]) -> Option<TopicConfig> {
    let mut words = str::from_utf8(text).ok()?.splitn(6, ' ');
    Some(TopicConfig {
        topic_name: words.next()?.to_owned(),
        read_queue_nums: words.next()?.parse().ok()?,
        write_queue_nums: words.next()?.parse().ok()?,
        perm: words.next()?.parse().ok()?,
        topic_filter_type: words.next()?.to_owned(),
        attributes: match words.next() {
            Some(json) => fastjson::from_slice(json.as_bytes()).ok()?,
            None => Default::default(),
        },
        ..TopicConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn every_form_of_registration_is_read() {
        let topic = r#"{"order":false,"perm":6,"readQueueNums":8,"topicFilterType":"SINGLE_TAG","topicName":"T","topicSysFlag":0,"writeQueueNums":4}"#;
        let version = r#"{"counter":3,"timestamp":1730000000000}"#;
        let table = format!(r#"{{"dataVersion":{version},"topicConfigTable":{{"T":{topic}}}}}"#);
        let body = format!(r#"{{"filterServerList":[],"topicConfigSerializeWrapper":{table}}}"#);
        let expected = RegisterBrokerBody::decode(body.as_bytes(), false, 409).unwrap();
        let read = &expected.topic_config_serialize_wrapper;
        assert_eq!(
            (
                read.data_version.counter,
                read.topic_config_table["T"].write_queue_nums
            ),
            (3, 4)
        );
        assert_eq!(
            RegisterBrokerBody::decode(table.as_bytes(), false, 28).unwrap(),
            expected
        );

        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        let mut block = |text: &str| {
            zlib.write_all(&(text.len() as i32).to_be_bytes()).unwrap();
            zlib.write_all(text.as_bytes()).unwrap();
        };
        block(version);
        zlib.write_all(&1i32.to_be_bytes()).unwrap();
        let mut block = |text: &str| {
            zlib.write_all(&(text.len() as i32).to_be_bytes()).unwrap();
            zlib.write_all(text.as_bytes()).unwrap();
        };
        block("T 8 4 6 SINGLE_TAG {}");
        block("[]");
        let compressed = zlib.finish().unwrap();
        for flag in [true, false] {
            assert_eq!(
                RegisterBrokerBody::decode(&compressed, flag, 479).unwrap(),
                expected
            );
        }
        assert!(RegisterBrokerBody::decode(&compressed[..20], true, 479).is_err());
        assert!(RegisterBrokerBody::decode(b"nonsense", false, 409).is_err());
    }
}
