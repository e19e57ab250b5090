//! From string pairs to a header struct: every value is text, read as what its field wants.

use std::borrow::Cow;

use serde::de::value::CowStrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::{HeaderError, ShortNames};

/// A struct from string pairs.
pub(super) fn decode_pairs<'a, T: Deserialize<'a>>(
    pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    names: ShortNames,
) -> Result<T, HeaderError> {
    T::deserialize(PairsDeserializer {
        pairs,
        names,
        value: None,
    })
}

struct PairsDeserializer<'a, I> {
    pairs: I,
    names: ShortNames,
    value: Option<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'de, I: Iterator<Item = (Cow<'de, str>, Cow<'de, str>)>> de::Deserializer<'de>
    for PairsDeserializer<'de, I>
{
    type Error = HeaderError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, HeaderError> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'a, I: Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>> MapAccess<'a>
    for PairsDeserializer<'a, I>
{
    type Error = HeaderError;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, HeaderError> {
        let Some((key, value)) = self.pairs.next() else {
            return Ok(None);
        };
        let key = match self.names.iter().find(|(_, short)| *short == key) {
            Some((long, _)) => Cow::Borrowed(*long),
            None => key,
        };
        let deserializer: CowStrDeserializer<'_, HeaderError> = key.clone().into_deserializer();
        self.value = Some((key, value));
        seed.deserialize(deserializer).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, HeaderError> {
        let Some((key, text)) = self.value.take() else {
            return Err(de::Error::custom("value without key"));
        };
        seed.deserialize(FieldDeserializer { key, text })
    }
}

/// One value: text that is read as what the struct wants.
struct FieldDeserializer<'a> {
    key: Cow<'a, str>,
    text: Cow<'a, str>,
}

impl FieldDeserializer<'_> {
    fn number<T: std::str::FromStr>(&self) -> Result<T, HeaderError> {
        self.text.parse().map_err(|_| {
            let shown: String = self.text.chars().take(40).collect();
            HeaderError(format!("field {} is not a number: {shown:?}", self.key))
        })
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, HeaderError> {
            visitor.$visit(self.number()?)
        }
    )* };
}

impl<'de> de::Deserializer<'de> for FieldDeserializer<'de> {
    type Error = HeaderError;

    numbers! {
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_f32 visit_f32 deserialize_f64 visit_f64
    }

    /// As Java's `Boolean.parseBoolean`: everything but `true` is false.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, HeaderError> {
        visitor.visit_bool(self.text.eq_ignore_ascii_case("true"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, HeaderError> {
        match self.text {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    /// An absent field does not come here; an empty one counts as absent, because a ROCKETMQ
    /// header cannot tell the two apart.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, HeaderError> {
        if self.text.is_empty() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, HeaderError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, HeaderError> {
        let deserializer: CowStrDeserializer<'_, HeaderError> = self.text.into_deserializer();
        visitor.visit_enum(deserializer)
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}
