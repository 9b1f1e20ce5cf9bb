//! How a run ended.
//!
//! Why it exists: the exact end of a process is what its user most wants to know. Invariant: an outcome is what the
//! kernel reported, or `Unknown`; never a guess, never -1.

use super::duration::Span;
use super::signal::Signal;
use super::timestamp::Timestamp;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How a process ended, as far as the kernel told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself with this exit code (0 to 255).
    Code(i32),
    /// A signal ended it.
    Signal {
        /// Which.
        signal: Signal,
        /// Whether the kernel's OOM killer sent it.
        oom: bool,
    },
    /// It is gone and nobody could see how.
    Unknown,
}

impl Outcome {
    /// Whether the process ended by itself with code 0.
    pub fn is_success(self) -> bool {
        self == Outcome::Code(0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Code(code) => write!(f, "exit code {code}"),
            Outcome::Signal { signal, oom: true } => write!(f, "{signal} (out of memory)"),
            Outcome::Signal { signal, oom: false } => write!(f, "{signal}"),
            Outcome::Unknown => f.write_str("unknown exit"),
        }
    }
}

/// One end of one run, as kept in the record's `exits`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Exit {
    /// When bgo learned of it.
    pub at: Timestamp,
    /// Exit code; null when a signal ended it or nobody saw.
    #[serde(default)]
    pub code: Option<i32>,
    /// Signal by name; null when it exited or nobody saw.
    #[serde(default)]
    pub signal: Option<Signal>,
    /// Whether the kernel's OOM killer did it.
    #[serde(default)]
    pub oom: bool,
    /// How long the run lasted, in milliseconds of the boot-time clock; null if unknown.
    #[serde(default)]
    pub uptime_ms: Option<u64>,
    /// Whether the session or machine was going down at that moment (or may have been: of a process that has left others
    /// behind, when the last of these was ended), so that `resurrect` brings it back.
    #[serde(default)]
    pub shutdown: bool,
    /// Where in the logs (stdout, stderr) the run began; null if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs_from: Option<[u64; 2]>,
    /// Why supervision ended it (a limit, failed health checks, a planned restart); null if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Exit {
    /// The end `outcome` of a run that lasted `uptime`.
    pub fn new(at: Timestamp, outcome: Outcome, uptime: Option<Duration>) -> Exit {
        let (code, signal, oom) = match outcome {
            Outcome::Code(code) => (Some(code), None, false),
            Outcome::Signal { signal, oom } => (None, Some(signal), oom),
            Outcome::Unknown => (None, None, false),
        };
        let uptime_ms = uptime.map(|up| u64::try_from(up.as_millis()).unwrap_or(u64::MAX));
        Exit { at, code, signal, oom, uptime_ms, shutdown: false, logs_from: None, reason: None }
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        match (self.code, self.signal) {
            (Some(code), _) => Outcome::Code(code),
            (None, Some(signal)) => Outcome::Signal { signal, oom: self.oom },
            (None, None) => Outcome::Unknown,
        }
    }

    /// Whether the end of the session or machine may have caused this end: then the process still counts as wanted.
    pub fn may_be_shutdown(&self) -> bool {
        match self.outcome() {
            Outcome::Code(_) => self.shutdown,
            Outcome::Signal { oom, signal } => !oom && signal.may_be_shutdown(),
            Outcome::Unknown => true,
        }
    }
}

impl fmt::Display for Exit {
    /// `exit code 3 after 400ms`, and in parentheses why, where supervision ended it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.outcome())?;
        if let Some(ms) = self.uptime_ms {
            write!(f, " after {}", Span(Duration::from_millis(ms)))?;
        }
        match &self.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn an_end_is_described_by_what_the_kernel_said() {
        let at = Timestamp(SystemTime::UNIX_EPOCH);
        for (outcome, text) in [
            (Outcome::Code(3), "exit code 3 after 400ms"),
            (Outcome::Signal { signal: Signal::KILL, oom: false }, "SIGKILL after 400ms"),
            (Outcome::Signal { signal: Signal::KILL, oom: true }, "SIGKILL (out of memory) after 400ms"),
            (Outcome::Unknown, "unknown exit after 400ms"),
        ] {
            let exit = Exit::new(at, outcome, Some(Duration::from_millis(400)));
            assert_eq!(exit.to_string(), text);
            let json = serde_json::to_string(&exit).unwrap();
            assert_eq!(serde_json::from_str::<Exit>(&json).unwrap(), exit, "{json}");
        }
    }

    #[test]
    fn only_ends_that_a_shutdown_causes_keep_the_wish() {
        let at = Timestamp(SystemTime::UNIX_EPOCH);
        let exit = |outcome| Exit::new(at, outcome, None);
        assert!(!exit(Outcome::Code(0)).may_be_shutdown());
        assert!(Exit { shutdown: true, ..exit(Outcome::Code(0)) }.may_be_shutdown());
        assert!(exit(Outcome::Signal { signal: Signal::TERM, oom: false }).may_be_shutdown());
        assert!(!exit(Outcome::Signal { signal: Signal::KILL, oom: true }).may_be_shutdown());
        let segv = Signal::from_number(libc::SIGSEGV).unwrap();
        assert!(!exit(Outcome::Signal { signal: segv, oom: false }).may_be_shutdown());
        assert!(exit(Outcome::Unknown).may_be_shutdown());
    }
}
