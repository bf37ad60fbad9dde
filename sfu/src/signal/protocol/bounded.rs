//! Reading JSON from the wire within bounds.
//!
//! Everything is counted while it is read: what is over a bound is refused before it takes
//! memory, and nothing is allocated from a length that the text claims.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::errors::RequestError;

/// Longest request, in bytes: an SDP answer for 32 sounds and 32 pictures has up to 128 KiB,
/// and JSON writes each line break of it in two bytes.
pub const MAX_REQUEST: usize = 192 * 1024;

/// Longest text in a request, in bytes: an SDP answer.
pub const MAX_TEXT: usize = 160 * 1024;

/// Most values in a request, counted in all lists and objects: the largest honest request names
/// some dozens.
pub const MAX_VALUES: usize = 256;

/// Deepest nesting: a request's content's payload's fields are the third level.
pub const MAX_DEPTH: usize = 5;

/// Reads one JSON object and nothing else. No name may be twice in an object.
pub(super) fn read_object(text: &str) -> Result<Map<String, Value>, RequestError> {
    if text.len() > MAX_REQUEST {
        return Err(RequestError::TooLarge { bytes: text.len() });
    }
    let mut values = 0;
    let mut json = serde_json::Deserializer::from_str(text);
    let node = Node {
        values: &mut values,
        depth: 0,
    };
    let value = node.deserialize(&mut json);
    match value.and_then(|value| json.end().map(|()| value)) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(RequestError::NoObject),
        Err(error) => Err(RequestError::json(&error)),
    }
}

/// One value, and what of the bounds is used up before it.
struct Node<'a> {
    values: &'a mut usize,
    depth: usize,
}

impl Node<'_> {
    fn inner(&mut self) -> Node<'_> {
        Node {
            values: self.values,
            depth: self.depth + 1,
        }
    }

    fn enter<E: Error>(&self) -> Result<(), E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!(
                "too deeply nested; at most {MAX_DEPTH} levels are allowed"
            )));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.values += 1;
        if *self.values > MAX_VALUES {
            return Err(D::Error::custom(format_args!(
                "too many values; at most {MAX_VALUES} are allowed"
            )));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
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

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        if text.len() > MAX_TEXT {
            return Err(E::custom(format_args!(
                "a text has {} bytes; at most {MAX_TEXT} are allowed",
                text.len()
            )));
        }
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.inner())? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut values = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if values.contains_key(&name) {
                let name: String = name.chars().take(40).collect();
                return Err(A::Error::custom(format_args!(
                    "the field {name:?} is there twice; allowed is once"
                )));
            }
            let value = fields.next_value_seed(self.inner())?;
            values.insert(name, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reason(text: &str) -> String {
        read_object(text).expect_err("refused").to_string()
    }

    #[test]
    fn an_object_is_read_as_it_stands() {
        let text = r#"{"a":[1,-2,2.5,true,null,"ä\n"],"b":{"c":{}}}"#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(read_object(text).unwrap()), expected);
    }

    #[test]
    fn what_is_no_single_object_is_refused() {
        for text in [
            "",
            "[]",
            "1",
            "\"a\"",
            "null",
            "{}{}",
            "{} x",
            "{\"a\":1,}",
            "{'a':1}",
        ] {
            assert!(read_object(text).is_err(), "{text}");
        }
        assert!(read_object(" {} \n").is_ok());
    }

    #[test]
    fn depth_number_of_values_and_length_are_bounded() {
        let nested = |depth| format!("{}{}", "{\"a\":".repeat(depth - 1) + "{", "}".repeat(depth));
        assert!(read_object(&nested(MAX_DEPTH)).is_ok());
        assert!(reason(&nested(MAX_DEPTH + 1)).contains("nested"));
        assert!(reason(&"[".repeat(100_000)).contains("nested"));

        // The object and the list count too.
        let list = |count| format!("{{\"a\":[{}]}}", vec!["0"; count].join(","));
        assert!(read_object(&list(MAX_VALUES - 2)).is_ok());
        assert!(reason(&list(MAX_VALUES - 1)).contains("256"));

        let text = |length| format!("{{\"a\":\"{}\"}}", "x".repeat(length));
        assert!(read_object(&text(MAX_TEXT)).is_ok());
        assert!(reason(&text(MAX_TEXT + 1)).contains("163840"));
        assert!(matches!(
            read_object(&text(MAX_REQUEST)),
            Err(RequestError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused() {
        assert!(reason(r#"{"a":1,"a":2}"#).contains("twice"));
        assert!(reason(r#"{"x":{"b":1,"b":1}}"#).contains("twice"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = read_object(&text);
        }

        #[test]
        fn any_json_like_text_is_read_or_refused(text in "[\\[\\]{}:,\"a0 .e-]{0,200}") {
            let _ = read_object(&text);
        }
    }
}
