//! AMF0, the format of RTMP's commands (Action Message Format, AMF 0).
//!
//! Depth, number of values and length of strings are bounded. References (marker 7) are not
//! followed: with them, a message of a few hundred bytes could expand to gigabytes.

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;

/// Deepest nesting of objects and arrays.
const DEPTH_MAX: usize = 8;
/// Most values in one message, nested ones included.
const VALUES_MAX: usize = 512;
/// Longest string or property name, in bytes.
const STRING_BYTES_MAX: usize = 4096;

const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const STRING: u8 = 2;
const OBJECT: u8 = 3;
const NULL: u8 = 5;
const UNDEFINED: u8 = 6;
const REFERENCE: u8 = 7;
const ECMA_ARRAY: u8 = 8;
const OBJECT_END: u8 = 9;
const STRICT_ARRAY: u8 = 10;
const DATE: u8 = 11;
const LONG_STRING: u8 = 12;
const UNSUPPORTED: u8 = 13;
const XML_DOCUMENT: u8 = 15;
const TYPED_OBJECT: u8 = 16;
const AVM_PLUS: u8 = 17;

/// Why a value could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmfError {
    /// The value is cut short.
    #[error("an AMF value is cut short")]
    Truncated,
    /// The value is nested too deeply.
    #[error("AMF values are nested more than {DEPTH_MAX} deep")]
    TooDeep,
    /// The message has too many values.
    #[error("more than {VALUES_MAX} AMF values in one message")]
    TooMany,
    /// A string is too long.
    #[error("an AMF string is longer than {STRING_BYTES_MAX} bytes")]
    StringTooLong,
    /// The type of the value is unknown.
    #[error("AMF type {0} is not supported")]
    Type(u8),
}

/// A value of AMF0.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// A string; bytes that are not UTF-8 are replaced.
    String(String),
    /// An object, a typed object or an ECMA array: properties in the order of the message.
    Object(Vec<(String, Value)>),
    /// A strict array.
    Array(Vec<Value>),
    /// Null.
    Null,
    /// Undefined; also stands for dates and references, which publishing does not need.
    Undefined,
}

impl Value {
    /// A string.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// An object with `properties`.
    pub fn object<const N: usize>(properties: [(&str, Value); N]) -> Self {
        let named = properties.map(|(name, value)| (name.to_owned(), value));
        Self::Object(named.into())
    }

    /// The property `name`; `None` when the value is not an object or lacks it.
    pub fn property(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(properties) => properties
                .iter()
                .find_map(|(found, value)| (found == name).then_some(value)),
            _ => None,
        }
    }

    /// The text, when the value is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, when the value is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Appends the value to `output`. Strings are cut at 65535 bytes.
    pub fn write(&self, output: &mut BytesMut) {
        match self {
            Self::Number(number) => {
                output.put_u8(NUMBER);
                output.put_f64(*number);
            }
            Self::Boolean(boolean) => output.put_slice(&[BOOLEAN, u8::from(*boolean)]),
            Self::String(text) => {
                output.put_u8(STRING);
                write_text(text, output);
            }
            Self::Object(properties) => {
                output.put_u8(OBJECT);
                for (name, value) in properties {
                    write_text(name, output);
                    value.write(output);
                }
                output.put_slice(&[0, 0, OBJECT_END]);
            }
            Self::Array(values) => {
                output.put_u8(STRICT_ARRAY);
                output.put_u32(u32::try_from(values.len()).unwrap_or(u32::MAX));
                for value in values {
                    value.write(output);
                }
            }
            Self::Null => output.put_u8(NULL),
            Self::Undefined => output.put_u8(UNDEFINED),
        }
    }
}

fn write_text(text: &str, output: &mut BytesMut) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    output.put_u16(len);
    output.put_slice(text.as_bytes().get(..len.into()).unwrap_or_default());
}

