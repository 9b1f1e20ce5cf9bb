//! What `doctor` has found, as JSON.
//!
//! Why it exists: a script decides by it. Invariant: each check has at least one finding, also if it is that nothing is
//! wrong.

use super::json::document;
use crate::domain::finding::{Finding, Severity};
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What `doctor` has found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct DoctorReply<'a> {
    /// Whether no error is left.
    ok: bool,
    /// How many errors are left.
    errors: usize,
    /// How many warnings are left.
    warnings: usize,
    /// How many notes are left.
    notes_left: usize,
    /// How much was mended.
    fixed: usize,
    /// What was found, check by check.
    findings: Vec<&'a Finding>,
}

/// The findings as a document.
pub fn doctor(findings: Vec<&Finding>) -> String {
    let left = |severity| findings.iter().filter(|finding| !finding.fixed && finding.severity == severity).count();
    let errors = left(Severity::Error);
    document(&DoctorReply {
        ok: errors == 0,
        errors,
        warnings: left(Severity::Warning),
        notes_left: left(Severity::Note),
        fixed: findings.iter().filter(|finding| finding.fixed).count(),
        findings,
    })
}
