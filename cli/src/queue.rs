//! A queue of a topic, as people type it: `broker-a:3`.

/// Reads `BROKER:ID`.
pub(crate) fn parse(text: &str) -> Result<(String, i32), String> {
    let parsed = text.rsplit_once(':').and_then(|(broker, id)| {
        let id = id.parse().ok().filter(|id| *id >= 0)?;
        (!broker.is_empty()).then(|| (broker.to_owned(), id))
    });
    parsed.ok_or_else(|| "write BROKER:ID, as broker-a:3".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_and_id() {
        assert_eq!(parse("broker-a:3"), Ok(("broker-a".to_owned(), 3)));
        for text in ["3", ":3", "broker-a:", "broker-a:-1", "broker-a:x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
