//! What bgo reads and writes, as JSON Schemas.
//!
//! Why it exists: a program that has never seen bgo can know the form of each answer before it asks. Invariant: the
//! schemas in the file are made from the types that are written and from the list of settings that is read: a test makes
//! them anew, and others hold real answers against them. A file, because the code that makes them would be a tenth of
//! the binary.

use flate2::bufread::GzDecoder;
use serde_json::{Map, Value};

/// The file, as `build.rs` has packed it: all schemas, by topic, and under `$defs` what several of them refer to.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/schemas.json.gz"));

/// Something that there is a schema of.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// What it is called.
    pub name: &'static str,
    /// Where it is read or written.
    pub about: &'static str,
}

/// Everything that there is a schema of.
pub const TOPICS: &[Topic] = &[
    Topic { name: "bgo.toml", about: "the file of a project" },
    Topic { name: "spec", about: "what start --spec takes" },
    Topic { name: "error", about: "on standard error, what any command that fails says" },
    Topic { name: "reply", about: "what came of a command on one process" },
    Topic { name: "batch", about: "what came of a command on several processes" },
    Topic { name: "replies", about: "a reply about one that was named, else a batch" },
    Topic { name: "status", about: "an array of all, one process that was named, or a batch of several" },
    Topic { name: "wait", about: "how a wait came out, of one or of several" },
    Topic { name: "run", about: "how a command in the foreground ended" },
    Topic { name: "jobs", about: "what became of the jobs of a project" },
    Topic { name: "check", about: "what is wrong with the file of a project" },
    Topic { name: "resurrect", about: "what was brought back, and what was not, with the reason" },
    Topic { name: "reap", about: "what has outlived its lease" },
    Topic { name: "port", about: "a port that was freed" },
    Topic { name: "env", about: "the environment of a process" },
    Topic { name: "doctor", about: "what is wrong, and what mends it" },
    Topic { name: "events", about: "what has happened to processes" },
    Topic { name: "event", about: "what happens to a process: one line of a stream" },
    Topic { name: "send", about: "what was sent to a process" },
    Topic { name: "export", about: "processes as another supervisor describes them" },
    Topic { name: "skill", about: "what was done with the skill file" },
    Topic { name: "autostart", about: "what runs bgo at login; of set: replies" },
    Topic { name: "logs", about: "lines of logs, an artifact or a digest, of one process or of several" },
    Topic { name: "log-line", about: "one line of a follow" },
    Topic { name: "expect", about: "a text that has come in the output" },
    Topic { name: "capabilities", about: "what bgo can do" },
    Topic { name: "schemas", about: "what there is a schema of" },
    Topic { name: "examples", about: "commands to try" },
    Topic { name: "man", about: "the manual pages" },
    Topic { name: "script", about: "the completions for a shell" },
];

/// The topic of that name.
pub fn topic(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// The schema of a topic, with the definitions that it refers to.
pub fn schema(topic: &Topic) -> Value {
    // A test reads it whole.
    let text = std::io::read_to_string(GzDecoder::new(PACKED)).unwrap_or_default();
    let mut all: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    let definitions = all.remove("$defs").unwrap_or_default();
    let mut schema = all.remove(topic.name).unwrap_or_default();
    let own = schema.as_object_mut().and_then(|fields| fields.remove("$defs")).unwrap_or_default();
    let mut used = own.as_object().cloned().unwrap_or_default();
    take_referred(&own, &definitions, &mut used);
    take_referred(&schema, &definitions, &mut used);
    if let (Value::Object(fields), false) = (&mut schema, used.is_empty()) {
        fields.insert("$defs".to_owned(), Value::Object(used));
    }
    schema
}

/// Puts into `used` all of the `definitions` that `value` refers to, and those that these refer to.
fn take_referred(value: &Value, definitions: &Value, used: &mut Map<String, Value>) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
            if let Some((name, definition)) = name.and_then(|name| Some((name, definitions.get(name)?)))
                && !used.contains_key(name)
            {
                used.insert(name.to_owned(), definition.clone());
                take_referred(definition, definitions, used);
            }
            fields.values().for_each(|value| take_referred(value, definitions, used));
        }
        Value::Array(values) => values.iter().for_each(|value| take_referred(value, definitions, used)),
        _ => {}
    }
}

#[cfg(test)]
#[path = "schemas_tests.rs"]
mod tests;
