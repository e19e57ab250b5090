//! Scalars as fastjson casts them to the type of a field: where a number is wanted a text may hold it, where a text is
//! wanted a number is written out. The C++ client and those built on it (Python) send texts for numbers, the Go client
//! does in places.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Reads what `D` reads, casting scalars on every level.
pub(super) struct Casting<D>(pub(super) D);

macro_rules! scalar {
    ($visitor:ident: $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.deserialize_any($visitor(visitor))
        }
    )*};
}

macro_rules! container {
    ($($method:ident($($name:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* Inside(visitor))
        }
    )*};
}

/// What the visitor inside takes as it comes.
macro_rules! as_it_comes {
    ($($method:ident($kind:ty))*) => {
        type Value = V::Value;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.expecting(f)
        }

        $(fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Casting<D> {
    type Error = D::Error;

    scalar!(Number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64);
    scalar!(Truth: deserialize_bool);
    scalar!(Text: deserialize_str deserialize_string);

    container!(
        deserialize_any()
        deserialize_option()
        deserialize_newtype_struct(name: &'static str)
        deserialize_seq()
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    );

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    forward_to_deserialize_any! { char bytes byte_buf unit unit_struct identifier }
}

/// Wants a number; nothing at all is 0.
struct Number<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Number<V> {
    as_it_comes!(visit_i64(i64) visit_u64(u64) visit_f64(f64));

    fn visit_bool<E: Error>(self, truth: bool) -> Result<V::Value, E> {
        self.0.visit_i64(truth.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        if text.is_empty() {
            return self.0.visit_i64(0);
        }
        if let Ok(number) = text.parse() {
            return self.0.visit_i64(number);
        }
        if let Ok(number) = text.parse() {
            return self.0.visit_u64(number);
        }
        match text.parse() {
            Ok(number) => self.0.visit_f64(number),
            Err(_) => self.0.visit_str(text),
        }
    }
}

/// Wants true or false.
struct Truth<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Truth<V> {
    as_it_comes!(visit_bool(bool));

    fn visit_u64<E: Error>(self, number: u64) -> Result<V::Value, E> {
        self.0.visit_bool(number == 1)
    }

    fn visit_i64<E: Error>(self, _negative: i64) -> Result<V::Value, E> {
        self.0.visit_bool(false)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        match text {
            "true" | "TRUE" | "1" => self.0.visit_bool(true),
            "false" | "FALSE" | "0" | "" => self.0.visit_bool(false),
            _ => self.0.visit_str(text),
        }
    }
}

/// Wants a text.
struct Text<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Text<V> {
    as_it_comes!(visit_str(&str) visit_string(String));

    fn visit_bool<E: Error>(self, truth: bool) -> Result<V::Value, E> {
        self.0.visit_string(truth.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<V::Value, E> {
        self.0.visit_string(number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<V::Value, E> {
        self.0.visit_string(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<V::Value, E> {
        self.0.visit_string(number.to_string())
    }
}

/// Wants anything; casts what is inside it.
struct Inside<T>(T);

impl<'de, V: Visitor<'de>> Visitor<'de> for Inside<V> {
    as_it_comes!(visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_str(&str) visit_string(String));

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Casting(inner))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Casting(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Inside(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Inside(members))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(variant)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Inside<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Inside(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Inside<A> {
    type Error = A::Error;

    /// Keys are texts in JSON, and `serde_json` reads numbers from them itself.
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Inside(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Inside<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Casting(deserializer))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use crate::protocol::fastjson::from_slice;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Sample {
        number: i64,
        small: Option<i32>,
        part: f64,
        truth: bool,
        text: String,
        list: Vec<i32>,
        table: BTreeMap<i64, i32>,
        inner: Option<Box<Sample>>,
    }

    #[test]
    fn scalars_are_cast_on_every_level() {
        let cast =
            br#"{"number":"-7","small":"3","part":"0.5","truth":"true","text":12,"list":["1",2],
            "table":{4:"5"},"inner":{"number":"18446744073","truth":1,"text":true}}"#;
        let expected = Sample {
            number: -7,
            small: Some(3),
            part: 0.5,
            truth: true,
            text: "12".to_owned(),
            list: vec![1, 2],
            table: BTreeMap::from([(4, 5)]),
            inner: Some(Box::new(Sample {
                number: 18_446_744_073,
                truth: true,
                text: "true".to_owned(),
                ..Sample::default()
            })),
        };
        assert_eq!(from_slice::<Sample>(cast).unwrap(), expected);
    }

    #[test]
    fn nothing_is_nought() {
        let nothing = br#"{"number":"","truth":"","small":null}"#;
        assert_eq!(from_slice::<Sample>(nothing).unwrap(), Sample::default());
    }

    #[test]
    fn what_cannot_be_cast_is_refused() {
        for wrong in [
            &br#"{"number":"seven"}"#[..],
            br#"{"small":"4294967296"}"#,
            br#"{"truth":"perhaps"}"#,
            br#"{"text":[1]}"#,
            br#"{"number":{}}"#,
        ] {
            assert!(
                from_slice::<Sample>(wrong).is_err(),
                "{}",
                wrong.escape_ascii()
            );
        }
    }
}
