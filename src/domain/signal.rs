//! Signals by name or number.
//!
//! Why it exists: people write `TERM`, `SIGTERM` or `15`; records and messages say `SIGTERM`. Invariant: a [`Signal`]
//! is a number the kernel can deliver (1 to 64).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A signal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    /// Asks a process to end; the default stop signal.
    pub const TERM: Signal = Signal(libc::SIGTERM);
    /// Ends a process without asking.
    pub const KILL: Signal = Signal(libc::SIGKILL);
    /// Wakes a paused process, so that it can act on another signal.
    pub const CONT: Signal = Signal(libc::SIGCONT);
    /// Holds a process.
    pub const STOP: Signal = Signal(libc::SIGSTOP);
    /// The nudge: "read your record again".
    pub const HUP: Signal = Signal(libc::SIGHUP);

    /// The signal of this number, if there can be one.
    pub fn from_number(number: i32) -> Option<Signal> {
        (1..=64).contains(&number).then_some(Signal(number))
    }

    /// The number the kernel knows it by.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Whether session managers end processes with it at logout or shutdown.
    pub fn may_be_shutdown(self) -> bool {
        matches!(self.0, libc::SIGTERM | libc::SIGKILL | libc::SIGHUP | libc::SIGINT)
    }
}

impl FromStr for Signal {
    type Err = String;

    fn from_str(text: &str) -> Result<Signal, String> {
        let unknown =
            || format!("\"{text}\" is not a signal; use a name such as TERM or INT, or a number from 1 to 64");
        if let Ok(number) = text.parse::<i32>() {
            return Signal::from_number(number).ok_or_else(unknown);
        }
        let upper = text.to_ascii_uppercase();
        let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        if let Some(number) = full.strip_prefix("SIG").and_then(|rest| rest.parse::<i32>().ok()) {
            return Signal::from_number(number).ok_or_else(unknown);
        }
        full.parse::<nix::sys::signal::Signal>().map(|s| Signal(s as i32)).map_err(|_| unknown())
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nix::sys::signal::Signal::try_from(self.0) {
            Ok(known) => f.write_str(known.as_str()),
            Err(_) => write!(f, "SIG{}", self.0),
        }
    }
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Signal, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_known_by_name_and_number() {
        for text in ["TERM", "SIGTERM", "term", "15", "sigterm", "SIG15"] {
            assert_eq!(text.parse(), Ok(Signal::TERM), "{text}");
        }
        assert_eq!("40".parse::<Signal>().map(|s| s.to_string()), Ok("SIG40".to_owned()));
        assert_eq!("SIG40".parse::<Signal>().map(Signal::number), Ok(40));
        for bad in ["", "0", "65", "-9", "NOPE", "SIG", "SIG0"] {
            assert!(bad.parse::<Signal>().is_err(), "{bad}");
        }
    }
}
