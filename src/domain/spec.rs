//! What a person or script asks for: the command and how it is to be supervised.
//!
//! Why it exists: flags, `bgo.toml`, JSON payloads and the record all become the same types, with the same names and
//! defaults. Invariant: a [`Spec`] is a wish only; nothing in it was observed.

use super::duration::Span;
use super::raw::Raw;
use super::signal::Signal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long a process may take to end after the stop signal before it is killed.
pub const STOP_TIMEOUT: Span = Span::secs(5);
/// Default upper bound for checks that must poll.
pub const INTERVAL: Span = Span::secs(3);
/// Default shortest run that does not count as a fast crash.
pub const MIN_UPTIME: Span = Span::secs(2);

/// What to run and how to end it. The restart policy is kept beside it, in the record's `watch` block, as in 0.2.0.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The program (an absolute path) and its arguments, byte for byte.
    pub command: Vec<Raw>,
    /// Absolute path of the folder the command runs in.
    pub cwd: Raw,
    /// How it is ended.
    pub stop: StopSpec,
}

/// How a process is ended; the record's `spec` block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopSpec {
    /// The signal that asks it to end. Default SIGTERM.
    pub stop_signal: Signal,
    /// The grace it has before SIGKILL, in seconds. Default 5.
    pub stop_timeout: Span,
    /// What a newer bgo wrote here; kept when rewriting.
    #[serde(flatten, skip_deserializing)]
    pub extra: Map<String, Value>,
}

impl Default for StopSpec {
    fn default() -> StopSpec {
        StopSpec { stop_signal: Signal::TERM, stop_timeout: STOP_TIMEOUT, extra: Map::new() }
    }
}

/// What watch mode does about a fast crash: a death before `min_uptime`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FastCrash {
    /// Wait 2, 4, 8 s; the fourth consecutive fast crash is one too many.
    #[default]
    Backoff,
    /// Give up at the first.
    Stop,
    /// Never give up; wait 2, 4, 8, 8, 8 … s.
    Retry,
}

impl FastCrash {
    /// All of them, in the order of the help.
    pub const ALL: [FastCrash; 3] = [FastCrash::Backoff, FastCrash::Stop, FastCrash::Retry];
}

impl fmt::Display for FastCrash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FastCrash::Backoff => "backoff",
            FastCrash::Stop => "stop",
            FastCrash::Retry => "retry",
        })
    }
}

impl FromStr for FastCrash {
    type Err = String;

    fn from_str(text: &str) -> Result<FastCrash, String> {
        FastCrash::ALL
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or_else(|| format!("\"{text}\" is not one of backoff, stop, retry"))
    }
}

/// Watch settings that were given; what is `None` keeps its present value or takes its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchChange {
    /// Upper bound for checks that must poll.
    pub interval: Option<Span>,
    /// Shortest run that does not count as a fast crash.
    pub min_uptime: Option<Span>,
    /// What to do about a fast crash.
    pub on_fast_crash: Option<FastCrash>,
}

impl WatchChange {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        *self == WatchChange::default()
    }
}

/// The part of a record that the state machine decides by.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Whether a death is followed by a restart.
    pub watch: bool,
    /// Shortest run that does not count as a fast crash.
    pub min_uptime: Duration,
    /// What to do about a fast crash.
    pub on_fast_crash: FastCrash,
    /// The signal that asks the process to end.
    pub stop_signal: Signal,
    /// The grace before SIGKILL.
    pub stop_timeout: Duration,
}
