//! The ways to tell that a process is ready, or well.
//!
//! Why it exists: a check is shown in many places, always as the flag that asked for it. Invariant: what is shown can be
//! typed.

use super::raw::Raw;
use std::fmt;

/// How readiness is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyWhen<'a> {
    /// A line contains this.
    Text(&'a str),
    /// A line matches this.
    Regex(&'a str),
    /// A process of the tree listens on this port.
    Port(u16),
    /// This URL answers with 2xx.
    Url(&'a str),
    /// This file is newer than the start.
    File(&'a Raw),
    /// This command succeeds.
    Cmd(&'a str),
    /// It says so by sd_notify.
    Notify,
}

impl ReadyWhen<'_> {
    /// Whether a look is an answer that somebody else has to give.
    pub fn takes_time(self) -> bool {
        matches!(self, ReadyWhen::Url(_) | ReadyWhen::Cmd(_))
    }
}

impl fmt::Display for ReadyWhen<'_> {
    /// The flag and its value: `--ready-when-port 8080`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadyWhen::Text(text) => write!(f, "--ready-when {}", quoted(text)),
            ReadyWhen::Regex(pattern) => write!(f, "--ready-when-regex {}", quoted(pattern)),
            ReadyWhen::Port(port) => write!(f, "--ready-when-port {port}"),
            ReadyWhen::Url(url) => write!(f, "--ready-when-url {url}"),
            ReadyWhen::File(path) => write!(f, "--ready-when-file {}", path.lossy()),
            ReadyWhen::Cmd(command) => write!(f, "--ready-when-cmd {}", quoted(command)),
            ReadyWhen::Notify => f.write_str("--ready-when-notify"),
        }
    }
}

/// A text as one word for a shell, by the quotes that it does not hold itself.
fn quoted(text: &str) -> String {
    if text.contains('"') { format!("'{}'", text.replace('\'', r"'\''")) } else { format!("\"{text}\"") }
}

/// How health is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthCheck<'a> {
    /// This URL answers with 2xx.
    Url(&'a str),
    /// Something accepts connections on this port.
    Port(u16),
    /// This command succeeds.
    Cmd(&'a str),
}

impl fmt::Display for HealthCheck<'_> {
    /// The flag and its value: `--health-port 8080`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HealthCheck::Url(url) => write!(f, "--health-url {url}"),
            HealthCheck::Port(port) => write!(f, "--health-port {port}"),
            HealthCheck::Cmd(command) => write!(f, "--health-cmd {}", quoted(command)),
        }
    }
}
