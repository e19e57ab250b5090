//! From a header struct to string pairs: a field is a scalar and is written as text, one that is `None` not at all.

use serde::Serialize;
use serde::ser::{self, Impossible, SerializeStruct};

use super::{ExtBuf, HeaderError, ShortNames};

/// Adds the fields of a struct, by their short names where `names` has one.
pub(super) struct PairsSerializer<'o> {
    pub(super) out: &'o mut ExtBuf,
    pub(super) names: ShortNames,
}

fn not_a_header<T>() -> Result<T, HeaderError> {
    Err(ser::Error::custom(
        "only plain structs of scalars are headers",
    ))
}

macro_rules! refuse {
    ($($method:ident($($arg:ty),*) -> $ok:ty;)*) => { $(
        fn $method(self, $(_: $arg),*) -> Result<$ok, HeaderError> { not_a_header() }
    )* };
}

/// What holds one value is that value, by whatever name; a variant that holds one is no scalar.
macro_rules! wrappers {
    () => {
        fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), HeaderError> {
            value.serialize(self)
        }

        fn serialize_newtype_struct<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            value: &T,
        ) -> Result<(), HeaderError> {
            value.serialize(self)
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<(), HeaderError> {
            not_a_header()
        }
    };
}

impl ser::Serializer for PairsSerializer<'_> {
    type Ok = ();
    type Error = HeaderError;
    type SerializeSeq = Impossible<(), HeaderError>;
    type SerializeTuple = Impossible<(), HeaderError>;
    type SerializeTupleStruct = Impossible<(), HeaderError>;
    type SerializeTupleVariant = Impossible<(), HeaderError>;
    type SerializeMap = Impossible<(), HeaderError>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), HeaderError>;

    refuse! {
        serialize_bool(bool) -> (); serialize_i8(i8) -> (); serialize_i16(i16) -> (); serialize_i32(i32) -> ();
        serialize_i64(i64) -> (); serialize_u8(u8) -> (); serialize_u16(u16) -> (); serialize_u32(u32) -> ();
        serialize_u64(u64) -> (); serialize_f32(f32) -> (); serialize_f64(f64) -> (); serialize_char(char) -> ();
        serialize_str(&str) -> (); serialize_bytes(&[u8]) -> (); serialize_none() -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq; serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    wrappers!();

    /// `()` and unit structs are headers without fields.
    fn serialize_unit(self) -> Result<(), HeaderError> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), HeaderError> {
        Ok(())
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Self, HeaderError> {
        Ok(self)
    }
}

impl SerializeStruct for PairsSerializer<'_> {
    type Ok = ();
    type Error = HeaderError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), HeaderError> {
        let key = match self.names.iter().find(|(long, _)| *long == key) {
            Some((_, short)) => short,
            None => key,
        };
        value.serialize(FieldSerializer {
            out: &mut *self.out,
            key,
        })
    }

    fn end(self) -> Result<(), HeaderError> {
        Ok(())
    }
}

/// Writes one field's value as text.
struct FieldSerializer<'o> {
    out: &'o mut ExtBuf,
    key: &'static str,
}

macro_rules! integers {
    ($($method:ident $type:ty;)*) => { $(
        fn $method(self, value: $type) -> Result<(), HeaderError> {
            self.out.push(self.key, itoa::Buffer::new().format(value));
            Ok(())
        }
    )* };
}

impl ser::Serializer for FieldSerializer<'_> {
    type Ok = ();
    type Error = HeaderError;
    type SerializeSeq = Impossible<(), HeaderError>;
    type SerializeTuple = Impossible<(), HeaderError>;
    type SerializeTupleStruct = Impossible<(), HeaderError>;
    type SerializeTupleVariant = Impossible<(), HeaderError>;
    type SerializeMap = Impossible<(), HeaderError>;
    type SerializeStruct = Impossible<(), HeaderError>;
    type SerializeStructVariant = Impossible<(), HeaderError>;

    integers! {
        serialize_i8 i8; serialize_i16 i16; serialize_i32 i32; serialize_i64 i64;
        serialize_u8 u8; serialize_u16 u16; serialize_u32 u32; serialize_u64 u64;
    }

    refuse! {
        serialize_char(char) -> (); serialize_bytes(&[u8]) -> (); serialize_unit_struct(&'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq; serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    wrappers!();

    fn serialize_f32(self, value: f32) -> Result<(), HeaderError> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), HeaderError> {
        self.out.push(self.key, &value.to_string());
        Ok(())
    }

    fn serialize_bool(self, value: bool) -> Result<(), HeaderError> {
        self.serialize_str(if value { "true" } else { "false" })
    }

    fn serialize_str(self, value: &str) -> Result<(), HeaderError> {
        self.out.push(self.key, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), HeaderError> {
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), HeaderError> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), HeaderError> {
        self.serialize_str(variant)
    }
}
