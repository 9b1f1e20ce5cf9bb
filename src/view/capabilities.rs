//! What bgo can do, as JSON.
//!
//! Why it exists: a program learns the commands, their effects and the form of their answers from bgo itself. Invariant:
//! commands and arguments are those of the command line, kinds of errors and states those of the code; no list of them
//! is kept by hand.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// The version of the form of all answers: fields are only ever added to it.
pub const SCHEMA_VERSION: u32 = 1;

/// What bgo can do.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Capabilities {
    /// The version of the form of all answers; within one, fields are only added.
    pub schema_version: u32,
    /// The version of bgo.
    pub version: &'static str,
    /// The system it was built for: linux, macos.
    pub os: &'static str,
    /// The folder that the state is in.
    pub home: String,
    /// The commands.
    pub commands: Vec<CommandInfo>,
    /// What the exit status of a command means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exit_codes: Vec<ExitCodeInfo>,
    /// The kinds of errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub error_types: Vec<ErrorTypeInfo>,
    /// How a process can be doing: its `state`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<Meaning>,
    /// What there is a schema of: `bgo schema show NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<Meaning>,
    /// The variables that bgo itself reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Meaning>,
}

/// One command.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CommandInfo {
    /// Its name.
    pub name: String,
    /// Other names of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What it does, in a line.
    pub summary: String,
    /// What it changes.
    pub effect: Effect,
    /// The schema of its answer with --json; with `stream`, of each of its lines.
    pub reply: &'static str,
    /// Whether it can answer with one object a line, for as long as it goes on.
    pub stream: bool,
    /// What it takes; only of commands that were asked for by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<ArgumentInfo>,
}

/// What a command changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing.
    Read,
    /// Processes and their records; what it ends can be started again.
    Write,
    /// It ends or removes what bgo cannot bring back.
    Destructive,
}

/// One argument of a command.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ArgumentInfo {
    /// How it is written: `--flag`, or what a positional stands for.
    pub name: String,
    /// Other spellings of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What it means.
    pub summary: String,
    /// What its value is; null: it has none.
    pub value: Option<String>,
    /// The values it can have, if they are few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Its value, if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it can be given more than once.
    pub repeatable: bool,
}

/// What an exit status means.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ExitCodeInfo {
    /// The number.
    pub code: u8,
    /// What it means.
    pub meaning: &'static str,
}

/// A kind of error.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ErrorTypeInfo {
    /// Its name: the `type` of an error.
    pub r#type: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// The exit status that it leads to.
    pub exit_code: u8,
    /// Whether the same command may succeed when simply tried again.
    pub retryable: bool,
}

/// A word, and what it means.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Meaning {
    /// The word.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// Something that one does with bgo.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Example {
    /// The verb that it is about.
    pub verb: &'static str,
    /// What it does.
    pub about: &'static str,
    /// The lines to type, for sh.
    pub lines: &'static [&'static str],
}
