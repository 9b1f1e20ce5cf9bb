//! The watcher log: what the sidecar saw and did, one line an event, as in bgo-cli 0.2.0.
//!
//! Why it exists: after the fact, this file explains every restart. Invariant: a line is one write on an `O_APPEND`
//! file (the sidecar's stdout), so lines of two sidecars never mix; a line that cannot be written stops nothing.

use crate::domain::timestamp::Timestamp;
use std::io::Write;
use std::time::SystemTime;

/// Appends one event.
pub fn log(text: &str) {
    let line = format!("[{}] {text}\n", Timestamp(SystemTime::now()));
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}
