//! What a check of bgo's state and surroundings has found.
//!
//! Why it exists: text and JSON tell the same. Invariant: a finding that is not fine says what is wrong, and what mends it.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is wrong.
    Ok,
    /// Worth to know.
    Note,
    /// It may go wrong.
    Warning,
    /// It is wrong.
    Error,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Finding {
    /// Which check has found it.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The process that it is about; null: none in particular.
    pub name: Option<String>,
    /// What is so.
    pub message: String,
    /// What mends it: a command to type, or a sentence; null where nothing is wrong.
    pub hint: Option<String>,
    /// Whether `--fix` mends it.
    pub fixable: bool,
    /// Whether that was done.
    pub fixed: bool,
}

impl Finding {
    /// Something that is not fine, and what mends it.
    pub fn new(
        check: &'static str,
        severity: Severity,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Finding {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        Finding { check, severity, name: None, message: message.into(), hint, fixable: false, fixed: false }
    }

    /// About this process.
    #[must_use]
    pub fn of(mut self, name: impl ToString) -> Finding {
        self.name = Some(name.to_string());
        self
    }
}
