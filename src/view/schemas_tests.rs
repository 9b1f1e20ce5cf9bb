//! The schemas, made from the types and from the list of settings.

use super::super::batch::Batch;
use super::super::capabilities::{Capabilities, Example, Meaning};
use super::super::environment::EnvReply;
use super::super::json::{FailureReply, JsonRow};
use super::super::json_autostart::AutostartReply;
use super::super::json_doctor::DoctorReply;
use super::super::json_events::{EventLine, EventsReply};
use super::super::json_export::ExportReply;
use super::super::json_jobs::{CheckReply, JobReply};
use super::super::json_logs::{DigestReply, ExpectReply, LogsReply, StreamLine};
use super::super::json_owner::ReapReply;
use super::super::json_resurrect::ResurrectReply;
use super::super::json_send::SendReply;
use super::super::json_skill::SkillReply;
use super::super::reply::{ManReply, PortReply, Reply, RunReply, ScriptReply, WaitReply};
use super::{TOPICS, schema, topic};
use crate::domain::{jobs, payload};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// The schema of each topic.
fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("bgo.toml", jobs::schema()),
        ("spec", payload::schema()),
        ("error", of::<FailureReply<'_>>()),
        ("reply", of::<Reply>()),
        ("batch", of::<Batch<'_, Reply>>()),
        ("replies", one_or_batch::<Reply>()),
        ("status", status()),
        ("wait", one_or_batch::<WaitReply<'_>>()),
        ("run", of::<RunReply>()),
        ("jobs", of::<Batch<'_, JobReply<'_>>>()),
        ("check", of::<CheckReply<'_>>()),
        ("resurrect", one_or_batch::<ResurrectReply<'_>>()),
        ("reap", of::<Batch<'_, ReapReply<'_>>>()),
        ("port", of::<PortReply>()),
        ("env", of::<EnvReply<'_>>()),
        ("doctor", of::<DoctorReply<'_>>()),
        ("events", of::<EventsReply<'_>>()),
        ("event", of::<EventLine<'_>>()),
        ("send", of::<SendReply>()),
        ("export", of::<ExportReply<'_>>()),
        ("skill", of::<SkillReply>()),
        ("autostart", autostart()),
        ("logs", logs()),
        ("log-line", of::<StreamLine>()),
        ("expect", of::<ExpectReply>()),
        ("capabilities", of::<Capabilities>()),
        ("schemas", of::<Vec<Meaning>>()),
        ("examples", of::<Vec<Example>>()),
        ("man", of::<ManReply>()),
        ("script", of::<ScriptReply>()),
    ]
}

/// The schema of what is written of a type: each field is there unless it says otherwise.
fn of<T: JsonSchema>() -> Value {
    written(|generator| generator.into_root_schema_for::<T>())
}

/// That of one thing, or of what came of several.
fn one_or_batch<T: JsonSchema>() -> Value {
    #[derive(JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum OneOrBatch<'a, T> {
        One(T),
        Several(Batch<'a, T>),
    }
    of::<OneOrBatch<'_, T>>()
}

fn autostart() -> Value {
    #[derive(JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Autostart<'a> {
        Places(AutostartReply<'a>),
        One(Reply),
        Several(Batch<'a, Reply>),
    }
    of::<Autostart<'_>>()
}

fn logs() -> Value {
    #[derive(JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Logs<'a> {
        One(LogsReply),
        Digest(DigestReply),
        Several(Batch<'a, LogsReply>),
        Digests(Batch<'a, DigestReply>),
    }
    of::<Logs<'_>>()
}

fn status() -> Value {
    #[derive(JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Status<'a> {
        All(Vec<JsonRow<'a>>),
        One(Box<JsonRow<'a>>),
        Several(Batch<'a, JsonRow<'a>>),
        Unknown(FailureReply<'a>),
    }
    of::<Status<'_>>()
}

fn written(schema: impl FnOnce(schemars::SchemaGenerator) -> Schema) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut value = schema(settings.into_generator()).to_value();
    if let Value::Object(fields) = &mut value {
        // Lifetimes and parameters are no concern of who reads it.
        fields.remove("title");
        fields.entry("$schema").or_insert_with(|| json!("https://json-schema.org/draft/2020-12/schema"));
    }
    value
}

/// What the file is to be: the definitions that several use stand in it once. An entry a line, so that a change is seen.
fn file() -> String {
    let mut shared = Map::new();
    let mut bodies = Vec::new();
    for (name, mut schema) in schemas() {
        let definitions = schema.as_object_mut().and_then(|fields| fields.remove("$defs"));
        let mut own = Map::new();
        for (key, definition) in definitions.into_iter().flat_map(|defs| defs.as_object().cloned().unwrap()) {
            // What is called as another (one generic type of two others) stays with its topic.
            if *shared.entry(key.clone()).or_insert_with(|| definition.clone()) != definition {
                own.insert(key, definition);
            }
        }
        if !own.is_empty() {
            schema["$defs"] = own.into();
        }
        bodies.push(format!("{}: {schema}", json!(name)));
    }
    let shared: Vec<String> = shared.iter().map(|(key, schema)| format!("{}: {schema}", json!(key))).collect();
    format!("{{\"$defs\": {{\n{}\n}},\n{}\n}}\n", shared.join(",\n"), bodies.join(",\n"))
}

const FILE: &str = include_str!("schemas.json");

/// `BGO_UPDATE_SCHEMAS=1 cargo test --lib schemas` writes the file.
#[test]
fn the_file_is_what_the_types_say() {
    let file = file();
    if std::env::var_os("BGO_UPDATE_SCHEMAS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/view/schemas.json");
        return std::fs::write(path, file).unwrap();
    }
    assert!(file == FILE, "src/view/schemas.json is out of date: BGO_UPDATE_SCHEMAS=1 cargo test --lib schemas");
}

#[test]
fn every_topic_has_its_schema_and_what_that_refers_to() {
    assert_eq!(
        TOPICS.iter().map(|topic| topic.name).collect::<Vec<_>>(),
        schemas().iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    for (name, made) in schemas() {
        assert!(schema(topic(name).unwrap()) == made, "{name}");
    }
}
