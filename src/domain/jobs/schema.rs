//! The JSON Schema of `bgo.toml`, for editors.
//!
//! Why it exists: an editor that knows the keys finds a typing error while it is typed. Invariant: it is made of the
//! same list of settings and kinds that the file is read by, so the two cannot differ.

use super::super::settings;
use super::keys::{self, ALIASES};
use serde_json::{Map, Value, json};

/// The schema of the whole file.
pub fn schema() -> Value {
    let mut properties = Map::new();
    for (name, meaning, schema) in keys::others() {
        properties.insert(name.to_owned(), described(schema, meaning));
    }
    for (name, meaning, schema) in settings::described() {
        let key = name.replace('_', "-");
        if keys::setting(&key).is_some() {
            properties.insert(key, described(schema, meaning));
        }
    }
    for (alias, name, _) in ALIASES {
        let schema = if alias.ends_with("-url") || alias == "workspace" { "string" } else { "integer" };
        properties.insert(
            alias.to_owned(),
            json!({"type": schema, "deprecated": true, "description": format!("bgrun's word for {name}.")}),
        );
    }
    properties.insert("pty".to_owned(), json!({"const": false, "description": "Terminals are not supported yet."}));
    let mut defaults = properties.clone();
    defaults.remove("cmd");
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "bgo.toml",
        "type": "object",
        "additionalProperties": false,
        "required": ["jobs"],
        "properties": {
            "project": {"type": "string", "description": "What the project is called. Default: the name of its folder."},
            "defaults": {"type": "object", "additionalProperties": false, "properties": defaults, "description": "What holds for all jobs that do not say otherwise."},
            "jobs": {
                "type": "object",
                "minProperties": 1,
                "description": "One table a job: [jobs.NAME].",
                "additionalProperties": {"type": "object", "additionalProperties": false, "required": ["cmd"], "properties": properties},
            },
        },
    })
}

fn described(mut schema: Value, meaning: &str) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), json!(meaning));
    }
    schema
}
