//! The keys of a spec, and the JSON Schema of a payload.
//!
//! Why it exists: who writes payloads asks for their form before. Invariant: what the schema allows, the reader takes,
//! for both go by the lists here and that of the settings.

use super::super::duration::Span;
use super::super::kind::Kind;
use super::super::settings;
use super::super::spec::FastCrash;
use super::super::values::Restart;
use serde_json::{Map, Value, json};

/// Keys that are no settings, with what they mean and their schema.
pub(super) fn others() -> Vec<(&'static str, &'static str, Value)> {
    let text = json!({"type": "string"});
    let flag = json!({"type": "boolean"});
    let scalar = json!({"type": ["string", "number", "boolean"]});
    vec![
        ("name", "The name of the process.", json!({"type": "string", "minLength": 1})),
        (
            "command",
            "Program and arguments, as they are: a list of words; or the program alone, with its arguments in `args`.",
            json!({"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]}),
        ),
        ("cmd", "The command as a line: run by sh -c if it needs a shell, else split as a shell would.", text.clone()),
        ("cwd", "The folder to run in, relative to that of the caller. Default: that one.", text),
        ("env", "Variables on top of the environment.", json!({"type": "object", "additionalProperties": scalar})),
        ("restart", "Whether it is restarted when it dies. Default: no.", Restart::schema()),
        ("interval", "Upper bound for checks that must poll. Default 3 s.", Span::schema()),
        ("min_uptime", "A death before this is a fast crash. Default 2 s.", Span::schema()),
        ("on_fast_crash", "What follows a fast crash. Default: backoff.", FastCrash::schema()),
        ("settle", "How long the start watches for an early end; 0: not at all. Default 100 ms.", Span::schema()),
        (
            "wait",
            "Whether the start waits until it is ready or has ended; a time: for that long at most. Default: no.",
            json!({"type": ["boolean", "number", "string"]}),
        ),
        ("if_not_running", "Whether it is a success if it runs already. Default: no.", flag.clone()),
        ("force", "Whether it is replaced if it runs already. Default: no.", flag.clone()),
        ("fetch", "Whether its folder is brought up to date first (git pull --ff-only). Default: no.", flag),
        ("after_timeout", "How long what it needs may take to get ready. Default 120 s.", Span::schema()),
    ]
}

/// What background-tasks calls things, and what they are here. Its `args` is more than another name.
pub(super) const ALIASES: [(&str, &str); 2] = [("id", "name"), ("workdir", "cwd")];

/// The arguments after a `command` that is a text.
pub(super) const ARGS: &str = "args";

/// The setting that the key `name` is; `restart_on` is what `restart` comes to, not a key of its own.
pub(super) fn setting(name: &str) -> Option<&'static str> {
    settings::NAMES.iter().copied().find(|known| *known == name && name != "restart_on")
}

/// All keys that a spec may have.
pub(super) fn all() -> Vec<&'static str> {
    let settings = settings::NAMES.iter().copied().filter(|name| *name != "restart_on");
    let others = others().into_iter().map(|(name, ..)| name);
    others.chain(settings).chain(ALIASES.map(|(alias, _)| alias)).chain([ARGS]).collect()
}

/// The schema of a payload: a spec, or an array of specs.
pub fn schema() -> Value {
    let mut properties = Map::new();
    let settings = settings::described().into_iter().filter(|(name, ..)| setting(name).is_some());
    for (name, meaning, schema) in others().into_iter().chain(settings) {
        properties.insert(name.to_owned(), described(schema, meaning));
    }
    let words = json!({"type": "array", "items": {"type": "string"}});
    properties.insert(ARGS.to_owned(), described(words, "The arguments after a `command` that is a text."));
    for (alias, name) in ALIASES {
        let meaning = format!("background-tasks' word for {name}.");
        properties.insert(alias.to_owned(), json!({"type": "string", "deprecated": true, "description": meaning}));
    }
    let one_of = |keys: &[&str]| -> Value { keys.iter().map(|key| json!({"required": [key]})).collect() };
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "bgo start --spec",
        "anyOf": [{"$ref": "#/definitions/spec"}, {"type": "array", "items": {"$ref": "#/definitions/spec"}, "minItems": 1}],
        "definitions": {"spec": {
            "type": "object",
            "additionalProperties": false,
            "properties": properties,
            "allOf": [{"oneOf": one_of(&["name", "id"])}, {"oneOf": one_of(&["command", "cmd"])}],
        }},
    })
}

fn described(mut schema: Value, meaning: &str) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), json!(meaning));
    }
    schema
}
