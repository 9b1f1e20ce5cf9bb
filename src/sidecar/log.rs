//! The watcher log: what the sidecar saw and did, one line an event, as in bgo-cli 0.2.0.
//!
//! Why it exists: after the fact, this file explains every restart. Invariant: a line is one write on an `O_APPEND`
//! file (the sidecar's stdout), so lines of two sidecars never mix; a line that cannot be written stops nothing; what
//! a line quotes can neither begin another nor move the cursor of whoever reads it.

use crate::domain::control::is_control;
use crate::domain::timestamp::Timestamp;
use std::io::Write;
use std::time::SystemTime;

/// Appends one event.
pub fn log(text: &str) {
    let mut line = format!("[{}] ", Timestamp::of(SystemTime::now()));
    for c in text.chars() {
        if is_control(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line.push('\n');
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}
