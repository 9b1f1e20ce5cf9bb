//! A digest of logs as text.
//!
//! Why it exists: a person reads a digest, too. Invariant: no control character of a log reaches the terminal raw.

use super::json_logs::{Artifact, StreamDigest};
use super::text::{clean, quote, size};
use std::fmt::Write;

/// The digests of `streams`, one after the other.
pub fn digest(streams: &[StreamDigest]) -> String {
    let mut out = String::new();
    for (index, stream) in streams.iter().enumerate() {
        let gap = if index > 0 { "\n" } else { "" };
        let count = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let StreamDigest { stream: name, bytes, lines, errors, warnings, .. } = stream;
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{gap}{name}: {}, {}; {}, {}",
            size(*bytes),
            count(*lines, "line"),
            count(*errors, "error"),
            count(*warnings, "warning")
        );
        let mut part = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                let _ = writeln!(out, "  {title}");
                lines.iter().for_each(|line| {
                    let _ = writeln!(out, "    {}", clean(line));
                });
            }
        };
        part("last error", stream.last_error.iter().map(|line| line.text.clone()).collect());
        let repeated = stream.repeated.iter().map(|repeated| {
            let (first, last) = (&repeated.first.text, &repeated.last.text);
            let last = if first == last { String::new() } else { format!(" … {last}") };
            format!("{} x {first}{last}", repeated.count)
        });
        part("repeated", repeated.collect());
        part("last lines", stream.last_lines.iter().map(|line| line.text.clone()).collect());
    }
    out
}

/// An artifact: its files, then its digest.
pub fn artifact(artifact: &Artifact) -> String {
    let mut out = String::new();
    for file in &artifact.files {
        let compressed = if file.compressed { ", compressed" } else { "" };
        let _ = writeln!(out, "{}: {} bytes {}-{}{compressed}", file.stream, quote(&file.path), file.from, file.to);
    }
    let digest = digest(&artifact.digest);
    if out.is_empty() || digest.is_empty() { out + &digest } else { format!("{out}\n{digest}") }
}
