//! JSON as in-toto signs it: read without any doubt, written in canonical form.
//!
//! in-toto's Metablock signatures are over the OLPC canonical JSON of `signed`
//! (securesystemslib, `formats.encode_canonical`; <http://wiki.laptop.org/go/Canonical_JSON>):
//! members sorted by code point, no white space, only `\` and `"` escaped, no floating point
//! numbers. The form is made from the value that was *received*, not from the fields that we
//! know, so that a member added after signing breaks the signature.
//!
//! Where two readers could understand a text differently (a key given twice, a number that is no
//! integer) there is no canonical form and the text is refused.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Deepest nesting that is read. A link needs 4.
pub const MAX_DEPTH: usize = 16;

/// A JSON value that has a canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer of at most 64 bits
    Integer(i128),
    /// A string
    String(String),
    /// An array
    Array(Vec<Value>),
    /// An object. Strings are ordered by their UTF-8 bytes, which is the order of code points.
    Object(BTreeMap<String, Value>),
}

/// The reason that a text is refused as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON at all, or not UTF-8, or followed by something else.
    #[error("not JSON (line {line}, column {column})")]
    Malformed {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault in bytes, from 0.
        column: usize,
    },
    /// A key stands twice in an object: readers disagree which one counts.
    #[error("duplicate key {} in a JSON object", crate::types::printable(.key))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A number that is no integer of 64 bits.
    #[error("a number is not a 64-bit integer, so there is no canonical form")]
    NotAnInteger,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

impl JsonError {
    /// A short stable name for each reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "not-json",
            Self::DuplicateKey { .. } => "duplicate-key",
            Self::NotAnInteger => "not-an-integer",
            Self::TooDeep => "too-deep",
        }
    }
}

/// Reads one JSON text.
///
/// The caller bounds the size of `text`; the memory taken is proportional to it.
///
/// # Errors
/// See [`JsonError`].
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let reason = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Seed { depth: 0, reason: &reason }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        let malformed = JsonError::Malformed { line: error.line(), column: error.column() };
        reason.take().unwrap_or(malformed)
    })
}

impl Value {
    /// The canonical form, over which signatures are made.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// The member `key`, if this is an object that has it.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The members, if this is an object.
    #[must_use]
    pub const fn as_object(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    // Recursion is bounded by MAX_DEPTH: only `parse` makes nested values.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend(b"null"),
            Self::Bool(true) => out.extend(b"true"),
            Self::Bool(false) => out.extend(b"false"),
            Self::Integer(number) => out.extend(number.to_string().as_bytes()),
            Self::String(text) => write_string(text, out),
            Self::Array(elements) => {
                out.push(b'[');
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    element.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (at, (key, member)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write_string(key, out);
                    out.push(b':');
                    member.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Reads one value at a known depth and leaves the reason of a refusal behind: serde's own
/// errors carry only text.
#[derive(Clone, Copy)]
struct Seed<'a> {
    depth: usize,
    reason: &'a RefCell<Option<JsonError>>,
}

impl Seed<'_> {
    fn refuse<E: serde::de::Error>(&self, why: JsonError) -> E {
        let error = E::custom(&why);
        self.reason.borrow_mut().get_or_insert(why);
        error
    }

    /// For what stands in an array or object, of which even an empty one is a level.
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(JsonError::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, reason: self.reason })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        Err(self.refuse(JsonError::NotAnInteger))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut reader: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(element) = reader.next_element_seed(inner)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut reader: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = BTreeMap::new();
        while let Some(key) = reader.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(self.refuse(JsonError::DuplicateKey { key }));
            }
            let member = reader.next_value_seed(inner)?;
            if members.insert(key, member).is_some() {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        String::from_utf8(parse(text.as_bytes()).unwrap().canonical()).unwrap()
    }

    #[test]
    fn the_form_is_that_of_the_specification() {
        for (text, expected) in [
            (r#" { "b" : [ 1 , true , null ] , "a" : { } } "#, r#"{"a":{},"b":[1,true,null]}"#),
            (r#"{"a/b":"\/"}"#, r#"{"a/b":"/"}"#),
            (r#""A\u00e9\n\t""#, "\"A\u{e9}\n\t\""),
            (r#""\"\\""#, r#""\"\\""#),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn keys_are_sorted_by_code_point_and_not_by_utf16_unit() {
        // U+FF61 sorts before U+1F600 by code point and after its surrogates in UTF-16.
        assert_eq!(
            canonical("{\"\u{1f600}\":1,\"\u{ff61}\":2,\"Z\":3,\"a\":4}"),
            "{\"Z\":3,\"a\":4,\"\u{ff61}\":2,\"\u{1f600}\":1}"
        );
    }

    #[test]
    fn doubtful_texts_have_a_reason_of_their_own() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        let deep_object = |n: usize| "{\"a\":".repeat(n - 1) + "{}" + &"}".repeat(n - 1);
        for (text, code) in [
            (r#"{"a":1,"a":1}"#, "duplicate-key"),
            (r#"{"x":{"a":1,"\u0061":2}}"#, "duplicate-key"),
            ("1.0", "not-an-integer"),
            ("1e2", "not-an-integer"),
            ("-0", "not-an-integer"),
            ("18446744073709551616", "not-an-integer"),
            (&deep(MAX_DEPTH + 1), "too-deep"),
            (&deep(100_000), "too-deep"),
            (&deep_object(MAX_DEPTH + 1), "too-deep"),
            ("", "not-json"),
            ("{} {}", "not-json"),
            ("{'a':1}", "not-json"),
            ("NaN", "not-json"),
            ("[1,]", "not-json"),
            ("\u{feff}{}", "not-json"),
            (r#""\ud800""#, "not-json"),
            ("\"\n\"", "not-json"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().code(), code, "{text:.40}");
        }
        assert!(parse(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(parse(deep_object(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(parse(b"\"\xff\"").unwrap_err().code(), "not-json");
    }

    #[test]
    fn the_canonical_form_of_a_canonical_form_is_itself() {
        let text = "{\"a\":[\"\\\"\\\\\u{e9}\"],\"b\":{\"c\":null}}";
        assert_eq!(canonical(text), text);
    }
}
