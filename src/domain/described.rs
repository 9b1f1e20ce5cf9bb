//! The JSON Schema of types whose JSON form is written by hand.
//!
//! Why it exists: replies are described from their types, and these serialize as text, numbers or a list of settings.
//! Invariant: what is described is what is written; tests hold real replies against it.

use super::duration::Span;
use super::settings::{Settings, described};
use super::signal::Signal;
use super::spec::FastCrash;
use super::state::State;
use super::timestamp::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

macro_rules! schemas {
    ($($kind:ident: $schema:expr;)*) => {
        $(impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        })*
    };
}

schemas! {
    Timestamp: json_schema!({"type": "string", "format": "date-time", "description": "A moment, as RFC 3339 in UTC."});
    Signal: json_schema!({"type": "string", "description": "A signal by name, such as SIGTERM."});
    Span: json_schema!({"type": "number", "minimum": 0, "description": "A time in seconds."});
    FastCrash: json_schema!({"enum": ["backoff", "retry", "stop"], "description": "What is done about a fast crash."});
    State: json_schema!({"description": "How a process is doing.", "oneOf": states()});
    Settings: json_schema!({"type": "object", "description": "The settings that differ from their defaults.", "properties": settings()});
}

fn states() -> Vec<Value> {
    State::ALL.iter().map(|(word, meaning)| json!({"const": word, "description": meaning})).collect()
}

fn settings() -> Map<String, Value> {
    let property = |(name, meaning, mut schema): (&str, &str, Value)| {
        if let Value::Object(fields) = &mut schema {
            fields.insert("description".to_owned(), json!(meaning));
        }
        (name.to_owned(), schema)
    };
    described().into_iter().map(property).collect()
}
