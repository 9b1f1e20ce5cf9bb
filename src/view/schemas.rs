//! What bgo reads and writes, as JSON Schemas.
//!
//! Why it exists: a program that has never seen bgo can know the form of each answer before it asks. Invariant: a
//! schema is made from the type that is written, or from the list of settings that is read; a test holds real answers
//! against all of them.

use super::batch::Batch;
use super::capabilities::{Capabilities, Example, Meaning};
use super::environment::EnvReply;
use super::json::{FailureReply, JsonRow};
use super::json_doctor::DoctorReply;
use super::json_events::{EventLine, EventsReply};
use super::json_jobs::{CheckReply, JobReply};
use super::json_owner::ReapReply;
use super::json_send::SendReply;
use super::json_skill::SkillReply;
use super::reply::{PortReply, Reply, RunReply, ScriptReply, WaitReply};
use crate::domain::{jobs, payload};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// Something that there is a schema of.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// What it is called.
    pub name: &'static str,
    /// Where it is read or written.
    pub about: &'static str,
    schema: fn() -> Value,
}

impl Topic {
    /// The schema.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }
}

/// Everything that there is a schema of.
pub const TOPICS: &[Topic] = &[
    Topic { name: "bgo.toml", about: "the file of a project", schema: jobs::schema },
    Topic { name: "spec", about: "what start --spec takes", schema: payload::schema },
    Topic {
        name: "error",
        about: "on standard error, what any command that fails says",
        schema: of::<FailureReply<'_>>,
    },
    Topic { name: "reply", about: "what came of a command on one process", schema: of::<Reply> },
    Topic { name: "batch", about: "what came of a command on several processes", schema: of::<Batch<'_, Reply>> },
    Topic { name: "replies", about: "a reply about one that was named, else a batch", schema: one_or_batch::<Reply> },
    Topic {
        name: "status",
        about: "an array of all, one process that was named, or a batch of several",
        schema: status,
    },
    Topic { name: "wait", about: "how a wait came out, of one or of several", schema: one_or_batch::<WaitReply<'_>> },
    Topic { name: "run", about: "how a command in the foreground ended", schema: of::<RunReply> },
    Topic { name: "jobs", about: "what became of the jobs of a project", schema: of::<Batch<'_, JobReply<'_>>> },
    Topic { name: "check", about: "what is wrong with the file of a project", schema: of::<CheckReply<'_>> },
    Topic { name: "reap", about: "what has outlived its lease", schema: of::<Batch<'_, ReapReply<'_>>> },
    Topic { name: "port", about: "a port that was freed", schema: of::<PortReply> },
    Topic { name: "env", about: "the environment of a process", schema: of::<EnvReply<'_>> },
    // Events and doctor.
    Topic { name: "doctor", about: "what is wrong, and what mends it", schema: of::<DoctorReply<'_>> },
    Topic { name: "events", about: "what has happened to processes", schema: of::<EventsReply<'_>> },
    Topic { name: "event", about: "what happens to a process: one line of a stream", schema: of::<EventLine<'_>> },
    Topic { name: "send", about: "what was sent to a process", schema: of::<SendReply> },
    Topic { name: "skill", about: "what was done with the skill file", schema: of::<SkillReply> },
    Topic { name: "capabilities", about: "what bgo can do", schema: of::<Capabilities> },
    Topic { name: "schemas", about: "what there is a schema of", schema: of::<Vec<Meaning>> },
    Topic { name: "examples", about: "commands to try", schema: of::<Vec<Example>> },
    Topic { name: "script", about: "the completions for a shell", schema: of::<ScriptReply> },
];

/// The topic of that name.
pub fn topic(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
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

fn status() -> Value {
    #[derive(JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Status<'a> {
        All(Vec<JsonRow<'a>>),
        One(Box<JsonRow<'a>>),
        Several(Batch<'a, JsonRow<'a>>),
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