/// Reads all values of a message.
///
/// # Errors
/// An [`AmfError`] for the first value that cannot be read.
pub fn read_all(bytes: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut reader = Reader {
        cursor: Cursor::new(bytes),
        values: 0,
    };
    let mut values = Vec::new();
    while !reader.cursor.is_empty() {
        values.push(reader.value(0)?);
    }
    Ok(values)
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    values: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, AmfError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(AmfError::TooMany);
        }
        if depth > DEPTH_MAX {
            return Err(AmfError::TooDeep);
        }
        match self.u8()? {
            NUMBER => Ok(Value::Number(self.f64()?)),
            BOOLEAN => Ok(Value::Boolean(self.u8()? != 0)),
            STRING => self.short_text().map(Value::String),
            LONG_STRING | XML_DOCUMENT => self.long_text().map(Value::String),
            OBJECT => self.properties(depth),
            TYPED_OBJECT => {
                self.short_text()?;
                self.properties(depth)
            }
            // Encoders get the count of an ECMA array wrong; only the end marker is reliable.
            ECMA_ARRAY => {
                self.u32()?;
                self.properties(depth)
            }
            STRICT_ARRAY => self.array(depth),
            NULL => Ok(Value::Null),
            UNDEFINED | UNSUPPORTED => Ok(Value::Undefined),
            REFERENCE => self.skip(2),
            DATE => self.skip(10),
            AVM_PLUS => self.amf3_value(),
            other => Err(AmfError::Type(other)),
        }
    }

    fn properties(&mut self, depth: usize) -> Result<Value, AmfError> {
        let mut properties = Vec::new();
        loop {
            let name = self.short_text()?;
            let mut ahead = self.cursor.clone();
            if name.is_empty() && ahead.u8() == Some(OBJECT_END) {
                self.cursor = ahead;
                return Ok(Value::Object(properties));
            }
            properties.push((name, self.value(depth + 1)?));
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, AmfError> {
        let mut values = Vec::new();
        for _ in 0..self.u32()? {
            values.push(self.value(depth + 1)?);
        }
        Ok(Value::Array(values))
    }

    /// A value of AMF3 within AMF0. Only simple types are supported: commands use no others.
    fn amf3_value(&mut self) -> Result<Value, AmfError> {
        match self.u8()? {
            0x00 => Ok(Value::Undefined),
            0x01 => Ok(Value::Null),
            0x02 => Ok(Value::Boolean(false)),
            0x03 => Ok(Value::Boolean(true)),
            // A signed number of 29 bits in two's complement.
            0x04 => {
                let bits = self.u29()? << 3;
                Ok(Value::Number(f64::from(bits.cast_signed() >> 3)))
            }
            0x05 => Ok(Value::Number(self.f64()?)),
            // The lowest bit is 1 for a string, 0 for a reference, which is not followed.
            0x06 => match self.u29()? {
                head if head & 1 == 1 => self.text((head >> 1) as usize).map(Value::String),
                _ => Ok(Value::Undefined),
            },
            other => Err(AmfError::Type(other)),
        }
    }

    /// A variable-length number of AMF3: seven bits per byte, eight bits in the fourth byte.
    fn u29(&mut self) -> Result<u32, AmfError> {
        let mut value = 0;
        for _ in 0..3 {
            let byte = u32::from(self.u8()?);
            value = value << 7 | byte & 0x7f;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Ok(value << 8 | u32::from(self.u8()?))
    }

    fn short_text(&mut self) -> Result<String, AmfError> {
        let len = self.cursor.u16().ok_or(AmfError::Truncated)?;
        self.text(len.into())
    }

    fn long_text(&mut self) -> Result<String, AmfError> {
        let len = usize::try_from(self.u32()?).map_err(|_| AmfError::StringTooLong)?;
        self.text(len)
    }

    fn text(&mut self, len: usize) -> Result<String, AmfError> {
        if len > STRING_BYTES_MAX {
            return Err(AmfError::StringTooLong);
        }
        let bytes = self.cursor.take(len).ok_or(AmfError::Truncated)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn skip(&mut self, len: usize) -> Result<Value, AmfError> {
        self.cursor.take(len).ok_or(AmfError::Truncated)?;
        Ok(Value::Undefined)
    }

    fn u8(&mut self) -> Result<u8, AmfError> {
        self.cursor.u8().ok_or(AmfError::Truncated)
    }

    fn u32(&mut self) -> Result<u32, AmfError> {
        self.cursor.u32().ok_or(AmfError::Truncated)
    }

    fn f64(&mut self) -> Result<f64, AmfError> {
        self.cursor.f64().ok_or(AmfError::Truncated)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: &Value) -> Vec<u8> {
        let mut output = BytesMut::new();
        value.write(&mut output);
        output.to_vec()
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            (-1e9..1e9).prop_map(Value::Number),
            any::<bool>().prop_map(Value::Boolean),
            ".{0,20}".prop_map(Value::String),
            Just(Value::Null),
            Just(Value::Undefined),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec(("[a-z]{1,8}", inner), 0..5).prop_map(Value::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in values()) {
            prop_assert_eq!(read_all(&written(&value)), Ok(vec![value]));
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let values = read_all(&bytes).unwrap_or_default();
            prop_assert!(values.len() <= bytes.len());
        }
    }

    #[test]
    fn kinds_that_encoders_send_are_read() {
        let ecma = [8, 0, 0, 0, 9, 0, 1, b'a', 1, 1, 0, 0, 9];
        let date = [11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let long = [12, 0, 0, 0, 2, b'h', b'i'];
        let typed = [16, 0, 1, b'T', 0, 0, 9];
        let cases: [(&[u8], Value); 8] = [
            (&ecma, Value::object([("a", Value::Boolean(true))])),
            (&date, Value::Undefined),
            (&long, Value::string("hi")),
            (&typed, Value::Object(vec![])),
            (&[7, 0, 0], Value::Undefined),
            (&[17, 4, 0xff, 0xff, 0xff, 0xff], Value::Number(-1.0)),
            (&[17, 4, 0x81, 0x01], Value::Number(129.0)),
            (&[17, 6, 5, b'h', b'i'], Value::string("hi")),
        ];
        for (bytes, value) in cases {
            assert_eq!(read_all(bytes), Ok(vec![value]), "{bytes:?}");
        }
    }

    #[test]
    fn what_breaks_a_bound_is_refused() {
        let deep = [3, 0, 1, b'a'].repeat(DEPTH_MAX + 2);
        let long = [12, 0, 0, 0x10, 1].to_vec();
        let claimed = [10, 0xff, 0xff, 0xff, 0xff].to_vec();
        let cases = [
            (deep, AmfError::TooDeep),
            (vec![NULL; VALUES_MAX + 1], AmfError::TooMany),
            (long, AmfError::StringTooLong),
            (claimed, AmfError::Truncated),
            (vec![3, 0], AmfError::Truncated),
            (vec![99], AmfError::Type(99)),
        ];
        for (bytes, error) in cases {
            assert_eq!(read_all(&bytes), Err(error));
        }
    }

    #[test]
    fn an_empty_property_name_does_not_end_an_object() {
        let bytes = [3, 0, 0, 1, 1, 0, 0, 9];
        let expected = Value::object([("", Value::Boolean(true))]);
        assert_eq!(read_all(&bytes), Ok(vec![expected]));
    }
}
