//! Kinds of values: how each is shown, read from a document, and described to an editor.
//!
//! Why it exists: a setting has the same name and the same forms behind every door, so what is said about its values,
//! in errors as in schemas, comes from its type. Invariant: what [`Kind::schema`] allows, [`Kind::from_value`] takes.

use super::duration::Span;
use super::raw::Raw;
use super::signal::Signal;
use super::size::Size;
use super::spec::FastCrash;
use super::values::{Autostart, ExitCodes, OnReadyTimeout, Percent, Restart, RestartLimit, RestartOn, Umask, Variable};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A kind of value that a setting may have.
pub trait Kind: DeserializeOwned {
    /// The value as a person reads it.
    fn shown(&self) -> String;

    /// What a value has to be, in words: `a time such as 30, "500ms" or "2m"`.
    fn expected() -> String;

    /// The JSON Schema of its values.
    fn schema() -> Value;

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn from_value(value: Value) -> Result<Self, String> {
        let is_text = value.is_string();
        serde_json::from_value(value).map_err(|e| {
            let why = e.to_string();
            // What a type says about a text names what is wrong with it; serde's own words name types of Rust.
            if is_text && !why.starts_with("invalid type") && !why.starts_with("unknown variant") {
                format!("{why}; expected {}", Self::expected())
            } else {
                format!("expected {}", Self::expected())
            }
        })
    }
}

impl<T: Kind> Kind for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), T::shown)
    }

    fn expected() -> String {
        T::expected()
    }

    fn schema() -> Value {
        T::schema()
    }

    fn from_value(value: Value) -> Result<Self, String> {
        T::from_value(value).map(Some)
    }
}

/// A list may be given as its only element.
impl<T: Kind> Kind for Vec<T> {
    fn shown(&self) -> String {
        self.iter().map(T::shown).collect::<Vec<_>>().join(", ")
    }

    fn expected() -> String {
        format!("{}, or a list of such", T::expected())
    }

    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "array", "items": T::schema()}]})
    }

    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(values) => values.into_iter().map(T::from_value).collect(),
            one => T::from_value(one).map(|one| vec![one]),
        }
        .map_err(|why| {
            let element = format!("expected {}", T::expected());
            if why == element { format!("expected {}", Self::expected()) } else { why }
        })
    }
}

impl Kind for bool {
    fn shown(&self) -> String {
        if *self { "yes".to_owned() } else { "no".to_owned() }
    }

    fn expected() -> String {
        "true or false".to_owned()
    }

    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

impl Kind for Raw {
    fn shown(&self) -> String {
        self.lossy().into_owned()
    }

    fn expected() -> String {
        "a path in quotes".to_owned()
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }
}

/// Kinds that show themselves, each with its words and its schema.
macro_rules! kinds {
    ($($kind:ty: $expected:expr, $schema:tt;)*) => {
        $(impl Kind for $kind {
            fn shown(&self) -> String {
                self.to_string()
            }

            fn expected() -> String {
                $expected.to_owned()
            }

            fn schema() -> Value {
                json!($schema)
            }
        })*
    };
}

kinds! {
    String: "a text in quotes", {"type": "string"};
    i32: "a whole number", {"type": "integer", "minimum": (i32::MIN), "maximum": (i32::MAX)};
    u16: "a whole number from 0 to 65535", {"type": "integer", "minimum": 0, "maximum": 65535};
    u32: "a whole number from 0 on", {"type": "integer", "minimum": 0, "maximum": (u32::MAX)};
    u64: "a whole number from 0 on", {"type": "integer", "minimum": 0};
    Span: "a time such as 30, \"500ms\" or \"2m\"", {"type": ["number", "string"], "minimum": 0};
    Size: "a size such as \"500M\", or a number of bytes", {"type": ["integer", "string"], "minimum": 0};
    Signal: "a signal such as \"HUP\" or \"SIGTERM\"", {"type": ["string", "integer"]};
    Percent: "a percentage such as 20 or \"20%\"", {"type": ["integer", "string"], "minimum": 0, "maximum": 100};
    Umask: "a mask in quotes such as \"027\"", {"type": "string"};
    ExitCodes: "exit codes such as [0, 143] or \"0,143\"", {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}}]
    };
    Variable: "the name of a variable such as \"PORT\"", {"type": "string"};
    RestartLimit: "a number within a time such as \"10/1m\"", {"type": "string"};
    Restart: "\"no\", \"on-failure\" or \"always\"", {"enum": (Restart::ALL)};
    RestartOn: "\"on-failure\" or \"always\"", {"enum": (RestartOn::ALL)};
    Autostart: "\"always\", \"unless-stopped\" or \"never\"", {"enum": (Autostart::ALL)};
    OnReadyTimeout: "\"fail\" or \"keep\"", {"enum": (OnReadyTimeout::ALL)};
    FastCrash: "\"backoff\", \"stop\" or \"retry\"", {"enum": (FastCrash::ALL)};
}
