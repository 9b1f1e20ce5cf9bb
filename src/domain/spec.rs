//! What a person or script asks for: the command and how it is to be supervised.
//!
//! Why it exists: flags, `bgo.toml`, JSON payloads and the record all become the same types, with the same names and
//! defaults. Invariant: a [`Spec`] is a wish only; nothing in it was observed.

use super::duration::Span;
use super::lease::Term;
use super::machine::Grace;
use super::raw::Raw;
use super::settings::{Change, Restart, RestartOn, Settings, displaced_by};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Default upper bound for checks that must poll.
pub const INTERVAL: Span = Span::secs(3);
/// Default shortest run that does not count as a fast crash.
pub const MIN_UPTIME: Span = Span::secs(2);

/// What to run and how to supervise it. What 0.2.0 knows of the restart policy is kept beside it, in the record's
/// `watch` block.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The program (an absolute path) and its arguments, byte for byte.
    pub command: Vec<Raw>,
    /// Absolute path of the folder the command runs in.
    pub cwd: Raw,
    /// How it is supervised.
    pub settings: Settings,
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

/// Everything about supervision that was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Supervision {
    /// The restart policy.
    pub restart: Option<Restart>,
    /// What 0.2.0 knows of it.
    pub watch: WatchChange,
    /// The rest.
    pub settings: Change,
}

impl Supervision {
    /// The names of what was given, as on the command line, without the dashes in front.
    pub fn names(&self) -> Vec<String> {
        let watch = [
            ("restart", self.restart.is_some()),
            ("interval", self.watch.interval.is_some()),
            ("min-uptime", self.watch.min_uptime.is_some()),
            ("on-fast-crash", self.watch.on_fast_crash.is_some()),
        ];
        let given = watch.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned());
        // `restart_on` is what the policy comes to, not a flag of its own.
        given.chain(self.settings.names().into_iter().filter(|name| name != "restart-on")).collect()
    }

    /// Puts what `other` gives on top of this. Another way to tell readiness, or health, takes the place of this one's.
    pub fn overlay(&mut self, other: Supervision) {
        displaced_by(&other.settings.names()).for_each(|way| self.settings.withdraw(way));
        self.restart = other.restart.or(self.restart);
        self.watch.interval = other.watch.interval.or(self.watch.interval);
        self.watch.min_uptime = other.watch.min_uptime.or(self.watch.min_uptime);
        self.watch.on_fast_crash = other.watch.on_fast_crash.or(self.watch.on_fast_crash);
        self.settings.overlay(other.settings);
    }

    /// What was given and means nothing beside `settings`, in words; `restarts` is whether there is a restart policy.
    pub fn pointless(&self, settings: &Settings, restarts: bool) -> Option<String> {
        if settings.oneshot && restarts && settings.restart_on == RestartOn::Always {
            return Some("--oneshot means nothing with --restart always: it would never have ended".to_owned());
        }
        for name in self.names() {
            let needs = match name.as_str() {
                "min-uptime" | "on-fast-crash" | "backoff" | "backoff-max" | "backoff-jitter" | "max-fast-crashes"
                | "restart-limit"
                    if !restarts =>
                {
                    "a restart policy: add --restart always or --restart on-failure"
                }
                "backoff" if settings.backoff.0 > settings.backoff_max.0 => "a --backoff-max that is at least as long",
                "max-fast-crashes" if self.watch.on_fast_crash.is_some_and(|mode| mode != FastCrash::Backoff) => {
                    "--on-fast-crash backoff"
                }
                "interval" if !restarts && settings.max_rss.is_none() => {
                    "something that must be polled: add --restart always, or --max-rss"
                }
                "watch-ignore" | "watch-poll" | "watch-signal" if settings.watch_files.is_empty() => {
                    "files to watch: add --watch-files"
                }
                "ready-timeout" | "on-ready-timeout" | "on-ready" if settings.ready_when().is_none() => {
                    "a way to tell readiness: add --ready-when or one like it"
                }
                "health-interval" | "health-threshold" | "health-grace" if settings.health_check().is_none() => {
                    "a health check: add --health-url, --health-port or --health-cmd"
                }
                "health-timeout" if settings.health_check().is_none() && settings.ready_when().is_none() => {
                    "a check: add --health-url, --health-port or --health-cmd"
                }
                _ => continue,
            };
            return Some(format!("--{name} means nothing without {needs}"));
        }
        None
    }
}

/// What the state machine decides by: the wishes of a record in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Whether it is to be up at all.
    pub wanted: bool,
    /// Whether a death is followed by a restart, as far as `settings.restart_on` says.
    pub watch: bool,
    /// Shortest run that does not count as a fast crash.
    pub min_uptime: Duration,
    /// What to do about a fast crash.
    pub on_fast_crash: FastCrash,
    /// The time between two looks at what must be polled.
    pub interval: Duration,
    /// All the rest.
    pub settings: Settings,
    /// Until when it may run.
    pub term: Term,
}

impl Policy {
    /// Whether a change of its files is answered.
    pub fn watches_files(&self) -> bool {
        self.wanted && !self.settings.watch_files.is_empty()
    }

    /// How the process is ended unless somebody asks otherwise.
    pub fn grace(&self) -> Grace {
        Grace { signal: self.settings.stop_signal, timeout: self.settings.stop_timeout.0 }
    }
}
