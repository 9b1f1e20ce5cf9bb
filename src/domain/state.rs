//! How a process is doing, in one word.
//!
//! Why it exists: the record, the table and JSON use the same words. Invariant: a word that this bgo does not know, of a
//! newer one, is read as `unknown`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Declares [`State`] with its words.
macro_rules! states {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)*) => {
        /// How a process is doing, in one word. A word that this bgo does not know, of a newer one, is `unknown`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum State { $($(#[doc = $doc])+ $variant,)* }

        impl State {
            /// Each state: its word, and what it means.
            pub const ALL: &[(&str, &str)] = &[$(($word, concat!($($doc),+))),*];
        }

        impl fmt::Display for State {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(State::$variant => $word,)* })
            }
        }

        impl<'de> Deserialize<'de> for State {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<State, D::Error> {
                Ok(match &*<std::borrow::Cow<'de, str>>::deserialize(d)? {
                    $($word => State::$variant,)*
                    _ => State::Unknown,
                })
            }
        }
    };
}

states! {
    /// The process does not run yet, or is not ready yet.
    Starting = "starting",
    /// It runs.
    Running = "running",
    /// It runs and is ready.
    Ready = "ready",
    /// It fails its health checks and is being ended for that.
    Unhealthy = "unhealthy",
    /// It was told to hold still.
    Paused = "paused",
    /// The process that was started has ended; descendants of it run.
    Detached = "detached",
    /// It was asked to end.
    Stopping = "stopping",
    /// It died and will be started again.
    Backoff = "backoff",
    /// It ended, and will be started again when one of its files changes.
    Waiting = "waiting",
    /// It ended by itself.
    Exited = "exited",
    /// It was stopped.
    Stopped = "stopped",
    /// It could not be started, was ended by supervision, or died too often.
    Errored = "errored",
    /// Nobody can tell: the identity of the process cannot be proven.
    Unknown = "unknown",
    /// The record cannot be read (in `status` only; never written).
    Corrupt = "corrupt",
}

impl State {
    /// Whether it is down, and stays so until somebody asks.
    pub fn is_settled(self) -> bool {
        matches!(self, State::Exited | State::Stopped | State::Errored)
    }

    /// Whether no process of it runs, and its sidecar is to start one again: in time, or when a file changes.
    pub fn is_between_runs(self) -> bool {
        matches!(self, State::Backoff | State::Waiting)
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
