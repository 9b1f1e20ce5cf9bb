//! An export as JSON.
//!
//! Why it exists: a script writes the files where they belong, and shows a person what has to be done by hand. Invariant:
//! what is said on standard error is here as data.

use super::json::document;
use crate::domain::export::{Exported, Format, Note};
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// Jobs for another supervisor.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ExportReply<'a> {
    /// For which: systemd, launchd, compose, nomad, k8s.
    format: &'a str,
    /// The files.
    files: Vec<ExportedFile<'a>>,
    /// What is not in them, as there is no counterpart.
    unmapped: Vec<ExportNote<'a>>,
    /// What is in them, and not quite the same.
    differing: Vec<ExportNote<'a>>,
}

/// A file for another supervisor.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct ExportedFile<'a> {
    /// Its name.
    name: &'a str,
    /// The processes that are in it.
    processes: &'a [String],
    /// Where it was written; null without --out-dir.
    path: Option<String>,
    /// What is in it.
    text: &'a str,
}

/// Something that is not as in bgo.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct ExportNote<'a> {
    /// The process.
    process: &'a str,
    /// The setting, named as in JSON; or env, cwd, command, name, restart.
    setting: &'a str,
    /// What is missing or different, and what to do about it.
    why: &'a str,
}

/// The document; `texts` are names and texts of the files, `paths` where they were written, if they were.
pub fn exported(format: Format, exported: &Exported, texts: &[(String, String)], paths: &[String]) -> String {
    let files = exported.files.iter().zip(texts).enumerate().map(|(index, (file, (name, text)))| ExportedFile {
        name,
        processes: &file.processes,
        path: paths.get(index).cloned(),
        text,
    });
    let notes = |is_mapped: bool| {
        let notes = exported.notes.iter().filter(move |note| note.is_mapped == is_mapped);
        let notes = notes.map(|Note { process, setting, why, .. }| ExportNote { process, setting, why });
        notes.collect()
    };
    let reply =
        ExportReply { format: format.word(), files: files.collect(), unmapped: notes(false), differing: notes(true) };
    document(&reply)
}
