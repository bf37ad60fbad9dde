//! JSON Schemas of what is read: made from the same lines as the types that read it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::live::chat::Priority;
use crate::live::{MovePolicy, RoomId, SeatMode, UserId};

/// A type with a JSON Schema (2020-12, as OpenAPI 3.1 has it).
pub(super) trait Schema {
    /// Whether a field of this type has to be there.
    const REQUIRED: bool = true;
    /// The schema.
    fn schema() -> Value;
}

/// A request's body.
pub(super) trait Body: Schema {
    /// Its name among the schemas of the description.
    const NAME: &'static str;
}

/// Declares a body: the struct that reads it, and the schema that describes it.
macro_rules! body {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident {
            $( $(#[doc = $field_doc:literal])* $field:ident: $type:ty, )*
        }
    )*) => { $(
        $(#[doc = $doc])*
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub(super) struct $name {
            $( $(#[doc = $field_doc])* pub(super) $field: $type, )*
        }

        impl crate::http::api::schema::Schema for $name {
            fn schema() -> serde_json::Value {
                crate::http::api::schema::object(
                    concat!($($doc),*),
                    &[$( (
                        stringify!($field),
                        concat!($($field_doc),*),
                        <$type as crate::http::api::schema::Schema>::REQUIRED,
                        <$type as crate::http::api::schema::Schema>::schema,
                    ) ),*],
                )
            }
        }

        impl crate::http::api::schema::Body for $name {
            const NAME: &'static str = stringify!($name);
        }
    )* };
}

pub(super) use body;

/// A field: its name as in Rust, what it is, whether it has to be there, its schema.
type Field = (&'static str, &'static str, bool, fn() -> Value);

/// The schema of an object with these fields and no others.
pub(super) fn object(text: &str, fields: &[Field]) -> Value {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for (name, text, is_required, schema) in fields {
        let name = camel(name);
        let mut schema = schema();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), text.trim().into());
        }
        if *is_required {
            required.push(name.clone());
        }
        properties.insert(name, schema);
    }
    let mut schema = json!({
        "type": "object",
        "description": text.trim(),
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty()
        && let Some(schema) = schema.as_object_mut()
    {
        schema.insert("required".to_owned(), required.into());
    }
    schema
}

/// `mute_all` → `muteAll`, as serde renames fields.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(letters.as_str());
    }
    text
}

impl<T: Schema> Schema for Option<T> {
    const REQUIRED: bool = false;
    fn schema() -> Value {
        T::schema()
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    fn schema() -> Value {
        let mut values = T::schema();
        if !T::REQUIRED {
            values = json!({"anyOf": [values, {"type": "null"}]});
        }
        json!({"type": "object", "additionalProperties": values})
    }
}

macro_rules! schemas {
    ($($type:ty => $schema:tt;)*) => { $(
        impl Schema for $type {
            fn schema() -> Value {
                json!($schema)
            }
        }
    )* };
}

schemas! {
    bool => {"type": "boolean"};
    String => {"type": "string"};
    u16 => {"type": "integer", "minimum": 0, "maximum": 65_535};
    u64 => {"type": "integer", "minimum": 0};
    i64 => {"type": "integer"};
    RoomId => {"$ref": "#/components/schemas/RoomId"};
    UserId => {"$ref": "#/components/schemas/UserId"};
    SeatMode => {"type": "string", "enum": ["freeToTake", "applyToTake"]};
    MovePolicy => {"type": "string", "enum": ["abortWhenOccupied", "forceReplace", "swapPosition"]};
    Priority => {"type": "string", "enum": ["Lowest", "Low", "Normal", "High"]};
}

#[cfg(test)]
mod tests {
    use super::*;

    body! {
        /// A thing.
        Thing {
            /// How
            /// many.
            how_many: u64,
            /// Its name.
            name: Option<String>,
        }
    }

    #[test]
    fn the_schema_is_that_of_the_struct() {
        assert_eq!(
            Thing::schema(),
            json!({
                "type": "object",
                "description": "A thing.",
                "properties": {
                    "howMany": {"type": "integer", "minimum": 0, "description": "How many."},
                    "name": {"type": "string", "description": "Its name."},
                },
                "required": ["howMany"],
                "additionalProperties": false,
            })
        );
        let thing: Thing = serde_json::from_str("{\"howMany\": 3}").unwrap();
        assert_eq!((thing.how_many, thing.name), (3, None));
        assert!(serde_json::from_str::<Thing>("{}").is_err());
        assert!(serde_json::from_str::<Thing>("{\"howMany\": 3, \"x\": 1}").is_err());
    }
}
